"""What alignment is trained on: latents of imagined clips, and the actions that go with them.

A batch is a dict of tensors; B clips of L latents, T chunks of M actions of width A (L is T, or
T + 1 where `moments` is 2), N explicit negatives:

    latents          (B, C, L, h, w) float16   as the frozen world model gives them
    actions          (B, T, M, A) float32      chunk k follows latent k; normalised
    mask             (B, T) bool               False where not all of a chunk's actions are real
    action_mask      (B, A) bool               which dimensions the robot has
    demonstration    (B,) int64                equal where clips are of one episode
    hard             (B,) float32              share of a clip's negatives that are hard
    negatives        (B, N, T, M, A) float32   actions of other demonstrations
    negative_mask    (B, N, T) bool            as `mask`

Non-obvious behaviours
    - Latents are imagined once, and kept in wambench's cache folder under `training/latents`, by
      world model, clips and seed: ablations of alignment share them.
    - Batches follow from (seed, step) alone.
    - The last action of a demonstration leads to no row of it, so the chunk that holds it is
      masked, as are those of held frames.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wambench.cache import cache_dir
from wambench.demos.demo import DemoInfo
from wambench.errors import DataError
from wambench_policies.data.cache import Note, cached_array
from wambench_policies.data.clips import Clips
from wambench_policies.data.windows import Batch, Sampler
from wambench_policies.nn.normalise import Normalisation
from wambench_policies.nn.random import draw_seed

if TYPE_CHECKING:
    from wambench_policies.world2act.align.config import AlignRun
    from wambench_policies.world2act.world import VideoWorld


AT_ONCE = 4
"""Whole clips whose pictures are in memory together."""


def action_width(normalisation: Normalisation) -> int:
    """Width A of the actions in batches."""
    return max(len(one.action.names) for one in normalisation.embodiments.values())


def episode_of(info: DemoInfo) -> str:
    """Which episode a clip is of: skills that were cut from one have the same."""
    place = info.name if info.cut is None else info.cut.demo
    return f"{info.suite}/{info.task}/{place}"


def chunked(batch: Batch, count: int, chunk: int) -> tuple[Tensor, Tensor]:
    """The actions of a batch of clips as chunks, and which of them are real.

    Args:
        batch: See `wambench_policies.data.clips`.
        count: Chunks T that go with a video.
        chunk: Actions M of one.

    Returns:
        (B, T, M, A) and (B, T).

    Raises:
        DataError: They are not as many; nothing is cut to fit.
    """
    actions, real = batch["actions"].flatten(1, 2), batch["step_mask"].flatten(1)
    if actions.shape[1] != count * chunk:
        raise DataError(
            f"A video goes with {count} chunks of {chunk} actions, and clips have "
            f"{actions.shape[1]} actions.",
            "Alignment and its world model must have clips of the same length.",
        )
    return actions.unflatten(1, (count, chunk)), real.unflatten(1, (count, chunk)).all(-1)


class Pairs:
    """The clips of one split with their latents; has the members of `Windows` that a loop uses.

    Args:
        clips: The clips, as `AlignRun.clip` says.
        config: Negatives, and which clips.
        imagine: Latents (n, C, T, h, w) of n clips by their indices and seeds.
        shape: (C, T, h, w).
        identity: What decides the latents beside that, as plain JSON types.
        note: Told what takes time.

    Attributes:
        chosen: (P,) index into `clips` of each; once for every draw.

    Raises:
        DataError: No demonstration has a whole chunk, or there are no others to compare with.
    """

    def __init__(
        self,
        clips: Clips,
        config: AlignRun,
        imagine: Callable[[Sequence[int], Sequence[int]], Tensor],
        shape: tuple[int, ...],
        identity: Any,
        note: Note = lambda _: None,
    ) -> None:
        self._clips = clips
        self._config = config
        self._length, self._chunk = config.codes, config.world_model.tokenizer.stride
        # A clip's first chunk must be real.
        rows = np.minimum(clips.counts, clips.lengths - self._chunk)
        taken = [np.repeat(_spread(int(n), config.starts), config.draws) for n in rows]
        self.chosen = np.concatenate(
            [first + t for first, t in zip(clips.firsts, taken, strict=True)]
        )
        of = np.repeat(np.arange(len(taken)), [len(t) for t in taken])
        infos = [clips.infos[i] for i in of]
        if not infos:
            raise DataError(
                f"No demonstration has the {self._chunk + 1} rows that a chunk of actions needs.",
                "Collect longer ones.",
            )
        self.skills, self._skill = _numbered([info.instruction for info in infos])
        episodes, self._episode = _numbered([episode_of(info) for info in infos])
        if config.negatives == "explicit" and len(episodes) < 2:
            raise DataError(
                f"All {len(infos)} clips of a split are of {episodes[0]}, so there are no "
                "negatives.",
                "Give more demonstrations, or hold out more of them: data.validation.",
            )
        starts = np.cumsum([0, *(len(t) for t in taken)])
        seeds = [draw_seed(config.seed, index) for index in range(len(infos))]

        def read(demo: int) -> NDArray[Any]:
            some = range(starts[demo], starts[demo + 1])
            if not some:
                return np.zeros((0, *shape), np.float16)
            latents = imagine([int(self.chosen[i]) for i in some], [seeds[i] for i in some])
            return latents.half().cpu().numpy()

        facts = [identity, [[list(i.identity), episode_of(i)] for i in clips.infos], seeds]
        facts.append([[int(t) for t in each] for each in taken])
        key = hashlib.sha256(json.dumps(facts, default=list).encode()).hexdigest()[:32]
        path = cache_dir() / "training" / "latents" / f"{key}.npy"
        self._latents = cached_array(
            path, starts, shape, np.dtype(np.float16), read, "imagined clips", note
        )

    def __len__(self) -> int:
        return len(self.chosen)

    def spread(self) -> Tensor:
        """(A,) standard deviations of the real actions."""
        found = self._actions(np.arange(len(self)))
        return found["actions"][found["mask"]].flatten(0, 1).std(0)

    def sampler(self, seed: int) -> GroupSampler:
        """Batches of clips; with negatives from the batch, in groups of one skill."""
        share = self._config.hard_ratio if self._config.negatives == "batch" else 0.0
        return GroupSampler(self._skill, self._episode, share, seed)

    def describe(self, indices: Sequence[int] | NDArray[np.int64]) -> list[str]:
        """Where clips are from, for people."""
        return self._clips.describe(self.chosen[np.asarray(indices)])

    def batch(self, indices: Sequence[int] | NDArray[np.int64], step: int | None = None) -> Batch:
        """The clips of the given indices; see the module docstring.

        Args:
            indices: Which clips.
            step: Optimiser step that it is for; explicit negatives change with it.
        """
        indices = np.asarray(indices)
        batch = self._actions(indices)
        batch["latents"] = torch.from_numpy(np.array(self._latents[indices]))
        batch["demonstration"] = torch.from_numpy(self._episode[indices])
        skills, episodes = self._skill[indices], self._episode[indices]
        if self._config.negatives == "batch":
            other = episodes[:, None] != episodes
            hard = other & (skills[:, None] == skills)
        else:
            drawn = np.stack([self._negatives(int(index), step) for index in indices])
            found = self._actions(drawn.reshape(-1))
            batch["negatives"] = found["actions"].unflatten(0, drawn.shape)
            batch["negative_mask"] = found["mask"].unflatten(0, drawn.shape)
            other = np.ones_like(drawn, bool)
            hard = self._skill[drawn] == skills[:, None]
        share = hard.sum(1) / np.maximum(other.sum(1), 1)
        batch["hard"] = torch.from_numpy(share.astype(np.float32))
        return batch

    def _actions(self, indices: NDArray[np.int64]) -> Batch:
        clips = self._clips.batch(self.chosen[indices], pictures=False)
        actions, mask = chunked(clips, self._length, self._chunk)
        return {"actions": actions, "mask": mask, "action_mask": clips["action_mask"]}

    def _negatives(self, index: int, step: int | None) -> NDArray[np.int64]:
        """(N,) clips of other demonstrations, the hard ones first."""
        count = self._config.negative_count
        rng = np.random.default_rng([self._config.seed, index, 0 if step is None else step + 1])
        other = self._episode != self._episode[index]
        alike = self._skill == self._skill[index]
        hard, easy = np.flatnonzero(other & alike), np.flatnonzero(other & ~alike)
        wanted = round(self._config.hard_ratio * count)
        first = rng.permutation(hard)[:wanted]
        rest = easy if len(easy) else hard
        return np.concatenate([first, rng.choice(rest, count - len(first))])


class GroupSampler(Sampler):
    """Batches in groups of clips of one skill, each of another demonstration.

    Leaders of groups come in the shuffled order of `Sampler`. Where a skill has too few
    demonstrations, or a batch no room for whole groups, further leaders fill up.

    Args:
        skill: (P,) which skill each clip shows.
        episode: (P,) which episode it is of.
        share: Share of a batch that has one skill; at most one clip for groups of one.
        seed: Seed of the order.
    """

    def __init__(
        self, skill: NDArray[np.int64], episode: NDArray[np.int64], share: float, seed: int
    ) -> None:
        super().__init__(len(skill), seed)
        self._skill = skill
        self._episode = episode
        self._share = share
        self._by_skill: dict[int, NDArray[np.int64]] = {
            int(s): np.flatnonzero(skill == s) for s in np.unique(skill)
        }

    def indices(self, step: int, size: int) -> NDArray[np.int64]:
        """(size,) clips of a batch."""
        group = round(self._share * size)
        leaders = super().indices(step, size)
        if group < 2:
            return leaders
        rng = np.random.default_rng([self.seed, step])
        found: list[int] = []
        for leader in leaders:
            found += self._group(int(leader), group, rng)
            if len(found) >= size:
                break
        return np.array(found[:size])

    def _group(self, leader: int, size: int, rng: np.random.Generator) -> list[int]:
        members = {int(self._episode[leader]): leader}
        for index in rng.permutation(self._by_skill[int(self._skill[leader])]):
            if len(members) == size:
                break
            members.setdefault(int(self._episode[index]), int(index))
        return list(members.values())


def imaginer(world: VideoWorld, clips: Clips) -> Callable[[Sequence[int], Sequence[int]], Tensor]:
    """How latents of clips are made by a world model; see `VideoWorld.latents`.

    Of a clip that is sampled nothing but the first frame is read.
    """
    sampled = world.config.latents == "sampled"
    frames = 1 if sampled else world.config.span // world.config.tokenizer.every + 1

    def imagine(indices: Sequence[int], seeds: Sequence[int]) -> Tensor:
        parts = []
        size = len(indices) if sampled else AT_ONCE
        for begin in range(0, len(indices), size):
            some = slice(begin, begin + size)
            batch = clips.batch(list(indices[some]), chunks=1 if sampled else None)
            shown = batch["images"][:, :frames]
            parts.append(world.latents(shown, batch["instruction"], list(seeds[some])))
        return torch.cat(parts)

    return imagine


def _spread(count: int, most: int) -> NDArray[np.int64]:
    """At most `most` of `count` rows, evenly spread from the first on."""
    count = max(count, 0)
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


def _numbered(names: Sequence[str]) -> tuple[list[str], NDArray[np.int64]]:
    """The different names in order, and the number of each."""
    numbers: dict[str, int] = defaultdict(lambda: len(numbers))
    found = np.array([numbers[name] for name in names], np.int64)
    return list(numbers), found
