"""LIBERO/robomimic HDF5: one `<task>_demo.hdf5` per task, `data/demo_k/...` per demonstration.

Names, shapes, types and attributes are those of upstream's `scripts/create_dataset.py`; what
upstream has no place for is in two JSON attributes called `wambench` (on `data`: `FileFacts`; on a
demonstration: its episode and outcome) and in the extra datasets `obs/agent_pos` and, where noise
was added, `executed_actions`.

Non-obvious behaviours
    - Files hold pictures as robosuite hands them out (`macros_image_convention` = `opengl`): upside
      down, that is rotated by 180 degrees against what policies see. `orient` is the only place
      that knows; it is its own inverse, so writing and reading use the same function. A file that
      does not say is taken for LIBERO's where pictures are called `*_rgb`, and for robomimic's,
      which are upright, where they are called `*_image`.
    - Row t is what was known before action t. In files of upstream's `create_dataset.py` pictures
      and proprioception of row t are from *after* action t, one step late, while `states` are from
      before it. Files that do not say are told apart by comparing `joint_states` with `states`, and
      the reader puts pictures one row later, dropping the first row, for which there is none.
      `aligned=False` reads them as they are.
    - Pictures are stored one per chunk, gzip level 1: about a quarter of the size, any HDF5 reader
      undoes it, and a window costs two chunks.
    - An episode's own file is a whole dataset with one demonstration, so a collection that was
      killed is readable as it is.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wambench.demos.demo import UNKNOWN, Cut, DemoInfo
from wambench.errors import DataError, WambenchError
from wambench.protocol import Episode

FORMAT = 1
ATTRIBUTE = "wambench"
SKILL = "wambench_skill"
"""JSON attribute of a skill clip: its `Cut`."""

EPISODES = "episodes"
"""Folder of the demonstrations that are not yet in their task's file."""

_UPSTREAM_CAMERAS = {"agentview_rgb": "agentview", "eye_in_hand_rgb": "robot0_eye_in_hand"}
_UPSTREAM_HZ = 20.0
_UPSTREAM_ACTIONS = ("x", "y", "z", "roll", "pitch", "yaw", "gripper")
_ARM_JOINTS = 7
_OPEN_FILES = 32


def orient(image: NDArray[np.uint8], convention: str) -> NDArray[np.uint8]:
    """wambench's picture from the file's, or the file's from wambench's: its own inverse.

    Args:
        image: (..., H, W, 3) pixels.
        convention: `opengl` (row 0 is the bottom), `opencv` (a true picture; wambench's LIBERO
            pictures are mirrored) or `wambench` (as policies see them).
    """
    if convention == "opengl":
        return image[..., ::-1, ::-1, :]
    if convention == "opencv":
        return image[..., :, ::-1, :]
    if convention == "wambench":
        return image
    raise DataError(f"Unknown image convention {convention!r}.", "Known: opengl, opencv, wambench.")


