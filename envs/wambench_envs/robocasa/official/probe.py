"""Tries the user's robocasa in its runtime and prints what it finds as JSON.

Run as `python -m wambench_envs.robocasa.official.probe SUITE VIEW`.

`wambench setup` runs it before it remembers an installation, `wambench doctor` looks at the same
facts. `problems` are reasons to refuse; the rest are properties that upstream has.

Non-obvious behaviours
    - robosuite 1.5.2 from PyPI turns the commands of a rotated base the wrong way: after a quarter
      turn "forward" goes backwards. 1.5.1 does not. It is measured, since other builds call
      themselves by the same numbers.
    - robosuite 1.5.2 writes into the action that it is given, 1.5.1 does not. Environments here
      pass copies.
    - robocasa v1.0 imports with robosuite's release 1.5.2, and fails when a kitchen is built.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from wambench.errors import WambenchError
from wambench_envs.asset_files import listed
from wambench_envs.robocasa.official import upstream
from wambench_envs.robocasa.official.releases import BY_SUITE, Release

ACTION_PARTS = {"right": [0, 6], "right_gripper": [6, 7], "base": [7, 10], "torso": [10, 11]}
"""First and last index of the parts of an action; number 11 is the base's mode. LeRobot's and
GR00T's copies of the data order them otherwise."""

MOST_TURN_STEPS = 60
MOST_DEGREES_OFF = 20.0
"""What a course may be off the heading; with the wrong sign it is about 180."""


class RobotFacts(TypedDict):
    """How robosuite's PandaOmron takes actions.

    Attributes:
        parts: Name to first and last index.
        width: Of an action.
        writes_into_actions: Whether the array that it is given comes back changed.
        forward_error_deg: Between where a base that turned a quarter looks and where "forward"
            takes it, degrees.
    """

    parts: dict[str, list[int]]
    width: int
    writes_into_actions: bool
    forward_error_deg: float


def registry_problems(release: Release) -> list[str]:
    """Tasks, horizons, scenes and objects that upstream lacks or has otherwise."""
    problems = []
    known = upstream.tasks()
    if missing := [name for name in release.horizons if name not in known]:
        problems.append(f"there is no task {listed(missing)}")
    horizons = upstream.horizons(release)
    for name, horizon in release.horizons.items():
        if (found := horizons.get(name, horizon)) != horizon:
            problems.append(f"{name} has {found} steps instead of {horizon}")
    layouts, styles = upstream.scene_ids()
    absent = [
        scene for scene in release.scenes if scene[0] not in layouts or scene[1] not in styles
    ]
    if absent:
        problems.append(f"there is no kitchen {listed([str(scene) for scene in absent])}")
    counts = upstream.instances(release)
    if few := [name for name, count in counts.items() if count < release.instances]:
        problems.append(
            f"{len(few)} of {len(counts)} categories have fewer than {release.instances} "
            f"instances, for example {', '.join(few[:5])}: an object pack is missing or incomplete"
        )
    return problems


def robosuite_problems(release: Release) -> list[str]:
    """What this robosuite does not know although its number is right."""
    lacks = upstream.lacking(release)
    if not lacks:
        return []
    return [
        f"robosuite does not know {', '.join(lacks)}: it is another build than the commit in "
        f"{release.requirements.name}, which has the same number"
    ]


def robot_facts(release: Release) -> RobotFacts:
    """How robosuite's PandaOmron takes actions, tried in a world of robosuite's own."""
    env = upstream.empty_world(release)
    try:
        env.reset()
        parts = env.robots[0].composite_controller._action_split_indexes
        given = np.full(12, 0.3)
        env.step(given)
        return RobotFacts(
            parts={str(name): [int(a), int(b)] for name, (a, b) in parts.items()},
            width=int(env.action_dim),
            writes_into_actions=not np.array_equal(given, np.full(12, 0.3)),
            forward_error_deg=_forward_error(env),
        )
    finally:
        env.close()


def _forward_error(env: Any) -> float:
    """Angle between heading and course of the base after about a quarter turn, degrees."""
    observed = env.reset()
    start = _yaw(observed)
    for _ in range(MOST_TURN_STEPS):
        observed = env.step(_command(9))[0]
        if abs(math.remainder(_yaw(observed) - start, math.tau)) > math.pi / 2:
            break
    for _ in range(5):
        observed = env.step(np.zeros(12))[0]
    heading, before = _yaw(observed), np.array(observed["robot0_base_pos"][:2])
    for _ in range(10):
        observed = env.step(_command(7))[0]
    x, y = np.array(observed["robot0_base_pos"][:2]) - before
    return abs(math.degrees(math.remainder(math.atan2(y, x) - heading, math.tau)))


def _command(index: int) -> Any:
    action = np.zeros(12)
    action[index] = 1.0
    return action


def _yaw(observed: Any) -> float:
    x, y, z, w = observed["robot0_base_quat"]
    return math.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))


def robot_problems(robot: RobotFacts) -> list[str]:
    """What is otherwise than in published evaluations."""
    problems = []
    if robot["width"] != 12 or robot["parts"] != ACTION_PARTS:
        problems.append(f"the robot's action has {robot['width']} numbers, {robot['parts']}")
    if (off := robot["forward_error_deg"]) > MOST_DEGREES_OFF:
        problems.append(
            f"a base that turned a quarter drives {off:.0f} degrees off its heading: this is not "
            "the robosuite that published numbers were made with"
        )
    return problems


def facts(release: Release, view: Path) -> dict[str, Any]:
    """Everything that is found."""
    upstream.load(release, view)
    if problems := robosuite_problems(release):
        return {"problems": problems}
    robot = robot_facts(release)
    return {"problems": [*registry_problems(release), *robot_problems(robot)], "robot": robot}


def main() -> None:
    """Prints the facts as the last line of the standard output."""
    suite, view = sys.argv[1:]
    try:
        found = facts(BY_SUITE[suite], Path(view))
    except WambenchError as error:
        found = {"problems": [error.problem.rstrip(".")]}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
