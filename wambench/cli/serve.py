"""`wambench serve`: makes a policy a server that other programs ask for actions."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from wambench import registry
from wambench.cli.options import CheckpointOption, PolicyArgOption, parse_mapping, policy_arguments
from wambench.cli.terminal import console as make_console
from wambench.errors import UsageError

_DEFAULT_SUITE = "libero_long"
"""The suites of one benchmark differ in their tasks alone, which clients say."""


def serve(
    policy: Annotated[str, typer.Option(help="Policy by name, or path/to/file.py:Class.")],
    protocol: Annotated[str, typer.Option(help="Network protocol; see `wambench list protocols`.")],
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="0 takes a free one (default: the protocol's)."),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 lets every machine in.")
    ] = "127.0.0.1",
    suite: Annotated[
        str, typer.Option(help="Suite whose cameras, state and actions are served.")
    ] = _DEFAULT_SUITE,
    backend: Annotated[
        Literal["auto", "official", "embedded"], typer.Option(help="Told to clients; see eval.")
    ] = "auto",
    checkpoint: CheckpointOption = None,
    policy_arg: PolicyArgOption = None,
    mapping: Annotated[
        str | None,
        typer.Option(
            help="A YAML file, or a JSON object of values to replace by dotted key; see "
            "`wambench inspect mapping`."
        ),
    ] = None,
    api_key: Annotated[
        str | None,
        typer.Option(
            envvar="WAMBENCH_API_KEY",
            show_envvar=True,
            help="Clients must send it (default: none).",
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Of the noise for requests that name no episode.")
    ] = 0,
    episode_per_connection: Annotated[
        bool,
        typer.Option(
            "--episode-per-connection",
            help="Clients open a connection for every episode; needed by policies that remember "
            "earlier observations, if their clients are not wambench's.",
        ),
    ] = False,
) -> None:
    """Serves a policy to programs that speak another project's protocol, until interrupted."""
    from wambench.results.provenance import harness_provenance
    from wambench.wire import ServeRequest

    if api_key is not None and not api_key.strip():
        raise UsageError("The API key is empty.", "Give one, or leave it out.")
    console = make_console()
    wire = registry.load_protocol(registry.find_protocol(protocol))
    spec = registry.load_suite(suite, backend).spec
    reference = registry.find_policy(policy)
    arguments: dict[str, Any] = policy_arguments(checkpoint, policy_arg)
    built = registry.build_policy(reference, spec, arguments)
    wire.serve(
        ServeRequest(
            name=policy,
            policy=built,
            spec=spec,
            host=host,
            port=wire.default_port if port is None else port,
            api_key=api_key,
            mapping=parse_mapping(mapping),
            seed=seed,
            episode_per_connection=episode_per_connection,
            provenance=harness_provenance(reference, arguments, built),
            note=lambda line: console.print(line, soft_wrap=True),
        )
    )
