"""What a training reads, how windows and augmented views look. Importing this needs no PyTorch."""

from __future__ import annotations

import math
from collections.abc import Container, Sequence
from typing import Literal

from pydantic import Field, field_validator, model_validator

from wambench.demos.demo import DemoInfo
from wambench.errors import UsageError
from wambench_policies.nn.config import Config

_SLACK = 1e-6
"""Steps by which a product of seconds and Hz may miss an integer through rounding of floats."""


class SelectionConfig(Config):
    """Which demonstrations, at which frequencies; apart from what a model decides.

    Attributes:
        control_hz: Frequencies at which the demonstrations are read; empty for the recorded one.
        resample_clip: Whether accumulated actions are clipped to the action space's bounds; see
            `wambench_policies.data.resample`.
        quantile: Fraction of action values left out at either end when their range is measured.
        success_only: Leave out demonstrations that are known to have failed.
        tasks: Tasks to read, as `3` or `libero_goal/3`; empty for all.
        holdout_tasks: Tasks that are not trained on and are in no split; written likewise.
        train_init: Fixed initial states to train on, as `0-39`; demonstrations from other fixed
            initial states are in no split, and those from sampled starts are all trained on. None
            for all.
        validation: Fraction of episodes held out for validation; at least one, unless it is 0.
        every: Rows from one window of a demonstration to the next, of recorded ones; 1 for all.
            Imagined demonstrations have a picture of their own in every fourth row alone.
        hide: Dimensions of proprioception that are 0 whatever they are, by name or as `base_*`. A
            policy that is told where in the world it stands learns by heart which kitchen it is in.
    """

    control_hz: tuple[float, ...] = ()
    resample_clip: Literal["bounds", "none"] = "bounds"
    quantile: float = Field(0.0, ge=0, lt=0.5)
    success_only: bool = True
    tasks: tuple[str, ...] = ()
    holdout_tasks: tuple[str, ...] = ()
    train_init: str | None = None
    validation: float = Field(0.05, ge=0, lt=1)
    every: int = Field(1, ge=1)
    hide: tuple[str, ...] = ()

    @field_validator("control_hz")
    @classmethod
    def _ascending(cls, frequencies: tuple[float, ...]) -> tuple[float, ...]:
        if any(hz <= 0 for hz in frequencies):
            raise ValueError("frequencies are positive")
        return tuple(sorted(set(frequencies)))

    @field_validator("train_init")
    @classmethod
    def _readable(cls, text: str | None) -> str | None:
        if text is not None:
            parse_ranges(text)
        return text


class ClipConfig(Config):
    """Clips in place of windows: frames a chunk of actions apart; see `data.clips`.

    Attributes:
        chunks: Chunks of a clip, which has one frame more.
        chunk_steps: Control steps of a chunk.
        single_until: Optimiser step before which clips are cut to one chunk.
        hold: Most rows by which a clip goes beyond the end of its demonstration, whose last frame
            is held. A demonstration that is shorter than that allows gives one clip, from its
            first row, which holds for as long as it takes. 0: clips lie within demonstrations.
        whole: Skill clips of one episode are put together again and have its instruction.
        tiled: Frames show all cameras, tiled as in the videos of World2Act, in place of the first.
    """

    chunks: int = Field(4, ge=1)
    chunk_steps: int = Field(5, ge=1)
    single_until: int = Field(0, ge=0)
    hold: int = Field(0, ge=0)
    whole: bool = False
    tiled: bool = False

    @property
    def span(self) -> int:
        """Control steps between the first frame of a clip and its last."""
        return self.chunks * self.chunk_steps

    @model_validator(mode="after")
    def _begins_within(self) -> ClipConfig:
        if self.hold >= self.span:
            raise ValueError(f"a clip of {self.span} control steps cannot hold {self.hold} of them")
        return self


