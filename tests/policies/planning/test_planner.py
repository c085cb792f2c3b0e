"""Planning: what is chosen, why, and what is measured of it."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wambench.errors import PolicyContractError, UsageError
from wambench.protocol import Needs, Observation, SuiteSpec
from wambench_policies.planning import sources
from wambench_policies.planning.features import Features, model_features
from wambench_policies.planning.journal import Entry, arrays
from wambench_policies.planning.judges import CostJudge, ModelCost, ModelJudge, Moment
from wambench_policies.planning.meter import SubgoalMeter
from wambench_policies.planning.objectives import OBJECTIVES, l2, ranked
from wambench_policies.planning.planner import Budget, Plan, Planner
from wambench_policies.planning.policy import PlannerPolicy
from wambench_policies.planning.protocol import Costable, WorldModel
from wambench_policies.planning.sources import Candidates, DatasetSource, PolicySource, refined

Look = Callable[..., Observation]
CPU = torch.device("cpu")
BOUNDS = (np.full(8, -1, np.float32), np.full(8, 1, np.float32))
START, GOAL = [10, 90, 40, 20, 60, 30, 80, 50, 0], [200, 30, 90, 10, 20, 250, 40, 90, 0]


class Normal:
    """Candidates from a normal distribution."""

    identity, longest = "normal", None

    def needs(self) -> Needs:
        return Needs()

    def propose(self, seen: Observation, count: int, length: int) -> Candidates:
        drawn = 0.2 * seen.rng.standard_normal((count, length, 8), np.float32)
        return Candidates(drawn, ("normal",) * count)


def moment(seen: Observation, features: Features) -> Moment:
    """The planner's view of an observation."""
    assert seen.subgoals is not None
    goal = seen.subgoals.pixels["head"][0]
    start = features.raw(seen.pixels["head"][None])[0]
    return Moment(seen, seen.pixels["head"], goal, start, features(goal[None])[0])


def planner(model: WorldModel, select: str = "mean", rounds: int = 0, count: int = 30) -> Planner:
    """Plans 10 actions of 8 numbers, the best 4 of `count`."""
    judge = ModelJudge(model, l2, CPU, at_once=16)
    return Planner(Normal(), judge, Budget(count, 10, 4, rounds), select, BOUNDS)  # type: ignore[arg-type]


def end(model: WorldModel, view: Moment, actions: np.ndarray) -> float:
    """What a sequence of actions scores."""
    rolled = model.rollout(view.start[None], torch.from_numpy(actions)[None, None])[0, 0, -1]
    return float(l2(rolled, view.goal))


def test_the_world_models_of_the_tests_satisfy_the_protocols(integrator: WorldModel) -> None:
    assert isinstance(integrator, WorldModel)
    assert not isinstance(integrator, Costable)
    cost = ModelCost(integrator, model_features(integrator, "toy", "cpu"), l2)
    assert isinstance(cost, Costable)


@pytest.mark.parametrize("select", ["best", "mean", "checked"])
def test_a_plan_scores_what_it_says_and_says_what_it_chose(
    integrator: WorldModel, look: Look, select: str
) -> None:
    features = model_features(integrator, "toy", "cpu")
    view = moment(look(START, [GOAL]), features)
    (plan,) = planner(integrator, select).plan([view])
    best = plan.candidates.actions[plan.chosen]
    assert plan.scores.shape == (30,)
    assert list(plan.chosen) == list(np.argsort(plan.scores, kind="stable")[:4])
    assert plan.score == pytest.approx(end(integrator, view, plan.actions), abs=1e-6)
    for k in range(30):
        scored = end(integrator, view, plan.candidates.actions[k])
        assert plan.scores[k] == pytest.approx(scored, abs=1e-6)
    if select == "best":
        np.testing.assert_array_equal(plan.actions, best[0])
    if select == "mean":
        np.testing.assert_allclose(plan.actions, best.mean(axis=0), atol=1e-6)
    if select != "mean":
        assert plan.score <= plan.scores.min()
    assert plan.imagined is not None
    assert float(l2(plan.imagined, view.goal)) == pytest.approx(plan.score, abs=1e-6)


