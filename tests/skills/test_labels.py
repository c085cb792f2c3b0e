"""What a policy says it is doing is kept beside its actions, and found again by running it."""

from __future__ import annotations

from pathlib import Path

import pytest

from wambench.demos.collect import CollectRequest, collect
from wambench.demos.dataset import open_source
from wambench.errors import DataError
from wambench.evaluate import Execution
from wambench.skills.labels import Relabelled, first_per_task, read_labels, relabel

POLICY = """
from dataclasses import replace

from wambench_example.policy import GoToTarget


class Narrator(GoToTarget):
    needs = replace(GoToTarget.needs, privileged=True)
    speed = {speed}

    def act(self, batch):
        self.step = batch[0].step
        return self.speed * super().act(batch)

    def doing(self, episode):
        return "setting out" if self.step < 3 else "arriving"
"""


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    file = tmp_path / "narrator.py"
    file.write_text(POLICY.format(speed=1.0))
    return file


def test_what_a_policy_says_is_recorded_and_is_found_again_where_it_acts_the_same(
    tmp_path: Path, policy: Path
) -> None:
    request = CollectRequest(
        policy=f"{policy}:Narrator",
        suite="example_reach",
        out=tmp_path / "data",
        episodes=2,
        tasks=[1, 2],
        image_size=16,
        policy_arguments={"chunk": 1},
        noise=0.1,
    )
    collect(request, Execution(workers=1))
    source = open_source(tmp_path / "data")
    said = ((0, "setting out"), (3, "arriving"))
    assert [demo.skills for demo in source.demos] == [
        said if demo.length > 3 else said[:1] for demo in source.demos
    ]
    assert any(demo.length > 3 for demo in source.demos)
    demos = first_per_task(source, range(4), 1)
    assert [source.demos[demo].task for demo in demos] == [1, 2]

    labels = tmp_path / "labels.jsonl"
    assert relabel(source, demos, labels, Execution(workers=1)) == Relabelled(2, 0, 0)
    found = read_labels(labels, source, range(4))
    assert found == {demo: source.demos[demo].skills for demo in demos}
    with pytest.raises(DataError, match="exists already"):
        relabel(source, demos, labels, Execution(workers=1))

    policy.write_text(POLICY.format(speed=0.99))  # says the same, and does something else
    other = tmp_path / "other.jsonl"
    assert relabel(source, demos, other, Execution(workers=1)) == Relabelled(0, 2, 0)
    with pytest.raises(DataError, match="none of these demonstrations"):
        read_labels(other, source, range(4))
