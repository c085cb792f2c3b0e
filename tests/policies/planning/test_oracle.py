"""The simulator as the world model: it imagines what comes to pass."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from wambench.demos.collect import CollectRequest, collect
from wambench.env import BenchmarkEnv
from wambench.errors import PolicyContractError, UsageError
from wambench.evaluate import Execution, Request, start_run
from wambench.manifest import build_manifest
from wambench.protocol import Episode, Needs, Observation, Subgoals, episode_rng
from wambench_envs.bfa.suite import BFASuite
from wambench_policies.planning import policy as policies
from wambench_policies.planning.policy import PlannerPolicy
from wambench_policies.planning.sources import Candidates

SUITE = BFASuite("bfa_seen")
LENGTH = 10


class Wander:
    """Candidates around the present pose."""

    identity, longest = "wander", None

    def needs(self) -> Needs:
        return Needs()

    def propose(self, seen: Observation, count: int, length: int) -> Candidates:
        to = seen.agent_pos + 0.15 * seen.rng.standard_normal((count, 1, 25), np.float32)
        share = np.linspace(0, 1, length, dtype=np.float32)[None, :, None]
        actions = (1 - share) * seen.agent_pos + share * to
        low, high = np.float32(SUITE.spec.action_low), np.float32(SUITE.spec.action_high)
        return Candidates(np.clip(actions, low, high), ("wander",) * count)


@pytest.fixture(scope="module")
def episode() -> Episode:
    """An apple to the left."""
    return build_manifest(SUITE, run_seed=4, trials=1, tasks=[0]).episodes[0]


@pytest.fixture(scope="module")
def env(episode: Episode) -> Iterator[BenchmarkEnv]:
    """The episode's environment."""
    made = SUITE.make_env(SUITE.tasks()[0], Needs(("head",), (64, 64)))
    yield made
    made.close()


def look(env: BenchmarkEnv, episode: Episode, goal: np.ndarray) -> Observation:
    """What the planner is given now."""
    pixels = {"head": env.render_camera("head", 64, 64)}
    subgoals = Subgoals(LENGTH, (LENGTH,), {"head": goal[None]}, np.zeros((1, 25), np.float32), "")
    rng = episode_rng(episode.seed, env.steps_done)
    return Observation(episode, env.steps_done, pixels, env.agent_pos(), rng, env, subgoals)


@pytest.mark.parametrize("copies", [1, 2])
def test_the_oracle_never_does_worse_than_the_best_candidate_it_saw(
    monkeypatch: pytest.MonkeyPatch, env: BenchmarkEnv, episode: Episode, copies: int
) -> None:
    monkeypatch.setattr(policies, "find_source", lambda text, spec: Wander())
    policy = PlannerPolicy(
        SUITE.spec,
        "wander",
        candidates=5,
        length=LENGTH,
        top=2,
        select="checked",
        image_size=64,
        copies=copies,
    )
    assert policy.needs.privileged
    assert policy.needs.subgoals == LENGTH
    env.reset(seed=episode.seed)
    start = env.physics_state()
    rng = np.random.default_rng(1)
    away = env.agent_pos() + 0.15 * rng.standard_normal(25) * (np.arange(25) < 3)
    env.advance(np.tile(away, (LENGTH, 1)))
    goal = env.render_camera("head", 64, 64)
    env.go_back(start, 0)
    for _ in range(2):
        before = env.physics_state()
        seen = look(env, episode, goal)
        (chunk,) = policy.act([seen])
        np.testing.assert_array_equal(env.physics_state(), before), "imagining changes nothing"
        env.advance(chunk)
    last = look(env, episode, goal)
    found = policy.measure(last)
    kept = policy.decisions(episode)
    assert found["delta_i"] == 0.0
    np.testing.assert_array_equal(kept["error"], 0)
    np.testing.assert_array_equal(kept["expected"], kept["achieved"])
    for scores, achieved in zip(kept["scores"], kept["achieved"], strict=True):
        assert len(set(scores.tolist())) == 5
        assert achieved <= scores.min()
    assert kept["achieved"][-1] == np.float32(found["delta_f_g"])
    policy.finish([episode])


def test_an_oracle_without_a_simulator_says_so(
    monkeypatch: pytest.MonkeyPatch, env: BenchmarkEnv, episode: Episode
) -> None:
    monkeypatch.setattr(policies, "find_source", lambda text, spec: Wander())
    policy = PlannerPolicy(SUITE.spec, "wander", candidates=2, length=LENGTH)
    env.reset(seed=episode.seed)
    seen = look(env, episode, env.render_camera("head", 64, 64))
    seen.env = None
    with pytest.raises(PolicyContractError, match="given no simulator"):
        policy.act([seen])
    with pytest.raises(UsageError, match="0 copies"):
        PlannerPolicy(SUITE.spec, "wander", candidates=2, copies=0)


@pytest.mark.slow
def test_oracle_runs_are_the_same_with_one_and_two_workers(tmp_path: Path) -> None:
    data = CollectRequest(
        "expert", "bfa_seen", tmp_path / "data", episodes=1, tasks=[0], image_size=16
    )
    collect(data, Execution(workers=1))
    options = {"source": f"dataset:{tmp_path / 'data'}", "candidates": 3, "length": 50, "top": 2}
    made = []
    for workers in (1, 2):
        request = Request(
            "planner",
            "bfa_seen",
            tmp_path / f"run{workers}",
            policy_arguments=options,
            trials=1,
            seed=4,
            tasks=[0, 1],
        )
        made.append(start_run(request, Execution(workers=workers)))
    first, second = ({k: r.comparable() for k, r in run.records().items()} for run in made)
    assert first == second
    for record in made[0].records().values():
        assert {"delta_f", "delta_f_g", "delta_i", "contact", "lifted"} == set(record.metrics)
        assert record.metrics["delta_i"] == 0.0
        with np.load(made[0].path / "decisions" / str(record.execution.decisions)) as kept:
            assert kept["scores"].shape[1] == 3
    assert made[0].info.privileged
    assert "tiny encoder" in made[0].info.provenance["policy"]["features"]
