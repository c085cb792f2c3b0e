"""What the numbers of demonstrations range over, and whether they fit each other.

Ranges and moments are measured on the training split alone, per embodiment, over every frequency
that is read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wambench.demos.demo import DemoInfo
from wambench.errors import DataError
from wambench_policies.data.cache import CachedSource
from wambench_policies.data.config import DataConfig, camera_of, horizon_steps
from wambench_policies.data.resample import accumulate, bounds_of, strides
from wambench_policies.nn.normalise import (
    ActionNormaliser,
    Embodiment,
    Normalisation,
    StateNormaliser,
    hidden_dimensions,
)

KNOWN_EMBODIMENTS = {"panda": 1}
"""Numbers that never change; others get the next free ones."""


@dataclass(frozen=True, slots=True)
class Part:
    """One dataset of a training.

    Attributes:
        source: The dataset.
        train: Its demonstrations that are trained on.
        validation: Its demonstrations that validate.
        actions: (N, A) of all its demonstrations, one after the other.
        state: (N, S) likewise.
        cameras: Those of the configuration, by the dataset's own names.
        frames: (N, H, W, 3) likewise, one array per camera.
        tokens: (N, T, D) what a frozen encoder sees in them, one array per camera; empty unless
            `TrainingData.encode` was called.
    """

    source: CachedSource
    train: list[int]
    validation: list[int]
    actions: NDArray[np.float32]
    state: NDArray[np.float32]
    cameras: tuple[str, ...]
    frames: list[NDArray[np.uint8]]
    tokens: list[NDArray[np.float16]] = field(default_factory=list)


def measure(
    parts: Sequence[Part], config: DataConfig, backend: str, base: Normalisation | None
) -> Normalisation:
    """The normalisation of a training split.

    Args:
        parts: The datasets.
        config: Windows.
        backend: Backend of all of them.
        base: Normalisation whose embodiments are taken over where they occur.

    Raises:
        DataError: The datasets have different actions or proprioception, or what shall be hidden of
            that is in none.
    """
    names: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}
    actions: dict[str, list[NDArray[Any]]] = {}
    states: dict[str, list[NDArray[Any]]] = {}
    frequencies: dict[str, set[float]] = {}
    sizes: Counter[tuple[int, int]] = Counter()
    limits: dict[str, tuple[Sequence[float], Sequence[float]]] = {}
    for part in parts:
        for demo in part.train:
            info = part.source.demos[demo]
            begin = int(part.source.starts[demo]) + config.begin(info)
            end = int(part.source.starts[demo + 1])
            taken = part.actions[begin:end]
            mine = (_action_names(info, taken.shape[1]), info.state_names)
            _check_same(names.setdefault(info.embodiment, mine), mine, info)
            if info.action_low:
                limits.setdefault(info.embodiment, (info.action_low, info.action_high))
            sizes[info.cameras[part.cameras[0]]] += info.length
            states.setdefault(info.embodiment, []).append(part.state[begin:end])
            for stride in strides(info, config.control_hz):
                bounds = bounds_of(info, config.resample_clip) if stride > 1 else None
                frequencies.setdefault(info.embodiment, set()).add(info.control_hz / stride)
                actions.setdefault(info.embodiment, []).extend(
                    accumulate(taken[phase:], stride, mine[0], bounds)
                    for phase in range(min(stride, len(taken)))
                )
    if config.clip is None:  # clips have room for the widest of all
        _check_widths(actions, "actions")
        _check_widths(states, "proprioception")
    _check_hidden(config.hide, [name for _, states_of in names.values() for name in states_of])
    known = {} if base is None else dict(base.embodiments)
    ids = KNOWN_EMBODIMENTS | {name: embodiment.id for name, embodiment in known.items()}
    embodiments = {}
    for name in sorted(names):
        trained_hz = tuple(sorted(frequencies[name]))
        if name in known:
            _check_base(known[name], names[name], name)
            _check_same_hidden(known[name].state, config.hide, name)
            embodiments[name] = known[name].model_copy(update={"control_hz": trained_hz})
            continue
        ids.setdefault(name, max(ids.values()) + 1)
        embodiments[name] = Embodiment(
            id=ids[name],
            action=ActionNormaliser.fit(
                np.concatenate(actions[name]),
                names[name][0],
                quantile=config.quantile,
                bounds=limits.get(name),
            ),
            state=StateNormaliser.fit(np.concatenate(states[name]), names[name][1], config.hide),
            control_hz=trained_hz,
        )
    return Normalisation(
        embodiments=embodiments,
        cameras=tuple(
            seen.pop() if len(seen := {part.cameras[k] for part in parts}) == 1 else choice
            for k, choice in enumerate(config.cameras)
        ),
        recorded_size=sizes.most_common(1)[0][0],
        image_size=config.image_size,
        backends=(backend,),
    )


def check_readable(demo: DemoInfo, config: DataConfig) -> None:
    """Refuses a demonstration without the images or the frequency that the config asks for."""
    if not demo.cameras:
        raise DataError(
            f"{demo.name} has no images.",
            "Make them first: upstream's scripts/create_dataset.py, or `wambench collect`.",
        )
    lacking = [choice for choice in config.cameras if camera_of(choice, demo.cameras) is None]
    if lacking:
        raise DataError(
            f"{demo.name} has no camera {', '.join(lacking).replace('|', ' or ')}.",
            f"It has {', '.join(demo.cameras)}; set `cameras` in the configuration, or collect "
            "with --cameras.",
        )
    for stride in strides(demo, config.control_hz):
        hz = demo.control_hz / stride
        steps = horizon_steps(config.horizon_s, hz, config.rounding)
        if steps < 1 or (config.chunk is not None and steps > config.chunk):
            raise DataError(
                f"A horizon of {config.horizon_s:g} s is "
                f"{f'{steps} steps' if steps else 'less than one step'} at the {hz:g} Hz of "
                f"{demo.name}, and chunks have room for {config.chunk or 'any'}.",
                "Change the horizon or the length of chunks in the configuration.",
            )


def _action_names(demo: DemoInfo, width: int) -> tuple[str, ...]:
    if len(demo.action_names) != width:
        raise DataError(
            f"{demo.name} names {len(demo.action_names)} action dimensions and has {width}.",
            "What an action means must be known to train on it; convert the dataset with names.",
        )
    return demo.action_names


def _check_same(known: tuple[Any, Any], mine: tuple[Any, Any], demo: DemoInfo) -> None:
    for what, first, other in zip(("actions", "proprioception"), known, mine, strict=True):
        if first != other and (what == "actions" or (first and other)):
            raise DataError(
                f"{demo.name} has the {what} ({', '.join(other)}), and other demonstrations of "
                f"{demo.embodiment} have ({', '.join(first)}).",
                "Train on them separately.",
            )


def _check_widths(values: Mapping[str, Sequence[NDArray[Any]]], what: str) -> None:
    widths = {name: {part.shape[1] for part in parts} for name, parts in values.items()}
    if len(set().union(*widths.values())) > 1:
        found = "; ".join(f"{name} {sorted(width)}" for name, width in sorted(widths.items()))
        raise DataError(
            f"The datasets have {what} of different widths: {found}.", "Train on them separately."
        )


def _check_hidden(patterns: Sequence[str], names: Sequence[str]) -> None:
    for pattern in patterns:
        if not hidden_dimensions(names, [pattern]):
            raise DataError(
                f"data.hide names {pattern}, and the proprioception of no dataset has it.",
                f"It has: {', '.join(dict.fromkeys(names)) or 'no names'}.",
            )


def _check_same_hidden(base: StateNormaliser, patterns: Sequence[str], name: str) -> None:
    """Refuses to hide from a trained model what it has seen, or to show it what was hidden."""
    if patterns and base.hidden != hidden_dimensions(base.names, patterns):
        hidden = ", ".join(base.names[number] for number in base.hidden) or "nothing"
        raise DataError(
            f"data.hide={','.join(patterns)} is not what the checkpoint to start from hides of "
            f"{name}: {hidden}.",
            "Leave data.hide out: what is hidden is taken over from the checkpoint.",
        )


def _check_base(base: Embodiment, mine: tuple[Any, Any], name: str) -> None:
    if base.action.names != mine[0]:
        raise DataError(
            f"The checkpoint to start from has the actions ({', '.join(base.action.names)}) of "
            f"{name}, and the data has ({', '.join(mine[0])}).",
            "Start from another checkpoint, or from none.",
        )
