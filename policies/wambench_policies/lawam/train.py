"""Trains LaWAM: `wambench train lawam --stage encoder|lawm|policy ...`.

    wambench train lawam --stage encoder --preset tiny --data D --out ckpt/encoder
    wambench train lawam --stage lawm --preset tiny --encoder ckpt/encoder --data D --out ckpt/lawm
    wambench train lawam --stage policy --preset tiny --lawm ckpt/lawm --data D --out ckpt/lawam

Importing this needs no PyTorch.

Non-obvious behaviours
    - Stage 2 takes the sizes of stage 1, and its visual encoder, from the checkpoint given by
      --lawm; `--set lawm.KEY=VALUE` on top of that is an error where it changes the structure.
    - Without --encoder, stage 1 takes the tiny encoder that is shipped with the package.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from wambench.errors import UsageError
from wambench.trainer import Stage, TrainInput, TrainRequest, TrainResult
from wambench_policies.lawam.runs import LaWAMRun, LaWMRun
from wambench_policies.training.encoders import ENCODER_INPUT, encoder_source, load_encoder

if TYPE_CHECKING:
    from wambench_policies.data.windows import TrainingData

METHOD = "lawam"
SHIPPED = Path(__file__).parent / "checkpoints"
"""Checkpoints in the package: `encoder` (stage encoder) and `policy` (stage policy)."""


class LaWAMTrainer:
    """The three stages of LaWAM."""

    stages = (
        Stage(
            "encoder",
            "the small visual encoder of the tiny preset, pretrained on frames",
            ("tiny",),
        ),
        Stage(
            "lawm",
            "latent actions and the latent world model (stage 1)",
            tuple(LaWMRun.preset_names()),
            (ENCODER_INPUT,),
        ),
        Stage(
            "policy",
            "the policy (stage 2)",
            tuple(LaWAMRun.preset_names()),
            (TrainInput("lawm", "checkpoint of stage lawm"),),
        ),
    )

    def train(self, request: TrainRequest) -> TrainResult:
        """Trains a stage; see `wambench.trainer.Trainer`."""
        stages = {"encoder": self._encoder, "lawm": self._lawm, "policy": self._policy}
        return stages[request.stage](request)

    def _encoder(self, request: TrainRequest) -> TrainResult:
        from wambench_policies.lawam.encoder_run import EncoderRun
        from wambench_policies.nn.encoders.pretraining import TinyEncoderPretraining, count_codes
        from wambench_policies.training.run import resolve, run_training

        config = resolve(EncoderRun, request)

        def build(data: TrainingData) -> Any:
            _require_width(data, config.state_dim)
            cameras = len(config.cameras)
            labels = [array for part in data.parts for array in part.frames[cameras:]]
            objective = TinyEncoderPretraining(config, count_codes(labels))
            return objective, objective.network

        return run_training(
            request,
            method=METHOD,
            about="A small convolutional visual encoder that stands in for DINOv3 on a CPU. It was "
            "pretrained on frames of demonstrations with the renderer as teacher: from its tokens "
            "a light decoder had to tell class, distance and colour of every second pixel, and a "
            "head the robot's proprioception. It sees pictures alone.",
            config=config,
            windows=config.windows(config.data),
            build=build,
        )

    def _lawm(self, request: TrainRequest) -> TrainResult:
        from wambench_policies.lawam.lawm import LaWMObjective
        from wambench_policies.training.run import resolve, run_training

        config = resolve(LaWMRun, request)
        source = encoder_source(config.encoder, request.inputs.get("encoder"))

        def build(data: TrainingData) -> Any:
            objective = LaWMObjective(config)
            load_encoder(objective.model.encoder, config.encoder, source)
            return objective, objective.model

        return run_training(
            request,
            method=METHOD,
            about="LaWAM's stage 1: latent actions and the latent world model.",
            config=config,
            windows=config.windows(config.data),
            build=build,
        )

    def _policy(self, request: TrainRequest) -> TrainResult:
        from wambench_policies.lawam.model import LaWAMObjective
        from wambench_policies.nn.checkpoint import Checkpoint
        from wambench_policies.training.run import resolve, run_training

        stage_one: Checkpoint | None = None
        changes: dict[str, Any] = {}
        if "lawm" in request.inputs:
            stage_one = Checkpoint.open(request.inputs["lawm"], method=METHOD, stage="lawm")
            changes["lawm"] = stage_one.configuration(LaWMRun).model_part()
        config = resolve(LaWAMRun, request, **changes)
        if stage_one is None and config.needs_lawm:
            raise UsageError(
                "Stage policy needs --lawm, a checkpoint of stage lawm, to distil from and to "
                "begin with.",
                "Add --lawm, or leave stage 1 out by --set distill=false --set pretrain=false.",
            )
        source = None
        if stage_one is None:
            source = encoder_source(config.lawm.encoder, None)

        def build(data: TrainingData) -> Any:
            objective = LaWAMObjective(config)
            if stage_one is None:
                load_encoder(objective.model.encoder, config.lawm.encoder, source)
            else:
                objective.load_lawm(stage_one.configuration(LaWMRun), stage_one.tensors())
            objective.model.load_external(trained=False)
            return objective, objective.model

        return run_training(
            request,
            method=METHOD,
            about="LaWAM: a policy that imagines a visual subgoal in latent space and acts "
            "towards it.",
            config=config,
            windows=config.windows(config.data),
            build=build,
        )


def _require_width(data: TrainingData, state_dim: int) -> None:
    """Refuses data whose proprioception has another width than a model predicts."""
    for name, embodiment in data.normalisation.embodiments.items():
        found = len(embodiment.state.mean)
        if state_dim != found:
            raise UsageError(
                f"state_dim is {state_dim}, and the data of {name} has {found}.",
                f"Add --set state_dim={found}.",
            )
