"""Batches of clips for world models: frames a chunk of actions apart, and the actions between.

    data = TrainingData(paths, DataConfig(clip=ClipConfig(chunks=4, chunk_steps=5), executed=True))

A batch is a dict of tensors; B clips, T chunks of P control steps, actions of width A and
proprioception of width S, the greatest ones of all embodiments:

    images         (B, T + 1, H, W, 3) uint8   rows t, t + P, ..., t + T P of the primary camera
    features       (B, T + 1, N, D) float16    in their place, once `TrainingData.encode` was called
    actions        (B, T, P, A) float32        in [-1, 1], zero beyond the embodiment's width
    states         (B, T, P, S) float32        standardised, after each of the actions
    camera         (B, T, P, 9) float32        pose of a camera that moves, likewise: what of the
                                               proprioception is called `camera_...`; else 0
    step_mask      (B, T, P) bool              False where the demonstration was over: its last
                                               frame is held, and actions are zero
    action_mask    (B, A) bool                 which dimensions the embodiment has
    state_mask     (B, S) bool                 likewise
    control_hz     (B,) float32
    embodiment     (B,) int64                  1 and up; see `Normalisation`
    instruction    list of str

Non-obvious behaviours
    - A clip lies within a demonstration, unless `ClipConfig.hold` lets it go beyond the end. Those
      too short for one are left out.
    - Demonstrations are read at the frequency at which they were recorded, and after a prologue
      that is not to be imitated (`DataConfig.begin`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wambench.demos.demo import DemoInfo
from wambench.errors import DataError
from wambench.skills.layout import TILES, tiled
from wambench_policies.data.config import ClipConfig
from wambench_policies.data.windows import Batch, Run, Windows
from wambench_policies.nn.normalise import Embodiment

if TYPE_CHECKING:
    from wambench_policies.data.windows import TrainingData


CAMERA_WIDTH = 9
"""Numbers of a camera's pose: position, and the first two columns of its rotation."""