def obs_names(cameras: Iterable[str]) -> dict[str, str]:
    """Upstream's names of the cameras' pictures: `agentview_rgb`, `eye_in_hand_rgb`.

    Upstream leaves out the robot's name; where that would give two cameras one name, it stays.
    """
    cameras = list(cameras)
    short = [camera.removeprefix("robot0_") for camera in cameras]
    return {
        camera: f"{name if short.count(name) == 1 else camera}_rgb"
        for camera, name in zip(cameras, short, strict=True)
    }


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What all demonstrations of a file share; the JSON attribute `wambench` of `data`.

    Attributes:
        suite: Name of the suite.
        backend: Its backend.
        task: Index of the task.
        task_name: Upstream name of the task.
        instruction: The sentence given to the policy.
        embodiment: Robot and end-effector.
        control_hz: Control frequency in Hz.
        action_names: One name per action dimension.
        action_low: (A,) lower bounds.
        action_high: (A,) upper bounds.
        state_names: One name per dimension of `obs/agent_pos`.
        cameras: Dataset name within `obs` to the suite's camera.
        noise: See `wambench.demos.recording`.
        about: Policy, its arguments, seed and starts of the collection.
        provenance: Versions and hashes that decide physics and pixels.
        format: Version of these facts.
    """

    suite: str
    backend: str
    task: int
    task_name: str
    instruction: str
    embodiment: str
    control_hz: float
    action_names: tuple[str, ...]
    action_low: tuple[float, ...]
    action_high: tuple[float, ...]
    state_names: tuple[str, ...]
    cameras: Mapping[str, str]
    noise: float = 0.0
    about: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, str] = field(default_factory=dict)
    format: int = FORMAT

    @classmethod
    def of(cls, info: DemoInfo, cameras: Iterable[str], about: Mapping[str, Any]) -> FileFacts:
        """Those of a file for a demonstration that comes from elsewhere.

        Args:
            info: The demonstration.
            cameras: Cameras that the file has.
            about: How the file was made.
        """
        return cls(
            suite=info.suite,
            backend=info.backend,
            task=info.task,
            task_name=info.task_name,
            instruction=info.instruction,
            embodiment=info.embodiment,
            control_hz=info.control_hz,
            action_names=info.action_names,
            action_low=info.action_low,
            action_high=info.action_high,
            state_names=info.state_names,
            cameras={name: camera for camera, name in obs_names(cameras).items()},
            about=about,
        )

    @classmethod
    def from_json(cls, text: str) -> FileFacts:
        """The facts in an attribute.

        Raises:
            ValueError: It holds something else.
        """
        values: dict[str, Any] = json.loads(text)
        if values.get("format") != FORMAT or set(values) != {f.name for f in fields(cls)}:
            raise ValueError(f"its facts have format {values.get('format')}, expected {FORMAT}")
        for name in ("action_names", "action_low", "action_high", "state_names"):
            values[name] = tuple(values[name])
        return cls(**values)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Any]:
    """A file of demonstrations, or the error that says why it is none."""
    import h5py

    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {' '.join(str(error).split())}.", "Is it an HDF5 file?"
        ) from error
    with file:
        if "data" not in file:
            raise DataError(
                f"{path} has no group `data`.", "Expected LIBERO or robomimic demonstrations."
            )
        yield file


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a demonstration is, and how its rows are aligned.

    Attributes:
        path: The file.
        group: Its group.
        lag: 1 where pictures and proprioception are stored one row early, else 0.
        convention: Orientation of the pictures.
        names: Camera to dataset name.
    """

    path: Path
    group: str
    lag: int
    convention: str
    names: Mapping[str, str]


