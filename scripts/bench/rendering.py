"""What one picture of a LIBERO scene costs, with the cheap robot and with robosuite's own.

    python scripts/bench/rendering.py [--tasks libero_goal:7,libero_object:0] [--repeats 30]

The embedded scene with the cheap robot is what an evaluation renders. The second column is the
same scene with upstream's robot and multi-sampling, the third upstream's assets where they are
installed. The target is 6 ms for a 128 px view including the robot, by OSMesa on one core.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

TARGET_MS = 6.0
VIEWS = (("agentview", 128), ("agentview", 256), ("robot0_eye_in_hand", 128))


def measure(
    suite_name: str, index: int, backend: str, cheap: bool, repeats: int
) -> dict[tuple[str, int], float]:
    """Milliseconds of the fastest of `repeats` pictures, by view."""
    from wambench.protocol import Needs
    from wambench_envs.libero.env import LiberoEnv
    from wambench_envs.libero.robot import low_poly
    from wambench_envs.libero.suite import LiberoSuite, assets_dir

    suite = LiberoSuite(suite_name, backend)
    processor: Callable[[str], str] | None = low_poly if cheap else None
    assets = assets_dir(suite.spec.backend)
    env = LiberoEnv(suite.spec, suite.tasks()[index], Needs(), assets, processor)
    env.reset(seed=0, options={"init_state": 0})
    fastest = {}
    for camera, size in VIEWS:
        env.render_camera(camera, size, size)
        times = []
        for _ in range(repeats):
            started = time.perf_counter()
            env.render_camera(camera, size, size)
            times.append(time.perf_counter() - started)
        fastest[camera, size] = min(times) * 1e3
    env.close()
    return fastest


def main() -> None:
    """Prints a line per task and view."""
    os.environ.setdefault("MUJOCO_GL", "osmesa")
    from wambench_envs.libero.official import official_assets_dir

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", default="libero_goal:7,libero_object:0,libero_long:2")
    parser.add_argument("--repeats", type=int, default=30)
    arguments = parser.parse_args()
    official = official_assets_dir() is not None
    print("ms per picture, fastest                       embedded   upstream's robot   official")
    worst = 0.0
    for name in arguments.tasks.split(","):
        suite, index = name.split(":")
        columns = [
            measure(suite, int(index), "embedded", cheap, arguments.repeats)
            for cheap in (True, False)
        ]
        if official:
            columns.append(measure(suite, int(index), "official", False, arguments.repeats))
        for camera, size in VIEWS:
            values = [f"{column[camera, size]:8.2f}" for column in columns]
            print(f"{name:<16} {camera:<20} {size:>4} px   " + "          ".join(values))
        worst = max(worst, columns[0]["agentview", 128])
    if not official:
        print("official assets are not installed")
    verdict = "met" if worst <= TARGET_MS else "missed"
    print(f"target {TARGET_MS:.0f} ms for a 128 px agentview: {verdict} ({worst:.2f} ms)")


if __name__ == "__main__":
    main()
