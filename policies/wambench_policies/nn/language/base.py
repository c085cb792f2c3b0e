"""The contract of vision-language backbones.

A sequence is, in this order and causal: primary image, task text, latent-action queries, auxiliary
images (wrist and others), policy text, action queries (LaWAM, released code). So the latent action
sees the primary image and the task only, and the action queries see everything.

Non-obvious behaviours
    - Texts of a batch have different lengths. Shorter ones are padded where the text stands, in
      the middle of the sequence; padding is masked and positions do not count it, so an episode's
      result does not depend on what else is in the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


@dataclass(frozen=True)
class BackboneOutput:
    """Hidden states of a batch of sequences.

    Attributes:
        hidden: (B, L, D) of all tokens.
        valid: (B, L) False where a token is padding.
        latent_end: Index after the last latent-action query.
        latent: (B, n, D) hidden states of the n latent-action queries.
        action: (B, m, D) hidden states of the m action queries.
    """

    hidden: Tensor
    valid: Tensor
    latent_end: int
    latent: Tensor
    action: Tensor


class Backbone(Protocol):
    """What the models ask of a backbone, which is an `nn.Module`.

    Attributes:
        dim: Width D of the hidden states.
        uses_features: Whether it reads the tokens of the visual encoder rather than images.
    """

    dim: int
    uses_features: bool

    def __call__(
        self, images: Tensor, features: Tensor | None, instructions: Sequence[str]
    ) -> BackboneOutput:
        """Reads a batch.

        Args:
            images: (B, C, H, W, 3) uint8; camera 0 is the primary one.
            features: (B, C, N, D) tokens of the visual encoder where `uses_features`.
            instructions: B sentences.
        """
        ...

    def load_weights(self) -> None:
        """Reads public weights, and the tokenizer, where the backbone has them."""
        ...

    def load_tokenizer(self) -> None:
        """Reads the tokenizer alone: the weights are in a checkpoint of ours."""
        ...


@dataclass(frozen=True)
class Segment:
    """A run of tokens of one kind within a sequence.

    Attributes:
        tokens: (B, n, D) embeddings.
        valid: (B, n), or None where all are.
        grid: Rows and columns where the tokens are an image.
    """

    tokens: Tensor
    valid: Tensor | None = None
    grid: tuple[int, int] | None = None


def joined(segments: Sequence[Segment]) -> tuple[Tensor, Tensor]:
    """Tokens (B, L, D) and their validity (B, L) of consecutive segments."""
    tokens = torch.cat([segment.tokens for segment in segments], dim=1)
    valid = torch.cat(
        [
            torch.ones(s.tokens.shape[:2], dtype=torch.bool, device=s.tokens.device)
            if s.valid is None
            else s.valid
            for s in segments
        ],
        dim=1,
    )
    return tokens, valid


def causal_mask(valid: Tensor) -> Tensor:
    """(B, 1, L, L): a token sees itself and the valid ones before it."""
    length = valid.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool, device=valid.device).tril()
    itself = torch.eye(length, dtype=torch.bool, device=valid.device)
    return (causal & valid[:, None, None, :]) | itself
