"""The console that commands print to."""

from __future__ import annotations

from rich.console import Console


def console() -> Console:
    """Standard output; tables keep a readable width when it is a file or a pipe."""
    plain = Console()
    return plain if plain.is_terminal else Console(width=120)