class Hdf5Source:
    """A folder of HDF5 files, or one file.

    Args:
        path: Folder (a collection, or upstream's folder of a suite) or file.
        aligned: Whether to put upstream's late observations beside the action that follows them.

    Attributes:
        notes: What a reader of the dataset should know.
    """

    def __init__(self, path: Path, *, aligned: bool = True) -> None:
        self.path = path
        self._aligned = aligned
        self._files: OrderedDict[Path, Any] = OrderedDict()
        self._owner = os.getpid()
        self.demos: list[DemoInfo] = []
        self.places: list[_Place] = []
        self._facts: dict[Path, FileFacts] = {}
        self.notes: list[str] = []
        seen: set[tuple[str, str, int]] = set()
        for file in hdf5_files(path):
            self._scan(file, seen)
        if any(place.lag for place in self.places):
            self.notes.append(
                "pictures and proprioception are stored after their action, as upstream's scripts "
                "do; they are read one row later, beside the action that follows them"
            )

    def actions(self, demo: int, start: int, stop: int) -> NDArray[np.floating[Any]]:
        """(stop - start, A) labels."""
        return self._rows(demo, "actions", start, stop)

    def executed_actions(self, demo: int, start: int, stop: int) -> NDArray[np.floating[Any]]:
        """(stop - start, A) actions as executed."""
        noisy = "executed_actions" in self.group(demo)
        return self._rows(demo, "executed_actions" if noisy else "actions", start, stop)

    def agent_pos(self, demo: int, row: int) -> NDArray[np.float32]:
        """(S,) proprioception before action `row`."""
        state: NDArray[np.float32] = self.states(demo, row, row + 1)[0]
        return state

    def states(self, demo: int, start: int, stop: int) -> NDArray[np.float32]:
        """(N, S) proprioception; in other people's files end effector and fingers, as LIBERO's."""
        obs = self.group(demo)["obs"]
        if "agent_pos" in obs:
            values: NDArray[np.float32] = obs["agent_pos"][start:stop]
            return values
        missing = [name for name in ("ee_states", "gripper_states") if name not in obs]
        if missing:
            raise DataError(
                f"{self.demos[demo].name} has no obs/{', obs/'.join(missing)}.",
                "It was written without proprioception (--no-proprio).",
            )
        parts = [obs[name][start:stop] for name in ("ee_states", "gripper_states")]
        joined: NDArray[np.float32] = np.concatenate(parts, axis=1).astype(np.float32)
        return joined

    def pixels(self, demo: int, camera: str, row: int) -> NDArray[np.uint8]:
        """(H, W, 3) picture before action `row`."""
        place = self.places[demo]
        image = self.group(demo)["obs"][place.names[camera]][row]
        return np.ascontiguousarray(orient(_hwc(image), place.convention))

    def facts(self, demo: int) -> FileFacts:
        """What the demonstration shares with the others of its file."""
        return self._facts[self.places[demo].path]

    def group(self, demo: int) -> Any:
        """The HDF5 group of a demonstration, its file opened if need be."""
        import h5py

        if self._owner != os.getpid():  # a forked reader needs handles of its own
            self._files, self._owner = OrderedDict(), os.getpid()
        place = self.places[demo]
        if place.path in self._files:
            self._files.move_to_end(place.path)
        else:
            self._files[place.path] = h5py.File(place.path, "r")
            if len(self._files) > _OPEN_FILES:
                self._files.popitem(last=False)[1].close()
        return self._files[place.path][place.group]

    def close(self) -> None:
        """Closes the files."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    def __getstate__(self) -> dict[str, Any]:
        """Open files stay behind when the source goes to another process."""
        return self.__dict__ | {"_files": OrderedDict()}

    def _rows(self, demo: int, name: str, start: int, stop: int) -> NDArray[Any]:
        lag = self.places[demo].lag
        values: NDArray[Any] = self.group(demo)[name][start + lag : stop + lag]
        return values

    # ---- scanning ----------------------------------------------------------------------------

    def _scan(self, path: Path, seen: set[tuple[str, str, int]]) -> None:
        with opened(path) as file:
            data = file["data"]
            attributes = dict(data.attrs)
            try:
                facts = (
                    FileFacts.from_json(attributes[ATTRIBUTE])
                    if ATTRIBUTE in attributes
                    else _upstream_facts(path, attributes)
                )
            except ValueError as error:
                raise DataError(
                    f"{path} cannot be read: {error}.", "Another version of wambench wrote it."
                ) from error
            self._facts[path] = facts
            given = attributes.get("macros_image_convention")
            for name in sorted(data, key=_number):
                group = data[name]
                if "actions" not in group or "obs" not in group:
                    raise DataError(
                        f"{path}:{name} has no actions or no obs.",
                        "Make pictures first: upstream's scripts/create_dataset.py.",
                    )
                outcome = json.loads(group.attrs.get(ATTRIBUTE, "{}"))
                episode = Episode.from_json(outcome["episode"]) if outcome else None
                if episode is not None:
                    key = (episode.key, episode.backend, episode.seed)
                    if key in seen:
                        continue
                    seen.add(key)
                names = dict(facts.cameras) or _upstream_cameras(group["obs"])
                convention = str(given or _usual_convention(names))
                lag = 0
                if self._aligned and ATTRIBUTE not in attributes:
                    lag = observation_lag(group)
                shapes = {
                    camera: _hwc(group["obs"][stored]).shape for stored, camera in names.items()
                }
                stored_as = {camera: stored for stored, camera in names.items()}
                self.places.append(_Place(path, f"data/{name}", lag, convention, stored_as))
                self.demos.append(
                    DemoInfo(
                        name=f"{path.name}:{name}",
                        length=len(group["actions"]) - lag,
                        suite=facts.suite,
                        backend=facts.backend,
                        task=facts.task,
                        task_name=facts.task_name,
                        instruction=facts.instruction,
                        embodiment=facts.embodiment,
                        control_hz=facts.control_hz,
                        action_names=facts.action_names,
                        cameras={camera: (h, w) for camera, (_, h, w, _) in shapes.items()},
                        success=outcome.get("success", _final_reward(group)),
                        noise=facts.noise,
                        episode=episode,
                        final_state=outcome.get("final_state", ""),
                        about=facts.about,
                        provenance=facts.provenance,
                        state_names=facts.state_names,
                        action_low=facts.action_low,
                        action_high=facts.action_high,
                        skills=recorded_skills(outcome),
                        prologue=int(outcome.get("prologue", 0)),
                        cut=_cut(group),
                    )
                )


def recorded_skills(outcome: Mapping[str, Any]) -> tuple[tuple[int, str], ...]:
    """What the attribute of a demonstration says about the skills of its policy."""
    return tuple((int(row), str(name)) for row, name in outcome.get("skills", ()))


def _cut(group: Any) -> Cut | None:
    return Cut(**json.loads(group.attrs[SKILL])) if SKILL in group.attrs else None


def hdf5_files(path: Path) -> list[Path]:
    """The demonstration files of a dataset: task files first, then single episodes."""
    if path.is_file():
        return [path]
    return sorted(path.glob("*.hdf5")) + sorted((path / EPISODES).glob("*.hdf5"))


def observation_lag(group: Any) -> int:
    """1 where observations of row t were taken after action t, else 0.

    Joint positions are in the observations and, as the first numbers after the time, in the
    physics state, which is always the one before the action. Whichever of the state's row t and
    row t + 1 they are nearer to on the whole says when they were taken.
    """
    if "states" not in group or "joint_states" not in group["obs"]:
        return 0
    joints = group["obs"]["joint_states"][:]
    arm = group["states"][:, 1 : 1 + _ARM_JOINTS]
    if len(joints) < 2 or joints.shape != arm.shape:
        return 0
    before = np.abs(joints[:-1] - arm[:-1]).mean()
    after = np.abs(joints[:-1] - arm[1:]).mean()
    return int(after < before)


def _upstream_facts(path: Path, attributes: Mapping[str, Any]) -> FileFacts:
    """What can be known about a file of upstream's, whose attributes may all be missing."""
    task_name = path.stem.removesuffix("_demo")
    environment = json.loads(attributes.get("env_args", "{}"))
    arguments = environment.get("env_kwargs", {})
    bddl = str(attributes.get("bddl_file_name", ""))
    folder = Path(bddl).parent.name if bddl else path.parent.name
    suite, task = _registered(folder, task_name)
    robots = arguments.get("robots", ["panda"])
    return FileFacts(
        suite=suite,
        backend="official" if task >= 0 else UNKNOWN,
        task=task,
        task_name=task_name,
        instruction=re.sub(r"^.*SCENE\d+_", "", task_name).replace("_", " "),
        embodiment=str(robots[0] if isinstance(robots, list) else robots).lower(),
        control_hz=float(arguments.get("control_freq", _UPSTREAM_HZ)),
        action_names=_UPSTREAM_ACTIONS,
        action_low=(-1.0,) * 7,
        action_high=(1.0,) * 7,
        state_names=(),
        cameras={},
    )


