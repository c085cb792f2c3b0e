"""Which of a suite's cameras and numbers are which of a LeRobot checkpoint's inputs.

LeRobot's own LIBERO environment calls `agentview` and `robot0_eye_in_hand` `image` and `image2`,
turns its pictures by 180 degrees, and gives end-effector position (3), axis-angle without the
antipodal flip (3) and finger positions (2) as `observation.state` (`envs/libero.py`,
`processor/env_processor.py` of 0.6.2). Pictures and `agent_pos` of `wambench_envs.libero` are the
same already, and so are the actions: what is done here is naming and checking. A camera called as
the suite calls it, as in datasets that `wambench data convert` wrote, is that camera.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wambench.errors import PolicyContractError, UsageError
from wambench.protocol import Observation, SuiteSpec
from wambench_policies.lerobot.checkpoint import IMAGES, STATE, Feature, LeRobotCheckpoint

LIBERO_CAMERAS = {"image": "agentview", "image2": "robot0_eye_in_hand"}
"""LeRobot's names of LIBERO's two cameras."""

_EMPTY = "empty_camera_"
"""Prefix of pictures that pi0, pi05, smolvla and xvla fill in themselves."""

_GIVEN = ("VISUAL", "STATE", "ENV")
"""Types of inputs that come from the environment; the others are made by the preprocessor."""

Frame = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Inputs:
    """How an observation becomes a checkpoint's inputs.

    Attributes:
        cameras: LeRobot's key of a picture to the suite's camera.
        image_size: (height, width) at which they are rendered.
    """

    cameras: Mapping[str, str]
    image_size: tuple[int, int]

    def frame(self, seen: Observation) -> Frame:
        """Pictures (H, W, 3) uint8 and state (S,) float32 by LeRobot's keys."""
        pictures = {key: seen.pixels[camera] for key, camera in self.cameras.items()}
        return pictures | {STATE: seen.agent_pos}

    def blank(self, spec: SuiteSpec) -> Frame:
        """A frame of the same sizes in which nothing is seen."""
        pictures = {key: np.zeros((*self.image_size, 3), np.uint8) for key in self.cameras}
        return pictures | {STATE: np.zeros(len(spec.state_names), np.float32)}


def match_inputs(
    checkpoint: LeRobotCheckpoint,
    spec: SuiteSpec,
    cameras: Mapping[str, str] | None = None,
    image_size: tuple[int, int] | None = None,
) -> Inputs:
    """Finds for every input of a checkpoint what the suite has for it.

    Args:
        checkpoint: The checkpoint.
        spec: The suite.
        cameras: The checkpoint's name of a camera to the suite's, where they are not told by name.
        image_size: (height, width) to render; None as the checkpoint's inputs say.

    Raises:
        UsageError: A camera in `cameras` does not exist, or the inputs have several sizes.
        PolicyContractError: The suite does not have what the checkpoint needs.
    """
    _check_widths(checkpoint, spec)
    _check_rate(checkpoint, spec)
    visual = {camera_of(key): key for key, f in checkpoint.inputs.items() if f.type == "VISUAL"}
    chosen = _chosen(checkpoint, spec, visual, cameras or {})
    unknown = [name for name in visual if name not in chosen and not name.startswith(_EMPTY)]
    if unknown:
        free = [camera for camera in spec.cameras if camera not in chosen.values()]
        example = json.dumps(dict(cameras or {}) | dict(zip(unknown, free, strict=False)))
        raise PolicyContractError(
            f"{checkpoint.name} looks at {', '.join(visual)}, and nothing says which cameras of "
            f"{spec.name} {' and '.join(unknown)} are; it has {', '.join(spec.cameras) or 'none'}.",
            f"Say it, for example: --policy lerobot --policy-arg cameras='{example}'.",
        )
    keys = {visual[name]: camera for name, camera in chosen.items()}
    return Inputs(keys, image_size or _image_size(checkpoint, list(keys)))


