"""`delta_f` and `delta_f_g`: how far what was achieved is from the subgoals.

Subgoal i, counted from 0, is due after (i + 1) p control steps. `delta_f` is the mean over the
subgoals that came due, and the one that was pursued when the episode ended, of the distance at that
moment; `delta_f_g` the distance between the last picture and the last subgoal. Both in the feature
space that `Features.name` says, by `objectives.l2`, whatever the policy is guided by.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from wambench.errors import PolicyContractError
from wambench.protocol import Observation, Subgoals
from wambench_policies.planning.features import Features
from wambench_policies.planning.objectives import l2


@dataclass
class _Course:
    goals: Tensor
    distances: dict[int, float] = field(default_factory=dict)


class SubgoalMeter:
    """Measures running episodes.

    Args:
        features: The feature space.
        camera: Through which it looks.
    """

    def __init__(self, features: Features, camera: str) -> None:
        self.features = features
        self._camera = camera
        self._courses: dict[str, _Course] = {}

    def goals(self, seen: Observation) -> Tensor:
        """(G, N, D) layer-normalised tokens of the episode's subgoals."""
        return self._course(seen).goals

    def achieved(self, seen: Observation) -> Tensor:
        """(N, D) layer-normalised tokens of what is seen."""
        return self.features(np.asarray(seen.pixels[self._camera])[None])[0]

    def observe(self, seen: Observation, achieved: Tensor, *, last: bool = False) -> None:
        """Measures the subgoal that is due now, if one is.

        Args:
            seen: The observation.
            achieved: See `achieved`.
            last: Whether the episode ends here.
        """
        course, every = self._course(seen), subgoals_of(seen).every
        index, early = divmod(seen.step, every)
        index = index if early else index - 1
        if 0 <= index < len(course.goals) and (last or not early):
            course.distances[index] = self.distance(achieved, course.goals[index])

    def results(self, last: Observation, achieved: Tensor) -> dict[str, float]:
        """The metrics of an episode that has ended."""
        self.observe(last, achieved, last=True)
        course = self._course(last)
        return {
            "delta_f": float(np.mean(list(course.distances.values()))),
            "delta_f_g": self.distance(achieved, course.goals[-1]),
        }

    @staticmethod
    def distance(tokens: Tensor, goal: Tensor) -> float:
        """Mean per-token l2."""
        with torch.no_grad():
            return float(l2(tokens, goal))

    def forget(self, key: str) -> None:
        """Drops what is known of an episode."""
        self._courses.pop(key, None)

    def _course(self, seen: Observation) -> _Course:
        key = seen.episode.key
        if key not in self._courses:
            pictures = subgoals_of(seen).pixels[self._camera]
            self._courses[key] = _Course(self.features(pictures))
        return self._courses[key]


def subgoals_of(seen: Observation) -> Subgoals:
    """The subgoals of an observation.

    Raises:
        PolicyContractError: It has none.
    """
    if seen.subgoals is None:
        raise PolicyContractError(
            "The policy was given no subgoals.",
            "`wambench eval` and `collect` give them to policies that ask by Needs.subgoals.",
        )
    return seen.subgoals
