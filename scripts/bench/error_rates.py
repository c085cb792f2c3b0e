"""How often intervals hold the truth, and how often the sequential comparison is wrong.

    python scripts/bench/error_rates.py [--repetitions 2000]

Prints the tables of `docs/statistics.md`, from simulated outcomes with known rates; no simulator
is involved. Coverage is that of nominal 95 % intervals. All draws are seeded.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from wambench.stats.bootstrap import task_bootstrap_interval
from wambench.stats.intervals import stratified_wilson_interval, wilson_interval
from wambench.stats.paired import Pairs, mcnemar_exact, paired_difference_interval
from wambench.stats.sequential import log_evidence

Interval = tuple[float, float]

RATES = {
    "10 tasks at 80 %": [0.8] * 10,
    "10 tasks at 98 %": [0.98] * 10,
    "10 tasks, 60 to 99 %": list(np.linspace(0.6, 0.99, 10)),
    "5 tasks at 5 %, 5 at 95 %": [0.05] * 5 + [0.95] * 5,
    "1 task at 20 %, 9 at 98 %": [0.2] + [0.98] * 9,
    "90 tasks, 2 to 99 %": list(np.linspace(0.02, 0.99, 90)),
}

POPULATIONS = {
    "mean 80 %, sd 12": (8, 2),
    "mean 50 %, sd 22": (2, 2),
    "mean 97 %, sd 5": (9.7, 0.3),
}

PAIRS = {
    "equal, 20 % discordant": ([0.1] * 10, [0.1] * 10),
    "equal, 4 % discordant": ([0.02] * 10, [0.02] * 10),
    "+50 on 5 tasks, -50 on 5": ([0.5] * 5 + [0.0] * 5, [0.0] * 5 + [0.5] * 5),
    "+90 on 1 task, -10 on 9": ([0.9] + [0.0] * 9, [0.0] + [0.1] * 9),
    "+5 (10 and 5 % alone)": ([0.10] * 10, [0.05] * 10),
    "+10 (20 and 10 % alone)": ([0.20] * 10, [0.10] * 10),
    "+10 (12 and 2 % alone)": ([0.12] * 10, [0.02] * 10),
    "+20 (30 and 10 % alone)": ([0.30] * 10, [0.10] * 10),
    "+40 (50 and 10 % alone)": ([0.50] * 10, [0.10] * 10),
}
"""Chances that only b and that only a solves an episode, per task."""


def covered(intervals: Sequence[Interval], truths: Sequence[float]) -> str:
    """Share of intervals that hold the truth and their mean width, both in percent."""
    held = [low <= truth <= high for (low, high), truth in zip(intervals, truths, strict=True)]
    width = np.mean([high - low for low, high in intervals])
    return f"{100 * np.mean(held):.1f} ({100 * width:.1f})"


def rate_table(repetitions: int, rng: np.random.Generator) -> Iterator[list[str]]:
    """Intervals of a suite's rate, its tasks taken as given."""
    yield ["tasks", "trials each", "these tasks", "pooled Wilson", "Wilson, first task"]
    for name, rates in RATES.items():
        for trials in (5, 10, 20, 50):
            counts = rng.binomial(trials, rates, (repetitions, len(rates))).tolist()
            all_trials = [trials] * len(rates)
            mean = [float(np.mean(rates))] * repetitions
            yield [
                name,
                str(trials),
                covered([stratified_wilson_interval(c, all_trials) for c in counts], mean),
                covered([wilson_interval(sum(c), sum(all_trials)) for c in counts], mean),
                covered([wilson_interval(c[0], trials) for c in counts], [rates[0]] * repetitions),
            ]


def sampled_table(repetitions: int, rng: np.random.Generator) -> Iterator[list[str]]:
    """Intervals of the rate over a population of tasks."""
    yield [
        *("population of tasks", "tasks", "trials each", "tasks like these", "none given, %"),
        "these tasks",
    ]
    for name, (a, b) in POPULATIONS.items():
        for tasks, trials in ((5, 20), (10, 20), (10, 50), (30, 20)):
            fixed, sampled, silent = [], [], 0
            for rates in rng.beta(a, b, (repetitions, tasks)):
                counts = rng.binomial(trials, rates).tolist()
                fixed.append(stratified_wilson_interval(counts, [trials] * tasks))
                found = task_bootstrap_interval(
                    counts, [trials] * tasks, at_least=fixed[-1], resamples=1000
                )
                if found is None:
                    silent += 1
                else:
                    sampled.append(found)
            mean = [a / (a + b)] * repetitions
            yield [
                name,
                str(tasks),
                str(trials),
                covered(sampled, mean[silent:]),
                f"{100 * silent / repetitions:.1f}",
                covered(fixed, mean),
            ]


