"""What a policy says when an episode has ended: measures for the record, decisions for a file."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from wambench.errors import PolicyContractError
from wambench.protocol import Observation, Policy
from wambench.report.video import episode_name


def measured(
    policy: Policy, last: Observation, environment: Mapping[str, float]
) -> dict[str, float]:
    """The environment's metrics and the policy's.

    Args:
        policy: The policy.
        last: What is seen after the last action.
        environment: What the environment measured.

    Raises:
        PolicyContractError: The policy uses a name of the environment's, or gives no number.
    """
    measure = getattr(policy, "measure", None)
    own = {} if measure is None else {name: float(v) for name, v in measure(last).items()}
    twice = sorted(own.keys() & environment.keys())
    odd = sorted(name for name, value in own.items() if not math.isfinite(value))
    if twice or odd:
        raise PolicyContractError(
            f"measure() gives {', '.join(twice)}, which the environment measures itself."
            if twice
            else f"measure() gives no finite {', '.join(odd)}.",
            "Rename or mend it.",
        )
    return {**environment, **own}


def keep_decisions(policy: Policy, last: Observation, folder: str) -> str | None:
    """Writes what the policy says of its decisions; the file's name, or None where it says nothing.

    Args:
        policy: The policy.
        last: What is seen after the last action.
        folder: Where to; empty for nowhere.
    """
    said = getattr(policy, "decisions", None)
    arrays = dict(said(last.episode)) if folder and said is not None else {}
    if not arrays:
        return None
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    name = f"{episode_name(last.episode)}.npz"
    partial = path / f"{name}.{os.getpid()}.partial"
    try:
        with open(partial, "wb") as stream:
            np.savez_compressed(stream, allow_pickle=False, **arrays)
        partial.replace(path / name)
    finally:
        partial.unlink(missing_ok=True)
    return name
