"""Random crops, shifts and colours, on a batch of images, from a given generator.

    augmentation = Augmentation(AugmentConfig())
    encoder_view = augmentation(frames, generator)      # (B, T, H, W, 3) uint8 -> float in [0, 255]
    decoder_view = augmentation(frames, generator)      # an independent draw

All frames of one sample are changed in the same way: what moves in a clip is the world, not the
camera. Sizes and names are torchvision's; the numbers are LaWAM's released configuration (facts
B.1), which draws once for a whole batch.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from wambench_policies.data.config import AugmentConfig

_TRIES = 10
"""Crops that are tried until one lies inside the image, as in torchvision's RandomResizedCrop."""

_LUMA = (0.2989, 0.587, 0.114)
"""Weights of red, green and blue in a grey image (ITU-R BT.601, as in torchvision)."""


class Augmentation:
    """Draws and applies one change per sample, or one per batch.

    Args:
        config: What is changed.
    """

    def __init__(self, config: AugmentConfig) -> None:
        self.config = config

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Changes a batch.

        Args:
            images: (B, ..., H, W, 3) uint8, or float in [0, 255]; the dimensions between are frames
                of one sample.
            generator: Where all randomness comes from.

        Returns:
            The same shape, float32 in [0, 255].
        """
        config = self.config
        batch = len(images)
        height, width, channels = images.shape[-3:]
        frames = images.reshape(batch, -1, height, width, channels).float() / 255
        draws = 1 if config.draw == "batch" else batch
        window = self._crop(draws, height, width, generator)
        frames = _sampled(frames, window.to(frames.device))
        for change in _order(generator):
            frames = self._coloured(frames, change, draws, generator)
        return (frames * 255).reshape(images.shape)

    def _crop(self, draws: int, height: int, width: int, generator: torch.Generator) -> Tensor:
        """(draws, 4) centre x, centre y, width and height of the crops, in units of the image."""
        (small, large), (narrow, wide) = self.config.crop_scale, self.config.crop_ratio
        aspect = width / height
        area = _uniform((draws, _TRIES), small, large, generator)
        ratio = _uniform((draws, _TRIES), math.log(narrow), math.log(wide), generator).exp()
        crop_width = (area * ratio / aspect).sqrt()
        crop_height = (area * aspect / ratio).sqrt()
        fits = (crop_width <= 1) & (crop_height <= 1)
        first = torch.where(fits.any(1), fits.float().argmax(1), 0)[:, None]
        crop_width, crop_height = crop_width.gather(1, first), crop_height.gather(1, first)
        # None fits: the largest central crop of an admissible ratio, as in torchvision.
        whole_ratio = min(max(aspect, narrow), wide)
        largest = (min(1.0, whole_ratio / aspect), min(1.0, aspect / whole_ratio))
        none = ~fits.any(1, keepdim=True)
        crop_width = torch.where(none, largest[0], crop_width)
        crop_height = torch.where(none, largest[1], crop_height)
        place = _uniform((draws, 2), 0.0, 1.0, generator)
        place = torch.where(none, 0.5, place)
        size = torch.cat([crop_width, crop_height], 1)
        centre = size / 2 + place * (1 - size)
        if self.config.shift:
            pixels = torch.randint(
                -self.config.shift,
                self.config.shift + 1,
                (draws, 2),
                generator=generator,
                device=generator.device,
            )
            centre = centre + pixels / torch.tensor([width, height], device=generator.device)
        return torch.cat([centre, size], 1)

    def _coloured(
        self, frames: Tensor, change: str, draws: int, generator: torch.Generator
    ) -> Tensor:
        """One kind of colour change on (B, T, H, W, 3) in [0, 1]."""
        amount = getattr(self.config, change)
        if amount == 0:
            return frames
        drawn = _uniform((draws,), -amount, amount, generator).to(frames.device)
        factor = drawn[:, None, None, None, None]
        if change == "hue":
            return _turned(frames, factor)
        if change == "brightness":
            return (frames * (1 + factor)).clamp_(0, 1)
        red, green, blue = (
            plane * weight for plane, weight in zip(frames.unbind(-1), _LUMA, strict=True)
        )
        grey = red.add_(green).add_(blue).unsqueeze(-1)
        base = grey.mean((2, 3, 4), keepdim=True) if change == "contrast" else grey
        return (frames - base).mul_(1 + factor).add_(base).clamp_(0, 1)


def _uniform(shape: tuple[int, ...], low: float, high: float, generator: torch.Generator) -> Tensor:
    drawn = torch.rand(shape, generator=generator, device=generator.device)
    return low + (high - low) * drawn


def _order(generator: torch.Generator) -> list[str]:
    """Colour changes in random order, as in torchvision's ColorJitter."""
    names = ("brightness", "contrast", "saturation", "hue")
    order = torch.randperm(len(names), generator=generator, device=generator.device)
    return [names[index] for index in order.tolist()]


def _sampled(frames: Tensor, window: Tensor) -> Tensor:
    """Windows of (B, T, H, W, 3) frames at full size, bilinear, borders repeated."""
    batch, times, height, width, channels = frames.shape
    window = window.expand(batch, 4)
    if bool((window == window.new_tensor([0.5, 0.5, 1, 1])).all()):
        return frames
    theta = torch.zeros(batch, 2, 3, device=frames.device)
    theta[:, 0, 0], theta[:, 1, 1] = window[:, 2], window[:, 3]
    theta[:, :, 2] = 2 * window[:, :2] - 1
    planes = frames.permute(0, 1, 4, 2, 3).reshape(batch, times * channels, height, width)
    grid = F.affine_grid(theta, [batch, 1, height, width], align_corners=False)
    planes = F.grid_sample(planes, grid, padding_mode="border", align_corners=False)
    return planes.reshape(batch, times, channels, height, width).permute(0, 1, 3, 4, 2)


def _turned(frames: Tensor, turns: Tensor) -> Tensor:
    """(..., 3) colours in [0, 1] with their hue turned, value and saturation kept (HSV).

    A plane at a time and in place: on a CPU this is most of an augmentation's time.
    """
    red, green, blue = frames.unbind(-1)
    value = torch.maximum(torch.maximum(red, green), blue)
    chroma = value - torch.minimum(torch.minimum(red, green), blue)
    safe = torch.where(chroma > 0, chroma, 1.0)
    sextant = torch.where(
        value == red,
        (green - blue) / safe,
        torch.where(value == green, (blue - red) / safe + 2, (red - green) / safe + 4),
    )
    hue = (sextant + 6 * turns.squeeze(-1)).remainder_(6)
    turned = torch.empty_like(frames)
    # Channel n of HSV to RGB is value - chroma * clamp(min(k, 4 - k), 0, 1), k = (n + hue) mod 6.
    for offset, plane in zip((5.0, 3.0, 1.0), turned.unbind(-1), strict=True):
        k = (hue + offset).remainder_(6)
        k = torch.minimum(k, 4 - k).clamp_(0, 1)
        torch.sub(value, k.mul_(chroma), out=plane)
    return turned
