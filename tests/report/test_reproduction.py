"""The table of a reproduction: intervals of rates, and that nothing of it is cut off."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from report_support import MakeRun, outcomes
from wambench.recipe import SUCCESS, Cell, Plan
from wambench.report.reproduction import contrasts, estimates, print_reproduction

METHODS = {"VLA-random": 1, "EAC-WM-S": 19}
"""Of twenty episodes, how many are solved."""


@pytest.fixture
def plan(make_run: MakeRun) -> Plan:
    """Two methods and seeds: the object is always touched, by one seed also lifted."""
    cells = []
    for row, solved in METHODS.items():
        for seed in range(2):
            name = f"{row}-{seed}"
            measured = {"contact": 1.0, "lifted": float(seed), "distance": 0.5 + seed}
            make_run(name, outcomes(solved, 20), suite="bfa_unseen_categories", metrics=measured)
            cells.append(Cell(row, "bfa_unseen_categories", seed, name))
    measures = ("contact", "lifted", "distance", SUCCESS)
    return Plan((), tuple(cells), measures, contrasts=(("EAC-WM-S", "VLA-random"),))


def test_what_is_yes_or_no_in_every_episode_has_an_interval_as_success_has(
    plan: Plan, tmp_path: Path
) -> None:
    """Over episodes, widened to that over seeds, within 0 and 1."""
    found = {(entry.row, entry.measure): entry for entry in estimates(plan, tmp_path)}
    contact = found["VLA-random", "contact"]
    assert contact.mean == 1.0
    assert contact.interval is not None
    assert 0.85 < contact.interval[0] < 0.95  # Wilson's for 40 of 40; seeds alone would say 1
    assert contact.interval[1] == 1.0
    assert found["VLA-random", "lifted"].interval == (0.0, 1.0)
    low, high = found["VLA-random", "distance"].interval or (0.0, 0.0)
    assert low < 0 < 1 < high  # Student's t of 0.5 and 1.5: no rate, so not bounded


@pytest.mark.parametrize("width", [80, 120, 300])
def test_a_table_is_cut_into_as_many_as_fit_the_terminal(
    plan: Plan, tmp_path: Path, width: int
) -> None:
    stream = io.StringIO()
    console = Console(file=stream, width=width)
    table, compared = estimates(plan, tmp_path), contrasts(plan, tmp_path)
    print_reproduction("toy", table, compared, console)
    text = stream.getvalue()
    assert "…" not in text
    heads = [line for line in text.splitlines() if line.startswith("┃ method ")]
    measures = re.findall(r"contact|lifted|distance|success", " ".join(heads))
    assert measures == ["contact", "lifted", "distance", "success"]
    assert len(heads) == {80: 2, 120: 2, 300: 1}[width]
    assert re.search(r"EAC-WM-S .* 95\.0 \[", text)
    assert re.search(r"EAC-WM-S against .* 36, 0 ", text)
