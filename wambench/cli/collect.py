"""`wambench collect`: records demonstrations."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from tqdm import tqdm

from wambench.cli.eval import EXIT_INCOMPLETE, EXIT_INTERRUPTED
from wambench.cli.options import CheckpointOption, PolicyArgOption, parse_tasks, policy_arguments
from wambench.cli.terminal import console as make_console
from wambench.errors import UsageError
from wambench.progress import progress_interval
from wambench.results.record import EpisodeRecord
from wambench.runner.scheduler import Limits
from wambench.subgoals import EXPERT

if TYPE_CHECKING:
    from wambench.demos.collection import Selection


class DemoBar:
    """A progress bar over demonstrations.

    Args:
        console: Where notes go.
        select: Makes the selection of a task's demonstrations; None where all are kept. What is
            dropped does not move the bar.
    """

    def __init__(self, console: Console, select: Callable[[], Selection] | None = None) -> None:
        self._console = console
        self._select = select
        self._selections: dict[int, Selection] = {}
        self._bar: tqdm[Any] | None = None
        self._failures = self._dropped = self._errors = self._infeasible = 0

    def note(self, line: str) -> None:
        """Prints it."""
        self._console.print(line, style="dim", soft_wrap=True)

    def begin(self, done: Sequence[EpisodeRecord], total: int) -> None:
        """Shows the bar."""
        for record in done:
            self._keeps(record)
        self._bar = tqdm(
            total=total,
            initial=len(done),
            unit="demo",
            dynamic_ncols=True,
            smoothing=0.1,
            mininterval=progress_interval(),
        )

    def record(self, record: EpisodeRecord) -> None:
        """Counts an episode."""
        assert self._bar is not None
        kept = self._keeps(record)
        self._failures += record.outcome == "failure"
        infeasible = record.outcome == "infeasible"
        self._infeasible += infeasible
        self._errors += not record.counted and not infeasible
        counts = f"failures {self._failures}, errors {self._errors}"
        if self._infeasible:
            counts += f", infeasible {self._infeasible}"
        if self._select is not None:
            self._dropped += record.counted and not kept
            counts += f", dropped {self._dropped}"
        self._bar.set_postfix_str(counts, refresh=False)
        if kept:
            self._bar.update()

    def _keeps(self, record: EpisodeRecord) -> bool:
        """Whether it is one of those wanted; within a wave others may take its place."""
        if self._select is None:
            return record.counted
        return self._selections.setdefault(record.task, self._select()).take(record)

    def close(self) -> None:
        """Leaves the bar as it is."""
        if self._bar is not None:
            self._bar.close()


def collect(
    suite: Annotated[str, typer.Option(help="Suite by name.")],
    out: Annotated[
        Path, typer.Option(help="Folder of the collection; the same command again continues it.")
    ],
    policy: Annotated[
        str | None,
        typer.Option(
            help="Policy by name, or path/to/file.py:Class; with --generator, who is imitated "
            "(default: expert)."
        ),
    ] = None,
    generator: Annotated[
        str | None,
        typer.Option(help="Policy that imitates a few demonstrations in new episodes: mimicgen."),
    ] = None,
    sources: Annotated[
        int, typer.Option(help="How many demonstrations a generator imitates.")
    ] = 10,
    episodes: Annotated[int, typer.Option(help="Demonstrations per task.")] = 50,
    success_only: Annotated[
        bool,
        typer.Option("--success-only", help="Drop failures and run further trials in their place."),
    ] = False,
    success_rate: Annotated[
        float | None,
        typer.Option(
            help="Share of successes among each task's demonstrations, 0 to 1, reached by dropping "
            "what is more (default: whatever comes)."
        ),
    ] = None,
    max_trials: Annotated[
        int | None,
        typer.Option(
            help="Trials per task that may be spent (default: --episodes; twice that with "
            "--success-only, eight times with --success-rate)."
        ),
    ] = None,
    max_steps: Annotated[
        int | None,
        typer.Option(help="Control steps after which an episode ends (default: the task's)."),
    ] = None,
    noise: Annotated[
        float,
        typer.Option(
            help="Standard deviation of noise on executed arm actions, as a fraction of half the "
            "action range; the recorded label stays the policy's own action."
        ),
    ] = 0.0,
    starts: Annotated[
        Literal["sampled", "fixed"],
        typer.Option(
            help="Where objects stand at first: sampled by each episode's seed, or at the fixed "
            "initial states that evaluations use."
        ),
    ] = "sampled",
    cameras: Annotated[
        str | None,
        typer.Option(help="Cameras, separated by commas (default: the suite's first two)."),
    ] = None,
    image_size: Annotated[int, typer.Option(help="Height and width in pixels.")] = 128,
    tasks: Annotated[
        str | None, typer.Option(help="Task indices or names, for example 0,3,5-7 (default: all).")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the collection.")] = 0,
    backend: Annotated[
        Literal["auto", "official", "embedded"], typer.Option(help="Official or embedded assets.")
    ] = "auto",
    checkpoint: CheckpointOption = None,
    policy_arg: PolicyArgOption = None,
    workers: Annotated[
        int | None, typer.Option(help="Simulator processes (default: one per core).")
    ] = None,
    retries: Annotated[
        int, typer.Option(min=0, help="How often an episode that ended in an error is run again.")
    ] = 2,
    watchdog: Annotated[
        float, typer.Option(min=1, help="Seconds of silence after which a worker is replaced.")
    ] = 300.0,
    allow_unpinned: Annotated[
        bool, typer.Option(help="Accept other simulator versions; recorded in the data.")
    ] = False,
) -> None:
    """Records demonstrations of a policy as LIBERO HDF5 files, one per task.

    With --generator, demonstrations of --policy are recorded first, and imitated in new episodes.

    The folder is a valid dataset at any moment. Exit codes: 0 every task has its demonstrations,
    2 the request cannot be carried out, 3 some are missing, 130 interrupted. In the last two cases
    the same command goes on.
    """
    from wambench.demos.collect import CollectRequest
    from wambench.demos.collect import collect as run_collection
    from wambench.demos.collection import Selection, SourcesConfig
    from wambench.evaluate import Execution

    if policy is None and generator is None:
        raise UsageError("Nobody is recorded.", "Give --policy, for example expert.")
    imitated = None
    if generator is not None:
        imitated = SourcesConfig(policy=policy or EXPERT, count=sources)
    console = make_console()
    request = CollectRequest(
        policy=generator or policy or EXPERT,
        suite=suite,
        out=out,
        episodes=episodes,
        backend=backend,
        policy_arguments=policy_arguments(checkpoint, policy_arg),
        seed=seed,
        tasks=None if tasks is None else parse_tasks(tasks, suite, backend),
        cameras=None if cameras is None else tuple(cameras.split(",")),
        image_size=image_size,
        success_only=success_only,
        success_rate=success_rate,
        max_trials=max_trials,
        max_steps=max_steps,
        sources=imitated,
        noise=noise,
        starts=starts,
        allow_unpinned=allow_unpinned,
    )
    rate = 1.0 if success_only else success_rate
    bar = DemoBar(console, lambda: Selection(episodes, rate))
    execution = Execution(
        workers=workers,
        limits=Limits(retries=retries, silence_s=watchdog),
        progress=bar,
    )
    # Ending a job by SIGTERM, as clusters do, leaves the collection as tidy as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        collection = run_collection(request, execution)
    except KeyboardInterrupt:
        bar.close()
        console.print("Interrupted. The same command goes on; what is there can be read.")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    finally:
        bar.close()
    found = collection.progress()
    kept = sum(task.kept for task in found.values())
    frames = sum(task.frames for task in found.values())
    successes = sum(task.successes for task in found.values())
    ran, succeeded = (sum(t.trials[name] for t in found.values()) for name in ("run", "succeeded"))
    console.print(
        f"{kept} demonstrations of {len(found)} tasks, {successes} of them successes, {frames} "
        f"frames, from {ran} trials, of which {succeeded} succeeded, in {out}",
        soft_wrap=True,
    )
    short = {index: task for index, task in found.items() if task.missing}
    for index, task in short.items():
        console.print(
            f"Task {index} has {task.kept} of {task.wanted}: {task.dropped} trials were dropped "
            f"({task.dropped_successes} successes), {task.errors} ended in errors, "
            f"{task.infeasible} are infeasible.",
            style="bold red",
            soft_wrap=True,
        )
    if short:
        if any(task.errors for task in short.values()):
            advice = "The same command runs those again that ended in errors."
        else:
            advice = "All trials are spent; collect into another folder with a larger --max-trials."
        console.print(advice, style="bold red", soft_wrap=True)
        raise typer.Exit(EXIT_INCOMPLETE)
