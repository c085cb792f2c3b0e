"""Batches of training windows: an observation, what comes a physical horizon later, the actions.

    data = TrainingData(["data/libero_goal", "data/libero_long"], config.data, seed=0)
    batch = data.train.batch(data.train.sampler(seed=0).indices(step=0, size=16))

A batch is a dict of tensors; B windows, C cameras, K actions of width A, S numbers of state:

    images         (B, C, H, W, 3) uint8     at row t, cameras in the config's order
    future_image   (B, H, W, 3) uint8        primary camera at row t + h_b, at most the last row
    state          (B, S) float32            standardised, at row t
    future_state   (B, S) float32            the same at row t + h_b
    actions        (B, K, A) float32         t ... t + h_b - 1 in [-1, 1], zero beyond; a gripper
                                             is -1 open, 1 closed, 0 as it is
    action_mask    (B, K) bool               where an action is real
    steps          (B,) int64                h_b, the horizon's steps at this window's frequency
    control_hz     (B,) float32              that frequency
    embodiment     (B,) int64                1 and up; see `Normalisation`
    instruction    list of str

Once `TrainingData.encode` was called, tokens of a frozen encoder stand in for pictures:

    features         (B, C, N, D) float16    of `images`
    future_features  (B, N, D) float16       of `future_image`

Non-obvious behaviours
    - Every row is a window, with `data.every=n` every n-th one; with several frequencies, a window
      of each of them. Rows of a prologue, which is not to be imitated, are left out
      (`DataConfig.begin`).
    - Order and content of batches follow from (seed, step) alone; nothing is kept between steps.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from wambench.demos.dataset import open_source
from wambench.demos.demo import DemoInfo, dataset_identity, one_backend
from wambench.errors import DataError
from wambench_policies.data.cache import CachedSource, Note
from wambench_policies.data.config import DataConfig, camera_of, horizon_steps
from wambench_policies.data.measure import Part, check_readable, measure
from wambench_policies.data.resample import accumulate, bounds_of, strides
from wambench_policies.data.split import split
from wambench_policies.nn.encoders.base import FeatureEncoder
from wambench_policies.nn.normalise import Normalisation

Batch = dict[str, Any]

_ENCODED = 64
"""Pictures that are encoded at a time."""


class Sampler:
    """An endless shuffled order of windows, of which any step can be asked for at any time.

    Args:
        length: How many windows there are.
        seed: Seed of the order.
    """

    def __init__(self, length: int, seed: int) -> None:
        self.length = length
        self.seed = seed
        self._permutation = lru_cache(maxsize=2)(self._permuted)

    def indices(self, step: int, size: int) -> NDArray[np.int64]:
        """(size,) windows of a batch: every window once before any of them twice."""
        places = np.arange(step * size, (step + 1) * size)
        epochs, within = np.divmod(places, self.length)
        return np.array(
            [
                self._permutation(int(epoch))[place]
                for epoch, place in zip(epochs, within, strict=True)
            ]
        )

    def _permuted(self, epoch: int) -> NDArray[np.int64]:
        return np.random.default_rng([self.seed, epoch]).permutation(self.length)


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive windows: the rows of one demonstration at one frequency.

    Attributes:
        dataset: Index of the dataset.
        demo: Index of the demonstration in it.
        stride: Recorded steps per step.
    """

    dataset: int
    demo: int
    stride: int


