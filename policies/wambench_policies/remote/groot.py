"""GR00T's ZMQ protocol, the client's side: `--policy groot --policy-arg url=tcp://host:5555`.

The message layout is in `groot_wire.py`. Servers up to N1.6 write and read arrays as .npy, newer
ones write them as msgpack-numpy and read both: the first request is sent as .npy and, if the server
fails on that, as msgpack-numpy; from its answer on, the connection writes as the server does.

Non-obvious behaviours
    - A REQ socket that has not got its answer can neither send nor receive again: after a timeout
      or a broken connection it is thrown away and another one is made.
    - ZMQ reconnects by itself and loses the request on the way. The socket's monitor tells when a
      connection has been lost, so that the request is sent again at once and not after a timeout.
    - A ZMQ server answers one request after another: with `batched=true` all observations that are
      waiting go into one. A server's noise is its own in any case.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import urlsplit

from wambench.errors import PolicyError, UsageError
from wambench_policies.remote.client import KEY_VARIABLE, Link, LinkDown, RemotePolicy, TooSlow
from wambench_policies.remote.codecs import MAX_FRAME_BYTES, CodecName, decode, encode
from wambench_policies.remote.extra import require
from wambench_policies.remote.groot_wire import answers, check_modalities, observation
from wambench_policies.remote.mapping import Mapping as WireMapping
from wambench_policies.remote.translate import Fields

_CONNECT_S = 5.0
_CODECS: tuple[CodecName, ...] = ("npy", "msgpack_numpy")


class ServerFailed(PolicyError):
    """The server says that it failed on a request."""


class ZMQLink:
    """A REQ socket to a GR00T server.

    Args:
        url: `tcp://host:port`.
        token: Sent as `api_token`; None for none.
        timeout: Seconds that a `ping` may take: a server answers it when it is done with others.

    Attributes:
        metadata: What the server answers to `ping`.
        mapping: How observations are laid out; to be set before anything is asked.

    Raises:
        LinkDown: Nobody listens there, or does not answer.
        UsageError: The address is wrong, or the token.
    """

    def __init__(self, url: str, token: str | None, timeout: float) -> None:
        self._zmq = require("zmq", "GR00T's servers")
        self._token = token
        self.codec: CodecName | None = None
        self.mapping: WireMapping | None = None
        self._checked = False
        self._socket = self._zmq.Context.instance().socket(self._zmq.REQ)
        self._socket.setsockopt(self._zmq.LINGER, 0)
        self._socket.setsockopt(self._zmq.MAXMSGSIZE, MAX_FRAME_BYTES)
        events = self._zmq.EVENT_CONNECTED | self._zmq.EVENT_DISCONNECTED
        self._monitor = self._socket.get_monitor_socket(events)
        try:
            self._socket.connect(url)
        except self._zmq.ZMQError as error:
            self.close()
            raise UsageError(f"{url} is no address of a ZMQ server: {error}.") from None
        try:
            if not self._monitor.poll(int(1000 * _CONNECT_S)):
                raise LinkDown(f"nobody accepts a connection within {_CONNECT_S:g} s")
            self._monitor.recv_multipart()
            self.metadata = self._pinged(timeout)
        except BaseException:
            self.close()
            raise

    def ask(self, batch: Sequence[Fields], timeout: float) -> Sequence[Mapping[str, Any]]:
        """See `Link`."""
        assert self.mapping is not None
        until = time.monotonic() + timeout
        if not self._checked:
            check_modalities(self._told(timeout), self.mapping)
            self._checked = True
        data = {"observation": observation(batch, self.mapping), "options": None}
        message = self._recognised(data, until)
        return answers(message, len(batch), self.mapping)

    def close(self) -> None:
        """See `Link`."""
        with contextlib.suppress(Exception):
            self._socket.disable_monitor()
        with contextlib.suppress(Exception):
            self._socket.close(0)

    # ---- inside --------------------------------------------------------------------------------

    def _recognised(self, data: Mapping[str, Any], until: float) -> Any:
        """The answer to an observation, in whichever codec the server understands."""
        failures = []
        for codec in _CODECS if self.codec is None else (self.codec,):
            try:
                message, spoken = self._call("get_action", data, until, codec)
            except ServerFailed as error:
                failures.append(error)
                continue
            if spoken in _CODECS:
                self.codec = spoken
            return message
        raise failures[0]

    def _pinged(self, timeout: float) -> Mapping[str, Any]:
        try:
            reply, _ = self._call("ping", None, time.monotonic() + timeout, "npy")
        except TooSlow:
            raise LinkDown("it does not answer") from None
        except ServerFailed as error:
            if "nauthorized" in error.problem:
                raise UsageError(
                    f"The server refuses the connection: {error.problem}",
                    f"Put its token into the environment variable {KEY_VARIABLE}.",
                ) from None
            raise
        return reply if isinstance(reply, Mapping) else {}

    def _told(self, timeout: float) -> Any:
        """What the server says that it takes; None where it says nothing."""
        try:
            return self._call("get_modality_config", None, time.monotonic() + timeout, "npy")[0]
        except ServerFailed:
            return None

    def _call(
        self, endpoint: str, data: Mapping[str, Any] | None, until: float, codec: CodecName
    ) -> tuple[Any, CodecName | None]:
        request: dict[str, Any] = {"endpoint": endpoint}
        if data is not None:
            request["data"] = data
        if self._token is not None:
            request["api_token"] = self._token
        frame = self._exchanged(encode(request, codec), until)
        if frame == b"ERROR":
            raise ServerFailed("The server failed and does not say how.", "See its own output.")
        message, spoken = decode(frame)
        if spoken is not None and spoken not in _CODECS:
            decode(frame, "msgpack_numpy")  # says whose it is
        if isinstance(message, dict) and "error" in message:
            text = " ".join(str(message["error"]).split())[:500]
            raise ServerFailed(f"The server failed: {text}", "See its own output.")
        return message, spoken

    def _exchanged(self, frame: bytes, until: float) -> bytes:
        zmq = self._zmq
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._monitor, zmq.POLLIN)
        try:
            self._socket.send(frame, zmq.NOBLOCK)
            while True:
                left = until - time.monotonic()
                ready = dict(poller.poll(max(0, int(1000 * left)))) if left > 0 else {}
                if not ready:
                    raise TooSlow
                if self._socket in ready:
                    reply: bytes = self._socket.recv(zmq.NOBLOCK)
                    return reply
                self._monitor.recv_multipart()
                raise LinkDown("the server closed it")
        except zmq.ZMQError as error:
            raise LinkDown(str(error)) from None


class GR00TPolicy(RemotePolicy):
    """A policy behind a GR00T server; its arguments are those of `RemotePolicy`."""

    protocol: ClassVar[str] = "groot"
    title: ClassVar[str] = "GR00T"
    can_batch: ClassVar[bool] = True

    @classmethod
    def example(cls) -> str:
        """An address."""
        return "tcp://localhost:5555"

    def open(self) -> Link:
        """A new connection."""
        check_tcp(self.url, self.example())
        link = ZMQLink(self.url, self._key, self._timeout)
        link.mapping = getattr(self, "mapping", None)
        return link

    def _agreed(self, told: Any, given: Any) -> WireMapping:
        mapping = super()._agreed(told, given)
        link = self._slots.get()
        assert isinstance(link, ZMQLink)
        link.mapping = mapping
        self._slots.put(link)
        return mapping


def check_tcp(url: str, example: str) -> None:
    """Refuses what is not the address of a ZMQ server.

    Raises:
        UsageError: Says how one looks.
    """
    try:
        parts = urlsplit(str(url))
        right = parts.scheme == "tcp" and bool(parts.hostname) and bool(parts.port)
    except ValueError:
        right = False
    if not right:
        raise UsageError(f"url={url!r} is no address of a ZMQ server.", f"Example: url={example}.")