def test_checked_takes_the_best_candidate_where_an_average_is_worse(look: Look) -> None:
    class TwoWays(Normal):
        def propose(self, seen: Observation, count: int, length: int) -> Candidates:
            signs = np.where(np.arange(count) % 2, 1.0, -1.0)[:, None, None]
            ways = np.broadcast_to(signs, (count, length, 8)).astype(np.float32)
            return Candidates(ways.copy(), ("way",) * count)

    class Obstacle:
        chunk, control_hz = 1, 15.0

        def encode(self, images: torch.Tensor) -> torch.Tensor:
            return torch.zeros(len(images), 1, 2)

        def rollout(self, tokens: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
            away = actions.abs().mean(dim=(2, 3))
            ends = torch.stack([away, torch.full_like(away, 0.5)], dim=-1)
            return ends[:, :, None, None].expand(-1, -1, actions.shape[2], -1, -1)

    model = Obstacle()
    features = Features(model.encode, "toy", None, CPU)
    seen = look(START, [GOAL])
    view = Moment(
        seen, seen.pixels["head"], seen.pixels["head"], torch.zeros(1, 2), torch.tensor([[1.0, 0]])
    )
    assert features(seen.pixels["head"][None]).shape == (1, 1, 2)
    judge = ModelJudge(model, l2, CPU)
    plans = {
        select: Planner(TwoWays(), judge, Budget(6, 4, 2), select, BOUNDS).plan([view])[0]  # type: ignore[arg-type]
        for select in ("mean", "checked")
    }
    seen_order = plans["checked"].chosen
    assert list(seen_order) == [0, 1], "equals keep their order"
    assert np.abs(plans["mean"].actions).max() == 0
    assert plans["mean"].score > plans["checked"].score
    assert np.abs(plans["checked"].actions).min() == 1


def test_a_plan_is_the_same_alone_and_in_company(integrator: WorldModel, look: Look) -> None:
    features = model_features(integrator, "toy", "cpu")

    def views() -> list[Moment]:
        return [moment(look(START, [GOAL], seed=seed), features) for seed in (3, 4, 5)]

    together = planner(integrator, rounds=1).plan(views())
    for one, company in zip(views(), together, strict=True):
        (alone,) = planner(integrator, rounds=1).plan([one])
        np.testing.assert_allclose(alone.actions, company.actions, atol=1e-6)
        np.testing.assert_array_equal(alone.chosen, company.chosen)
    assert together[0].digest != together[1].digest


def test_all_candidates_of_all_episodes_go_together(integrator: WorldModel, look: Look) -> None:
    features = model_features(integrator, "toy", "cpu")
    views = [moment(look(START, [GOAL], seed=seed), features) for seed in (3, 4)]
    judge = ModelJudge(integrator, l2, CPU, at_once=100)
    actions = [np.zeros((50, 10, 8), np.float32)] * 2
    assert [judged.calls for judged in judge.judge(views, actions)] == [1, 1]
    assert integrator.calls == 1  # type: ignore[attr-defined]


def test_refinement_comes_closer_and_never_loses_the_best(
    integrator: WorldModel, look: Look
) -> None:
    features = model_features(integrator, "toy", "cpu")
    scores = []
    for rounds in (0, 3):
        view = moment(look(START, [GOAL]), features)
        (plan,) = planner(integrator, "best", rounds).plan([view])
        assert plan.scores.shape == (30 * (1 + rounds),)
        scores.append(plan.score)
    assert scores[1] < 0.8 * scores[0]


def test_refined_candidates_are_smooth_within_bounds_and_like_their_elite() -> None:
    rng = np.random.default_rng(0)
    elite = rng.normal(0.3, 0.1, (20, 21, 8)).astype(np.float32)
    drawn = refined(elite, 400, np.random.default_rng(1), BOUNDS, 5)
    assert drawn.shape == (400, 21, 8)
    assert drawn.min() >= -1
    np.testing.assert_allclose(drawn.mean(axis=0), elite.mean(axis=0), atol=0.03)
    np.testing.assert_allclose(drawn.std(axis=0), elite.std(axis=0), rtol=0.3)
    noise = (drawn - elite.mean(axis=0)) / elite.std(axis=0)
    near = np.mean(noise[:, 1] * noise[:, 2])
    far = np.mean(noise[:, 1] * noise[:, 12])
    assert near > 0.7 > abs(far) + 0.5


@given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(OBJECTIVES)))
def test_an_objective_is_zero_at_the_goal_and_does_not_mind_a_tokens_scale(
    seed: int, name: str
) -> None:
    generator = torch.Generator().manual_seed(seed)
    tokens, goal = torch.randn(2, 12, 16, generator=generator)
    objective = OBJECTIVES[name]
    assert float(objective(goal, goal)) == pytest.approx(0, abs=1e-3)
    assert float(objective(tokens, goal)) > 0.1
    assert float(objective(3 * tokens + 1, goal)) == pytest.approx(
        float(objective(tokens, goal)), rel=1e-3
    )


