"""`wambench status`: how runs are going, from another shell."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from wambench.cli.terminal import console as make_console

_STYLES = {"running": "green", "finished": "", "unknown": ""}


def status(
    runs: Annotated[list[Path], typer.Argument(help="Run directories, one or more.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print everything as JSON instead of text.")
    ] = False,
) -> None:
    """Says whether runs are under way, how far they are and how long they will take.

    Reads their directories only, so it does not disturb them. Whether a run is alive is known from
    its lock; on another machine than the run's, from the sign of life that it gives every few
    seconds.
    """
    found = [_look(path) for path in runs]
    if as_json:
        typer.echo(json.dumps([figures for figures, _ in found], indent=2))
        return
    console = make_console()
    for number, (figures, text) in enumerate(found):
        if number:
            console.print()
        _print(figures, text, console)


def _look(path: Path) -> tuple[dict[str, Any], list[str]]:
    """Everything about a run as JSON, and what is said about its episodes."""
    from wambench.report.console import describe_decision
    from wambench.report.live import (
        describe_outcomes,
        describe_pace,
        describe_rate,
        going,
        to_json,
    )
    from wambench.results.run import RunDirectory
    from wambench.results.session import duration, last_session, state_of
    from wambench.stopping import decision_of

    run = RunDirectory(path)
    told = last_session(run)
    # Before the records: those of a run that ends meanwhile are then all there.
    state = state_of(run, told)
    running = state.name == "running"
    records = run.records()
    newest = max((r.execution.ended_at for r in records.values()), default=0.0)
    until = time.time() if running or told is None else max(told.beat_at, newest)
    now = going(run, records, told, until)
    decision = decision_of(run, records)
    config = run.info.config
    figures: dict[str, Any] = {
        "run": path.as_posix(),
        "state": state.name,
        "detail": state.detail,
        "policy": config.policy,
        "suite": config.suite,
        "backend": config.backend,
        "seed": config.seed,
        **to_json(now),
        "session": None if told is None else told.model_dump(),
        "decision": None if decision is None else decision.to_json(),
    }
    if not running:
        figures["seconds_left"] = None
    summary = now.summary
    done = summary.planned - summary.unfinished
    text = [f"{done} of {summary.planned} episodes: {describe_outcomes(summary)}"]
    if decision is not None:
        assert run.info.stopping is not None
        text.append(describe_decision(run, run.info.stopping, decision))
    if decision is None or not decision.decided:
        text.append(describe_rate(summary))
    if running:
        text.append(describe_pace(now))
        if newest and told is not None and newest >= told.started_at:
            text[-1] += f"; the last one ended {duration(time.time() - newest)} ago"
    elif summary.missing and not (decision is not None and decision.decided):
        text.append(f"Continue with: wambench eval --resume {path}")
    return figures, text


def _print(figures: dict[str, Any], text: list[str], console: Console) -> None:
    console.print(
        Text(
            f"{figures['run']}: {figures['policy']} on {figures['suite']} · backend "
            f"{figures['backend']} · seed {figures['seed']}",
            style="bold",
        ),
        soft_wrap=True,
    )
    told = figures["session"]
    state = Text(f"  {figures['state']}", style=_STYLES.get(figures["state"], "red"))
    state.append(f": {figures['detail']}", style="")
    if told is not None and figures["state"] == "running":
        many = f"{told['workers']}" if told["workers"] else "one per core"
        state.append(f"; engine {told['engine']}, replicas {told['replicas']}, workers {many}")
    console.print(state, soft_wrap=True)
    for entry in text:
        console.print(Text(f"  {entry}"), soft_wrap=True)
