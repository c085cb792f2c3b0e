"""A policy that computes with torch does not take the cores that its workers simulate on."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import Run
from wambench.demos.collection import Collection
from wambench.results.run import RunDirectory

pytest.importorskip("torch", reason="torch is not installed (pip install 'wambench[policies]')")

POLICY = """
import numpy as np
import torch
from wambench.protocol import Policy

class Idle(Policy):
    horizon = execute = 40

    def __init__(self, spec):
        pass

    def act(self, batch):
        return np.zeros((len(batch), 40, 2))

    def measure(self, last):
        return {"threads": torch.get_num_threads()}
"""


def threads_of(out: Path) -> set[float]:
    """How many threads torch had at the ends of a run's or a collection's episodes."""
    opened = Collection if (out / Collection.info_file).exists() else RunDirectory
    return {record.metrics["threads"] for record in opened(out).records().values()}


EVAL = ("eval", "--trials", "2")
COMMANDS = [
    pytest.param(EVAL, id="eval"),
    pytest.param(("collect", "--episodes", "2"), id="collect"),
    pytest.param((*EVAL, "--engine", "ray", "--replicas", "1"), id="ray", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("setting", "expected"), [(None, 1), ("2", 2)])
def test_a_policy_computes_on_one_thread_unless_the_environment_says_how_many(
    tmp_path: Path,
    wambench: Run,
    monkeypatch: pytest.MonkeyPatch,
    setting: str | None,
    expected: int,
    command: tuple[str, ...],
) -> None:
    """Ray would give a replica as many as it has cores, which are its workers'."""
    if "ray" in command:
        pytest.importorskip("ray", reason="Ray is not installed (pip install 'wambench[ray]')")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    given = {} if setting is None else {"OMP_NUM_THREADS": setting}
    policy = tmp_path / "idle.py"
    policy.write_text(POLICY, encoding="utf-8")
    options = f"--suite example_reach --tasks 0 --workers 2 --policy {policy}:Idle --out run"
    done = wambench(*command, *options.split(), **given)
    assert done.returncode == 0, done.stderr
    assert threads_of(tmp_path / "run") == {expected}
