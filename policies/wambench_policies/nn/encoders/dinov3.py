"""DINOv3 ViT-B/16 through transformers: the visual encoder of LaWAM.

Tokens are the last but one hidden state, without CLS and register tokens, after a layer norm
without parameters (released code).
"""

from __future__ import annotations

from torch import Tensor, nn

from wambench_policies.nn.encoders.config import DinoV3Config
from wambench_policies.nn.encoders.hub import HubEncoder


class DinoV3Encoder(HubEncoder):
    """See the module docstring, and `HubEncoder`."""

    title = "DINOv3"
    get = (
        "Accept the model's licence on the Hugging Face hub and log in, or set the "
        "encoder's source to a folder that holds config.json and model.safetensors."
    )
    fit = "DINOv3 ViT-B/16"

    def __init__(self, config: DinoV3Config) -> None:
        from transformers import DINOv3ViTConfig, DINOv3ViTModel

        backbone = DINOv3ViTModel(
            DINOv3ViTConfig(
                patch_size=config.patch,
                image_size=config.image_size,
                hidden_size=config.dim,
                intermediate_size=4 * config.dim,
                num_hidden_layers=config.layers,
                num_attention_heads=config.heads,
                num_register_tokens=config.registers,
            )
        )
        super().__init__(config, backbone)
        self.config = config

    def published(self, source: str) -> nn.Module:
        """See `HubEncoder`."""
        from transformers import DINOv3ViTModel

        model: nn.Module = DINOv3ViTModel.from_pretrained(source)
        return model

    def encode(self, pixels: Tensor) -> Tensor:
        """(M, 3, H, W) in [0, 1] to (M, N, dim)."""
        states = self.backbone(
            (pixels - self.mean) / self.std, output_hidden_states=True
        ).hidden_states
        return states[self.config.hidden_state][:, 1 + self.config.registers :]