class Clips(Windows):
    """The clips of one split.

    Args:
        data: What they are read from.
        runs: Which demonstrations.
        config: Their length.

    Attributes:
        state_dim: Width S of proprioception, without a camera.

    Raises:
        DataError: No demonstration is long enough, one is to be read at another frequency, skill
            clips of an episode are missing, or frames cannot be tiled.
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
        if data.config.every > 1:
            raise DataError(
                f"Clips may begin at every row, and data.every is {data.config.every}.",
                "Leave data.every at 1.",
            )
        if config.tiled and len(data.config.cameras) > len(TILES):
            raise DataError(
                f"A frame has room for {len(TILES)} views, and these are "
                f"{', '.join(data.config.cameras)}.",
                "Choose others in the configuration's `cameras`.",
            )
        self._rows = self._episodes(runs) if config.whole else {r: self._own_rows(r) for r in runs}
        super().__init__(data, [run for run in self._rows if self._length(run) > 0])
        if not self._runs:
            longest = max(map(len, self._rows.values()))
            raise DataError(
                f"A clip spans {config.span + 1} rows, and the longest of "
                f"{len(self._rows)} demonstrations has {longest}.",
                "Shorten clips (horizon), or collect longer demonstrations.",
            )
        embodiments = data.normalisation.embodiments.values()
        self._action_dim = max(len(one.action.names) for one in embodiments)
        self.state_dim = max(int((~_of_camera(one)).sum()) for one in embodiments)

    @property
    def infos(self) -> list[DemoInfo]:
        """What each demonstration is, or the first clip of what was put together of several."""
        return [self._info(run) for run in self._runs]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(R,) rows of each."""
        return np.array([len(self._rows[run]) for run in self._runs], np.int64)

    @property
    def firsts(self) -> NDArray[np.int64]:
        """(R,) index of the clip that begins at the first row of each."""
        return np.concatenate([[0], self._ends[:-1]])

    @property
    def counts(self) -> NDArray[np.int64]:
        """(R,) how many clips begin in each."""
        return np.diff(self._ends, prepend=0)

    def batch(
        self,
        indices: Sequence[int] | NDArray[np.int64],
        step: int | None = None,
        *,
        pictures: bool = True,
        chunks: int | None = None,
    ) -> Batch:
        """The clips of the given indices as one batch, of one chunk in the first steps.

        Args:
            indices: Which clips.
            step: Optimiser step that it is for; None for none.
            pictures: Whether pictures, or what stands in for them, are read at all.
            chunks: How many of a clip's first ones are read; None as the configuration says.
        """
        single = step is not None and step < self._config.single_until
        chunks = chunks or (1 if single else self._config.chunks)
        return self._collated(
            [self._clip(*self._locate(int(index)), chunks, pictures) for index in indices]
        )

    # ---- rows of the dataset's arrays ----------------------------------------------------------

    def _own_rows(self, run: Run) -> NDArray[np.int64]:
        starts = self._data.parts[run.dataset].source.starts
        begin = self._data.config.begin(self._info(run))
        return np.arange(starts[run.demo] + begin, starts[run.demo + 1])

    def _episodes(self, runs: Sequence[Run]) -> dict[Run, NDArray[np.int64]]:
        """Rows by the first of the runs that belong to one episode."""
        together: dict[tuple[Any, ...], list[Run]] = defaultdict(list)
        for run in runs:
            info = self._info(run)
            of = info.name if info.cut is None else (info.suite, info.task, info.cut.demo)
            together[run.dataset, of].append(run)
        found = {}
        for parts in together.values():
            cuts = {cut.order: (cut, run) for run in parts if (cut := self._info(run).cut)}
            if cuts:
                cut = next(iter(cuts.values()))[0]
                if sorted(cuts) != list(range(cut.of)) or len(cuts) != len(parts):
                    raise DataError(
                        f"{cut.demo} was cut into {cut.of} skill clips, and there are "
                        f"{len(parts)} of them.",
                        "Give the whole of what `wambench skills build` wrote, once.",
                    )
                parts = [cuts[order][1] for order in range(cut.of)]
            found[parts[0]] = np.concatenate([self._own_rows(run) for run in parts])
        return found

    def _length(self, run: Run) -> int:
        rows, hold = len(self._rows[run]), self._config.hold
        return max(1 if hold else 0, rows - self._config.span + hold)

    def _instruction(self, run: Run) -> str:
        info = self._info(run)
        return info.cut.instruction if self._config.whole and info.cut else info.instruction

    def _frames(self, part: Any, rows: NDArray[np.int64]) -> NDArray[Any]:
        if not self._config.tiled:
            return np.array(part.frames[0][rows])
        return tiled([array[rows] for array in part.frames])

    def _seen(self, part: Any, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        if part.tokens:
            return {"features": np.array(part.tokens[0][rows])}
        return {"images": self._frames(part, rows)}

    def _clip(self, run: Run, row: int, chunks: int, pictures: bool) -> dict[str, Any]:
        info = self._info(run)
        part = self._data.parts[run.dataset]
        rows, steps = self._rows[run], self._config.chunk_steps
        wanted = row + np.arange(chunks * steps + 1)
        real = wanted[1:] < len(rows)
        taken = rows[np.minimum(wanted, len(rows) - 1)]
        embodiment = self._data.normalisation.embodiments[info.embodiment]
        actions = embodiment.action.normalise(part.actions[taken[:-1]])
        states = embodiment.state.normalise(part.state[taken[1:]])
        moving = _of_camera(embodiment)
        states, camera = states[:, ~moving], states[:, moving]
        return {
            **(self._seen(part, taken[::steps]) if pictures else {}),
            "actions": _chunked(actions * real[:, None], chunks, self._action_dim),
            "states": _chunked(states, chunks, self.state_dim),
            "camera": _chunked(camera, chunks, CAMERA_WIDTH),
            "step_mask": real.reshape(chunks, steps),
            "action_mask": np.arange(self._action_dim) < actions.shape[1],
            "state_mask": np.arange(self.state_dim) < states.shape[1],
            "control_hz": np.float32(info.control_hz),
            "embodiment": np.int64(embodiment.id),
            "instruction": self._instruction(run),
        }


def _of_camera(embodiment: Embodiment) -> NDArray[np.bool_]:
    """(S,) which numbers of the proprioception are the pose of a camera."""
    names = embodiment.state.names or ("",) * len(embodiment.state.mean)
    return np.array([name.startswith("camera_") for name in names])


def _chunked(rows: NDArray[np.float32], chunks: int, width: int) -> NDArray[np.float32]:
    """(T P, W) rows as (T, P, width), zero beyond W."""
    padded = np.zeros((len(rows), width), np.float32)
    padded[:, : rows.shape[1]] = rows
    return padded.reshape(chunks, -1, width)
