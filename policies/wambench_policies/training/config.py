"""How a model is trained: optimiser, schedule, and how often what is written."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field, model_validator

from wambench_policies.data.config import SelectionConfig
from wambench_policies.nn.config import Config


class LoopConfig(Config):
    """The training loop.

    Attributes:
        steps: Optimiser steps.
        batch_size: Windows per optimiser step, over all processes and accumulated micro-batches.
        learning_rate: Peak learning rate; a parameter group's `lr_scale` multiplies it.
        final_learning_rate: Learning rate at the last step.
        warmup: Steps of linear warm-up.
        schedule: After the warm-up: `cosine` down to the final one, or `constant`.
        betas: AdamW's.
        epsilon: AdamW's.
        clip: Greatest norm of the gradient; None for no clipping.
        precision: `fp32`, or `bf16` for automatic mixed precision.
        accumulation: Micro-batches per optimiser step and process.
        ema: Decay of the average of weights that is evaluated and saved; None for none.
        validate_every: Steps between validations, and one at the end; 0 for none.
        validation_batches: Batches of a validation, always the same windows and draws.
        log_every: Steps that one row of the log averages over.
        save_every: Steps between checkpoints, and one at the end; 0 for the last alone.
        cache_tokens: Whether the frozen encoder's tokens are computed once, before the first step,
            and read from the cache folder: 2 N D bytes a frame and camera (12 kB for the tiny
            encoder, 393 kB for DINOv3). Where views are augmented they cannot be.
        workers: Threads that read windows ahead; they do not change the order.
        seed: Initial weights, order, draws, and which episodes validate.
    """

    steps: int = Field(1000, ge=1)
    batch_size: int = Field(16, ge=1)
    learning_rate: float = Field(1e-4, gt=0)
    final_learning_rate: float = Field(0.0, ge=0)
    warmup: int = Field(0, ge=0)
    schedule: Literal["cosine", "constant"] = "cosine"
    betas: tuple[float, float] = (0.9, 0.95)
    epsilon: float = Field(1e-8, gt=0)
    clip: float | None = Field(1.0, gt=0)
    precision: Literal["fp32", "bf16"] = "fp32"
    accumulation: int = Field(1, ge=1)
    ema: float | None = Field(None, ge=0, lt=1)
    validate_every: int = Field(500, ge=0)
    validation_batches: int = Field(8, ge=1)
    log_every: int = Field(10, ge=1)
    save_every: int = Field(1000, ge=0)
    cache_tokens: bool = False
    workers: int = Field(2, ge=0)
    seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _divisible(self) -> LoopConfig:
        if self.batch_size % self.accumulation:
            raise ValueError(
                f"batch_size {self.batch_size} is no multiple of accumulation {self.accumulation}"
            )
        return self

    def rate(self, step: int) -> float:
        """Learning rate of optimiser step `step`, counted from 0."""
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        if self.schedule == "constant":
            return self.learning_rate
        done = (step - self.warmup) / max(1, self.steps - 1 - self.warmup)
        fall = 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
        return self.final_learning_rate + fall * (self.learning_rate - self.final_learning_rate)


class RunConfig(Config):
    """Base of the configurations of trainings; derive from this and the method's own one.

    Attributes:
        data: Which demonstrations.
        training: The loop.
    """

    data: SelectionConfig = SelectionConfig()
    training: LoopConfig = LoopConfig()
