"""What became of the planned episodes: the failure modes that the records can tell apart.

The records know how an episode ended, not what the robot did: whether an object was touched, lifted
or dropped is not in them, so no such mode is shown.
"""

from __future__ import annotations

from dataclasses import dataclass

from wambench.report.summary import Summary

LABELS = {
    "success": "success",
    # `BenchmarkEnv.advance` ends an episode at success or at the step limit and nowhere else.
    "failure": "failure (step limit reached)",
    "policy_error": "policy error",
    "env_error": "simulator error",
    "infeasible": "infeasible seed",
    "not_run": "not run",
}
"""Every mode in the order in which it is shown, and its name."""


@dataclass(frozen=True, slots=True)
class Part:
    """One mode and how often it occurred.

    Attributes:
        name: Key of `LABELS`.
        count: Number of episodes, at least 1.
    """

    name: str
    count: int

    @property
    def label(self) -> str:
        """The mode in words."""
        return LABELS[self.name]


def outcome_parts(summary: Summary) -> list[Part]:
    """The modes that occurred; their counts add up to the planned episodes."""
    counts = {
        "success": summary.successes,
        "failure": summary.trials - summary.successes,
        **summary.errors,
        "not_run": summary.unfinished,
    }
    return [Part(name, counts[name]) for name in LABELS if counts.get(name)]
