"""`wambench eval` as a function: prepares a run, runs it, leaves a run directory behind."""

from __future__ import annotations

import gc
import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from wambench import registry
from wambench.errors import RunDirectoryError, UsageError, WambenchError
from wambench.manifest import Manifest, build_manifest, rounds
from wambench.protocol import Episode, Policy, Suite
from wambench.report.video import VideoMode
from wambench.results.provenance import harness_provenance
from wambench.results.record import EpisodeRecord
from wambench.results.run import RunConfig, RunDirectory, RunInfo, config_difference
from wambench.results.session import session
from wambench.runner.engine import Driver, Engine, recover
from wambench.runner.here import Here
from wambench.runner.scheduler import Limits
from wambench.runner.shard import Shard
from wambench.runtimes import Interpreter, find_interpreter
from wambench.stopping import DEFAULT_CONFIDENCE, Referee, baseline_run, make_rule
from wambench.subgoals import check_subgoals


class Progress(Protocol):
    """Who is told how a run is going."""

    def note(self, line: str) -> None:
        """Something that takes a while is being done."""

    def begin(self, done: Sequence[EpisodeRecord], total: int) -> None:
        """The episodes start; some may have been done before."""

    def record(self, record: EpisodeRecord) -> None:
        """An episode has ended."""


class Silent:
    """Tells nobody."""

    def note(self, line: str) -> None:
        """Ignored."""

    def begin(self, done: Sequence[EpisodeRecord], total: int) -> None:
        """Ignored."""

    def record(self, record: EpisodeRecord) -> None:
        """Ignored."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to evaluate.

    Attributes:
        policy: Entry-point name or `file.py:Class`.
        suite: Name of the suite.
        out: The run directory.
        backend: `auto`, `official` or `embedded`.
        policy_arguments: Arguments of the policy.
        trials: Episodes per task.
        seed: Seed of the run.
        tasks: Task indices; None for all.
        allow_unpinned: Accept other simulator versions than the pinned ones.
        against: A complete run of the same episodes to compare with.
        stop: End as soon as that comparison is decided; needs `against`.
        confidence: 1 minus the probability of a wrong decision.
        margin: Differences up to this do not matter to the decision.
    """

    policy: str
    suite: str
    out: Path
    backend: str = "auto"
    policy_arguments: dict[str, Any] = field(default_factory=dict)
    trials: int = 50
    seed: int = 0
    tasks: list[int] | None = None
    allow_unpinned: bool = False
    against: Path | None = None
    stop: bool = False
    confidence: float = DEFAULT_CONFIDENCE
    margin: float | None = None


@dataclass(frozen=True, slots=True)
class Execution:
    """How to run it; none of this changes the results.

    Attributes:
        workers: Worker processes; None for one per core.
        video: Which episodes to film; None for none, or for what a resumed run was started with.
        limits: Retries, watchdog, batch size.
        progress: Who is told.
        to_the_end: Run the whole manifest although a stopping rule has decided.
        engine: Where replicas of the policy run, with workers of their own; None for one policy in
            this process with workers beside it.
    """

    workers: int | None = None
    video: VideoMode | None = None
    limits: Limits = field(default_factory=Limits)
    progress: Progress = field(default_factory=Silent)
    to_the_end: bool = False
    engine: Engine | None = None


