"""Presets and switches of post-training, World2Act's stage 2.

Nothing of this stage is released. "paper" is what third-party notes and the figure of the authors'
page say of it; everything else is ours and said to be so with each field.

Presets:
    paper   the sizes of the notes;
    tiny    the same network with smaller pictures, and fewer episodes.

Importing this needs no PyTorch.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from wambench_policies.nn.config import Config, preset

Negatives = Literal["task", "any", "none"]
"""Whose actions a video is contrasted with; see `PosttrainRun`."""
Pairing = Literal["time", "place"]
"""Which imagined latent executed actions go with; see `PosttrainRun`."""


class ResidualConfig(Config):
    """The residual network.

    Attributes:
        action_adapter: Kind of the aligned adapter; follows from --align.
        chunk: Actions M of a chunk; follows from --align. That many are executed before the network
            looks again (paper: 4).
        dim: Width D of the tokens and of the common space (paper: 32).
        layers: Layers of the transformer (paper).
        heads: Its heads (paper).
        hidden: Width inside its MLPs (ours).
        proprio_hidden: Width of the proprioception's layer (paper).
        channels: Channels of the convolutions, of kernels 8, 4 and 3 and strides 4, 2 and 2 without
            padding (paper: channels and strides; the kernels follow from its 6,272 numbers of a
            picture of 256 x 256).
        image_size: Side of the picture.
        camera: Whose picture; that of the world model, or its first one (ours).
        limit: Greatest change of an action, in standard deviations that the demonstrations have in
            that dimension (ours: of actions that no demonstration has the adapter knows nothing;
            see also `PosttrainRun.stay`. Half the range in place of the deviation let it turn the
            hand as demonstrations hardly ever do, and no episode succeeded). Two-valued commands,
            such as a gripper's, are not changed (ours: a small change would be rounded away where
            it is executed, and count where the loss sees it).
    """

    action_adapter: Literal["mlp", "vae"] = "mlp"
    chunk: int = 4
    dim: int = 32
    layers: int = Field(2, ge=1)
    heads: int = Field(4, ge=1)
    hidden: int = Field(128, ge=1)
    proprio_hidden: int = Field(128, ge=1)
    channels: tuple[int, int, int] = (16, 32, 32)
    image_size: int = Field(256, ge=36)
    camera: str = ""
    limit: float = Field(0.25, gt=0)


class PosttrainRun(ResidualConfig):
    """Stage posttrain.

    Attributes:
        base: The frozen policy that is corrected.
        base_checkpoint: Its checkpoint; None for its own default.
        base_args: Its further arguments, as a JSON object.
        base_sha256: Digest of its checkpoint; empty where it has none.
        align: Folder of the alignment; empty for the shipped one.
        suite: Where it learns.
        backend: Which simulator; resolved.
        tasks: Indices of the tasks to learn on; empty for all.
        trajectories: Imagined trajectories N: starts that are drawn once, in equal numbers for all
            tasks, each with its video (paper: 1,000; its figure grows with N).
        group: Episodes that are contrasted with each other: one's own video is the positive, those
            of the others are the negatives (16 as in stage 1).
        stay: Weight in the loss of the mean squared change, in the deviations of `limit` (ours; the
            contrast alone drives every change to the limit, whatever the state, and it stays there:
            a hand that leans to one side all the way). With it a change is as great as what speaks
            for it.
        negatives: Whose the others are: other starts of one `task` (paper), episodes of `any` task
            (as in stage 1), or `none`: the loss is 1 - cosine with one's own video (ours: what a
            task's starts have in common is no error, and negatives take it away from the gradient;
            see docs/world2act_trials.md).
        pairing: Which latent a chunk of executed actions goes with: that of the same `time`, as in
            alignment (the notes), or that of the same `place`, the one most like what was seen
            before it (ours: a robot that is late is told by time to lift what it has not grasped).
            By place needs a tokenizer of single frames, which `tiny` has.
        groups: Such groups in a round; of one task each, another one (ours).
        epochs: How often a round's episodes are gone through, one step for every group (ours).
        budget: Simulator steps; the round that exceeds them is the last (ours: 20,000 optimiser
            steps, which the page's curve has, are about 3.8 million).
        still: Share of the greatest change of an imagined clip up to which it stands still. What
            stands still at the end of a clip is cut off before the next clip goes on, and has no
            actions beside it (ours: the world model holds the last frame of a skill that is shorter
            than a clip. What it holds is never quite still, and less so where more moves; see
            docs/world2act.md for how the number was found, on `tiny`).
        learning_rate: Of AdamW; constant (that of the released stage 1).
        weight_decay: Of matrices (likewise).
        clip: Greatest norm of the gradient (likewise).
        seed: Starts, noise, initial weights, which episodes a round has.
    """

    base: str = ""
    base_checkpoint: str | None = None
    base_args: str = "{}"
    base_sha256: str = ""
    align: str = ""
    suite: str = ""
    backend: str = "auto"
    tasks: tuple[int, ...] = ()
    trajectories: int = Field(1000, ge=2)
    group: int = Field(16, ge=2)
    stay: float = Field(0.0, ge=0)
    negatives: Negatives = "task"
    pairing: Pairing = "time"
    groups: int = Field(4, ge=1)
    epochs: int = Field(8, ge=1)
    budget: int = Field(4_000_000, ge=1)
    still: float = Field(0.08, ge=0, le=1)
    learning_rate: float = Field(1e-4, gt=0)
    weight_decay: float = Field(1e-2, ge=0)
    clip: float = Field(1.0, gt=0)
    seed: int = Field(0, ge=0)

    @preset
    @classmethod
    def paper(cls) -> PosttrainRun:
        """As far as the paper describes it."""
        return cls()

    @preset
    @classmethod
    def tiny(cls) -> PosttrainRun:
        """On two CPU cores; why stay, pairing, negatives: docs/world2act.md and what it links."""
        return cls(
            image_size=64,
            trajectories=160,
            group=8,
            groups=2,
            budget=100_000,
            stay=50.0,
            negatives="any",
            pairing="place",
            learning_rate=3e-4,
        )
