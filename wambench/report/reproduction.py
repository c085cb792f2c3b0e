"""The table of a reproduction: what was measured beside what the paper reports."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import TypeVar

from rich.console import Console
from rich.table import Table

from wambench.errors import RunDirectoryError
from wambench.manifest import by_task
from wambench.recipe import SUCCESS, Cell, Plan, Reading
from wambench.report.comparison import format_p
from wambench.report.summary import Summary, summarise_run
from wambench.results.run import RunDirectory
from wambench.stats.intervals import interval_over_runs, stratified_wilson_interval
from wambench.stats.multiple import holm
from wambench.stats.paired import Pairs, mean_difference_interval, sign_flip_exact


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measured entry of the table.

    Attributes:
        row: The method.
        suite: Name of the suite.
        measure: `success`, or the name of a metric.
        mean: Over seeds of the training; None where a run does not have the measure.
        interval: 95 %. Of a rate that over episodes, the tasks taken as given, widened to that over
            seeds (Student's t) where there are several; of another metric that over seeds, None for
            a single one. Rates are success, and what is 0 or 1 in every episode.
        seeds: How many.
        trials: Counted episodes, all seeds; 0 of what is read off no episodes.
        published: The paper's number.
    """

    row: str
    suite: str
    measure: str
    mean: float | None
    interval: tuple[float, float] | None
    seeds: int
    trials: int
    published: float | None


@dataclass(frozen=True, slots=True)
class Contrast:
    """Two methods on the same episodes, the pairs of all training seeds taken together.

    Attributes:
        row: The method.
        reference: What it is compared with.
        suite: Name of the suite.
        pairs: a is the reference, b the method.
        interval: 95 % of the difference of success rates, over episodes.
        p_adjusted: Exact sign-flip test over episodes, which for one seed is McNemar's, after Holm
            over all contrasts of the table.
    """

    row: str
    reference: str
    suite: str
    pairs: Pairs
    interval: tuple[float, float]
    p_adjusted: float

    @property
    def verdict(self) -> str:
        """In a word."""
        if self.p_adjusted > 0.05:
            return "not decided"
        return "better" if self.pairs.difference > 0 else "worse"


def estimates(plan: Plan, out: Path) -> list[Estimate]:
    """The measured entries, row by row.

    Raises:
        RunDirectoryError: A run is missing or not complete.
    """
    found = []
    entries: list[Cell | Reading] = [*plan.cells, *plan.readings]
    for group in _groups(entries).values():
        measured = [_measured(cell, out) for cell in group]
        found += [_estimate(plan, group[0], measure, measured) for measure in plan.measures]
    return found


def contrasts(plan: Plan, out: Path) -> list[Contrast]:
    """The comparisons that the plan asks for, on every suite that both rows have."""
    groups = _groups(plan.cells)
    found = []
    for row, reference in plan.contrasts:
        for suite in dict.fromkeys(cell.suite for cell in plan.cells):
            if (row, suite) in groups and (reference, suite) in groups:
                compared = _compared(groups[reference, suite], groups[row, suite], out)
                found.append((row, reference, suite, compared))
    p_values = holm([sign_flip_exact(compared.sums) for *_, compared in found])
    return [
        Contrast(row, reference, suite, compared.pairs, compared.interval, p_value)
        for (row, reference, suite, compared), p_value in zip(found, p_values, strict=True)
    ]


def print_reproduction(
    title: str, table: Sequence[Estimate], compared: Sequence[Contrast], console: Console
) -> None:
    """A table per suite, in parts that fit the console, and one of its contrasts."""
    for suite in dict.fromkeys(entry.suite for entry in table):
        entries = [entry for entry in table if entry.suite == suite]
        for part in _that_fit(f"{title} · {suite}", entries, console):
            console.print(part)
        mine = [one for one in compared if one.suite == suite]
        if mine:
            console.print(_contrast_table(suite, mine))


