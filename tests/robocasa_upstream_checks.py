"""Compares the official adapters with upstream's own loops, in the runtime of `wambench setup`.

Run there by `test_robocasa_upstream.py` as `python tests/robocasa_upstream_checks.py CHECK SUITE
...`; prints what it found as one line of JSON. Assets may be stand-ins.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np

from wambench.protocol import Needs
from wambench_envs.robocasa.official.env import OfficialRoboCasaEnv
from wambench_envs.robocasa.official.installation import require
from wambench_envs.robocasa.protocol import STATE_KEYS, scenes_of
from wambench_envs.robocasa.suite import CAMERAS, robocasa24
from wambench_envs.robocasa.v1 import suite as v1

SIZE = 96
SEED = 49920
STARTS = {"robocasa24": (1, 11, 2)}
"""Initial states that are tried, of a suite that has any."""


def make(suite_name: str, task_name: str, cameras: tuple[str, ...] = ()) -> OfficialRoboCasaEnv:
    """The adapter's environment of a task."""
    build = robocasa24 if suite_name == "robocasa24" else getattr(v1, suite_name)
    suite = build("official")
    (task,) = (task for task in suite.tasks() if task.name == task_name)
    env = suite.make_env(task, Needs(cameras, (SIZE, SIZE)))
    assert isinstance(env, OfficialRoboCasaEnv)
    return env


def begin(env: OfficialRoboCasaEnv, suite: str, seed: int, which: int = 0) -> tuple[Any, Any]:
    """Resets it to one of the initial states that are tried."""
    init_state = STARTS.get(suite, (-1, -1, -1))[which]
    return env.reset(seed=seed, options={"init_state": init_state})


class Bare24:
    """What a published evaluation of v0.2 builds: upstream's environment with its own cameras."""

    def __init__(self, suite: str, name: str) -> None:
        import robosuite
        from robosuite.controllers import load_composite_controller_config

        scenes, split = scenes_of(STARTS[suite][0])
        configuration = load_composite_controller_config(controller=None, robot="PandaOmron")
        np.random.seed(SEED)  # noqa: NPY002 - robosuite's noise
        self.env = robosuite.make(
            env_name=name,
            robots="PandaOmron",
            controller_configs=configuration,
            camera_names=list(CAMERAS),
            camera_widths=SIZE,
            camera_heights=SIZE,
            has_renderer=False,
            has_offscreen_renderer=True,
            ignore_done=True,
            use_object_obs=True,
            use_camera_obs=True,
            camera_depths=False,
            seed=SEED,
            obj_instance_split=split,
            generative_textures=None,
            randomize_cameras=False,
            layout_and_style_ids=scenes,
            translucent_robot=False,
        )
        self.obs = self.env.reset()
        self.instruction = self.env.get_ep_meta()["lang"]
        for _ in range(10):
            self.step(np.zeros(12))

    def step(self, action: Any) -> bool:
        """Upstream's step, and whether it calls the task solved."""
        self.obs = self.env.step(action)[0]
        return bool(self.env._check_success())

    def state(self) -> Any:
        """(23,) as the adapter's."""
        return np.concatenate([self.obs[f"robot0_{key}"] for key, _ in STATE_KEYS])

    def picture(self, camera: str) -> Any:
        """The last picture, upright."""
        return self.obs[f"{camera}_image"][::-1]


class Gym365:
    """What upstream's evaluators of v1.0 use: its Gymnasium environment of a split."""

    KEYS = (
        "gripper_qpos",
        "base_position",
        "base_rotation",
        "end_effector_position_relative",
        "end_effector_rotation_relative",
    )

    def __init__(self, suite: str, name: str) -> None:
        import gymnasium
        from robocasa.utils.env_utils import convert_action

        self.convert = convert_action
        self.gym = gymnasium.make(
            f"robocasa/{name}",
            split="target" if "target" in suite else "pretrain",
            camera_widths=SIZE,
            camera_heights=SIZE,
            disable_env_checker=True,
        ).unwrapped
        self.env = self.gym.env
        self.obs, _ = self.gym.reset(seed=SEED)
        self.instruction = self.obs["annotation.human.task_description"]

    def step(self, action: Any) -> bool:
        """Upstream's step, and whether it calls the task solved."""
        self.obs, *_, info = self.gym.step(self.convert(action))
        return bool(info["success"])

    def state(self) -> Any:
        """(16,) the last numbers of the adapter's."""
        return np.concatenate([self.obs[f"state.{key}"] for key in self.KEYS])

    def picture(self, camera: str) -> Any:
        """The last picture, upright."""
        return self.obs[f"video.{camera}"]


def parity(suite: str, name: str) -> dict[str, Any]:
    """Largest differences from upstream's loop over random actions."""
    actions = np.random.default_rng(3).uniform(-1, 1, (6, 12))
    ours = make(suite, name, CAMERAS)
    seen = [begin(ours, suite, SEED)]
    solved = []
    for action in actions:
        obs, _, success, _, info = ours.step(action)
        seen.append((obs, info))
        solved.append(bool(success))
    theirs: Any = (Bare24 if suite == "robocasa24" else Gym365)(suite, name)
    states, pixels, agree = [], [], []
    for k in range(len(actions) + 1):
        if k:
            agree.append(theirs.step(actions[k - 1].copy()) == solved[k - 1])
        state = theirs.state().astype(np.float32)
        states.append(float(np.abs(state - seen[k][0]["agent_pos"][-len(state) :]).max()))
        for camera in CAMERAS:
            picture = theirs.picture(camera).astype(int)
            pixels.append(int(np.abs(picture - seen[k][0]["pixels"][camera]).max()))
    return {
        "instruction": [seen[0][1]["instruction"], theirs.instruction],
        "states": max(states),
        "pixels": pixels,
        "contrast": float(np.std(seen[-1][0]["pixels"][CAMERAS[0]])),
        "success_agrees": all(agree),
        "qpos": float(np.abs(theirs.env.sim.data._data.qpos - ours.mj_data.qpos).max()),
    }


def starts(suite: str, *names: str) -> dict[str, Any]:
    """Instruction, and whether solved after holding still for a step, by task."""
    found: dict[str, Any] = {}
    for name in names:
        env = make(suite, name)
        _, info = begin(env, suite, SEED)
        solved = env.step(np.zeros(12))[2]
        meta = env.episode_meta()
        found[name] = {
            "instruction": info["instruction"],
            "solved": bool(solved),
            "scene": [meta["ep_meta"]["layout_id"], meta["ep_meta"]["style_id"]],
            "split": meta["split"],
            "meta_bytes": len(json.dumps(meta)),
            "has_path": str(require(env.release).view) in json.dumps(meta),
        }
        env.close()
    return found


def replay(suite: str, name: str) -> dict[str, Any]:
    """An episode, another one, and the first one again from its description."""
    env = make(suite, name)
    first, _ = begin(env, suite, 256, 1)
    meta = json.loads(json.dumps(env.episode_meta()))
    other, _ = begin(env, suite, 512, 2)
    env.set_ep_meta(meta)
    again, _ = begin(env, suite, 7)
    changed = meta | {"start": "0" * 64}
    env.set_ep_meta(changed)
    try:
        env.reset(seed=7)
        refused = ""
    except Exception as error:
        refused = str(error)
    return {
        "same": bool(np.array_equal(first["agent_pos"], again["agent_pos"])),
        "other": bool(np.array_equal(first["agent_pos"], other["agent_pos"])),
        "refused": refused,
    }


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))
