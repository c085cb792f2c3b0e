"""Normalisation: invertible, bounded, and refusing a suite that it was not trained on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from wambench.errors import PolicyContractError, UsageError
from wambench.protocol import SuiteSpec
from wambench_policies.nn.normalise import (
    ActionNormaliser,
    Embodiment,
    Normalisation,
    StateNormaliser,
)

NAMES = ("x", "yaw", "gripper", "quat_w")
VALUES = arrays(
    np.float64,
    st.tuples(st.integers(1, 20), st.just(len(NAMES))),
    elements=st.floats(-100, 100, width=32),
)
SPEC = SuiteSpec(
    name="s",
    backend="embedded",
    embodiment="panda",
    action_names=("x", "gripper"),
    action_low=(-1.0, -1.0),
    action_high=(1.0, 1.0),
    state_names=("a", "b", "c"),
    cameras=("front", "wrist"),
    control_hz=20.0,
    hold_action=(0.0, 0.0),
)


def trained(names: tuple[str, ...] = ("x", "gripper")) -> Normalisation:
    rng = np.random.default_rng(0)
    return Normalisation(
        embodiments={
            "panda": Embodiment(
                id=1,
                action=ActionNormaliser.fit(rng.normal(size=(9, len(names))), names),
                state=StateNormaliser.fit(rng.normal(size=(9, 3)), ("a", "b", "c")),
                control_hz=(10.0, 20.0),
            )
        },
        cameras=("front",),
        recorded_size=(128, 128),
        image_size=(64, 64),
        backends=("embedded",),
    )


@given(VALUES)
def test_actions_that_were_seen_come_back(actions: np.ndarray) -> None:
    actions[:, 2] = np.where(actions[:, 2] > 0, 1, -1)
    fitted = ActionNormaliser.fit(actions, NAMES)
    normalised = fitted.normalise(actions)
    assert np.abs(normalised[:, :3]).max() <= 1
    np.testing.assert_allclose(fitted.restore(normalised), actions, atol=2e-4)


@given(VALUES, VALUES)
def test_actions_that_were_not_seen_are_clipped_to_the_range(
    seen: np.ndarray, others: np.ndarray
) -> None:
    fitted = ActionNormaliser.fit(seen, ("x", "y", "z", "roll"))
    again = fitted.restore(fitted.normalise(others))
    np.testing.assert_allclose(
        again, np.clip(others, seen.min(axis=0), seen.max(axis=0)), atol=2e-4
    )


def test_least_and_greatest_become_minus_one_and_one() -> None:
    fitted = ActionNormaliser.fit(np.array([[-2.0], [0.0], [6.0]]), ("x",))
    np.testing.assert_allclose(fitted.normalise(np.array([[-2.0], [2.0], [6.0]])).T, [[-1, 0, 1]])


def test_a_gripper_of_two_commands_is_open_or_closed() -> None:
    fitted = ActionNormaliser.fit(np.array([[-1.0], [1.0]]), ("gripper",))
    assert fitted.normalise(np.array([[0.3], [-0.3]])).T.tolist() == [[1, -1]]
    assert fitted.restore(np.array([[0.01], [-0.01]])).T.tolist() == [[1, -1]]


def test_a_gripper_that_may_hold_keeps_that_command() -> None:
    """As the expert's: 0 leaves the fingers as they are, which is not opening them."""
    commands = np.array([[-1.0], [0.0], [1.0]])
    fitted = ActionNormaliser.fit(commands, ("gripper",))
    assert fitted.normalise(commands).T.tolist() == [[-1, 0, 1]]
    assert fitted.restore(np.array([[-0.8], [0.3], [0.7]])).T.tolist() == [[-1, 0, 1]]


def test_a_gripper_command_means_the_same_whichever_commands_occur() -> None:
    """Demonstrations that never open the gripper, in a suite where -1 would."""
    commands = np.array([[0.0], [1.0]])
    fitted = ActionNormaliser.fit(commands, ("gripper",), bounds=((-1.0,), (1.0,)))
    assert fitted.normalise(commands).T.tolist() == [[0, 1]]
    assert fitted.restore(np.array([[-1.0], [0.4], [0.6]])).T.tolist() == [[0, 0, 1]]


def test_a_continuous_gripper_is_a_range() -> None:
    opening = np.linspace(0, 0.08, 20)[:, None]
    fitted = ActionNormaliser.fit(opening, ("gripper",))
    np.testing.assert_allclose(fitted.restore(fitted.normalise(opening)), opening, atol=1e-6)


