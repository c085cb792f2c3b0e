"""InfoNCE between videos and actions.

    L = -log softmax_j [s(v_i, a_j) / τ]_i  -  log softmax_j [s(a_i, v_j) / τ]_i

v_i is a video, T latents in the adapters' space; a_i are the actions of the same clip, T chunks
there. How alike the two are is decided by `contrast`:

    chunk_wise   s = mean over t of cos(v_it, a_jt), over the chunks that both have (paper)
    marginal     cos(v_it, a_jt), a softmax for every t by itself (release)
    global       cos of the two means over t

All of it is written over tables of scores (K, B, N): K comparisons, B that are asked, N candidates
of each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from wambench.errors import DataError

Contrast = Literal["chunk_wise", "marginal", "global"]
Direction = Literal["both", "video_to_action"]


@dataclass(frozen=True)
class Scores:
    """How alike videos and candidates are.

    Attributes:
        values: (K, B, N) cosines.
        allowed: (K, B, N) which of them count: both have the chunk in question.
    """

    values: Tensor
    allowed: Tensor

    def turned(self) -> Scores:
        """With the roles of who is asked and who is a candidate exchanged."""
        return Scores(self.values.transpose(1, 2), self.allowed.transpose(1, 2))

    def without(self, excluded: Tensor) -> Scores:
        """With some pairs, (B, N), no longer counting."""
        return Scores(self.values, self.allowed & ~excluded)


@dataclass(frozen=True)
class Retrieval:
    """What InfoNCE says of one direction.

    Attributes:
        loss: Mean cross-entropy, log N where all candidates look the same.
        accuracy: Share of those that are asked whose own counterpart scores highest.
        chance: What guessing would give.
    """

    loss: Tensor
    accuracy: Tensor
    chance: Tensor


def scores(
    video: Tensor,
    actions: Tensor,
    video_mask: Tensor,
    action_mask: Tensor,
    contrast: Contrast = "chunk_wise",
) -> Scores:
    """Scores of every video with its candidates.

    Args:
        video: (B, T, D).
        actions: (N, T, D), candidates of every video; or (B, N, T, D), of each its own.
        video_mask: (B, T) which latents count.
        action_mask: (N, T) or (B, N, T) which chunks count.
        contrast: See the module docstring.

    Raises:
        DataError: There are not as many chunks of actions as latents; neither is cut to fit.
    """
    if actions.shape[-2] != video.shape[-2] or action_mask.shape != actions.shape[:-1]:
        raise DataError(
            f"{video.shape[-2]} latents of a video are to be paired with {actions.shape[-2]} "
            f"chunks of actions, of which {action_mask.shape[-1]} are marked as real or not.",
            "A chunk belongs to each latent: read actions of as many steps as the video shows.",
        )
    if contrast == "global":
        video, video_mask = _pooled(video, video_mask)
        actions, action_mask = _pooled(actions, action_mask)
    if actions.dim() == 3:
        actions = actions.expand(len(video), *actions.shape)
        action_mask = action_mask.expand(len(video), *action_mask.shape)
    cosines = torch.einsum(
        "btd,bntd->tbn", F.normalize(video, dim=-1), F.normalize(actions, dim=-1)
    )
    both = (video_mask[:, None] & action_mask).movedim(-1, 0)
    if contrast != "chunk_wise":
        return Scores(cosines, both)
    count = both.sum(0, keepdim=True)
    mean = (cosines * both).sum(0, keepdim=True) / count.clamp(min=1)
    return Scores(mean, count > 0)


def infonce(table: Scores, own: Tensor, temperature: float) -> Retrieval:
    """Cross-entropy of finding one's own counterpart among the candidates.

    Args:
        table: Scores.
        own: (B,) which candidate is one's own.
        temperature: τ.

    Raises:
        DataError: There is no pair of which both have a chunk, so that nothing can be compared.
    """
    index = own.expand(len(table.values), -1)
    there = table.allowed.gather(2, index[..., None])[..., 0]
    if not bool(there.any()):
        raise DataError(
            "No video of this batch has a real action beside it.",
            "Demonstrations must be longer than a chunk of actions.",
        )
    logits = (table.values / temperature).masked_fill(~table.allowed, -torch.inf)[there]
    wanted = index[there]
    candidates = table.allowed.sum(-1)[there]
    return Retrieval(
        loss=F.cross_entropy(logits, wanted),
        accuracy=(logits.argmax(-1) == wanted).float().mean(),
        chance=(1 / candidates).mean(),
    )


def contrast_loss(table: Scores, own: Tensor, temperature: float, direction: Direction) -> Tensor:
    """InfoNCE in the direction that is asked for, or in both, added up; see `infonce`."""
    tables = [table] if direction != "both" else [table, table.turned()]
    return torch.stack([infonce(each, own, temperature).loss for each in tables]).sum()


def _pooled(values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """(..., 1, D) means over the T that count, and (..., 1) whether there are any."""
    weights = mask[..., None].to(values.dtype)
    mean = (values * weights).sum(-2, keepdim=True) / weights.sum(-2, keepdim=True).clamp(min=1)
    return mean, mask.any(-1, keepdim=True)
