"""`wambench train`: trains a stage of a method on demonstrations."""

from __future__ import annotations

import difflib
import glob
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from typer.core import TyperCommand

from wambench import registry
from wambench.cli.eval import EXIT_INTERRUPTED
from wambench.cli.options import parse_settings
from wambench.cli.terminal import console as make_console
from wambench.errors import UsageError
from wambench.trainer import Stage, TrainRequest, TrainResult


class TrainCommand(TyperCommand):
    """Lets `--data` take several values, as a shell's glob gives them, and a stage have options.

    An option that the command does not have is an input of the stage: `--lawm ckpt/lawm` is
    `--input lawm=ckpt/lawm`. Which inputs there are is known when method and stage are.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Rewrites the arguments into ones that click understands."""
        return super().parse_args(ctx, self._rewritten(args))

    def _rewritten(self, args: Sequence[str]) -> list[str]:
        known = {name for parameter in self.params for name in parameter.opts}
        known |= {name for parameter in self.params for name in parameter.secondary_opts}
        known.add("--help")
        rewritten: list[str] = []
        rest = list(args)
        while rest:
            token = rest.pop(0)
            name, equals, value = token.partition("=")
            if token == "--data":
                while rest and not rest[0].startswith("-"):
                    rewritten += ["--data", rest.pop(0)]
                continue
            if token.startswith("--") and len(token) > 2 and name not in known:
                if not equals:
                    if not rest or rest[0].startswith("--"):
                        raise UsageError(
                            f"There is no option {name}, and no value that it could take follows.",
                            self._hint(name, known),
                        )
                    value = rest.pop(0)
                rewritten += ["--input", f"{name[2:]}={value}"]
                continue
            rewritten.append(token)
        return rewritten

    @staticmethod
    def _hint(name: str, known: set[str]) -> str:
        near = difflib.get_close_matches(name, sorted(known), n=2, cutoff=0.6)
        return f"Did you mean {' or '.join(near)}?" if near else "See `wambench train --help`."


def train(
    ctx: typer.Context,
    method: Annotated[
        str, typer.Argument(help="Method by name, or path/to/file.py:Trainer; comes first.")
    ],
    stage: Annotated[str, typer.Option(help="What to train; see `wambench list trainers`.")],
    preset: Annotated[str, typer.Option(help="Sizes and settings to begin with.")],
    data: Annotated[
        list[str],
        typer.Option(help="Datasets, or patterns such as 'data/libero_*'; several may follow."),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the checkpoint, the logs and the record.")],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="KEY=VALUE of the configuration, e.g. model.ki=false."),
    ] = None,
    input_: Annotated[
        list[str] | None,
        typer.Option("--input", help="NAME=VALUE that the stage takes; short: --NAME VALUE."),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Optimiser steps [default: the preset's].")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Windows per step [default: the preset's].")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of weights, order and draws [default: the preset's].")
    ] = None,
    train_init: Annotated[
        str | None,
        typer.Option(
            help="Fixed initial states to train on, e.g. 0-39; demonstrations from sampled starts "
            "are trained on in any case."
        ),
    ] = None,
    init: Annotated[
        Path | None, typer.Option(help="Checkpoint of this stage whose weights to start from.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the training in --out.")
    ] = False,
    max_minutes: Annotated[
        float | None, typer.Option(min=0, help="Stop and save after this time.")
    ] = None,
    device: Annotated[
        Literal["auto", "cpu"], typer.Option(help="auto takes an accelerator where there is one.")
    ] = "auto",
) -> None:
    """Trains a stage of a method; --out then holds a checkpoint that `wambench eval` takes.

    It may be stopped at any time (Ctrl-C, SIGTERM, --max-minutes) and goes on with --resume as if
    it had not been. Exit codes: 0 all steps are done or the time is over, 2 the request cannot be
    carried out or the training diverged, 130 interrupted.
    """
    console = make_console()
    trainer = registry.load_trainer(registry.find_trainer(method))
    chosen = _stage(method, trainer.stages, stage)
    if preset not in chosen.presets:
        raise UsageError(
            f"Stage {stage} of {method} has no preset {preset!r}.", _hint(preset, chosen.presets)
        )
    inputs = parse_settings(input_ or [], "--input")
    _check_inputs(method, chosen, inputs, _options(ctx))
    request = TrainRequest(
        stage=stage,
        preset=preset,
        data=tuple(_expanded(data)),
        out=out,
        inputs=inputs,
        overrides=parse_settings(set_ or [], "--set"),
        steps=steps,
        batch_size=batch_size,
        seed=seed,
        train_init=train_init,
        init=init,
        resume=resume,
        max_minutes=max_minutes,
        device=device,
        command=shlex.join(["wambench", *sys.argv[1:]]),
        note=lambda line: console.print(line, style="dim", soft_wrap=True),
    )
    try:
        result = trainer.train(request)
    except KeyboardInterrupt:
        console.print(
            "Interrupted before it could save; --resume goes on from the last checkpoint."
        )
        raise typer.Exit(EXIT_INTERRUPTED) from None
    if os.environ.get("RANK", "0") == "0":  # one of several processes speaks for all
        _print(console, result, out)
    if result.stopped == "interrupted":
        raise typer.Exit(EXIT_INTERRUPTED)


