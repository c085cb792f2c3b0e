"""The VLA as a wambench policy, and the baselines VLA-mean and VLA-random of LAC-WM.

    wambench eval --policy vla --checkpoint ckpt/vla --suite bfa_unseen_instances
        --policy-arg select=mean --policy-arg subgoals=100

Importing this module needs no PyTorch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from wambench.errors import UsageError
from wambench.protocol import Episode, Observation, SuiteSpec
from wambench_policies.inference.policy import Device, FlowPolicy
from wambench_policies.vla.train import METHOD, SHIPPED

Select = Literal["random", "mean"]


class VLAPolicy(FlowPolicy):
    """A trained VLA.

    Args:
        spec: See `FlowPolicy`.
        checkpoint: See there.
        select: `random`, one sample; `mean`, the mean of `candidates` samples.
        candidates: N (paper: 500).
        subgoals: Steps p between subgoals, for `delta_f` and `delta_f_g` alone: it does not look at
            them. A multiple of `execute`; 0 for none.
        encoder: Checkpoint whose encoder is the feature space of these; None for the shipped one.
        steps: See `FlowPolicy`.
        execute: See there.
        device: See there.
        batched: See there.

    Raises:
        WambenchError: See there; or an option is wrong.
    """

    method = METHOD
    title = "VLA"
    shipped = SHIPPED

    def __init__(
        self,
        spec: SuiteSpec,
        checkpoint: str | None = None,
        select: Select = "random",
        candidates: int = 500,
        subgoals: int = 0,
        encoder: str | None = None,
        steps: int | None = None,
        execute: int | None = None,
        device: Device = "auto",
        batched: bool = False,
    ) -> None:
        if select not in get_args(Select) or candidates < 1:
            raise UsageError(
                f"select={select} of {candidates} candidates is no choice.",
                f"Use {' or '.join(get_args(Select))} of at least 1.",
            )
        super().__init__(spec, checkpoint, steps, execute, device, batched)
        self._mean_of = candidates if select == "mean" else None
        if subgoals < 0 or subgoals % self.execute:
            raise UsageError(
                f"subgoals={subgoals} cannot be measured: it looks every {self.execute} steps.",
                f"Use a multiple of {self.execute}, or another `execute`.",
            )
        if encoder is not None and not subgoals:
            raise UsageError("An encoder measures nothing without subgoals.", "Give subgoals=p.")
        self._meter = None
        if subgoals:
            from wambench_policies.planning.features import encoder_features
            from wambench_policies.planning.meter import SubgoalMeter

            features = encoder_features(encoder, device)
            self._meter = SubgoalMeter(features, self.needs.cameras[0])
            self.needs = replace(self.needs, subgoals=subgoals)
            self.provenance = {"features": features.name}

    @classmethod
    def types(cls) -> tuple[type[Any], type[Any]]:
        """Configuration and network."""
        from wambench_policies.imitation.flow_bc import FlowBC
        from wambench_policies.vla.config import VLARun

        return VLARun, FlowBC

    def start(self, episodes: Sequence[Episode]) -> None:
        """Forgets earlier attempts."""
        self.finish(episodes)

    def act(self, batch: Sequence[Observation]) -> NDArray[np.floating[Any]]:
        """(B, H, A) one sample, or the mean of several, for each episode."""
        if self._meter is not None:
            for seen in batch:
                self._meter.observe(seen, self._meter.achieved(seen))
        if self._mean_of is None:
            return super().act(batch)
        return np.stack([self.samples(seen, self._mean_of).mean(axis=0) for seen in batch])

    def measure(self, last: Observation) -> Mapping[str, float]:
        """`delta_f` and `delta_f_g`, where it was given subgoals."""
        if self._meter is None:
            return {}
        return self._meter.results(last, self._meter.achieved(last))

    def finish(self, episodes: Sequence[Episode]) -> None:
        """Drops what was kept for these episodes."""
        if self._meter is not None:
            for episode in episodes:
                self._meter.forget(episode.key)
