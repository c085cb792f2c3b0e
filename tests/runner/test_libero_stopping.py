"""The sequential comparison on the real simulator: the expert against a shaky one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("libero", reason="LIBERO is not installed in this environment")

from wambench.compare import compare_runs
from wambench.evaluate import Execution, Request, resume_run, start_run
from wambench.report.summary import summarise_run
from wambench.results.run import RunDirectory

SHAKY = """
import numpy as np
from wambench_policies.expert import Expert

class ShakyExpert(Expert):
    '''The scripted expert with noise on the translations it commands.'''

    def act(self, batch):
        actions = super().act(batch)
        for action, observation in zip(actions, batch, strict=True):
            action[:, :3] += 1.5 * observation.rng.normal(size=3)
        return np.clip(actions, -1, 1)
"""


@pytest.mark.slow
def test_an_expert_is_found_better_than_a_shaky_one_before_the_end(tmp_path: Path) -> None:
    (tmp_path / "shaky.py").write_text(SHAKY)
    policy = f"{tmp_path / 'shaky.py'}:ShakyExpert"
    options: dict[str, Any] = {
        "suite": "libero_object",
        "backend": "embedded",
        "tasks": [0, 1],
        "trials": 7,
    }
    start_run(Request(policy, out=tmp_path / "shaky", **options), Execution(workers=2))
    expert = start_run(
        Request(
            "expert", out=tmp_path / "expert", against=tmp_path / "shaky", stop=True, **options
        ),
        Execution(workers=2),
    )
    summary = summarise_run(expert)
    assert summary.stopped_early
    assert summary.decision is not None
    assert summary.decision.verdict == "b better"
    assert summary.decision.rounds < 7
    resume_run(expert.path, {}, Execution(workers=2, to_the_end=True))
    runs = [RunDirectory(tmp_path / name) for name in ("shaky", "expert")]
    (difference,) = compare_runs(runs).differences
    assert difference.better == "expert"