def write_csv(table: Sequence[Estimate], file: Path) -> Path:
    """One line per entry; rates as 0 to 1."""
    with open(file, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(
            [
                "suite",
                "method",
                "measure",
                "mean",
                "ci_low",
                "ci_high",
                "seeds",
                "trials",
                "published",
            ]
        )
        for entry in table:
            low, high = entry.interval or (None, None)
            writer.writerow(
                [entry.suite, entry.row, entry.measure, entry.mean, low, high, entry.seeds,
                 entry.trials, entry.published]
            )  # fmt: skip
    return file


# ---- from runs to figures --------------------------------------------------------------------

_Entry = TypeVar("_Entry", bound=Cell | Reading)


@dataclass(frozen=True, slots=True)
class _Measured:
    """What belongs to one cell.

    Attributes:
        values: By measure; None where it has none.
        trials: Counted episodes; 0 of a reading.
        counts: Of each measure that is a rate, per task: in how many episodes it was so, of how
            many.
    """

    values: Mapping[str, float | None]
    trials: int = 0
    counts: Mapping[str, Sequence[tuple[int, int]]] = field(default_factory=dict)


def _groups(cells: Sequence[_Entry]) -> dict[tuple[str, str], list[_Entry]]:
    """(row, suite) to its cells, one per seed."""
    groups: dict[tuple[str, str], list[_Entry]] = {}
    for cell in cells:
        groups.setdefault((cell.row, cell.suite), []).append(cell)
    return groups


def _measured(cell: Cell | Reading, out: Path) -> _Measured:
    if isinstance(cell, Cell):
        run = RunDirectory(out / cell.run)
        summary = _complete(run)
        values = summary.metrics | {SUCCESS: summary.rate}
        return _Measured(values, summary.trials, _rates(run))
    with open(out / cell.table, encoding="utf-8", newline="") as file:
        line = next(csv.DictReader(file))
    return _Measured({name: _float(text) for name, text in line.items()})


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:  # a name, or nothing
        return None


def _rates(run: RunDirectory) -> dict[str, list[tuple[int, int]]]:
    """`_Measured.counts` of a run."""
    records = run.records()
    tasks = [
        [records[e.key] for e in episodes if e.key in records and records[e.key].counted]
        for episodes in by_task(run.manifest.episodes).values()
    ]
    told = [[{SUCCESS: r.outcome == "success", **r.metrics} for r in task] for task in tasks]
    every = [values for task in told for values in task]
    return {
        name: [(round(sum(values[name] for values in task)), len(task)) for task in told]
        for name in (every[0] if every else ())
        if all(values.get(name) in (0, 1) for values in every)
    }


def _complete(run: RunDirectory) -> Summary:
    summary = summarise_run(run).suite
    if summary.missing:
        raise RunDirectoryError(
            f"{run.path} has {summary.missing} episodes without a counted outcome.",
            "The same command runs them again.",
        )
    return summary


def _estimate(
    plan: Plan, cell: Cell | Reading, measure: str, measured: Sequence[_Measured]
) -> Estimate:
    values = [one.values.get(measure) for one in measured]
    known = [value for value in values if value is not None]
    interval = interval_over_runs(known) if len(known) == len(values) > 1 else None
    counts = [one.counts[measure] for one in measured if measure in one.counts]
    if len(counts) == len(measured):
        interval = _of_rate(counts, interval)
    return Estimate(
        row=cell.row,
        suite=cell.suite,
        measure=measure,
        mean=fmean(known) if known and len(known) == len(values) else None,
        interval=interval,
        seeds=len(measured),
        trials=sum(one.trials for one in measured),
        published=plan.published.get((cell.row, cell.suite, measure)),
    )


def _of_rate(
    counts: Sequence[Sequence[tuple[int, int]]], over_seeds: tuple[float, float] | None
) -> tuple[float, float]:
    """Interval of a rate: never narrower than that of its episodes, within 0 and 1."""
    tasks = list(zip(*counts, strict=True))
    solved = [sum(run[0] for run in runs) for runs in tasks]
    trials = [sum(run[1] for run in runs) for runs in tasks]
    low, high = stratified_wilson_interval(solved, trials)
    if over_seeds is not None:
        low, high = min(low, over_seeds[0]), max(high, over_seeds[1])
    return max(low, 0.0), min(high, 1.0)


@dataclass(frozen=True, slots=True)
class _Compared:
    """What the episodes of two methods say.

    Attributes:
        pairs: Of all seeds, added up; a is the reference.
        tasks: Task and episode to the differences of its pairs: 1 where only the method succeeded,
            -1 where only the reference did, else 0.
    """

    pairs: Pairs
    tasks: Mapping[int, Mapping[str, Sequence[int]]]

    @property
    def sums(self) -> list[int]:
        """What each episode says in all."""
        return [sum(found) for episodes in self.tasks.values() for found in episodes.values()]

    @property
    def interval(self) -> tuple[float, float]:
        """95 % of the difference of success rates."""
        return mean_difference_interval(
            [[fmean(found) for found in episodes.values()] for episodes in self.tasks.values()]
        )


def _compared(reference: Sequence[Cell], row: Sequence[Cell], out: Path) -> _Compared:
    """Pairs of each seed. A reference with one seed is compared with every seed."""
    by_seed = {cell.seed: cell for cell in reference}
    outcomes: list[tuple[bool, bool]] = []
    tasks: dict[int, dict[str, list[int]]] = {}
    for cell in row:
        theirs = by_seed.get(cell.seed, reference[0])
        a, b = (RunDirectory(out / one.run) for one in (theirs, cell))
        if a.manifest.digest != b.manifest.digest:
            raise RunDirectoryError(
                f"{a.path} and {b.path} ran other episodes and cannot be compared.",
                "Reproduce both in another --out.",
            )
        first, second = _successes(a), _successes(b)
        for episode in a.manifest.episodes:
            if episode.key in first and episode.key in second:
                outcomes.append((first[episode.key], second[episode.key]))
                differences = tasks.setdefault(episode.task, {}).setdefault(episode.key, [])
                differences.append(second[episode.key] - first[episode.key])
    return _Compared(Pairs.count(outcomes), tasks)


def _successes(run: RunDirectory) -> Mapping[str, bool]:
    """Counted episodes; the infeasible are left out."""
    return {
        key: record.outcome == "success" for key, record in run.records().items() if record.counted
    }


# ---- what is shown ---------------------------------------------------------------------------


def _range(counts: Iterable[int]) -> str:
    """`3`, or `1 to 3` where methods differ."""
    found = set(counts)
    return " to ".join(map(str, sorted({min(found), max(found)})))


def _that_fit(title: str, entries: Sequence[Estimate], console: Console) -> list[Table]:
    """As few tables as show all measures, each of as many as fit, and of one where none does."""
    endless = console.options.update(width=10_000)
    tables: list[Table] = []
    shown: list[str] = []
    for measure in dict.fromkeys(entry.measure for entry in entries):
        more = _suite_table(title, [e for e in entries if e.measure in (*shown, measure)])
        if shown and console.measure(more, options=endless).maximum <= console.width:
            shown.append(measure)
            tables[-1] = more
        else:
            shown = [measure]
            tables.append(_suite_table(title, [e for e in entries if e.measure == measure]))
    return tables


def _suite_table(title: str, entries: Sequence[Estimate]) -> Table:
    measures = list(dict.fromkeys(entry.measure for entry in entries))
    seeds = _range(entry.seeds for entry in entries)
    episodes = _range(entry.trials // entry.seeds for entry in entries)
    each = f", {episodes} episodes each" if episodes != "0" else ""
    table = Table(
        title=title,
        caption=f"{seeds} training seed{'s' * (seeds != '1')}{each}; "
        "95 % intervals. Published: the paper's, measured elsewhere.",
        title_style="bold",
    )
    table.add_column("method", no_wrap=True)
    for measure in measures:
        table.add_column(measure, justify="right", no_wrap=True)
        table.add_column("published", justify="right", no_wrap=True, style="dim")
    for row in dict.fromkeys(entry.row for entry in entries):
        mine = {entry.measure: entry for entry in entries if entry.row == row}
        cells: list[str] = []
        for measure in measures:
            cells += [_shown(mine[measure]), _number(measure, mine[measure].published)]
        table.add_row(row, *cells)
    return table


def _contrast_table(suite: str, compared: Sequence[Contrast]) -> Table:
    table = Table(
        title=f"On the same episodes of {suite}",
        caption="Difference of success rates in points; wins and losses: episodes that the method "
        "alone solved, or the other; p: exact sign-flip test over episodes, Holm over all suites.",
        title_style="bold",
    )
    table.add_column("methods")
    for name in ("difference", "wins, losses", "p", "verdict"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in compared:
        low, high = one.interval
        table.add_row(
            f"{one.row} against {one.reference}",
            f"{100 * one.pairs.difference:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]",
            f"{one.pairs.b_only}, {one.pairs.a_only}",
            format_p(one.p_adjusted),
            one.verdict,
        )
    return table


def _shown(entry: Estimate) -> str:
    text = _number(entry.measure, entry.mean)
    if entry.interval is None:
        return text
    low, high = (_number(entry.measure, bound) for bound in entry.interval)
    return f"{text} [{low}, {high}]"


def _number(measure: str, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{100 * value:.1f}" if measure == SUCCESS else f"{value:.3g}"
