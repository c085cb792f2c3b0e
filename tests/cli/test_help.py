"""What `--help` says of the commands."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import typer
from typer.testing import CliRunner

from wambench.cli.main import app


def _commands(command: object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    for name, inner in getattr(command, "commands", {}).items():
        yield from _commands(inner, (*path, name))


@pytest.mark.parametrize("path", list(_commands(typer.main.get_command(app))), ids=" ".join)
def test_no_help_text_loses_what_stands_in_brackets(path: tuple[str, ...]) -> None:
    # Rich takes [default: 50] for a style and drops it, leaving "Episodes per task .".
    shown = CliRunner().invoke(app, [*path, "--help"], terminal_width=200).output
    assert "Usage" in shown
    assert not re.search(r"\w \.(\s|$)", shown), shown
