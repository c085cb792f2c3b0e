"""The table that closes `wambench eval`."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from wambench.report.summary import RunSummary, Summary
from wambench.results.run import RunDirectory


def format_rate(summary: Summary) -> str:
    """`90.0 %  [59.6, 98.2]`, or a dash where nothing counts."""
    if summary.rate is None:
        return "-"
    low, high = summary.interval
    return f"{100 * summary.rate:5.1f} % [{100 * low:5.1f}, {100 * high:5.1f}]"


def format_errors(summary: Summary) -> str:
    """Counts of the outcomes that do not enter the rate."""
    parts = [f"{count} {outcome}" for outcome, count in summary.errors.items()]
    if summary.unfinished:
        parts.append(f"{summary.unfinished} not run")
    return ", ".join(parts)


def _per_episode(summary: Summary, kind: str) -> str:
    if not summary.trials:
        return "-"
    seconds = summary.seconds
    value = seconds.total if kind == "total" else getattr(seconds, kind)
    if kind == "simulation":
        value += seconds.building
    return f"{value / summary.trials:.2f}"


_KINDS = ("simulation", "rendering", "policy", "transport", "video", "total")


def _title(run: RunDirectory) -> str:
    config = run.info.config
    title = f"{config.policy} on {config.suite} · backend {config.backend} · seed {config.seed}"
    if run.info.privileged:
        title += " · privileged state"
    if config.allow_unpinned:
        title += " · unpinned versions allowed"
    return title


def results_table(run: RunDirectory, summary: RunSummary) -> Table:
    """Successes, intervals, steps and errors per task and for the suite."""
    table = Table(
        title=Text(_title(run)),
        caption="Rate: Wilson 95 % interval. Steps: mean over successes.",
        title_style="bold",
    )
    table.add_column("task", justify="right", no_wrap=True)
    table.add_column("instruction", ratio=1, min_width=20)
    table.add_column("success", justify="right", no_wrap=True)
    table.add_column("rate [95 % CI]", justify="right", no_wrap=True)
    table.add_column("steps", justify="right", no_wrap=True)
    trouble = any(task.errors or task.unfinished for task in summary.tasks.values())
    if trouble:
        table.add_column("not counted", style="red")
    rows = [(str(index), task) for index, task in summary.tasks.items()]
    for name, figures in [*rows, ("", summary.suite)]:
        if not name:
            table.add_section()
        table.add_row(
            name,
            Text(figures.label),
            f"{figures.successes}/{figures.trials}",
            format_rate(figures),
            "-" if figures.mean_steps is None else f"{figures.mean_steps:.0f}",
            *([format_errors(figures)] if trouble else []),
            style="" if name else "bold",
        )
    return table


def time_table(summary: RunSummary) -> Table:
    """Wall seconds per episode by what they were spent on."""
    table = Table(
        title="Wall seconds per counted episode",
        caption="Simulation includes building and resetting; transport is messages, and waiting "
        "for the policy.",
        title_style="bold",
    )
    for header in ("task", *_KINDS):
        table.add_column(header, justify="right", no_wrap=True)
    rows = [(str(index), task) for index, task in summary.tasks.items()]
    for name, figures in [*rows, ("all", summary.suite)]:
        if name == "all":
            table.add_section()
        table.add_row(name, *(_per_episode(figures, kind) for kind in _KINDS))
    return table


def print_run(run: RunDirectory, summary: RunSummary, console: Console) -> None:
    """Prints the tables and, for episodes that do not count, why."""
    console.print(results_table(run, summary))
    console.print(time_table(summary))
    reasons: dict[str, list[str]] = {}
    for record in run.records().values():
        if record.error:
            reasons.setdefault(f"{record.outcome}: {record.error}", []).append(record.key)
        if record.execution.video_error:
            reason = f"there is no video: {record.execution.video_error}"
            reasons.setdefault(reason, []).append(record.key)
    for reason, keys in reasons.items():
        shown = ", ".join(keys[:3]) + (f" and {len(keys) - 3} more" if len(keys) > 3 else "")
        console.print(Text.assemble((shown, "red"), f": {reason}"))
