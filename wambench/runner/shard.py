"""A shard: a part of a run's manifest, with everything a replica needs in order to run it.

A replica is a process with a policy and workers of its own, on whatever machine an engine gives
it. It is started with a folder that holds `shard.json`, and appends what it has to say to
`messages.jsonl` in it, one line of JSON each:

    {"type": "started", "host", "pid"}      it has begun
    {"type": "suite", "suite", "unpinned"}  versions and hashes of a new worker's simulator
    {"type": "record", "record"}            an episode has ended
    {"type": "failed", "problem", "remedy"} it cannot go on, and no other replica could
    {"type": "done"}                        every episode of the shard has a record

A file named `stop` in the folder tells it to begin nothing more.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from wambench.report.video import VideoMode
from wambench.results.run import RunConfig, RunDirectory

SHARD = "shard.json"
MESSAGES = "messages.jsonl"
STOP = "stop"


class Shard(BaseModel):
    """The content of `shard.json`.

    Attributes:
        number: Which replica it is for, from 0.
        config: Configuration of the run.
        manifest: Hash of the whole run's manifest, which the replica's own must have.
        policy: Provenance of the policy, which the replica's own must have.
        waves: Keys of its episodes, in the order in which they are to be begun.
        any_counted: Whether earlier episodes of the run counted.
        video: Which episodes to film.
        videos: Folder for videos that the whole run shares; empty where there is none.
        directory: Where the command was given, for relative paths in the configuration.
        workers: Simulator processes; None for one per core.
        retries: See `Limits`.
        silence_s: See `Limits`.
        batch: See `Limits`.
    """

    model_config = ConfigDict(extra="forbid")

    number: int
    config: RunConfig
    manifest: str
    policy: dict[str, Any]
    waves: list[list[str]]
    any_counted: bool
    video: VideoMode
    videos: str
    directory: str
    workers: int | None
    retries: int
    silence_s: float
    batch: int

    def belongs_to(self, run: RunDirectory) -> bool:
        """Whether its records can be those of a run."""
        info = run.info
        return (self.config, self.manifest, self.policy) == (
            info.config,
            info.manifest,
            info.provenance.get("policy"),
        )


class Outbox:
    """The sending side of `messages.jsonl`.

    Args:
        folder: The shard's folder. What an earlier process sent from there is kept: a cluster may
            start a job again by itself.
    """

    def __init__(self, folder: Path) -> None:
        file = folder / MESSAGES
        self._fd = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
        os.ftruncate(self._fd, file.read_bytes().rfind(b"\n") + 1)

    def send(self, message: dict[str, Any]) -> None:
        """Appends a message."""
        os.write(self._fd, json.dumps(message).encode() + b"\n")


class Inbox:
    """The receiving side of `messages.jsonl`.

    Args:
        folder: The shard's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / MESSAGES
        self._read = 0

    def receive(self) -> list[dict[str, Any]]:
        """Messages that are whole and have not been received yet."""
        try:
            with open(self._file, "rb") as file:
                file.seek(self._read)
                data = file.read()
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._read += len(whole)
        return [json.loads(line) for line in whole.splitlines()]
