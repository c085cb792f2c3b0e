"""A small convolutional encoder that stands in for DINOv3 where there is no accelerator.

It is pretrained on frames of the embedded suites (`wambench_policies.nn.encoders.pretraining`) and
then frozen, as DINOv3 is.
"""

from __future__ import annotations

from pathlib import Path

import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from wambench.errors import UsageError
from wambench_policies.nn.encoders.base import FeatureEncoder
from wambench_policies.nn.encoders.config import TinyEncoderConfig

GROUPS = 8
"""Groups of the group norms; no statistic is shared between images of a batch."""


class ResidualBlock(nn.Module):
    """x + conv(GELU(norm(conv(GELU(norm(x)))))).

    Args:
        width: Channels.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.GroupNorm(GROUPS, width) for _ in range(2))
        self.convs = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, H, W) to the same."""
        inner = x
        for norm, conv in zip(self.norms, self.convs, strict=True):
            inner = conv(F.gelu(norm(inner)))
        return x + inner


class TinyNetwork(nn.Module):
    """The network itself, trainable: three stages at 1/4, 1/8 and 1/16 of the image's side.

    Args:
        config: Sizes.
    """

    def __init__(self, config: TinyEncoderConfig) -> None:
        super().__init__()
        stem, middle, last = config.widths
        stages: list[nn.Module] = [nn.Conv2d(3, stem, 7, stride=4, padding=3)]
        stages += [ResidualBlock(stem) for _ in range(config.blocks[0])]
        stages += [nn.GELU(), nn.Conv2d(stem, middle, 3, stride=2, padding=1)]
        stages += [ResidualBlock(middle) for _ in range(config.blocks[1])]
        stages += [nn.GELU(), nn.Conv2d(middle, last, 3, stride=2, padding=1)]
        stages += [ResidualBlock(last) for _ in range(config.blocks[2])]
        self.stages = nn.Sequential(*stages)
        self.project = nn.Linear(last, config.dim)

    def forward(self, pixels: Tensor) -> Tensor:
        """(M, 3, S, S) in [0, 1] to (M, (S / 16)², dim), before the final norm."""
        return self.project(self.stages(pixels - 0.5).flatten(2).transpose(1, 2))


class TinyEncoder(FeatureEncoder):
    """`TinyNetwork`, frozen.

    Args:
        config: Sizes, and where pretrained weights are.
    """

    def __init__(self, config: TinyEncoderConfig) -> None:
        side = config.image_size // 16
        super().__init__(
            (side, side), config.dim, config.image_size, ours=True, random=config.random
        )
        self.config = config
        self.network = TinyNetwork(config)
        self.freeze()

    def encode(self, pixels: Tensor) -> Tensor:
        """(M, 3, S, S) in [0, 1] to (M, N, dim)."""
        return self.network(pixels)

    def load_weights(self) -> None:
        """Reads pretrained weights from `source`: a checkpoint folder or its safetensors file.

        Raises:
            UsageError: There is no source, no file, or the file holds no encoder of these sizes.
        """
        source = self.config.source
        if source is None:
            raise UsageError(
                "The tiny encoder's source is not set, so there are no weights to read.",
                "Set the encoder's source to a pretrained one, or load a checkpoint that has it.",
            )
        file = Path(source)
        file = file / "model.safetensors" if file.is_dir() else file
        try:
            tensors = load_file(file)
        except (OSError, SafetensorError) as error:
            raise UsageError(
                f"The tiny encoder cannot be read from {source}: {error}",
                "Give the folder of a checkpoint that holds one.",
            ) from error
        prefix = next((key.split("stages.")[0] for key in tensors if "network.stages." in key), "")
        own = {
            key.removeprefix(prefix): value
            for key, value in tensors.items()
            if key.startswith(prefix)
        }
        try:
            self.network.load_state_dict({k: v for k, v in own.items() if k.startswith(TENSORS)})
        except RuntimeError as error:
            raise UsageError(
                f"{source} holds no tiny encoder of these sizes: "
                f"{' '.join(str(error).split())[:300]}",
                "Use the configuration it was trained with.",
            ) from error
        self.ready = True


TENSORS = ("stages.", "project.")
"""Names under which the network's tensors begin."""
