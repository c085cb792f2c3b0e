"""What a method offers so that `wambench inspect` can look into it. Importing this needs no torch.

A package offers an inspector by an entry point, as it offers policies, suites and trainers:

    [project.entry-points."wambench.inspectors"]
    my_method = "my_package.inspect:MyInspector"

`MyInspector()` takes no arguments, and neither importing nor building it may import torch: the
command line asks it for its diagnostics and inputs before anything else happens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from wambench.trainer import TrainInput

Episodes = Literal["held-out", "all"]
"""Which demonstrations are looked at: those that the checkpoint was not trained on, or all."""


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One question that an inspector answers.

    Attributes:
        name: For example `rollout`; also the name of its files.
        about: What it measures, for people.
        stages: Stages of the method whose checkpoints it can be asked about.
    """

    name: str
    about: str
    stages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InspectRequest:
    """What to look into.

    Attributes:
        checkpoint: Folder of the checkpoint.
        data: Datasets; see `wambench.demos.dataset.open_source`.
        out: Folder for tables and figures.
        only: Names of the diagnostics; empty for all that its stage has.
        inputs: Values by `TrainInput.name`.
        episodes: Which demonstrations.
        windows: Most windows that a diagnostic looks at, spread over the demonstrations.
        seed: Decides which windows.
        device: `auto` takes an accelerator where there is one.
        note: Told what a user should know while it runs.
    """

    checkpoint: Path
    data: tuple[str, ...]
    out: Path
    only: tuple[str, ...] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)
    episodes: Episodes = "held-out"
    windows: int = 256
    seed: int = 0
    device: Literal["auto", "cpu"] = "auto"
    note: Callable[[str], None] = lambda _: None


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer of one diagnostic.

    Attributes:
        name: The diagnostic's.
        line: What was found and how the figure is read, one line.
        files: What was written: the numbers as CSV, the figure as PNG.
    """

    name: str
    line: str
    files: tuple[Path, ...]


@runtime_checkable
class Inspector(Protocol):
    """Answers questions about the checkpoints of one method."""

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What can be asked."""
        ...

    @property
    def inputs(self) -> tuple[TrainInput, ...]:
        """What it needs or takes beside checkpoint and data."""
        ...

    def inspect(self, request: InspectRequest) -> Iterator[Finding]:
        """Answers one question after the other; files are there when an answer is given.

        Raises:
            WambenchError: The request cannot be carried out.
        """
        ...
