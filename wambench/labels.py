"""Label pictures: what every pixel shows and how far it is, packed like an ordinary picture.

They are recorded beside pictures (`wambench collect --cameras agentview,agentview_labels`) to train
perception on, and never shown to a policy. Being (H, W, 3) uint8 they travel, are stored and are
cached as pictures are:

    channels 0, 1    class code, high byte first: a hash of the class's name, 0 for nothing
    channel 2        distance along the optical axis, logarithmic from 0.05 to 12.8 m

A lossy codec destroys them; files of `wambench collect` and what they convert to have none.
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import ArrayLike, NDArray

NEAREST, FARTHEST = 0.05, 12.8
"""Distances in metres that bytes 0 and 255 stand for; what is beyond is cut. A step is 2.2 %."""

SUFFIX = "_labels"
"""What follows a camera's name in the name of its label pictures."""


def label_code(name: str) -> int:
    """Code of a class, 1 to 65535, the same in every process and version."""
    return zlib.crc32(name.encode()) % 0xFFFF + 1


def pack_labels(codes: NDArray[np.int64], depth: NDArray[np.floating]) -> NDArray[np.uint8]:
    """(H, W) class codes and (H, W) distances in metres to (H, W, 3) uint8."""
    share = np.log(np.clip(depth, NEAREST, FARTHEST) / NEAREST) / np.log(FARTHEST / NEAREST)
    return np.stack([codes >> 8, codes & 0xFF, np.rint(255 * share)], axis=-1).astype(np.uint8)


def unpack_labels(picture: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """(..., H, W, 3) label pictures to (..., H, W) codes and distances in metres."""
    values = np.asarray(picture, np.int64)
    share = values[..., 2].astype(np.float32) / 255
    depth = np.asarray(NEAREST * (FARTHEST / NEAREST) ** share, np.float32)
    return np.asarray(values[..., 0] << 8 | values[..., 1], np.int64), depth
