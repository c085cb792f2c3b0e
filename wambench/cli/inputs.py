"""Commands of methods: several values for `--data`, and options that a method names itself."""

from __future__ import annotations

import difflib
import glob
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from wambench.errors import UsageError
from wambench.trainer import TrainInput


class ArgumentGroup(TyperGroup):
    """Takes a first argument that names no command for that of one of its commands.

    That one's name is in capitals, as the argument stands in the group's help: METHOD.
    """

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command of that name, or the one in capitals with the name as its argument."""
        if args and args[0] in self.commands and not args[0].isupper():
            return super().resolve_command(ctx, args)
        return "", next(c for name, c in self.commands.items() if name.isupper()), args


class InputsCommand(TyperCommand):
    """Lets `--data` take several values, as a shell's glob gives them, and a method have options.

    An option that the command does not have is an input of the method: `--lawm ckpt/lawm` is
    `--input lawm=ckpt/lawm`. Which inputs there are is known when the method is.
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
        return f"Did you mean {' or '.join(near)}?" if near else "--help lists the options."


def check_inputs(
    ctx: typer.Context, who: str, inputs: Sequence[TrainInput], given: Sequence[str]
) -> None:
    """Refuses inputs that are not taken, and misses those that are needed.

    Args:
        ctx: Of the command; its own options are suggested as well.
        who: What takes them, for errors: `stage policy of lawam`.
        inputs: What it takes.
        given: Names that were given.

    Raises:
        UsageError: See above.
    """
    options = [name[2:] for p in ctx.command.params for name in p.opts if name.startswith("--")]
    names = [taken.name for taken in inputs]
    above: Any = ctx
    path: list[str] = []
    while above.parent is not None:  # the outermost is the program
        path.insert(0, above.info_name or "")
        above = above.parent
    command = " ".join(filter(None, path))
    for name in given:
        if name not in names:
            near = difflib.get_close_matches(name, [*names, *options], n=2, cutoff=0.6)
            takes = ", ".join(f"--{taken}" for taken in names) or "nothing beside data"
            raise UsageError(
                f"`wambench {command}` has no option --{name}, and {who} takes {takes}.",
                f"Did you mean {' or '.join(f'--{n}' for n in near)}?" if near else "",
            )
    for taken in inputs:
        if taken.required and taken.name not in given:
            raise UsageError(
                f"{who[0].upper()}{who[1:]} needs --{taken.name}: {taken.about}.",
                f"Add --{taken.name} VALUE.",
            )


def expanded(patterns: Sequence[str]) -> list[str]:
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


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """The near ones, else all of them."""
    near = difflib.get_close_matches(name, known, n=2, cutoff=0.5)
    return f"Did you mean {' or '.join(near)}?" if near else f"It has: {', '.join(known)}."
