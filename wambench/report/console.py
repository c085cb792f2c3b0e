"""The table that closes `wambench eval`."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from wambench.comparable import unlike
from wambench.report.summary import RunSummary, Summary
from wambench.results.run import RunDirectory, StoppingRule
from wambench.stats.bootstrap import RESAMPLES, SEED
from wambench.stats.sequential import Decision


def format_rate(summary: Summary) -> str:
    """`90.0 % [59.6, 98.2]`; the bounds where episodes are missing, a dash where nothing counts."""
    if not summary.trials:
        return "-"
    if summary.rate is None:
        low, high = summary.bounds
        return f"{100 * low:.1f} to {100 * high:.1f} %"
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
        caption="Rate: 95 % score interval, the tasks taken as given. Steps: mean over successes.",
        title_style="bold",
    )
    table.add_column("task", justify="right", no_wrap=True)
    table.add_column("instruction", ratio=1, min_width=20)
    table.add_column("success", justify="right", no_wrap=True)
    table.add_column("rate [95 % CI]", justify="right", no_wrap=True)
    table.add_column("steps", justify="right", no_wrap=True)
    metrics = list(summary.suite.metrics)
    for name in metrics:
        table.add_column(name, justify="right", no_wrap=True)
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
            *(f"{figures.metrics[m]:.2f}" if m in figures.metrics else "-" for m in metrics),
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


def notes(run: RunDirectory, summary: RunSummary) -> list[str]:
    """What has to be known about the rate of a run, one sentence or two each."""
    suite, lines = summary.suite, []
    if summary.over_tasks is not None:
        low, high = summary.over_tasks
        lines.append(
            f"Over tasks like these {len(summary.tasks)}, not just these: "
            f"[{100 * low:.1f}, {100 * high:.1f}] % "
            f"(bootstrap over tasks, {RESAMPLES} resamples, seed {SEED})."
        )
    if summary.decision is not None:
        rule = run.info.stopping
        assert rule is not None
        lines.append(describe_decision(run, rule, summary.decision))
        lines += unlike(
            (rule.against, run.path.as_posix()),
            (rule.privileged, run.info.privileged),
            (rule.simulator, run.info.provenance.get("suite") or {}),
        )
    if summary.stopped_early:
        lines.append(
            f"Stopped early: {suite.missing} of {suite.planned} episodes were not needed for the "
            "decision. The successes so far are no estimate of the success rate, because the run "
            "ended at a moment that favours one policy. Run the rest with: wambench eval --resume "
            f"{run.path} --no-stop-when-decided"
        )
    elif suite.missing:
        lines.append(
            f"No success rate: {suite.missing} of {suite.planned} episodes are missing. Failures "
            "take longer than successes, so the rate of the others would be too high; the range "
            "is what it can still become."
        )
    return lines


def describe_decision(run: RunDirectory, rule: StoppingRule, decision: Decision) -> str:
    """What a stopping rule found, on which episodes, and how far it can be trusted."""
    a, b = rule.policy, run.info.config.policy
    if a == b:
        a, b = rule.against, run.path.as_posix()
    match decision.verdict:
        case "b better":
            text = f"Decided: {b} is better than {a}"
        case "a better":
            text = f"Decided: {b} is worse than {a}"
        case "no difference above the margin":
            assert rule.margin is not None
            text = f"Decided: {b} and {a} differ by less than {100 * rule.margin:g} points"
        case "undecided":
            text = f"Undecided: {b} or {a}"
    pairs = decision.pairs
    text += f", on {pairs.number} pairs, rounds 1 to {decision.rounds} of {decision.planned_rounds}"
    if pairs.number:
        low, high = decision.interval
        text += (
            f": {pairs.b_only} solved only by {b}, {pairs.a_only} only by {a}; "
            f"difference {100 * pairs.difference:+.1f} points, "
            f"[{100 * low:+.1f}, {100 * high:+.1f}] at every look at once"
        )
    return (
        f"{text}. Such decisions are wrong in at most {100 * (1 - decision.confidence):g} % of "
        "comparisons."
    )


def print_run(run: RunDirectory, summary: RunSummary, console: Console) -> None:
    """Prints the tables and, for episodes that do not count, why."""
    console.print(results_table(run, summary))
    for line in notes(run, summary):
        console.print(Text(line), soft_wrap=True)
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
