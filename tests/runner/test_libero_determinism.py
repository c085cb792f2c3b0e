"""The same records, however a run on the real simulator is scheduled."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from support import children
from wambench.evaluate import Execution, Request, Silent, start_run
from wambench.results.record import EpisodeRecord

NOISY = {"chunk": 8, "cameras": "agentview", "image_size": 32}


class KillWorkers(Silent):
    """Kills all workers once, in the middle of what they do after the first episode is done.

    On a busy machine one of two may still be starting then, and have no episode; never both.
    """

    def __init__(self) -> None:
        self.killed: list[int] = []

    def record(self, record: EpisodeRecord) -> None:
        """After the first record."""
        if not self.killed:
            self.killed = children(os.getpid())
            threading.Timer(0.3, self._kill).start()

    def _kill(self) -> None:
        for worker in self.killed:
            os.kill(worker, signal.SIGKILL)


def records(
    out: Path, workers: int, progress: Silent, policy: str, tasks: Sequence[int]
) -> list[EpisodeRecord]:
    """Two trials of each task on embedded libero_spatial."""
    request = Request(
        policy,
        "libero_spatial",
        out,
        backend="embedded",
        policy_arguments=NOISY if policy == "random" else {},
        trials=2,
        seed=11,
        tasks=list(tasks),
    )
    run = start_run(request, Execution(workers=workers, progress=progress))
    return list(run.records().values())


def contents(found: list[EpisodeRecord]) -> list[dict[str, Any]]:
    """What must agree."""
    return [record.comparable() for record in found]


@pytest.mark.parametrize(
    ("policy", "crews"),
    [
        ("random", ()),
        pytest.param("random", (2, 4), marks=pytest.mark.slow),
        pytest.param("expert", (2, 4), marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_any_number_of_workers_and_killed_ones_give_the_same_records(
    tmp_path: Path, policy: str, crews: tuple[int, ...]
) -> None:
    """Two that are killed, in any case, and undisturbed `crews`, beside one that is alone."""
    tasks = (0, 5)
    alone = records(tmp_path / "1", 1, Silent(), policy, tasks)
    assert {record.outcome for record in alone} <= {"success", "failure"}
    assert len({record.final_state for record in alone}) == 4
    for workers in crews:
        several = records(tmp_path / str(workers), workers, Silent(), policy, tasks)
        assert contents(several) == contents(alone)
    killer = KillWorkers()
    disturbed = records(tmp_path / "killed", 2, killer, policy, tasks)
    assert killer.killed
    assert max(record.execution.attempts for record in disturbed) == 2
    assert contents(disturbed) == contents(alone)
