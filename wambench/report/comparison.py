"""The tables of `wambench compare`."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from wambench.compare import Comparison, Contestant, Difference, Interval, pairs_by_task
from wambench.stats.bootstrap import MIN_TASKS, RESAMPLES, SEED


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Prints rates, differences, tasks, and in a sentence what follows from them."""
    console.print(rate_table(comparison))
    console.print(difference_table(comparison))
    if len(comparison.contestants) == 2:
        console.print(task_table(comparison))
    for line in [*conclusions(comparison), *(f"Note: {text}" for text in comparison.warnings)]:
        console.print(Text(line), soft_wrap=True)


def format_interval(interval: Interval | None, sign: bool = False) -> str:
    """`[59.6, 98.2]` in percent, or a dash."""
    if interval is None:
        return "-"
    low, high = (f"{100 * bound:{'+' if sign else ''}.1f}" for bound in interval)
    return f"[{low}, {high}]"


def format_p(p_value: float) -> str:
    """A p-value with as many digits as mean something."""
    return "<0.0001" if p_value < 0.0001 else f"{p_value:.4f}"


def _percent(comparison: Comparison) -> str:
    return f"{100 * comparison.confidence:g} %"


def rate_table(comparison: Comparison) -> Table:
    """Success rates with the intervals of both meanings, best first."""
    level = _percent(comparison)
    several_runs = any(len(c.runs) > 1 for c in comparison.contestants)
    letters = len(comparison.contestants) > 2
    caption = (
        f"{level} intervals. These tasks: what other trials of the same tasks would give. Tasks "
        f"like these: what other tasks of the kind would give (bootstrap over tasks, {RESAMPLES} "
        f"resamples, seed {SEED}; from {MIN_TASKS} tasks on, if they differ)."
    )
    if several_runs:
        caption += " Over runs: what other run seeds would give."
    if letters:
        caption += " Policies that share a letter are not told apart."
    table = Table(
        title=Text(f"{comparison.suite} · backend {comparison.backend}"),
        caption=caption,
        title_style="bold",
    )
    table.add_column("policy", ratio=1, min_width=12)
    table.add_column("seeds", justify="right", no_wrap=True)
    table.add_column("success", justify="right", no_wrap=True)
    table.add_column("rate", justify="right", no_wrap=True)
    table.add_column("these tasks", justify="right", no_wrap=True)
    table.add_column("tasks like these", justify="right", no_wrap=True)
    if several_runs:
        table.add_column("over runs", justify="right", no_wrap=True)
    if letters:
        table.add_column("letters", no_wrap=True)
    for contestant in sorted(comparison.contestants, key=lambda c: -c.rate):
        table.add_row(
            Text(contestant.name),
            ", ".join(str(run.info.config.seed) for run in contestant.runs),
            f"{contestant.successes}/{contestant.trials}",
            f"{100 * contestant.rate:.1f} %",
            format_interval(contestant.interval),
            format_interval(contestant.over_tasks),
            *([format_interval(contestant.over_runs)] if several_runs else []),
            *([comparison.letters[contestant.name]] if letters else []),
        )
    return table


def difference_table(comparison: Comparison) -> Table:
    """Differences in percentage points with intervals and tests."""
    several = len(comparison.differences) > 1
    caption = [
        "Only first, only second: episodes that one of the two solved alone."
        if comparison.paired
        else "The episodes differ, so totals are compared."
    ]
    if several:
        caption.append(
            "The intervals are not corrected for the number of comparisons, p (Holm) is."
        )
    table = Table(
        title=f"Differences in percentage points, {comparison.test} test",
        caption=" ".join(caption),
        title_style="bold",
    )
    table.add_column("first minus second", ratio=1, min_width=12)
    table.add_column("difference", justify="right", no_wrap=True)
    table.add_column("these tasks", justify="right", no_wrap=True)
    if comparison.paired:
        table.add_column("tasks like these", justify="right", no_wrap=True)
        table.add_column("only first", justify="right", no_wrap=True)
        table.add_column("only second", justify="right", no_wrap=True)
    table.add_column("p", justify="right", no_wrap=True)
    if several:
        table.add_column("p (Holm)", justify="right", no_wrap=True)
    for difference in comparison.differences:
        table.add_row(
            Text(f"{difference.b} minus {difference.a}"),
            f"{100 * difference.difference:+.1f}",
            format_interval(difference.interval, sign=True),
            *_paired_cells(difference),
            format_p(difference.p_value),
            *([format_p(difference.p_adjusted)] if several else []),
            style="bold" if difference.better else "",
        )
    return table


def _paired_cells(difference: Difference) -> list[str]:
    if difference.pairs is None:
        return []
    return [
        format_interval(difference.over_tasks, sign=True),
        str(difference.pairs.b_only),
        str(difference.pairs.a_only),
    ]


def task_table(comparison: Comparison) -> Table:
    """Both policies on every task."""
    a, b = comparison.contestants
    pairs = pairs_by_task(a, b) if comparison.paired else None
    table = Table(
        title="Tasks",
        caption="A single task shows only large differences, and one of many looks different by "
        "chance: no tests here.",
        title_style="bold",
    )
    table.add_column("task", justify="right", no_wrap=True)
    table.add_column("instruction", ratio=1, min_width=20)
    for contestant in (a, b):
        table.add_column(Text(contestant.name), justify="right")
    if pairs is not None:
        table.add_column(Text(f"only {a.name}"), justify="right")
        table.add_column(Text(f"only {b.name}"), justify="right")
    for index, task in a.tasks.items():
        cells = [_task_cell(contestant, index) for contestant in (a, b)]
        if pairs is not None:
            cells += [str(pairs[index].a_only), str(pairs[index].b_only)]
        table.add_row(str(index), Text(task.instruction), *cells)
    return table


def _task_cell(contestant: Contestant, index: int) -> str:
    task = contestant.tasks[index]
    return f"{task.successes}/{task.trials} {format_interval(task.interval)}"


def conclusions(comparison: Comparison) -> list[str]:
    """One sentence per pair of policies."""
    adjusted = " after Holm's correction" if len(comparison.differences) > 1 else ""
    level = f"{100 * (1 - comparison.confidence):g} %"
    lines = []
    for difference in comparison.differences:
        p = f"p = {format_p(difference.p_adjusted)}".replace("= <", "< ")
        if difference.better is None:
            low, high = (100 * bound for bound in difference.interval)
            lines.append(
                f"{difference.a} and {difference.b} are not told apart at {level} ({p}{adjusted}); "
                f"this does not show that they are equal: the difference may be anything from "
                f"{low:+.1f} to {high:+.1f} points."
            )
        else:
            other = difference.a if difference.better == difference.b else difference.b
            lines.append(f"{difference.better} is better than {other} at {level} ({p}{adjusted}).")
    return lines
