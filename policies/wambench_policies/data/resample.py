"""A dataset read at a lower control frequency: the mixed-frequency experiment of appendix C.4.

A demonstration at 20 Hz read at 10 or 5 Hz keeps every second or fourth observation. The relative
actions of the steps in between are added up, and the gripper command is the last of them. All
phases are used: the windows at rows 0, 4, 8, ... and those at rows 1, 5, 9, ... are both 5 Hz data.

Non-obvious behaviours
    - Adding rotation vectors is exact for turns about one axis and otherwise right to second order
      in the angle, which is at most 0.5 rad per step in LIBERO.
    - A robot with the same controller and a lower control frequency has the same bounds on one
      action. Sums are clipped to them, so that fast motion is slower there than it was recorded,
      and the picture moves on further than the actions say; `clip="none"` keeps the sums.
    - The last action of a demonstration covers whatever steps are left.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wambench.demos.demo import DemoInfo
from wambench.errors import DataError
from wambench_policies.nn.normalise import kind_of

_SLACK = 1e-6


def strides(demo: DemoInfo, frequencies: Sequence[float]) -> list[int]:
    """Recorded steps per step at each of the frequencies that the demonstration can be read at.

    Args:
        demo: The demonstration.
        frequencies: In Hz; those above the recorded one are left out. Empty for the recorded one.

    Raises:
        DataError: A frequency does not divide the recorded one, or all are above it.
    """
    if not frequencies:
        return [1]
    found = []
    for hz in frequencies:
        if hz > demo.control_hz + _SLACK:
            continue
        stride = round(demo.control_hz / hz)
        if abs(stride * hz - demo.control_hz) > _SLACK * demo.control_hz:
            possible = ", ".join(f"{demo.control_hz / n:g}" for n in (1, 2, 3, 4))
            raise DataError(
                f"{demo.name} was recorded at {demo.control_hz:g} Hz and cannot be read at {hz:g}.",
                f"Possible are whole fractions: {possible}, ...",
            )
        found.append(stride)
    if not found:
        raise DataError(
            f"{demo.name} was recorded at {demo.control_hz:g} Hz, below all of the frequencies "
            f"{', '.join(f'{hz:g}' for hz in frequencies)} that were asked for.",
            "Add its own to control_hz, or leave the dataset out.",
        )
    return found


def accumulate(
    actions: NDArray[np.floating[Any]],
    stride: int,
    names: Sequence[str],
    bounds: tuple[Sequence[float], Sequence[float]] | None,
) -> NDArray[np.float32]:
    """Actions at a lower frequency.

    Args:
        actions: (T, A) relative actions, gripper commands as `names` say.
        stride: Recorded steps per step.
        names: One per dimension.
        bounds: (A,) lowest and highest action to clip sums to; None for no clipping.

    Returns:
        (ceil(T / stride), A) actions.
    """
    if stride == 1:
        return np.asarray(actions, np.float32)
    starts = np.arange(0, len(actions), stride)
    summed = np.add.reduceat(np.asarray(actions, np.float64), starts, axis=0)
    if bounds is not None:
        summed = np.clip(summed, *bounds)
    last = np.minimum(starts + stride, len(actions)) - 1
    keeps = np.asarray([kind_of(name) != "range" for name in names])
    return np.where(keeps, actions[last], summed).astype(np.float32)


def bounds_of(demo: DemoInfo, clip: str) -> tuple[Sequence[float], Sequence[float]] | None:
    """The bounds that `accumulate` clips to, None for none.

    Raises:
        DataError: They are needed and the dataset does not say them.
    """
    if clip == "none":
        return None
    if not demo.action_low:
        raise DataError(
            f"{demo.name} does not say the bounds of its actions, to which sums are clipped.",
            "Use --set data.resample_clip=none.",
        )
    return demo.action_low, demo.action_high
