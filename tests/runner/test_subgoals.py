"""Subgoals, and what policies say of an episode: the same however a run is scheduled."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from wambench import subgoals
from wambench.errors import InfeasibleEpisode, PolicyContractError, UsageError
from wambench.evaluate import Execution, Request, start_run
from wambench.manifest import build_manifest
from wambench.protocol import Episode, Needs, Observation, Policy, SuiteSpec, Task, episode_rng
from wambench.results.run import RunDirectory
from wambench.runner.conclusion import measured
from wambench.subgoals import Demonstrator
from wambench_envs.bfa.suite import BFASuite
from wambench_policies.baselines.hold import Hold
from wambench_policies.expert.policy import Expert

LOOKER = f"{Path(__file__).parents[1] / 'looker.py'}:Looker"


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache folder of these tests."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("WAMBENCH_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def episode() -> Episode:
    """An apple to the right."""
    return build_manifest(BFASuite("bfa_seen"), run_seed=4, trials=1, tasks=[1]).episodes[0]


def demonstrator() -> Demonstrator:
    """Subgoals every 30 steps of 48 pixels."""
    suite = BFASuite("bfa_seen")
    return Demonstrator(suite, Needs(("head",), (48, 48), subgoals=30), suite.provenance())


def run(out: Path, workers: int) -> RunDirectory:
    """Two episodes of a policy that holds still."""
    request = Request(LOOKER, "bfa_seen", out, trials=1, seed=4, tasks=[1, 26])
    return start_run(request, Execution(workers=workers))


def test_subgoals_are_what_the_expert_sees_every_p_steps_and_at_its_end(episode: Episode) -> None:
    found = demonstrator().subgoals(episode)
    suite = BFASuite("bfa_seen")
    env = suite.make_env(suite.tasks()[1], Needs(("head",), (48, 48)))
    obs, _ = env.reset(seed=episode.seed)
    expert, seen, ended = Expert(suite.spec), [], False
    while not ended:
        step = env.steps_done
        look = Observation(
            episode, step, {}, obs["agent_pos"], episode_rng(episode.seed, step), env
        )
        obs, _, success, truncated, _ = env.advance(expert.act([look])[0])
        ended = success or truncated
        seen.append(obs["pixels"]["head"])
    env.close()
    assert found.steps == (*range(30, len(seen), 30), len(seen))
    for step, picture in zip(found.steps, found.pixels["head"], strict=True):
        np.testing.assert_array_equal(picture, seen[step - 1])
    assert [found.pursued(step) for step in (0, 29, 30, 10_000)] == [0, 0, 1, len(found.steps) - 1]


def test_a_damaged_demonstration_is_made_again_and_is_the_same(
    episode: Episode, cache: Path
) -> None:
    first = demonstrator().subgoals(episode)
    (file,) = cache.rglob("*.npz")
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    again = demonstrator().subgoals(episode)
    assert again.digest == first.digest
    assert file.stat().st_size == len(whole)


def test_an_episode_that_the_expert_does_not_solve_is_infeasible(episode: Episode) -> None:
    class Idle(Expert):
        def act(self, batch: list[Observation]) -> np.ndarray:
            return np.tile(np.asarray(self.spec.hold_action), (len(batch), 1, 1))

    made = demonstrator()
    made._expert = Idle(made._suite.spec)
    other = build_manifest(BFASuite("bfa_seen"), run_seed=5, trials=1, tasks=[1]).episodes[0]
    with pytest.raises(InfeasibleEpisode, match="did not solve"):
        made.subgoals(other)


def test_one_and_two_workers_warm_and_cold_give_the_same_records(
    tmp_path: Path, cache: Path
) -> None:
    for file in cache.rglob("*.npz"):
        file.unlink()
    cold, warm = run(tmp_path / "cold", 2), run(tmp_path / "warm", 1)
    records = [{k: r.comparable() for k, r in made.records().items()} for made in (cold, warm)]
    assert records[0] == records[1]
    for key, record in warm.records().items():
        assert record.meta["subgoals"]["every"] == 30
        assert len(record.meta["subgoals"]["sha256"]) == 64
        assert record.metrics["end"] == record.steps == 450
        assert record.metrics["off"] > 0
        assert record.execution.decisions is not None
        with np.load(warm.path / "decisions" / record.execution.decisions) as kept:
            assert str(kept["who"]) == key
    digest = {r.meta["subgoals"]["sha256"] for r in warm.records().values()}
    assert len(digest) == 2
    assert "expert" in warm.info.provenance["policy"]["subgoals_from"]


def test_tasks_that_nobody_can_demonstrate_are_refused_before_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec = BFASuite("bfa_seen").spec
    task = Task("bfa_seen", 0, "x", "x", 10, goal=(("juggled", "apple"),))
    with pytest.raises(PolicyContractError, match="no plan"):
        subgoals.check_subgoals(spec, [task])
    monkeypatch.setattr(subgoals, "EXPERT", "hold")
    with pytest.raises(PolicyContractError, match="demonstrates nothing"):
        subgoals.check_subgoals(spec, [])
    with pytest.raises(UsageError, match="every -1"):
        Demonstrator(BFASuite("bfa_seen"), Needs(subgoals=-1), {})


def test_a_measure_must_be_a_number_under_a_name_of_its_own(episode: Episode) -> None:
    class Measuring(Hold):
        value = 1.0

        def measure(self, last: Observation) -> dict[str, float]:
            return {"contact": self.value}

    spec: SuiteSpec = BFASuite("bfa_seen").spec
    policy = Measuring(spec)
    last = Observation(episode, 3, {}, np.zeros(25, np.float32), episode_rng(1, 3))
    assert measured(policy, last, {"lifted": 0.0}) == {"lifted": 0.0, "contact": 1.0}
    with pytest.raises(PolicyContractError, match="itself"):
        measured(policy, last, {"contact": 0.0})
    policy.value = float("nan")
    with pytest.raises(PolicyContractError, match="no finite contact"):
        measured(policy, last, {})
    assert measured(Policy(), last, {"lifted": 1.0}) == {"lifted": 1.0}
