"""Figures show what was cut, and that something was discarded."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from skills_support import TWO, widths, write_gripper_demos
from wambench.cli.skills import view_
from wambench.demos.dataset import open_source
from wambench.errors import UsageError
from wambench.skills.decompose import Options, RuleSplitter, decompose
from wambench.skills.gripper import Rule
from wambench.skills.view import draw_demo

GOOD = widths(12, 15, 10, 20, 5)
SAID = {"skills": [[0, "put cup_1 on plate_1"], [30, "put can_1 in basket_1"]]}


def texts(figure: object) -> str:
    """Every text of a figure."""
    found = figure.findobj(lambda item: hasattr(item, "get_text"))  # type: ignore[attr-defined]
    return " | ".join(" ".join(item.get_text().split()) for item in found)


@pytest.mark.parametrize("rule", ["closure", "width", "command"])
def test_prompts_stand_in_their_segments_and_the_experts_below(tmp_path: Path, rule: str) -> None:
    source = open_source(write_gripper_demos(tmp_path / "data", [GOOD], outcome=[SAID]))
    options = Options(Rule(rule), unit="phase")  # type: ignore[arg-type]
    found = decompose(source, 0, options, RuleSplitter())
    shown = texts(draw_demo(source, found, options, source.demos[0].skills))
    for words in ("pick up the cup", "place the can in the basket", "put can 1 in basket 1"):
        assert words in shown
    assert ("contact below" in shown) == (rule != "command")


def test_a_discarded_demonstration_says_why_and_shows_its_cycles(tmp_path: Path) -> None:
    source = open_source(write_gripper_demos(tmp_path / "data", [widths(12, 15), widths(30)], TWO))
    found = [decompose(source, demo, Options(), RuleSplitter()) for demo in (0, 1)]
    shown = [texts(draw_demo(source, each, Options())) for each in found]
    assert "discarded: 1 cycle, 2 prompts" in shown[0]
    assert "cycle 1" in shown[0]
    assert "discarded: 0 cycles, 2 prompts" in shown[1]


def test_a_picture_is_written_per_demonstration(tmp_path: Path) -> None:
    data = write_gripper_demos(tmp_path / "data", [GOOD, GOOD])
    view_(str(data), tmp_path / "out", labels=None, per_task=2)
    files = sorted((tmp_path / "out").iterdir())
    assert [file.name for file in files] == [
        "KITCHEN_SCENE1_put_things_away-demo_0.png",
        "KITCHEN_SCENE1_put_things_away-demo_1.png",
    ]
    assert Image.open(files[0]).size[0] == 2100
    with pytest.raises(UsageError, match="no camera birdview"):
        view_(str(data), tmp_path / "none", labels=None, per_task=1, camera="birdview")
