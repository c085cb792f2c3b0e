"""What every policy that is served somewhere else does in the same way.

Before the first episode the server is asked once: its answer to grey pictures says how long its
chunks are, and is checked for keys, shapes, widths, ranges and NaN. (A wambench server says all
that itself.) Then

    - a connection that breaks, as when the server is restarted, is opened again for up to
      `patience` seconds and the request is sent again: a request can be answered alone, so nothing
      is lost. One that breaks it three times ends its episode with `policy_error`;
    - an answer that takes longer than `timeout` seconds ends its episode with `policy_error`, and
      the connection is not used again, so that a late answer is never taken for the next one;
    - a server that says that it failed ends the episode with `policy_error`;
    - a server that has been gone for `patience` seconds three times in a row, or that says
      something else about itself when it is back, ends the run, which `wambench eval --resume`
      continues.

A `policy_error` is run again as often as `--retries` says.

Non-obvious behaviours
    - The first answer may take `WARM_UP_S`: many servers compile their model then.
    - The time an answer takes is the policy's time in the records; a broken connection's too.
    - What a server draws at random is its own: a run repeats bit for bit only when its answers do.
      A wambench server is told the episode and the step and does repeat.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import time
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from wambench.errors import PolicyContractError, PolicyError, UsageError, WambenchError
from wambench.protocol import Episode, Observation, Policy, SuiteSpec, episode_rng
from wambench_policies.remote.codecs import CodecError, CodecMismatch
from wambench_policies.remote.mapping import Mapping as WireMapping
from wambench_policies.remote.mapping import check_fits, load_mapping, parse_mapping
from wambench_policies.remote.translate import Fields, GripperWatch, Translator

WARM_UP_S = 600.0
"""Bound of the first answer; openpi's first inference compiles for minutes."""

KEY_VARIABLE = "WAMBENCH_API_KEY"
"""Environment variable of the key: arguments are stored with a run, a secret must not be."""

IDENTITY = "wambench"
"""Key under which wambench's servers and clients tell each other more than the protocol does."""

_BREAKS = 3
_GONE = 3
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0


class LinkDown(Exception):
    """The connection is gone, or cannot be made now; it may come back."""


class TooSlow(Exception):
    """An answer did not come in time."""


