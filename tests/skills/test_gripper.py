"""Where a demonstration is cut: the rule at its threshold, and cycles that cover every row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skills_support import widths, write_gripper_demos
from training_support import write_demos
from wambench.demos.dataset import open_source
from wambench.errors import DataError, UsageError
from wambench.skills.gripper import Cycle, Gripper, Rule, cycles, in_contact, read_gripper

HZ = 20.0


def gripper(width: list[float], command: list[float] | None = None) -> Gripper:
    told = np.zeros(len(width)) if command is None else np.asarray(command, float)
    return Gripper(np.asarray(width, float), told, HZ)


def test_contact_begins_exactly_where_the_closure_reaches_the_threshold() -> None:
    # Multiples of 1/128 m, so that differences are exact.
    unit = 1 / 128
    found = in_contact(
        gripper([10 * unit, 5 * unit, 4 * unit, 3 * unit]), Rule(threshold_m=6 * unit)
    )
    assert found.tolist() == [False, False, True, True]


def test_closure_and_width_disagree_on_a_wide_object() -> None:
    held_can = gripper([0.08] * 20 + [0.045] * 20)
    assert not cycles(held_can, Rule("closure"))
    assert cycles(held_can, Rule("width")) == [Cycle(0, 20, 40, 39)]


def test_closure_is_measured_from_the_first_width_or_from_the_widest() -> None:
    half_closed_at_first = gripper([0.04] * 10 + [0.08] * 10 + [0.02] * 20)
    assert not cycles(half_closed_at_first, Rule())
    assert cycles(half_closed_at_first, Rule(reference="widest")) == [Cycle(0, 20, 40, 39)]


def test_a_command_holds_until_the_opposite_one_and_shaping_the_hand_is_no_contact() -> None:
    shaped = [0] * 5 + [1] * 4 + [0] * 11  # told to close for 0.2 s, then to keep
    command = shaped + [1] * 10 + [0] * 5 + [-1] * 5 + shaped
    found = cycles(gripper([0.08] * len(command), command), Rule("command"))
    assert found == [Cycle(0, 20, 35, 59)]


def test_short_contacts_are_none_and_short_gaps_do_not_end_one() -> None:
    rule = Rule(contact_s=0.5, release_s=0.25)  # 10 and 5 rows
    assert not cycles(gripper(widths(10, 9, 10)), rule)
    assert len(cycles(gripper(widths(10, 10, 10)), rule)) == 1
    assert cycles(gripper(widths(10, 10, 4, 10, 6)), rule) == [Cycle(0, 10, 34, 39)]
    assert len(cycles(gripper(widths(10, 10, 5, 10, 6)), rule)) == 2


@given(st.lists(st.integers(1, 40), min_size=1, max_size=9))
def test_cycles_cover_every_row_once_and_in_order(spells: list[int]) -> None:
    found = cycles(gripper(widths(*spells)), Rule())
    rows = [row for cycle in found for row in range(cycle.start, cycle.end + 1)]
    assert rows == (list(range(sum(spells))) if found else [])
    for cycle in found:
        assert cycle.start <= cycle.contact < cycle.release <= cycle.end + 1
        assert cycle.release - cycle.contact >= 10


def test_the_distance_of_the_fingers_is_read_from_the_state(tmp_path: Path) -> None:
    source = open_source(write_gripper_demos(tmp_path / "data", [widths(12, 12)]))
    found = read_gripper(source, 0)
    assert np.allclose(found.width, widths(12, 12))
    assert found.command.tolist() == [-1.0] * 12 + [1.0] * 12


def test_a_robot_without_a_parallel_gripper_is_refused(tmp_path: Path) -> None:
    source = open_source(write_demos(tmp_path / "data", tasks=1, demos=1))
    with pytest.raises(DataError, match="does not tell how far the fingers of a panda are apart"):
        read_gripper(source, 0)


def test_a_rule_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(UsageError, match="threshold must be positive"):
        Rule(threshold_m=0.0)
    with pytest.raises(UsageError, match="no rule 'force'"):
        Rule("force")  # type: ignore[arg-type]
