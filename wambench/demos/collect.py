"""`wambench collect` as a function: runs trials until every task has its demonstrations.

Trials of a task run in waves: as many as demonstrations are missing, in the manifest's order, then
as many more as that wave fell short of, and so on. So the trials that are spent, and with them the
demonstrations, do not depend on how many workers there are or which of them was faster. Where a
share of successes is asked for, the first successes and the first failures in the manifest's order
are kept, so many of each, and the others removed.

A generator is a policy that imitates demonstrations, which it is told by its argument `sources`.
They are a collection of their own in the folder, made first.

An episode's file is complete before its record is written. Killing the collection at any moment
loses at most the episodes under way; what is there can be read, and the same command goes on.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from wambench import evaluate, registry
from wambench.demos.collection import (
    SOURCES,
    Collection,
    CollectionConfig,
    CollectionInfo,
    SourcesConfig,
    Starts,
    collection_manifest,
)
from wambench.demos.demo import dataset_identity
from wambench.demos.hdf5 import EPISODES, Hdf5Source, hdf5_files
from wambench.demos.hdf5_writer import assemble
from wambench.demos.recording import RecordingRequest, episode_file
from wambench.errors import RunDirectoryError, UsageError
from wambench.evaluate import Execution, Progress, Silent
from wambench.protocol import Episode, Policy, Suite
from wambench.results.provenance import harness_provenance
from wambench.results.record import EpisodeRecord
from wambench.results.run import config_difference
from wambench.runner.here import leave_cores_to_workers
from wambench.runner.pool import WorkerPool, WorkerSetup
from wambench.runner.scheduler import Scheduler

TRIALS_PER_SUCCESS = 2
"""With `success_only`, trials per task that may be spent for each demonstration wanted."""
TRIALS_PER_MIXED = 8
"""With `success_rate`, likewise: some tasks nearly always succeed, and failures are wanted."""
TRIALS_PER_SOURCE = 4
"""Trials per task that may be spent for each demonstration that a generator imitates."""


@dataclass(frozen=True, slots=True)
class CollectRequest:
    """What to collect.

    Attributes:
        policy: Entry-point name or `file.py:Class`.
        suite: Name of the suite.
        out: The collection's folder; one that exists is continued.
        episodes: Demonstrations per task.
        backend: `auto`, `official` or `embedded`.
        policy_arguments: Arguments of the policy.
        seed: Seed of the collection.
        tasks: Task indices; None for all.
        cameras: Cameras to render; None for the suite's first two.
        image_size: Height and width in pixels.
        success_only: Drop failures and run further trials in their place.
        success_rate: Share of successes among the demonstrations of each task, reached by dropping
            what is more; None for what comes.
        max_trials: Trials per task that may be spent; None for so many per demonstration as the
            constants above say, or one where nothing is dropped.
        max_steps: Control steps after which an episode ends; None for the task's.
        sources: What the policy, a generator, imitates; None for other policies.
        noise: Noise on executed actions; see `wambench.demos.recording`.
        starts: Where episodes start; see `CollectionConfig`.
        allow_unpinned: Accept other simulator versions than the pinned ones.
    """

    policy: str
    suite: str
    out: Path
    episodes: int = 50
    backend: str = "auto"
    policy_arguments: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    tasks: list[int] | None = None
    cameras: tuple[str, ...] | None = None
    image_size: int = 128
    success_only: bool = False
    success_rate: float | None = None
    max_trials: int | None = None
    max_steps: int | None = None
    sources: SourcesConfig | None = None
    noise: float = 0.0
    starts: Starts = "sampled"
    allow_unpinned: bool = False


def collect(request: CollectRequest, execution: Execution) -> Collection:
    """Collects demonstrations, or what is missing of a collection that was started before.

    Raises:
        WambenchError: The request is wrong, disagrees with the collection that the folder holds,
            or the collection could not go on.
    """
    existing = _existing(request.out)
    backend = request.backend
    if existing is not None and backend == "auto":
        backend = existing.info.config.backend
    reference = registry.find_policy(request.policy)
    suite = registry.load_suite(request.suite, backend)
    config = _config(request, suite)
    if existing is not None:
        given = config.model_dump(mode="json")
        given["trials"] = given.pop("trials")  # it follows from others; those are named first
        if difference := config_difference(existing.info.config, given):
            raise UsageError(
                f"{request.out} cannot be continued with these options: {difference}.",
                "Repeat the options it was started with, or choose another --out.",
            )
    manifest = collection_manifest(suite, config)
    arguments = dict(config.policy_arguments)
    if config.sources is not None:
        arguments["sources"] = str(_record_sources(request, config.sources, suite, execution))
    built = config.model_copy(update={"policy_arguments": arguments})
    policy = evaluate.build_checked_policy(reference, suite, built)
    provenance = harness_provenance(reference, arguments, policy)
    workers = evaluate.worker_count(execution, policy)
    interpreter = evaluate.suite_interpreter(suite, config, execution)
    if existing is None:
        info = CollectionInfo(
            command=shlex.join(["wambench", *sys.argv[1:]]),
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            config=config,
            manifest=manifest.digest,
            privileged=policy.needs.privileged,
            provenance=provenance,
        )
        collection = Collection.create(request.out, info, manifest)
    else:
        collection = existing
        evaluate.check_same_versions(collection, manifest, provenance)
    with collection.locked():
        _discard_leftovers(collection)
        todo = _next_wave(collection, set())
        if todo:
            (collection.path / "logs").mkdir(exist_ok=True)
            setup = WorkerSetup(
                suite=registry.find_suite(config.suite).target,
                backend=suite.spec.backend,
                needs=policy.needs,
                policy=asdict(reference),
                policy_arguments=arguments,
                video={"mode": "none", "folder": "", "camera": ""},
                recording=_recording(collection).message(),
            )
            workers = min(workers, len(todo))
            execution.progress.note(
                f"{suite.spec.name}, backend {suite.spec.backend}: {config.episodes} "
                f"demonstration{'s' * (config.episodes > 1)} of each of "
                f"{len(collection.progress())} tasks, "
                f"{workers} worker{'s' * (workers > 1)}, into {collection.path}"
            )
            pool = WorkerPool(
                workers, setup, interpreter, (reference.target,), collection.path / "logs"
            )
            check = evaluate.provenance_check(collection, dict(interpreter.unpinned))
            leave_cores_to_workers()
            try:
                _run_waves(collection, pool, policy, suite, execution, check, todo)
            finally:
                pool.close()
        kept = collection.kept()
        names = {episode.task: episode.task_name for episode in manifest.episodes}
        trials = {names[task]: found.trials for task, found in collection.progress().items()}
        assemble(collection.path, trials, lambda episode: episode.key in kept)
        _check_presence(collection)
    return collection


def _record_sources(
    request: CollectRequest, sources: SourcesConfig, suite: Suite, execution: Execution
) -> Path:
    """Records what a generator imitates, or what is missing of it.

    The tasks are spread evenly over those of the collection. The seed is another one than the
    collection's, so that no episode is imitated in its own initial state.

    Returns:
        The folder.

    Raises:
        WambenchError: The demonstrations cannot be spread over the tasks, or not be recorded.
    """
    tasks = list(range(len(suite.tasks()))) if request.tasks is None else sorted(request.tasks)
    shown = min(sources.count, len(tasks))
    if sources.count % shown:
        raise UsageError(
            f"{sources.count} sources cannot be spread evenly over {len(tasks)} tasks.",
            f"Give --sources a multiple of {len(tasks)}, or less than that.",
        )
    each = sources.count // shown
    seed = np.random.SeedSequence([request.seed, int.from_bytes(SOURCES.encode())])
    folder = request.out / SOURCES
    execution.progress.note(f"{sources.count} demonstrations of {sources.policy} to imitate")
    recorded = collect(
        CollectRequest(
            policy=sources.policy,
            suite=request.suite,
            out=folder,
            episodes=each,
            backend=suite.spec.backend,
            seed=int(seed.generate_state(1)[0]),
            tasks=[tasks[k * len(tasks) // shown] for k in range(shown)],
            cameras=request.cameras,
            image_size=request.image_size,
            success_only=True,
            max_trials=TRIALS_PER_SOURCE * each,
            starts=request.starts,
            allow_unpinned=request.allow_unpinned,
        ),
        replace(execution, progress=_Notes(execution.progress)),
    )
    missing = sum(task.missing for task in recorded.progress().values())
    if missing:
        raise RunDirectoryError(
            f"{missing} of {sources.count} demonstrations could not be recorded in {folder}.",
            f"See {folder / 'episodes.jsonl'}; the same command runs again what ended in errors.",
        )
    return folder


class _Notes(Silent):
    """Passes on what is noted and nothing else: there is one bar, that of the collection."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def note(self, line: str) -> None:
        """Passed on."""
        self._progress.note(line)