class Link(Protocol):
    """One connection to a server."""

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What the server said about itself."""
        ...

    def ask(self, batch: Sequence[Fields], timeout: float) -> Sequence[Mapping[str, Any]]:
        """The parts of an answer to each observation, by the protocol's keys.

        Args:
            batch: The fields of each; one, unless the policy is `batched`.
            timeout: Seconds until the answer must be there.

        Raises:
            LinkDown: The connection broke.
            TooSlow: Nothing came in time.
            PolicyError: The server says that it failed.
            CodecError: Its answer cannot be read.
        """
        ...

    def close(self) -> None:
        """Ends the connection; never raises."""
        ...


class RemotePolicy(Policy):
    """Base of policies that are served somewhere else.

    Args:
        spec: The suite.
        url: Where the server is.
        mapping: A file, or values to replace in the packaged mapping; None for what a wambench
            server says, else the packaged one.
        execute: Actions of a chunk to execute before it is asked again; None as the mapping says.
        timeout: Seconds that an answer may take.
        patience: Seconds for which a server that is not there is tried again.
        connections: Requests under way at the same time, where several observations are waiting;
            useful with several servers behind one address.
        batched: Send all that are waiting in one request, where the protocol can. The server's
            answers then depend, in their last bits or in its noise, on which were waiting.

    Attributes:
        title: The protocol's name for people.
        can_batch: Whether the protocol can.

    Raises:
        UsageError: There is no server, or an argument is wrong.
        PolicyContractError: Its first answer does not fit the suite.
    """

    protocol: ClassVar[str]
    title: ClassVar[str]
    can_batch: ClassVar[bool] = False

    def __init__(
        self,
        spec: SuiteSpec,
        url: str | None = None,
        mapping: str | Mapping[str, Any] | None = None,
        execute: int | None = None,
        timeout: float = 60.0,
        patience: float = 60.0,
        connections: int = 1,
        batched: bool = False,
    ) -> None:
        if batched and not self.can_batch:
            raise UsageError(
                f"{self.title}'s protocol takes one observation at a time.", "Leave batched out."
            )
        if url is None:
            raise UsageError(
                f"Where is the {self.title} server?", f"Add --policy-arg url={self.example()}."
            )
        _check_numbers(timeout=timeout, patience=patience, connections=connections)
        self.spec = spec
        self.url = url
        self._batched = batched
        self._timeout, self._patience = float(timeout), float(patience)
        self._key = os.environ.get(KEY_VARIABLE) or None
        self._slots: queue.LifoQueue[Link | None] = queue.LifoQueue()
        self._gone = 0
        self._client = uuid.uuid4().hex
        self._finished: list[str] = []
        self._threads = ThreadPoolExecutor(connections) if connections > 1 else None
        for _ in range(connections - 1):
            self._slots.put(None)
        link = self._first_link()
        told = link.metadata.get(IDENTITY)
        self._known = isinstance(told, Mapping)
        self._slots.put(link)
        self.mapping = self._agreed(told if self._known else None, mapping)
        self.translator = Translator(self.mapping, spec)
        self._watch = GripperWatch(self.translator)
        self.needs = self.translator.needs
        self.provenance = {
            "mapping": self.mapping.digest,
            "server": _said(link),
        }
        self.horizon = self._told_horizon(told) if self._known else len(self._probe())
        wanted = self.mapping.execute if execute is None else execute
        if execute is not None and not 1 <= execute <= self.horizon:
            raise PolicyContractError(
                f"execute={execute}, and the server's chunks have {self.horizon} actions.",
                f"Use 1 to {self.horizon}.",
            )
        self.execute = min(wanted, self.horizon)

    # ---- what a protocol decides ---------------------------------------------------------------

    @classmethod
    def example(cls) -> str:
        """An address, for errors."""
        raise NotImplementedError

    def open(self) -> Link:
        """A new connection.

        Raises:
            LinkDown: It cannot be made now.
            UsageError: It never can: the address is wrong, or the key.
        """
        raise NotImplementedError

    # ---- the policy ----------------------------------------------------------------------------

    def act(self, batch: Sequence[Observation]) -> NDArray[np.floating[Any]]:
        """(B, H, A) next chunk of each episode."""
        requests = [list(batch)] if self._batched else [[seen] for seen in batch]
        if self._threads is not None and len(requests) > 1:
            answers = list(self._threads.map(self._next, requests))
        else:
            answers = [self._next(request) for request in requests]
        return np.concatenate(answers)

    def start(self, episodes: Sequence[Episode]) -> None:
        """Nothing is kept here for an episode."""

    def finish(self, episodes: Sequence[Episode]) -> None:
        """A wambench server is told with the next request."""
        if self._known:
            self._finished += [episode.key for episode in episodes]

    # ---- asking --------------------------------------------------------------------------------

    def _next(self, request: Sequence[Observation]) -> NDArray[np.floating[Any]]:
        """(B, H, A) for the observations of one request."""
        chunks = [self.translator.chunk(answer) for answer in self._answers(request, self._timeout)]
        for seen, chunk in zip(request, chunks, strict=True):
            if len(chunk) != self.horizon:
                raise PolicyContractError(
                    f"The server answered with {len(chunk)} actions, at the start with "
                    f"{self.horizon}.",
                    "Chunks must have one length.",
                )
            self._watch.look(seen, chunk[: self.execute])
        return np.stack(chunks)

    def _probe(self) -> NDArray[np.floating[Any]]:
        """(T, A) answer to grey pictures, checked."""
        seen = self._blank()
        (answer,) = self._answers([seen], max(WARM_UP_S, self._timeout))
        chunk = self.translator.chunk(answer)
        self.translator.check_range(answer)
        self.finish([seen.episode])
        return chunk

    def _told_horizon(self, told: Any) -> int:
        """What a wambench server says, so that its policy need not make sense of grey pictures."""
        horizon = told.get("horizon")
        if type(horizon) is not int or not 1 <= horizon <= 100_000:
            raise PolicyContractError(
                f"The server says that its chunks have {horizon!r} actions.",
                "Serve it with the version of wambench that asks.",
            )
        return horizon

    def _blank(self) -> Observation:
        instruction = "pick up the object"
        episode = Episode(
            self.spec.name, self.spec.backend, 0, "probe", -1, 0, -1, instruction, max_steps=1
        )
        grey = np.full((*self.needs.image_size, 3), 127, np.uint8)
        return Observation(
            episode,
            0,
            {camera: grey for camera in self.needs.cameras},
            np.zeros(len(self.spec.state_names), np.float32),
            episode_rng(0, 0),
        )

    def _fields(self, seen: Observation) -> Fields:
        fields = self.translator.fields(seen)
        if self._known:
            finished, self._finished = self._finished, []
            fields[IDENTITY] = {
                "episode": seen.episode.to_json(),
                "step": seen.step,
                "finished": finished,
                "client": self._client,
            }
        return fields

    def _answers(
        self, request: Sequence[Observation], timeout: float
    ) -> Sequence[Mapping[str, Any]]:
        """The parts of the answer to each observation of a request."""
        batch = [self._fields(seen) for seen in request]
        link = self._slots.get()
        try:
            for _ in range(_BREAKS):
                if link is None:
                    link = self._reopened()
                try:
                    answers = link.ask(batch, timeout)
                except LinkDown as error:
                    link.close()
                    link, broken = None, error
                    continue
                except TooSlow:
                    link.close()
                    link = None
                    raise PolicyError(
                        f"The server {self.url} gave no answer for {timeout:g} s.",
                        "Allow it more: --policy-arg timeout=SECONDS.",
                    ) from None
                except CodecMismatch:
                    raise
                except (CodecError, PolicyError) as error:
                    link.close()
                    link = None
                    if isinstance(error, PolicyError):
                        raise
                    raise PolicyError(error.problem, error.remedy) from error
                self._gone = 0
                return answers
            raise PolicyError(
                f"The connection to {self.url} broke {_BREAKS} times on one request: {broken}.",
                "See the server's output.",
            )
        finally:
            self._slots.put(link)

    # ---- connecting ----------------------------------------------------------------------------

    def _first_link(self) -> Link:
        try:
            return self._opened()
        except LinkDown as error:
            raise UsageError(
                f"There is no {self.title} server at {self.url}: {error}.",
                "Start it, or check the address.",
            ) from None

    def _reopened(self) -> Link:
        try:
            link = self._opened()
        except LinkDown as error:
            self._gone += 1
            if self._gone >= _GONE:
                raise WambenchError(
                    f"The server {self.url} is gone: {error}.",
                    "Start it again and continue the run with `wambench eval --resume`.",
                ) from None
            raise PolicyError(
                f"The server {self.url} has been gone for {self._patience:g} s: {error}.",
                "Start it again, or allow more: --policy-arg patience=SECONDS.",
            ) from None
        if _said(link) != self.provenance["server"]:
            link.close()
            raise WambenchError(
                f"The server {self.url} is another one than when the run began: it says something "
                "else about itself.",
                "Serve the same policy again and continue the run with `wambench eval --resume`, "
                "or start another run.",
            )
        return link

    def _opened(self) -> Link:
        """A connection, tried for again until `patience` is over."""
        until = time.monotonic() + self._patience
        pause = _FIRST_PAUSE_S
        while True:
            try:
                return self.open()
            except LinkDown:
                if time.monotonic() + pause > until:
                    raise
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    def _agreed(
        self, told: Mapping[str, Any] | None, given: str | Mapping[str, Any] | None
    ) -> WireMapping:
        """The mapping: what the user says, else what a wambench server says, else the packaged."""
        if told is None or given is not None:
            return load_mapping(self.protocol, self.spec, given)
        spec = told.get("spec")
        for name in ("action_names", "state_names", "control_hz"):
            here = getattr(self.spec, name)
            here = list(here) if isinstance(here, tuple) else here
            if not isinstance(spec, Mapping) or spec.get(name) != here:
                there = spec.get(name) if isinstance(spec, Mapping) else None
                raise PolicyContractError(
                    f"The server's policy was made for {told.get('suite')}, whose {name} are "
                    f"{there}; those of {self.spec.name} are {here}.",
                    f"Start it with `wambench serve --suite {self.spec.name}`.",
                )
        mapping = parse_mapping(told.get("mapping"), f"of {self.url}")
        check_fits(mapping, self.spec)
        return mapping

    def __del__(self) -> None:
        """Closes what is open."""
        slots = getattr(self, "_slots", None)
        with contextlib.suppress(Exception):
            while slots is not None:
                link = slots.get_nowait()
                if link is not None:
                    link.close()


def _said(link: Link) -> str:
    """What a server says about itself, as text."""
    return json.dumps(link.metadata, default=str, sort_keys=True)[:4000]


def _check_numbers(**values: Any) -> None:
    for name, value in values.items():
        whole = name == "connections"
        kind = int if whole else int | float
        if isinstance(value, bool) or not isinstance(value, kind) or not 0 < value <= 86400:
            raise UsageError(
                f"{name}={value!r} is not a number of {name if whole else 'seconds'}.",
                f"Example: --policy-arg {name}={4 if whole else 60}.",
            )