def camera_of(key: str) -> str:
    """The camera's name in a key: `observation.images.image2` is `image2`."""
    return key.removeprefix(IMAGES).removeprefix("observation.")


def _chosen(
    checkpoint: LeRobotCheckpoint,
    spec: SuiteSpec,
    visual: Mapping[str, str],
    cameras: Mapping[str, str],
) -> dict[str, str]:
    """The checkpoint's name of a camera to the suite's, for those that are known."""
    for what, names, known in (
        (f"{checkpoint.name} looks at no camera", cameras, list(visual)),
        (f"{spec.name} has no camera", cameras.values(), list(spec.cameras)),
    ):
        for name in names:
            if name not in known:
                near = difflib.get_close_matches(str(name), known, n=2, cutoff=0.5)
                listed = f"There are: {', '.join(known) or 'none'}."
                hint = f"Did you mean {' or '.join(near)}?" if near else listed
                raise UsageError(f"{what} {name!r}.", hint)
    told = {name: LIBERO_CAMERAS.get(name, name) for name in visual}
    told = {name: camera for name, camera in told.items() if camera in spec.cameras}
    named = {name: name for name in visual if name in spec.cameras}
    return told | named | dict(cameras)


def _image_size(checkpoint: LeRobotCheckpoint, keys: list[str]) -> tuple[int, int]:
    sizes = {key: _height_width(checkpoint.inputs[key]) for key in keys}
    if not sizes:
        return 256, 256  # nothing is rendered
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{camera_of(key)} {h}x{w}" for key, (h, w) in sizes.items())
        raise UsageError(
            f"The pictures of {checkpoint.name} have several sizes ({listed}), and all cameras are "
            "rendered at one.",
            "Say which, if it resizes them itself: --policy lerobot --policy-arg image_size=256.",
        )
    return next(iter(sizes.values()))


def _height_width(feature: Feature) -> tuple[int, int]:
    """(height, width) of a picture; LeRobot declares some with channels last."""
    if len(feature.shape) != 3 or 3 not in (feature.shape[0], feature.shape[2]):
        raise PolicyContractError(
            f"A picture of the checkpoint has shape {feature.shape}.",
            "Expected three channels, a height and a width.",
        )
    height, width = feature.shape[1:] if feature.shape[0] == 3 else feature.shape[:2]
    return height, width


def _check_widths(checkpoint: LeRobotCheckpoint, spec: SuiteSpec) -> None:
    if checkpoint.action_dim != spec.action_dim:
        raise PolicyContractError(
            f"{checkpoint.name} acts in {checkpoint.action_dim} dimensions, {spec.name} in "
            f"{spec.action_dim} ({', '.join(spec.action_names)}).",
            "Choose a policy that was trained for this suite's robot.",
        )
    strange = [
        key
        for key, feature in checkpoint.inputs.items()
        if feature.type in _GIVEN and feature.type != "VISUAL" and key != STATE
    ]
    if strange:
        raise PolicyContractError(
            f"{checkpoint.name} needs {', '.join(strange)}, which {spec.name} does not have.",
            f"Policies can be given pictures and {STATE}.",
        )
    width = len(spec.state_names)
    if STATE in checkpoint.inputs:
        shape = checkpoint.inputs[STATE].shape
        if shape not in ((width,), (checkpoint.converted_state,)):
            raise PolicyContractError(
                f"{STATE} of {checkpoint.name} has shape {shape}, {spec.name} has {width} numbers: "
                f"{', '.join(spec.state_names)}.",
                "Choose a policy that was trained for this suite's robot.",
            )


def _check_rate(checkpoint: LeRobotCheckpoint, spec: SuiteSpec) -> None:
    rate = checkpoint.config.get("action_hz")
    if isinstance(rate, int | float) and rate != spec.control_hz:
        raise PolicyContractError(
            f"{checkpoint.name} acts at {rate:g} Hz, {spec.name} at {spec.control_hz:g} Hz.",
            "Choose a policy that was trained at this suite's rate.",
        )
