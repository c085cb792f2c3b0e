"""StarVLA's policy server: `--policy starvla --policy-arg url=ws://host:10093`.

    server  metadata, once: action_chunk_size, available_unnorm_keys, training_obs_image_size, ...
    client  {"examples": [{"image": [(H, W, 3), ...], "lang": text, "state"?: (1, D)}],
             "unnorm_key", "do_sample", "use_ddim", "num_ddim_steps"}
    server  {"ok": True, "data": {"actions": (B, T, D)}}, or {"ok": False, "error": {"message"}}

Read from `deployment/model_server/` (`0ed0aad`, 2026). Arrays are written as openpi's.

Non-obvious behaviours
    - Older servers answer `normalized_actions` and leave it to the client, who needs the
      checkpoint's statistics, to scale them back. They are refused.
    - Their LIBERO evaluation can average overlapping chunks; that is off there and not done here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from wambench.errors import PolicyContractError, PolicyError, UsageError
from wambench.protocol import SuiteSpec
from wambench_policies.remote.client import Link, LinkDown, RemotePolicy, TooSlow
from wambench_policies.remote.mapping import Mapping as WireMapping
from wambench_policies.remote.openpi import WebsocketLink, check_websocket, named_fields
from wambench_policies.remote.translate import Fields

_OPEN_S = 10.0
_SAMPLING = {"do_sample": False, "use_ddim": True, "num_ddim_steps": 10}
"""What their LIBERO client sends."""


class StarVLALink:
    """A connection to a policy server.

    Args:
        url: See `WebsocketLink`.
        key: See there.
        timeout: See there.
        unnorm_key: Which of the checkpoint's statistics its actions are scaled back with.
    """

    def __init__(self, url: str, key: str | None, timeout: float, unnorm_key: str | None) -> None:
        self._unnorm_key = unnorm_key
        self._wire = WebsocketLink(url, "openpi", key, timeout)
        try:
            self.metadata = named_fields(self._wire.receive(_OPEN_S), "metadata")
        except TooSlow:
            self._wire.close()
            raise LinkDown("it does not begin with its metadata, as StarVLA's does") from None
        except BaseException:
            self._wire.close()
            raise

    def ask(self, batch: Sequence[Fields], timeout: float) -> Sequence[Mapping[str, Any]]:
        """See `Link`."""
        examples = [example(fields) for fields in batch]
        self._wire.send(_SAMPLING | {"examples": examples, "unnorm_key": self._unnorm_key})
        reply = named_fields(self._wire.receive(timeout), "answer")
        if reply.get("ok") is False or "error" in reply:
            error = reply.get("error")
            text = error.get("message") if isinstance(error, Mapping) else error
            raise PolicyError(f"The server failed: {str(text)[:500]}", "See its own output.")
        data = reply.get("data")
        if isinstance(data, Mapping) and "normalized_actions" in data:
            raise PolicyContractError(
                "The server answers with normalised actions, as old versions of StarVLA do.",
                "Serve it with a version whose server scales them back.",
            )
        actions = data.get("actions") if isinstance(data, Mapping) else None
        if not isinstance(actions, np.ndarray) or actions.ndim != 3 or len(actions) != len(batch):
            found = actions.shape if isinstance(actions, np.ndarray) else type(actions).__name__
            raise PolicyContractError(
                f"The server's actions are {found}, expected an array of ({len(batch)}, T, D).",
                "It may speak another protocol.",
            )
        return [{"actions": chunk} for chunk in actions]

    def close(self) -> None:
        """See `Link`."""
        self._wire.close()


class StarVLAPolicy(RemotePolicy):
    """A policy behind StarVLA's server.

    Args:
        spec: See `RemotePolicy`.
        unnorm_key: Which of the checkpoint's statistics its actions are scaled back with; None
            where the server knows.
        url: See `RemotePolicy`.
        mapping: See there.
        execute: See there.
        timeout: See there.
        patience: See there.
        connections: See there.
        batched: See there.

    Raises:
        WambenchError: See there; or the server needs another `unnorm_key`.
    """

    protocol: ClassVar[str] = "starvla"
    title: ClassVar[str] = "StarVLA"
    can_batch: ClassVar[bool] = True

    def __init__(
        self,
        spec: SuiteSpec,
        url: str | None = None,
        unnorm_key: str | None = None,
        mapping: str | Mapping[str, Any] | None = None,
        execute: int | None = None,
        timeout: float = 60.0,
        patience: float = 60.0,
        connections: int = 1,
        batched: bool = False,
    ) -> None:
        self._unnorm_key = unnorm_key
        super().__init__(spec, url, mapping, execute, timeout, patience, connections, batched)

    @classmethod
    def example(cls) -> str:
        """An address."""
        return "ws://localhost:10093"

    def open(self) -> Link:
        """A new connection."""
        check_websocket(self.url, self.example())
        return StarVLALink(self.url, self._key, self._timeout, self._unnorm_key)

    def _agreed(self, told: Any, given: Any) -> WireMapping:
        mapping = super()._agreed(told, given)
        link = self._slots.get()
        self._slots.put(link)
        assert link is not None
        check_metadata(link.metadata, mapping, self._unnorm_key)
        return mapping


def example(fields: Fields) -> dict[str, Any]:
    """The fields of an observation as one of StarVLA's: pictures in the mapping's order."""
    found: dict[str, Any] = {"image": []}
    for key, value in fields.items():
        if key.startswith("image."):
            found["image"].append(value)
        else:
            found[key] = value[None] if isinstance(value, np.ndarray) else value
    return found


def check_metadata(told: Mapping[str, Any], mapping: WireMapping, unnorm_key: str | None) -> None:
    """Compares what a server says about itself with what it will be sent.

    Raises:
        UsageError: It must be told which statistics, and is not, or of ones it does not have.
        PolicyContractError: It was trained on pictures of another size.
    """
    keys = told.get("available_unnorm_keys")
    if isinstance(keys, list):
        listed = ", ".join(map(str, keys))
        if unnorm_key is not None and unnorm_key not in keys:
            raise UsageError(
                f"The server has no statistics {unnorm_key!r}.", f"There are: {listed}."
            )
        if unnorm_key is None and len(keys) > 1 and told.get("default_unnorm_key") is None:
            raise UsageError(
                f"The server's checkpoint has several statistics: {listed}.",
                f"Say which: --policy-arg unnorm_key={keys[0]}.",
            )
    size = told.get("training_obs_image_size")
    if isinstance(size, list | tuple) and len(size) == 2 and tuple(size) != mapping.pictures.size:
        raise PolicyContractError(
            f"The server's policy was trained on pictures of {size[0]} x {size[1]}; the mapping's "
            f"are {mapping.pictures.size[0]} x {mapping.pictures.size[1]}.",
            f"""Use --policy-arg mapping='{{"pictures.size": [{size[0]}, {size[1]}]}}'.""",
        )