def paired_table(repetitions: int, rng: np.random.Generator) -> Iterator[list[str]]:
    """Intervals of a paired difference, and how often McNemar's test finds one."""
    yield ["difference, points", "trials each", "these tasks", "tasks pooled", "McNemar p <= 5 %"]
    for name, (b_only, a_only) in PAIRS.items():
        for trials in (5, 20, 50):
            stratified, pooled, found = [], [], 0
            for _ in range(repetitions):
                tasks = []
                for win, loss in zip(b_only, a_only, strict=True):
                    w, x, rest = rng.multinomial(trials, [win, loss, 1 - win - loss]).tolist()
                    tasks.append(Pairs(neither=rest, a_only=x, b_only=w))
                total = sum(tasks, Pairs())
                stratified.append(paired_difference_interval(tasks))
                pooled.append(paired_difference_interval([total]))
                found += mcnemar_exact(total) <= 0.05
            truth = [float(np.mean(b_only) - np.mean(a_only))] * repetitions
            yield [
                name,
                str(trials),
                covered(stratified, truth),
                covered(pooled, truth),
                f"{100 * found / repetitions:.1f}",
            ]


def sequential_table(repetitions: int, rng: np.random.Generator) -> Iterator[list[str]]:
    """The sequential comparison beside McNemar's test at the end, and looked at in every round."""
    yield [
        *("difference, points", "rounds of 10", "b better, %", "a better, %", "mean episodes"),
        *("median episodes", "McNemar at the end: b, %", "a, %", "McNemar in every round, %"),
    ]
    for name, (b_only, a_only) in PAIRS.items():
        for rounds in (50, 500) if np.mean(b_only) == np.mean(a_only) else (50,):
            draws = rng.random((repetitions, rounds, 10))
            wins = (draws < np.array(b_only)).sum(axis=2).cumsum(axis=1)
            losses = (draws > 1 - np.array(a_only)).sum(axis=2).cumsum(axis=1)
            evidence, p_values = _looks(wins, losses), _p_values(wins, losses)
            decided = evidence != 0
            ended = decided.any(axis=1)
            first = np.where(ended, decided.argmax(axis=1), rounds - 1)
            verdict = np.take_along_axis(evidence, first[:, None], axis=1)[:, 0]
            last = p_values[:, -1] <= 0.05
            ahead = np.sign(wins[:, -1] - losses[:, -1])
            yield [
                name,
                str(rounds),
                f"{100 * np.mean(verdict == 1):.1f}",
                f"{100 * np.mean(verdict == -1):.1f}",
                f"{10 * np.mean(first + 1):.0f}",
                f"{10 * np.median(first + 1):.0f}",
                f"{100 * np.mean(last & (ahead > 0)):.1f}",
                f"{100 * np.mean(last & (ahead < 0)):.1f}",
                f"{100 * np.mean((p_values <= 0.05).any(axis=1)):.1f}",
            ]


def _tabulated(wins: NDArray[np.int64], losses: NDArray[np.int64]) -> set[tuple[int, int]]:
    return {*zip(wins.ravel().tolist(), losses.ravel().tolist(), strict=True)}


def _looks(wins: NDArray[np.int64], losses: NDArray[np.int64]) -> NDArray[np.int64]:
    """(R, L) +1 where the evidence at a look says b, -1 where it says a, else 0."""
    threshold = math.log(2 / 0.05)
    table = np.zeros((wins.max() + 1, losses.max() + 1), np.int64)
    for w, x in _tabulated(wins, losses):
        if w > x:
            table[w, x] = log_evidence(w, x, 0) >= threshold
        else:
            table[w, x] = -int(log_evidence(x, w, 0) >= threshold)
    return table[wins, losses]


def _p_values(wins: NDArray[np.int64], losses: NDArray[np.int64]) -> NDArray[np.float64]:
    table = np.zeros((wins.max() + 1, losses.max() + 1))
    for w, x in _tabulated(wins, losses):
        table[w, x] = mcnemar_exact(Pairs(a_only=x, b_only=w))
    return table[wins, losses]


def show(title: str, rows: Iterator[list[str]]) -> None:
    """Prints a Markdown table."""
    header = next(rows)
    print(f"\n{title}\n\n| {' | '.join(header)} |\n|{'---|' * len(header)}")
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)


def main() -> None:
    """Prints all tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repetitions", type=int, default=2000)
    repetitions = parser.parse_args().repetitions
    rng = np.random.default_rng(0)
    show("Rates, coverage in % (mean width in points)", rate_table(repetitions, rng))
    show("Rates over tasks, coverage in % (mean width)", sampled_table(repetitions, rng))
    show("Paired differences, coverage in % (mean width)", paired_table(repetitions, rng))
    show("Sequential comparison at 95 %", sequential_table(repetitions, rng))


if __name__ == "__main__":
    main()