def test_l2_is_the_mean_over_tokens_and_has_the_papers_scale() -> None:
    generator = torch.Generator().manual_seed(0)
    goal = torch.randn(256, 1408, generator=generator)
    near = 0.78 * goal + (1 - 0.78**2) ** 0.5 * torch.randn(256, 1408, generator=generator)
    assert float(l2(near, goal)) == pytest.approx(25, abs=1)  # facts A.4: cosine 0.78 is 25
    assert list(ranked(torch.tensor([2.0, 1.0, 1.0]))) == [1, 2, 0]


def test_a_get_cost_object_is_asked_as_stable_worldmodel_asks_and_ranks_alike(
    integrator: WorldModel, look: Look
) -> None:
    features = model_features(integrator, "toy", "cpu")
    cost = ModelCost(integrator, features, l2)
    view = moment(look(START, [GOAL]), features)
    (by_model,) = planner(integrator, "best").plan([view])
    judge = CostJudge(cost, CPU, None)
    view = moment(look(START, [GOAL]), features)
    (by_cost,) = Planner(Normal(), judge, Budget(30, 10, 4), "best", BOUNDS).plan([view])
    np.testing.assert_allclose(by_cost.scores, by_model.scores, atol=1e-5)
    assert by_cost.imagined is None

    class Blocks:
        action_block = 5

        def get_cost(self, info: dict, candidates: torch.Tensor) -> torch.Tensor:
            assert candidates.shape == (1, 30, 2, 40)
            assert info["pixels"].shape == info["goal"].shape == (1, 30, 1, 3, 1, 3)
            return candidates.sum(dim=(2, 3))

    (plan,) = Planner(
        Normal(), CostJudge(Blocks(), CPU, None), Budget(30, 10, 1), "best", BOUNDS
    ).plan([view])
    assert plan.score == pytest.approx(float(plan.actions.sum()), abs=1e-4)


