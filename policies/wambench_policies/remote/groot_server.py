"""A wambench policy as a GR00T server: `wambench serve --policy X --protocol groot`.

Answers `ping`, `get_action`, `reset` and `get_modality_config` in the codec of the request, arrays
as .npy where it has none. `kill` is refused: a server here ends by Ctrl-C.

Non-obvious behaviours
    - ZMQ does not say who asks. `reset` is the beginning of an episode for clients that are not
      wambench's; with `--episode-per-connection` there must be one such client, with batches of 1.
    - Errors are answered as {"error": text}, as GR00T's own servers do.
"""

from __future__ import annotations

import hmac
import signal
import sys
import traceback
from collections.abc import Mapping
from typing import Any

from wambench.errors import UsageError, WambenchError
from wambench.wire import ServeRequest
from wambench_policies.remote.codecs import MAX_FRAME_BYTES, CodecError, CodecName, decode, encode
from wambench_policies.remote.extra import require
from wambench_policies.remote.groot_wire import actions, observations
from wambench_policies.remote.openpi_server import announce
from wambench_policies.remote.served import RequestError, ServedPolicy

_POLL_MS = 200


class GR00TServer:
    """Answers GR00T's clients.

    Args:
        served: The policy.
        request: Where, and with which token.
    """

    def __init__(self, served: ServedPolicy, request: ServeRequest) -> None:
        self._served = served
        self._request = request
        self._session = served.session()
        self._running = True

    def run(self) -> None:
        """Serves until interrupted.

        Raises:
            UsageError: The address cannot be listened on.
        """
        zmq = require("zmq", "GR00T's servers")
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)
        host, port = self._request.host, self._request.port
        with zmq.Context() as context, context.socket(zmq.REP) as socket:
            socket.setsockopt(zmq.LINGER, 1000)
            socket.setsockopt(zmq.MAXMSGSIZE, MAX_FRAME_BYTES)
            host = "127.0.0.1" if host == "localhost" else host
            try:
                socket.bind(f"tcp://{host}:{port or '*'}")
            except zmq.ZMQError as error:
                raise UsageError(
                    f"{host}:{port} cannot be listened on: {error}.",
                    "Choose another --port (0 takes a free one) or --host.",
                ) from None
            address = socket.getsockopt_string(zmq.LAST_ENDPOINT)
            announce(self._request, "groot", address)
            while self._running:
                if socket.poll(_POLL_MS):
                    socket.send(self.reply(socket.recv()))

    def reply(self, frame: bytes) -> bytes:
        """The answer to a frame; an error is one, too."""
        codec: CodecName = "npy"
        try:
            request, spoken = decode(frame)
            if spoken is not None:
                if spoken not in ("npy", "msgpack_numpy"):
                    decode(frame, "msgpack_numpy")  # says whose it is
                codec = spoken
            return encode(self._answer(request), codec)
        except WambenchError as error:
            return encode({"error": str(error)}, codec)
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            text = " ".join(str(error).split())
            return encode({"error": f"{type(error).__name__}: {text}"}, codec)

    def _answer(self, request: Any) -> Any:
        if not isinstance(request, Mapping):
            raise CodecError(f"A {type(request).__name__} arrived in place of a request.")
        key = self._request.api_key
        if key is not None:
            given = str(request.get("api_token", ""))
            if not hmac.compare_digest(given.encode(), key.encode()):
                raise RequestError("Unauthorized: Invalid API token")  # the words of GR00T's
        match request.get("endpoint", "get_action"):
            case "ping":
                running = {"status": "ok", "message": "Server is running"}
                return running | self._served.metadata()
            case "get_modality_config":
                return self._modalities()
            case "reset":
                self._session.close()
                self._session = self._served.session()
                return {}
            case "get_action":
                data = request.get("data")
                if not isinstance(data, Mapping):
                    raise RequestError("get_action has no data.", "Send {'observation': ...}.")
                return self._acted(data.get("observation"))
            case "kill":
                raise RequestError("This server is not ended by its clients.")
            case other:
                raise RequestError(f"There is no endpoint {str(other)[:80]!r}.")

    def _acted(self, whole: Any) -> list[Any]:
        batch, form = observations(whole, self._served.mapping)
        if len(batch) > 1 and self._request.episode_per_connection:
            raise RequestError(
                "Several observations came at once, and each connection is said to be one episode.",
                "Send one at a time, or leave --episode-per-connection out.",
            )
        answered = [self._session.answer(fields) for fields in batch]
        return [actions(answered, form), {}]

    def _modalities(self) -> dict[str, Any]:
        """What the policy takes and gives, as GR00T's `ModalityConfig`."""
        mapping = self._served.mapping
        chunk = list(range(self._served.horizon))
        parts: dict[str, tuple[list[str], list[int]]] = {
            "video": ([key.partition(".")[2] for key in mapping.pictures.keys], [0]),
            "state": ([key.partition(".")[2] for key in mapping.state.keys], [0]),
            "language": ([mapping.prompt], [0]),
            "action": ([key.partition(".")[2] for key in mapping.actions.keys], chunk),
        }
        return {
            name: {
                "__ModalityConfig_class__": True,
                "as_json": {"modality_keys": keys, "delta_indices": moments},
            }
            for name, (keys, moments) in parts.items()
        }

    def _stop(self, *_: object) -> None:
        self._running = False