def _existing(path: Path) -> Collection | None:
    if (path / Collection.info_file).exists():
        return Collection(path)
    if (path / "run.json").exists() or (path / "meta" / "info.json").exists():
        raise UsageError(f"{path} holds something else than a collection.", "Choose another --out.")
    if path.is_dir() and hdf5_files(path):
        # Trials of the same numbers would be taken for those of this collection.
        raise UsageError(
            f"{path} holds demonstrations that no collection there has recorded (it has no "
            f"{Collection.info_file}).",
            "Choose another --out.",
        )
    return None


def _config(request: CollectRequest, suite: Suite) -> CollectionConfig:
    """The collection's configuration, after everything that can be refused at once."""
    spec = suite.spec
    for index in request.tasks or ():
        registry.pick_task(suite, index)
    cameras = spec.cameras[:2] if request.cameras is None else request.cameras
    known = spec.cameras + spec.label_cameras
    unknown = [camera for camera in cameras if camera not in known]
    if unknown or len(set(cameras)) != len(cameras):
        raise UsageError(
            f"{spec.name} has no camera {', '.join(unknown)}."
            if unknown
            else "A camera is named twice.",
            f"Its cameras are: {', '.join(known)}.",
        )
    if request.episodes < 1 or request.image_size < 1:
        raise UsageError(
            f"{request.episodes} episodes of {request.image_size} pixels cannot be collected.",
            "Both must be at least 1.",
        )
    if not 0 <= request.noise <= 1:
        raise UsageError(
            f"The noise {request.noise:g} is not a fraction of half the action range.",
            "Give 0 to 1; 0.1 is usual.",
        )
    _check_mixture(request)
    each = TRIALS_PER_SUCCESS if request.success_only else 1
    if request.success_rate is not None:
        each = TRIALS_PER_MIXED
    trials = request.episodes * each if request.max_trials is None else request.max_trials
    if trials < request.episodes:
        raise UsageError(
            f"{trials} trials cannot give {request.episodes} demonstrations.",
            "Raise --max-trials.",
        )
    return CollectionConfig(
        suite=spec.name,
        backend=spec.backend,
        policy=request.policy,
        policy_arguments=request.policy_arguments,
        trials=trials,
        seed=request.seed,
        tasks=request.tasks,
        allow_unpinned=request.allow_unpinned,
        episodes=request.episodes,
        cameras=tuple(cameras),
        image_size=(request.image_size, request.image_size),
        success_only=request.success_only,
        noise=request.noise,
        starts=request.starts,
        success_rate=request.success_rate,
        max_steps=request.max_steps,
        sources=request.sources,
    )