def _print(console: Console, result: TrainResult, out: Path) -> None:
    for name in ("train/loss", "validation/loss"):
        if name in result.losses:
            console.print(f"{name}: {result.losses[name]:.6g}")
    if result.stopped == "finished":
        console.print(f"All {result.steps} steps are done: {out}", soft_wrap=True)
        return
    why = "Interrupted" if result.stopped == "interrupted" else "The time is over"
    console.print(
        f"{why} after {result.step} of {result.steps} steps; saved in {out}. "
        "The same command with --resume goes on.",
        soft_wrap=True,
    )


def _stage(method: str, stages: Sequence[Stage], name: str) -> Stage:
    for stage in stages:
        if stage.name == name:
            return stage
    raise UsageError(
        f"{method} has no stage {name!r}.", _hint(name, [stage.name for stage in stages])
    )


def _check_inputs(
    method: str, stage: Stage, given: Mapping[str, str], options: Sequence[str]
) -> None:
    names = [taken.name for taken in stage.inputs]
    for name in given:
        if name not in names:
            near = difflib.get_close_matches(name, [*names, *options], n=2, cutoff=0.6)
            takes = ", ".join(f"--{taken}" for taken in names) or "nothing beside data"
            raise UsageError(
                f"`wambench train` has no option --{name}, and stage {stage.name} of {method} "
                f"takes {takes}.",
                f"Did you mean {' or '.join(f'--{n}' for n in near)}?" if near else "",
            )
    for taken in stage.inputs:
        if taken.required and taken.name not in given:
            raise UsageError(
                f"Stage {stage.name} of {method} needs --{taken.name}: {taken.about}.",
                f"Add --{taken.name} VALUE.",
            )


def _options(ctx: typer.Context) -> list[str]:
    """Names of the command's own options, without dashes."""
    return [name[2:] for p in ctx.command.params for name in p.opts if name.startswith("--")]


def _expanded(patterns: Sequence[str]) -> list[str]:
    """Datasets: what exists as it is, else what a pattern matches, else as it is (a hub name)."""
    found: list[str] = []
    for pattern in patterns:
        if Path(pattern).exists() or not glob.has_magic(pattern):
            found.append(pattern)
            continue
        matches = sorted(glob.glob(pattern))
        if not matches:
            raise UsageError(f"--data {pattern} matches nothing.", "Check the path.")
        found += matches
    return found


def _hint(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=2, cutoff=0.5)
    return f"Did you mean {' or '.join(near)}?" if near else f"It has: {', '.join(known)}."
