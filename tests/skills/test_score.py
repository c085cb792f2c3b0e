"""Cuts are measured against where an expert's skills begin."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skills_support import CUP, TWO, widths, write_gripper_demos
from support import Run
from wambench import registry
from wambench.demos.convert import convert
from wambench.demos.dataset import open_source
from wambench.demos.recording import skill_starts
from wambench.errors import DataError
from wambench.skills.decompose import Options, RuleSplitter, decompose_all
from wambench.skills.labels import read_labels, recorded_labels
from wambench.skills.score import matched, overlap, score_all, segments
from wambench_policies.expert.plan import describe, plan_for

GOOD = widths(12, 15, 10, 20, 5)
"""Cut into rows 0 to 26 and 27 to 61, at 20 Hz."""


def test_a_cut_pairs_with_one_boundary_within_the_tolerance() -> None:
    assert matched([10, 20], [12], 2) == [(10, 12)]
    assert matched([10], [13], 2) == []
    assert matched([10, 14], [12, 12], 2) == [(10, 12), (14, 12)]


@given(
    st.lists(st.integers(0, 30), max_size=4),
    st.lists(st.integers(0, 30), max_size=4),
    st.integers(0, 6),
)
def test_no_pairing_has_more_pairs(boundaries: list[int], cuts: list[int], within: int) -> None:
    found = matched(boundaries, cuts, within)
    assert all(abs(boundary - cut) <= within for boundary, cut in found)
    short, long = sorted((boundaries, cuts), key=len)
    best = max(
        sum(abs(a - b) <= within for a, b in zip(short, chosen, strict=True))
        for chosen in itertools.permutations(long, len(short))
    )
    assert len(found) == best


def test_overlap_is_intersection_over_union_with_the_best_segment() -> None:
    assert segments([0, 10], 40) == [(0, 10), (10, 40)]
    assert overlap((0, 10), [(0, 5), (5, 40)]) == 0.5
    assert overlap((0, 10), [(20, 30)]) == 0.0
    assert overlap((0, 10), []) == 0.0


def test_a_spell_without_a_name_belongs_to_the_last_skill() -> None:
    assert skill_starts(["", "a", "a", "", "b", "a", ""]) == [(1, "a"), (4, "b"), (5, "a")]
    assert skill_starts(["", ""]) == []


def _said(row: int) -> dict[str, object]:
    return {"skills": [[0, "put cup_1 on plate_1"], [row, "put can_1 in basket_1"]]}


def test_scores_are_those_of_the_rows(tmp_path: Path) -> None:
    three = widths(12, 15, 10, 15, 10, 15)  # a cut at 27 and another at 52
    data = write_gripper_demos(
        tmp_path / "data", [GOOD, GOOD, three], TWO, outcome=[_said(27), _said(35), _said(27)]
    )
    source = open_source(data)
    found = decompose_all(source, Options(), RuleSplitter(), [0, 1, 2])
    (task,), total = score_all(source, found, recorded_labels(source, [0, 1, 2]), [0.25, 0.5])
    assert (task.demos, task.skills) == (3, 2.0)
    assert task.counts.value == pytest.approx(2 / 3)
    # Boundaries 3, cuts 4; within 5 rows 2 are met, within 10 rows all 3.
    assert [each.value for each in task.f1] == pytest.approx([4 / 7, 6 / 7])
    assert task.error_s.value == pytest.approx(8 / 20 / 3)
    assert task.bias_s.value == pytest.approx(-8 / 20 / 3)
    assert [each.value for each in total.f1] == [each.value for each in task.f1]
    exact, shifted = 1.0, (27 / 35 + 27 / 35) / 2
    rest = (27 / 27 + 25 / 50) / 2
    assert task.iou.value == pytest.approx((exact + shifted + rest) / 3)


def test_a_wrong_cut_in_a_single_skill_counts_against_f1_and_none_is_nothing_to_measure(
    tmp_path: Path,
) -> None:
    one = {"skills": [[0, "put cup_1 on plate_1"]]}
    source = open_source(
        write_gripper_demos(tmp_path / "a", [GOOD], CUP, outcome=[one])  # cut in two
    )
    found = decompose_all(source, Options(), RuleSplitter(), [0])
    _, total = score_all(source, found, recorded_labels(source, [0]), [0.5])
    assert (total.f1[0].value, total.counts.value) == (0.0, 0.0)
    source = open_source(write_gripper_demos(tmp_path / "b", [widths(9, 15)], CUP, outcome=[one]))
    found = decompose_all(source, Options(), RuleSplitter(), [0])
    _, total = score_all(source, found, recorded_labels(source, [0]), [0.5])
    assert (total.f1[0].value, total.counts.value, total.iou.value) == (None, 1.0, 1.0)


def test_what_the_expert_said_survives_conversion(tmp_path: Path) -> None:
    data = write_gripper_demos(tmp_path / "data", [GOOD], outcome=[_said(27)])
    convert(data, tmp_path / "lerobot")
    convert(tmp_path / "lerobot", tmp_path / "again")
    wanted = ((0, "put cup_1 on plate_1"), (27, "put can_1 in basket_1"))
    for path in (data, tmp_path / "lerobot", tmp_path / "again"):
        assert open_source(path).demos[0].skills == wanted


def test_score_reports_both_rates_and_says_where_labels_come_from(
    tmp_path: Path, wambench: Run
) -> None:
    data = write_gripper_demos(tmp_path / "data", [GOOD, GOOD], outcome=[_said(27), _said(35)])
    done = wambench("skills", "score", "--data", data, "--out", "score.json")
    assert done.returncode == 0, done.stderr
    numbers = json.loads((tmp_path / "score.json").read_text())
    assert numbers["synchronised"]["synchronised"] == 2
    assert numbers["accuracy"]["f1"]["0.25"]["value"] == 0.5
    assert "0.50" in done.stdout
    bare = write_gripper_demos(tmp_path / "bare", [GOOD])
    done = wambench("skills", "score", "--data", bare)
    assert done.returncode == 0, done.stderr
    assert "wambench skills label" in done.stdout


def test_labels_of_other_recordings_are_refused(tmp_path: Path) -> None:
    source = open_source(write_gripper_demos(tmp_path / "data", [GOOD, GOOD]))
    line = {"episode": "libero_goal/0/1", "seed": 1, "final_state": "1", "skills": [[0, "a"]]}
    file = tmp_path / "labels.jsonl"
    file.write_text(json.dumps(line) + "\n")
    assert read_labels(file, source, [0, 1]) == {1: ((0, "a"),)}
    file.write_text(json.dumps(line | {"seed": 7}) + "\n")
    with pytest.raises(DataError, match="none of these demonstrations"):
        read_labels(file, source, [0, 1])
    file.write_text("{}\n")
    with pytest.raises(DataError, match="wambench skills label"):
        read_labels(file, source, [0, 1])


def test_the_steps_of_a_plan_have_different_names() -> None:
    for name in ("libero_goal", "libero_long"):
        for task in registry.load_suite(name, "embedded").tasks():
            names = [describe(step) for step in plan_for(task)]
            assert len(set(names)) == len(names) > 0


@pytest.mark.slow
def test_what_the_expert_says_is_recorded_and_found_again_by_running_it(
    tmp_path: Path, wambench: Run
) -> None:
    made = ["--suite", "libero_long", "--policy", "expert", "--episodes", "1", "--tasks", "2"]
    made += ["--image-size", "32", "--noise", "0.1", "--workers", "1", "--backend", "embedded"]
    assert wambench("collect", *made, "--out", "data").returncode == 0
    recorded = open_source(tmp_path / "data").demos[0].skills
    assert [name for _, name in recorded[:2]] == [
        "turnon flat_stove_1",
        "put moka_pot_1 on flat_stove_1_cook_region",
    ]
    done = wambench("skills", "label", "--data", "data", "--out", "labels.jsonl", "--workers", "1")
    assert done.returncode == 0, done.stderr
    source = open_source(tmp_path / "data")
    assert read_labels(tmp_path / "labels.jsonl", source, [0]) == {0: recorded}
