"""Errors that a user can act on: what was wrong, what was expected, what to do.

Everything wambench raises on purpose derives from `WambenchError`. The command line prints such an
error as one line and exits with `exit_code`; any other exception is a bug and keeps its traceback.
"""

from __future__ import annotations


class WambenchError(Exception):
    """A problem with a known remedy.

    Args:
        problem: What was wrong and what was expected, one sentence.
        remedy: What to do about it, one sentence; may be empty where the problem says it all.
    """

    exit_code = 2

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.problem} {self.remedy}".strip()


class UsageError(WambenchError):
    """The request itself cannot be carried out: unknown name, bad value, conflicting options."""


class RuntimeUnavailable(WambenchError):
    """The suite's simulator, its pinned versions or its assets are not there."""


class PolicyError(WambenchError):
    """A policy broke its contract in one episode: NaN, an exception, no plan."""


class PolicyContractError(PolicyError):
    """A policy broke its contract in a way that every episode would repeat: a wrong width."""


class RunDirectoryError(WambenchError):
    """A run directory cannot be created, read, locked or written."""


class InfeasibleEpisode(WambenchError):
    """A seed for which the suite's own rules say that the task cannot be done."""


class DataError(WambenchError):
    """A set of demonstrations cannot be read, written or converted."""


class TrainingError(WambenchError):
    """A training diverged, or cannot go on from where it was."""