def _check_mixture(request: CollectRequest) -> None:
    """Refuses lengths, sources and shares of successes that nobody can collect.

    Raises:
        UsageError: With the reason.
    """
    if request.max_steps is not None and request.max_steps < 1:
        raise UsageError(f"Episodes of {request.max_steps} steps.", "Give --max-steps 1 or more.")
    if request.sources is not None and request.sources.count < 1:
        raise UsageError("There is nothing to imitate.", "Give --sources 1 or more.")
    if (rate := request.success_rate) is None:
        return
    if request.success_only:
        raise UsageError("--success-only is a success rate of 1.", "Leave one of the two out.")
    if not 0 <= rate <= 1:
        raise UsageError(f"{rate:g} is no share of successes.", "Give --success-rate 0 to 1.")
    successes = rate * request.episodes
    if abs(successes - round(successes)) > 1e-6:
        raise UsageError(
            f"{rate:g} of {request.episodes} demonstrations is no whole number of successes.",
            "Choose --episodes so that it is; the share holds for each task.",
        )


def _recording(collection: Collection) -> RecordingRequest:
    config = collection.info.config
    return RecordingRequest(
        folder=str((collection.path / EPISODES).absolute()),
        cameras=config.cameras,
        image_size=config.image_size,
        success_only=config.success_only or config.success_rate == 1.0,
        noise=config.noise,
        about={
            "policy": config.policy,
            "policy_arguments": config.policy_arguments,
            "privileged": collection.info.privileged,
            "seed": config.seed,
            "starts": config.starts,
            "success_only": config.success_only,
            "wambench": collection.info.provenance.get("wambench", ""),
            **_about_choice(collection),
        },
    )


