"""`takeover`: another policy acts for some steps, and the expert goes on from there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from support import contents
from wambench import registry
from wambench.demos.collect import CollectRequest, collect
from wambench.demos.dataset import open_source
from wambench.demos.replay import replay
from wambench.errors import PolicyContractError, UsageError, WambenchError
from wambench.evaluate import Execution
from wambench.manifest import build_manifest
from wambench.protocol import (
    PROLOGUE,
    Episode,
    Needs,
    Observation,
    Policy,
    Suite,
    SuiteSpec,
    episode_rng,
)
from wambench_envs.libero.suite import LiberoSuite
from wambench_policies.baselines.random import Random
from wambench_policies.takeover import policy as takeover
from wambench_policies.takeover.policy import Takeover, parse_after, steps_before

TAKEOVER = f"{takeover.__file__}:Takeover"
STOVE = 9
"""libero_goal's `turn on the stove`: one of the shortest."""


class Watcher(Policy):
    """Acts upon what it sees; a chunk is longer than what is executed of it."""

    needs = Needs(("agentview", "robot0_eye_in_hand"), (24, 32))
    horizon, execute = 5, 3

    def __init__(self, spec: SuiteSpec) -> None:
        self.asked: list[int] = []

    def act(self, batch: Sequence[Observation]) -> NDArray[np.floating[Any]]:
        (seen,) = batch
        assert seen.env is None
        self.asked.append(seen.step)
        seeds = [int(picture.sum()) for picture in seen.pixels.values()]
        noise = seen.rng.uniform(-0.5, 0.5, (1, 5, 7))
        return np.random.default_rng(seeds).uniform(-0.5, 0.5, (1, 5, 7)) + noise


WATCHER = f"{Path(__file__)}:Watcher"


def collected(out: Path, workers: int = 1, **options: Any) -> Path:
    """Demonstrations whose first 10 to 20 steps are random."""
    request: dict[str, Any] = {
        "policy": TAKEOVER,
        "policy_arguments": {"base": "random", "base_args": {"chunk": 4}, "after": "10-20"},
        "suite": "libero_goal",
        "backend": "embedded",
        "tasks": [STOVE],
        "episodes": 1,
        "image_size": 16,
        "success_only": True,
        "out": out,
    }
    collect(CollectRequest(**request | options), Execution(workers=workers))
    return out


def first_episode(suite: Suite, task: int) -> Episode:
    """One of a manifest."""
    return build_manifest(suite, run_seed=0, trials=1, tasks=[task]).episodes[0]


def acted(suite: Suite, episode: Episode, policy: Policy, steps: int) -> list[NDArray[np.float64]]:
    """The first actions of a policy in an episode, executed as a worker does."""
    env = suite.make_env(suite.tasks()[episode.task], policy.needs)
    obs, _ = env.reset(seed=episode.seed, options={"init_state": episode.init_state})
    actions: list[NDArray[np.float64]] = []
    policy.start([episode])
    while len(actions) < steps:
        step = len(actions)
        given = env if policy.needs.privileged else None
        rng = episode_rng(episode.seed, step)
        seen = Observation(episode, step, obs["pixels"], obs["agent_pos"], rng, given)
        chunk = np.asarray(policy.act([seen]), np.float64)[0, : policy.execute]
        obs, *_ = env.advance(chunk)
        actions += list(chunk)
    policy.finish([episode])
    env.close()
    return actions[:steps]


def test_the_first_rows_are_the_base_s_own_and_the_expert_s_follow_and_succeed(
    tmp_path: Path,
) -> None:
    """Also: the whole episode is in the file, and ends in the same state when it is repeated."""
    source = open_source(collected(tmp_path / "d", noise=0.05))
    (demo,) = source.demos
    assert demo.episode is not None
    steps = steps_before(demo.episode, (10, 20))
    assert demo.success
    assert demo.prologue == steps
    assert demo.skills[0][0] == steps
    assert PROLOGUE not in [name for _, name in demo.skills]
    spec = LiberoSuite("libero_goal", "embedded").spec
    base, recorded = Random(spec, chunk=4), source.executed_actions(0, 0, demo.length)
    empty = np.empty(0, np.float32)
    for step in range(0, steps, 4):
        rng = episode_rng(demo.episode.seed, step)
        (chunk,) = base.act([Observation(demo.episode, step, {}, empty, rng)])
        assert np.array_equal(recorded[step : min(step + 4, steps)], chunk[: steps - step])
    labels = source.actions(0, 0, demo.length)
    assert not np.array_equal(labels[steps:], recorded[steps:]), "noise is the expert's alone"
    (again,) = replay(tmp_path / "d", Execution(workers=1)).demos
    assert again.same_end


