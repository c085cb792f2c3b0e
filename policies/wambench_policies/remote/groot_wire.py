"""GR00T's requests: batches of observations in two forms, and answers, either way.

    request  {"endpoint": "get_action", "data": {"observation": O, "options": None}, "api_token"?}
    answer   [actions, info], or {"error": text}

    nested   O = {"video": {"image": (B, 1, H, W, 3)}, "state": {"x": (B, 1, 1)},
                  "language": {"annotation...": [[text]]}}; actions {"x": (B, T, 1)}
    flat     O = {"video.image": ..., "state.x": ..., "annotation...": [text]};
             actions {"action.x": (B, T, 1)}

From `gr00t/policy/server_client.py` and `gr00t_policy.py` (N1.6, N1.7). `nested` is what
`Gr00tPolicy` takes, `flat` what `Gr00tSimPolicyWrapper` does. Only policies that look at the
present alone fit: T of an observation is 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from wambench.errors import PolicyContractError
from wambench_policies.remote.client import IDENTITY
from wambench_policies.remote.mapping import Mapping as WireMapping
from wambench_policies.remote.translate import Fields

MODALITIES = ("video", "state", "language", "action")


def observation(batch: Sequence[Fields], mapping: WireMapping) -> dict[str, Any]:
    """The fields of B observations as one of GR00T's."""
    whole: dict[str, Any] = {} if mapping.form == "flat" else {m: {} for m in MODALITIES[:3]}
    for key in [*mapping.pictures.keys, *mapping.state.keys]:
        values = np.stack([fields[key] for fields in batch])[:, None]
        if mapping.form == "flat":
            whole[key] = values
        else:
            modality, _, name = key.partition(".")
            whole[modality][name] = values
    prompts = [fields[mapping.prompt] for fields in batch]
    if mapping.form == "flat":
        whole[mapping.prompt] = prompts
    else:
        whole["language"][mapping.prompt] = [[prompt] for prompt in prompts]
    if IDENTITY in batch[0]:
        whole[IDENTITY] = [fields[IDENTITY] for fields in batch]
    return whole


def observations(whole: Any, mapping: WireMapping) -> tuple[list[Fields], str]:
    """The fields of each observation in one of GR00T's, and the form it has.

    Raises:
        PolicyContractError: Something is missing or of another shape.
    """
    if not isinstance(whole, Mapping):
        raise PolicyContractError(f"An observation is a {type(whole).__name__}, expected a table.")
    form = "nested" if isinstance(whole.get("video"), Mapping) else "flat"
    found: dict[str, Sequence[Any]] = {}
    for key in [*mapping.pictures.keys, *mapping.state.keys]:
        value = _at(whole, key, form)
        dimensions = 5 if key in mapping.pictures.keys else 3
        if not isinstance(value, np.ndarray) or value.ndim != dimensions or value.shape[1] != 1:
            shape = value.shape if isinstance(value, np.ndarray) else type(value).__name__
            wanted = "(B, 1, H, W, 3)" if dimensions == 5 else "(B, 1, D)"
            raise PolicyContractError(
                f"The observation's {key!r} is {shape}, expected an array of {wanted}.",
                "Send the present alone, with batch and time in front.",
            )
        found[key] = value[:, 0]
    prompts = _at(whole, f"language.{mapping.prompt}", form) if form == "nested" else None
    if form == "flat":
        prompts = whole.get(mapping.prompt)
    if isinstance(prompts, list | tuple):
        found[mapping.prompt] = [
            p[0] if isinstance(p, list | tuple) and len(p) == 1 else p for p in prompts
        ]
    else:
        raise PolicyContractError(
            f"The observation has no {mapping.prompt!r}, a list of instructions.", _SEE
        )
    if IDENTITY in whole:
        found[IDENTITY] = whole[IDENTITY] if isinstance(whole[IDENTITY], list) else [None]
    sizes = {key: len(values) for key, values in found.items()}
    if len(set(sizes.values())) != 1 or 0 in sizes.values():
        raise PolicyContractError(f"The parts of a request are of different numbers: {sizes}.")
    count = next(iter(sizes.values()))
    return [{key: values[i] for key, values in found.items()} for i in range(count)], form


def actions(answers: Sequence[Fields], form: str) -> dict[str, Any]:
    """The parts of B answers as GR00T's."""
    return {
        key if form == "flat" else key.partition(".")[2]: np.stack([a[key] for a in answers])
        for key in answers[0]
    }


def answers(message: Any, count: int, mapping: WireMapping) -> list[dict[str, Any]]:
    """The parts of the answer to each of `count` observations, in either form.

    Raises:
        PolicyContractError: It is no answer, or to another number.
    """
    table = message[0] if isinstance(message, list | tuple) and message else message
    if not isinstance(table, Mapping):
        raise PolicyContractError(
            f"The server answered with a {type(table).__name__}, expected [actions, info].", _SEE
        )
    found = {}
    for key in mapping.actions.keys:
        value = table.get(key, table.get(key.partition(".")[2]))
        if value is None:
            raise PolicyContractError(
                f"The server's actions have no {key!r}, they have: "
                f"{', '.join(map(repr, table)) or 'nothing'}.",
                _SEE,
            )
        if not isinstance(value, np.ndarray) or value.ndim != 3 or len(value) != count:
            shape = value.shape if isinstance(value, np.ndarray) else type(value).__name__
            raise PolicyContractError(
                f"The server's {key!r} is {shape}, expected an array of ({count}, T, D).", _SEE
            )
        found[key] = value
    return [{key: value[i] for key, value in found.items()} for i in range(count)]


def check_modalities(told: Any, mapping: WireMapping) -> None:
    """Compares what a server says that its policy takes with a mapping, where it says anything.

    Args:
        told: The answer of `get_modality_config`: of each modality `modality_keys` and
            `delta_indices`.

    Raises:
        PolicyContractError: It takes or gives other parts, or wants the past.
    """
    if not isinstance(told, Mapping):
        return
    ours = {
        "video": [key.partition(".")[2] for key in mapping.pictures.keys],
        "state": [key.partition(".")[2] for key in mapping.state.keys],
        "language": [mapping.prompt],
        "action": [key.partition(".")[2] for key in mapping.actions.keys],
    }
    for modality, names in ours.items():
        config = told.get(modality)
        config = config.get("as_json", config) if isinstance(config, Mapping) else None
        if not isinstance(config, Mapping):
            continue
        theirs = config.get("modality_keys")
        if isinstance(theirs, list) and set(theirs) != set(names):
            raise PolicyContractError(
                f"The server's {modality} is {', '.join(map(str, theirs))}; the mapping's is "
                f"{', '.join(names)}.",
                _SEE,
            )
        moments = config.get("delta_indices")
        if modality in ("video", "state") and isinstance(moments, list) and len(moments) != 1:
            raise PolicyContractError(
                f"The server's policy looks at {len(moments)} moments of {modality} "
                f"({moments}); only the present can be sent.",
                "Serve one that was trained on the present alone.",
            )


_SEE = "See `wambench inspect mapping --protocol groot`."


def _at(whole: Mapping[str, Any], key: str, form: str) -> Any:
    if form == "flat":
        return whole.get(key)
    modality, _, name = key.partition(".")
    part = whole.get(modality)
    return part.get(name) if isinstance(part, Mapping) else None
