"""Looks into an alignment: do videos and the actions of the same clip find each other?

One clip of every demonstration, from its first row, so that no two are of one skill of one episode.
"Shuffled" is the control: every video is given the actions of the next demonstration as its own,
and what is then found is what chance and the like lengths of clips find.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from wambench.demos.demo import DemoInfo
from wambench.errors import DataError, UsageError
from wambench.inspector import Finding, InspectRequest
from wambench_policies.diagnostics.episodes import read_episodes
from wambench_policies.diagnostics.files import write_finding
from wambench_policies.nn.checkpoint import Checkpoint
from wambench_policies.nn.random import draw_seed
from wambench_policies.world2act.align.config import AlignRun
from wambench_policies.world2act.align.contrast import (
    Retrieval,
    Scores,
    contrast_loss,
    infonce,
    scores,
)
from wambench_policies.world2act.align.model import Alignment, world_of
from wambench_policies.world2act.align.pairs import chunked, episode_of, imaginer

_SHOWN = 48
"""Clips that a matrix shows."""
_OFFSETS = (0.1, 0.2, 0.5, 1.0)
"""By how much actions are moved, root mean square, in their standard deviations."""


@dataclass(frozen=True)
class Embedded:
    """Clips in the common space, those of a skill beside each other.

    Attributes:
        names: Where they are from.
        skills: What they show.
        episodes: Which episode they are of.
        video: (M, T, D) codes of imagined latents.
        chunks: (M, T, K, A) the actions that were executed, normalised.
        spread: (M, A) their standard deviations, 0 of two-valued ones.
        actions: (M, T, D) their codes.
        mask: (M, T) which chunks are real.
    """

    names: list[str]
    skills: list[str]
    episodes: list[str]
    video: Tensor
    chunks: Tensor
    spread: Tensor
    actions: Tensor
    mask: Tensor


class AlignInspection:
    """One checkpoint and the demonstrations that it is asked about.

    Args:
        checkpoint: Of stage align.
        request: What is asked.
    """

    def __init__(self, checkpoint: Checkpoint, request: InspectRequest) -> None:
        self.checkpoint = checkpoint
        self.request = request
        self.run = checkpoint.configuration(AlignRun)
        self.world = world_of(self.run, request.inputs.get("world"), request.device)
        self.model = Alignment.load(checkpoint).to(self.world.device)

    def lacks(self, name: str) -> UsageError | None:
        """Why a diagnostic cannot be asked: all of them can."""
        return None

    @cached_property
    @torch.no_grad()
    def seen(self) -> Embedded:
        """The clips.

        Raises:
            DataError: They are of one episode.
        """
        request, run = self.request, self.run
        episodes = read_episodes(
            request.data,
            run.windows,
            run.data,
            run.training.seed,
            self.checkpoint,
            request.episodes,
            request.note,
        )
        clips = episodes.clips(run.clip())
        infos = clips.infos
        order = np.random.default_rng(request.seed).permutation(len(infos))[: request.windows]
        chosen = sorted(order.tolist(), key=lambda i: (infos[i].instruction, i))
        indices = clips.firsts[chosen].tolist()
        latents = imaginer(self.world, clips)(indices, [draw_seed(request.seed, i) for i in chosen])
        batch = clips.batch(indices, pictures=False)
        chunks, mask = chunked(batch, run.codes, self.model.action.chunk)
        named = [episode_of(infos[i]) for i in chosen]
        if len(set(named)) < 2:
            raise DataError(
                f"These {len(chosen)} clips are of one episode, {named[0]}: nothing is compared.",
                "Look at more demonstrations: --episodes all, or --windows.",
            )
        return Embedded(
            names=[infos[i].name for i in chosen],
            skills=[infos[i].instruction for i in chosen],
            episodes=named,
            video=self.model.video(latents).cpu(),
            chunks=chunks,
            spread=torch.stack([self._spread(infos[i]) for i in chosen]),
            actions=self.model.action(chunks.to(latents.device)).code.cpu(),
            mask=mask,
        )

    # ---- one method per diagnostic -----------------------------------------------------------

    def retrieval(self) -> Finding:
        """How often the right counterpart scores highest, beside chance and the control."""
        from wambench_policies.diagnostics.draw import bar_panels

        rows = []
        for among, same_skill in (("all clips", False), ("clips of its skill", True)):
            for direction in ("actions by video", "videos by actions"):
                row = self._retrieved(among, direction, same_skill)
                if row is not None:
                    rows.append(row)
        panels = {
            f"{row['direction']}, among {row['among']}": {
                name: float(row[name]) for name in ("found", "shuffled", "chance")
            }
            for row in rows
        }
        figure = bar_panels(panels, "share found first")
        line = f"{len(self.seen.names)} clips: " + "; ".join(
            f"{row['direction']} among {row['among']} {row['found']:.2f} (shuffled "
            f"{row['shuffled']:.2f}, chance {row['chance']:.2f})"
            for row in rows
        )
        return self._finding("retrieval", line, rows, figure)

    def similarity(self) -> Finding:
        """The matrix of scores."""
        from wambench_policies.diagnostics.draw import matrix

        seen = self.seen
        values = scores(seen.video, seen.actions, seen.mask, seen.mask, "chunk_wise").values[0]
        shown = np.linspace(0, len(seen.names) - 1, min(_SHOWN, len(seen.names))).round()
        some = shown.astype(int).tolist()
        own = values.diagonal().mean()
        alike = self._pairs(same_skill=True)
        others = self._pairs(same_skill=False)
        means = {"its own": float(own)}
        for name, pairs in (("its skill's", alike), ("other skills'", others)):
            if bool(pairs.any()):
                means[name] = float(values[pairs].mean())
        rows = [
            {
                "video": seen.names[i],
                "actions": seen.names[j],
                "skill": seen.skills[i],
                "other_skill": seen.skills[j],
                "score": float(values[i, j]),
            }
            for i in range(len(seen.names))
            for j in range(len(seen.names))
        ]
        figure = matrix(
            "Videos and actions",
            values[some][:, some].numpy(),
            [seen.skills[i] for i in some],
            ("actions of the same clips", "videos"),
            "mean cosine over chunks",
        )
        told = ", ".join(f"{name} {value:.2f}" for name, value in means.items())
        line = (
            f"mean score of a video with actions: {told}; aligned where the diagonal stands out, "
            "of skills alone where only blocks do"
        )
        return self._finding("similarity", line, rows, figure)

    def chunks(self) -> Finding:
        """Mean cosine of latents and actions by how many chunks lie between them."""
        from wambench_policies.diagnostics.draw import curves

        seen = self.seen
        video, actions = F.normalize(seen.video, dim=-1), F.normalize(seen.actions, dim=-1)
        eye = torch.eye(len(seen.names), dtype=torch.bool)
        sets = {
            "its own clip": eye,
            "another of its skill": self._pairs(same_skill=True),
            "another skill": self._pairs(same_skill=False),
        }
        sets = {name: pairs for name, pairs in sets.items() if bool(pairs.any())}
        length = seen.mask.shape[1]
        rows: list[dict[str, Any]] = []
        for apart in range(-(length // 2), length // 2 + 1):
            # Actions `apart` chunks after the latent.
            latents = slice(max(0, -apart), length - max(0, apart))
            later = slice(max(0, apart), length + min(0, apart))
            cosines = torch.einsum("itd,jtd->ijt", video[:, latents], actions[:, later])
            both = seen.mask[:, None, latents] & seen.mask[None, :, later]
            row: dict[str, Any] = {"chunks_later": apart}
            for name, pairs in sets.items():
                counted = both & pairs[..., None]
                row[name] = float(cosines[counted].mean()) if bool(counted.any()) else float("nan")
            rows.append(row)
        figure = curves(
            "Latents and actions some chunks away",
            [row["chunks_later"] for row in rows[:: max(1, length // 8)]],
            {name: [row[name] for row in rows[:: max(1, length // 8)]] for name in sets},
            "chunks from the latent to the actions",
            "mean cosine",
        )
        best = max(rows, key=lambda row: np.nan_to_num(row["its own clip"], nan=-1.0))
        now = next(row for row in rows if row["chunks_later"] == 0)
        line = (
            f"most alike {best['chunks_later']:+d} chunks away ({best['its own clip']:.2f}; at 0 "
            f"{now['its own clip']:.2f}); aligned in time where the peak is at 0, and its own "
            "clip's alone"
        )
        return self._finding("chunks", line, rows, figure)

    def direction(self) -> Finding:
        """Whether likeness falls where actions are moved, and its gradient points back.

        All actions of a clip are moved by the same random offset. What post-training follows is the
        gradient of one of three: likeness with the own video, and the contrast with other clips of
        the skill or with all.
        """
        from wambench_policies.diagnostics.draw import curves

        rows = [self._moved(size) for size in _OFFSETS]
        names = [name for name in rows[0] if name not in ("moved", "likeness")]
        figure = curves(
            f"Way back from moved actions, {len(self.seen.names)} clips",
            [row["moved"] for row in rows],
            {name: [row[name] for row in rows] for name in names},
            "actions moved by (standard deviations)",
            "cosine with the way back",
        )
        seen, last = self.seen, rows[-1]
        real = scores(seen.video, seen.actions, seen.mask, seen.mask, "chunk_wise").values[0]
        told = ", ".join(f"{name} {np.mean([row[name] for row in rows]):.2f}" for name in names)
        line = (
            f"likeness {real.diagonal().mean():.2f}, of actions moved by {last['moved']:g} "
            f"{last['likeness']:.2f}; cosine of gradient and way back: {told}; 1 would lead "
            "straight back, 0 leads nowhere"
        )
        return self._finding("direction", line, rows, figure)

    # ---- inside --------------------------------------------------------------------------------

    def _moved(self, size: float) -> dict[str, float]:
        """One row of `direction`: likeness, and the means over clips of three cosines."""
        seen, run = self.seen, self.run
        eye = torch.eye(len(seen.names), dtype=torch.bool)
        generator = torch.Generator().manual_seed(self.request.seed)
        way = torch.randn(seen.spread.shape, generator=generator) * (seen.spread > 0)
        way = size * way / way.square().sum(1, keepdim=True).sqrt()
        way = way * (seen.spread > 0).sum(1, keepdim=True).sqrt()
        chunks = (seen.chunks + (way * seen.spread)[:, None, None]).requires_grad_()
        codes = self.model.action(chunks.to(self.world.device)).code.cpu()
        likeness = scores(seen.video, codes, seen.mask, seen.mask, "chunk_wise").values[0]
        row = {"moved": size, "likeness": float(likeness.diagonal().mean().detach())}
        objectives = {"likeness alone": (-likeness.diagonal().sum(), eye.any(1))}
        table = scores(seen.video, codes, seen.mask, seen.mask, run.contrast)
        own = torch.arange(len(eye))
        for name, pairs in (
            ("against its skill", self._pairs(same_skill=True)),
            ("against all", self._pairs(same_skill=True) | self._pairs(same_skill=False)),
        ):
            among = table.without(~(pairs | eye))
            loss = contrast_loss(among, own, run.temperature, run.direction)
            objectives[name] = (loss, pairs.any(1))
        for name, (loss, asked) in objectives.items():
            if bool(asked.any()):
                (slope,) = torch.autograd.grad(loss, chunks, retain_graph=True)
                pull = -(slope * seen.mask[..., None, None]).sum((1, 2)) * seen.spread
                row[name] = float(F.cosine_similarity(pull, -way, dim=-1)[asked].mean())
        return row

    def _spread(self, info: DemoInfo) -> Tensor:
        """(A,) how much actions differ that a residual may change; see `ResidualConfig.limit`."""
        kinds = self.checkpoint.normalisation.embodiments[info.embodiment].action.kinds
        spread = self.model.spread.cpu()
        may = [i < len(kinds) and kinds[i] != "levels" for i in range(len(spread))]
        return spread * torch.tensor(may)

    def _pairs(self, *, same_skill: bool) -> Tensor:
        """(M, M) pairs of clips of different episodes, of one skill or of two."""
        seen = self.seen
        apart = [[a != b for b in seen.episodes] for a in seen.episodes]
        alike = [[a == b for b in seen.skills] for a in seen.skills]
        return torch.tensor(apart) & (torch.tensor(alike) == same_skill)

    def _retrieved(
        self, among: str, direction: str, same_skill: bool
    ) -> dict[str, str | float] | None:
        """One row of `retrieval`; None where there is nothing to choose from."""
        seen = self.seen
        eye = torch.eye(len(seen.names), dtype=torch.bool)
        candidates = self._pairs(same_skill=True)
        if not same_skill:
            candidates = candidates | self._pairs(same_skill=False)
        asked = candidates.any(1)
        if not bool(asked.any()):
            return None

        def found(actions: Tensor, mask: Tensor) -> Retrieval:
            table = scores(seen.video, actions, seen.mask, mask, self.run.contrast)
            table = table.without(~(candidates | eye))
            if direction == "videos by actions":
                table = table.turned()
            own = torch.arange(len(asked))
            kept = Scores(table.values[:, asked], table.allowed[:, asked])
            return infonce(kept, own[asked], self.run.temperature)

        real = found(seen.actions, seen.mask)
        next_one = self._next_episodes(same_skill)
        control = found(seen.actions[next_one], seen.mask[next_one])
        return {
            "direction": direction,
            "among": among,
            "found": float(real.accuracy),
            "shuffled": float(control.accuracy),
            "chance": float(real.chance),
        }

    def _next_episodes(self, same_skill: bool) -> list[int]:
        """For each clip one of another episode, of its skill if asked for; else itself."""
        pairs = self._pairs(same_skill=True)
        if not same_skill:
            pairs = pairs | self._pairs(same_skill=False)
        count = len(pairs)
        return [
            next((j % count for j in range(i + 1, i + count) if pairs[i, j % count]), i)
            for i in range(count)
        ]

    def _finding(self, name: str, line: str, rows: list[dict[str, Any]], figure: Any) -> Finding:
        return write_finding(self.request.out, name, line, rows, figure)
