"""Trains World2Act: `wambench train world2act --stage ...`; see docs/world2act.md.

    wambench train world2act --stage tokenizer  --preset tiny --data D --out ckpt/tokenizer
    wambench train world2act --stage worldmodel --preset tiny --tokenizer ckpt/tokenizer \
        --data D --out ckpt/world
    wambench train world2act --stage align --preset tiny --world ckpt/world \
        --data D --out ckpt/align
    wambench train world2act --stage posttrain --preset tiny --base flow_bc --align ckpt/align \
        --suite libero_object --out ckpt/w2a

and, for what it is compared with, demonstrations that are imagined:

    wambench train world2act --stage idm --preset tiny --world ckpt/world --data D \
        --out ckpt/idm
    wambench train world2act --stage imagine --preset tiny --world ckpt/world --idm ckpt/idm \
        --data STARTS --out data/imagined

Importing this needs no PyTorch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from wambench.errors import DataError, UsageError
from wambench.trainer import Stage, TrainInput, TrainRequest, TrainResult
from wambench_policies.training.config import RunConfig
from wambench_policies.world2act.align.config import AlignRun
from wambench_policies.world2act.config import Kind, TinyTokenizerConfig
from wambench_policies.world2act.dreamgen.config import ImagineRun, InverseRun
from wambench_policies.world2act.posttrain.config import PosttrainRun
from wambench_policies.world2act.runs import TokenizerRun, WorldModelRun

if TYPE_CHECKING:
    from wambench_policies.data.windows import TrainingData
    from wambench_policies.nn.checkpoint import Checkpoint

METHOD = "world2act"
C = TypeVar("C", bound=RunConfig)


class World2ActTrainer:
    """The stages of World2Act."""

    stages = (
        Stage(
            "tokenizer",
            "the tiny preset's pictures to latents and back",
            tuple(TokenizerRun.preset_names()),
        ),
        Stage(
            "worldmodel",
            "clips from a first frame and a prompt",
            tuple(WorldModelRun.preset_names()),
            (
                TrainInput("tokenizer", "checkpoint of stage tokenizer"),
                TrainInput(
                    "wm", "skill (clips under their prompts) or base (whole episodes) [skill]"
                ),
            ),
        ),
        Stage(
            "align",
            "actions and imagined videos in one space (the paper's stage 1)",
            tuple(AlignRun.preset_names()),
            (TrainInput("world", "checkpoint of stage worldmodel", required=True),),
        ),
        Stage(
            "posttrain",
            "a residual on any policy, trained in the environment (the paper's stage 2)",
            tuple(PosttrainRun.preset_names()),
            (
                TrainInput("base", "policy that is corrected, as of wambench eval", required=True),
                TrainInput("base-checkpoint", "its checkpoint [its default]"),
                TrainInput("base-args", "its further arguments as a JSON object"),
                TrainInput("align", "checkpoint of stage align [the shipped one]"),
                TrainInput("world", "the world model that was aligned, where it has been moved"),
                TrainInput("suite", "suite to learn in", required=True),
                TrainInput("backend", "auto, official or embedded [auto]"),
                TrainInput("tasks", "indices of tasks to learn on, such as 0,3,5-7 [all]"),
                TrainInput("workers", "simulators at the same time [one per core]"),
            ),
            online=True,
        ),
        Stage(
            "idm",
            "inverse dynamics: the actions between two pictures (for baselines)",
            tuple(InverseRun.preset_names()),
            (TrainInput("world", "world model whose pictures it is for", required=True),),
        ),
        Stage(
            "imagine",
            "no training: imagined demonstrations with pseudo-actions, from the first pictures of "
            "--data",
            tuple(ImagineRun.preset_names()),
            (
                TrainInput("world", "checkpoint of stage worldmodel", required=True),
                TrainInput("idm", "checkpoint of stage idm", required=True),
            ),
        ),
    )

    def train(self, request: TrainRequest) -> TrainResult:
        """Trains a stage; see `wambench.trainer.Trainer`."""
        stages = {
            "tokenizer": self._tokenizer,
            "worldmodel": self._world,
            "align": self._align,
            "posttrain": self._posttrain,
            "idm": self._inverse,
            "imagine": self._imagine,
        }
        return stages[request.stage](request)

    def _tokenizer(self, request: TrainRequest) -> TrainResult:
        from wambench_policies.training.run import resolve, run_training
        from wambench_policies.world2act.tokenizer import AutoencoderObjective

        config = resolve(TokenizerRun, request)

        def build(data: TrainingData) -> Any:
            objective = AutoencoderObjective(config)
            return objective, objective.network

        return run_training(
            request,
            method=METHOD,
            about="A convolutional autoencoder of single frames: pictures to standardised latents "
            "of 8 x 8 pixels each, and back.",
            config=config,
            windows=config.windows(config.data),
            build=build,
        )

    def _world(self, request: TrainRequest) -> TrainResult:
        from wambench_policies.nn.checkpoint import Checkpoint
        from wambench_policies.training.run import run_training
        from wambench_policies.world2act.model import WorldModelObjective

        changes: dict[str, Any] = {}
        if "wm" in request.inputs:
            changes["wm"] = _kind(request.inputs["wm"])
        tiny = isinstance(WorldModelRun.from_preset(request.preset).tokenizer, TinyTokenizerConfig)
        tokenizer: Checkpoint | None = None
        if "tokenizer" in request.inputs:
            if not tiny:
                raise UsageError(
                    "--tokenizer is for the tiny preset, and this one has Cosmos' own.",
                    "Set tokenizer.source to a local folder with its weights instead.",
                )
            tokenizer = Checkpoint.open(
                request.inputs["tokenizer"], method=METHOD, stage="tokenizer"
            )
            trained = tokenizer.configuration(TokenizerRun)
            changes |= {"tokenizer": trained.tokenizer, "cameras": trained.cameras}
        elif tiny:
            raise UsageError(
                "The tiny world model imagines in the latents of a tokenizer.",
                "Train one by --stage tokenizer and give it by --tokenizer.",
            )
        config = _resolved(WorldModelRun, request, changes)

        def build(data: TrainingData) -> Any:
            require_skills(data, config.wm)
            objective = WorldModelObjective(config.model_part())
            if tokenizer is not None:
                tokenizer.load_into(objective.model.tokenizer.network)
                objective.model.tokenizer.ready = True
            objective.model.load_external(trained=False)
            return objective, objective.model

        shows = "one skill under its prompt" if config.wm == "skill" else "a whole episode"
        return run_training(
            request,
            method=METHOD,
            about=f"World2Act's world model: imagines a clip from its first frame and a prompt. "
            f"Its clips show {shows}.",
            config=config,
            windows=config.windows(config.data),
            build=build,
        )

    def _align(self, request: TrainRequest) -> TrainResult:
        from wambench.results.provenance import checkpoint_digest
        from wambench_policies.nn.checkpoint import Checkpoint
        from wambench_policies.training.run import run_training
        from wambench_policies.world2act.align.model import AlignObjective
        from wambench_policies.world2act.align.pairs import Pairs, imaginer
        from wambench_policies.world2act.world import VideoWorld

        folder = request.inputs["world"]
        found = Checkpoint.open(folder, method=METHOD, stage="worldmodel")
        changes = {
            "world": folder,
            "world_sha256": checkpoint_digest(found.folder),
            "world_model": found.configuration(WorldModelRun).model_part(),
        }
        config = _resolved(AlignRun, request, changes)

        def build(data: TrainingData) -> Any:
            require_skills(data, config.world_model.wm)
            world = VideoWorld.load(folder, device=request.device)
            identity = [config.world_sha256, [part.source.folder.name for part in data.parts]]

            def paired(clips: Any) -> Pairs:
                imagine = imaginer(world, clips)
                return Pairs(clips, config, imagine, world.model.shape, identity, request.note)

            data.wrap(paired)
            objective = AlignObjective(config, data.normalisation)
            objective.model.spread.copy_(data.train.spread())
            return objective, objective.model

        return run_training(
            request,
            method=METHOD,
            about="World2Act's adapters: latents of imagined videos and chunks of actions in one "
            "space.",
            config=config,
            windows=config.windows(config.data),
            build=build,
        )

    def _posttrain(self, request: TrainRequest) -> TrainResult:
        from wambench_policies.world2act.posttrain.train import posttrain

        return posttrain(request)

    def _inverse(self, request: TrainRequest) -> TrainResult:
        from wambench_policies.nn.checkpoint import Checkpoint
        from wambench_policies.training.run import run_training
        from wambench_policies.world2act.dreamgen.inverse import InverseObjective

        world = Checkpoint.open(request.inputs["world"], method=METHOD, stage="worldmodel")
        changes = {"world_model": world.configuration(WorldModelRun).model_part()}
        config = _resolved(InverseRun, request, changes)

        def build(data: TrainingData) -> Any:
            objective = InverseObjective(config, data.normalisation)
            return objective, objective.model

        return run_training(
            request,
            method=METHOD,
            about="An inverse dynamics model: two pictures of a world model to the actions between "
            "them.",
            config=config,
            windows=config.windows(config.data),
            build=build,
        )

    def _imagine(self, request: TrainRequest) -> TrainResult:
        from wambench_policies.world2act.dreamgen.imagine import imagine

        return imagine(request)


def _resolved(kind: type[C], request: TrainRequest, changes: dict[str, Any]) -> C:
    """The configuration; what comes with a checkpoint may not be set again.

    Raises:
        UsageError: It is.
    """
    from wambench_policies.training.run import resolve

    config = resolve(kind, request, **changes)
    for key, value in changes.items():
        if getattr(config, key) != value:
            raise UsageError(f"--set {key} is given by --{key} or its checkpoint already.")
    return config


def require_skills(data: TrainingData, wm: Kind) -> None:
    """Refuses demonstrations that are no skill clips, for a world model of skills.

    Raises:
        DataError: One is none.
    """
    if wm == "base":
        return
    whole = [d.name for part in data.parts for d in part.source.demos if d.cut is None]
    if whole:
        raise DataError(
            f"{len(whole)} demonstrations are no skill clips, for example {whole[0]}.",
            "Give the folder `demos` that `wambench skills build` writes, or train --wm base.",
        )


def _kind(text: str) -> Kind:
    if text not in ("skill", "base"):
        raise UsageError(
            f"--wm {text!r} is neither skill nor base.",
            "Take skill for clips under their prompts, base for whole episodes.",
        )
    return cast(Kind, text)
