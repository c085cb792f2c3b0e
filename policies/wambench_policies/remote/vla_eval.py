"""vla-eval's model servers: `--policy vla_eval --policy-arg url=ws://host:8000`.

    client  {"type": "hello", "payload", "seq", "timestamp"}
    server  the same, with what it wants to be sent and how its actions are meant
    client  "episode_start" {"task": {...}}, then "observation" {"images": {cam: (H, W, 3)}, ...}
    server  "action" {"actions": (D,) or (K, D)}, or "error" {"error": text}; the same seq
    client  "episode_end" {}

Read from vla-eval 0.8.0 (`protocol/messages.py`, `connection.py`, `model_servers/serve.py`).

Non-obvious behaviours
    - Its servers cut their chunks up themselves and answer one action, so that every control step
      is rendered and sent. One that is configured to answer whole chunks is taken at its word, and
      `execute` says how much of them is used.
    - Pictures of the hand and proprioception are sent only if the server asks for them
      (`observation_params`): its adapters take pictures by position. Absolute actions are refused.
    - vla-eval turns quaternions to w >= 0 unless a server says `quat_no_antipodal`. wambench never
      does: policies trained on LIBERO were not.
    - No seed can be sent; a server's noise is its own.
    - An answer to another request is an error; vla-eval's own client warns and takes it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from wambench.errors import PolicyContractError, PolicyError
from wambench.protocol import Episode
from wambench_policies.remote.client import LinkDown, TooSlow
from wambench_policies.remote.episodic import EpisodicRemotePolicy
from wambench_policies.remote.mapping import Gripper
from wambench_policies.remote.mapping import Mapping as WireMapping
from wambench_policies.remote.openpi import WebsocketLink, check_websocket, named_fields
from wambench_policies.remote.translate import Fields

VERSION = 1
"""Of the protocol (`PROTOCOL_VERSION`)."""

_HELLO_S = 30.0
_GRIPPERS = {
    "binary_close_positive": (-1.0, 1.0),
    "binary_close_negative": (1.0, -1.0),
    "continuous_01": (1.0, 0.0),
    "binary_close_01": (0.0, 1.0),
}
"""What opens and closes it by the names of `specs.py`."""


class VLAEvalLink:
    """A connection to a model server.

    Args:
        url: See `WebsocketLink`.
        timeout: See there.

    Attributes:
        metadata: What the server says in its hello.
    """

    def __init__(self, url: str, timeout: float) -> None:
        self._wire = WebsocketLink(url, "vla_eval", None, timeout)
        self._seq = 0
        try:
            hello = {"harness_version": "wambench", "protocol_version": VERSION}
            self.metadata: Mapping[str, Any] = self._called("hello", hello, _HELLO_S, "hello")
        except TooSlow:
            self._wire.close()
            raise LinkDown("it does not answer a hello, as vla-eval's servers do") from None
        except BaseException:
            self._wire.close()
            raise
        version = self.metadata.get("protocol_version", VERSION)
        if version != VERSION:
            self._wire.close()
            raise PolicyContractError(
                f"The server speaks version {version} of vla-eval's protocol, wambench {VERSION}.",
                "Serve it with vla-eval 0.8.",
            )

    def begin(self, episode: Episode, timeout: float) -> None:
        """See `EpisodeLink`; the server does not answer."""
        task = {
            "name": episode.instruction,
            "suite": episode.suite,
            "task_id": episode.task,
            "episode_idx": episode.trial,
        }
        self._send("episode_start", {"task": task})

    def end(self) -> None:
        """See `EpisodeLink`."""
        with contextlib.suppress(Exception):
            self._send("episode_end", {})

    def ask(self, batch: Sequence[Fields], timeout: float) -> Sequence[Mapping[str, Any]]:
        """See `Link`."""
        (fields,) = batch
        wanted = self.metadata.get("observation_params") or {}
        answer = dict(self._called("observation", observation(fields, wanted), timeout, "action"))
        actions = answer.get("actions")
        if isinstance(actions, np.ndarray) and actions.ndim == 1:
            answer["actions"] = actions[None]
        return [answer]

    def close(self) -> None:
        """See `Link`."""
        self._wire.close()

    def _send(self, kind: str, payload: Mapping[str, Any]) -> int:
        self._seq += 1
        self._wire.send(
            {"type": kind, "payload": payload, "seq": self._seq, "timestamp": time.time()}
        )
        return self._seq

    def _called(
        self, kind: str, payload: Mapping[str, Any], timeout: float, expected: str
    ) -> Mapping[str, Any]:
        seq = self._send(kind, payload)
        message = named_fields(self._wire.receive(timeout), "message")
        content = message.get("payload")
        if message.get("type") == "error":
            text = content.get("error") if isinstance(content, Mapping) else content
            raise PolicyError(f"The server failed: {str(text)[:500]}", "See its own output.")
        if message.get("type") != expected or not isinstance(content, dict):
            raise PolicyContractError(
                f"The server answered {kind} with {str(message.get('type'))[:40]!r}, expected "
                f"{expected!r}.",
                "It may speak another protocol.",
            )
        if message.get("seq") != seq:
            raise PolicyError(f"The server answered request {message.get('seq')}, not {seq}.")
        return content


class VLAEvalPolicy(EpisodicRemotePolicy):
    """A policy behind a vla-eval model server; its arguments are those of `RemotePolicy`."""

    protocol: ClassVar[str] = "vla_eval"
    title: ClassVar[str] = "vla-eval"

    @classmethod
    def example(cls) -> str:
        """An address."""
        return "ws://localhost:8000"

    def open(self) -> VLAEvalLink:
        """A new connection."""
        check_websocket(self.url, self.example())
        return VLAEvalLink(self.url, self._timeout)

    def _agreed(self, told: Any, given: Any) -> WireMapping:
        mapping = super()._agreed(told, given)
        link = self._slots.get()
        self._slots.put(link)
        assert link is not None
        check_hello(link.metadata, mapping)
        return mapping


def observation(fields: Fields, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an observation, `images.CAMERA` by camera, as far as the server wants them."""
    whole: dict[str, Any] = {"images": {}}
    for key, value in fields.items():
        table, dot, name = key.partition(".")
        if table == "images" and dot:
            if not whole["images"] or wanted.get("send_wrist_image"):
                whole["images"][name] = value
        elif not isinstance(value, np.ndarray) or wanted.get("send_state"):
            whole[key] = value
    return whole


