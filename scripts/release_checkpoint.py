"""A trained checkpoint as it is shipped: without its training, and a card with its scores.

    SHIPPED=policies/wambench_policies/lawam/checkpoints/policy
    python scripts/release_checkpoint.py ckpt/lawam $SHIPPED
    python scripts/release_checkpoint.py ckpt/lawam $SHIPPED --runs results/measured/lawam-libero_*

What is only needed to go on training stays behind, and weights become of half precision; with
--exact they stay as they are, for those that another checkpoint names by their digest. The first
command is run before the evaluations, so that what is evaluated is what is shipped; the second adds
their scores to the card, and refuses runs that were made with other weights.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from wambench.errors import UsageError, WambenchError
from wambench.report.summary import summarise_run
from wambench.results.provenance import checkpoint_digest
from wambench.results.run import RunDirectory
from wambench_policies.nn.checkpoint import (
    CARD,
    CONFIG,
    NORMALISATION,
    WEIGHTS,
    Checkpoint,
    write_atomically,
)

LARGEST = 40e6
"""Bytes that a shipped checkpoint may have."""


def halved(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Floating-point tensors in half precision.

    Raises:
        UsageError: A value is too large for it.
    """
    out = {}
    for name, tensor in tensors.items():
        half = tensor.half() if tensor.is_floating_point() else tensor
        if not torch.isfinite(half).all():
            raise UsageError(f"{name} does not fit half precision.", "Ship it as it is.")
        out[name] = half.contiguous()
    return out


def scores(runs: Sequence[RunDirectory]) -> list[str]:
    """The section of the card on what was measured."""
    lines = [
        "## Scores",
        "",
        "| suite | backend | trials per task | success | 95 % interval | made by |",
        "|---|---|---|---|---|---|",
    ]
    for run in runs:
        config, summary = run.info.config, summarise_run(run).suite
        if summary.rate is None:
            raise UsageError(f"{run.path} is not finished.", f"Continue it: --resume {run.path}.")
        low, high = summary.interval
        lines.append(
            f"| {config.suite} | {config.backend} | {config.trials} | "
            f"{summary.successes}/{summary.trials} = {100 * summary.rate:.1f} % | "
            f"{100 * low:.1f} to {100 * high:.1f} % | `{run.info.command}` |"
        )
    return [*lines, ""]


def release(source: Path, target: Path, runs: Sequence[Path], *, exact: bool = False) -> None:
    """Writes the shipped form of `source` to `target`; see the module docstring."""
    checkpoint = Checkpoint.open(source)
    card = (source / CARD).read_text()
    tensors = checkpoint.tensors() if exact else halved(checkpoint.tensors())
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    if size > LARGEST:
        raise UsageError(
            f"{source} has {size / 1e6:.1f} MB, and at most {LARGEST / 1e6:g} MB are shipped.",
            "Train a smaller one.",
        )
    about, heading, rest = card.partition("## Made by")
    halves = "" if exact else "The weights are in half precision, converted after training. "
    note = (
        f"{halves}How its demonstrations and what it was trained from were made: docs/training.md, "
        '"The shipped checkpoints".\n\n'
    )
    if exact:  # to the byte: writing anew would add what the format has got since
        target.mkdir(parents=True, exist_ok=True)
        for name in (CONFIG, NORMALISATION, WEIGHTS):
            shutil.copyfile(source / name, target / name)
        (target / CARD).write_text(about + note + heading + rest)
    else:
        replace(checkpoint, folder=target).write(tensors, about + note + heading + rest)
    print(f"{target}: {len(tensors)} tensors, {size / 1e6:.1f} MB")
    if not runs:
        return
    found = [RunDirectory(path) for path in runs]
    digest = checkpoint_digest(target)
    for run in found:
        used = run.info.provenance["policy"].get("checkpoint_sha256")
        if used != digest:
            raise UsageError(
                f"{run.path} was made with other weights ({used}, these are {digest}).",
                "Evaluate these, or release the ones that were evaluated.",
            )
    text = about + note + "\n".join(scores(found)) + "\n" + heading + rest
    write_atomically(target / CARD, lambda path: path.write_text(text))
    print(f"{target / CARD}: scores of {len(found)} runs")


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path, help="checkpoint that `wambench train` wrote")
    parser.add_argument("target", type=Path, help="folder in the package")
    parser.add_argument("--runs", type=Path, nargs="+", default=[], help="run directories")
    parser.add_argument("--exact", action="store_true", help="leave the weights as they are")
    arguments = parser.parse_args()
    try:
        release(arguments.source, arguments.target, arguments.runs, exact=arguments.exact)
    except WambenchError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
