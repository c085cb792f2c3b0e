"""What every policy network here begins with: it looks through a frozen encoder, and reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from wambench.errors import UsageError
from wambench_policies.nn.encoders.base import FeatureEncoder, external_prefixes
from wambench_policies.nn.encoders.build import build_encoder
from wambench_policies.nn.encoders.config import EncoderConfig
from wambench_policies.nn.language.base import BackboneOutput
from wambench_policies.nn.language.build import build_backbone
from wambench_policies.nn.language.config import BackboneConfig


@dataclass(frozen=True)
class Observed:
    """What a policy sees and reads.

    Attributes:
        u: (B, N, D) tokens of the primary image.
        language: Hidden states of the language model.
    """

    u: Tensor
    language: BackboneOutput


class Observer(nn.Module):
    """Base of policy networks: a frozen visual encoder and a language model.

    Args:
        encoder: Configuration of the visual encoder.
        backbone: Configuration of the language model.
        cameras: Cameras by the suite's names; the first is the primary one.

    Attributes:
        encoder: The frozen visual encoder ψ.
        backbone: The language model with its queries.
        cameras: As above.
    """

    def __init__(
        self, encoder: EncoderConfig, backbone: BackboneConfig, cameras: Sequence[str]
    ) -> None:
        super().__init__()
        self.cameras = tuple(cameras)
        self.encoder = build_encoder(encoder)
        self.backbone = build_backbone(
            backbone,
            cameras=len(self.cameras),
            grid=self.encoder.grid,
            token_dim=self.encoder.dim,
        )

    @property
    def external_prefixes(self) -> tuple[str, ...]:
        """Names of tensors that belong into no checkpoint begin so."""
        return external_prefixes(self)

    def replaceable_encoder(self) -> FeatureEncoder:
        """The encoder whose tokens may stand in for pictures in training batches.

        Raises:
            UsageError: The backbone looks at pictures itself.
        """
        if not self.backbone.uses_features:
            raise UsageError(
                "This backbone reads pictures, so tokens computed beforehand cannot replace them.",
                "Set training.cache_tokens=false.",
            )
        return self.encoder

    def load_external(self, *, trained: bool) -> None:
        """Reads what comes from elsewhere: public weights and the tokenizer.

        Args:
            trained: The language model's weights come from a checkpoint of ours, so its tokenizer
                alone is read.

        Raises:
            UsageError: Something is not there.
        """
        if not self.encoder.ours and not self.encoder.ready:
            self.encoder.load_weights()
        if trained:
            self.backbone.load_tokenizer()
        else:
            self.backbone.load_weights()

    def observe(self, batch: Mapping[str, Any]) -> Observed:
        """Sees and reads.

        Args:
            batch: With `images` (B, C, H, W, 3) and `instruction`; or, where the backbone reads
                features, `features` (B, C, N, D) in place of images.

        Raises:
            UsageError: Cameras or images are missing.
        """
        features, images = batch.get("features"), batch.get("images")
        seen = features if features is not None else images
        if seen is None or seen.shape[1] != len(self.cameras):
            count = "no" if seen is None else seen.shape[1]
            raise UsageError(
                f"The policy looks through {len(self.cameras)} cameras "
                f"({', '.join(self.cameras)}), the batch has {count}."
            )
        if features is None:
            shown = images if self.backbone.uses_features else images[:, :1]
            features = self.encoder(shown)
        elif not self.backbone.uses_features and images is None:
            raise UsageError("This backbone reads images, and the batch has features only.")
        features = features.float()
        return Observed(features[:, 0], self.backbone(images, features, batch["instruction"]))


class ObserverObjective(nn.Module):
    """Base of objectives that train an observer.

    Attributes:
        model: The policy network, which is what is kept.
    """

    model: Observer

    @property
    def external_prefixes(self) -> tuple[str, ...]:
        """Names of tensors that belong into no checkpoint begin so."""
        return external_prefixes(self)

    def replaceable_encoder(self) -> FeatureEncoder:
        """See `Observer.replaceable_encoder`."""
        return self.model.replaceable_encoder()
