"""V-JEPA 2 ViT-g through transformers: the visual encoder of LAC-WM.

Tokens are the last hidden state of the encoder; the layer norm that follows in every encoder here
makes the targets layer-normalised, as the paper's sizes imply (facts A.2). The predictor that the
published weights hold as well is not built.
"""

from __future__ import annotations

import torch
from torch import Tensor

from wambench.errors import UsageError
from wambench_policies.nn.encoders.base import FeatureEncoder
from wambench_policies.nn.encoders.config import VJepa2Config

MEAN = (0.485, 0.456, 0.406)
"""Mean of ImageNet, the published preprocessing of V-JEPA 2."""

STD = (0.229, 0.224, 0.225)
"""Standard deviation of ImageNet."""

_TUBELET = 2
"""Frames of a tubelet in the published models."""


class VJepa2Encoder(FeatureEncoder):
    """See the module docstring.

    Args:
        config: Sizes, and where the weights are. The weights themselves are read by
            `load_weights`, so that the module can be counted without them.
    """

    def __init__(self, config: VJepa2Config) -> None:
        from transformers import VJEPA2Config
        from transformers.models.vjepa2.modeling_vjepa2 import VJEPA2Encoder

        side = config.image_size // config.patch
        super().__init__(
            (side, side), config.dim, config.image_size, ours=False, random=config.random
        )
        self.config = config
        self.backbone = VJEPA2Encoder(
            VJEPA2Config(
                patch_size=config.patch,
                crop_size=config.image_size,
                tubelet_size=_TUBELET,
                hidden_size=config.dim,
                num_hidden_layers=config.layers,
                num_attention_heads=config.heads,
                mlp_ratio=config.mlp_ratio,
                attn_implementation="sdpa",
            )
        )
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(3, 1, 1), persistent=False)
        self.freeze()

    def load_weights(self) -> None:
        """Reads the weights from the hub's cache, the hub, or a folder.

        Raises:
            UsageError: They are not there, or are those of another model.
        """
        from transformers import VJEPA2Model

        try:
            loaded = VJEPA2Model.from_pretrained(self.config.source).encoder
        except (OSError, ValueError) as error:
            raise UsageError(
                f"The weights of V-JEPA 2 cannot be read from {self.config.source}: "
                f"{str(error).splitlines()[0]}",
                "Set encoder.source to a folder that holds config.json and model.safetensors of "
                "facebook/vjepa2-vitg-fpc64-256, or take --preset tiny.",
            ) from error
        here = {name: value.shape for name, value in self.backbone.state_dict().items()}
        there = {name: value.shape for name, value in loaded.state_dict().items()}
        if here != there:
            unlike = sorted(
                name for name in here.keys() | there.keys() if here.get(name) != there.get(name)
            )
            raise UsageError(
                f"{self.config.source} is another model than the configuration says: "
                f"{len(unlike)} tensors differ, the first is {unlike[0]}.",
                "Use V-JEPA 2 ViT-g at 256 pixels, or change the encoder's sizes.",
            )
        self.backbone.load_state_dict(loaded.state_dict())
        self.ready = True

    def encode(self, pixels: Tensor) -> Tensor:
        """(M, 3, H, W) in [0, 1] to (M, N, dim)."""
        clip = ((pixels - self.mean) / self.std).unsqueeze(1)
        clip = clip.expand(-1, self.config.frames, -1, -1, -1)
        tokens: Tensor = self.backbone(pixel_values_videos=clip).last_hidden_state
        return tokens