class Windows:
    """The windows of one split; see the module docstring for batches.

    Args:
        data: What they are read from.
        runs: Which demonstrations, at which frequencies.
    """

    def __init__(self, data: TrainingData, runs: Sequence[Run]) -> None:
        self._data = data
        self._every = data.config.every
        self._runs = list(runs)
        self._ends = np.cumsum([self._length(run) for run in self._runs])
        self._chunk = data.chunk

    def __len__(self) -> int:
        return int(self._ends[-1])

    @property
    def demos(self) -> int:
        """How many demonstrations they are from."""
        return len({(run.dataset, run.demo) for run in self._runs})

    def sampler(self, seed: int) -> Sampler:
        """An endless shuffled order of these windows."""
        return Sampler(len(self), seed)

    def describe(self, indices: Sequence[int] | NDArray[np.int64]) -> list[str]:
        """Where windows are from, for people: `task_demo.hdf5:demo_3 row 17 at 20 Hz`."""
        found = []
        for index in indices:
            run, row = self._placed(int(index))
            info = self._info(run)
            found.append(f"{info.name} row {row} at {info.control_hz / run.stride:g} Hz")
        return found

    def batch(self, indices: Sequence[int] | NDArray[np.int64], step: int | None = None) -> Batch:
        """The windows of the given indices as one batch.

        Args:
            indices: Which windows.
            step: Optimiser step that it is for; None for none. Windows are the same in every one,
                clips may be shorter in the first ones.
        """
        return self._collated([self._window(*self._placed(int(index))) for index in indices])

    @staticmethod
    def _collated(rows: Sequence[dict[str, Any]]) -> Batch:
        arrays: Batch = {
            name: torch.from_numpy(np.stack([row[name] for row in rows]))
            for name in rows[0]
            if name != "instruction"
        }
        arrays["instruction"] = [row["instruction"] for row in rows]
        return arrays

    def _info(self, run: Run) -> DemoInfo:
        return self._data.parts[run.dataset].source.demos[run.demo]

    def _length(self, run: Run) -> int:
        """How many windows a run has."""
        info = self._info(run)
        return -(-(info.length - self._data.config.begin(info)) // self._every)

    def _placed(self, index: int) -> tuple[Run, int]:
        """The run of a window, and its row of the demonstration."""
        run, number = self._locate(index)
        return run, self._data.config.begin(self._info(run)) + number * self._every

    def _locate(self, index: int) -> tuple[Run, int]:
        """The run of a window, and its number within that."""
        if not 0 <= index < len(self):
            raise IndexError(f"Window {index} of {len(self)}.")
        place = int(np.searchsorted(self._ends, index, side="right"))
        run = self._runs[place]
        return run, index - int(self._ends[place]) + self._length(run)

    def _window(self, run: Run, row: int) -> dict[str, Any]:
        config, info = self._data.config, self._info(run)
        part = self._data.parts[run.dataset]
        first = int(part.source.starts[run.demo])
        hz = info.control_hz / run.stride
        steps = horizon_steps(config.horizon_s, hz, config.rounding)
        later = min(row + steps * run.stride, info.length - 1)
        embodiment = self._data.normalisation.embodiments[info.embodiment]
        stop = min(row + steps * run.stride, info.length)
        bounds = bounds_of(info, config.resample_clip) if run.stride > 1 else None
        taken = embodiment.action.normalise(
            accumulate(
                part.actions[first + row : first + stop],
                run.stride,
                embodiment.action.names,
                bounds,
            )
        )
        actions = np.zeros((self._chunk, taken.shape[1]), np.float32)
        actions[: len(taken)] = taken
        state = embodiment.state.normalise(part.state[[first + row, first + later]])
        now, then, arrays = "images", "future_image", part.frames
        if part.tokens:
            now, then, arrays = "features", "future_features", part.tokens
        return {
            now: np.stack([array[first + row] for array in arrays]),
            then: np.array(arrays[0][first + later]),
            "state": state[0],
            "future_state": state[1],
            "actions": actions,
            "action_mask": np.arange(self._chunk) < len(taken),
            "steps": np.int64(steps),
            "control_hz": np.float32(hz),
            "embodiment": np.int64(embodiment.id),
            "instruction": info.instruction,
        }


class TrainingData:
    """Everything a training reads.

    Args:
        paths: Datasets; see `wambench.demos.dataset.open_source`.
        config: Windows and selection.
        seed: Decides which episodes validate.
        base: Normalisation that the model to start from was trained with: its embodiments are
            taken over, others are measured.
        note: Told what takes time.

    Attributes:
        config: As given.
        backend: Backend of all demonstrations.
        split: Which demonstrations are in which split, counted over all datasets.
        parts: The datasets, decoded.
        normalisation: Measured on the training split.
        chunk: Actions K of a batch.
        train: Windows to train on.
        validation: Windows held out; None where there are none.

    Raises:
        DataError: A dataset cannot be read, or the datasets do not fit each other or the config.
    """

    def __init__(
        self,
        paths: Sequence[str | Path],
        config: DataConfig,
        *,
        seed: int = 0,
        base: Normalisation | None = None,
        note: Note = lambda _: None,
    ) -> None:
        self.config = config
        self._paths = [Path(path) for path in paths]
        opened = [open_source(path) for path in paths]
        demos = [demo for source in opened for demo in source.demos]
        repeated = len(demos) - len({json.dumps(demo.identity) for demo in demos})
        if repeated:
            raise DataError(
                f"{repeated} demonstrations are in the data twice.", "Name each dataset once."
            )
        self.backend = one_backend(demos)
        self.split = split(demos, config, seed)
        self._used = [demos[index] for index in (*self.split.train, *self.split.validation)]
        for demo in self._used:
            check_readable(demo, config)
        self.parts: list[Part] = []
        begin = 0
        for source in opened:
            cached = CachedSource(source, note)
            end = begin + len(cached.demos)
            train = [i - begin for i in self.split.train if begin <= i < end]
            validation = [i - begin for i in self.split.validation if begin <= i < end]
            known = cached.demos[(train + validation + [0])[0]].cameras
            cameras = [camera_of(choice, known) or choice for choice in config.cameras]
            self.parts.append(
                Part(
                    source=cached,
                    train=train,
                    validation=validation,
                    actions=cached.actions(config.executed),
                    state=cached.states(),
                    cameras=tuple(cameras),
                    frames=[cached.frames(camera, config.image_size) for camera in cameras],
                )
            )
            begin = end
        self.normalisation = measure(self.parts, config, self.backend, base)
        self.chunk = config.chunk or max(
            horizon_steps(config.horizon_s, hz, config.rounding)
            for embodiment in self.normalisation.embodiments.values()
            for hz in embodiment.control_hz
        )
        self.train = self._windows(self._runs("train"))
        held_out = self._runs("validation")
        self.validation = self._windows(held_out) if held_out else None

    def encode(self, encoder: FeatureEncoder) -> None:
        """From now on batches have the tokens of a frozen encoder in place of pictures.

        They are computed once and kept beside the decoded pictures, in half precision, which the
        layer norm at the encoder's end makes enough.
        """
        device = next(encoder.parameters()).device

        def tokens(frames: NDArray[np.uint8]) -> NDArray[np.float16]:
            batches = [
                encoder(torch.from_numpy(np.array(frames[i : i + _ENCODED])).to(device))
                for i in range(0, len(frames), _ENCODED)
            ]
            return torch.cat(batches).half().cpu().numpy()

        shape, name = (encoder.tokens, encoder.dim), encoder.digest()[:16]
        for part in self.parts:
            part.tokens[:] = [
                part.source.tokens(camera, self.config.image_size, name, shape, tokens)
                for camera in part.cameras
            ]

    def wrap(self, wrapped: Callable[[Any], Any]) -> None:
        """From now on both splits are what `wrapped` makes of them, with the members of `Windows`.

        For methods whose batches hold more than demonstrations do.
        """
        self.train = wrapped(self.train)
        if self.validation is not None:
            self.validation = wrapped(self.validation)

    @property
    def identity(self) -> str:
        """SHA-256 over the demonstrations that are trained on or validate."""
        return dataset_identity(self._used)

    def record(self) -> dict[str, Any]:
        """What was trained on, as plain JSON types."""
        return {
            "identity": self.identity,
            "backend": self.backend,
            "datasets": [
                {
                    "name": path.name,
                    "identity": dataset_identity(part.source.demos),
                    "suites": sorted({demo.suite for demo in part.source.demos}),
                    "tasks": len({(demo.suite, demo.task_name) for demo in part.source.demos}),
                    "demonstrations": len(part.source.demos),
                    "trained": len(part.train),
                    "validating": len(part.validation),
                    "frames": part.source.rows,
                }
                for path, part in zip(self._paths, self.parts, strict=True)
            ],
            "train_windows": len(self.train),
            "validation_windows": 0 if self.validation is None else len(self.validation),
            "left_out": self.split.left_out,
            "train_init": self.config.train_init,
            "from_sampled_starts": self.split.sampled,
        }

    def _windows(self, runs: list[Run]) -> Windows:
        if self.config.clip is None:
            return Windows(self, runs)
        from wambench_policies.data.clips import Clips

        return Clips(self, runs, self.config.clip)

    def _runs(self, which: Literal["train", "validation"]) -> list[Run]:
        return [
            Run(dataset, demo, stride)
            for dataset, part in enumerate(self.parts)
            for demo in getattr(part, which)
            for stride in strides(part.source.demos[demo], self.config.control_hz)
        ]


def prefetched(
    make: Callable[[int], Batch], steps: Sequence[int], workers: int
) -> Iterator[tuple[int, Batch]]:
    """`(step, make(step))` in order, made ahead by threads; 0 workers for none.

    Reading memory-mapped arrays lets other threads run, so that threads suffice, and a batch is a
    function of its step, so that they change nothing.
    """
    if workers < 1:
        yield from ((step, make(step)) for step in steps)
        return
    with ThreadPoolExecutor(workers, thread_name_prefix="windows") as pool:
        ahead: list[tuple[int, Future[Batch]]] = []
        try:
            for step in steps:
                ahead.append((step, pool.submit(make, step)))
                if len(ahead) > 2 * workers:
                    first, batch = ahead.pop(0)
                    yield first, batch.result()
            for first, batch in ahead:
                yield first, batch.result()
        finally:
            for _, batch in ahead:
                batch.cancel()
