"""Who is writing to a run directory, or wrote last: `session.json`, and what follows from it.

A run is written to in sessions: its first one, and one for every `--resume`. Whether the last one
is still under way is known from the lock on `episodes.jsonl`, which the kernel takes from a process
that dies, however it dies. That is certain on the machine of the session. Seen from another
machine a lock may be invisible (it depends on the file system), so a session also says every few
seconds that it is alive; where that is all there is to go by, the answer says so.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from wambench.errors import RunDirectoryError
from wambench.results.run import RunDirectory

FILE = "session.json"

BEAT_S = 10.0
"""Seconds between two signs of life."""

SILENT_S = 60.0
"""Seconds without a sign of life after which a session on another machine is called silent; several
beats, so that a slow network file system or clocks that differ a little are not taken for death."""

Ending = Literal["", "finished", "interrupted", "failed"]
StateName = Literal["running", "finished", "interrupted", "failed", "died", "silent", "unknown"]


class Session(BaseModel):
    """The content of `session.json`.

    Attributes:
        host: Name of the machine.
        machine: Identity of its running kernel; two processes with the same one see each other's
            locks.
        pid: Process id there.
        engine: Where the simulators run.
        replicas: Copies of the policy.
        workers: Simulator processes of each replica; None for one per core of wherever it runs.
        started_at: Unix time, s.
        beat_at: Unix time of the last sign of life, s.
        ended: How it ended; empty while it runs, and for ever if it was killed.
        reason: What it failed with.
    """

    model_config = ConfigDict(extra="forbid")

    host: str
    machine: str
    pid: int
    engine: str
    replicas: int
    workers: int | None
    started_at: float
    beat_at: float
    ended: Ending = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class State:
    """Whether a run is being worked on.

    Attributes:
        name: `running`; how the last session ended; `died` when it was ended from outside;
            `silent` when it is on another machine and has not been heard of; `unknown` when no
            session says anything about itself.
        detail: The same as part of a sentence, with what it is known from.
    """

    name: StateName
    detail: str


def machine() -> str:
    """Identity of the running kernel; the host's name where the kernel does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return socket.gethostname()


@contextlib.contextmanager
def session(
    run: RunDirectory, *, engine: str, replicas: int, workers: int | None
) -> Iterator[Session]:
    """Tells others that this process is working on a run; only inside `run.locked()`.

    Args:
        run: The run.
        engine: Where the simulators run.
        replicas: Copies of the policy.
        workers: Simulator processes of each.
    """
    now = time.time()
    told = Session(
        host=socket.gethostname(),
        machine=machine(),
        pid=os.getpid(),
        engine=engine,
        replicas=replicas,
        workers=workers,
        started_at=now,
        beat_at=now,
    )
    _tell(run, told)
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(BEAT_S):
            # A disk that is full or gone is for whoever writes records to complain about.
            with contextlib.suppress(RunDirectoryError):
                _tell(run, told)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield told
        told.ended = "finished"
    except KeyboardInterrupt:
        told.ended = "interrupted"
        raise
    except BaseException as error:
        told.ended, told.reason = "failed", " ".join(str(error).split()) or type(error).__name__
        raise
    finally:
        stop.set()
        thread.join()
        with contextlib.suppress(RunDirectoryError):
            _tell(run, told)


def _tell(run: RunDirectory, told: Session) -> None:
    told.beat_at = time.time()
    run.write(FILE, told.model_dump_json(indent=2) + "\n")


def last_session(run: RunDirectory) -> Session | None:
    """The session that is writing to a run or wrote last; None where none has said so.

    Raises:
        RunDirectoryError: The file cannot be read.
    """
    file = run.path / FILE
    try:
        return Session.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise RunDirectoryError(
            f"{file} cannot be read: {str(error).splitlines()[0]}.",
            "It was damaged or written by another version of wambench; it may be deleted.",
        ) from None


def state_of(run: RunDirectory, told: Session | None) -> State:
    """Whether a run is being worked on, from its files alone.

    Args:
        run: The run.
        told: Its last session.
    """
    if _locked(run):
        if told is None or told.ended:  # between taking the lock and the first sign of life
            return State("running", "it is being started")
        where = f"process {told.pid} on {told.host}"
        return State("running", f"{where} holds its lock")
    if told is None:
        return State("unknown", "nobody is writing to it, and no session says how it ended")
    if told.ended:
        detail = f"its last session ended on {told.host}"
        if told.ended == "interrupted":
            detail = f"it was interrupted on {told.host}"
        elif told.ended == "failed":
            detail = f"it stopped on {told.host}: {told.reason}"
        return State(told.ended, detail)
    if told.machine == machine():
        return State("died", f"process {told.pid} was killed: its lock is gone, it said no word")
    age = time.time() - told.beat_at
    where = f"process {told.pid} on {told.host}"
    if age < SILENT_S:
        return State("running", f"{where} gave a sign of life {age:.0f} s ago")
    return State(
        "silent",
        f"{where} gave its last sign of life {duration(age)} ago: it died, or what it writes does "
        f"not arrive here; `wambench status` on {told.host} knows",
    )


def _locked(run: RunDirectory) -> bool:
    """Whether another process is writing to a run, as far as this machine can see."""
    file = run.path / "episodes.jsonl"
    try:
        fd = os.open(file, os.O_RDONLY)
    except OSError as error:
        raise RunDirectoryError(f"{file} cannot be read: {error.strerror}.") from None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False  # a file system without locks; runs cannot be written there either
    finally:
        os.close(fd)
    return False


def duration(seconds: float) -> str:
    """`42 s`, `7 min`, `3 h 12 min`, `2 d 5 h`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h"