def default_workers() -> int:
    """One worker per core that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def start_run(request: Request, execution: Execution) -> RunDirectory:
    """Creates a run directory and runs its episodes.

    Returns:
        The run; some of its episodes may have ended in errors.

    Raises:
        WambenchError: Something about the request is wrong, or the run could not go on.
    """
    reference = registry.find_policy(request.policy)
    suite = registry.load_suite(request.suite, request.backend)
    for index in request.tasks or ():
        registry.pick_task(suite, index)
    manifest = build_manifest(
        suite, run_seed=request.seed, trials=request.trials, tasks=request.tasks
    )
    config = RunConfig(
        suite=suite.spec.name,
        backend=suite.spec.backend,
        policy=request.policy,
        policy_arguments=request.policy_arguments,
        trials=request.trials,
        seed=request.seed,
        tasks=request.tasks,
        allow_unpinned=request.allow_unpinned,
    )
    against = None
    if request.against is not None:
        against = baseline_run(request.against, config, manifest)
    rule = None
    if request.stop:
        if against is None:
            raise UsageError(
                "A run can only stop when a comparison is decided if there is one.",
                "Name the other run with --against.",
            )
        rule = make_rule(against, request.confidence, request.margin)
    elif request.margin is not None:
        raise UsageError(
            "--margin says when a run may stop, but this one does not stop early.",
            "Add --stop-when-decided, or leave --margin out.",
        )
    policy = build_checked_policy(reference, suite, config)
    provenance = harness_provenance(reference, request.policy_arguments, policy)
    info = RunInfo(
        command=shlex.join(["wambench", *sys.argv[1:]]),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        config=config,
        manifest=manifest.digest,
        privileged=policy.needs.privileged,
        video=execution.video or "none",
        provenance=provenance,
        stopping=rule,
    )
    workers = worker_count(execution, policy)
    interpreter = suite_interpreter(suite, config, execution)
    records = () if against is None or rule is None else against.records().values()
    run = RunDirectory.create(request.out, info, manifest, records)
    mine = policy if execution.engine is None else None
    del policy  # replicas have copies of their own
    _run_missing(run, reference, suite, mine, execution, workers, interpreter)
    return run


def resume_run(path: Path, given: dict[str, Any], execution: Execution) -> RunDirectory:
    """Runs the episodes of an existing run that have no counted outcome yet.

    Args:
        path: The run directory.
        given: Configuration options repeated on the command line; they must agree with the run.
        execution: How to run it.
    """
    run = RunDirectory(path)
    config = run.info.config
    reference = registry.find_policy(config.policy)
    suite = registry.load_suite(config.suite, config.backend)
    if "suite" in given:
        given = given | {"suite": registry.load_suite(given["suite"], config.backend).spec.name}
    if difference := config_difference(config, given):
        raise UsageError(
            f"{path} cannot be resumed with these options: {difference}.",
            "Leave that option out, or start another run with --out.",
        )
    manifest = build_manifest(suite, run_seed=config.seed, trials=config.trials, tasks=config.tasks)
    policy = build_checked_policy(reference, suite, config)
    provenance = harness_provenance(reference, config.policy_arguments, policy)
    check_same_versions(run, manifest, provenance)
    workers = worker_count(execution, policy)
    interpreter = suite_interpreter(suite, config, execution)
    mine = policy if execution.engine is None else None
    del policy  # replicas have copies of their own
    _run_missing(run, reference, suite, mine, execution, workers, interpreter)
    return run


def check_same_versions(run: RunDirectory, manifest: Manifest, provenance: dict[str, Any]) -> None:
    """Refuses to go on with a run that other versions of its suite or policy have begun."""
    config = run.info.config
    if manifest.digest != run.manifest.digest:
        raise RunDirectoryError(
            f"{run.path} was made with another version of {config.suite}: its episodes differ from "
            "those this version would run.",
            "Resume it with the version it was started with, or start another run.",
        )
    if provenance["policy"] != run.info.provenance.get("policy"):
        raise RunDirectoryError(
            f"{run.path} was made with another version of policy {config.policy} or of its "
            "checkpoint.",
            "Start another run: mixed results cannot be told apart.",
        )


def worker_count(execution: Execution, policy: Policy | None = None) -> int:
    """How many workers to start: no more than the policy takes episodes at once.

    Raises:
        UsageError: There would be none, or other replicas would ask what the policy asks.
    """
    if execution.workers is not None and execution.workers < 1:
        raise UsageError(f"{execution.workers} workers cannot run anything.", "Use at least 1.")
    workers = execution.workers or default_workers()
    most: int | None = getattr(policy, "at_once", None)
    if most is None:
        return workers
    if execution.engine is not None and execution.engine.replicas > 1:
        raise UsageError(
            f"The policy takes {most} episode{'s' * (most > 1)} at a time, and replicas would run "
            "more.",
            "Use one replica.",
        )
    if most < workers:
        execution.progress.note(f"The policy takes {most} episode{'s' * (most > 1)} at a time.")
    return min(workers, most)


def suite_interpreter(suite: Suite, config: RunConfig, execution: Execution) -> Interpreter:
    """Where the suite's workers run; made on first use."""
    return find_interpreter(
        suite.runtime, allow_unpinned=config.allow_unpinned, progress=execution.progress.note
    )


def check_cameras(policy: Policy, name: str, suite: Suite) -> None:
    """Refuses a policy that needs cameras which the suite does not have."""
    unknown = [camera for camera in policy.needs.cameras if camera not in suite.spec.cameras]
    if unknown:
        raise UsageError(
            f"Policy {name} needs camera {', '.join(unknown)}, which {suite.spec.name} does not "
            "have.",
            f"Its cameras are: {', '.join(suite.spec.cameras)}.",
        )


def build_checked_policy(reference: registry.Reference, suite: Suite, config: RunConfig) -> Policy:
    """The policy, after everything that can be refused before a simulator starts."""
    policy = registry.build_policy(reference, suite.spec, config.policy_arguments)
    check_cameras(policy, config.policy, suite)
    tasks = suite.tasks()
    chosen = range(len(tasks)) if config.tasks is None else config.tasks
    if policy.needs.subgoals:
        check_subgoals(suite.spec, [tasks[index] for index in chosen])
    try:
        policy.check([tasks[index] for index in chosen])
    except WambenchError:
        raise
    except Exception as error:
        raise registry.build_failure("Policy", reference, error, "Mend its check()") from error
    return policy


