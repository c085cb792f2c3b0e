"""How a run is going: what its records say so far, how fast it is and how long it will take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wambench.report.summary import Summary, summarise
from wambench.results.record import EpisodeRecord
from wambench.results.run import RunDirectory
from wambench.results.session import Session, duration


@dataclass(frozen=True, slots=True)
class Going:
    """A run at one moment.

    Attributes:
        summary: Figures over all planned episodes.
        session_s: Seconds since its last session began, to now or to the session's end.
        ended: Episodes that ended in that session, errors that were recorded included.
        to_come: Episodes that the session has yet to run.
        last_ended_at: Unix time of the newest record, s; None without records.
    """

    summary: Summary
    session_s: float
    ended: int
    to_come: int
    last_ended_at: float | None

    @property
    def per_minute(self) -> float | None:
        """Episodes per minute over the session; None before the first has ended."""
        return 60 * self.ended / self.session_s if self.ended and self.session_s > 0 else None

    @property
    def seconds_left(self) -> float | None:
        """What remains at that pace; None before the first episode of the session has ended.

        It takes the episodes to come to be like those that ended, which an order by task need not
        make true.
        """
        pace = self.per_minute
        return None if pace is None else 60 * self.to_come / pace


def going(
    run: RunDirectory, records: Mapping[str, EpisodeRecord], told: Session | None, now: float
) -> Going:
    """Figures of a run.

    Args:
        run: The run; only what does not change is taken from it.
        records: Its records, by key.
        told: Its last session.
        now: Unix time up to which that session is measured, s.
    """
    started_at = float("inf") if told is None else told.started_at
    recent = [r for r in records.values() if r.execution.ended_at >= started_at]
    summary = summarise(
        f"{run.info.config.suite} ({run.info.config.backend})", run.manifest.episodes, records
    )
    return Going(
        summary=summary,
        session_s=0.0 if told is None else now - told.started_at,
        ended=len(recent),
        # Those whose errors were recorded in this session are not begun again by it.
        to_come=summary.planned - summary.trials - sum(not r.counted for r in recent),
        last_ended_at=max((r.execution.ended_at for r in records.values()), default=None),
    )


def describe_rate(summary: Summary) -> str:
    """The success rate with its interval, or what it can still become.

    While episodes are missing there is no rate: failures take longer than successes, so that of
    the first to end is too high. The interval holds whatever the missing ones will be.
    """
    if not summary.trials:
        return "no success rate yet"
    low, high = summary.interval
    interval = f"[{100 * low:.1f}, {100 * high:.1f}]"
    if summary.rate is not None:
        return f"success rate {100 * summary.rate:.1f} % {interval}"
    worst, best = summary.bounds
    return f"success rate will be {100 * worst:.1f} to {100 * best:.1f} %, 95 % CI {interval}"


def describe_outcomes(summary: Summary) -> str:
    """`96 succeeded, 22 failed, 2 env_error`."""
    parts = [f"{summary.successes} succeeded", f"{summary.trials - summary.successes} failed"]
    parts += [f"{count} {outcome}" for outcome, count in summary.errors.items()]
    return ", ".join(parts)


def describe_pace(now: Going) -> str:
    """`14.2 episodes/min, about 27 min left`."""
    pace, left = now.per_minute, now.seconds_left
    if pace is None or left is None:
        return f"no episode has ended in {duration(now.session_s)}"
    text = f"{pace:.1f} episodes/min"
    return f"{text}, about {duration(left)} left" if now.to_come else text


def to_json(now: Going) -> dict[str, Any]:
    """The figures as plain JSON types; rates are fractions, times seconds."""
    summary = now.summary
    return {
        "planned": summary.planned,
        "counted": summary.trials,
        "successes": summary.successes,
        "failures": summary.trials - summary.successes,
        "errors": summary.errors,
        "rate": summary.rate,
        "rate_bounds": list(summary.bounds),
        "rate_interval": list(summary.interval),
        "session_seconds": now.session_s,
        "ended_in_session": now.ended,
        "to_come": now.to_come,
        "episodes_per_minute": now.per_minute,
        "seconds_left": now.seconds_left,
        "last_ended_at": now.last_ended_at,
    }
