"""Tasks, kitchens and splits as RoboCasa v1.0.1 has them. Needs no simulator.

`tasks.csv` has the 317 tasks that upstream has data and horizons for (`dataset_registry.py`): 65
atomic and 252 composite ones. The 50 with a group are the benchmark's (`TARGET_TASKS`).
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, get_args

Group = Literal["atomic_seen", "composite_seen", "composite_unseen"]
GROUPS: tuple[Group, ...] = get_args(Group)

Split = Literal["pretrain", "target"]
"""Of kitchens and of object instances, which go together (`create_env`)."""

Scenes = list[tuple[int, int]]
"""(layout, style) pairs."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One task.

    Attributes:
        name: RoboCasa's class.
        horizon: Control steps (v1.0.1; v1.0 had two thirds of them).
        group: Its part of the benchmark; None for the tasks that are only in the registry.
    """

    name: str
    horizon: int
    group: Group | None

    @property
    def words(self) -> str:
        """The name in words: what a task is called before an episode has instructions."""
        return " ".join(re.findall("[A-Z][a-z]*", self.name)).lower()


@cache
def registry() -> tuple[Rule, ...]:
    """All 317 tasks in upstream's order."""
    with Path(__file__).with_name("tasks.csv").open(encoding="utf-8", newline="") as file:
        return tuple(
            Rule(row["name"], int(row["horizon"]), _group(row["group"]))
            for row in csv.DictReader(file)
        )


def _group(name: str) -> Group | None:
    return next((group for group in GROUPS if group == name), None)


def benchmark(*groups: Group) -> tuple[Rule, ...]:
    """The tasks of some groups, in the order of the groups and then of upstream."""
    return tuple(rule for group in groups for rule in registry() if rule.group == group)


def scenes_of(split: Split) -> Scenes:
    """Kitchens of a split: 2500 for `pretrain`, ten for `target` (`create_env`).

    Upstream draws one of them by number after it dropped those that a task excludes: their order
    decides an episode.
    """
    if split == "target":
        return [(number, number) for number in range(1, 11)]
    numbers = range(11, 61)
    return [(layout, style) for layout in numbers for style in numbers]
