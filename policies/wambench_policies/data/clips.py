"""Batches of clips for world models: frames a chunk of actions apart, and the actions between.

    data = TrainingData(paths, DataConfig(clip=ClipConfig(chunks=4, chunk_steps=5), executed=True))

A batch is a dict of tensors; B clips, T chunks of P control steps, actions of width A and
proprioception of width S, the greatest ones of all embodiments:

    images         (B, T + 1, H, W, 3) uint8   rows t, t + P, ..., t + T P of the primary camera
    features       (B, T + 1, N, D) float16    in their place, once `TrainingData.encode` was called
    actions        (B, T, P, A) float32        in [-1, 1], zero beyond the embodiment's width
    states         (B, T, P, S) float32        standardised, after each of the actions
    action_mask    (B, A) bool                 which dimensions the embodiment has
    state_mask     (B, S) bool                 likewise
    control_hz     (B,) float32
    embodiment     (B,) int64                  1 and up; see `Normalisation`
    instruction    list of str

Non-obvious behaviours
    - A clip lies within a demonstration. Those too short for one are left out.
    - Demonstrations are read at the frequency at which they were recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wambench.errors import DataError
from wambench_policies.data.config import ClipConfig
from wambench_policies.data.windows import Batch, Run, Windows

if TYPE_CHECKING:
    from wambench_policies.data.windows import TrainingData


class Clips(Windows):
    """The clips of one split.

    Args:
        data: What they are read from.
        runs: Which demonstrations.
        config: Their length.

    Raises:
        DataError: No demonstration is long enough, or one is to be read at another frequency.
    """

    def __init__(self, data: TrainingData, runs: Sequence[Run], config: ClipConfig) -> None:
        self._data = data
        self._config = config
        strided = next((run for run in runs if run.stride > 1), None)
        if strided is not None:
            raise DataError(
                f"Clips are read at the recorded frequency, and {self._info(strided).name} is to "
                f"be read at every {strided.stride}th step.",
                "Leave data.control_hz empty.",
            )
        super().__init__(data, [run for run in runs if self._length(run) > 0])
        if not self._runs:
            longest = max(self._info(run).length for run in runs)
            raise DataError(
                f"A clip spans {config.chunks * config.chunk_steps + 1} rows, and the longest of "
                f"{len(runs)} demonstrations has {longest}.",
                "Shorten clips (horizon), or collect longer demonstrations.",
            )
        embodiments = data.normalisation.embodiments.values()
        self._action_dim = max(len(one.action.names) for one in embodiments)
        self._state_dim = max(len(one.state.mean) for one in embodiments)

    def batch(self, indices: Sequence[int] | NDArray[np.int64], step: int | None = None) -> Batch:
        """The clips of the given indices as one batch, of one chunk in the first steps."""
        single = step is not None and step < self._config.single_until
        chunks = 1 if single else self._config.chunks
        return self._collated([self._clip(*self._locate(int(index)), chunks) for index in indices])

    def _length(self, run: Run) -> int:
        spans = self._config.chunks * self._config.chunk_steps
        return max(0, self._info(run).length - spans)

    def _clip(self, run: Run, row: int, chunks: int) -> dict[str, Any]:
        info = self._info(run)
        part = self._data.parts[run.dataset]
        first = int(part.source.starts[run.demo]) + row
        steps = self._config.chunk_steps
        end = first + chunks * steps
        embodiment = self._data.normalisation.embodiments[info.embodiment]
        actions = embodiment.action.normalise(part.actions[first:end])
        states = embodiment.state.normalise(part.state[first + 1 : end + 1])
        name, arrays = ("features", part.tokens) if part.tokens else ("images", part.frames)
        return {
            name: np.array(arrays[0][first : end + 1 : steps]),
            "actions": _chunked(actions, chunks, self._action_dim),
            "states": _chunked(states, chunks, self._state_dim),
            "action_mask": np.arange(self._action_dim) < actions.shape[1],
            "state_mask": np.arange(self._state_dim) < states.shape[1],
            "control_hz": np.float32(info.control_hz),
            "embodiment": np.int64(embodiment.id),
            "instruction": info.instruction,
        }


def _chunked(rows: NDArray[np.float32], chunks: int, width: int) -> NDArray[np.float32]:
    """(T P, W) rows as (T, P, width), zero beyond W."""
    padded = np.zeros((len(rows), width), np.float32)
    padded[:, : rows.shape[1]] = rows
    return padded.reshape(chunks, -1, width)
