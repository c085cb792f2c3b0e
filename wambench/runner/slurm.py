"""The Slurm engine: every replica is a job, submitted through submitit.

A replica's folder lies in the run directory, which must be on a file system that all nodes share.
Nothing else connects the driver to its jobs, so neither has to be reachable from the other.

Non-obvious behaviours
    - submitit hands the function to its job as a pickle in the replica's folder and stores the
      function's result in the same way. The function here takes a path and returns nothing, and the
      result is never read.
    - Jobs are not requeued by Slurm: the driver replaces those that die, whatever the reason, and
      two of them at work on one shard would be one too many.
    - submitit asks for five minutes unless told otherwise. A job that is ended by its time limit
      is replaced like any other that died, as long as it finishes episodes.
    - On `cluster=local` a cancelled job prints submitit's own KeyboardInterrupt.
    - A driver that is ended by SIGINT or SIGTERM cancels its jobs. One that is killed cannot: they
      go on, and `--resume` takes in what they did and tells them to stop.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from pathlib import Path
from typing import Any

from wambench.errors import RuntimeUnavailable, UsageError
from wambench.runner.engine import Replica, last_line
from wambench.runner.shard import STOP, Inbox, Shard

_TIMEOUT_MIN = 240
"""Time limit of a job that is given none, in minutes."""

_LOOK_S = 60
"""Seconds between looks at the states of all jobs (one call of sacct). submitit waits for up to ten
minutes, in which a dead job's GPU stands still."""

_ARRIVAL_S = 10.0
"""How long the last messages of a job that has ended may take to be seen here: network file systems
show the end of a file late (Linux keeps a file's attributes for up to 60 s, by default 3 s)."""


class SlurmEngine:
    """Submits replicas as jobs.

    Args:
        replicas: How many jobs at once.
        workers: Workers of each.
        arguments: `cluster` (`slurm`, or `local` for processes on this machine, to try things
            out); everything else goes to submitit's `AutoExecutor.update_parameters`.

    Raises:
        RuntimeUnavailable: submitit or sbatch is missing.
        UsageError: submitit takes no such argument.
    """

    name = "slurm"
    shared = True

    def __init__(self, replicas: int, workers: int | None, arguments: dict[str, Any]) -> None:
        try:
            import submitit
        except ImportError:
            raise RuntimeUnavailable(
                "--engine slurm needs submitit, which is not installed.",
                "Install it: pip install 'wambench[slurm]'.",
            ) from None
        self._submitit = submitit
        self.replicas = replicas
        self.workers = workers
        parameters = dict(arguments)
        self._cluster = parameters.pop("cluster", "slurm")
        if self._cluster not in ("slurm", "local"):
            raise UsageError(
                f"The Slurm engine has no cluster {self._cluster!r}.", "It is slurm or local."
            )
        if self._cluster == "slurm" and shutil.which("sbatch") is None:
            raise RuntimeUnavailable(
                "--engine slurm found no sbatch: this machine is not part of a Slurm cluster.",
                "Run it on a login node, or try it out with --engine-arg cluster=local.",
            )
        usual: dict[str, Any] = {"name": "wambench", "timeout_min": _TIMEOUT_MIN}
        more = {"no-requeue": True} | dict(parameters.pop("slurm_additional_parameters", {}))
        usual["slurm_additional_parameters"] = more
        if workers is not None:
            usual["cpus_per_task"] = workers + 1  # the policy's process, which also schedules
        self._parameters = usual | parameters
        if self._cluster == "slurm":
            watcher = type(submitit.SlurmJob.watcher)
            submitit.SlurmJob.watcher = watcher(delay_s=_LOOK_S)

    def start(self, shard: Shard, folder: Path) -> Replica:
        """Submits a job."""
        from wambench.runner.replica import run_shard

        try:
            executor = self._submitit.AutoExecutor(folder / "job", cluster=self._cluster)
            executor.update_parameters(**self._parameters)
        except (NameError, AssertionError, ValueError, TypeError) as error:
            raise UsageError(
                f"submitit refuses an --engine-arg: {' '.join(str(error).split())}",
                "See submitit's AutoExecutor.update_parameters.",
            ) from None
        try:
            job = executor.submit(run_shard, str(folder.absolute()))
        except self._submitit.core.utils.FailedJobError as error:
            raise RuntimeUnavailable(
                f"sbatch refused the job: {' '.join(str(error).split())}",
                "Check --engine-arg, for example slurm_partition.",
            ) from None
        return _Job(job, folder, _ARRIVAL_S if self._cluster == "slurm" else 0.0)

    def close(self) -> None:
        """Jobs are ended one by one; nothing else is held."""


class _Job:
    """A replica that is a job.

    Args:
        job: submitit's.
        folder: The replica's.
        arrival_s: How long to wait for messages once it has ended, s.
    """

    def __init__(self, job: Any, folder: Path, arrival_s: float) -> None:
        self._arrival_s = arrival_s
        self._ended_at: float | None = None
        self._job = job
        self._folder = folder
        self._inbox = Inbox(folder)
        self._finished = False

    def messages(self) -> list[dict[str, Any]]:
        """What has arrived in its folder."""
        messages = self._inbox.receive()
        self._finished |= any(message["type"] == "done" for message in messages)
        return messages

    def ended(self) -> str | None:
        """The job's state in words, once Slurm or submitit says that it has ended."""
        if not self._over():
            return None
        now = time.monotonic()
        if self._ended_at is None:
            self._ended_at = now
        if now - self._ended_at < self._arrival_s:
            return None
        texts = []
        for file in (self._job.paths.stdout, self._job.paths.stderr):
            with contextlib.suppress(OSError):
                texts.append(Path(file).read_text(errors="replace"))
        return f"(job {self._job.job_id}) ended as {self._job.state}{last_line(texts)}"

    def _over(self) -> bool:
        # submitit takes a preempted job for one that will be requeued.
        return bool(self._job.done()) or self._job.state == "PREEMPTED"

    def stop(self) -> None:
        """Cancels the job; where that takes a while, it begins no further episode."""
        if self._finished or self._over():
            return
        (self._folder / STOP).touch()
        self._job.cancel(check=False)
