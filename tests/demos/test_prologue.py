"""Rows that nobody is to imitate: how they are recorded, and that no reader takes them for more."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from training_support import write_demos
from wambench.cli.data import info
from wambench.demos import DemoDataset
from wambench.demos.collect import CollectRequest, collect
from wambench.demos.convert import convert
from wambench.demos.dataset import open_source
from wambench.demos.replay import replay
from wambench.demos.sheet import write_sheet
from wambench.demos.summary import summarise_data
from wambench.diagnose.moments import take_moments
from wambench.errors import DataError, WambenchError
from wambench.evaluate import Execution
from wambench.protocol import Needs
from wambench.registry import load_suite
from wambench.skills.clips import chosen_demos

LATE = f"{Path(__file__).parent.parent / 'late.py'}:Late"


def collected(out: Path, prologue: int = 3, again: int = -1, **options: Any) -> Path:
    """Four demonstrations of a policy that drifts for some steps, then goes to its target."""
    request: dict[str, Any] = {"suite": "example_reach", "tasks": [2], "image_size": 16}
    arguments = {"prologue": prologue, "again": again}
    request |= {"policy": LATE, "policy_arguments": arguments, "episodes": 4, "out": out}
    request |= {"max_trials": 40, "success_only": True}
    collect(CollectRequest(**request | options), Execution(workers=1))
    return out


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noisy demonstrations with a prologue of three rows."""
    return collected(tmp_path_factory.mktemp("data") / "d", noise=0.4)


def test_a_prologue_is_recorded_and_counted_and_has_no_noise(data: Path) -> None:
    source = open_source(data)
    for index, demo in enumerate(source.demos):
        assert demo.prologue == 3
        assert demo.skills == ((3, "go to the target"),)
        labels = source.actions(index, 0, demo.length)
        executed = source.executed_actions(index, 0, demo.length)
        assert (labels[:3] == 0.25).all()
        assert np.array_equal(labels[:3], executed[:3])
        assert not np.array_equal(labels[3:], executed[3:])


def test_an_episode_with_a_prologue_is_replayed_to_the_bit(data: Path) -> None:
    again = replay(data, Execution(workers=1))
    assert len(again.demos) == 4
    assert all(each.same_end and each.succeeded for each in again.demos)


def test_what_ends_in_its_prologue_is_no_demonstration_and_another_takes_its_place(
    tmp_path: Path,
) -> None:
    """Whether it succeeded there, as most episodes of this task do, or not."""
    source = open_source(collected(tmp_path / "d", tasks=[0], episodes=2))
    text = (tmp_path / "d" / "episodes.jsonl").read_text()
    outcomes = re.findall(r'"outcome":"(\w+)"', text)
    assert outcomes.count("infeasible") > 0
    assert len(source.demos) == 2 == outcomes.count("success")
    assert all(demo.length > 3 for demo in source.demos)
    assert "it ended in success after" in text
    with pytest.raises(DataError, match="no demonstration yet"):
        open_source(collected(tmp_path / "none", 5, max_steps=5))
    assert "without success after 5 steps" in (tmp_path / "none" / "episodes.jsonl").read_text()


def test_a_prologue_in_the_middle_of_an_episode_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WambenchError, match="is in the prologue again"):
        collected(tmp_path / "d", again=4)


def test_no_window_begins_in_a_prologue(data: Path) -> None:
    dataset = DemoDataset(data, chunk=4)
    assert len(dataset) == sum(demo.length - 3 for demo in dataset.demos)
    steps = [(window["demo"], window["step"]) for window in dataset]
    wanted = [(k, row) for k, demo in enumerate(dataset.demos) for row in range(3, demo.length)]
    assert steps == wanted
    assert not any((window["actions"] == 0.25).any() for window in dataset)


def test_a_policy_is_compared_with_what_was_demonstrated(data: Path) -> None:
    spec = load_suite("example_reach").spec
    found = take_moments([data], spec, Needs(("top",), (16, 16)), 2, count=30, seed=0)
    assert min(seen.step for seen in found.seen) == 3
    assert not (found.actions == 0.25).any()


def test_info_and_sheet_tell_what_is_prologue(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = open_source(data)
    summary = summarise_data(source)
    assert [task.prologue for task in summary.tasks] == [12]
    actions = [source.actions(k, 3, demo.length) for k, demo in enumerate(source.demos)]
    np.testing.assert_allclose(summary.actions.mean, np.concatenate(actions).mean(axis=0))
    info(str(data))
    told = f"Prologue: 12 of {sum(d.length for d in source.demos)} rows"
    assert told in capsys.readouterr().out
    page = write_sheet(source, data / "sheet.html").read_text()
    assert page.count('class="prologue"') == page.count("the first 3 (shaded)") == 3


def test_a_prologue_becomes_no_part_of_a_lerobot_dataset(data: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="4 of 4 demonstrations begin with rows") as refused:
        convert(data, tmp_path / "le")
    assert "--cut-prologue" in refused.value.remedy
    assert not (tmp_path / "le").exists()
    convert(data, tmp_path / "le", cut_prologue=True)
    convert(tmp_path / "le", tmp_path / "back")
    source = open_source(data)
    for converted in (open_source(tmp_path / "le"), open_source(tmp_path / "back")):
        assert [d.length for d in converted.demos] == [d.length - 3 for d in source.demos]
        for index, demo in enumerate(source.demos):
            assert converted.demos[index].success
            assert (converted.demos[index].prologue, converted.demos[index].episode) == (0, None)
            for read in ("actions", "executed_actions", "states"):
                wanted = getattr(source, read)(index, 3, demo.length)
                assert np.array_equal(getattr(converted, read)(index, 0, len(wanted)), wanted)
            assert np.array_equal(converted.pixels(index, "top", 0), source.pixels(index, "top", 3))


def test_demonstrations_with_a_prologue_are_not_cut_into_skills(tmp_path: Path) -> None:
    source = open_source(write_demos(tmp_path / "d", tasks=1, demos=1, prologue=4))
    with pytest.raises(DataError, match="has a prologue of 4 rows"):
        chosen_demos(source, None)
    assert chosen_demos(source, [7]) == []
