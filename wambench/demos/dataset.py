"""Windows over demonstrations, for training: an observation, what comes after it, the actions.

`DemoDataset` is a sequence of numpy windows, one per row of every demonstration, read from disk
when asked for. PyTorch's `DataLoader` takes it as it is, with any number of workers.

    dataset = DemoDataset("data/libero_long", chunk=16, horizon_s=0.8)
    loader = torch.utils.data.DataLoader(dataset, batch_size=64, shuffle=True, num_workers=4)

A window at row t holds the observation before action t, actions t ... t + K - 1, and the
observation H rows later. Beyond the end of a demonstration actions are padded with its last one and
the later observation is its last one; `action_pad` and `future_pad` say where, so that a loss can
leave those out.

Non-obvious behaviours
    - Actions are the labels: where noise was added to what was executed, they are the policy's own.
    - Rows of a prologue (`DemoInfo.prologue`) are not to be imitated: no window begins there.
    - Horizons in seconds are turned into steps by the control frequency. Datasets of different
      frequencies can be read together with `horizon_s`, but not with one chunk length.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from wambench.demos.demo import DemoInfo, Source, dataset_identity, one_backend
from wambench.demos.hdf5 import Hdf5Source, hdf5_files
from wambench.errors import DataError


class Window(TypedDict, total=False):
    """What `DemoDataset[i]` gives.

    Attributes:
        pixels: Camera to (H, W, 3) uint8, row 0 at the top, before action t.
        agent_pos: (S,) float32 proprioception before action t.
        actions: (K, A) float32 actions t ... t + K - 1.
        action_pad: (K,) True where the demonstration was over.
        future_pixels: `pixels` at t + horizon; only with a horizon.
        future_agent_pos: `agent_pos` at t + horizon; only with a horizon.
        future_pad: True where the demonstration was over; only with a horizon.
        instruction: The sentence that says what to do.
        embodiment: Robot and end-effector.
        control_hz: Control frequency in Hz.
        suite: Name of the suite.
        task: Index of the task, -1 where unknown.
        demo: Index of the demonstration in `DemoDataset.demos`.
        step: Row t.
    """

    pixels: dict[str, NDArray[np.uint8]]
    agent_pos: NDArray[np.float32]
    actions: NDArray[np.float32]
    action_pad: NDArray[np.bool_]
    future_pixels: dict[str, NDArray[np.uint8]]
    future_agent_pos: NDArray[np.float32]
    future_pad: bool
    instruction: str
    embodiment: str
    control_hz: float
    suite: str
    task: int
    demo: int
    step: int


def open_source(path: str | Path, *, aligned: bool = True) -> Source:
    """A reader for a dataset on disk, or in the Hugging Face cache by its hub name.

    Args:
        path: Folder or file of LIBERO HDF5, folder of a LeRobotDataset v3, or `owner/name` of a
            LeRobot dataset that is in the local Hugging Face cache; folder or file of EgoDex.
        aligned: See `wambench.demos.hdf5`.

    Raises:
        DataError: There is no such dataset, or it cannot be read.
    """
    from wambench.demos.egodex import EgoDexSource, egodex_files
    from wambench.demos.lerobot import LeRobotSource, cached_dataset

    folder = Path(path)
    if not folder.exists():
        folder = cached_dataset(str(path))
    if (folder / "meta" / "info.json").exists():
        return LeRobotSource(folder)
    if recordings := egodex_files(folder):
        return EgoDexSource(folder, recordings)
    if hdf5_files(folder):
        return Hdf5Source(folder, aligned=aligned)
    if (folder / "collection.json").exists():
        raise DataError(
            f"{path} is a collection that has no demonstration yet.",
            "Repeat the command that began it; collection.json holds it.",
        )
    raise DataError(
        f"{path} holds no demonstrations.",
        "Expected *.hdf5 files, a LeRobot dataset (meta/info.json), or EgoDex (*.hdf5 with *.mp4).",
    )


class DemoDataset(Sequence[Window]):
    """Windows over one dataset or several; see the module docstring.

    Args:
        paths: See `open_source`; several must be of one backend.
        chunk: Actions K of a window.
        chunk_s: The same in seconds, in place of `chunk`.
        horizon: Rows H to the later observation; None for none.
        horizon_s: The same in seconds.
        cameras: Cameras to read; None for those that all demonstrations have.
        tasks: Task indices to read; None for all.
        success_only: Leave out demonstrations that are known to have failed.
        aligned: See `wambench.demos.hdf5`.

    Attributes:
        demos: The demonstrations that are read.
        cameras: The cameras that are read.
        backend: Their backend.

    Raises:
        DataError: The data cannot be read, or holds nothing that was asked for.
    """

    def __init__(
        self,
        paths: str | Path | Sequence[str | Path],
        *,
        chunk: int | None = None,
        chunk_s: float | None = None,
        horizon: int | None = None,
        horizon_s: float | None = None,
        cameras: Sequence[str] | None = None,
        tasks: Sequence[int] | None = None,
        success_only: bool = False,
        aligned: bool = True,
    ) -> None:
        if (chunk is not None and chunk_s is not None) or (
            horizon is not None and horizon_s is not None
        ):
            raise DataError("A length is given in steps and in seconds.", "Give one of them.")
        listed = [paths] if isinstance(paths, str | Path) else list(paths)
        self.sources = [open_source(path, aligned=aligned) for path in listed]
        self._places = [
            (source, index)
            for source in self.sources
            for index, demo in enumerate(source.demos)
            if (tasks is None or demo.task in tasks)
            and not (success_only and demo.success is False)
        ]
        self.demos: list[DemoInfo] = [source.demos[index] for source, index in self._places]
        if not self.demos:
            raise DataError(
                f"{', '.join(map(str, listed))}: no demonstration is left.",
                "Check tasks and success_only; see `wambench data info`.",
            )
        self.backend = one_backend(self.demos)
        self.cameras = self._chosen_cameras(cameras)
        self._chunks = [self._steps(d, chunk, chunk_s, "chunk") or 1 for d in self.demos]
        self._horizons = [self._steps(d, horizon, horizon_s, "horizon") for d in self.demos]
        if len(set(self._chunks)) > 1:
            raise DataError(
                f"A chunk of {chunk_s} s has {sorted(set(self._chunks))} steps at the different "
                "control frequencies of these datasets.",
                "Give `chunk` in steps, or read them as separate datasets.",
            )
        self._ends = np.cumsum([demo.length - demo.prologue for demo in self.demos]).tolist()

    @property
    def identity(self) -> str:
        """SHA-256 over suite, backend and content of the demonstrations that are read."""
        return dataset_identity(self.demos)

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __iter__(self) -> Iterator[Window]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> Window:  # type: ignore[override]  # no slices
        """The window at row `index`, counted over all demonstrations after their prologues."""
        if index < 0:
            index += len(self)
        if not 0 <= index < len(self):
            raise IndexError(f"Window {index} of {len(self)}.")
        demo = bisect_right(self._ends, index)
        step = index - self._ends[demo] + self.demos[demo].length
        return self._window(demo, step)

    def _window(self, demo: int, step: int) -> Window:
        source, place = self._places[demo]
        info, chunk, horizon = self.demos[demo], self._chunks[demo], self._horizons[demo]
        stop = min(step + chunk, info.length)
        actions = np.asarray(source.actions(place, step, stop), np.float32)
        missing = chunk - len(actions)
        window = Window(
            pixels={camera: source.pixels(place, camera, step) for camera in self.cameras},
            agent_pos=source.agent_pos(place, step),
            actions=np.concatenate([actions, np.repeat(actions[-1:], missing, axis=0)]),
            action_pad=np.arange(chunk) >= chunk - missing,
            instruction=info.instruction,
            embodiment=info.embodiment,
            control_hz=info.control_hz,
            suite=info.suite,
            task=info.task,
            demo=demo,
            step=step,
        )
        if horizon is not None:
            later = min(step + horizon, info.length - 1)
            window["future_pixels"] = {
                camera: source.pixels(place, camera, later) for camera in self.cameras
            }
            window["future_agent_pos"] = source.agent_pos(place, later)
            window["future_pad"] = step + horizon >= info.length
        return window

    def _chosen_cameras(self, cameras: Sequence[str] | None) -> tuple[str, ...]:
        if cameras is None:
            first, *rest = self.demos
            return tuple(c for c in first.cameras if all(c in demo.cameras for demo in rest))
        for demo in self.demos:
            lacking = [camera for camera in cameras if camera not in demo.cameras]
            if lacking:
                raise DataError(
                    f"{demo.name} has no camera {', '.join(lacking)}.",
                    f"It has: {', '.join(demo.cameras) or 'none'}.",
                )
        return tuple(cameras)

    @staticmethod
    def _steps(demo: DemoInfo, steps: int | None, seconds: float | None, what: str) -> int | None:
        if seconds is not None:
            steps = round(seconds * demo.control_hz)
        if steps is not None and steps < 1:
            raise DataError(
                f"A {what} of {seconds if seconds is not None else steps} is less than one step "
                f"at {demo.control_hz:g} Hz.",
                f"Give at least {1 / demo.control_hz:g} s.",
            )
        return steps
