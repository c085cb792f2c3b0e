"""How long policies take for a chunk, and what LaWAM's world model adds to a policy without one.

    python scripts/bench/policy_latency.py [--calls 100] [--checkpoint lawam=ckpt/lawam ...]

Policies are built and asked as `wambench eval` does, `batched=true`: pictures of two cameras at
the size of the demonstrations in, a chunk of actions in the suite's units out. A policy without
--checkpoint has its shipped one, or, where there is none or --preset is given, a network with
random weights, which takes as long. Calls of the policies take turns, so that whatever else the
machine does meets all of them alike.

Run it on an idle machine; one thread by default, which is what a worker's policy gets there.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from wambench import registry
from wambench.protocol import Episode, Observation, Policy, SuiteSpec, episode_rng

POLICIES = {
    "lawam": "wambench_policies.lawam.policy:LaWAMPolicy",
    "flow_bc": "wambench_policies.imitation.policy:FlowBCPolicy",
    "act": "wambench_policies.imitation.policy:ACTPolicy",
}
"""Name to class."""
BATCHES = (1, 8)
RECORDED = (128, 128)
"""Size of the pictures that a policy with random weights asks for, which `wambench collect` has."""
WARM_UP = 3
TARGET = 1.25
"""LaWAM takes at most this many times as long as `flow_bc`: the LaWM adds at most 25 %."""


def make_checkpoint(name: str, preset: str, spec: SuiteSpec, folder: Path) -> Path:
    """A checkpoint of a policy with random weights, for a suite."""
    import torch

    from wambench_policies.nn.checkpoint import Checkpoint
    from wambench_policies.nn.normalise import (
        ActionNormaliser,
        Embodiment,
        Normalisation,
        StateNormaliser,
    )

    configuration, network = registry.load_target(POLICIES[name]).types()
    config = configuration.from_preset(preset)
    torch.manual_seed(0)
    model = network(config)
    side = model.encoder.image_size
    bounds = np.stack([spec.action_low, spec.action_high])
    states = np.stack([-np.ones(len(spec.state_names)), np.ones(len(spec.state_names))])
    embodiment = Embodiment(
        id=1,
        action=ActionNormaliser.fit(bounds, spec.action_names),
        state=StateNormaliser.fit(states, spec.state_names),
        control_hz=(spec.control_hz,),
    )
    checkpoint = Checkpoint(
        folder=folder / name,
        method=name,
        stage="policy",
        preset=preset,
        overrides={},
        config=config.to_json(),
        normalisation=Normalisation(
            embodiments={spec.embodiment: embodiment},
            cameras=config.cameras,
            recorded_size=RECORDED,
            image_size=(side, side),
            backends=(spec.backend,),
        ),
        step=0,
    )
    checkpoint.save(model, "Random weights, for measuring time.")
    return checkpoint.folder


def observations(policy: Policy, spec: SuiteSpec, instruction: str, size: int) -> list[Observation]:
    """What a policy sees of `size` episodes: noise."""
    rng = np.random.default_rng(0)
    seen = []
    for trial in range(size):
        episode = Episode(spec.name, spec.backend, 0, "task", trial, trial, -1, instruction, 500)
        pixels = {
            camera: rng.integers(0, 256, (*policy.needs.image_size, 3), np.uint8)
            for camera in policy.needs.cameras
        }
        state = rng.normal(size=len(spec.state_names)).astype(np.float32)
        seen.append(Observation(episode, 0, pixels, state, episode_rng(trial, 0)))
    return seen


def measure(
    policies: Mapping[str, Policy], spec: SuiteSpec, instruction: str, size: int, calls: int
) -> dict[str, np.ndarray]:
    """(calls,) seconds of each policy for a batch of `size` observations."""
    batches = {n: observations(p, spec, instruction, size) for n, p in policies.items()}
    spent: dict[str, list[float]] = {name: [] for name in policies}
    for call in range(WARM_UP + calls):
        for name, policy in policies.items():
            started = time.perf_counter()
            policy.act(batches[name])
            if call >= WARM_UP:
                spent[name].append(time.perf_counter() - started)
    return {name: np.array(seconds) for name, seconds in spent.items()}


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=100, help="timed calls of each policy")
    parser.add_argument("--preset", help="random weights for policies without --checkpoint")
    parser.add_argument(
        "--checkpoint",
        action="append",
        default=[],
        metavar="NAME=FOLDER",
        help=f"of one of {', '.join(POLICIES)}; may be repeated",
    )
    parser.add_argument("--suite", default="libero_object")
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch")
    options = parser.parse_args()
    options.checkpoint = dict(text.partition("=")[::2] for text in options.checkpoint)
    for name, folder in options.checkpoint.items():
        if name not in POLICIES or not folder:
            parser.error(f"--checkpoint {name}={folder}: write lawam=, flow_bc= or act=FOLDER")
    if options.calls < 1:
        parser.error("--calls is at least 1")
    return options


def main() -> None:
    """Prints median and 95th percentile, and LaWAM's share beside its target."""
    options = parse()
    import torch

    torch.set_num_threads(options.threads)
    suite = registry.load_suite(options.suite, "embedded")
    instruction = suite.tasks()[0].instruction
    policies: dict[str, Policy] = {}
    weights: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in POLICIES:
            made, weights[name] = options.checkpoint.get(name), options.checkpoint.get(name, "")
            shipped = registry.load_target(POLICIES[name]).shipped
            if made is None and options.preset is None and shipped.exists():
                made, weights[name] = shipped, "shipped"
            elif made is None:
                preset = options.preset or "tiny"
                made = make_checkpoint(name, preset, suite.spec, Path(folder))
                weights[name] = f"random ({preset})"
            arguments: dict[str, Any] = {
                "checkpoint": str(made),
                "device": "cpu",
                "batched": True,
            }
            policies[name] = registry.build_policy(
                registry.find_policy(name), suite.spec, arguments
            )
    print(f"{options.calls} calls on {options.threads} thread(s) of a CPU, ms for a chunk of each")
    print(
        f"{'policy':10s} {'weights':34s} {'batch':>5s} {'median':>8s} {'p95':>8s} {'actions':>8s}"
    )
    medians: dict[tuple[str, int], float] = {}
    for size in BATCHES:
        times = measure(policies, suite.spec, instruction, size, options.calls)
        for name, seconds in times.items():
            median, p95 = 1000 * np.quantile(seconds, [0.5, 0.95])
            medians[name, size] = float(median)
            print(
                f"{name:10s} {weights[name][-34:]:34s} {size:5d} {median:8.2f} {p95:8.2f} "
                f"{policies[name].horizon:8d}"
            )
    for size in BATCHES:
        ratio = medians["lawam", size] / medians["flow_bc", size]
        print(
            f"lawam / flow_bc at batch {size}: {ratio:.2f}   target at most {TARGET} "
            "(the LaWM adds at most 25 %)"
        )


if __name__ == "__main__":
    main()