def test_delta_f_is_measured_where_subgoals_are_due(look: Look) -> None:
    def encode(images: torch.Tensor) -> torch.Tensor:
        return images.reshape(len(images), -1)[:, :8].reshape(-1, 2, 4).float()

    features = Features(encode, "toy", None, CPU)
    goals = [GOAL, START, [9, 8, 7, 6, 5, 4, 3, 2, 0]]

    def distance(one: list[int], other: list[int]) -> float:
        pictures = np.array([one, other], np.uint8).reshape(2, 1, 3, 3)
        a, b = features(pictures)
        return float(l2(a, b))

    meter = SubgoalMeter(features, "head")
    for step, values in ((0, GOAL), (7, START), (10, START)):
        seen = look(values, goals, step)
        meter.observe(seen, meter.achieved(seen))
    last = look(GOAL, goals, 14)
    found = meter.results(last, meter.achieved(last))
    # Subgoal 0 was due at 10, when START was seen; 1 was pursued when the episode ended.
    assert found["delta_f"] == pytest.approx((distance(START, GOAL) + distance(GOAL, START)) / 2)
    assert found["delta_f_g"] == pytest.approx(distance(GOAL, goals[2]))
    meter.forget(last.episode.key)
    for step in (10, 20, 30, 40):
        seen = look(START, goals, step)
        meter.observe(seen, meter.achieved(seen))
    last = look(GOAL, goals, 45)
    found = meter.results(last, meter.achieved(last))
    expected = [distance(START, goal) for goal in goals]
    assert found["delta_f"] == pytest.approx(np.mean(expected)), "later moments count no more"


def test_the_journal_keeps_decisions_that_can_be_scored_again(
    integrator: WorldModel, look: Look
) -> None:
    features = model_features(integrator, "toy", "cpu")
    view = moment(look(START, [GOAL]), features)
    plan: Plan = planner(integrator).plan([view])[0]
    achieved = features(np.array(START, np.uint8).reshape(1, 1, 3, 3))[0]
    kept = arrays([Entry(0, 0, view.goal, plan, achieved)], features.name)
    best = kept["scores"][0][kept["chosen"][0]]
    np.testing.assert_array_equal(best, np.sort(kept["scores"][0])[:4])
    np.testing.assert_allclose(kept["actions"][0], kept["best_actions"][0].mean(0), atol=1e-6)
    again = l2(torch.from_numpy(kept["imagined_tokens"]), torch.from_numpy(kept["subgoal_tokens"]))
    assert float(again[0]) == pytest.approx(float(kept["expected"][0]), abs=0.01)
    assert kept["achieved"][0] == pytest.approx(float(l2(achieved, view.goal)))
    assert kept["error"][0] > 0
    assert kept["model_calls"][0] == 3  # 16 at once of 30, and the mean
    assert all(array.dtype.kind != "O" for array in kept.values())


# --- sources -------------------------------------------------------------------------------------


def spec_of(width: int) -> SuiteSpec:
    """A suite of that many actions in [-1, 1]."""
    names = tuple(f"a{k}" for k in range(width))
    return SuiteSpec(
        "toy", "embedded", "toy", names, (-1.0,) * width, (1.0,) * width, (), ("head",), 15.0,
        (0.0,) * width,
    )  # fmt: skip


