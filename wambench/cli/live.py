"""What `wambench eval` shows while it runs: alive on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from wambench.progress import progress_interval
from wambench.report.live import Going, describe_outcomes, describe_pace, describe_rate, going
from wambench.results.record import EpisodeRecord
from wambench.results.run import RunDirectory
from wambench.results.session import Session, last_session


class Display:
    """Shows how a run is going, on standard error.

    Args:
        console: Where notes go.

    Attributes:
        path: The run directory; to be set before the run begins.
    """

    def __init__(self, console: Console) -> None:
        self.path: Path | None = None
        self._console = console
        self._live: Live | None = None
        self._run: RunDirectory | None = None
        self._session: Session | None = None
        self._records: dict[str, EpisodeRecord] = {}
        self._shown_at = float("-inf")
        self._said = False

    def note(self, line: str) -> None:
        """Prints it."""
        console = self._console if self._live is None else self._live.console
        console.print(line, style="dim", soft_wrap=True)

    def begin(self, done: Sequence[EpisodeRecord], total: int) -> None:
        """Starts to show the run at `path`."""
        assert self.path is not None
        self._run = RunDirectory(self.path)
        self._session = last_session(self._run)
        self._records = {record.key: record for record in done}
        if sys.stderr.isatty():
            self._live = Live(
                console=Console(stderr=True, highlight=False),
                get_renderable=self._panel,
                refresh_per_second=2,
            )
            self._live.start()
        else:
            self._shown_at = time.monotonic()

    def record(self, record: EpisodeRecord) -> None:
        """Counts an episode."""
        self._records[record.key] = record
        self._said = True
        now = time.monotonic()
        if self._live is None and now - self._shown_at >= progress_interval():
            self._print_line()

    def close(self) -> None:
        """Leaves the last state on the screen, or says it once more."""
        if self._live is not None:
            self._live.stop()
            self._live = None
        elif self._run is not None and self._said:
            self._print_line()
        self._run = None

    def _now(self) -> Going:
        assert self._run is not None
        return going(self._run, dict(self._records), self._session, time.time())

    def _print_line(self) -> None:
        self._shown_at = time.monotonic()
        self._said = False
        print(line(self._now()), file=sys.stderr, flush=True)

    def _panel(self) -> RenderableType:
        return panel(self._now())


def line(now: Going) -> str:
    """A run in one line of a log."""
    summary = now.summary
    done = summary.planned - summary.unfinished
    return (
        f"{time.strftime('%H:%M:%S')} {done}/{summary.planned} episodes: "
        f"{describe_outcomes(summary)}; {describe_rate(summary)}; {describe_pace(now)}"
    )


def panel(now: Going) -> RenderableType:
    """A run as a few lines with a bar."""
    summary = now.summary
    done = summary.planned - summary.unfinished
    bar = Table.grid(padding=(0, 1))
    bar.add_row(
        ProgressBar(total=max(summary.planned, 1), completed=done, width=40),
        Text(f"{done}/{summary.planned} episodes"),
    )
    outcomes = Text(describe_outcomes(summary), style="red" if summary.errors else "")
    return Group(bar, outcomes, Text(describe_rate(summary)), Text(describe_pace(now)))
