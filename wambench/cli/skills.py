"""`wambench skills`: cuts demonstrations into skills, measures the cuts and shows them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from tqdm import tqdm

from wambench.cli.options import parse_indices
from wambench.cli.terminal import console as make_console
from wambench.errors import UsageError
from wambench.progress import progress_interval

if TYPE_CHECKING:
    from rich.table import Table

    from wambench.skills.decompose import Options, Splitter
    from wambench.skills.rates import SyncRate

app = typer.Typer(
    help="Cuts demonstrations into skills with a prompt each, measures the cuts, shows them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Data = Annotated[
    str, typer.Option(help="Demonstrations: LIBERO HDF5 or a LeRobotDataset v3 (a folder).")
]
TasksOption = Annotated[
    str | None, typer.Option(help="Task indices, for example 0,3,5-7 [default: all].")
]
RuleOption = Annotated[
    Literal["closure", "width", "command"],
    typer.Option(
        help="When the hand is in contact: its closure since the start reaches the threshold (the "
        "paper), its width is below it, or it was told to close and not yet to open."
    ),
]
ThresholdOption = Annotated[
    float, typer.Option(help="Threshold of closure or width in m; 0.05 is the paper's.")
]
ReferenceOption = Annotated[
    Literal["first", "widest"],
    typer.Option(help="Width that closure is measured from: that of the first row, or the widest."),
]
ContactOption = Annotated[
    float, typer.Option(min=0, help="Contacts that are shorter, in s, are none.")
]
ReleaseOption = Annotated[
    float, typer.Option(min=0, help="Gaps between contacts that are shorter, in s, are none.")
]
UnitOption = Annotated[
    Literal["cycle", "phase"],
    typer.Option(help="A skill is a whole gripper cycle, or picking up and putting down are two."),
]
NoCycleOption = Annotated[
    Literal["discard", "whole"],
    typer.Option(
        help="A demonstration of one prompt in which nothing is held: discard it, for the counts "
        "differ, or take the whole of it."
    ),
]
LLMOption = Annotated[
    str | None,
    typer.Option(
        "--llm",
        help="Address of an OpenAI-compatible endpoint that splits instructions, for example "
        "http://localhost:8000/v1 [default: rules, without a network].",
    ),
]
LLMModelOption = Annotated[
    str | None, typer.Option("--llm-model", help="Name of the model at --llm.")
]
LLMKeyOption = Annotated[
    str, typer.Option("--llm-key", help="Environment variable that holds the key for --llm.")
]


@app.command("build")
def build_(
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder to make.")],
    rule: RuleOption = "closure",
    threshold: ThresholdOption = 0.05,
    reference: ReferenceOption = "first",
    min_contact: ContactOption = 0.5,
    min_release: ReleaseOption = 0.25,
    unit: UnitOption = "cycle",
    no_cycle: NoCycleOption = "discard",
    llm: LLMOption = None,
    llm_model: LLMModelOption = None,
    llm_key: LLMKeyOption = "OPENAI_API_KEY",
    tasks: TasksOption = None,
    cameras: Annotated[
        str | None,
        typer.Option(help="Views of the videos, separated by commas, at most 4 [default: all]."),
    ] = None,
    format_: Annotated[
        Literal["hdf5", "lerobot", "none"],
        typer.Option("--format", help="What the clips are written as, beside videos."),
    ] = "hdf5",
    videos: Annotated[bool, typer.Option(help="Whether to write videos.")] = True,
    frames: Annotated[
        int,
        typer.Option(
            min=0,
            help="Least frames of a video; shorter ones hold their last picture. World2Act's "
            "loader needs 93.",
        ),
    ] = 0,
) -> None:
    """Cuts demonstrations into skills: clips with a prompt of their own.

    Demonstrations with another number of gripper cycles than of prompts are discarded and counted.
    """
    from wambench.skills.clips import AUTHORS_FRAMES, BuildRequest, build

    options = _options(
        rule, threshold, reference, min_contact, min_release, unit=unit, no_cycle=no_cycle
    )
    request = BuildRequest(
        data=data,
        out=out,
        options=options,
        splitter=_splitter(llm, llm_model, llm_key),
        cameras=None if cameras is None else tuple(cameras.split(",")),
        tasks=None if tasks is None else tuple(parse_indices(tasks)),
        format=format_,
        videos=videos,
        frames=frames,
    )
    console = make_console()
    with tqdm(unit="", dynamic_ncols=True, mininterval=progress_interval()) as bar:

        def note(done: int, total: int) -> None:
            bar.total, bar.n = total, done
            bar.update(0)

        made = build(request, note)
    console.print(_rates_table([*made.rates, made.overall]))
    console.print(f"{made.clips} clips, {made.rows} frames, in {out}", soft_wrap=True)
    if made.short and videos:
        console.print(
            f"{made.short} videos are shorter than the {AUTHORS_FRAMES} frames that World2Act's "
            f"loader takes; --frames {AUTHORS_FRAMES} holds their last picture.",
            style="dim",
            soft_wrap=True,
        )


def _options(
    rule: Literal["closure", "width", "command"],
    threshold: float,
    reference: Literal["first", "widest"],
    min_contact: float,
    min_release: float,
    *,
    unit: Literal["cycle", "phase"] = "cycle",
    no_cycle: Literal["discard", "whole"] = "discard",
) -> Options:
    from wambench.skills.decompose import Options
    from wambench.skills.gripper import Rule

    return Options(Rule(rule, threshold, reference, min_contact, min_release), unit, no_cycle)


def _splitter(llm: str | None, model: str | None, key_variable: str) -> Splitter:
    from wambench.skills.decompose import RuleSplitter
    from wambench.skills.llm import ChatEndpoint, LLMSplitter

    if llm is None:
        if model is not None:
            raise UsageError("--llm-model names a model, but not where it is.", "Add --llm URL.")
        return RuleSplitter()
    if model is None:
        raise UsageError(f"{llm} may serve several models.", "Add --llm-model NAME.")
    return LLMSplitter(ChatEndpoint(llm, model, key_variable))


def _rates_table(rates: list[SyncRate]) -> Table:
    from rich.table import Table

    table = Table(title="Synchronised: as many gripper cycles as prompts", title_justify="left")
    table.add_column("suite")
    table.add_column("task", justify="right")
    table.add_column("instruction", overflow="fold")
    table.add_column("kept", justify="right")
    table.add_column("rate [95 % CI]", justify="right")
    table.add_column("of the others", overflow="fold")
    for rate in rates:
        overall = rate is rates[-1]
        if overall:
            table.add_section()
        low, high = rate.interval
        table.add_row(
            rate.suite,
            "all" if overall else str(rate.task),
            rate.name,
            f"{rate.synchronised}/{rate.demos}",
            f"{rate.rate:.1%} [{100 * low:.1f}, {100 * high:.1f}]",
            "; ".join(f"{count}: {reason}" for reason, count in rate.why_not[:3]),
        )
    return table
