"""The feature space in which subgoals, imagined and achieved pictures are compared.

Tokens are layer-normalised without parameters, whatever encoder they come from, so that a distance
does not depend on how a network scales its outputs.

Pictures are encoded one by one, because matrix products of a batch differ in their last bits from
those of its rows: what an oracle imagines is then exactly what is seen when it comes to pass.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import TypeAdapter
from torch import Tensor

from wambench.errors import PolicyContractError, UsageError
from wambench_policies.data.cache import resize
from wambench_policies.nn.adaln import plain_norm
from wambench_policies.nn.checkpoint import Checkpoint
from wambench_policies.nn.device import chosen_device
from wambench_policies.nn.encoders.build import build_encoder
from wambench_policies.nn.encoders.config import EncoderConfig, TinyEncoderConfig
from wambench_policies.training.encoders import SHIPPED_ENCODER

if TYPE_CHECKING:
    from wambench_policies.planning.protocol import WorldModel


class Features:
    """Pictures to layer-normalised tokens.

    Args:
        encode: (B, H, W, 3) uint8 to tokens (B, N, D).
        name: What says which space it is, in records.
        image_size: Side of the pictures that `encode` takes; None for any.
        device: Where `encode` wants its input.
        batched: Encode pictures together; see the module docstring.

    Attributes:
        name: As above.
    """

    def __init__(
        self,
        encode: Callable[[Tensor], Tensor],
        name: str,
        image_size: int | None,
        device: torch.device,
        *,
        batched: bool = False,
    ) -> None:
        self._encode = encode
        self.name = name
        self._size = image_size
        self._device = device
        self._batched = batched

    @torch.no_grad()
    def raw(self, images: NDArray[np.uint8]) -> Tensor:
        """(M, H, W, 3) pictures to tokens (M, N, D) as the encoder gives them."""
        if self._size is not None:
            images = resize(images, (self._size, self._size))
        pictures = torch.from_numpy(np.array(images)).to(self._device)
        parts = [pictures] if self._batched else pictures.split(1)
        tokens = torch.cat([self._encode(part) for part in parts])
        if tokens.dim() != 3 or len(tokens) != len(images):
            raise PolicyContractError(
                f"encode() made {tuple(tokens.shape)} of {len(images)} pictures.",
                "It must return tokens (B, N, D).",
            )
        return tokens

    def __call__(self, images: NDArray[np.uint8]) -> Tensor:
        """(M, H, W, 3) pictures to layer-normalised tokens (M, N, D), float32."""
        return plain_norm(self.raw(images).float())


def encoder_features(source: str | None, device: str, *, batched: bool = False) -> Features:
    """The space of a frozen encoder.

    Args:
        source: Folder of a checkpoint that has one; None for the shipped tiny one.
        device: `auto` takes an accelerator where there is one.
        batched: See `Features`.

    Raises:
        UsageError: There is none.
    """
    folder = SHIPPED_ENCODER if source is None else Path(source)
    found = Checkpoint.open(folder).config.get("encoder")
    if found is None:
        raise UsageError(
            f"{folder} is a checkpoint without an encoder.",
            "Give one of `wambench train lawam --stage encoder`, or of a policy.",
        )
    config = TypeAdapter[Any](EncoderConfig).validate_python(found)
    if isinstance(config, TinyEncoderConfig):  # its weights are in the checkpoint
        config = config.model_copy(update={"source": str(folder)})
    encoder = build_encoder(config)
    encoder.load_weights()
    on = chosen_device(device)
    encoder.to(on)
    name = f"{config.kind} encoder {encoder.digest()[:16]}"
    return Features(encoder, name, encoder.image_size, on, batched=batched)


def model_features(model: WorldModel, name: str, device: str, *, batched: bool = False) -> Features:
    """The space of a world model.

    Args:
        model: The model.
        name: What it is called.
        device: `auto` takes an accelerator where there is one.
        batched: See `Features`.
    """
    digest: Any = getattr(model, "digest", None)
    title = f"{name} {digest()[:16]}" if callable(digest) else name
    size = getattr(model, "image_size", None)
    return Features(model.encode, title, size, chosen_device(device), batched=batched)
