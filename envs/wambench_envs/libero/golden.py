"""A recorded picture and a recorded demonstration, to tell a working installation from a wrong one.

Both are of the embedded assets, libero_object task 0, initial state 0, seed 0. They are made again,
after the assets have changed, by `python -m wambench_envs.libero.golden --policy expert`.

Non-obvious behaviours
    - The picture is compared after averaging 8 x 8 blocks: OpenGL drivers differ in single pixels
      along edges, which averages out, while light, colour, pose and orientation do not.
    - The demonstration is a list of actions played back open loop. It ends in success only where
      every physics step is as it was when recorded, or very nearly so; another MuJoCo version may
      still pass, which is why versions are checked on their own.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wambench.env import BenchmarkEnv
from wambench.errors import RuntimeUnavailable
from wambench.protocol import Episode, Needs, Observation, episode_rng

FOLDER = Path(__file__).with_name("golden")
PICTURE = FOLDER / "agentview.png"
DEMONSTRATION = FOLDER / "demonstration.npz"

SUITE, TASK, INIT_STATE, SEED = "libero_object", 0, 0, 0
CAMERA, SIZE = "agentview", 128
BLOCK = 8

MAX_DISTANCE = 0.75
"""Largest mean difference of block averages, in grey levels.

Measured here: OSMesa against EGL 0.00, multi-sampling on 0.39, pixel noise of standard deviation 3
0.53; another initial state 0.89, one pixel's shift 2.2, 5 % less light 6.3, swapped colour channels
9.2, a picture not mirrored 13.
"""


def make_env() -> BenchmarkEnv:
    """The environment both recordings are of."""
    from wambench_envs.libero.suite import LiberoSuite

    suite = LiberoSuite(SUITE, "embedded")
    return suite.make_env(suite.tasks()[TASK], Needs((CAMERA,), (SIZE, SIZE)))


def start(env: BenchmarkEnv) -> dict[str, Any]:
    """Resets to the recorded episode; returns the first observation."""
    return env.reset(seed=SEED, options={"init_state": INIT_STATE})[0]


def picture_distance(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Mean absolute difference of block averages, in grey levels.

    Args:
        first: (H, W, 3) picture, H and W multiples of `BLOCK`.
        second: Another of the same shape.
    """
    blocks = []
    for picture in (first, second):
        height, width, _ = picture.shape
        shape = (height // BLOCK, BLOCK, width // BLOCK, BLOCK, 3)
        blocks.append(picture.astype(np.float64).reshape(shape).mean(axis=(1, 3)))
    return float(np.abs(blocks[0] - blocks[1]).mean())


def load_picture() -> NDArray[np.uint8]:
    """(SIZE, SIZE, 3) the recorded picture."""
    from PIL import Image

    try:
        with Image.open(PICTURE) as image:
            return np.asarray(image.convert("RGB"))
    except OSError as error:
        raise RuntimeUnavailable(f"The golden picture is unreadable: {error}.", "") from error


def replay(env: BenchmarkEnv) -> tuple[bool, int]:
    """Plays the recorded actions back from the start.

    Returns:
        Whether they ended in success, and how many were executed.
    """
    with np.load(DEMONSTRATION, allow_pickle=False) as file:
        actions = file["actions"]
    start(env)
    _, _, success, _, info = env.advance(actions)
    return success, info["steps"]


def demonstrate(env: BenchmarkEnv, policy: Any) -> NDArray[np.float64]:
    """(T, A) actions with which a policy solves the recorded episode.

    Raises:
        RuntimeUnavailable: It does not.
    """
    task = env.task
    episode = Episode(
        suite=task.suite,
        backend="embedded",
        task=task.index,
        task_name=task.name,
        trial=0,
        seed=SEED,
        init_state=INIT_STATE,
        instruction=task.instruction,
        max_steps=task.max_steps,
    )
    observation, steps, success, ended = start(env), 0, False, False
    policy.start([episode])
    actions: list[NDArray[np.float64]] = []
    while not ended:
        rng = episode_rng(SEED, steps)
        seen = Observation(
            episode, steps, observation["pixels"], observation["agent_pos"], rng, env
        )
        chunk = np.asarray(policy.act([seen])[0], np.float64)[: policy.execute]
        observation, _, success, truncated, info = env.advance(chunk)
        actions.extend(chunk[: info["steps"]])
        steps, ended = steps + info["steps"], success or truncated
    policy.finish([episode])
    if not success:
        raise RuntimeUnavailable("The policy did not solve the recorded episode.", "")
    return np.stack(actions)


def record(policy_name: str, arguments: Mapping[str, Any] | None = None) -> None:
    """Makes both recordings anew."""
    from PIL import Image

    from wambench.registry import build_policy, find_policy

    env = make_env()
    FOLDER.mkdir(exist_ok=True)
    Image.fromarray(start(env)["pixels"][CAMERA]).save(PICTURE, optimize=True)
    policy = build_policy(find_policy(policy_name), env.suite_spec, arguments or {})
    np.savez_compressed(DEMONSTRATION, actions=demonstrate(env, policy))
    env.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Record the golden picture and demonstration.")
    parser.add_argument("--policy", required=True, help="a policy that solves the episode")
    record(parser.parse_args().policy)
