"""The baselines as wambench policies: `wambench eval --policy flow_bc|act --checkpoint ...`.

Without --checkpoint they take the ones that are shipped in the package. Importing this module needs
no PyTorch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wambench.protocol import Episode, Observation, SuiteSpec
from wambench_policies.imitation.train import SHIPPED
from wambench_policies.inference.ensemble import TemporalEnsemble
from wambench_policies.inference.policy import CheckpointPolicy, Device, FlowPolicy

if TYPE_CHECKING:
    from torch import Tensor


class FlowBCPolicy(FlowPolicy):
    """A trained `flow_bc`; its arguments are those of `FlowPolicy`."""

    method = "flow_bc"
    title = "flow_bc"
    shipped = SHIPPED / "flow_bc"

    @classmethod
    def types(cls) -> tuple[type[Any], type[Any]]:
        """Configuration and network."""
        from wambench_policies.imitation.flow_bc import FlowBC
        from wambench_policies.imitation.runs import FlowBCRun

        return FlowBCRun, FlowBC


class ACTPolicy(CheckpointPolicy):
    """A trained `act`.

    Args:
        spec: See `CheckpointPolicy`.
        checkpoint: See there.
        ensemble: Rate m of temporal ensembling (0.01 in the paper), None for none. With it the
            policy looks again after every action, unless `execute` says otherwise, and an action is
            the mean of what all chunks that reach so far say of it.
        execute: See there.
        device: See there.
        batched: See there.

    Raises:
        WambenchError: See there; or the rate is negative.
    """

    method = "act"
    title = "act"
    shipped = SHIPPED / "act"

    def __init__(
        self,
        spec: SuiteSpec,
        checkpoint: str | None = None,
        ensemble: float | None = None,
        execute: int | None = None,
        device: Device = "auto",
        batched: bool = False,
    ) -> None:
        self._ensemble = None if ensemble is None else TemporalEnsemble(ensemble)
        if self._ensemble is not None and execute is None:
            execute = 1
        super().__init__(spec, checkpoint, execute=execute, device=device, batched=batched)
        self._length = self.horizon
        if self._ensemble is not None:
            # Beyond what is executed there are no means yet that would be worth giving.
            self.horizon = self.execute

    @classmethod
    def types(cls) -> tuple[type[Any], type[Any]]:
        """Configuration and network."""
        from wambench_policies.imitation.act import ACT
        from wambench_policies.imitation.runs import ACTRun

        return ACTRun, ACT

    def predict(self, inputs: Mapping[str, Any], batch: Sequence[Observation]) -> Tensor:
        """(B, H, A) normalised chunks; nothing is random."""
        chunks: Tensor = self.model.predict(inputs, self._length, self.spec.action_dim)
        return chunks

    def start(self, episodes: Sequence[Episode]) -> None:
        """Forgets chunks of earlier attempts."""
        self._forget(episodes)

    def finish(self, episodes: Sequence[Episode]) -> None:
        """Forgets their chunks."""
        self._forget(episodes)

    def normalised_chunks(self, batch: Sequence[Observation]) -> NDArray[np.float32]:
        """(B, H, A) next chunk of each episode, or the means of overlapping ones.

        Means are taken before normalisation is undone, so that a gripper's command is put on its
        nearest level once.
        """
        chunks = super().normalised_chunks(batch)
        if self._ensemble is None:
            return chunks
        return np.stack(
            [
                self._ensemble.add(seen.episode.key, seen.step, chunk, self.execute)
                for seen, chunk in zip(batch, chunks, strict=True)
            ]
        )

    def _forget(self, episodes: Sequence[Episode]) -> None:
        if self._ensemble is not None:
            self._ensemble.forget(episode.key for episode in episodes)
