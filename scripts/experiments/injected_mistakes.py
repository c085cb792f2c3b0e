"""Does `wambench doctor policy` find mistakes that are there, and none that are not?

    python scripts/experiments/injected_mistakes.py --policy flow_bc --suite libero_object \
        --data data/libero_object [--checkpoint ckpt/flow_bc] [--places 48]

A policy that works is given one usual mistake after the other, and pairs of them, and is looked at
as `wambench doctor policy` does. A line is right when exactly the mistakes made are found.
The mistakes are those of LIBERO's arm: three of position, three of rotation, a gripper.

To see a whole report:

    wambench doctor policy --policy scripts/experiments/injected_mistakes.py:Mistaken \
        --policy-arg base=flow_bc --policy-arg mistakes=mirrored ...
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wambench import registry
from wambench.cli.inputs import expanded
from wambench.diagnose.moments import take_moments
from wambench.diagnose.search import diagnose
from wambench.errors import UsageError, WambenchError
from wambench.protocol import Episode, Observation, Policy, SuiteSpec

Answers = NDArray[np.floating[Any]]


def _pixels(change: Callable[[Any], Any]) -> Callable[[Observation], Observation]:
    return lambda seen: replace(
        seen, pixels={c: np.ascontiguousarray(change(p)) for c, p in seen.pixels.items()}
    )


def _cameras(seen: Observation) -> Observation:
    first, second = list(seen.pixels)[:2]
    pixels = {first: seen.pixels[second], second: seen.pixels[first]}
    return replace(seen, pixels=seen.pixels | pixels)


def _fingers(seen: Observation) -> Observation:
    state = seen.agent_pos.copy()
    state[-2:] = state[:-3:-1]
    return replace(seen, agent_pos=state)


def _of(*places: int) -> Any:
    return (..., list(places))


def _put(places: Any, change: Callable[[Answers], Answers]) -> Callable[[Answers], Answers]:
    def changed(answers: Answers) -> Answers:
        answers = answers.copy()
        answers[places] = change(answers[places])
        return answers

    return changed


def _slow(answers: Answers) -> Answers:
    """Half as many actions, for half the rate: offsets of two together, the last gripper."""
    even = answers[:, : answers.shape[1] // 2 * 2]
    both = even[:, 0::2] + even[:, 1::2]
    both[..., 6] = even[:, 1::2, 6]
    return np.concatenate([both, both], axis=1)


OBSERVED: dict[str, tuple[Callable[[Observation], Observation], str]] = {
    "mirrored": (_pixels(lambda p: p[:, ::-1]), "mirrored"),
    "upside_down": (_pixels(lambda p: p[::-1]), "upside down"),
    "turned": (_pixels(lambda p: p[::-1, ::-1]), "turned by 180"),
    "bgr": (_pixels(lambda p: p[..., ::-1]), "BGR"),
    "cameras": (_cameras, "pictures are exchanged"),
    "fingers": (_fingers, "finger_right are exchanged"),
}
"""Mistake: what the policy is shown for an observation, and words of what is to be found."""

ANSWERED: dict[str, tuple[Callable[[Answers], Answers], str]] = {
    "gripper_sign": (_put(_of(6), lambda g: -g), "gripper has the other sign"),
    "gripper_01": (_put(_of(6), lambda g: (g + 1) / 2), "commanded by 0 and 1;"),
    "gripper_10": (_put(_of(6), lambda g: (1 - g) / 2), "commanded by 0 and 1, the other way"),
    "metres": (_put(_of(0, 1, 2), lambda a: a * 0.05), "in other units"),
    "x_sign": (_put(_of(0), lambda a: -a), "x has the other sign"),
    "x_and_y": (_put(_of(0, 1), lambda a: a[..., ::-1]), "x and y are exchanged"),
    "half_rate": (_slow, "10 Hz"),
    "late": (lambda a: np.concatenate([a[:, [0] * 2], a[:, :-2]], axis=1), "2 actions late"),
}
"""Mistake: what becomes of the policy's answers, and words of what is to be found."""

CASES = (
    "",
    *OBSERVED,
    *ANSWERED,
    "upside_down+gripper_sign",
    "bgr+metres",
    "mirrored+fingers+gripper_01",
)


