"""Writes LeRobotDataset v3: parquet tables with PNG images inside, one folder that appears whole.

The tables are those LeRobot's own writer makes (names, types, file sizes, statistics per episode
and over all), without its dependencies. Pictures are PNG, so nothing is lost; row groups are short,
so that reading one picture does not read an episode.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wambench.demos.lerobot import SIDECAR
from wambench.errors import DataError

VERSION = "v3.0"
CHUNK_FILES = 1000
"""Most files in a chunk's folder (LeRobot's `DEFAULT_CHUNK_SIZE`)."""

FILE_MB = 100
"""Size at which a data file is followed by another (LeRobot's `DEFAULT_DATA_FILE_SIZE_IN_MB`)."""

ROW_GROUP = 64
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
EPISODES_PATH = "meta/episodes/chunk-000/file-000.parquet"

_DEFAULTS: dict[str, str] = {
    "timestamp": "float32",
    "frame_index": "int64",
    "episode_index": "int64",
    "index": "int64",
    "task_index": "int64",
}
"""Features that every LeRobot dataset has, with their types."""


@dataclass(frozen=True, slots=True)
class Feature:
    """A column of the data.

    Attributes:
        dtype: `image`, or a numpy type.
        shape: (H, W, 3) of an image, (width,) of numbers.
        names: One per dimension; None for none.
    """

    dtype: str
    shape: tuple[int, ...]
    names: Sequence[str] | None = None

    @property
    def is_image(self) -> bool:
        """Whether its cells are pictures."""
        return self.dtype == "image"


class LeRobotWriter:
    """A dataset being written; it appears under its name when the context ends without an error.

    Args:
        path: Its folder, which must not exist.
        features: The columns, without LeRobot's own.
        fps: Control frequency in Hz, a whole number.
        robot: The embodiment.
    """

    def __init__(self, path: Path, features: Mapping[str, Feature], fps: float, robot: str) -> None:
        if path.exists():
            raise DataError(f"{path} exists already.", "Choose another --out, or remove it.")
        if fps != int(fps):
            raise DataError(
                f"LeRobot stores whole frames per second, and these are {fps:g}.",
                "Keep the data as HDF5.",
            )
        self._path = path
        self._partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
        self._features = dict(features)
        self._fps, self._robot = int(fps), robot
        self._tasks: dict[str, int] = {}
        self._episodes: list[dict[str, Any]] = []
        self._sidecar: list[dict[str, Any]] = []
        self._rows = 0
        self._file = 0
        self._writer: Any = None
        self._statistics: dict[str, _Statistics] = {}

    def __enter__(self) -> LeRobotWriter:
        with self._explained():
            (self._partial / "meta" / "episodes" / "chunk-000").mkdir(parents=True)
        return self

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Turns an error of the file system into one line."""
        try:
            yield
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else " ".join(str(error).split())
            raise DataError(
                f"Cannot write to {self._path}: {reason}.",
                "Free space or choose another --out, then repeat the command.",
            ) from error

    def add(
        self,
        instruction: str,
        arrays: Mapping[str, NDArray[Any]],
        pictures: Mapping[str, Iterable[NDArray[np.uint8]]],
        beside: Mapping[str, str],
    ) -> None:
        """Adds an episode.

        Args:
            instruction: Its task, in words.
            arrays: Feature to (T, width) values.
            pictures: Image feature to T pictures.
            beside: Further facts, for `meta/wambench.parquet`.
        """
        import pyarrow as pa

        length = len(next(iter(arrays.values())))
        number = len(self._episodes)
        task = self._tasks.setdefault(instruction, len(self._tasks))
        frames = np.arange(length)
        values: dict[str, NDArray[Any]] = {
            **arrays,
            "timestamp": (frames / self._fps).astype(np.float32)[:, None],
            "frame_index": frames[:, None],
            "episode_index": np.full((length, 1), number),
            "index": self._rows + frames[:, None],
            "task_index": np.full((length, 1), task),
        }
        statistics, columns = {}, {}
        for name, images in pictures.items():
            statistics[name] = _Statistics()
            columns[name] = _image_column(images, statistics[name])
            assert len(columns[name]) == length
        for name, array in values.items():
            statistics[name] = _Statistics()
            statistics[name].add(array.astype(np.float64), len(array))
            columns[name] = _number_column(array)
        schema = [*self._features, *_DEFAULTS]
        place = self._write(pa.table({name: columns[name] for name in schema}))
        self._episodes.append(
            {
                "episode_index": number,
                "tasks": [instruction],
                "length": length,
                **place,
                "dataset_from_index": self._rows,
                "dataset_to_index": self._rows + length,
                "meta/episodes/chunk_index": 0,
                "meta/episodes/file_index": 0,
                **{
                    f"stats/{name}/{statistic}": value
                    for name, found in statistics.items()
                    for statistic, value in found.result(name in pictures).items()
                },
            }
        )
        for name, found in statistics.items():
            self._statistics.setdefault(name, _Statistics()).merge(found)
        self._sidecar.append({"episode_index": number, **beside})
        self._rows += length

    def _write(self, table: Any) -> dict[str, int]:
        """Appends an episode's rows; returns where they are."""
        import pyarrow.parquet as pq

        place = {
            "data/chunk_index": self._file // CHUNK_FILES,
            "data/file_index": self._file % CHUNK_FILES,
        }
        path = self._partial / DATA_PATH.format(
            chunk_index=place["data/chunk_index"], file_index=place["data/file_index"]
        )
        with self._explained():
            if self._writer is None:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._writer = pq.ParquetWriter(path, table.schema, compression="snappy")
            self._writer.write_table(table, row_group_size=ROW_GROUP)
            if path.stat().st_size > FILE_MB * 2**20:
                self._close_file()
        return place

    def _close_file(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
            self._file += 1

    def __exit__(self, kind: Any, value: Any, traceback: Any) -> None:
        try:
            if kind is None:
                with self._explained():
                    self._close_file()
                    self._write_meta()
                    self._partial.replace(self._path)
            else:
                with contextlib.suppress(OSError):  # what led here is to be told
                    self._close_file()
        finally:
            shutil.rmtree(self._partial, ignore_errors=True)

    def _write_meta(self) -> None:
        import pandas as pd
        import pyarrow as pa
        import pyarrow.parquet as pq

        meta = self._partial / "meta"
        described = {
            name: {
                "dtype": feature.dtype,
                "shape": list(feature.shape),
                "names": ["height", "width", "channels"]
                if feature.is_image
                else list(feature.names)
                if feature.names
                else None,
            }
            for name, feature in self._features.items()
        }
        info = {
            "codebase_version": VERSION,
            "robot_type": self._robot,
            "total_episodes": len(self._episodes),
            "total_frames": self._rows,
            "total_tasks": len(self._tasks),
            "chunks_size": CHUNK_FILES,
            "data_files_size_in_mb": FILE_MB,
            "video_files_size_in_mb": 200,
            "fps": self._fps,
            "splits": {"train": f"0:{len(self._episodes)}"},
            "data_path": DATA_PATH,
            "video_path": None,
            "features": described
            | {n: {"dtype": t, "shape": [1], "names": None} for n, t in _DEFAULTS.items()},
        }
        (meta / "info.json").write_text(json.dumps(info, indent=4), encoding="utf-8")
        statistics = {
            name: found.result(name in self._features and self._features[name].is_image)
            for name, found in self._statistics.items()
        }
        (meta / "stats.json").write_text(json.dumps(statistics, indent=4), encoding="utf-8")
        tasks = pd.DataFrame(
            {"task_index": list(self._tasks.values())}, index=pd.Index(self._tasks, name="task")
        )
        tasks.to_parquet(meta / "tasks.parquet")
        pq.write_table(pa.Table.from_pylist(self._episodes), self._partial / EPISODES_PATH)
        pq.write_table(
            pa.Table.from_pylist(self._sidecar), self._partial / SIDECAR, compression="zstd"
        )


class _Statistics:
    """Least, greatest, mean and standard deviation of values that arrive in parts."""

    def __init__(self) -> None:
        self._rows = self._values = 0
        self._sum: Any = 0.0
        self._squares: Any = 0.0
        self._low: Any = np.inf
        self._high: Any = -np.inf

    def add(self, values: NDArray[np.float64], rows: int) -> None:
        """Counts (N, width) values that belong to so many rows of the table."""
        self._rows += rows
        self._values += len(values)
        self._sum = self._sum + values.sum(axis=0)
        self._squares = self._squares + (values**2).sum(axis=0)
        self._low = np.minimum(self._low, values.min(axis=0))
        self._high = np.maximum(self._high, values.max(axis=0))

    def merge(self, other: _Statistics) -> None:
        """Counts what another has counted."""
        self._rows += other._rows
        self._values += other._values
        self._sum = self._sum + other._sum
        self._squares = self._squares + other._squares
        self._low = np.minimum(self._low, other._low)
        self._high = np.maximum(self._high, other._high)

    def result(self, image: bool) -> dict[str, Any]:
        """The statistics as lists; those of images as (3, 1, 1) of values in [0, 1]."""
        mean = self._sum / self._values
        std = np.sqrt(np.maximum(self._squares / self._values - mean**2, 0))
        found = {"min": self._low, "max": self._high, "mean": mean, "std": std}
        if image:
            found = {name: (value / 255.0).reshape(3, 1, 1) for name, value in found.items()}
        return {name: value.tolist() for name, value in found.items()} | {"count": [self._rows]}


def _image_column(images: Iterable[NDArray[np.uint8]], statistics: _Statistics) -> Any:
    """Pictures as the struct of bytes and path that the `datasets` library calls an image."""
    import pyarrow as pa
    from PIL import Image

    cells = []
    for image in images:
        encoded = io.BytesIO()
        Image.fromarray(image).save(encoded, "PNG", compress_level=1)
        cells.append({"bytes": encoded.getvalue(), "path": None})
        statistics.add(image.reshape(-1, 3).astype(np.float64), 1)
    return pa.array(cells, pa.struct({"bytes": pa.binary(), "path": pa.string()}))


def _number_column(array: NDArray[Any]) -> Any:
    """(T, width) numbers as lists of fixed size, or as plain numbers where width is 1."""
    import pyarrow as pa

    flat = pa.array(np.ascontiguousarray(array).reshape(-1))
    width = array.shape[1]
    return flat if width == 1 else pa.FixedSizeListArray.from_arrays(flat, width)
