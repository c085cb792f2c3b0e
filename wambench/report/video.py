"""H.264 videos of episodes, rendered after the episode has ended.

Whether an episode is worth a video is known only at its end. So the worker keeps the simulator's
state of every control step, a few hundred numbers each, and renders them afterwards: filming costs
nothing for episodes that are not kept and cannot influence those that are.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from wambench.protocol import Episode

if TYPE_CHECKING:
    from wambench.env import BenchmarkEnv

VideoMode = Literal["none", "failures", "all"]

_FRAMES_PER_S = 10
_BANNER = 48
_HOLD_FRAMES = 8
"""Frames that the last picture stays, so that the outcome can be read."""


@dataclass(frozen=True, slots=True)
class VideoRequest:
    """Which episodes are filmed and how.

    Attributes:
        mode: `none`, `failures` or `all`.
        folder: Where the files go.
        camera: The suite's name of the camera.
        size: Side of the square picture in pixels, even.
    """

    mode: VideoMode
    folder: str
    camera: str
    size: int = 256

    def wants(self, success: bool) -> bool:
        """Whether an episode with that outcome is filmed."""
        return self.mode == "all" or (self.mode == "failures" and not success)


def episode_name(episode: Episode) -> str:
    """What an episode's files in a run directory are called; the same for every attempt."""
    return f"{episode.suite}-task{episode.task:02d}-trial{episode.trial:03d}"


def video_name(episode: Episode) -> str:
    """File name of an episode's video."""
    return f"{episode_name(episode)}.mp4"


def write_episode_video(
    request: VideoRequest,
    env: BenchmarkEnv,
    episode: Episode,
    snapshots: Sequence[NDArray[np.float64]],
    success: bool,
) -> str:
    """Renders the snapshots of an episode and writes them as mp4.

    Args:
        request: Camera, size and folder.
        env: The environment the episode ran in; shows its last state when this returns.
        episode: The episode.
        snapshots: One per control step, the initial state first.
        success: How it ended.

    Returns:
        The file's name within the folder.
    """
    hz = env.suite_spec.control_hz
    stride = max(round(hz / _FRAMES_PER_S), 1)
    chosen = sorted({*range(0, len(snapshots), stride), len(snapshots) - 1})
    frames = []
    for index in chosen:
        env.restore(snapshots[index])
        picture = env.render_camera(request.camera, request.size, request.size)
        last = index == chosen[-1]
        outcome = ("SUCCESS" if success else "FAILURE") if last else ""
        frames.append(_with_banner(picture, episode, index, outcome))
    frames += [frames[-1]] * _HOLD_FRAMES
    name = video_name(episode)
    write_mp4(Path(request.folder) / name, frames, Fraction(hz).limit_denominator(1000) / stride)
    return name


def _with_banner(
    picture: NDArray[np.uint8], episode: Episode, step: int, outcome: str
) -> NDArray[np.uint8]:
    """The picture with instruction, step and outcome written above it."""
    from PIL import Image, ImageDraw, ImageFont

    height, width = picture.shape[:2]
    canvas = Image.new("RGB", (width, height + _BANNER), (24, 24, 28))
    canvas.paste(Image.fromarray(picture), (0, _BANNER))
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(size=11)
    lines = textwrap.wrap(episode.instruction, max(width // 6, 10))[:2]
    draw.multiline_text((5, 3), "\n".join(lines), font=font, fill=(240, 240, 240), spacing=2)
    status = f"{episode.suite} {episode.backend}  trial {episode.trial}  step {step}"
    draw.text((5, _BANNER - 15), status, font=font, fill=(150, 160, 170))
    if outcome:
        colour = (60, 170, 90) if outcome == "SUCCESS" else (205, 70, 60)
        left = draw.textlength(outcome, font=font)
        box = (width - left - 12, _BANNER + 4, width - 4, _BANNER + 20)
        draw.rounded_rectangle(box, 3, fill=colour)
        draw.text((width - left - 8, _BANNER + 5), outcome, font=font, fill=(255, 255, 255))
    return np.asarray(canvas)


def write_mp4(path: Path, frames: Sequence[NDArray[np.uint8]], rate: Fraction) -> None:
    """Writes (H, W, 3) uint8 frames as H.264 in yuv420p, which browsers play.

    A file appears under its name only when it is whole.
    """
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    try:
        with av.open(str(partial), "w", format="mp4") as container:
            stream = container.add_stream("libx264", rate=rate)
            height, width = frames[0].shape[:2]
            stream.width, stream.height = width, height
            stream.pix_fmt = "yuv420p"
            stream.options = {"crf": "23", "preset": "veryfast", "threads": "1"}
            for frame in frames:
                for packet in stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")):
                    container.mux(packet)
            for packet in stream.encode():
                container.mux(packet)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