def _about_choice(collection: Collection) -> dict[str, Any]:
    """What is said of a generator's sources and of the share of successes, where there are any."""
    config = collection.info.config
    about: dict[str, Any] = {}
    if config.success_rate is not None:
        about["success_rate"] = config.success_rate
    if config.sources is not None:
        demos = Hdf5Source(collection.path / SOURCES).demos
        about["sources"] = config.sources.model_dump() | {"identity": dataset_identity(demos)}
    return about


def _run_waves(
    collection: Collection,
    pool: WorkerPool,
    policy: Policy,
    suite: Suite,
    execution: Execution,
    check: Callable[[dict[str, str]], None],
    todo: list[Episode],
) -> None:
    """Runs trials until every task has its demonstrations or has spent its trials."""
    config, progress = collection.info.config, execution.progress
    tried: set[str] = set()
    records, kept = collection.records(), collection.kept()
    progress.begin([records[key] for key in kept], config.episodes * len(collection.progress()))
    writes = _recording(collection).keeps

    def keep(record: EpisodeRecord) -> None:
        if record.counted and writes(record.outcome == "success"):
            file = collection.path / EPISODES / episode_file(record.episode())
            if not file.exists():
                raise RunDirectoryError(f"{file} has disappeared.", "Repeat the command.")
        collection.append(record)
        progress.record(record)

    any_counted = any(record.counted for record in records.values())
    while todo:
        # A scheduler per wave, on the same workers: it ends when its episodes have.
        scheduler = Scheduler(
            pool,
            policy,
            suite.spec.action_dim,
            execution.limits,
            keep,
            check,
            collection.path / "logs" / "policy.log",
        )
        scheduler.run([todo], any_counted=any_counted)
        tried |= {episode.key for episode in todo}
        any_counted = True
        _discard_leftovers(collection)
        todo = _next_wave(collection, tried)


def _next_wave(collection: Collection, tried: set[str]) -> list[Episode]:
    """The next trials of every task that lacks demonstrations.

    Args:
        collection: The collection.
        tried: Trials that this command has run already; those of them that ended in an error are
            run again by the next command.
    """
    records = collection.records()
    missing = {task: found.missing for task, found in collection.progress().items()}
    wave = []
    for episode in collection.manifest.episodes:
        record = records.get(episode.key)
        settled = record is not None and (record.counted or record.outcome == "infeasible")
        if settled or episode.key in tried or not missing[episode.task]:
            continue
        missing[episode.task] -= 1
        wave.append(episode)
    return wave


def _check_presence(collection: Collection) -> None:
    """Refuses to call a collection complete whose files somebody has removed."""
    kept = collection.kept()
    found = {d.episode.key for d in Hdf5Source(collection.path).demos if d.episode is not None}
    gone = sorted(kept - found)
    if gone:
        raise RunDirectoryError(
            f"{len(gone)} demonstrations that {collection.path} has recorded are not in its files, "
            f"for example {gone[0]}.",
            "Restore the files, or collect into another folder.",
        )


def _discard_leftovers(collection: Collection) -> None:
    """Removes what a killed command was writing, and episodes that are surplus or not recorded.

    Those not recorded are run again, and give the same files again. Surplus ones stay surplus: the
    first trials are kept, and further ones come after them.
    """
    for folder in (collection.path, collection.path / EPISODES):
        for partial in folder.glob("*.partial"):
            partial.unlink()
    records = collection.records()
    kept = {episode_file(records[key].episode()) for key in collection.kept()}
    for file in (collection.path / EPISODES).glob("*.hdf5"):
        if file.name not in kept:
            file.unlink()
