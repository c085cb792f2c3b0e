"""LIBERO HDF5 into LeRobotDataset v3 and back, without losing anything.

Into LeRobot, a demonstration becomes an episode whose features are LeRobot's own
(`observation.images.<camera>`, `observation.state`, `action`, the latter two as float32) and, under
`wambench.`, every dataset of the HDF5 file in its own type: simulator states, rewards, dones, exact
actions, executed actions. States have another width in every task, so such columns are as wide as
the widest and filled up with zeros. Attributes, widths and the files' names are in
`meta/wambench.parquet`. Converting that back gives the same datasets and attributes; what comes
from somewhere else becomes HDF5 with `wambench` pictures and what can be known.

Files in upstream's order, whose observations are one row late, are put right on the way: their
first row, for which there is no observation, is left out.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wambench.demos.dataset import open_source
from wambench.demos.demo import one_backend
from wambench.demos.hdf5 import ATTRIBUTE, FileFacts, Hdf5Source, obs_names, orient
from wambench.demos.hdf5_writer import DemoFile
from wambench.demos.lerobot import (
    EXTRA,
    LeRobotSource,
    decode_attributes,
    encode_attributes,
    image_key,
)
from wambench.demos.lerobot_writer import Feature, LeRobotWriter
from wambench.errors import DataError

Format = Literal["lerobot", "hdf5"]

_NAME = 200
"""Most characters that a file's name takes from an instruction."""

_OWN = ("timestamp", "frame_index", "episode_index", "index", "task_index")


def convert(
    data: str | Path, out: Path, to: Format | None = None, *, cut_prologue: bool = False
) -> Format:
    """Writes a dataset in the other format.

    Args:
        data: See `open_source`.
        out: The folder to make; it must not exist.
        to: The format; None for the one it does not have.
        cut_prologue: Leave out the rows that are not to be imitated.

    Returns:
        The format.

    Raises:
        DataError: It cannot be read, is of that format already, or cannot be represented in it.
    """
    source = open_source(data)
    one_backend(source.demos)
    if isinstance(source, Hdf5Source):
        if to == "hdf5":
            raise DataError(f"{data} is HDF5 already.", "Convert it --to lerobot.")
        to_lerobot(source, out, cut_prologue=cut_prologue)
        return "lerobot"
    assert isinstance(source, LeRobotSource)
    if to == "lerobot":
        raise DataError(f"{data} is a LeRobot dataset already.", "Convert it --to hdf5.")
    to_hdf5(source, out)
    return "hdf5"


# ---- into LeRobot ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Column:
    """A dataset of an HDF5 demonstration as a column.

    Attributes:
        shape: Of one row.
        dtype: Its type.
    """

    shape: tuple[int, ...]
    dtype: str

    @property
    def width(self) -> int:
        """Numbers in one row."""
        return int(np.prod(self.shape, dtype=int))


def to_lerobot(source: Hdf5Source, out: Path, *, cut_prologue: bool = False) -> None:
    """Writes HDF5 demonstrations as a LeRobot dataset.

    Args:
        source: The demonstrations.
        out: The folder to make.
        cut_prologue: Leave out the rows that are not to be imitated. What is left of such a
            demonstration cannot be replayed, for its episode begins earlier.

    Raises:
        DataError: They do not fit into one, or have prologues that are not to be left out.
    """
    with_prologue = [info.name for info in source.demos if info.prologue]
    if with_prologue and not cut_prologue:
        raise DataError(
            f"{len(with_prologue)} of {len(source.demos)} demonstrations begin with rows that are "
            f"not to be imitated, for example {with_prologue[0]}, and LeRobot has no place to say "
            "so.",
            "Leave those rows out with --cut-prologue.",
        )
    columns = [_columns(source, demo) for demo in range(len(source.demos))]
    features = _features(source, columns)
    first = source.demos[0]
    with LeRobotWriter(out, features, first.control_hz, first.embodiment) as writer:
        for demo, info in enumerate(source.demos):
            place, group = source.places[demo], source.group(demo)
            begin, length = info.prologue, info.length - info.prologue
            arrays: dict[str, NDArray[Any]] = {}
            for name, column in columns[demo].items():
                feature = features[_extra(name)]
                rows = _aligned(group[name][()], name, place.lag)[begin:]
                values = np.zeros((length, feature.shape[0]), feature.dtype)
                values[:, : column.width] = rows.reshape(length, column.width)
                arrays[_extra(name)] = values
            if "observation.state" in features:
                arrays["observation.state"] = source.states(demo, begin, info.length)
            arrays["action"] = source.actions(demo, begin, info.length).astype(np.float32)
            attributes = dict(group.attrs)
            if place.lag or begin:
                attributes["num_samples"] = length
            if begin:
                attributes["init_state"] = group["states"][begin]
                del attributes[ATTRIBUTE]  # it is about the whole episode
            writer.add(
                info.instruction,
                arrays,
                {
                    image_key(camera): _pictures(source, demo, camera, begin)
                    for camera in info.cameras
                },
                {
                    "facts": json.dumps(asdict(source.facts(demo)), sort_keys=True),
                    "outcome": attributes.get(ATTRIBUTE) or _outcome(info.success),
                    "file": place.path.name,
                    "group": place.group,
                    "file_attributes": encode_attributes(dict(group.parent.attrs)),
                    "attributes": encode_attributes(attributes),
                    "arrays": json.dumps({n: asdict(c) for n, c in columns[demo].items()}),
                    "cameras": json.dumps(place.names),
                    "convention": place.convention,
                },
            )


