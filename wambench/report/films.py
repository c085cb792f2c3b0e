"""Which videos of a run are put into its page, and which are only linked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from urllib.parse import quote

from wambench.errors import RunDirectoryError
from wambench.report.html import data_uri
from wambench.results.record import EpisodeRecord
from wambench.results.run import RunDirectory

DEFAULT_BUDGET = 24_000_000
"""Bytes of video files put into a page; base64 makes them a third larger."""


@dataclass(frozen=True, slots=True)
class Film:
    """The video of one episode.

    Attributes:
        record: The episode.
        link: Its address relative to the page.
        source: The video itself as a data address; None where it is only linked.
        bytes: Size of the file.
    """

    record: EpisodeRecord
    link: str
    source: str | None
    bytes: int


@dataclass(frozen=True, slots=True)
class Films:
    """The videos of a run.

    Attributes:
        by_key: Episode key to its video, for every video file that exists.
        missing: Videos that the records name and the directory lacks.
    """

    by_key: dict[str, Film]
    missing: int

    @property
    def inlined(self) -> list[Film]:
        """Those that are in the page, in manifest order."""
        return [film for film in self.by_key.values() if film.source is not None]

    @property
    def linked_failures(self) -> list[Film]:
        """Failures that are only linked, for want of room."""
        return [
            film
            for film in self.by_key.values()
            if film.source is None and film.record.outcome == "failure"
        ]


def collect_films(run: RunDirectory, records: Sequence[EpisodeRecord], budget: int) -> Films:
    """Takes failures into the page until the budget is used up, one of every task before a second.

    Args:
        run: The run directory; its `videos/` may be gone.
        records: Its records, in manifest order.
        budget: Most bytes of video files to take in.

    Raises:
        RunDirectoryError: A record names a file outside of `videos/`, or a video cannot be read.
    """
    filmed = [record for record in records if record.execution.video]
    files = {record.key: run.path / "videos" / _checked_name(run, record) for record in filmed}
    sizes = {key: file.stat().st_size for key, file in files.items() if file.is_file()}
    inline: set[str] = set()
    room = budget
    for record in sorted(filmed, key=lambda record: (record.trial, record.task)):
        size = sizes.get(record.key)
        if record.outcome == "failure" and size is not None and size <= room:
            room -= size
            inline.add(record.key)
    films = {}
    for record in filmed:
        if record.key not in sizes:
            continue
        file = files[record.key]
        try:
            source = data_uri(file.read_bytes(), "video/mp4") if record.key in inline else None
        except OSError as error:
            raise RunDirectoryError(f"{file} cannot be read: {error.strerror}.") from None
        films[record.key] = Film(record, f"videos/{quote(file.name)}", source, sizes[record.key])
    return Films(films, missing=len(filmed) - len(films))


def _checked_name(run: RunDirectory, record: EpisodeRecord) -> str:
    """The name of a video file; a record from elsewhere must not make us publish other files."""
    name = record.execution.video or ""
    if PurePath(name).name != name or name in ("", ".", "..") or "\0" in name:
        raise RunDirectoryError(
            f"The record of {record.key} in {run.path} names the video {name!r}, which is not a "
            "file name.",
            "The file was edited; remove that line to run the episode again.",
        )
    return name
