"""Small synthetic demonstrations in LIBERO's form, for tests of data and training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from wambench.demos.hdf5 import FileFacts
from wambench.demos.hdf5_writer import assemble, write_episode
from wambench.labels import SUFFIX, label_code, pack_labels

FACTS = FileFacts(
    suite="libero_goal",
    backend="embedded",
    task=0,
    task_name="task_0",
    instruction="do task 0",
    embodiment="panda",
    control_hz=20.0,
    action_names=("x", "y", "z", "roll", "pitch", "yaw", "gripper"),
    action_low=(-1.0,) * 7,
    action_high=(1.0,) * 7,
    state_names=("a", "b", "c"),
    cameras={"agentview_rgb": "agentview", "eye_in_hand_rgb": "robot0_eye_in_hand"},
)

WITH_LABELS = FACTS.cameras | {
    f"{name.removesuffix('_rgb')}_labels_rgb": f"{camera}{SUFFIX}"
    for name, camera in FACTS.cameras.items()
}


def write_demos(
    folder: Path,
    *,
    tasks: int = 2,
    demos: int = 3,
    length: int = 12,
    size: tuple[int, int] = (16, 16),
    init_states: bool = False,
    failed: tuple[int, ...] = (),
    prologue: int = 0,
    seed: int = 0,
    **facts: Any,
) -> Path:
    """A collection of `tasks` x `demos` demonstrations of `length` to `length + demos - 1` rows.

    With cameras=WITH_LABELS there are label pictures of two classes, too. Pixel (0, 0) of every
    picture holds (camera, row, 10 * task + trial); the rest is noise. The
    state of row t is (t, trial, 1), and the action's first entry follows from the state.
    """
    rng = np.random.default_rng(seed)
    for task in range(tasks):
        mine = replace(
            FACTS, task=task, task_name=f"task_{task}", instruction=f"do task {task}", **facts
        )
        for trial in range(demos):
            rows = length + trial
            actions = rng.uniform(-0.5, 0.5, (rows, len(mine.action_names)))
            actions[:, -1] = np.where(np.arange(rows) < rows // 2, -1, 1)
            state = np.stack([np.arange(rows), np.full(rows, trial), np.ones(rows)], 1)
            pictures = {}
            for number, camera in enumerate(mine.cameras.values()):
                images = rng.integers(0, 256, (rows, *size, 3), np.uint8)
                if camera.endswith(SUFFIX):
                    codes = np.array([label_code("robot"), label_code("table")])
                    shown = codes[rng.integers(0, 2, (rows, *size))]
                    pictures[camera] = list(pack_labels(shown, rng.uniform(0.1, 2, shown.shape)))
                    continue
                images[:, 0, 0] = [(number, row, 10 * task + trial) for row in range(rows)]
                pictures[camera] = list(images)
            episode = {
                "suite": mine.suite,
                "backend": mine.backend,
                "task": task,
                "task_name": mine.task_name,
                "trial": trial,
                "seed": 1000 * seed + 10 * task + trial,
                "init_state": trial if init_states else -1,
                "instruction": mine.instruction,
                "max_steps": 100,
            }
            write_episode(
                folder / "episodes" / f"{task}-{trial}.hdf5",
                mine,
                {"macros_image_convention": "opengl"},
                {"model_file": "<mujoco/>"},
                {
                    "episode": episode,
                    "success": trial not in failed,
                    "final_state": f"{trial}",
                    "prologue": prologue,
                },
                {
                    "actions": actions,
                    "states": rng.normal(size=(rows, 5)),
                    "obs/agent_pos": state.astype(np.float32),
                },
                pictures,
                (*size, 3),
            )
    assemble(folder)
    return folder
