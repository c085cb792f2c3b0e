"""What the world model imagines for starts, in the aligned space, beside which actions are held.

A rollout is as long as its prompts ask. By time, latent k of it goes with the policy's actions 4 k
to 4 k + 3, as in alignment; by place, every four actions go with the latent that is most like what
was seen before them (`along`). The world model holds the last frame of a skill that is shorter than
a clip, while a robot goes on at once: what stands still at the end of a clip is cut off, so that
the next skill begins when the one before is done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wambench.errors import UsageError
from wambench_policies.nn.checkpoint import write_atomically
from wambench_policies.nn.random import draw_seed
from wambench_policies.world2act.align.adapters import VideoAdapter
from wambench_policies.world2act.world import VideoWorld

FILE = Path("training") / "imagined.safetensors"
FASTEST = 2
"""Latents that may pass between two of those that executed actions go with: how much faster than
what is imagined a robot may be."""


@dataclass(frozen=True)
class Start:
    """Where an episode begins.

    Attributes:
        key: Of its episode.
        seed: Likewise.
        instruction: What is to be done.
        views: (V, H, W, 3) uint8 of the world model's cameras.
    """

    key: str
    seed: int
    instruction: str
    views: NDArray[np.uint8]


@dataclass(frozen=True)
class Video:
    """What is kept of what was imagined for a start: not its latents, of which Cosmos' are 10 MB.

    Attributes:
        codes: (L, D) of the chunks that it goes with; none where nothing in it moves.
        places: (C, L, h, w) latents before these chunks, where places are looked for; else empty.
    """

    codes: Tensor
    places: Tensor


@dataclass
class Imagination:
    """Imagined videos; each start is imagined once.

    Attributes:
        world: What imagines.
        adapter: Its latents into the aligned space.
        still: See `PosttrainRun.still`.
        by_place: Whether executed actions go with the latents most like what was seen.
        seed: Of the noise.
        videos: By the key of an episode.
    """

    world: VideoWorld
    adapter: VideoAdapter
    still: float
    by_place: bool
    seed: int
    videos: dict[str, Video] = field(default_factory=dict)

    def length(self, instruction: str) -> int:
        """Most chunks of actions that a video of an instruction goes with."""
        clips = len(self.world.prompts(instruction))
        return clips * (self.world.config.latent_frames - 1) + 2 - self.adapter.moments

    def add(self, starts: Sequence[Start]) -> list[str]:
        """Imagines those that have not been; their keys."""
        by_count: dict[int, list[Start]] = {}
        for start in starts:
            if start.key not in self.videos:
                count = len(self.world.prompts(start.instruction))
                by_count.setdefault(count, []).append(start)
        for alike in by_count.values():
            rollout = self.world.rollout(
                self.world.prepared(np.stack([start.views for start in alike])),
                [self.world.prompts(start.instruction) for start in alike],
                [draw_seed(self.seed, start.seed) for start in alike],
            )
            for start, clips in zip(alike, rollout.latents, strict=True):
                latents = moving(clips, self.still, held=self.world.config.wm == "skill")
                self.videos[start.key] = self._kept(latents)
        return [start.key for alike in by_count.values() for start in alike]

    @torch.no_grad()
    def _kept(self, latents: Tensor) -> Video:
        """Of the (C, L, h, w) latents of a video that move."""
        count = max(0, latents.shape[1] - self.adapter.moments + 1)
        codes = self.adapter(latents[None])[0].cpu() if count else torch.zeros(0, self.adapter.dim)
        return Video(codes, latents[:, : count if self.by_place else 0].cpu().contiguous())

    def codes(self, key: str, seen: Sequence[NDArray[np.uint8]]) -> Tensor:
        """The video beside chunks of actions, in the aligned space.

        Args:
            key: Of its episode.
            seen: (V, H, W, 3) pictures before each of N chunks, which by place go with the latents
                most like them.

        Returns:
            (L, D) with latent k for chunk k, or (N, D) by place; none where nothing in the video
            moves.
        """
        video = self.videos[key]
        if not self.by_place or not len(video.codes) or not len(seen):
            return video.codes
        frames = self.world.encode(self.world.prepared(np.stack(seen)[:, None]))[:, :, 0]
        return video.codes[along(frames.cpu(), video.places)]

    def save(self, out: Path) -> None:
        """Writes all of them into a training's folder.

        Raises:
            UsageError: It cannot be written.
        """
        from safetensors.torch import save_file

        tensors = {
            f"{part}/{key}": value
            for key, video in self.videos.items()
            for part, value in (("codes", video.codes), ("places", video.places))
        }
        write_atomically(out / FILE, lambda path: save_file(tensors, path))

    def load(self, out: Path) -> None:
        """Reads them again; what is not there will be imagined again, and be the same."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        if not (out / FILE).exists():
            return
        try:
            tensors = load_file(out / FILE)
        except SafetensorError as error:
            raise UsageError(
                f"{out / FILE} cannot be read: {error}.",
                "Delete it: what it held is imagined again.",
            ) from error
        keys = [name.removeprefix("codes/") for name in tensors if name.startswith("codes/")]
        self.videos = {
            key: Video(tensors[f"codes/{key}"], tensors[f"places/{key}"]) for key in keys
        }


