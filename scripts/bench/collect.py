"""Frames per second of collecting demonstrations: rendering while acting, and afterwards.

    python scripts/bench/collect.py [--suite libero_long] [--tasks 0,1] [--episodes 3] [--workers 2]

The same episodes of the expert, two cameras of 128 px, written as the same HDF5:

    upstream   its actions through upstream's `OffScreenRenderEnv`, which renders every step, one
               process; as upstream's `create_dataset.py` does it
    acting     our environment, rendering every step while the expert acts, one process
    collect 1  `wambench collect`: simulates first and renders kept episodes afterwards, one worker
    collect N  the same with N workers

A frame is one control step with all its pictures. What is paid once is left out: building
environments, and the first episode of each task, which warms up renderer and compiler. The seconds
of `collect` are those of all its workers divided by their number. Last comes how long 500 take at
that rate, beside the target of 90 minutes on two cores.
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
from wambench.demos.collect import CollectRequest, collect
from wambench.demos.collection import Collection, keeps
from wambench.demos.hdf5 import Hdf5Source
from wambench.demos.hdf5_writer import write_episode
from wambench.evaluate import Execution
from wambench.protocol import Needs, Observation, Suite, episode_rng

CAMERAS = ("agentview", "robot0_eye_in_hand")
SIDE = 128
DEMONSTRATIONS, TARGET_MINUTES = 500, 90


def acting(suite: Suite, source: Hdf5Source, folder: Path) -> tuple[float, int]:
    """Seconds and frames of the expert with pictures at every step."""
    policy = registry.build_policy(registry.find_policy("expert"), suite.spec, {})
    spent, frames, env, held = 0.0, 0, None, -1
    for number, demo in enumerate(source.demos):
        episode = demo.episode
        assert episode is not None
        first = episode.task != held
        if first:
            if env is not None:
                env.close()
            env = suite.make_env(suite.tasks()[episode.task], Needs(CAMERAS, (SIDE, SIDE)))
            held = episode.task
        assert env is not None
        started = time.perf_counter()
        policy.start([episode])
        obs, _ = env.reset(seed=episode.seed, options={"init_state": episode.init_state})
        seen, ended, steps = [obs], False, 0
        while not ended:
            observation = Observation(
                episode, steps, {}, obs["agent_pos"], episode_rng(episode.seed, steps), env
            )
            obs, _, success, truncated, _ = env.advance(policy.act([observation])[0])
            seen.append(obs)
            steps += 1
            ended = success or truncated
        policy.finish([episode])
        group = source.group(number)
        write_episode(
            folder / f"{number}.hdf5",
            source.facts(number),
            {},
            {},
            {"episode": episode.to_json(), "success": success, "final_state": ""},
            {"actions": group["actions"][()], "states": group["states"][()]},
            {camera: [o["pixels"][camera] for o in seen[:steps]] for camera in CAMERAS},
            (SIDE, SIDE, 3),
        )
        if not first:
            spent += time.perf_counter() - started
            frames += steps
    return spent, frames


def upstream(suite: Suite, source: Hdf5Source) -> tuple[float, int]:
    """Seconds and frames of upstream's own environment; writing is not even counted."""
    from wambench_envs.libero.init_states import load_init_states
    from wambench_envs.libero.reference import Reference
    from wambench_envs.libero.robot import low_poly
    from wambench_envs.libero.suite import assets_dir
    from wambench_envs.libero.tasks import init_state_file
    from wambench_envs.libero.upstream import package_dir

    processor = low_poly if suite.spec.backend == "embedded" else None
    spent, frames, env, held = 0.0, 0, None, -1
    for number, demo in enumerate(source.demos):
        episode = demo.episode
        assert episode is not None
        task = suite.tasks()[episode.task]
        first = episode.task != held
        if first:
            if env is not None:
                env.close()
            env = Reference(task, assets_dir(suite.spec.backend), processor, SIDE)
            states = load_init_states(init_state_file(package_dir(), task))
            held = episode.task
        assert env is not None
        started = time.perf_counter()
        env.start(episode.seed, states[episode.init_state])
        for action in source.actions(number, 0, demo.length):
            env.step(action)
        if not first:
            spent += time.perf_counter() - started
            frames += demo.length
    return spent, frames


def collected(request: CollectRequest, workers: int) -> tuple[Collection, float, int]:
    """A collection, its seconds of all workers divided by their number, and its frames."""
    collection = collect(request, Execution(workers=workers))
    records = [record for record in collection.records().values() if record.trial > 0]
    spent = sum(r.execution.seconds.total - r.execution.seconds.building for r in records)
    frames = sum(r.steps for r in records if keeps(r, collection.info.config))
    return collection, spent / workers, frames


def main() -> None:
    """Prints the table."""
    os.environ.setdefault("MUJOCO_GL", "osmesa")
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--suite", default="libero_long")
    parser.add_argument("--tasks", default="0,1")
    parser.add_argument("--episodes", type=int, default=3, help="per task; at least 2")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--backend", default="embedded")
    given = parser.parse_args()
    if given.episodes < 2:
        parser.error("--episodes must be at least 2: the first of each task warms up")
    suite = registry.load_suite(given.suite, given.backend)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def request(out: str) -> CollectRequest:
            return CollectRequest(
                policy="expert",
                suite=given.suite,
                out=folder / out,
                episodes=given.episodes,
                backend=suite.spec.backend,
                tasks=parse_indices(given.tasks),
                cameras=CAMERAS,
                image_size=SIDE,
                starts="fixed",
            )

        one, *after = collected(request("one"), 1)
        several = collected(request("several"), given.workers)[1:]
        source = Hdf5Source(one.path)
        rows = {
            "upstream": upstream(suite, source),
            "acting": acting(suite, source, folder / "acting"),
            "collect 1": tuple(after),
            f"collect {given.workers}": several,
        }
        length = np.mean([demo.length for demo in source.demos])
        size = sum(file.stat().st_size for file in one.path.glob("*.hdf5"))
    print(f"{given.suite} ({suite.spec.backend}), tasks {given.tasks}, {SIDE} px, two cameras")
    print(
        f"{length:.0f} frames per demonstration, {size / length / len(source.demos):.0f} B a frame"
    )
    print(f"{'':12s}{'frames':>8s}{'seconds':>9s}{'frames/s':>10s}{'minutes for 500':>17s}")
    for label, (seconds, frames) in rows.items():
        minutes = DEMONSTRATIONS * length * seconds / frames / 60
        print(f"{label:12s}{frames:8d}{seconds:9.1f}{frames / seconds:10.1f}{minutes:17.1f}")
    print(f"target: {DEMONSTRATIONS} libero_long demonstrations in {TARGET_MINUTES} minutes")


if __name__ == "__main__":
    main()
