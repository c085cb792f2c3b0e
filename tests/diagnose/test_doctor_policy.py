"""`wambench doctor policy`: mistakes between a policy and a suite are found by their effect."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from support import Run
from wambench.demos.collect import CollectRequest, collect
from wambench.diagnose.errors import Yardstick
from wambench.diagnose.moments import Moments, take_moments
from wambench.diagnose.search import diagnose
from wambench.errors import DataError
from wambench.evaluate import Execution
from wambench.protocol import Episode, Needs, Observation, Policy, SuiteSpec, episode_rng
from wambench.registry import load_suite

ROOT = Path(__file__).parents[2]
CAMERAS = ("agentview", "robot0_eye_in_hand")
NAMES = ("x", "y", "z", "roll", "pitch", "yaw", "gripper")
STEPS, HORIZON = 4, 8


def _injected() -> ModuleType:
    """scripts/experiments/injected_mistakes.py as a module."""
    path = ROOT / "scripts" / "experiments" / "injected_mistakes.py"
    spec = importlib.util.spec_from_file_location("injected_mistakes", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


INJECTED = _injected()
SPEC = SuiteSpec(
    name="spots",
    backend="embedded",
    embodiment="panda",
    action_names=NAMES,
    action_low=(-1.0,) * 7,
    action_high=(1.0,) * 7,
    state_names=("eef_x", *(f"eef_axis_angle_{c}" for c in "xyz"), "finger_left", "finger_right"),
    cameras=CAMERAS,
    control_hz=20.0,
    hold_action=(0.0,) * 7,
)


class Spots(Policy):
    """Goes to the red spot of the first camera, turns by its state, and holds what it has.

    Exact, and sensitive to everything that a trained policy is: where the spot is, its colour, in
    which camera, the fingers' signs and order.
    """

    needs = Needs(cameras=CAMERAS, image_size=(16, 16))
    horizon, execute = HORIZON, STEPS

    def __init__(self, spec: SuiteSpec = SPEC) -> None:
        self.spec = spec

    def act(self, batch: list[Observation]) -> np.ndarray:  # type: ignore[override]
        return np.stack([self._chunk(seen) for seen in batch])

    def _chunk(self, seen: Observation) -> np.ndarray:
        red = seen.pixels["agentview"][..., 0].astype(float)
        row, column = np.unravel_index(red.argmax(), red.shape)
        left, right = seen.agent_pos[-2:]
        chunk = np.zeros((HORIZON, 7))
        # Fast at first, then slower, so that a chunk that is late is another.
        pace = np.linspace(1.0, 0.1, HORIZON)[:, None]
        chunk[:, :2] = pace * (np.array([column, row]) - (4, 10)) / 16
        chunk[:, 2] = pace[:, 0] * (seen.agent_pos[0] - 0.5) / 2
        chunk[:, 5] = 0.3 * np.linalg.norm(seen.agent_pos[1:4]) - 0.9
        chunk[:, 6] = 1.0 if 0 < left - right < 0.05 else -1.0
        return chunk


def _moments(count: int = 64, seed: int = 0) -> Moments:
    """What `Spots` does, a little shaken."""
    rng = np.random.default_rng(seed)
    seen = []
    for number in range(count):
        pixels = {camera: np.zeros((16, 16, 3), np.uint8) for camera in CAMERAS}
        for camera in CAMERAS:
            pixels[camera][*rng.integers(0, 16, 2), 0] = 255
            pixels[camera][*rng.integers(0, 16, 2), 2] = 254
        rotation = rng.normal(size=3)
        rotation *= rng.uniform(2.5, 3.8) / np.linalg.norm(rotation)
        width = rng.uniform(0.0, 0.05)
        state = np.array([rng.uniform(0, 1), *rotation, width, -width], np.float32)
        episode = Episode(
            "spots", "embedded", number % 2, "task", number, number, -1, f"go {number % 2}", 100
        )
        seen.append(Observation(episode, 0, pixels, state, episode_rng(number, 0)))
    done = Spots().act(seen)[:, :STEPS]
    done[..., :6] += rng.normal(scale=0.02, size=done[..., :6].shape)
    return Moments(tuple(seen), done, demos=8)


@pytest.fixture(scope="module")
def moments() -> Moments:
    return _moments()


def _mistaken(*names: str) -> Policy:
    policy = INJECTED.Mistaken.__new__(INJECTED.Mistaken)
    policy.base, policy.names = Spots(), list(names)
    policy.needs, policy.horizon, policy.execute = Spots.needs, HORIZON, STEPS
    return policy  # type: ignore[no-any-return]


def test_a_policy_that_does_what_was_demonstrated_has_no_mistake(moments: Moments) -> None:
    found = diagnose(Spots(), SPEC, moments)
    assert found.found == []
    assert found.total < 0.2
    assert {reliance.what: reliance.used for reliance in found.reliance} == {
        "pictures": True,
        "state": True,
        "instruction": False,
    }


@pytest.mark.parametrize("name", [*INJECTED.OBSERVED, *INJECTED.ANSWERED])
def test_every_usual_mistake_is_found_and_named_and_no_other(moments: Moments, name: str) -> None:
    found = diagnose(_mistaken(name), SPEC, moments)
    _, words = (INJECTED.OBSERVED | INJECTED.ANSWERED)[name]
    assert len(found.found) == 1, [trial.mistake.name for trial in found.trials]
    assert words in found.found[0].mistake.name
    assert found.mended < 0.25


def test_three_mistakes_at_once_are_found_one_on_top_of_the_other(moments: Moments) -> None:
    found = diagnose(_mistaken("bgr", "fingers", "metres"), SPEC, moments)
    names = " | ".join(trial.mistake.name for trial in found.found)
    assert all(words in names for words in ("BGR", "exchanged", "other units")), names
    assert found.mended < 0.25


def test_noise_for_answers_is_no_mistake_that_can_be_mended(moments: Moments) -> None:
    class Noise(Spots):
        def act(self, batch: list[Observation]) -> np.ndarray:  # type: ignore[override]
            return np.stack([seen.rng.uniform(-1, 1, (HORIZON, 7)) for seen in batch])

    found = diagnose(Noise(), SPEC, moments)
    assert found.found == []
    assert found.total > 1.0
    assert not any(reliance.used for reliance in found.reliance)


def test_a_policy_that_always_does_the_same_has_an_error_of_one(moments: Moments) -> None:
    middle = np.median(moments.actions.reshape(-1, 7), axis=0)

    class Constant(Spots):
        def act(self, batch: list[Observation]) -> np.ndarray:  # type: ignore[override]
            return np.tile(middle, (len(batch), HORIZON, 1))

    found = diagnose(Constant(), SPEC, moments)
    assert found.errors == pytest.approx(np.ones(len(found.names)))
    assert found.total == pytest.approx(1.0, abs=0.3)  # places with far-away actions are capped


def test_chunks_that_are_executed_whole_may_begin_late_as_well(moments: Moments) -> None:
    class Late(Spots):
        """Begins with two actions that have been done already, and has no more than it executes."""

        horizon = STEPS

        def _chunk(self, seen: Observation) -> np.ndarray:
            chunk = super()._chunk(seen)
            return np.concatenate([0 * chunk[:2], chunk])[:STEPS]

    found = diagnose(Late(), SPEC, moments)
    assert [trial.mistake.group for trial in found.found] == ["time"]
    assert "begin 2 actions late" in found.found[0].mistake.name


def test_dimensions_that_demonstrations_do_not_move_have_no_error() -> None:
    actions = np.zeros((5, 3, 2))
    actions[..., 0] = np.arange(5)[:, None]
    yardstick = Yardstick.of(actions, (-9.0, -9.0), (9.0, 9.0))
    assert yardstick.moving.tolist() == [0]
    assert yardstick.errors(actions + 1.0, actions).shape == (5, 1)


def test_the_policy_is_asked_about_every_place_as_an_episode_of_its_own(moments: Moments) -> None:
    begun: list[str] = []
    ended: list[str] = []

    class Noted(Spots):
        def start(self, episodes: list[Episode]) -> None:  # type: ignore[override]
            begun.extend(episode.key for episode in episodes)

        def finish(self, episodes: list[Episode]) -> None:  # type: ignore[override]
            ended.extend(episode.key for episode in episodes)

    few = replace(moments, seen=moments.seen[:20], actions=moments.actions[:20])
    diagnose(Noted(), SPEC, few)
    assert begun == ended
    assert len(set(begun)) == 20


@pytest.fixture(scope="module")
def demonstrations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three demonstrations of each task of the example suite."""
    out = tmp_path_factory.mktemp("data") / "reach"
    request = CollectRequest(
        policy="example_go_to_target", suite="example_reach", out=out, episodes=3, image_size=64
    )
    collect(request, Execution(workers=1))
    return out