@pytest.fixture
def demonstrations(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """Two demonstrations, of 12 and of 4 actions, that count up."""
    lengths = (12, 4)
    actions = [
        0.01 * np.arange(n)[:, None] + np.array([[0.0, 0.5]]) * k for k, n in enumerate(lengths)
    ]
    demos = [
        SimpleNamespace(
            name=f"demo_{k}", length=n, embodiment="toy", action_names=("a0", "a1"),
            control_hz=15.0, identity=(k, n), prologue=0,
        )
        for k, n in enumerate(lengths)
    ]  # fmt: skip
    source = SimpleNamespace(
        demos=demos, actions=lambda demo, start, stop: actions[demo][start:stop]
    )
    monkeypatch.setattr(sources, "open_source", lambda path: source)
    return actions


def test_dataset_candidates_are_never_of_a_prologue(
    demonstrations: list[np.ndarray], monkeypatch: pytest.MonkeyPatch, look: Look
) -> None:
    opened = sources.open_source("anywhere")
    opened.demos[0].prologue = 5
    monkeypatch.setattr(sources, "open_source", lambda path: opened)
    found = DatasetSource("anywhere", spec_of(2)).propose(look(START, [GOAL]), 3, 6)
    origins = dict(zip(found.origins, found.actions, strict=True))
    assert sorted(origins) == ["demo_0[5]", "demo_0[6]", "demo_1[0]"]
    for row in (5, 6):
        wanted = demonstrations[0][row : row + 6].astype(np.float32)
        np.testing.assert_array_equal(origins[f"demo_0[{row}]"], wanted)


def test_dataset_candidates_are_stretches_of_demonstrations(
    demonstrations: list[np.ndarray], look: Look
) -> None:
    source = DatasetSource("anywhere", spec_of(2))
    found = source.propose(look(START, [GOAL]), 8, 6)
    assert len(set(found.origins)) == 8, "7 moments of the first and the whole of the second"
    for actions, origin in zip(found.actions, found.origins, strict=True):
        name, row = origin.rstrip("]").split("[")
        demo = demonstrations[int(name[-1])].astype(np.float32)
        wanted = [demo[min(int(row) + k, len(demo) - 1)] for k in range(6)]
        np.testing.assert_array_equal(actions, wanted)
    again = source.propose(look(START, [GOAL]), 8, 6)
    assert again.origins == found.origins
    assert source.propose(look(START, [GOAL], seed=4), 8, 6).origins != found.origins
    assert len(source.propose(look(START, [GOAL]), 20, 6).actions) == 20


def test_demonstrations_of_another_robot_are_refused(demonstrations: list[np.ndarray]) -> None:
    with pytest.raises(UsageError, match="those of a toy"):
        DatasetSource("anywhere", spec_of(3))


def test_samples_of_a_policy_are_cut_to_length_and_clipped(look: Look) -> None:
    policy = SimpleNamespace(
        horizon=9, needs=Needs(), samples=lambda seen, count: np.full((count, 9, 2), 3.0)
    )
    source = PolicySource(policy, "vla", spec_of(2), "a1b2")
    found = source.propose(look(START, [GOAL]), 3, 5)
    assert found.actions.shape == (3, 5, 2)
    assert found.actions.max() == 1.0
    with pytest.raises(UsageError, match="candidates have 9 actions"):
        Planner(source, ModelJudge(_Still(), l2, CPU), Budget(3, 10, 1), "best", BOUNDS)


class _Still:
    """A world in which nothing moves."""

    chunk, control_hz = 5, 15.0

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        return torch.zeros(len(images), 1, 2)

    def rollout(self, tokens: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        return tokens[:, None, None].expand(-1, actions.shape[1], actions.shape[2], -1, -1)


# --- what is refused -----------------------------------------------------------------------------


def test_what_makes_no_plan_is_refused(look: Look) -> None:
    judge = ModelJudge(_Still(), l2, CPU)
    with pytest.raises(UsageError, match="multiple of the 5"):
        Planner(Normal(), judge, Budget(3, 12, 1), "best", BOUNDS)
    with pytest.raises(UsageError, match="no selection 'worst'"):
        Planner(Normal(), judge, Budget(3, 10, 1), "worst", BOUNDS)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="make no plan"):
        Budget(3, 10, 4)
    with pytest.raises(UsageError, match="fit no distribution"):
        Budget(3, 10, 1, rounds=1, elites=1)
    seen = look(START, [GOAL])
    view = moment(seen, Features(_Still().encode, "toy", None, CPU))
    with pytest.raises(PolicyContractError, match=r"expected \(1, 3, 2, 1, 2\)"):
        Planner(Normal(), judge, Budget(3, 10, 1), "best", BOUNDS).plan([view])
    seen.subgoals = None
    with pytest.raises(PolicyContractError, match="no subgoals"):
        SubgoalMeter(Features(_Still().encode, "toy", None, CPU), "head").goals(seen)


def test_a_planner_without_candidates_is_refused() -> None:
    with pytest.raises(UsageError, match="where candidates come from"):
        PlannerPolicy(spec_of(2))
    with pytest.raises(UsageError, match="names no demonstrations"):
        PlannerPolicy(spec_of(2), "dataset:")
    with pytest.raises(UsageError, match="cannot be sampled"):
        PlannerPolicy(spec_of(2), "hold")
