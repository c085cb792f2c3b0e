"""What one control step of LIBERO costs without rendering: ours beside upstream's.

    python scripts/bench/stepping.py [--tasks libero_goal:7,libero_object:0] [--steps 150]

Both simulators take the same actions in turns, so that both meet the same load of the machine, and
their states are compared after every step: a time is printed only for a step that is right. The
target is 4 ms on a machine where upstream takes 10 to 16 ms.
"""

from __future__ import annotations

import argparse
import os
import time

import numpy as np

TARGET_MS = 4.0


def measure(suite_name: str, index: int, steps: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Seconds of every step, ours and upstream's, and how many steps ended in the same state."""
    from wambench.protocol import Needs
    from wambench_envs.libero.reference import Reference
    from wambench_envs.libero.suite import LiberoSuite, assets_dir

    suite = LiberoSuite(suite_name)
    task = suite.tasks()[index]
    env = suite.make_env(task, Needs())
    reference = Reference(task, assets_dir(suite.spec.backend), images=False)
    env.reset(seed=0, options={"init_state": 0})
    reference.start(0, env.initial_states[0])
    ours, theirs, equal = [], [], 0
    for action in np.random.default_rng(0).uniform(-1, 1, (steps, 7)):
        started = time.perf_counter()
        env.control_step(action)
        between = time.perf_counter()
        reference.step(action)
        theirs.append(time.perf_counter() - between)
        ours.append(between - started)
        equal += np.array_equal(env.mj_data.qpos, reference.data.qpos)
    env.close()
    reference.close()
    return np.array(ours), np.array(theirs), equal


def main() -> None:
    """Prints a line per task."""
    os.environ.setdefault("MUJOCO_GL", "osmesa")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", default="libero_goal:7,libero_object:0,libero_long:2")
    parser.add_argument("--steps", type=int, default=150)
    arguments = parser.parse_args()
    print("ms per control step, no rendering    ours min  median   upstream min  median   ratio")
    worst = 0.0
    for name in arguments.tasks.split(","):
        suite, index = name.split(":")
        ours, theirs, equal = measure(suite, int(index), arguments.steps)
        a, b = ours * 1e3, theirs * 1e3
        worst = max(worst, a.min())
        print(
            f"{name:<36} {a.min():8.2f} {np.median(a):7.2f}   {b.min():12.2f} {np.median(b):7.2f}"
            f"   {np.median(b) / np.median(a):5.2f}   states equal {equal}/{len(a)}"
        )
    verdict = "met" if worst <= TARGET_MS else "missed"
    print(f"target {TARGET_MS:.0f} ms: {verdict} (worst minimum {worst:.2f} ms)")


if __name__ == "__main__":
    main()
