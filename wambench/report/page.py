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
from wambench.results.record import Seconds
from wambench.results.run import RunDirectory


def write_tasks_csv(run: RunDirectory, summary: RunSummary) -> Path:
    """Writes `tasks.csv` into the run directory, one line per task, and returns its path."""
    columns = ("successes", "trials", "planned", "mean_steps")
    path = run.path / "tasks.csv"
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(
            ["suite", "backend", "policy", "seed", "task", "instruction", *columns]
            + ["success_rate", "ci_low", "ci_high", *ERROR_OUTCOMES, *Seconds.model_fields]
        )
        config = run.info.config
        for index, task in summary.tasks.items():
            writer.writerow(
                [config.suite, config.backend, config.policy, config.seed, index, task.label]
                + [getattr(task, column) for column in columns]
                + [task.rate, *task.interval]
                + [task.errors.get(outcome, 0) for outcome in ERROR_OUTCOMES]
                + [round(value, 3) for value in task.seconds.model_dump().values()]
            )
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
    path.write_text(page)
    return path


def _task_plot(summary: RunSummary) -> str:
    """Success rate per task with intervals, as a base64 PNG."""
    from matplotlib.figure import Figure

    tasks = {index: task for index, task in summary.tasks.items() if task.trials}
    figure = Figure(figsize=(max(6.0, 0.45 * len(tasks) + 2), 3.2), layout="constrained")
    axes = figure.subplots()
    for position, task in enumerate(tasks.values()):
        low, high = task.interval
        rate = task.rate or 0.0
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