def test_the_base_acts_as_it_does_alone_and_is_asked_as_often() -> None:
    """Upon the same pictures and the same draws, to the bit, though it shares the process."""
    suite = LiberoSuite("libero_goal", "embedded")
    episode = first_episode(suite, STOVE)
    together = Takeover(suite.spec, base=WATCHER, after=7)
    alone = Watcher(suite.spec)
    wanted = acted(suite, episode, alone, 7)
    assert np.array_equal(acted(suite, episode, together, 8)[:7], wanted)
    assert together._base.asked == alone.asked == [0, 3, 6]


def test_when_the_expert_takes_over_follows_from_the_episode_s_seed_alone() -> None:
    suite = LiberoSuite("libero_goal", "embedded")
    episodes = build_manifest(suite, run_seed=0, trials=50, tasks=[0, 1]).episodes
    drawn = [steps_before(episode, (20, 24)) for episode in episodes]
    assert set(drawn) == {20, 21, 22, 23, 24}
    backwards = [steps_before(episode, (20, 24)) for episode in reversed(episodes)]
    assert backwards == drawn[::-1]
    assert {steps_before(episode, (7, 7)) for episode in episodes} == {7}


@pytest.mark.slow
def test_workers_change_nothing_of_what_is_collected(tmp_path: Path) -> None:
    for workers in (1, 2):
        collected(tmp_path / str(workers), workers, episodes=3, tasks=[5, STOVE])
    assert contents(tmp_path / "1") == contents(tmp_path / "2")
    demos = open_source(tmp_path / "1").demos
    assert len({demo.prologue for demo in demos}) > 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("suite", "task", "after"),
    [("bfa_seen", 0, 12), ("robocasa24", 15, 25), ("robotwin_clean", "click_bell", 3)],
)
def test_every_expert_goes_on_from_where_another_policy_has_got(
    tmp_path: Path, suite: str, task: int | str, after: int
) -> None:
    loaded = registry.load_suite(suite, "embedded")
    index = registry.find_task(loaded, task).index
    arguments = {"base": "hold", "after": after}
    options = {"suite": suite, "tasks": [index], "policy_arguments": arguments, "max_trials": 4}
    (demo,) = open_source(collected(tmp_path / "d", **options)).demos
    assert (demo.success, demo.prologue) == (True, after)


@pytest.mark.parametrize(
    ("text", "found"), [("20-150", (20, 150)), (50, (50, 50)), ("0", (0, 0)), ("7-7", (7, 7))]
)
def test_a_number_of_steps_or_a_range_of_them_is_read(
    text: int | str, found: tuple[int, int]
) -> None:
    assert parse_after(text) == found


@pytest.mark.parametrize("text", ["", "soon", "20-", "-20", "150-20", "1.5", "1-2-3"])
def test_other_numbers_of_steps_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no number of control steps"):
        parse_after(text)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({}, "nobody to take over from"),
        ({"base": "expert"}, "is privileged"),
        ({"base": f"{Path(__file__).parent.parent / 'looker.py'}:Looker"}, "pursues subgoals"),
        ({"base": WATCHER, "base_args": "fast"}, "is no JSON object"),
        (
            {"base": "hold", "base_args": {"checkpoint": "a"}, "base_checkpoint": "b"},
            "checkpoint is given twice",
        ),
        ({"base": "hold", "base_args": {"cameras": "nose"}}, "has no camera nose"),
        ({"base": "nobody"}, "no policy named"),
    ],
)
def test_what_cannot_be_taken_over_from_is_refused(arguments: dict[str, Any], problem: str) -> None:
    spec = LiberoSuite("libero_goal", "embedded").spec
    with pytest.raises(WambenchError, match=problem):
        Takeover(spec, **arguments)


def test_a_base_whose_camera_is_not_there_is_refused() -> None:
    spec = registry.load_suite("bfa_seen", "embedded").spec
    with pytest.raises(PolicyContractError, match="needs camera agentview"):
        Takeover(spec, base=WATCHER)


def test_an_expert_that_can_only_repeat_upstream_s_commands_does_not_take_over() -> None:
    spec = registry.load_suite("robotwin_clean", "embedded").spec
    official = SimpleNamespace(**asdict(spec) | {"backend": "official", "action_dim": 14})
    with pytest.raises(PolicyContractError, match="repeats upstream's commands"):
        Takeover(official, base="hold")


def test_what_decides_the_base_s_answers_is_recorded() -> None:
    spec = LiberoSuite("libero_goal", "embedded").spec
    facts = Takeover(spec, base=WATCHER).provenance
    assert facts["base_target"] == WATCHER
    assert len(facts["base_sha256"]) == 64
