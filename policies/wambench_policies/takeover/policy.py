"""The policy `takeover`: another policy acts for some steps, then the scripted expert goes on.

    wambench collect --suite libero_goal --policy takeover --success-only --out data/corrections \\
        --policy-arg base=flow_bc --policy-arg after=20-150

A policy that imitates gets to states in which no demonstration ever was, and nothing that it has
learned says what to do there. Here it is the policy that gets there, and the expert that shows what
to do: the states of DAgger (Ross et al. 2011, arXiv 1011.0686), and what the expert does from there
to the end, as in human-gated DAgger (Kelly et al. 2019, arXiv 1810.02890), with a script in place
of the human and a drawn number of steps in place of her judgement.

What the base does is the prologue of the demonstration (`wambench.protocol.PROLOGUE`): recorded, so
that the episode can be repeated, and imitated by nobody.

Non-obvious behaviours
    - After how many steps the expert takes over is drawn evenly out of `after` from the episode's
      seed alone, apart from `Observation.rng`: neither workers nor order decide it.
    - The base is asked as often, and shown the same, as when it acts alone, never the simulator.
      Pictures are drawn when it is asked and at no other step, so the policy asks for none.
    - The expert looks at the start of the episode, for its arm's controller is pulled towards the
      posture there, and plans when it takes over, with whatever the base has done to the scene.
    - Where the base solves the episode before, there is nothing to imitate: `wambench collect`
      counts it as infeasible and runs another one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wambench.errors import PolicyContractError, UsageError
from wambench.protocol import PROLOGUE, Episode, Needs, Observation, Policy, SuiteSpec, Task
from wambench_policies.expert import Expert
from wambench_policies.inference.base import build_base

TAKEOVER = int.from_bytes(b"TAKEOVER", "big")
"""Domain tag: keeps the draw independent of what `Observation.rng` gives the base."""


class Takeover(Policy):
    """Another policy acts for some steps, then the scripted expert.

    Args:
        spec: The suite.
        base: The policy that acts first, by name or `file.py:Class`.
        base_checkpoint: Its checkpoint; None for its own default.
        base_args: Its further arguments.
        after: Control steps after which the expert takes over: a number, or `LOW-HIGH` for any from
            LOW to HIGH, both included.

    Raises:
        UsageError: There is no base, or `after` is no number of steps.
        PolicyContractError: The base cannot be taken over from, or the expert cannot take over.
    """

    horizon = execute = 1

    def __init__(
        self,
        spec: SuiteSpec,
        base: str | None = None,
        base_checkpoint: str | None = None,
        base_args: Mapping[str, Any] | None = None,
        after: int | str = "20-150",
    ) -> None:
        if base is None:
            raise UsageError(
                "There is nobody to take over from.",
                "Give the policy that acts first, for example --policy-arg base=flow_bc.",
            )
        if not isinstance(base_args or {}, Mapping):
            raise UsageError(
                f"base_args={base_args!r} is no JSON object.", """Example: '{"execute": 8}'."""
            )
        self._after = parse_after(after)
        self._expert = Expert(spec)
        if not self._expert.takes_over:
            raise PolicyContractError(
                f"The expert on {spec.name} ({spec.backend}) repeats upstream's commands from the "
                "start of an episode, and cannot begin anywhere else.",
                "Use --backend embedded.",
            )
        self._base, facts = build_base(spec, base, base_checkpoint, base_args or {})
        _check_base(self._base, base, spec)
        self.provenance = {f"base_{name}": str(value) for name, value in facts.items()}
        self.at_once = getattr(self._base, "at_once", None)
        self.needs = Needs(image_size=self._base.needs.image_size, privileged=True)
        self._chunks: dict[str, NDArray[np.floating[Any]]] = {}
        self._prologues: set[str] = set()

    def check(self, tasks: Sequence[Task]) -> None:
        """Refuses what one of the two refuses."""
        self._base.check(tasks)
        self._expert.check(tasks)

    def start(self, episodes: Sequence[Episode]) -> None:
        """Forgets earlier attempts at these episodes."""
        self._forget(episodes)
        self._base.start(episodes)
        self._expert.start(episodes)

    def act(self, batch: Sequence[Observation]) -> NDArray[np.floating[Any]]:
        """(B, 1, A) the next action of each episode."""
        return np.stack([self._next(seen)[None] for seen in batch])

    def doing(self, episode: Episode) -> str:
        """`PROLOGUE` while the base acts, then the step of the expert's script."""
        return PROLOGUE if episode.key in self._prologues else self._expert.doing(episode)

    def finish(self, episodes: Sequence[Episode]) -> None:
        """Drops what was kept for these episodes."""
        self._forget(episodes)
        self._base.finish(episodes)
        self._expert.finish(episodes)

    # ---- inside ------------------------------------------------------------------------------

    def _next(self, seen: Observation) -> NDArray[np.floating[Any]]:
        key = seen.episode.key
        if seen.step == 0:
            self._expert.prepare(seen)
        if seen.step >= steps_before(seen.episode, self._after):
            self._prologues.discard(key)
            action: NDArray[np.floating[Any]] = self._expert.act([seen])[0, 0]
            return action
        self._prologues.add(key)
        turn = seen.step % self._base.execute
        if turn == 0:
            # Its own: an answer may be a view of what the base will write into again.
            self._chunks[key] = np.array(self._base.act([self._shown(seen)])[0])
        return self._chunks[key][turn]

    def _shown(self, seen: Observation) -> Observation:
        """What the base would see if it acted alone."""
        assert seen.env is not None  # or the expert had refused the episode's first observation
        needs = self._base.needs
        pixels = {
            camera: seen.env.render_camera(camera, *needs.image_size) for camera in needs.cameras
        }
        return replace(seen, pixels=pixels, env=None)

    def _forget(self, episodes: Sequence[Episode]) -> None:
        for episode in episodes:
            self._chunks.pop(episode.key, None)
            self._prologues.discard(episode.key)


def parse_after(text: int | str) -> tuple[int, int]:
    """`20-150` as (20, 150), and 50 as (50, 50).

    Raises:
        UsageError: It is written otherwise.
    """
    low, dash, high = str(text).partition("-")
    if not low.isdecimal() or (dash and not high.isdecimal()) or int(low) > int(high or low):
        raise UsageError(
            f"after={text} is no number of control steps.", "Write 50, or 20-150 for a range."
        )
    return int(low), int(high or low)


def steps_before(episode: Episode, after: tuple[int, int]) -> int:
    """Control steps after which the expert takes over in an episode.

    Args:
        episode: The episode.
        after: Least and greatest number.
    """
    generator = np.random.default_rng(np.random.SeedSequence([episode.seed, TAKEOVER]))
    return int(generator.integers(*after, endpoint=True))


def _check_base(base: Policy, name: str, spec: SuiteSpec) -> None:
    """Refuses a policy that cannot be shown here what it would be shown alone.

    Raises:
        PolicyContractError: With the reason.
    """
    needs = base.needs
    if needs.privileged:
        raise PolicyContractError(
            f"The base {name} is privileged: it knows the simulator's state, and gets to no states "
            "that a policy without it would get to.",
            "Take a policy that looks at pictures as base.",
        )
    if needs.subgoals:
        raise PolicyContractError(
            f"The base {name} pursues subgoals, which takeover does not show it.",
            "Take a policy that needs none as base.",
        )
    if unknown := [camera for camera in needs.cameras if camera not in spec.cameras]:
        raise PolicyContractError(
            f"The base {name} needs camera {', '.join(unknown)}, which {spec.name} does not have.",
            f"Its cameras are: {', '.join(spec.cameras)}.",
        )
