"""Where a subgoal differs from the present frame: cosine similarity per token (appendix B).

Tokens of a frame have much in common with those of every other frame at the same place. So the mean
over other episodes' frames is subtracted from both sides first; without that, all maps are alike
and any agreement between them means nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from wambench_policies.diagnostics.features import other_samples
from wambench_policies.lawam.diagnostics.world import Pairs, Row

EXAMPLES = 4
"""Episodes that are drawn."""


@dataclass(frozen=True)
class Maps:
    """Similarities to the present frame, (M, rows, columns) each.

    Attributes:
        true: Of the true frame τ later.
        imagined: Of the imagined one.
        shuffled: Of the one that is imagined for another sample: what agreement is worth.
    """

    true: Tensor
    imagined: Tensor
    shuffled: Tensor


def similarity_maps(pairs: Pairs, imagined: Tensor, grid: tuple[int, int]) -> Maps:
    """Maps of all samples.

    Args:
        pairs: Frames τ apart.
        imagined: (M, N, D) subgoals.
        grid: Rows and columns of the tokens.
    """
    mean = pairs.standard.means()
    present = pairs.u - mean
    donors = torch.from_numpy(other_samples(pairs.samples.episode))

    def similarity(tokens: Tensor) -> Tensor:
        return F.cosine_similarity(tokens - mean, present, dim=-1).unflatten(1, grid)

    # Another sample's change, laid on this sample's frame: what it imagines differs from its own.
    moved = pairs.u + (imagined - pairs.u)[donors]
    return Maps(similarity(pairs.u_T), similarity(imagined), similarity(moved))


def agreement(one: Tensor, other: Tensor) -> Tensor:
    """(M,) Pearson correlation over tokens of (M, rows, columns) maps; 0 where one is flat."""
    a, b = (m.flatten(1) - m.flatten(1).mean(1, keepdim=True) for m in (one, other))
    norm = a.norm(dim=1) * b.norm(dim=1)
    product = (a * b).sum(1)
    return torch.where(norm > 1e-9, product / norm.clamp_min(1e-9), 0.0)


def examples(pairs: Pairs) -> list[int]:
    """Up to `EXAMPLES` samples of different episodes, each the one where most changes."""
    change = pairs.standard.errors(pairs.u, pairs.u_T).cpu().numpy()
    episodes = np.unique(pairs.samples.episode)
    spread = np.unique(np.linspace(0, len(episodes) - 1, EXAMPLES).round().astype(int))
    chosen = []
    for episode in episodes[spread]:
        mine = np.flatnonzero(pairs.samples.episode == episode)
        chosen.append(int(mine[change[mine].argmax()]))
    return chosen


def agreement_rows(maps: Maps, pairs: Pairs, names: list[str], chosen: list[int]) -> list[Row]:
    """Rows of all samples: demonstration, row, agreement, shuffled, drawn.

    `agreement` is that of the true map with the imagined one, `shuffled` with what is imagined for
    another sample.
    """
    found, control = (agreement(maps.true, m).tolist() for m in (maps.imagined, maps.shuffled))
    return [
        {
            "demonstration": names[int(pairs.samples.episode[index])],
            "row": int(pairs.samples.row[index]),
            "agreement": found[index],
            "shuffled": control[index],
            "drawn": int(index in chosen),
        }
        for index in range(len(pairs.samples))
    ]


def map_rows(maps: Maps, pairs: Pairs, names: list[str], chosen: list[int]) -> list[Row]:
    """Rows of drawn samples: demonstration, row, token_row, token_column, true, imagined."""
    return [
        {
            "demonstration": names[int(pairs.samples.episode[index])],
            "row": int(pairs.samples.row[index]),
            "token_row": line,
            "token_column": column,
            "true": float(maps.true[index, line, column]),
            "imagined": float(maps.imagined[index, line, column]),
        }
        for index in chosen
        for line in range(maps.true.shape[1])
        for column in range(maps.true.shape[2])
    ]
