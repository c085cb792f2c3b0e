"""The console that commands print to."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.text import Text


def console() -> Console:
    """Standard output; tables keep a readable width when it is a file or a pipe.

    Square brackets are text: they occur in paths, error messages and instructions.
    """
    plain = Console(markup=False, emoji=False, highlight=False)
    if plain.is_terminal:
        return plain
    return Console(markup=False, emoji=False, highlight=False, width=120)


@contextlib.contextmanager
def live_lines(to: Console) -> Iterator[Callable[[str], None]]:
    """Lines below all others that change, given to what comes out; nothing without a terminal."""
    if not to.is_terminal:
        yield lambda lines: None
        return
    with to.status("") as status:
        yield lambda lines: status.update(Text(lines))
