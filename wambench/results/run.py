"""A run directory: `run.json`, `manifest.jsonl`, `episodes.jsonl`, `videos/`, `logs/`.

`session.json` (see `wambench.results.session`) says who writes to it, or wrote last. A run with a
stopping rule has `against.jsonl` and, once it has ended, `decision.json` as well.

`episodes.jsonl` is append-only, one line per episode, each written by a single system call. A line
that a crash or a full disk left incomplete is cut off when the run is resumed. An episode that
ended in an error has a line as well; when it is run again, its newest line counts.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from wambench.errors import RunDirectoryError
from wambench.manifest import Manifest
from wambench.protocol import Backend
from wambench.report.video import VideoMode
from wambench.results.record import EpisodeRecord

FORMAT = 1


class RunConfig(BaseModel):
    """What decides the results of a run; two runs with equal configurations must agree.

    Attributes:
        suite: Name of the suite (aliases resolved).
        backend: Resolved backend.
        policy: Name of the policy.
        policy_arguments: Its arguments, the checkpoint included.
        trials: Episodes per task.
        seed: Seed of the run.
        tasks: Task indices; None for all.
        allow_unpinned: Whether other simulator versions than the pinned ones were allowed.
    """

    model_config = ConfigDict(extra="forbid")

    suite: str
    backend: Backend
    policy: str
    policy_arguments: dict[str, Any] = {}
    trials: int
    seed: int
    tasks: list[int] | None = None
    allow_unpinned: bool = False


class StoppingRule(BaseModel):
    """When a run ends before its manifest does; fixed before the first episode.

    Attributes:
        against: The run directory it is compared with, as it was named.
        policy: Name of the policy of that run, which is `a` in the decision.
        confidence: 1 minus the probability of a wrong decision.
        margin: Differences up to this do not matter; None where only a better policy counts.
        privileged: Whether that policy looked at the simulator's state.
        simulator: Versions and asset hashes that that run recorded.
    """

    model_config = ConfigDict(extra="forbid")

    against: str
    policy: str
    confidence: float
    margin: float | None = None
    privileged: bool = False
    simulator: dict[str, Any] = {}


class RunInfo(BaseModel):
    """The content of `run.json`.

    Attributes:
        format: Version of the directory layout.
        command: The command line that created the run.
        created_at: ISO 8601, UTC.
        config: See `RunConfig`.
        manifest: SHA-256 of `manifest.jsonl`.
        privileged: Whether the policy looked at the simulator's state.
        video: Which episodes are filmed.
        provenance: Versions, hashes and machine; `suite` is filled in by the first worker.
        stopping: The rule by which it may end early; the records that it is compared with are
            copied to `against.jsonl`. None for a run of the whole manifest.
    """

    model_config = ConfigDict(extra="forbid")

    format: int = FORMAT
    command: str
    created_at: str
    config: RunConfig
    manifest: str
    privileged: bool
    video: VideoMode = "none"
    provenance: dict[str, Any] = {}
    stopping: StoppingRule | None = None


class RunDirectory:
    """An existing run directory, for reading, or for writing inside `locked()`."""

    info_file: ClassVar[str] = "run.json"
    info_model: ClassVar[type[RunInfo]] = RunInfo
    folders: ClassVar[tuple[str, ...]] = ("videos", "logs")

    def __init__(self, path: Path) -> None:
        self.path = path
        self._episodes_fd: int | None = None
        self.info = self._read_info()
        self.manifest = self._read_manifest()

    # ---- creation ----------------------------------------------------------------------------

    @classmethod
    def create(
        cls,
        path: Path,
        info: RunInfo,
        manifest: Manifest,
        against: Iterable[EpisodeRecord] = (),
    ) -> Self:
        """Makes a new run directory, locked for this process until its `locked()` ends.

        A run that has no record yet is replaced: nothing is lost, and a command that failed early
        can be corrected and repeated.

        Args:
            path: The folder.
            info: Content of `run.json`.
            manifest: The episodes.
            against: Records of the run that its stopping rule compares it with.

        Raises:
            RunDirectoryError: The folder holds a run already, or cannot be written.
        """
        with explained(path):
            path.mkdir(parents=True, exist_ok=True)
            fd = _lock(path)
            if os.fstat(fd).st_size:
                os.close(fd)
                raise RunDirectoryError(
                    f"{path} already holds a run.",
                    f"Continue it with --resume {path}, or choose another --out.",
                )
            for folder in cls.folders:
                (path / folder).mkdir(exist_ok=True)
            _write_atomically(path / "manifest.jsonl", manifest.to_jsonl())
            (path / "against.jsonl").unlink(missing_ok=True)
            if info.stopping is not None:
                lines = "".join(record.model_dump_json() + "\n" for record in against)
                _write_atomically(path / "against.jsonl", lines)
            _write_atomically(path / cls.info_file, info.model_dump_json(indent=2) + "\n")
        run = cls(path)
        run._episodes_fd = fd
        return run

    # ---- reading -----------------------------------------------------------------------------

    def _read_info(self) -> RunInfo:
        file = self.path / self.info_file
        try:
            info = self.info_model.model_validate_json(file.read_bytes())
        except FileNotFoundError:
            raise RunDirectoryError(
                f"{self.path} holds no run (there is no {self.info_file}).", "Check the path."
            ) from None
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise RunDirectoryError(
                f"{file} cannot be read: {where} {first['msg'].lower()}.",
                "It was edited, damaged or written by another version of wambench.",
            ) from None
        except OSError as error:
            raise RunDirectoryError(f"{file} cannot be read: {error.strerror}.") from None
        if info.format != FORMAT:
            raise RunDirectoryError(
                f"{self.path} has layout version {info.format}, this wambench reads {FORMAT}.",
                "Use the wambench version that wrote it.",
            )
        return info

    def _read_manifest(self) -> Manifest:
        file = self.path / "manifest.jsonl"
        try:
            manifest = Manifest.from_jsonl(file.read_text(encoding="utf-8"))
        except (OSError, ValueError, TypeError) as error:
            raise RunDirectoryError(f"{file} cannot be read: {error}.") from None
        if manifest.digest != self.info.manifest:
            raise RunDirectoryError(
                f"{file} does not match the hash in {self.info_file}.", "It was edited or damaged."
            )
        return manifest

    def records(self) -> dict[str, EpisodeRecord]:
        """The newest record of each episode, by key, in manifest order.

        Raises:
            RunDirectoryError: A complete line is not a record of this run's manifest.
        """
        return self._read_records("episodes.jsonl", "an empty one makes every episode run again")

    def baseline(self) -> dict[str, EpisodeRecord]:
        """The records that the stopping rule compares this run with, by key, in manifest order.

        Raises:
            RunDirectoryError: They cannot be read, or are of other episodes.
        """
        return self._read_records("against.jsonl", "it is a copy of the other run's episodes.jsonl")

    def _read_records(self, name: str, hint: str) -> dict[str, EpisodeRecord]:
        newest: dict[str, EpisodeRecord] = {}
        planned = {episode.key: episode for episode in self.manifest.episodes}
        file = self.path / name
        try:
            lines = file.read_bytes().split(b"\n")
        except OSError as error:
            raise RunDirectoryError(
                f"The records in {self.path} cannot be read: {error.strerror}.",
                f"Restore {name}; {hint}.",
            ) from None
        for number, line in enumerate(lines[:-1], start=1):  # the last part is empty or incomplete
            try:
                record = EpisodeRecord.model_validate_json(line)
            except ValidationError:
                raise RunDirectoryError(
                    f"Line {number} of {file} is not an episode record.",
                    "The file was edited or damaged; remove that line to run the episode again.",
                ) from None
            if record.key not in planned or record.episode() != planned[record.key]:
                raise RunDirectoryError(
                    f"Line {number} of {file} is about {record.key} "
                    f"({record.backend}, seed {record.seed}), which is not in the manifest.",
                    "Lines of another run were copied in; remove them.",
                )
            newest[record.key] = record
        return {key: newest[key] for key in planned if key in newest}

    # ---- writing -----------------------------------------------------------------------------

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Makes this process the only writer and cuts off an incomplete last line.

        Raises:
            RunDirectoryError: Another process is writing to the run, or the folder is read-only.
        """
        file = self.path / "episodes.jsonl"
        with explained(self.path):
            if self._episodes_fd is None:
                self._episodes_fd = _lock(self.path)
            whole = file.read_bytes().rfind(b"\n") + 1
            if whole < file.stat().st_size:
                os.ftruncate(self._episodes_fd, whole)
        try:
            yield
        finally:
            os.close(self._episodes_fd)
            self._episodes_fd = None

    def append(self, record: EpisodeRecord) -> None:
        """Adds one record; only inside `locked()`.

        Raises:
            RunDirectoryError: The disk is full or gone. Nothing already recorded is lost.
        """
        assert self._episodes_fd is not None, "append() needs locked()"
        line = record.model_dump_json().encode() + b"\n"
        with explained(self.path):
            written = os.write(self._episodes_fd, line)
            if written != len(line):
                # A part of the line fits on a full disk; drop it again.
                size = os.fstat(self._episodes_fd).st_size
                os.ftruncate(self._episodes_fd, size - written)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def write(self, name: str, text: str) -> Path:
        """Writes a file that is computed from the others, whole or not at all."""
        with explained(self.path):
            _write_atomically(self.path / name, text)
        return self.path / name

    def add_provenance(self, **facts: Any) -> None:
        """Adds facts to `run.json` that were not known when the run was created."""
        self.info.provenance.update(facts)
        with explained(self.path):
            _write_atomically(
                self.path / self.info_file, self.info.model_dump_json(indent=2) + "\n"
            )


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turns an `OSError` about a run directory into one line with a remedy."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            remedy = "Free space, then repeat the command; nothing recorded is lost."
            if (path / "run.json").exists():
                remedy = (
                    f"Free space, then continue with --resume {path}; nothing recorded is lost."
                )
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            remedy = "Choose an --out that you may write to."
        else:
            remedy = "Choose another --out."
        raise RunDirectoryError(f"Cannot write to {path}: {error.strerror}.", remedy) from error


def _lock(path: Path) -> int:
    """Descriptor of the run's `episodes.jsonl`, made if need be, that no other process holds."""
    fd = os.open(path / "episodes.jsonl", os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.2)  # `wambench status` looks at the lock by holding it for a moment
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise RunDirectoryError(
            f"Another wambench is writing to {path}.",
            "Wait for it, stop it, or choose another --out.",
        ) from None
    except OSError as error:
        os.close(fd)
        raise RunDirectoryError(
            f"{path} is on a file system that cannot lock files ({error.strerror}).",
            "Choose an --out on another one.",
        ) from None
    return fd


def _write_atomically(file: Path, text: str) -> None:
    partial = file.with_name(file.name + ".partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)


def config_difference(stored: RunConfig, given: dict[str, Any]) -> str | None:
    """Says how options given with --resume differ from the stored run; None when they agree."""
    stored_values = json.loads(stored.model_dump_json())
    for name, value in given.items():
        if stored_values[name] != value:
            return f"{name} is {stored_values[name]!r} in the run but {value!r} was given"
    return None
