"""Camera requests of policies that do not look at the images."""

from __future__ import annotations

from wambench.errors import PolicyContractError
from wambench.protocol import Needs, SuiteSpec


def camera_needs(spec: SuiteSpec, cameras: str, image_size: int) -> Needs:
    """What to render for a policy that ignores it.

    Args:
        spec: The suite.
        cameras: Names separated by commas; empty for none.
        image_size: Height and width in pixels.

    Raises:
        PolicyContractError: The suite has no such camera, or the size is not positive.
    """
    names = tuple(name.strip() for name in cameras.split(",") if name.strip())
    unknown = [name for name in names if name not in spec.cameras]
    if unknown:
        raise PolicyContractError(
            f"{spec.name} has no camera {', '.join(unknown)}.",
            f"Its cameras are: {', '.join(spec.cameras)}.",
        )
    if image_size < 1:
        raise PolicyContractError(f"image_size is {image_size}.", "Give a number of pixels.")
    return Needs(cameras=names, image_size=(image_size, image_size))


def checked_length(chunk: int) -> int:
    """A chunk length, or the error that says it is none."""
    if chunk < 1:
        raise PolicyContractError(f"chunk is {chunk}.", "A chunk has at least one action.")
    return chunk
