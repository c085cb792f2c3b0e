"""V-JEPA 2 ViT-g through transformers: the visual encoder of LAC-WM.

Tokens are the last hidden state of the encoder; the layer norm that follows in every encoder here
makes the targets layer-normalised, as the paper's sizes imply (facts A.2). The predictor that the
published weights hold as well is not built.
"""

from __future__ import annotations

from torch import Tensor, nn

from wambench_policies.nn.encoders.config import VJepa2Config
from wambench_policies.nn.encoders.hub import HubEncoder

_TUBELET = 2
"""Frames of a tubelet in the published models."""


class VJepa2Encoder(HubEncoder):
    """See the module docstring, and `HubEncoder`."""

    title = "V-JEPA 2"
    get = (
        "Set encoder.source to a folder that holds config.json and model.safetensors of "
        "facebook/vjepa2-vitg-fpc64-256, or take --preset tiny."
    )
    fit = "V-JEPA 2 ViT-g at 256 pixels"

    def __init__(self, config: VJepa2Config) -> None:
        from transformers import VJEPA2Config
        from transformers.models.vjepa2.modeling_vjepa2 import VJEPA2Encoder

        backbone = VJEPA2Encoder(
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
        super().__init__(config, backbone)
        self.config = config

    def published(self, source: str) -> nn.Module:
        """See `HubEncoder`; of the whole model the encoder alone."""
        from transformers import VJEPA2Model

        model: nn.Module = VJEPA2Model.from_pretrained(source).encoder
        return model

    def encode(self, pixels: Tensor) -> Tensor:
        """(M, 3, H, W) in [0, 1] to (M, N, dim)."""
        clip = ((pixels - self.mean) / self.std).unsqueeze(1)
        clip = clip.expand(-1, self.config.frames, -1, -1, -1)
        tokens: Tensor = self.backbone(pixel_values_videos=clip).last_hidden_state
        return tokens
