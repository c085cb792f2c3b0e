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

_TABLES = {
    "lawam_table1_libero.csv": "LaWAM, Table 1",
    "world2act_page_libero.csv": "World2Act, project page",
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
    return [
        row
        for table, source in _TABLES.items()
        for row in _read(folder / table, source)
        if row.suite in wanted
    ]


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


def _read(file: Path, source: str) -> Iterator[PublishedRow]:
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise WambenchError(
            f"{file} cannot be read: {error.strerror}.",
            "Reinstall wambench, or restore results/published in the checkout.",
        ) from None
    for line in csv.DictReader(text.splitlines()):
        yield PublishedRow(
            method=line["method"],
            suite=line["suite"],
            success_rate=float(line["success_rate_percent"]) / 100,
            source=source,
            note=line["note"],
        )
