"""`wambench doctor`: is this installation able to reproduce a suite's numbers?"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from wambench import registry
from wambench.cli.setup import suite_of_runtime
from wambench.cli.terminal import console as make_console
from wambench.errors import RuntimeUnavailable
from wambench.protocol import Needs
from wambench.runner.pool import WorkerPool, WorkerSetup
from wambench.runner.transport import Disconnected
from wambench.runtimes import find_interpreter

_MARKS = {True: "[green]ok[/green]  ", False: "[red]FAIL[/red]", None: "[dim]info[/dim]"}


def doctor(
    name: Annotated[str, typer.Argument(help="Runtime or suite, for example libero.")],
    allow_unpinned: Annotated[
        bool, typer.Option(help="Check an interpreter with other simulator versions.")
    ] = False,
) -> None:
    """Checks versions, GL, assets, a golden frame and a recorded demonstration."""
    console = make_console()
    checks = run_checks(name, allow_unpinned)
    for check in checks:
        console.print(f"{_MARKS[check['ok']]} {check['name']}: {check['detail']}", highlight=False)
        if check["ok"] is False and check["remedy"]:
            console.print(f"     -> {check['remedy']}", highlight=False)
    failed = sum(check["ok"] is False for check in checks)
    if failed:
        console.print(f"[bold red]{failed} of {len(checks)} checks failed.[/bold red]")
        raise typer.Exit(1)
    console.print("[bold green]All checks passed.[/bold green]")


def run_checks(name: str, allow_unpinned: bool = False) -> list[dict[str, Any]]:
    """Runs a suite's checks in its runtime and returns them as dictionaries."""
    suite = suite_of_runtime(name)
    interpreter = find_interpreter(suite.runtime, allow_unpinned=allow_unpinned)
    where = "provisioned runtime" if interpreter.provisioned else "this interpreter"
    checks: list[dict[str, Any]] = [
        {"name": "runtime", "ok": True, "detail": f"{where}, {interpreter.python}", "remedy": ""}
    ]
    with tempfile.TemporaryDirectory() as folder:
        setup = WorkerSetup(
            suite=registry.find_suite(suite.spec.name).target,
            backend=suite.spec.backend,
            needs=Needs(),
            policy={},
            policy_arguments={},
            video={"mode": "none", "folder": "", "camera": ""},
        )
        pool = WorkerPool(1, setup, interpreter, (), Path(folder))
        worker = pool.workers[0]
        try:
            first = worker.channel.receive()
            if first["type"] == "failed":
                raise RuntimeUnavailable(first["problem"], first["remedy"])
            worker.channel.send({"type": "doctor"})
            checks += worker.channel.receive()["checks"]
        except Disconnected:
            checks.append(
                {
                    "name": "simulator",
                    "ok": False,
                    "detail": f"the worker {worker.how_it_ended()}",
                    "remedy": f"Reinstall it with `wambench setup {suite.runtime.name}`.",
                }
            )
        finally:
            pool.close()
    return checks