def _run_missing(
    run: RunDirectory,
    reference: registry.Reference,
    suite: Suite,
    policy: Policy | None,
    execution: Execution,
    workers: int,
    interpreter: Interpreter,
) -> None:
    """Runs every episode that has no counted outcome."""
    progress, engine = execution.progress, execution.engine
    with run.locked():
        records = run.records()

        def store(record: EpisodeRecord) -> None:
            run.append(record)
            records[record.key] = record

        def keep(record: EpisodeRecord) -> None:
            store(record)
            progress.record(record)

        def check(suite: dict[str, str], unpinned: dict[str, str]) -> None:
            provenance_check(run, unpinned)(suite)

        if taken := recover(run, records, store, check):
            progress.note(f"{taken} episodes were run by replicas that outlived their driver.")
        done = {key: record for key, record in records.items() if record.counted}
        ruled = run.info.stopping is not None and not execution.to_the_end
        referee = Referee(run) if ruled else None

        def decided() -> bool:
            return referee is not None and referee.decide(records).decided

        waves = _waves(run, records)
        missing = sum(len(wave) for wave in waves)
        if not missing:
            return
        if decided():
            progress.note("The comparison is decided: nothing is run.")
            return
        logs = run.path / "logs"
        logs.mkdir(exist_ok=True)
        video = execution.video or run.info.video
        videos = (run.path / "videos").absolute()

        def begin() -> None:
            progress.begin(list(done.values()), len(run.manifest.episodes))

        what = f"{suite.spec.name}, backend {suite.spec.backend}: {missing} episodes to run"
        if engine is None:
            assert policy is not None
            workers = min(workers, missing)
            progress.note(f"{what}, {workers} worker{'s' * (workers > 1)}, results in {run.path}")
            here = Here(
                config=run.info.config,
                reference=reference,
                suite=suite,
                policy=policy,
                interpreter=interpreter,
                video=video,
                videos=videos,
                logs=logs,
                workers=workers,
                limits=execution.limits,
            )
            with session(run, engine="local", replicas=1, workers=workers):
                here.run(
                    waves,
                    any_counted=bool(done),
                    enough=decided,
                    begin=begin,
                    on_record=keep,
                    on_provenance=check,
                )
            return
        each = "one per core of each" if engine.workers is None else f"{engine.workers} each"
        progress.note(
            f"{what}, {engine.name}, {engine.replicas} replicas, workers: {each}, results in "
            f"{run.path}"
        )
        shard = Shard(
            number=0,
            config=run.info.config,
            manifest=run.manifest.digest,
            policy=run.info.provenance["policy"],
            waves=[],
            any_counted=bool(done),
            video=video,
            videos=str(videos) if engine.shared else "",
            directory=os.getcwd(),
            workers=engine.workers,
            retries=execution.limits.retries,
            silence_s=execution.limits.silence_s,
            batch=execution.limits.batch,
        )
        with session(run, engine=engine.name, replicas=engine.replicas, workers=engine.workers):
            begin()
            _free_memory()
            Driver(engine, shard, logs, keep, check, progress.note).run(waves, decided)


def _free_memory() -> None:
    """Returns what the driver's own policy, which has been dropped, held of a GPU's memory."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def _waves(run: RunDirectory, records: Mapping[str, EpisodeRecord]) -> list[list[Episode]]:
    """Episodes without a counted outcome, in the order in which they are to be begun.

    A run with a stopping rule goes by the rounds that the rule looks at; any other keeps to one
    task for as long as it can. There, those that ended in errors come last, so that the same
    errors do not hold up the rest.
    """
    waves = [list(run.manifest.episodes)] if run.info.stopping is None else rounds(run.manifest)
    waves = [
        [e for e in wave if e.key not in records or not records[e.key].counted] for wave in waves
    ]
    for wave in waves:
        wave.sort(key=lambda e: e.key in records)
    return [wave for wave in waves if wave]


def provenance_check(
    run: RunDirectory, unpinned: dict[str, str]
) -> Callable[[dict[str, str]], None]:
    """Stores what decides the physics; every later worker must run on the same."""

    def check(suite: dict[str, str]) -> None:
        facts = {"suite": suite, "unpinned": unpinned}
        stored = {name: run.info.provenance.get(name) for name in facts}
        if stored["suite"] is None:
            run.add_provenance(**facts)
        elif stored != facts:
            before = stored["suite"]
            changed = [
                f"{k} was {before.get(k)}, is {suite[k]}"
                for k in suite
                if before.get(k) != suite[k]
            ] or [f"versions off their pins were {stored['unpinned']}, are {unpinned}"]
            raise RunDirectoryError(
                f"{run.path} was made with another simulator: {', '.join(changed)}.",
                "Restore it, or start another run.",
            )

    return check
