"""`report.html`: one self-contained page about a run, beside its videos."""

from __future__ import annotations

import base64
import csv
import io
import json
from pathlib import Path

import jinja2

from wambench.report.console import format_errors, format_rate
from wambench.report.summary import ERROR_OUTCOMES, RunSummary
from wambench.results.run import RunDirectory, explained


def write_tasks_csv(run: RunDirectory, summary: RunSummary) -> Path:
    """Writes `tasks.csv` into the run directory, one line per task, and returns its path."""
    config = run.info.config
    lines = []
    for index, task in summary.tasks.items():
        low, high = task.interval
        errors = {outcome: task.errors.get(outcome, 0) for outcome in ERROR_OUTCOMES}
        seconds = {f"{kind}_s": round(s, 3) for kind, s in task.seconds.model_dump().items()}
        lines.append(
            {
                "suite": config.suite,
                "backend": config.backend,
                "policy": config.policy,
                "seed": config.seed,
                "task": index,
                "instruction": task.label,
                "successes": task.successes,
                "trials": task.trials,
                "planned": task.planned,
                "success_rate": task.rate,
                "ci_low": low,
                "ci_high": high,
                "mean_steps": task.mean_steps,
                **errors,
                **seconds,
            }
        )
    path = run.path / "tasks.csv"
    with explained(run.path), open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, lines[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
    return path


def write_report(run: RunDirectory, summary: RunSummary) -> Path:
    """Writes `report.html` and `tasks.csv` into the run directory; returns the page's path."""
    write_tasks_csv(run, summary)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("wambench.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    records = list(run.records().values())
    page = environment.get_template("report.html.j2").render(
        run=run.info,
        summary=summary,
        format_rate=format_rate,
        format_errors=format_errors,
        plot=_task_plot(summary),
        films=[record for record in records if record.execution.video],
        problems=[record for record in records if record.error],
        provenance=json.dumps(run.info.provenance, indent=2),
    )
    path = run.path / "report.html"
    with explained(run.path):
        path.write_text(page, encoding="utf-8")
    return path


def _task_plot(summary: RunSummary) -> str:
    """Success rate per task with intervals, as a base64 PNG."""
    from matplotlib.figure import Figure

    tasks = {index: task for index, task in summary.tasks.items() if task.rate is not None}
    figure = Figure(figsize=(max(6.0, 0.45 * len(tasks) + 2), 3.2), layout="constrained")
    axes = figure.subplots()
    for position, task in enumerate(tasks.values()):
        low, high = task.interval
        rate = task.rate or 0.0  # never None, see above
        axes.bar(position, 100 * rate, color="#5b8db8", width=0.7)
        axes.errorbar(
            position,
            100 * rate,
            [[100 * (rate - low)], [100 * (high - rate)]],
            color="#22313f",
            capsize=3,
        )
    axes.set_xticks(range(len(tasks)), [str(index) for index in tasks])
    axes.set_xlabel("task")
    axes.set_ylabel("success rate, %")
    axes.set_ylim(0, 105)
    axes.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return base64.b64encode(buffer.getvalue()).decode()
