"""DINOv3 ViT-B/16 through transformers: the visual encoder of LaWAM.

Tokens are the last but one hidden state, without CLS and register tokens, after a layer norm
without parameters (released code).
"""

from __future__ import annotations

import torch
from torch import Tensor

from wambench.errors import UsageError
from wambench_policies.nn.encoders.base import FeatureEncoder
from wambench_policies.nn.encoders.config import DinoV3Config

MEAN = (0.485, 0.456, 0.406)
"""Mean of ImageNet, the published preprocessing of DINOv3."""

STD = (0.229, 0.224, 0.225)
"""Standard deviation of ImageNet."""


class DinoV3Encoder(FeatureEncoder):
    """See the module docstring.

    Args:
        config: Sizes, and where the weights are. The weights themselves are read by
            `load_weights`, so that the module can be counted without them.
    """

    def __init__(self, config: DinoV3Config) -> None:
        from transformers import DINOv3ViTConfig, DINOv3ViTModel

        side = config.image_size // config.patch
        super().__init__(
            (side, side), config.dim, config.image_size, ours=False, random=config.random
        )
        self.config = config
        self.backbone = DINOv3ViTModel(
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
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(3, 1, 1), persistent=False)
        self.freeze()

    def load_weights(self) -> None:
        """Reads the weights from the hub's cache, the hub, or a folder.

        Raises:
            UsageError: They are not there, or are those of another model.
        """
        from transformers import DINOv3ViTModel

        try:
            loaded = DINOv3ViTModel.from_pretrained(self.config.source)
        except (OSError, ValueError) as error:
            raise UsageError(
                f"The weights of DINOv3 cannot be read from {self.config.source}: "
                f"{str(error).splitlines()[0]}",
                "Accept the model's licence on the Hugging Face hub and log in, or set the "
                "encoder's source to a folder that holds config.json and model.safetensors.",
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
                "Use DINOv3 ViT-B/16, or change the encoder's sizes.",
            )
        self.backbone.load_state_dict(loaded.state_dict())
        self.ready = True

    def encode(self, pixels: Tensor) -> Tensor:
        """(M, 3, H, W) in [0, 1] to (M, N, dim)."""
        states = self.backbone(
            (pixels - self.mean) / self.std, output_hidden_states=True
        ).hidden_states
        return states[self.config.hidden_state][:, 1 + self.config.registers :]
