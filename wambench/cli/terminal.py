"""The console that commands print to."""

from __future__ import annotations

from rich.console import Console


def console() -> Console:
    """Standard output; tables keep a readable width when it is a file or a pipe.

    Square brackets are text: they occur in paths, error messages and instructions.
    """
    plain = Console(markup=False, emoji=False, highlight=False)
    if plain.is_terminal:
        return plain
    return Console(markup=False, emoji=False, highlight=False, width=120)
