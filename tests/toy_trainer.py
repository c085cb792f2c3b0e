"""A tiny method for tests of training: a trainer that is named by its file.

`wambench train tests/toy_trainer.py:ToyTrainer --stage policy ...`. Like every trainer it imports
torch only when it trains.
"""

from __future__ import annotations

import os
from typing import Any

from wambench.errors import UsageError
from wambench.trainer import Stage, TrainInput, TrainRequest, TrainResult
from wambench_policies.data.config import DataConfig
from wambench_policies.nn.config import Config, preset
from wambench_policies.training.config import LoopConfig, RunConfig


class ToyModelConfig(Config):
    """Sizes; `poison` makes the loss NaN at that call, `crash` kills the process there."""

    width: int = 8
    dropout: float = 0.1
    poison: int = -1
    crash: int = -1


class ToyConfig(RunConfig):
    model: ToyModelConfig = ToyModelConfig()

    @preset
    @classmethod
    def tiny(cls) -> ToyConfig:
        return cls(
            training=LoopConfig(
                steps=20,
                batch_size=4,
                learning_rate=1e-2,
                warmup=3,
                validate_every=5,
                validation_batches=2,
                log_every=3,
                save_every=7,
                ema=0.9,
                workers=1,
            ),
        )


def build_objective(config: ToyModelConfig) -> Any:
    """Predicts actions from state and a mean colour."""
    import torch
    from torch import nn

    class Toy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Sequential(
                nn.Linear(3 + 3, config.width),
                nn.GELU(),
                nn.LayerNorm(config.width),
                nn.Dropout(config.dropout),
                nn.Linear(config.width, 7),
            )
            self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

        def loss(self, batch: dict, generator: torch.Generator) -> tuple:
            if self.training:
                self.calls += 1
                if config.crash == int(self.calls):
                    os._exit(9)
            colour = batch["images"][:, 0].float().mean((1, 2)) / 255
            noise = torch.randn(colour.shape, generator=generator).to(colour)
            predicted = self.net(torch.cat([batch["state"], colour + 0.01 * noise], 1))
            wrong = (predicted[:, None] - batch["actions"]).square().mean(-1)
            loss = (wrong * batch["action_mask"]).sum() / batch["action_mask"].sum()
            if config.poison == int(self.calls):
                loss = loss * float("nan")
            return loss, {"action": loss.detach()}

        def parameter_groups(self) -> list[dict]:
            parameters = list(self.parameters())
            return [{"name": "all", "params": parameters, "lr_scale": 1.0, "weight_decay": 0.1}]

    return Toy()


class ToyTrainer:
    """One stage that takes an input and one that needs it."""

    stages = (
        Stage("policy", "a toy", ("tiny",), (TrainInput("teacher", "another toy"),)),
        Stage("pupil", "a toy", ("tiny",), (TrainInput("teacher", "another toy", True),)),
    )

    def train(self, request: TrainRequest) -> TrainResult:
        from wambench_policies.nn.checkpoint import Checkpoint
        from wambench_policies.training.run import resolve, run_training

        config = resolve(ToyConfig, request)
        if "teacher" in request.inputs:
            Checkpoint.open(request.inputs["teacher"], stage="policy")
        if config.model.width == 13:
            raise UsageError("Thirteen brings bad luck.", "Take another width.")

        def build(data: object) -> tuple:
            objective = build_objective(config.model)
            return objective, objective

        return run_training(
            request,
            method="toy",
            about="A toy.",
            config=config,
            windows=DataConfig(
                **config.data.model_dump(), image_size=(8, 8), horizon_s=0.2, cameras=("agentview",)
            ),
            build=build,
        )