def _outcome(success: bool | None) -> str:
    """What other people's files say about the end of a demonstration."""
    return "" if success is None else json.dumps({"success": success})


def _columns(source: Hdf5Source, demo: int) -> dict[str, _Column]:
    """Every dataset of a demonstration but its pictures."""
    import h5py

    found: dict[str, _Column] = {}
    pictures = {f"obs/{name}" for name in source.places[demo].names.values()}
    length = source.demos[demo].length + source.places[demo].lag

    def visit(name: str, item: Any) -> None:
        if not isinstance(item, h5py.Dataset) or name in pictures:
            return
        if item.dtype.kind not in "biuf" or item.shape[:1] != (length,):
            raise DataError(
                f"{source.demos[demo].name}: {name} has type {item.dtype} and shape {item.shape}.",
                f"LeRobot stores numbers, {length} rows of them.",
            )
        found[name] = _Column(tuple(item.shape[1:]), item.dtype.name)

    source.group(demo).visititems(visit)
    return found


def _features(source: Hdf5Source, columns: list[dict[str, _Column]]) -> dict[str, Feature]:
    """The columns that all demonstrations fit into.

    Raises:
        DataError: There are none: other datasets, cameras, picture sizes or frequencies.
    """
    first = source.demos[0]
    for info, found in zip(source.demos, columns, strict=True):
        for what, this, other in (
            ("cameras", dict(info.cameras), dict(first.cameras)),
            ("control frequency", info.control_hz, first.control_hz),
            ("datasets", sorted(found), sorted(columns[0])),
        ):
            if this != other:
                raise DataError(
                    f"A LeRobot dataset has one set of columns, but the {what} of {info.name} are "
                    f"{this} and those of {first.name} are {other}.",
                    "Convert them separately.",
                )
    features = {
        image_key(camera): Feature("image", (*size, 3)) for camera, size in first.cameras.items()
    }
    place = source.group(0)["obs"]
    if "agent_pos" in place or {"ee_states", "gripper_states"} <= set(place):
        facts = source.facts(0)
        width = len(source.agent_pos(0, 0))
        names = facts.state_names if len(facts.state_names) == width else None
        features["observation.state"] = Feature("float32", (width,), names)
    width = columns[0]["actions"].width
    names = first.action_names if len(first.action_names) == width else None
    features["action"] = Feature("float32", (width,), names)
    for name in columns[0]:
        widest = max(found[name].width for found in columns)
        dtype = np.result_type(*{found[name].dtype for found in columns})
        features[_extra(name)] = Feature(dtype.name, (widest,))
    return features


def _extra(name: str) -> str:
    """The feature that holds a dataset: `obs/ee_pos` is in `wambench.obs.ee_pos`."""
    return EXTRA + name.replace("/", ".")


def _aligned(values: NDArray[Any], name: str, lag: int) -> NDArray[Any]:
    """Rows of a dataset such that observations come before their action."""
    if not lag:
        return values
    return values[:-lag] if name.startswith("obs/") or name == "robot_states" else values[lag:]


def _pictures(
    source: Hdf5Source | LeRobotSource, demo: int, camera: str, begin: int = 0
) -> Iterator[NDArray[np.uint8]]:
    return (source.pixels(demo, camera, row) for row in range(begin, source.demos[demo].length))


# ---- into HDF5 ---------------------------------------------------------------------------------


