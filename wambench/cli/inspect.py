"""`wambench inspect METHOD`: looks into a checkpoint with the diagnostics of its method.

What else there is to look into has a name of its own beside the methods' ones; a method is whatever
is no such name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from wambench import registry
from wambench.cli.eval import EXIT_INTERRUPTED
from wambench.cli.inputs import ArgumentGroup, InputsCommand, check_inputs, did_you_mean, expanded
from wambench.cli.options import parse_mapping, parse_settings
from wambench.cli.terminal import console as make_console
from wambench.errors import UsageError
from wambench.inspector import InspectRequest

app = typer.Typer(
    cls=ArgumentGroup,
    help="Looks into a checkpoint: tables and figures of what it has learned; or into a mapping.",
    no_args_is_help=True,
)


@app.command("METHOD", cls=InputsCommand)
def inspect(
    ctx: typer.Context,
    method: Annotated[
        str, typer.Argument(help="Method by name, or path/to/file.py:Inspector; comes first.")
    ],
    checkpoint: Annotated[Path, typer.Option(help="Folder that `wambench train` wrote.")],
    data: Annotated[
        list[str],
        typer.Option(help="Datasets, or patterns such as 'data/libero_*'; several may follow."),
    ],
    out: Annotated[Path, typer.Option(help="Folder for tables (CSV) and figures (PNG).")],
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="Diagnostics, separated by commas or one by one; see `wambench list inspectors`."
        ),
    ] = None,
    input_: Annotated[
        list[str] | None,
        typer.Option("--input", help="NAME=VALUE that the method takes; short: --NAME VALUE."),
    ] = None,
    episodes: Annotated[
        Literal["held-out", "all"],
        typer.Option(help="Demonstrations that the checkpoint was not trained on, or all."),
    ] = "held-out",
    windows: Annotated[
        int, typer.Option(min=2, help="Most windows that a diagnostic looks at.")
    ] = 256,
    seed: Annotated[int, typer.Option(min=0, help="Decides which windows.")] = 0,
    device: Annotated[
        Literal["auto", "cpu"], typer.Option(help="auto takes an accelerator where there is one.")
    ] = "auto",
) -> None:
    """Looks into a checkpoint with the diagnostics of its method.

    Each writes its numbers (CSV) and a figure (PNG), and prints one line on how to read it.
    """
    console = make_console()
    inspector = registry.load_inspector(registry.find_inspector(method))
    names = [diagnostic.name for diagnostic in inspector.diagnostics]
    wanted = [name.strip() for some in only or [] for name in some.split(",")]
    for name in wanted:
        if name not in names:
            raise UsageError(f"{method} has no diagnostic {name!r}.", did_you_mean(name, names))
    inputs = parse_settings(input_ or [], "--input")
    check_inputs(ctx, f"the inspector of {method}", inspector.inputs, list(inputs))
    request = InspectRequest(
        checkpoint=checkpoint,
        data=tuple(expanded(data)),
        out=out,
        only=tuple(dict.fromkeys(wanted)),
        inputs=inputs,
        episodes=episodes,
        windows=windows,
        seed=seed,
        device=device,
        note=lambda line: console.print(line, style="dim", soft_wrap=True),
    )
    try:
        for finding in inspector.inspect(request):
            console.print(f"{finding.name}: {finding.line}", soft_wrap=True)
            for file in finding.files:
                console.print(f"  {file}", style="dim", soft_wrap=True)
    except KeyboardInterrupt:
        console.print("Interrupted; what was written stays.")
        raise typer.Exit(EXIT_INTERRUPTED) from None


@app.command("mapping")
def mapping(
    protocol: Annotated[str, typer.Option(help="Network protocol; see `wambench list protocols`.")],
    suite: Annotated[str, typer.Option(help="Suite by name.")],
    mapping: Annotated[
        str | None,
        typer.Option(help="A YAML file, or a JSON object of values to replace by dotted key."),
    ] = None,
    template: Annotated[
        bool,
        typer.Option(
            "--template", help="One to begin with: everything that the suite has, as it has it."
        ),
    ] = False,
) -> None:
    """Prints how a protocol lays out a suite's observations and actions, as YAML.

    What is printed can be edited and given to a policy by --policy-arg mapping=FILE.
    """
    if template and mapping is not None:
        raise UsageError("A template takes no values.", "Leave --mapping or --template out.")
    spec = registry.load_suite(suite).spec
    wire = registry.load_protocol(registry.find_protocol(protocol))
    shown = wire.template(spec) if template else wire.mapping(spec, parse_mapping(mapping))
    typer.echo(shown.rstrip())