def test_a_dimension_that_never_changes_is_zero_and_comes_back() -> None:
    fitted = ActionNormaliser.fit(np.full((5, 1), 0.7), ("z",))
    assert fitted.normalise(np.array([[0.7], [3.0]])).tolist() == [[0], [0]]
    np.testing.assert_allclose(fitted.restore(np.array([[0.5]])), [[0.7]])
    state = StateNormaliser.fit(np.full((5, 2), 3.0), ("a", "b"))
    assert state.normalise(np.full((1, 2), 3.0)).tolist() == [[0, 0]]


def test_quantiles_leave_outliers_out() -> None:
    values = np.concatenate([np.linspace(-1, 1, 1001), [1000.0]])[:, None]
    fitted = ActionNormaliser.fit(values, ("x",), quantile=0.01)
    assert fitted.high[0] < 1.01
    assert fitted.normalise(np.array([[1000.0]])).item() == 1


def test_hidden_dimensions_are_zero_whatever_they_are() -> None:
    states = np.arange(12.0).reshape(4, 3)
    fitted = StateNormaliser.fit(states, ("base_x", "base_y", "grip"), ("base_*",))
    assert not fitted.normalise(states)[:, :2].any()
    assert fitted.normalise(states)[:, 2].std() == pytest.approx(1)
    np.testing.assert_allclose(fitted.restore(fitted.normalise(states))[0], [4.5, 5.5, 2])
    assert StateNormaliser.from_json(fitted.to_json()) == fitted


def test_a_rotation_is_the_same_whichever_sign_its_quaternion_has() -> None:
    rng = np.random.default_rng(0)
    turned = np.array([1.0, 0.0, 0.2, 0.0]) + 0.2 * rng.normal(size=(50, 4))  # w is about 0
    turned /= np.linalg.norm(turned, axis=1, keepdims=True)
    signs = np.where(turned[:, 3:] < 0, -1.0, 1.0)  # as simulators give them
    states = np.concatenate([rng.normal(size=(50, 1)), signs * turned], 1)
    names = ("z", "eef_quat_x", "eef_quat_y", "eef_quat_z", "eef_quat_w")
    fitted = StateNormaliser.fit(states, names)
    flipped = states * np.array([1.0, -1.0, -1.0, -1.0, -1.0])
    np.testing.assert_allclose(fitted.normalise(states), fitted.normalise(flipped), atol=1e-6)
    np.testing.assert_allclose(fitted.normalise(states)[0], fitted.normalise(states[0]), atol=1e-6)
    assert max(fitted.std[1:]) < 0.3 < states[:, 1].std()
    assert StateNormaliser.from_json(fitted.to_json()) == fitted
    assert not StateNormaliser.fit(states, ("a", "b", "c", "d", "e")).quaternions


@given(VALUES)
def test_standardised_states_come_back_with_unit_variance(states: np.ndarray) -> None:
    fitted = StateNormaliser.fit(states, NAMES)
    normalised = fitted.normalise(states)
    np.testing.assert_allclose(fitted.restore(normalised), states, atol=1e-3)
    moving = states.std(axis=0) > 1e-2
    np.testing.assert_allclose(normalised.std(axis=0)[moving], 1, rtol=1e-2)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    trained().save(tmp_path / "n.json")
    assert Normalisation.load(tmp_path / "n.json") == trained()


def test_a_file_of_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "n.json").write_text(json.dumps(trained().to_json() | {"format": 2}))
    with pytest.raises(UsageError, match="format"):
        Normalisation.load(tmp_path / "n.json")


def test_a_suite_like_the_training_data_is_accepted() -> None:
    assert trained().for_suite(SPEC).id == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"embodiment": "sawyer"}, "trained on panda.*embodiment sawyer"),
        ({"action_names": ("gripper", "x")}, r"actions \(x, gripper\).*\(gripper, x\)"),
        ({"state_names": ("a", "b")}, "proprioception"),
        ({"control_hz": 5.0}, "trained at 10, 20 Hz.*runs at 5 Hz"),
        ({"cameras": ("wrist",)}, "no camera front.*It has: wrist"),
    ],
)
def test_another_suite_is_refused(change: dict, message: str) -> None:
    with pytest.raises(PolicyContractError, match=message):
        trained().for_suite(replace(SPEC, **change))