class DataConfig(SelectionConfig):
    """The same, and what windows look like.

    Attributes:
        cameras: In the order of the batch; the first is the primary one. `head|exterior` is the
            first of these that a dataset has.
        image_size: (height, width) of the batch's images.
        horizon_s: Seconds tau from an observation to the later one, the physical horizon.
        rounding: How tau times the control frequency becomes steps: `round` (paper Eq. 6) or
            `floor` (released code).
        chunk: Actions K that a batch has room for; None for the horizon's steps at the highest
            frequency that is read.
        executed: Actions are those that were executed, noise included, in place of the labels: a
            model of the world asks what was done, a policy what would have been right.
        prologues: Rows that nobody is to imitate are read as well, for models of the world that are
            told the actions, and not what the robot was asked to do.
        clip: Clips in place of windows.
    """

    cameras: tuple[str, ...] = Field(("agentview", "robot0_eye_in_hand"), min_length=1)
    image_size: tuple[int, int] = (64, 64)
    horizon_s: float = Field(0.4, gt=0)
    rounding: Literal["round", "floor"] = "round"
    chunk: int | None = Field(None, ge=1)
    executed: bool = False
    prologues: bool = False
    clip: ClipConfig | None = None

    def begin(self, demo: DemoInfo) -> int:
        """First row of a demonstration that is read."""
        return 0 if self.prologues else demo.prologue

    @field_validator("image_size")
    @classmethod
    def _positive(cls, size: tuple[int, int]) -> tuple[int, int]:
        if min(size) < 1:
            raise ValueError("a picture has at least one pixel")
        return size


class AugmentConfig(Config):
    """What is changed, and how much.

    Attributes:
        crop_scale: Least and greatest area of a crop, as fractions of the image; (1, 1) for none.
        crop_ratio: Least and greatest width over height of a crop.
        brightness: Greatest relative change of brightness; 0 for none.
        contrast: Likewise of contrast.
        saturation: Likewise of saturation.
        hue: Greatest turn of the hue, in turns.
        shift: Greatest shift in pixels, borders repeated; 0 for none.
        draw: Once per `batch` (released code) or once per `sample`.
    """

    crop_scale: tuple[float, float] = (0.8, 1.0)
    crop_ratio: tuple[float, float] = (1.0, 1.3)
    brightness: float = Field(0.2, ge=0, le=1)
    contrast: float = Field(0.2, ge=0, le=1)
    saturation: float = Field(0.2, ge=0, le=1)
    hue: float = Field(0.04, ge=0, le=0.5)
    shift: int = Field(0, ge=0)
    draw: Literal["batch", "sample"] = "batch"


def camera_of(choice: str, available: Container[str]) -> str | None:
    """The first camera of `head|exterior` that is there, if any is."""
    return next((camera for camera in choice.split("|") if camera in available), None)


def horizon_steps(horizon_s: float, control_hz: float, rounding: str = "round") -> int:
    """Control steps h_b of a physical horizon (paper Eq. 6; `floor` in the released code).

    Halves are rounded up.
    """
    steps = horizon_s * control_hz
    return math.floor(steps + _SLACK + (0.5 if rounding == "round" else 0.0))


def parse_ranges(text: str) -> frozenset[int]:
    """`"0-3,7"` as {0, 1, 2, 3, 7}.

    Raises:
        ValueError: It is written otherwise.
    """
    numbers: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdigit() or (dash and not last.isdigit()):
            raise ValueError(f"{text!r} is not a list of numbers such as 0-39,45")
        numbers.update(range(int(first), int(last if dash else first) + 1))
    return frozenset(numbers)


def task_matches(task: int, suite: str, wanted: Sequence[str]) -> bool:
    """Whether a task is among those written as `3` or `libero_goal/3`.

    Raises:
        UsageError: One is written otherwise.
    """
    for text in wanted:
        named, slash, index = text.rpartition("/")
        if not index.isdigit():
            raise UsageError(
                f"{text!r} is no task.", "Write its index, or suite/index such as libero_goal/3."
            )
        if int(index) == task and (not slash or named == suite):
            return True
    return False
