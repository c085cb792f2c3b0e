"""How many candidates x frames per second a world model imagines, and the loop this replaces.

    python scripts/bench/planner.py lac_wm --checkpoint ckpt/lac_wm --suite bfa_seen
    python scripts/bench/planner.py docs/examples/still_world.py:StillWorld --candidates 10,500

Batched is what the planner does: the picture is encoded once, all candidates are rolled out
together. Naive is one candidate after the other, each with its picture encoded anew and rolled out
chunk by chunk. Both end in the same tokens, which is checked. LAC-WM's paper reports 0.1 s for 10
candidates x 8 frames, that is 800 per second, on a GPU it does not name.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table

from wambench import registry
from wambench_policies.nn.device import chosen_device
from wambench_policies.planning.features import model_features
from wambench_policies.planning.policy import load_world_model

PAPER_CANDIDATES, PAPER_FRAMES, PAPER_S = 10, 8, 0.1


def main(
    world_model: str,
    checkpoint: Annotated[str | None, typer.Option(help="Its checkpoint.")] = None,
    suite: Annotated[str, typer.Option(help="Whose actions and pictures.")] = "bfa_seen",
    candidates: Annotated[str, typer.Option(help="Numbers of candidates.")] = "10,64",
    frames: Annotated[int, typer.Option(min=1, help="Steps of a roll-out.")] = PAPER_FRAMES,
    image_size: Annotated[int, typer.Option(help="Side of the picture.")] = 128,
    repeat: Annotated[int, typer.Option(min=1, help="Of each, the median counts.")] = 5,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Times a world model."""
    spec = registry.load_suite(suite).spec
    model = load_world_model(world_model, spec, checkpoint, device)
    on = chosen_device(device)
    features = model_features(model, world_model, device)
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (1, image_size, image_size, 3), np.uint8)
    low, high = np.array(spec.action_low), np.array(spec.action_high)
    name = torch.cuda.get_device_name() if on.type == "cuda" else f"{torch.get_num_threads()} CPU"
    table = Table("candidates", "frames", "ms, batched", "per s, batched", "ms, naive", "per s")
    for count in (int(text) for text in candidates.split(",")):
        shape = (1, count, frames * model.chunk, spec.action_dim)
        actions = torch.from_numpy(rng.uniform(low, high, shape).astype(np.float32)).to(on)

        def batched(actions: torch.Tensor = actions) -> torch.Tensor:
            return model.rollout(features.raw(picture), actions)[0, :, -1]

        def naive(actions: torch.Tensor = actions) -> torch.Tensor:
            ends = []
            for one in actions.split(1, dim=1):
                tokens = features.raw(picture)
                for chunk in one.split(model.chunk, dim=2):
                    tokens = model.rollout(tokens, chunk)[:, 0, -1]
                ends.append(tokens[0])
            return torch.stack(ends)

        with torch.no_grad():
            off = float((batched().float() - naive().float()).abs().max())
            times = [_median_ms(call, repeat, on) for call in (batched, naive)]
        rates = [f"{1000 * count * frames / ms:,.0f}" for ms in times]
        table.add_row(
            str(count), str(frames), f"{times[0]:.1f}", rates[0], f"{times[1]:.1f}", rates[1]
        )
        print(f"{count} candidates: batched and naive differ by at most {off:.2g}")
    paper = f"{PAPER_CANDIDATES * PAPER_FRAMES / PAPER_S:,.0f}"
    table.add_row(f"{PAPER_CANDIDATES} (paper)", str(PAPER_FRAMES), f"{1000 * PAPER_S:.1f}", paper)
    Console().print(f"{features.name} on {name}", table)


def _median_ms(call: Callable[[], torch.Tensor], repeat: int, device: torch.device) -> float:
    """Median of several calls, after one that warms up, in ms."""
    taken = []
    for number in range(repeat + 1):
        started = time.perf_counter()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize()
        if number:
            taken.append(1000 * (time.perf_counter() - started))
    return statistics.median(taken)


if __name__ == "__main__":
    typer.run(main)