def along(seen: Tensor, imagined: Tensor) -> list[int]:
    """Where in a video each of several pictures is: dynamic time warping, open at its end.

    The first picture is where the video begins. Each further one is where the one before it was,
    or later by up to `FASTEST` latents: a robot that is late, or gets nowhere, stays at what it has
    not done. Of all such ways, the one of the least squared distance.

    Args:
        seen: (N, C, h, w) latents of pictures; N at least 1.
        imagined: (C, L, h, w) of the video; L at least 1.

    Returns:
        N indices into L.
    """
    found = torch.cdist(seen.flatten(1).double(), imagined.movedim(1, 0).flatten(1).double())
    distance = found.square().cpu().numpy()
    count, length = distance.shape
    total = np.full(length, np.inf)
    total[0] = distance[0, 0]
    steps = np.zeros((count, length), dtype=int)
    for n in range(1, count):
        before = np.full((FASTEST + 1, length), np.inf)
        for step in range(min(FASTEST + 1, length)):
            before[step, step:] = total[: length - step]
        steps[n] = before.argmin(axis=0)
        total = before.min(axis=0) + distance[n]
    place = int(total.argmin())
    places = [place]
    for n in range(count - 1, 0, -1):
        place -= int(steps[n, place])
        places.append(place)
    return places[::-1]


def moving(clips: Tensor, still: float, *, held: bool) -> Tensor:
    """The latents of a rollout that have actions beside them.

    The last latent of a clip is the first of the next one, and counts there; that of the last
    clip goes with actions only if the video moves until its end.

    Args:
        clips: (K, C, T, h, w).
        still: See `moving_lengths`.
        held: Likewise.

    Returns:
        (C, L, h, w), L between 0 and K (T - 1) + 1.
    """
    parts = []
    for number, (clip, length) in enumerate(
        zip(clips, moving_lengths(clips, still, held=held), strict=True)
    ):
        whole = number == len(clips) - 1 and length == clip.shape[1]
        parts.append(clip[:, : length if whole else length - 1])
    return torch.cat(parts, dim=1)


def moving_lengths(clips: Tensor, still: float, *, held: bool) -> list[int]:
    """Latents of each clip of a rollout until it has come to where it stays.

    Args:
        clips: (K, C, T, h, w).
        still: Share of the greatest mean squared change of a clip, from one latent to the next, up
            to which nothing moves. The first change is left out: it leads from what was recorded to
            what is imagined, which is less sharp.
        held: Whether every clip may end in a held frame, or the last one alone.

    Returns:
        K numbers between 1 and T.
    """
    lengths = []
    for number, clip in enumerate(clips):
        length = clip.shape[1]
        if held or number == len(clips) - 1:
            changes = (clip[:, 1:] - clip[:, :-1]).square().mean((0, 2, 3))
            first = min(1, length - 2)
            moves = changes[first:] > still * changes[first:].max()
            length = int(moves.nonzero().max()) + first + 2 if bool(moves.any()) else 1
        lengths.append(length)
    return lengths