def test_places_are_spread_over_tasks_and_over_each_demonstration(demonstrations: Path) -> None:
    spec = load_suite("example_reach").spec
    found = take_moments([demonstrations], spec, Needs(("top",), (64, 64)), 2, count=12, seed=0)
    assert len(found.seen) == len(found.actions) == 12
    assert found.demos == 2
    assert len({seen.episode.task for seen in found.seen}) == 2
    assert all(seen.pixels["top"].shape == (64, 64, 3) for seen in found.seen)
    assert found.notes == ()


def test_pictures_of_another_size_are_resized_and_it_is_said(demonstrations: Path) -> None:
    spec = load_suite("example_reach").spec
    found = take_moments([demonstrations], spec, Needs(("top",), (32, 48)), 2, count=8, seed=0)
    assert found.seen[0].pixels["top"].shape == (32, 48, 3)
    assert "64 x 64" in found.notes[0]


def test_demonstrations_of_another_suite_are_refused(demonstrations: Path) -> None:
    with pytest.raises(DataError, match="example_reach"):
        take_moments([demonstrations], SPEC, Needs(), 2, count=8, seed=0)


def test_the_command_says_that_a_right_policy_follows(wambench: Run, demonstrations: Path) -> None:
    process = wambench(
        *("doctor", "policy", "--policy", "example_go_to_target", "--suite", "example_reach"),
        *("--data", str(demonstrations), "--places", "24"),
    )
    assert process.returncode == 0, process.stdout + process.stderr
    assert "It follows the demonstrations" in process.stdout