class Mistaken(Policy):
    """Another policy, with mistakes.

    Args:
        spec: The suite.
        base: The policy by name.
        mistakes: Names out of `OBSERVED` and `ANSWERED`, joined by +.
        **arguments: Of the policy.
    """

    def __init__(
        self, spec: SuiteSpec, base: str = "flow_bc", mistakes: str = "", **arguments: Any
    ) -> None:
        names = [name for name in mistakes.split("+") if name]
        if unknown := [name for name in names if name not in OBSERVED | ANSWERED]:
            raise UsageError(
                f"There is no mistake {unknown[0]!r}.",
                f"There are: {', '.join(OBSERVED | ANSWERED)}.",
            )
        self.base = registry.build_policy(registry.find_policy(base), spec, arguments)
        self.names = names
        self.needs = self.base.needs
        self.horizon, self.execute = self.base.horizon, self.base.execute

    def start(self, episodes: Sequence[Episode]) -> None:
        """Passed on."""
        self.base.start(episodes)

    def finish(self, episodes: Sequence[Episode]) -> None:
        """Passed on."""
        self.base.finish(episodes)

    def act(self, batch: Sequence[Observation]) -> Answers:
        """(B, H, A) of the policy with the mistakes."""
        for name in self.names:
            if name in OBSERVED:
                batch = [OBSERVED[name][0](seen) for seen in batch]
        answers = self.base.act(batch)
        for name in self.names:
            if name in ANSWERED:
                answers = ANSWERED[name][0](answers)
        return answers


class Remembered(Policy):
    """Another policy that is asked no question twice: its answers follow from what it sees."""

    def __init__(self, base: Policy) -> None:
        self.base = base
        self.needs, self.horizon, self.execute = base.needs, base.horizon, base.execute
        self._answers: dict[bytes, Answers] = {}

    def act(self, batch: Sequence[Observation]) -> Answers:
        """(B, H, A) as the policy has answered, or would."""
        digests = [_digest(seen) for seen in batch]
        new = [place for place, digest in enumerate(digests) if digest not in self._answers]
        if new:
            episodes = [batch[place].episode for place in new]
            self.base.start(episodes)
            answers = self.base.act([batch[place] for place in new])
            self.base.finish(episodes)
            self._answers |= {digests[place]: a for place, a in zip(new, answers, strict=True)}
        return np.stack([self._answers[digest] for digest in digests])


def _digest(seen: Observation) -> bytes:
    found = hashlib.sha256(f"{seen.episode.seed} {seen.step} {seen.instruction}".encode())
    for camera in sorted(seen.pixels):
        found.update(np.ascontiguousarray(seen.pixels[camera]))
    found.update(seen.agent_pos)
    return found.digest()


def main() -> None:
    """Prints a line for every case."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--policy", default="flow_bc")
    parser.add_argument("--checkpoint")
    parser.add_argument("--suite", default="libero_object")
    parser.add_argument("--backend", default="embedded")
    parser.add_argument("--data", nargs="+", required=True)
    parser.add_argument("--places", type=int, default=96)
    parser.add_argument("--cases", nargs="+", default=CASES, help="Mistakes, joined by +.")
    options = parser.parse_args()
    spec = registry.load_suite(options.suite, options.backend).spec
    arguments = {} if options.checkpoint is None else {"checkpoint": options.checkpoint}
    policy = Mistaken(spec, options.policy, **arguments)
    policy.base = Remembered(policy.base)
    moments = take_moments(
        expanded(options.data), spec, policy.needs, policy.execute, count=options.places, seed=0
    )
    print(f"{'mistakes':32} {'error':>6} {'mended':>6}  found", flush=True)
    right = 0
    for case in options.cases:
        policy.names = [name for name in case.split("+") if name]
        found = diagnose(policy, spec, moments)
        names = [trial.mistake.name for trial in found.found]
        wanted = [(OBSERVED | ANSWERED)[name][1] for name in policy.names]
        hit = len(names) == len(wanted) and all(any(w in n for n in names) for w in wanted)
        right += hit
        print(
            f"{case or 'none':32} {found.total:6.2f} {found.mended:6.2f}  "
            f"{'right' if hit else 'WRONG'}: {' | '.join(names) or 'nothing'}",
            flush=True,
        )
    print(f"{right} of {len(options.cases)} right, at {options.places} places.")


if __name__ == "__main__":
    try:
        main()
    except WambenchError as error:
        sys.exit(f"error: {error}")
