"""Attributes of a LIBERO demonstration file, by the names of upstream's `create_dataset.py`."""

from __future__ import annotations

import importlib
import json

from wambench.protocol import Needs, Task
from wambench_envs.libero import upstream
from wambench_envs.libero.scene import Scene
from wambench_envs.libero.tasks import bddl_file

IMAGE_CONVENTION = "opengl"
"""robosuite's name for pictures as the renderer leaves them: row 0 is the bottom."""


def file_attributes(scene: Scene, task: Task, recorded: Needs) -> dict[str, str]:
    """Attributes of the group `data`.

    Args:
        scene: The scene.
        task: The task.
        recorded: Cameras and image size of the recording.
    """
    file = bddl_file(upstream.package_dir(), task)
    relative = file.relative_to(upstream.package_dir()).as_posix()
    problem = {
        "problem_name": scene.problem["problem_name"],
        "domain_name": "robosuite",
        "language_instruction": " ".join(scene.problem["language_instruction"]),
    }
    controllers = importlib.import_module("robosuite").load_controller_config(
        default_controller="OSC_POSE"
    )
    height, width = recorded.image_size
    arguments = {
        "robots": ["Panda"],
        "controller_configs": controllers,
        "bddl_file_name": relative,
        "has_renderer": False,
        "has_offscreen_renderer": True,
        "ignore_done": True,
        "use_camera_obs": True,
        "camera_depths": False,
        "camera_names": list(recorded.cameras),
        "camera_heights": height,
        "camera_widths": width,
        "camera_segmentations": None,
        "reward_shaping": True,
        "control_freq": 20,
    }
    return {
        "env_name": scene.upstream_name,
        "problem_info": json.dumps(problem),
        "macros_image_convention": IMAGE_CONVENTION,
        "bddl_file_name": relative,
        "bddl_file_content": file.read_text(encoding="utf-8"),
        "env_args": json.dumps(
            {
                "type": 1,  # robomimic's number of robosuite environments
                "env_name": scene.upstream_name,
                "problem_name": problem["problem_name"],
                "bddl_file": relative,
                "env_kwargs": arguments,
            }
        ),
    }
