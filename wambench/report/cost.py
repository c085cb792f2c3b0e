"""Figures about the cost of a policy, computed from a run's records."""

from __future__ import annotations

from collections.abc import Sequence

from wambench.report.summary import Summary
from wambench.results.record import EpisodeRecord


def seconds_per_chunk(records: Sequence[EpisodeRecord]) -> float | None:
    """Mean seconds of policy per action chunk over the counted episodes.

    A batch's time is shared equally by the episodes in it, so this is the cost of a chunk at the
    batch sizes that the run had, not the latency of a lone request.

    Returns:
        None where no chunk was timed: a privileged policy is not asked by chunk.
    """
    timed = [record.execution for record in records if record.counted]
    calls = sum(execution.policy_calls for execution in timed)
    seconds = sum(execution.seconds.policy for execution in timed if execution.policy_calls)
    return seconds / calls if calls else None


def seconds_per_episode(summary: Summary) -> float | None:
    """Mean wall seconds of a counted episode without filming; None when nothing counts."""
    seconds = summary.seconds
    return (seconds.total - seconds.video) / summary.trials if summary.trials else None
