"""Post-training: rounds of episodes in the environment, each followed by a few steps of learning.

    episodes of some tasks    run by the harness's workers, with the policy as it is now
    their videos              imagined for starts that are new
    steps                     on the contrast between both, within each task

Non-obvious behaviours
    - A round's episodes follow from (seed, number of the round), and its actions from the weights
      at its beginning: a round that was killed is repeated, and is the same on a CPU.
    - Episodes end with the imagination: what comes after it teaches nothing.
    - Starts are sampled, none is one of the fixed initial states that evaluations use.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

import wambench
from wambench import evaluate, registry
from wambench.demos.collection import from_sampled_starts
from wambench.errors import TrainingError, UsageError
from wambench.manifest import build_manifest
from wambench.progress import progress_interval
from wambench.protocol import Episode, Observation, Suite
from wambench.results.provenance import git_commit
from wambench.results.record import EpisodeRecord
from wambench.runner.pool import WorkerPool, WorkerSetup
from wambench.runner.scheduler import Limits, Scheduler
from wambench.runtimes import find_interpreter
from wambench.trainer import TrainRequest, TrainResult
from wambench_policies.data.config import parse_ranges
from wambench_policies.nn.checkpoint import Checkpoint, write_atomically
from wambench_policies.nn.device import chosen_device
from wambench_policies.nn.groups import parameter_groups
from wambench_policies.training.card import model_card, parameters
from wambench_policies.training.log import Log
from wambench_policies.training.loop import Interruption, Stopped
from wambench_policies.training.run import (
    RECORD,
    device_name,
    package_versions,
    record_to_resume,
    require_free,
)
from wambench_policies.training.state import Progress, load_progress, restore, save_state
from wambench_policies.world2act.align.config import AlignRun
from wambench_policies.world2act.align.model import Alignment, world_of
from wambench_policies.world2act.policy import SHIPPED_ALIGN, SHIPPED_WORLD
from wambench_policies.world2act.posttrain.base import corrected_base
from wambench_policies.world2act.posttrain.config import PosttrainRun
from wambench_policies.world2act.posttrain.corrected import CorrectedPolicy, Seen
from wambench_policies.world2act.posttrain.imagination import Imagination, Start
from wambench_policies.world2act.posttrain.learning import Objective, Rollout
from wambench_policies.world2act.posttrain.residual import Residual
from wambench_policies.world2act.train import METHOD
from wambench_policies.world2act.world import VideoWorld

_NOT_DECISIVE = ("workers", "world")
"""Inputs that may be others when a training is gone on with."""


@dataclass
class RoundProgress(Progress):
    """How far a training is; its steps are simulator steps.

    Attributes:
        rounds: Rounds done.
        updates: Optimiser steps done.
    """

    rounds: int = 0
    updates: int = 0


class Recorded(CorrectedPolicy):
    """The policy that is trained, which keeps what it decided, and by place what it saw."""

    def __init__(self, world: VideoWorld, by_place: bool, *given: Any) -> None:
        super().__init__(
            *given, image_size=world.normalisation.recorded_size, cameras=world.cameras
        )
        self._shown = world.cameras
        self._by_place = by_place
        self.starts: dict[str, Start] = {}
        self.journal: dict[str, list[Seen]] = {}
        self.views: dict[str, list[NDArray[np.uint8]]] = {}

    def start(self, episodes: Sequence[Episode]) -> None:
        """Forgets earlier attempts."""
        super().start(episodes)
        for episode in episodes:
            self.journal[episode.key] = []
            self.views[episode.key] = []

    def decided(self, observation: Observation, seen: Seen) -> None:
        """Keeps it."""
        episode = observation.episode
        views = np.stack([observation.pixels[camera] for camera in self._shown])
        if self._by_place:
            self.views[episode.key].append(views)
        if observation.step == 0:
            self.starts[episode.key] = Start(
                episode.key, episode.seed, observation.instruction, views
            )
        self.journal[episode.key].append(seen)


def posttrain(request: TrainRequest) -> TrainResult:
    """Trains a residual; see `wambench.trainer.Trainer`."""
    request.refuse(
        ("batch_size", "train_init", "init"),
        "It learns from groups of episodes: --set group=N, --set groups=N.",
    )
    return _Posttraining(request).run()


class _Posttraining:
    """One training, from its parts to its end."""

    def __init__(self, request: TrainRequest) -> None:
        self.request = request
        inputs = request.inputs
        align, world = inputs.get("align"), inputs.get("world")
        if align is None:
            align, world = str(SHIPPED_ALIGN), world or str(SHIPPED_WORLD)
        aligned = Checkpoint.open(align, method=METHOD, stage="align")
        self.align = aligned.configuration(AlignRun)
        self.suite: Suite = registry.load_suite(inputs["suite"], inputs.get("backend", "auto"))
        self.world = world_of(self.align, world, request.device)
        self.config = self._configuration()
        self._check_pairing()
        config, spec = self.config, self.suite.spec
        base, self.base_facts = corrected_base(config, spec)
        self.config = config = config.model_copy(
            update={"base_sha256": self.base_facts.get("checkpoint_sha256", "")}
        )
        self.normalisation = aligned.normalisation
        embodiment = aligned.normalisation.for_suite(spec)
        adapters = Alignment.load(aligned).to(self.world.device)
        torch.manual_seed(config.seed)
        residual = Residual(config, embodiment.action, len(embodiment.state.mean))
        residual.begin_from(adapters)
        self.residual = residual.to(chosen_device(request.device))
        self.optimiser = torch.optim.AdamW(
            parameter_groups([("residual", [residual], 1.0)], config.weight_decay),
            lr=config.learning_rate,
            betas=(0.9, 0.95),  # those of the released stage 1
        )
        by_place = config.pairing == "place"
        self.policy = Recorded(self.world, by_place, spec, base, residual, embodiment)
        evaluate.check_cameras(self.policy, config.base, self.suite)
        self._check_pictures()
        self.imagination = Imagination(
            self.world, adapters.video, config.still, by_place, config.seed
        )
        self.objective = Objective(
            residual, self.align, embodiment.action, spec, config.negatives, config.stay
        )
        self.starts = self._starts()
        self.progress = RoundProgress()
        self.record: dict[str, Any] = {}

    def _configuration(self) -> PosttrainRun:
        """The preset, what the inputs say, then `--set` and the options with names."""
        request, inputs = self.request, self.request.inputs
        try:
            tasks = tuple(sorted(parse_ranges(inputs["tasks"]))) if "tasks" in inputs else ()
        except ValueError as error:
            raise UsageError(f"--tasks: {error}.", "Example: 0,3,5-7.") from None
        for index in tasks:
            registry.pick_task(self.suite, index)
        changes = {
            "action_adapter": self.align.action_adapter,
            "chunk": self.align.world_model.tokenizer.stride,
            "dim": self.align.dim,
            "base": inputs["base"],
            "base_checkpoint": inputs.get("base-checkpoint"),
            "base_args": inputs.get("base-args", "{}"),
            "align": inputs.get("align", ""),
            "suite": self.suite.spec.name,
            "backend": self.suite.spec.backend,
            "tasks": tasks,
        }
        named = {"budget": request.steps, "seed": request.seed}
        given = {key: value for key, value in named.items() if value is not None}
        for key in request.overrides:
            if key in given or key in (*changes, "base_sha256"):
                raise UsageError(
                    f"--set {key} is given by an option of its own or its checkpoint.",
                    "Leave it out.",
                )
        config = PosttrainRun.from_preset(request.preset)
        config = config.model_copy(update={"camera": self.world.cameras[0], **changes})
        return config.with_overrides({**request.overrides, **given})

    def _check_pairing(self) -> None:
        """Refuses to look for places where a latent is more than a moment."""
        kind = self.align.world_model.tokenizer.kind
        if self.config.pairing == "place" and kind != "tiny":
            raise UsageError(
                f"pairing=place compares pictures with latents of single frames, and those of the "
                f"{kind} tokenizer are of several.",
                "Take pairing=time.",
            )

    def _check_pictures(self) -> None:
        """Refuses a base whose pictures the world model cannot begin from."""
        seen, size = self.world.normalisation, self.policy.needs.image_size
        if size not in (seen.recorded_size, seen.image_size):
            raise UsageError(
                f"{self.config.base} looks at pictures of {size[0]} x {size[1]}, and the world "
                f"model begins from {seen.recorded_size[0]} x {seen.recorded_size[1]}.",
                "Train it on demonstrations that were recorded at the base's size.",
            )

    def _starts(self) -> dict[int, list[Episode]]:
        """The starts of every task, each as long as what is imagined for it.

        Raises:
            UsageError: A task has fewer than a group needs.
        """
        config = self.config
        chosen = list(config.tasks) or [task.index for task in self.suite.tasks()]
        self.policy.check([self.suite.tasks()[index] for index in chosen])
        each = math.ceil(config.trajectories / len(chosen))
        if config.negatives == "task" and each < config.group:
            raise UsageError(
                f"{config.trajectories} trajectories of {len(chosen)} tasks are {each} of each, "
                f"and a group has {config.group} episodes of one.",
                f"Set trajectories={config.group * len(chosen)} or more, or a smaller group.",
            )
        manifest = build_manifest(
            self.suite, run_seed=config.seed, trials=each, tasks=config.tasks or None
        )
        sampled = from_sampled_starts(self.suite, manifest)
        self.identity = sampled.digest
        starts: dict[int, list[Episode]] = {}
        for episode in sampled.episodes:
            steps = self.imagination.length(episode.instruction) * config.chunk
            short = replace(episode, max_steps=min(episode.max_steps, steps))
            starts.setdefault(episode.task, []).append(short)
        return starts

    # ---- from the beginning to the end ---------------------------------------------------------

    def run(self) -> TrainResult:
        """Trains until the budget is spent, it is interrupted, or the time is over."""
        request, out = self.request, self.request.out
        lasting = {k: v for k, v in request.inputs.items() if k not in _NOT_DECISIVE}
        request = replace(request, inputs=lasting)
        if request.resume:
            before = record_to_resume(request, METHOD, self.config)
            self.progress = load_progress(out, RoundProgress)
            restore(out, self.residual, self.optimiser, None)
            self.imagination.load(out)
        else:
            require_free(out)
            before = {}
        self.record = {
            "method": METHOD,
            "stage": request.stage,
            "preset": request.preset,
            "init": None,
            "inputs": lasting,
            "commands": [*before.get("commands", []), request.command],
            "config": self.config.to_json(),
            "base": self.base_facts,
            "episodes": {
                "suite": self.config.suite,
                "backend": self.config.backend,
                "tasks": len(self.starts),
                "starts": sum(map(len, self.starts.values())),
                "identity": self.identity,
            },
            "simulator": before.get("simulator"),
            "wambench": wambench.__version__,
            "commit": git_commit(),
            "versions": package_versions(),
            "device": device_name(next(self.residual.parameters()).device),
        }
        (out / "logs").mkdir(parents=True, exist_ok=True)
        log = Log(out, self.progress.step)
        try:
            self._write_record()
            if not request.resume:
                self._save()  # so that a first round that is killed can be repeated, too
            if self.progress.step >= self.config.budget:
                return self._result("finished")
            pool = self._pool()
            try:
                return self._result(self._rounds(pool, log))
            finally:
                pool.close()
        finally:
            log.close()

    def _rounds(self, pool: WorkerPool, log: Log) -> Stopped:
        """Round after round."""
        progress, config = self.progress, self.config
        begin, spent = time.monotonic(), progress.seconds
        minutes = self.request.max_minutes
        bar = tqdm(
            total=config.budget,
            initial=progress.step,
            unit="step",
            dynamic_ncols=True,
            mininterval=progress_interval(),
        )
        with Interruption() as interruption, bar:
            while progress.step < config.budget:
                groups = self._episodes(progress.rounds)
                records = self._roll_out(pool, [e for group in groups for e in group])
                rollouts = self._beside_videos(groups, records)
                terms = self._learn(rollouts)
                progress.step += sum(record.steps for record in records.values())
                progress.rounds += 1
                progress.seconds = spent + time.monotonic() - begin
                progress.losses = {f"train/{name}": value for name, value in terms.items()}
                facts = {"seconds": progress.seconds, "rounds": progress.rounds}
                log.add("train", progress.step, facts | {"updates": progress.updates} | terms)
                self._save()
                bar.set_postfix_str(f"loss {terms['loss']:.4g}", refresh=False)
                bar.update(progress.step - bar.n)
                if progress.step >= config.budget:
                    break
                if interruption.asked:
                    return "interrupted"
                if minutes is not None and time.monotonic() - begin > 60 * minutes:
                    return "budget"
        return "finished"

    def _result(self, stopped: Stopped) -> TrainResult:
        step = min(self.progress.step, self.config.budget)
        return TrainResult(step, self.config.budget, stopped, dict(self.progress.losses))

    # ---- one round -----------------------------------------------------------------------------

    def _episodes(self, number: int) -> list[list[Episode]]:
        """The groups of a round: episodes of a task each, or of any."""
        config, rng = self.config, np.random.default_rng([self.config.seed, number])
        if config.negatives != "task":
            every = [start for starts in self.starts.values() for start in starts]
            drawn = rng.permutation(len(every))[: config.groups * config.group]
            return [[every[i] for i in group] for group in np.array_split(drawn, config.groups)]
        tasks = rng.permutation(list(self.starts))[: config.groups]
        return [
            [self.starts[task][i] for i in rng.permutation(len(self.starts[task]))][: config.group]
            for task in tasks.tolist()
        ]

    def _roll_out(self, pool: WorkerPool, episodes: list[Episode]) -> dict[str, EpisodeRecord]:
        """Runs episodes with the policy as it is now; their records by key."""
        records: dict[str, EpisodeRecord] = {}

        def keep(record: EpisodeRecord) -> None:
            records[record.key] = record

        self.policy.journal.clear()
        self.policy.views.clear()
        self.policy.starts.clear()
        spec, log = self.suite.spec, self.request.out / "logs" / "policy.log"
        scheduler = Scheduler(
            pool, self.policy, spec.action_dim, Limits(), keep, self._same_simulator, log
        )
        scheduler.run([episodes], any_counted=self.progress.rounds > 0)
        return records

    def _beside_videos(
        self, groups: list[list[Episode]], records: dict[str, EpisodeRecord]
    ) -> list[list[Rollout]]:
        """The groups' episodes with what is imagined for them; those without either left out.

        Raises:
            TrainingError: No two episodes of a task are left.
        """
        counted = [record.key for record in records.values() if record.counted]
        for record in records.values():
            if not record.counted:
                self.request.note(f"{record.key} is left out: {record.outcome}, {record.error}")
        new = self.imagination.add([self.policy.starts[key] for key in sorted(counted)])
        quiet = sorted(key for key in new if not len(self.imagination.videos[key].codes))
        if quiet:
            self.request.note(
                f"In {len(quiet)} of {len(new)} new videos nothing moves, for example in that of "
                f"{quiet[0]}: nothing is learned of these episodes."
            )
        found = []
        for group in groups:
            rollouts = []
            for key in (episode.key for episode in group if episode.key in counted):
                whole = records[key].steps // self.config.chunk
                decisions = self.policy.journal[key][:whole]
                video = self.imagination.codes(key, self.policy.views[key][:whole])
                rollouts.append(Rollout(decisions, video))
            rollouts = [one for one in rollouts if len(one)]
            if len(rollouts) > 1:
                found.append(rollouts)
        if not found:
            raise TrainingError(
                "No two episodes of a task have actions beside a video that moves.",
                "Look at the world model (`wambench inspect world2act`); --set still=0 takes "
                "videos that stand still as well.",
            )
        return found

    def _learn(self, groups: list[list[Rollout]]) -> dict[str, float]:
        """The steps of a round.

        Returns:
            Means over the groups: the objective's terms of what was executed, before anything is
            learned of it, and `fitted`, the loss as the steps of the last epoch found it.
        """
        with torch.no_grad():
            found = [self.objective.loss(group)[1] for group in groups]
        terms = {name: float(np.mean([float(each[name]) for each in found])) for name in found[0]}
        rng = np.random.default_rng([self.config.seed, self.progress.rounds, 1])
        norms: list[float] = []
        for _ in range(self.config.epochs):
            losses = [self._step(groups[i], norms) for i in rng.permutation(len(groups))]
        return terms | {"fitted": float(np.mean(losses)), "grad_norm": float(np.mean(norms))}

    def _step(self, group: list[Rollout], norms: list[float]) -> float:
        """One optimiser step on a group; its loss. The gradient's norm is added to `norms`."""
        self.optimiser.zero_grad(set_to_none=True)
        loss, _ = self.objective.loss(group)
        loss.backward()
        parameters = [p for g in self.optimiser.param_groups for p in g["params"]]
        norm = torch.nn.utils.clip_grad_norm_(parameters, self.config.clip)
        if not bool(torch.isfinite(loss) & torch.isfinite(norm)):
            raise TrainingError(
                f"The loss is {float(loss)} and its gradient {float(norm)} in round "
                f"{self.progress.rounds + 1}.",
                "Lower the learning rate; the last round is saved.",
            )
        self.optimiser.step()
        self.progress.updates += 1
        norms.append(float(norm))
        return float(loss.detach())

    # ---- what it leaves ------------------------------------------------------------------------

    def _save(self) -> None:
        """The checkpoint, then what is needed to go on, last the state."""
        request, out, progress = self.request, self.request.out, self.progress
        card = model_card(
            title=f"{METHOD}, stage {request.stage}, preset {request.preset}",
            about=f"World2Act: a residual on {self.config.base}, which is not part of this "
            "checkpoint, post-trained towards what its world model imagines.",
            run=self.record,
            sizes=parameters(self.residual),
            normalisation=self.normalisation,
            step=progress.step,
            steps=self.config.budget,
            seconds=progress.seconds,
            losses=progress.losses,
            unit="simulator steps",
        )
        Checkpoint(
            folder=out,
            method=METHOD,
            stage=request.stage,
            preset=request.preset,
            overrides=dict(request.overrides),
            config=self.config.to_json(),
            normalisation=self.normalisation,
            step=progress.step,
        ).save(self.residual, card)
        self.imagination.save(out)
        save_state(out, self.residual, self.optimiser, None, progress)

    def _write_record(self) -> None:
        text = json.dumps(self.record, indent=1)
        write_atomically(self.request.out / RECORD, lambda path: path.write_text(text))

    def _pool(self) -> WorkerPool:
        """The simulators, which stay for all rounds."""
        suite = self.suite
        interpreter = find_interpreter(
            suite.runtime, allow_unpinned=False, progress=self.request.note
        )
        given = self.request.inputs.get("workers")
        if given is not None and not given.isdigit():
            raise UsageError(f"--workers {given!r} is no number of workers.", "Use 1 or more.")
        execution = evaluate.Execution(workers=None if given is None else int(given))
        wanted = evaluate.worker_count(execution, self.policy)
        base = registry.find_policy(self.config.base)
        setup = WorkerSetup(
            suite=registry.find_suite(suite.spec.name).target,
            backend=suite.spec.backend,
            needs=self.policy.needs,
            policy=asdict(base),
            policy_arguments={},
            video={"mode": "none", "folder": "", "camera": ""},
        )
        size = min(wanted, self.config.group * min(self.config.groups, len(self.starts)))
        return WorkerPool(size, setup, interpreter, (), self.request.out / "logs")

    def _same_simulator(self, versions: dict[str, str]) -> None:
        """Keeps what decides the physics; every later worker must run on the same.

        Raises:
            TrainingError: One runs on another.
        """
        before = self.record["simulator"]
        if before is None:
            self.record["simulator"] = versions
            self._write_record()
        elif before != versions:
            changed = [k for k in versions if versions[k] != before.get(k)]
            raise TrainingError(
                f"The training was begun with another simulator: {', '.join(changed)} differ.",
                "Restore it, or begin anew.",
            )