def to_hdf5(source: LeRobotSource, out: Path) -> None:
    """Writes a LeRobot dataset as HDF5 files, one per task."""
    if out.exists():
        raise DataError(f"{out} exists already.", "Choose another --out, or remove it.")
    # Complete or not there, as a whole: the files are moved to their place at the end.
    partial = out.with_name(f"{out.name}.{os.getpid()}.partial")
    try:
        partial.mkdir(parents=True)
    except OSError as error:
        raise DataError(
            f"Cannot write to {out}: {error.strerror}.", "Choose another --out."
        ) from error
    try:
        for name, demos in _files(source).items():
            _write_file(source, partial / name, demos)
        partial.replace(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _files(source: LeRobotSource) -> dict[str, list[int]]:
    """The demonstrations of every file to be made, by its name.

    A file is about one task. Instructions that differ only in what a name cannot hold (capitals,
    signs, letters of other scripts) get a number.
    """
    names: dict[str, str] = {}
    files: dict[str, list[int]] = {}
    for demo, info in enumerate(source.demos):
        row = source.origin(demo)
        if row is not None:
            name = Path(str(row["file"])).name
        else:
            if info.instruction not in names:
                words = re.sub(r"[^a-z0-9]+", "_", info.instruction.lower()).strip("_")[:_NAME]
                stem, number = words or "task", 1
                while (name := f"{stem}{f'_{number}' * (number > 1)}_demo.hdf5") in names.values():
                    number += 1
                names[info.instruction] = name
            name = names[info.instruction]
        files.setdefault(name, []).append(demo)
    return files


def _write_file(source: LeRobotSource, path: Path, demos: Sequence[int]) -> None:
    """Writes demonstrations into one file."""
    restored = [_restored(source, demo) for demo in demos]
    with DemoFile(path, restored[0].file_attributes) as file:
        for demo, episode in zip(demos, restored, strict=True):
            pictures = {
                stored: _oriented(source, demo, camera, episode.convention)
                for camera, stored in episode.cameras.items()
            }
            sizes = {source.demos[demo].cameras[camera] for camera in episode.cameras}
            if len(sizes) > 1:
                raise DataError(
                    f"{source.demos[demo].name} has pictures of different sizes: {sizes}.",
                    "Such a dataset cannot be written as HDF5 yet.",
                )
            shape = (*sizes.pop(), 3) if sizes else (0, 0, 3)
            file.add(episode.arrays(source, demo), episode.attributes, pictures, shape)


@dataclass(frozen=True, slots=True)
class _Restored:
    """What an episode was, or shall be, in HDF5.

    Attributes:
        file_attributes: Attributes of `data`.
        attributes: Attributes of the demonstration.
        columns: Dataset to (feature, shape and type).
        cameras: Camera to dataset name.
        convention: Orientation of the pictures in the file.
    """

    file_attributes: Mapping[str, Any]
    attributes: Mapping[str, Any]
    columns: Mapping[str, tuple[str, _Column]]
    cameras: Mapping[str, str]
    convention: str

    def arrays(self, source: LeRobotSource, demo: int) -> dict[str, NDArray[Any]]:
        """Its datasets but for the pictures."""
        length = source.demos[demo].length
        found: dict[str, NDArray[Any]] = {}
        for name, (feature, column) in self.columns.items():
            values = source.feature(demo, feature, 0, length)[:, : column.width]
            found[name] = values.astype(column.dtype).reshape(length, *column.shape)
        return found


def _restored(source: LeRobotSource, demo: int) -> _Restored:
    row = source.origin(demo)
    if row is None:
        return _foreign(source, demo)
    columns = {
        name: (_extra(name), _Column(tuple(column["shape"]), column["dtype"]))
        for name, column in json.loads(row["arrays"]).items()
    }
    return _Restored(
        decode_attributes(row["file_attributes"]),
        decode_attributes(row["attributes"]),
        columns,
        json.loads(row["cameras"]),
        row["convention"],
    )


def _foreign(source: LeRobotSource, demo: int) -> _Restored:
    """The layout of an episode that never was HDF5: `lerobot/<feature>` for what has no name."""
    info = source.demos[demo]
    columns: dict[str, tuple[str, _Column]] = {}
    known = {"action": "actions", "actions": "actions"}
    known |= {"observation.state": "obs/agent_pos", "state": "obs/agent_pos"}
    for key, feature in source.features.items():
        if key in _OWN or feature["dtype"] in ("image", "video", "string", "language"):
            continue
        shape = tuple(feature["shape"])
        name = known.get(key, f"lerobot/{key}")
        columns[name] = (key, _Column(() if shape == (1,) else shape, feature["dtype"]))
    about = {"source": f"LeRobot dataset {source.path.name}"}
    facts = FileFacts.of(info, info.cameras, about)
    return _Restored(
        {
            "macros_image_convention": "wambench",
            ATTRIBUTE: json.dumps(asdict(facts), sort_keys=True),
        },
        {"num_samples": info.length},
        columns,
        obs_names(info.cameras),
        "wambench",
    )


def _oriented(
    source: LeRobotSource, demo: int, camera: str, convention: str
) -> Iterator[NDArray[np.uint8]]:
    return (orient(image, convention) for image in _pictures(source, demo, camera))