def check_hello(told: Mapping[str, Any], mapping: WireMapping) -> None:
    """Compares what a server says of its actions with a mapping.

    Raises:
        PolicyContractError: They cannot be executed, or not as the mapping says.
    """
    wanted = told.get("observation_params")
    if isinstance(wanted, Mapping) and wanted.get("absolute_action"):
        raise PolicyContractError(
            "The server's actions are absolute poses; the suite executes offsets.",
            "Serve a policy with relative actions.",
        )
    specs = told.get("action_spec")
    if not isinstance(specs, Mapping):
        return
    if _format(specs, "position") == "absolute_xyz":
        raise PolicyContractError(
            "The server's positions are absolute; the suite executes offsets.",
            "Serve a policy with relative actions.",
        )
    gripper = mapping.actions.gripper
    said = _GRIPPERS.get(str(_format(specs, "gripper")))
    if gripper is not None and said is not None and not _means(gripper, said):
        changes = f'{{"actions.gripper.open": {said[0]:g}, "actions.gripper.closed": {said[1]:g}}}'
        raise PolicyContractError(
            f"The server's gripper opens at {said[0]:g} and closes at {said[1]:g}; the mapping "
            f"says {gripper.open:g} and {gripper.closed:g}.",
            f"Use --policy-arg mapping='{changes}'.",
        )


def _means(gripper: Gripper, said: tuple[float, float]) -> bool:
    return (gripper.open, gripper.closed) == said


def _format(specs: Mapping[str, Any], name: str) -> Any:
    spec = specs.get(name)
    return spec.get("format") if isinstance(spec, Mapping) else None
