"""What the harness costs, and what not rendering saves: the same episodes run in four ways.

    python scripts/bench/overhead.py [--suite libero_object] [--tasks 0,1] [--backend auto]

Every way executes the same number of control steps of the same episodes with a policy that holds
still, two cameras of 128 px, on one process that simulates:

    upstream   a bare loop over upstream's `OffScreenRenderEnv`, which renders every step
    bare       a bare loop over our environment, rendering every step
    wambench   `wambench eval` with one worker, a policy asked at every step
    chunk 8    `wambench eval` with one worker, a policy that answers with 8 actions

Reset is included. What is paid once per task or process is not: building the environment, and the
first episode of each task, which warms up the renderer and compiles what is compiled on first use.
Run it on an idle machine; the ratios matter, not the seconds.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from wambench import registry
from wambench.cli.options import parse_indices
from wambench.evaluate import Execution, Request, start_run
from wambench.manifest import build_manifest
from wambench.protocol import Episode, Needs, Suite

CAMERAS = ("agentview", "robot0_eye_in_hand")
SIDE = 128


def upstream_loop(suite: Suite, episodes: list[Episode]) -> float:
    """Seconds that a bare loop over upstream's own environment takes, on the same models."""
    from wambench_envs.libero.init_states import load_init_states
    from wambench_envs.libero.reference import Reference
    from wambench_envs.libero.robot import low_poly
    from wambench_envs.libero.suite import assets_dir
    from wambench_envs.libero.tasks import init_state_file
    from wambench_envs.libero.upstream import package_dir

    embedded = suite.spec.backend == "embedded"
    hold = np.array(suite.spec.hold_action)
    spent = 0.0
    for index in {episode.task: None for episode in episodes}:
        task = suite.tasks()[index]
        assets = assets_dir(suite.spec.backend)
        env = Reference(task, assets, low_poly if embedded else None, SIDE)
        states = load_init_states(init_state_file(package_dir(), task))
        for episode in (e for e in episodes if e.task == index):
            started = time.perf_counter()
            env.start(episode.seed, states[episode.init_state])
            for _ in range(episode.max_steps):
                env.step(hold)
            spent += (time.perf_counter() - started) * (episode.trial > 0)
        env.close()
    return spent


def bare_loop(suite: Suite, episodes: list[Episode]) -> float:
    """Seconds that a bare loop over our environment takes."""
    spent = 0.0
    hold = np.array(suite.spec.hold_action)
    for task in {episode.task: None for episode in episodes}:
        env = suite.make_env(suite.tasks()[task], Needs(CAMERAS, (SIDE, SIDE)))
        for episode in (e for e in episodes if e.task == task):
            started = time.perf_counter()
            env.reset(seed=episode.seed, options={"init_state": episode.init_state})
            ended = False
            while not ended:
                _, _, success, truncated, _ = env.step(hold)
                ended = success or truncated
            spent += (time.perf_counter() - started) * (episode.trial > 0)
        env.close()
    return spent


def wambench_run(suite: Suite, tasks: list[int], trials: int, chunk: int) -> tuple[float, int]:
    """Seconds and control steps of `wambench eval` with one worker, building left out."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = {"cameras": ",".join(CAMERAS), "image_size": SIDE, "chunk": chunk}
        run = start_run(
            Request(
                "hold",
                suite.spec.name,
                Path(folder) / "run",
                backend=suite.spec.backend,
                policy_arguments=arguments,
                trials=trials,
                tasks=tasks,
            ),
            Execution(workers=1),
        )
        records = [record for record in run.records().values() if record.trial > 0]
    seconds = sum(r.execution.seconds.total - r.execution.seconds.building for r in records)
    return seconds, sum(record.steps for record in records)


def main() -> None:
    """Runs all ways, interleaved, and prints the ratios beside their targets."""
    os.environ.setdefault("MUJOCO_GL", "osmesa")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--suite", default="libero_object")
    parser.add_argument("--tasks", default="0")
    parser.add_argument("--trials", type=int, default=1, help="timed episodes per task")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--backend", default="auto")
    options = parser.parse_args()
    for limit in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "LP_NUM_THREADS"):
        os.environ.setdefault(limit, "1")

    suite = registry.load_suite(options.suite, options.backend)
    tasks = parse_indices(options.tasks)
    manifest = build_manifest(suite, run_seed=0, trials=options.trials + 1, tasks=tasks)
    episodes = list(manifest.episodes)
    steps = sum(episode.max_steps for episode in episodes if episode.trial > 0)

    best = dict.fromkeys(("upstream", "bare", "wambench", "chunk 8"), float("inf"))
    for _ in range(options.repeats):
        best["upstream"] = min(best["upstream"], upstream_loop(suite, episodes))
        best["bare"] = min(best["bare"], bare_loop(suite, episodes))
        for way, chunk in (("wambench", 1), ("chunk 8", 8)):
            seconds, executed = wambench_run(suite, tasks, options.trials + 1, chunk)
            assert executed == steps, f"{way} executed {executed} steps, expected {steps}"
            best[way] = min(best[way], seconds)

    print(
        f"{suite.spec.name}, backend {suite.spec.backend}, {steps} control steps, best of "
        f"{options.repeats}"
    )
    for way, seconds in best.items():
        print(f"  {way:9s} {seconds:8.2f} s   {1000 * seconds / steps:7.2f} ms per step")
    targets = [
        ("wambench / upstream", best["wambench"] / best["upstream"], "at most 1.05"),
        ("wambench / bare", best["wambench"] / best["bare"], "at most 1.05"),
        ("upstream / chunk 8", best["upstream"] / best["chunk 8"], "at least 3"),
        ("wambench / chunk 8", best["wambench"] / best["chunk 8"], "at least 3 (official)"),
    ]
    for name, ratio, target in targets:
        print(f"  {name:20s} {ratio:6.2f}   target {target}")


if __name__ == "__main__":
    main()
