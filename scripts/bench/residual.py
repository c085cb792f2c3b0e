"""What World2Act's residual adds to the time that its frozen base needs.

    python scripts/bench/residual.py [--suite libero_goal] [--checkpoint ckpt/w2a] [--calls 100]

Both policies are built and asked as `wambench eval` does, for as many control steps as the base
executes of a chunk: once the base alone, and in pieces of four actions with the residual, whose
first piece asks the base. They take turns, so that whatever else the machine does meets both alike.

Without --checkpoint it takes the one that is shipped for the suite.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from policy_latency import BATCHES, WARM_UP, observations

from wambench import registry
from wambench.protocol import Observation, Policy

PUBLISHED = 274.1 / 251.9
"""Hz of GR00T N1.6 alone and with World2Act: third-party notes of arXiv 2603.10422."""


def chunk(policy: Policy, batch: Sequence[Observation], first: int, steps: int) -> float:
    """Seconds that a policy needs for its next `steps` control steps, of which `first` is one."""
    started = time.perf_counter()
    for step in range(first, first + steps, policy.execute):
        policy.act([replace(seen, step=step) for seen in batch])
    return time.perf_counter() - started


def main() -> None:
    """Prints milliseconds of both, control steps per second, and the ratio beside the paper's."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--suite", default="libero_goal")
    parser.add_argument("--checkpoint", help="of stage posttrain [the shipped one]")
    parser.add_argument("--calls", type=int, default=100, help="timed chunks of each")
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch")
    options = parser.parse_args()
    if options.calls < 1:
        parser.error("--calls is at least 1")
    import torch

    torch.set_num_threads(options.threads)
    suite = registry.load_suite(options.suite, "embedded")
    arguments = {"checkpoint": options.checkpoint, "device": "cpu"}
    corrected = registry.build_policy(registry.find_policy("world2act"), suite.spec, arguments)
    base = corrected.base  # type: ignore[attr-defined]
    policies = {"the base": base, "with World2Act": corrected}
    instruction = suite.tasks()[0].instruction
    print(
        f"{options.calls} chunks of {base.execute} control steps, {options.threads} thread(s) of a "
        "CPU, medians"
    )
    print(f"{'policy':16s} {'episodes':>8s} {'ms a chunk':>11s} {'control steps/s':>16s}")
    for size in BATCHES:
        batch = observations(corrected, suite.spec, instruction, size)
        spent: dict[str, list[float]] = {name: [] for name in policies}
        for call in range(WARM_UP + options.calls):
            for name, policy in policies.items():
                spent[name].append(chunk(policy, batch, call * base.execute, base.execute))
        medians = {name: float(np.median(times[WARM_UP:])) for name, times in spent.items()}
        for name, seconds in medians.items():
            rate = size * base.execute / seconds
            print(f"{name:16s} {size:8d} {1000 * seconds:11.2f} {rate:16.1f}")
        ratio = medians["with World2Act"] / medians["the base"]
        print(
            f"with / without at {size}: {ratio:.2f}   published, of another base: {PUBLISHED:.2f}"
        )


if __name__ == "__main__":
    main()
