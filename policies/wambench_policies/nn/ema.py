"""Exponential moving average of a model's trainable parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Ema:
    """Keeps `average <- d average + (1 - d) parameter` beside a model.

    The decay d grows with the number of updates n as min(decay, (1 + n) / (10 + n)), so that the
    initial weights are forgotten in a short training as well.

    Args:
        model: The model; only parameters that require a gradient are averaged. Buffers are its own.
        decay: The final decay, in [0, 1).

    Attributes:
        average: Parameter name to its average.
        updates: How many updates there were.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"The decay of an average must be in [0, 1), not {decay}.")
        self.decay = decay
        self.updates = 0
        self.average = {
            name: parameter.detach().clone()
            for name, parameter in model.named_parameters()
            if parameter.requires_grad
        }

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Moves the average towards the model's present parameters."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        for name, parameter in model.named_parameters():
            if name in self.average:
                self.average[name].lerp_(parameter.detach(), 1 - decay)

    @contextmanager
    def applied(self, model: nn.Module) -> Iterator[None]:
        """The model has the averaged parameters within the context, and its own ones after it."""
        own = {
            name: parameter.detach().clone()
            for name, parameter in model.named_parameters()
            if name in self.average
        }
        self._put(model, self.average)
        try:
            yield
        finally:
            self._put(model, own)

    def load(self, average: Mapping[str, Tensor], updates: int) -> None:
        """Takes over a saved average of the same parameters."""
        if average.keys() != self.average.keys():
            raise KeyError(sorted(average.keys() ^ self.average.keys()))
        for name, value in average.items():
            self.average[name].copy_(value)
        self.updates = updates

    @torch.no_grad()
    def _put(self, model: nn.Module, values: Mapping[str, Tensor]) -> None:
        for name, parameter in model.named_parameters():
            if name in values:
                parameter.copy_(values[name])
