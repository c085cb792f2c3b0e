"""Worker processes: starting, watching, replacing."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wambench.protocol import Needs
from wambench.runner.children import ask_for_stacks, how_it_ended, kill_group
from wambench.runner.transport import Channel, PixelBuffer
from wambench.runtimes import ALLOW_UNPINNED, Interpreter, worker_path
from wambench.subgoals import needed_targets

_THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LP_NUM_THREADS")
"""One thread per worker: several workers share the cores, and sums of a fixed order repeat."""

_STACKS_WITHIN_S = 2.0


@dataclass(frozen=True, slots=True)
class WorkerSetup:
    """What every worker of a run is told first.

    Attributes:
        suite: Target of the suite's entry point.
        backend: Resolved backend.
        needs: The policy's needs.
        policy: Fields of the policy's `Reference`, for privileged policies.
        policy_arguments: Its arguments.
        video: Fields of a `VideoRequest`.
        recording: Fields of a `RecordingRequest`; empty where nothing is recorded.
        decisions: Folder for what policies say of their decisions; empty where it is not kept.
    """

    suite: str
    backend: str
    needs: Needs
    policy: Mapping[str, str]
    policy_arguments: Mapping[str, Any]
    video: Mapping[str, Any]
    recording: Mapping[str, Any] = field(default_factory=dict)
    decisions: str = ""

    def message(self) -> dict[str, Any]:
        """The set-up message."""
        return {
            "type": "setup",
            "suite": self.suite,
            "backend": self.backend,
            "needs": {
                "cameras": list(self.needs.cameras),
                "image_size": list(self.needs.image_size),
                "privileged": self.needs.privileged,
                "subgoals": self.needs.subgoals,
            },
            "policy": dict(self.policy),
            "policy_arguments": dict(self.policy_arguments),
            "video": dict(self.video),
            "recording": dict(self.recording),
            "decisions": self.decisions,
        }


class WorkerProcess:
    """One running worker as the scheduler sees it.

    Attributes:
        number: Position in the pool; a replacement takes the number of its predecessor.
        ready: Whether its set-up has finished.
        task: Index of the task whose environment it holds; None when it holds none.
        heard_at: `time.monotonic()` of its last message.
    """

    def __init__(
        self, number: int, setup: WorkerSetup, interpreter: Interpreter, path: str, log: Path
    ) -> None:
        self.number = number
        self.ready = False
        self.task: int | None = None
        self.heard_at = time.monotonic()
        self.log = log
        self.pixels = PixelBuffer(setup.needs)
        ours, theirs = socket.socketpair()
        environment = os.environ | dict.fromkeys(_THREAD_LIMITS, "1")
        environment["PYTHONUNBUFFERED"] = "1"
        if interpreter.provisioned:
            environment.pop("PYTHONHOME", None)
            environment["PYTHONPATH"] = path
        if interpreter.unpinned:
            environment[ALLOW_UNPINNED] = "1"
        with theirs, open(log, "ab") as output:
            self._process = subprocess.Popen(
                [
                    str(interpreter.python),
                    "-P",  # a folder `libero` where the user stands must not be imported
                    "-m",
                    "wambench.runner.worker",
                    str(theirs.fileno()),
                    str(self.pixels.fd),
                ],
                pass_fds=(theirs.fileno(), self.pixels.fd),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,  # Ctrl-C is for the scheduler, which then stops us
            )
        self.channel = Channel(ours)
        self.channel.send(setup.message())

    def how_it_ended(self) -> str:
        """Why a worker that has gone has gone, in a few words, with the end of its log."""
        ending = how_it_ended(self._process)
        return ending + self._last_log_line() if ending.startswith("exited") else ending

    def where_it_hangs(self) -> str:
        """The line that a worker is at that says nothing, in a few words; all stacks are logged.

        Empty where it does not tell within two seconds, being stuck in the kernel or not yet set
        up.
        """
        known = self.log.stat().st_size
        ask_for_stacks(self._process)
        deadline = time.monotonic() + _STACKS_WITHIN_S
        told = ""
        while time.monotonic() < deadline:
            time.sleep(0.1)
            before, told = told, self.log.read_bytes()[known:].decode(errors="replace")
            if told and told == before:
                break
        # The thread that hears us: simulators and privileged policies run in the main one.
        frame = re.search(r'^Current thread .*\n  File "(.*)", line (\d+) in (.*)$', told, re.M)
        if frame is None:
            return ""
        file, line, function = frame.groups()
        return f" in {function} ({Path(file).name}, line {line}); stacks in {self.log}"

    def _last_log_line(self) -> str:
        try:
            lines = self.log.read_text(errors="replace").strip().splitlines()
        except OSError:
            return ""
        return f": {lines[-1].strip()[:200]}" if lines else ""

    def kill(self) -> None:
        """Ends the process at once, with everything it started, and frees what it shared."""
        kill_group(self._process)
        self.channel.close()
        self.pixels.close()


class WorkerPool:
    """A fixed number of workers that are replaced when they die.

    Args:
        size: How many.
        setup: What each is told.
        interpreter: Where they run.
        extra_targets: Targets whose packages workers must be able to import.
        logs: Folder for their output.
    """

    def __init__(
        self,
        size: int,
        setup: WorkerSetup,
        interpreter: Interpreter,
        extra_targets: tuple[str, ...],
        logs: Path,
    ) -> None:
        self._setup = setup
        self._interpreter = interpreter
        self._logs = logs
        self._links: tempfile.TemporaryDirectory[str] | None = None
        self._path = ""
        if interpreter.provisioned:
            self._links = tempfile.TemporaryDirectory(prefix="wambench-")
            targets = (setup.suite, *extra_targets, *needed_targets(setup.needs))
            self._path = worker_path(Path(self._links.name), targets)
        self.workers: list[WorkerProcess] = []
        for number in range(size):
            self.workers.append(self._start(number))

    @property
    def decisions(self) -> str:
        """Folder for what policies say of their decisions; empty where it is not kept."""
        return self._setup.decisions

    def _start(self, number: int) -> WorkerProcess:
        log = self._logs / f"worker-{number}.log"
        return WorkerProcess(number, self._setup, self._interpreter, self._path, log)

    def replace(self, worker: WorkerProcess) -> WorkerProcess:
        """Kills a worker and starts another in its place."""
        worker.kill()
        fresh = self._start(worker.number)
        self.workers[worker.number] = fresh
        return fresh

    def close(self) -> None:
        """Ends all workers. They hold nothing that is not recorded, so none is waited for."""
        for worker in self.workers:
            worker.kill()
        self.workers = []
        if self._links is not None:
            self._links.cleanup()
