"""Synthetic demonstrations whose gripper does what a test says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from training_support import FACTS
from wambench.demos.hdf5_writer import assemble, write_episode

OPEN, HELD = 0.08, 0.02
"""Finger widths in m: closure from the one to the other is 0.06 m."""

CUP = "put the cup on the plate"
TWO = "put the cup on the plate and put the can in the basket"


def widths(*spells: int) -> list[float]:
    """Finger widths of spells of rows, open and holding in turn, beginning open."""
    return [width for k, rows in enumerate(spells) for width in [(OPEN, HELD)[k % 2]] * rows]


def write_gripper_demos(
    folder: Path,
    demos: Sequence[Sequence[float]],
    instruction: str = TWO,
    *,
    suite: str = "libero_goal",
    task_name: str = "KITCHEN_SCENE1_put_things_away",
    task: int = 0,
    size: tuple[int, int] = (16, 16),
    outcome: Sequence[Mapping[str, Any]] = (),
    first_trial: int = 0,
    **facts: Any,
) -> Path:
    """One demonstration per list of widths; pixel (0, 0) of row t of trial k is (camera, t, k)."""
    rng = np.random.default_rng(0)
    mine = replace(
        FACTS,
        suite=suite,
        task=task,
        task_name=task_name,
        instruction=instruction,
        state_names=("x", "finger_left", "finger_right"),
        **facts,
    )
    for index, found in enumerate(demos):
        trial, rows = first_trial + index, len(found)
        half = np.asarray(found) / 2
        state = np.stack([np.arange(rows), half, -half], 1).astype(np.float32)
        actions = rng.uniform(-1, 1, (rows, 7))
        actions[:, -1] = np.where(np.asarray(found) < 0.05, 1, -1)
        pictures = {}
        for number, camera in enumerate(mine.cameras.values()):
            images = rng.integers(0, 256, (rows, *size, 3), np.uint8)
            images[:, 0, 0] = [(number, row, trial) for row in range(rows)]
            pictures[camera] = list(images)
        episode = {
            "suite": suite,
            "backend": mine.backend,
            "task": task,
            "task_name": task_name,
            "trial": trial,
            "seed": trial,
            "init_state": -1,
            "instruction": instruction,
            "max_steps": 100,
        }
        said = {"episode": episode, "success": True, "final_state": f"{trial}"}
        write_episode(
            folder / "episodes" / f"{task}-{trial}.hdf5",
            mine,
            {"macros_image_convention": "opengl"},
            {"model_file": "<mujoco/>"},
            said | dict(outcome[index] if outcome else {}),
            {
                "actions": actions,
                "states": rng.normal(size=(rows, 5)),
                "rewards": np.zeros(rows, np.uint8),
                "dones": np.zeros(rows, np.uint8),
                "obs/agent_pos": state,
            },
            pictures,
            (*size, 3),
        )
    assemble(folder)
    return folder
