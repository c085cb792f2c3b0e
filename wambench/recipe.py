"""What a method offers so that `wambench reproduce` can remake a table of its paper.

A package offers a recipe by an entry point, as it offers policies and trainers:

    [project.entry-points."wambench.recipes"]
    "my_method.table1" = "my_package.recipes:Table1"

`Table1()` takes no arguments. A recipe does nothing itself: it writes down commands of `wambench`
and says which runs are which cell of the table, so that whoever doubts a number can type them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

SUCCESS = "success"
"""The measure that every run has; others are metrics of its records."""


@dataclass(frozen=True, slots=True)
class Step:
    """One command that makes one folder.

    Attributes:
        name: For people and for the name of its log; unique within a plan.
        arguments: What follows `wambench`, without options that do not change the result
            (workers, resumption). Paths are relative to the folder of the reproduction. What other
            steps make and it reads is named in them, as a path or pattern: steps of which neither
            names the other's folder may be carried out at the same time.
        makes: The folder, for example `ckpt/lawm`.
    """

    name: str
    arguments: tuple[str, ...]
    makes: str


@dataclass(frozen=True, slots=True)
class Cell:
    """A run that belongs into the table.

    Attributes:
        row: The method, as the paper calls it.
        suite: Name of the suite.
        seed: Seed of the training; runs of one row and suite differ in it alone.
        run: The run directory.
    """

    row: str
    suite: str
    seed: int
    run: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What `wambench inspect` measured that belongs into the table.

    Attributes:
        row: The method, as the paper calls it.
        suite: Name of the suite.
        seed: Seed of the training.
        table: File that a diagnostic wrote; its first line holds the measures by column.
    """

    row: str
    suite: str
    seed: int
    table: str


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a reproduction does.

    Attributes:
        steps: In an order in which they can be carried out.
        cells: The runs behind the table.
        measures: Columns of each suite.
        contrasts: (row, reference) whose runs on the same episodes are compared, seed by seed.
        published: (row, suite, measure) to the paper's number; rates as 0 to 1.
        readings: What is in the table beside runs.
    """

    steps: tuple[Step, ...]
    cells: tuple[Cell, ...]
    measures: tuple[str, ...] = (SUCCESS,)
    contrasts: tuple[tuple[str, str], ...] = ()
    published: Mapping[tuple[str, str, str], float] = field(default_factory=dict)
    readings: tuple[Reading, ...] = ()


@runtime_checkable
class Recipe(Protocol):
    """How a table is made again."""

    @property
    def about(self) -> str:
        """The table, and at what scale it is remade; a line or two."""
        ...

    @property
    def presets(self) -> Mapping[str, Mapping[str, int]]:
        """Preset to its budget: numbers of demonstrations, steps, trials … by name."""
        ...

    def plan(self, preset: str, budget: Mapping[str, int], seeds: Sequence[int]) -> Plan:
        """The commands.

        Args:
            preset: One of `presets`.
            budget: Its budget, some of it replaced by the user.
            seeds: Seeds of the trainings.
        """
        ...


def step(name: str, makes: str, command: str, *more: str) -> Step:
    """A step from a command line.

    Args:
        name: Its name.
        makes: The folder, given to the command as `--out`.
        command: What follows `wambench`, separated by spaces.
        more: Arguments that hold spaces, or come one by one.
    """
    return Step(name, (*command.split(), *more, "--out", makes), makes)
