"""Engines: where replicas run, and the driver that spreads a manifest over them.

The local engine is no engine in this sense: it runs its one policy in this process. `slurm` and
`ray` start replicas elsewhere, each with a policy and workers of its own (see
`wambench.runner.shard`), and this process, the driver, merges what they report into one run
directory of which it stays the only writer. Which replica ran an episode, and after which death of
which machine, cannot be seen in the results, for the reason for which the number of workers cannot:
an episode's seed, its policy randomness and its simulator state depend on the episode alone.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from wambench.errors import UsageError, WambenchError
from wambench.protocol import Episode
from wambench.results.record import EpisodeRecord
from wambench.results.run import RunDirectory
from wambench.runner.here import OnProvenance
from wambench.runner.shard import SHARD, STOP, Inbox, Shard

_POLL_S = 0.5
"""Seconds between looks at the replicas when none of them had anything to say."""

_START_TRIES = 3
"""How often a shard is started without any of its episodes being recorded before it is given up."""


class Replica(Protocol):
    """A shard that has been started somewhere."""

    def messages(self) -> list[dict[str, Any]]:
        """What it has said since the last call; see `wambench.runner.shard`. Does not wait."""
        ...

    def ended(self) -> str | None:
        """How it ended; None while it runs or waits for its machine. Does not wait."""
        ...

    def stop(self) -> None:
        """Ends it at once, if it has not ended, and frees its machine."""
        ...


class Engine(Protocol):
    """Somewhere to run replicas.

    Attributes:
        name: What the user calls it.
        replicas: How many there may be at once.
        workers: Workers of each; None for one per core of its machine.
        shared: Whether replicas see the run directory under the path that it has here.
    """

    name: str
    replicas: int
    workers: int | None
    shared: bool

    def start(self, shard: Shard, folder: Path) -> Replica:
        """Starts a replica, or asks for a machine for it.

        Args:
            shard: What it is to run.
            folder: An empty folder in the run directory for this start alone.

        Raises:
            WambenchError: It can never be started.
        """
        ...

    def close(self) -> None:
        """Gives back whatever the engine holds."""
        ...


def make_engine(
    name: str, replicas: int | None, workers: int | None, arguments: dict[str, Any]
) -> Engine | None:
    """The engine of that name; None for the local one.

    Args:
        name: `local`, `slurm` or `ray`.
        replicas: Copies of the policy; None for one.
        workers: Workers of each.
        arguments: The engine's own, from `--engine-arg`.

    Raises:
        UsageError: It takes no such arguments.
        RuntimeUnavailable: What it needs is not there.
    """
    if workers is not None and workers < 1:
        raise UsageError(f"{workers} workers cannot run anything.", "Use at least 1.")
    if name == "local":
        if replicas not in (None, 1):
            raise UsageError(
                f"The local engine runs one replica of the policy, not {replicas}.",
                "Leave --replicas out, or use --engine ray, which needs no cluster.",
            )
        if arguments:
            raise UsageError(
                f"The local engine takes no argument {', '.join(arguments)}.",
                "Leave --engine-arg out, or choose --engine slurm or ray.",
            )
        return None
    if name == "slurm":
        from wambench.runner.slurm import SlurmEngine

        return SlurmEngine(replicas or 1, workers, arguments)
    from wambench.runner.ray import RayEngine

    return RayEngine(replicas or 1, workers, arguments)


@dataclass(slots=True)
class _Share:
    """The part of the episodes that is one replica's.

    Attributes:
        number: Which replica.
        waves: Keys of the episodes in the order in which they are to be begun.
        replica: The replica that is at work on it; None once it is done or given up.
        fruitless: Starts since the last record.
        recorded: Keys of which there is a record.
    """

    number: int
    waves: list[list[str]]
    replica: Replica | None = None
    fruitless: int = 0
    recorded: set[str] = field(default_factory=set)


def deal(waves: Sequence[Sequence[Episode]], hands: int) -> list[list[list[Episode]]]:
    """Spreads episodes evenly, one by one: every hand gets its part of every wave and task.

    Replicas whose parts are alike end at about the same time.

    Args:
        waves: The episodes.
        hands: How many to spread them over, at most as many as there are episodes.

    Returns:
        The waves of each hand, in the same order.
    """
    dealt: list[list[list[Episode]]] = [[[] for _ in waves] for _ in range(hands)]
    turn = 0
    for number, wave in enumerate(waves):
        for episode in wave:
            dealt[turn % hands][number].append(episode)
            turn += 1
    return dealt


class Driver:
    """Keeps replicas at work until every episode has a record.

    Args:
        engine: Where they run.
        shard: What they have in common; `number` and `waves` are filled in.
        logs: Folder of the run for their folders.
        on_record: Called with every record, in the order in which they arrive.
        on_provenance: Called with what every new worker says about its suite.
        note: Told in one line what is worth knowing: a replica has died.
    """

    def __init__(
        self,
        engine: Engine,
        shard: Shard,
        logs: Path,
        on_record: Callable[[EpisodeRecord], None],
        on_provenance: OnProvenance,
        note: Callable[[str], None],
    ) -> None:
        self._engine = engine
        self._shard = shard
        self._logs = logs
        self._on_record = on_record
        self._on_provenance = on_provenance
        self._note = note
        self._given_up: list[str] = []

    def run(self, waves: Sequence[Sequence[Episode]], enough: Callable[[], bool]) -> None:
        """Runs the episodes; returns when each has a record, or when that is enough.

        Args:
            waves: What to run, in the order in which it is to be begun.
            enough: Asked after every record; once true, replicas are ended.

        Raises:
            WambenchError: The run cannot go on, or replicas died again and again; what the others
                did is recorded.
        """
        hands = min(self._engine.replicas, sum(len(wave) for wave in waves))
        shares = [
            _Share(number, [[episode.key for episode in wave] for wave in hand if wave])
            for number, hand in enumerate(deal(waves, hands))
        ]
        try:
            for share in shares:
                self._start(share)
            while any(share.replica is not None for share in shares):
                heard = False
                for share in shares:
                    if share.replica is not None:
                        heard |= self._attend(share, share.replica)
                        if enough():
                            return
                if not heard:
                    time.sleep(_POLL_S)
        finally:
            for share in shares:
                if share.replica is not None:
                    share.replica.stop()
        if self._given_up:
            raise WambenchError(
                f"{len(self._given_up)} of {hands} replicas died {_START_TRIES} times without "
                f"finishing an episode. The last: {self._given_up[-1]}",
                "What the others did is recorded; mend this and use --resume.",
            )

    def _start(self, share: _Share) -> None:
        waves = [[key for key in wave if key not in share.recorded] for wave in share.waves]
        shard = self._shard.model_copy(
            update={"number": share.number, "waves": [wave for wave in waves if wave]}
        )
        folder = _new_folder(self._logs)
        (folder / SHARD).write_text(shard.model_dump_json(indent=2) + "\n", encoding="utf-8")
        share.fruitless += 1
        share.replica = self._engine.start(shard, folder)

    def _attend(self, share: _Share, replica: Replica) -> bool:
        """Hears what a replica has to say and replaces it if it has died; whether it spoke."""
        # First: what it said before it ended has then arrived.
        how = replica.ended()
        messages = replica.messages()
        for message in messages:
            match message["type"]:
                case "record":
                    record = EpisodeRecord.model_validate(message["record"])
                    share.recorded.add(record.key)
                    share.fruitless = 0
                    self._shard.any_counted |= record.counted
                    self._on_record(record)
                case "suite":
                    self._on_provenance(message["suite"], message["unpinned"])
                case "failed":
                    raise WambenchError(message["problem"], message["remedy"])
                case "done":
                    replica.stop()
                    share.replica = None
                    return True
                case "started":
                    pass
                case other:
                    raise AssertionError(f"unknown message {other!r} from a replica")
        if how is not None:
            replica.stop()
            share.replica = None
            if share.fruitless >= _START_TRIES:
                self._given_up.append(f"replica {share.number} {how}")
                self._note(f"Replica {share.number} is given up: it {how}.")
            else:
                missing = sum(len(wave) for wave in share.waves) - len(share.recorded)
                self._note(
                    f"Replica {share.number} {how}; its {missing} episodes without a record are "
                    "run again."
                )
                self._start(share)
        return bool(messages)


def _new_folder(logs: Path) -> Path:
    """A folder `shard-NNN` that does not exist yet."""
    number = len(list(logs.glob("shard-*")))
    while True:
        folder = logs / f"shard-{number:03d}"
        with contextlib.suppress(FileExistsError):
            folder.mkdir()
            return folder
        number += 1


def recover(
    run: RunDirectory,
    records: dict[str, EpisodeRecord],
    on_record: Callable[[EpisodeRecord], None],
    on_provenance: OnProvenance,
) -> int:
    """Takes in what replicas reported after their driver was killed, and tells them to stop.

    Args:
        run: The run, locked.
        records: Its records, by key.
        on_record: Called with every record that is newer than the run's own of that episode.
        on_provenance: Called with what their workers said about the suite.

    Returns:
        How many records were taken in.
    """
    taken = 0
    for folder in sorted((run.path / "logs").glob("shard-*")):
        (folder / STOP).touch()
        try:
            shard = Shard.model_validate_json((folder / SHARD).read_bytes())
        except (OSError, ValidationError):
            continue  # the driver was killed while it wrote it: it has never been started
        if not shard.belongs_to(run):
            continue  # of a command that was corrected and repeated before it had any record
        for message in Inbox(folder).receive():
            if message["type"] == "suite":
                on_provenance(message["suite"], message["unpinned"])
            elif message["type"] == "record":
                record = EpisodeRecord.model_validate(message["record"])
                known = records.get(record.key)
                if known is None or known.execution.ended_at < record.execution.ended_at:
                    on_record(record)
                    taken += 1
    return taken


def last_line(texts: Iterable[str]) -> str:
    """The last line of the last text that has one, as the end of a sentence; empty without."""
    for text in reversed(list(texts)):
        if lines := text.strip().splitlines():
            return f": {lines[-1].strip()[:300]}"
    return ""