@lru_cache(maxsize=64)
def _registered(folder: str, task_name: str) -> tuple[str, int]:
    """Suite and task index of an upstream task, where an installed suite knows it."""
    from wambench import registry

    try:
        suite = registry.load_suite(folder, "embedded")
        names = [task.name for task in suite.tasks()]
        return suite.spec.name, names.index(task_name)
    except (WambenchError, ValueError):
        return folder or UNKNOWN, -1


def _upstream_cameras(obs: Any) -> dict[str, str]:
    return {
        name: _UPSTREAM_CAMERAS.get(name, name.removesuffix("_rgb").removesuffix("_image"))
        for name in obs
        if obs[name].ndim == 4 and obs[name].dtype == np.uint8
    }


def _usual_convention(names: Iterable[str]) -> str:
    """Orientation where a file does not say: LIBERO's `*_rgb` are raw, robomimic's `*_image` not.

    robomimic turns pictures upright when it extracts observations.
    """
    return "opengl" if any(name.endswith("_rgb") for name in names) else "wambench"


def _final_reward(group: Any) -> bool | None:
    return bool(group["rewards"][-1]) if "rewards" in group else None


def _number(name: str) -> tuple[int, str]:
    digits = name.rpartition("_")[2]
    return (int(digits) if digits.isdigit() else 0, name)


def _hwc(image: Any) -> Any:
    """Pictures with channels last; those that have them first are turned."""
    if image.shape[-1] == 3 or image.shape[-3] != 3:
        return image
    if isinstance(image, np.ndarray):
        return np.moveaxis(image, -3, -1)
    return _Shape((image.shape[0], *image.shape[2:], 3))


@dataclass(frozen=True, slots=True)
class _Shape:
    """Stands for a dataset of which only the shape matters."""

    shape: Sequence[int]