def test_the_command_names_a_mistake_and_what_to_do(wambench: Run, demonstrations: Path) -> None:
    process = wambench(
        *("doctor", "policy", "--suite", "example_reach"),
        *("--policy", f"{ROOT}/scripts/experiments/injected_mistakes.py:Mistaken"),
        *("--policy-arg", "base=example_go_to_target", "--policy-arg", "mistakes=mirrored"),
        *("--data", str(demonstrations), "--places", "24"),
    )
    assert process.returncode == 1, process.stdout + process.stderr
    verdict = process.stdout.partition("Something is wrong:")[2]
    assert "- pictures are mirrored" in verdict
    assert "pictures.flip" in verdict


def test_a_policy_that_looks_at_the_simulator_is_refused(wambench: Run) -> None:
    process = wambench("doctor", "policy", "--policy", "expert", "--suite", "libero_object")
    assert process.returncode == 2
    assert "looks at the simulator itself" in process.stderr


@pytest.mark.slow
def test_without_data_the_suite_s_expert_is_recorded(wambench: Run) -> None:
    process = wambench(
        *("doctor", "policy", "--policy", "flow_bc", "--suite", "libero_object"),
        *("--backend", "embedded", "--tasks", "0,5", "--places", "16"),
    )
    assert "Recording 2 demonstrations" in process.stdout
    assert "at 16 places of 2 demonstrations" in process.stdout
    assert process.returncode in (0, 1)
