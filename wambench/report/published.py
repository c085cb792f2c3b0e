"""Success rates that papers report, for showing beside measured ones.

The tables are data of this repository, `results/published`; its README says where each comes from
and how far it can be trusted. None of it was measured with wambench.
"""

from __future__ import annotations

import csv
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import wambench
from wambench.errors import WambenchError

LIBERO_AVERAGE = "libero_average"
"""Stands for the average of the four suites where a paper gives one."""

_AVERAGED = frozenset({"libero_spatial", "libero_object", "libero_goal", "libero_long"})

ROBOTWIN_TABLE = "lawam_table4_robotwin_50_tasks.csv"
ROBOTWIN_SOURCE = "LaWAM, Table 4, average of 50 tasks"
_ROBOTWIN = {"robotwin_clean": "clean", "robotwin_randomized": "randomized"}
"""Suite to the table's word for it; its row `average` is over all 50 tasks."""

_TABLES = {
    "lawam_table1_libero.csv": "LaWAM, Table 1",
    "world2act_page_libero.csv": "World2Act, project page",
    "robocasa_docs_365.csv": "RoboCasa's documentation",
}


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """One success rate as a paper reports it.

    Attributes:
        method: The paper's name of the method.
        suite: wambench's name of the suite, or `LIBERO_AVERAGE`.
        success_rate: 0 to 1.
        source: Paper and table.
        note: What has to be known about the number; mostly empty.
    """

    method: str
    suite: str
    success_rate: float
    source: str
    note: str = ""


def published_rows(suites: Sequence[str]) -> list[PublishedRow]:
    """The reported success rates on some suites, in the papers' order.

    Args:
        suites: Names of suites; those without published numbers are passed over. The averages come
            with them when all four LIBERO suites are among them, and not otherwise.

    Raises:
        WambenchError: The tables are not there.
    """
    wanted = set(suites)
    if wanted >= _AVERAGED:
        wanted.add(LIBERO_AVERAGE)
    folder = published_folder()
    rows = [
        row
        for table, source in _TABLES.items()
        for row in _read(folder / table, source)
        if row.suite in wanted
    ]
    for suite in (suite for suite in _ROBOTWIN if suite in wanted):
        averages = published_tasks(suite)["average"]
        rows += [
            PublishedRow(method, suite, rate, ROBOTWIN_SOURCE) for method, rate in averages.items()
        ]
    return rows


def published_tasks(suite: str) -> dict[str, dict[str, float]]:
    """Reported success rates task by task: name of the task, then of the method, to 0 to 1.

    Args:
        suite: Name of a suite; empty where no paper reports its tasks.

    Raises:
        WambenchError: The tables are not there.
    """
    if suite not in _ROBOTWIN:
        return {}
    rates: dict[str, dict[str, float]] = {}
    for line in _lines(published_folder() / ROBOTWIN_TABLE):
        if line["setting"] == _ROBOTWIN[suite]:
            of_task = rates.setdefault(line["task"], {})
            of_task[line["method"]] = float(line["success_rate_percent"]) / 100
    return rates


def published_folder() -> Path:
    """Where the tables are: beside the package in a checkout, or where a wheel puts its data.

    Raises:
        WambenchError: Neither is there.
    """
    checkout = Path(wambench.__file__).parent.parent
    data = Path(sysconfig.get_path("data"))
    candidates = (checkout / "results" / "published", data / "share" / "wambench" / "published")
    for folder in candidates:
        if folder.is_dir():
            return folder
    raise WambenchError(
        f"The published tables are in neither {candidates[0]} nor {candidates[1]}.",
        "Reinstall wambench, or restore results/published in the checkout.",
    )


def _lines(file: Path) -> Iterator[dict[str, str]]:
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise WambenchError(
            f"{file} cannot be read: {error.strerror}.",
            "Reinstall wambench, or restore results/published in the checkout.",
        ) from None
    yield from csv.DictReader(text.splitlines())


def _read(file: Path, source: str) -> Iterator[PublishedRow]:
    for line in _lines(file):
        yield PublishedRow(
            method=line["method"],
            suite=line["suite"],
            success_rate=float(line["success_rate_percent"]) / 100,
            source=source,
            note=line["note"],
        )
