"""Diagnostics on constructed models whose answers are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="LaWAM needs torch")

from training_support import write_demos  # noqa: E402
from wambench.errors import DataError, UsageError  # noqa: E402
from wambench_policies.data.config import DataConfig, SelectionConfig  # noqa: E402
from wambench_policies.data.windows import TrainingData  # noqa: E402
from wambench_policies.diagnostics.episodes import EpisodeSet, Samples, read_episodes  # noqa: E402
from wambench_policies.diagnostics.features import Standardiser  # noqa: E402
from wambench_policies.lawam.diagnostics import maps  # noqa: E402
from wambench_policies.lawam.diagnostics.actions import action_errors, cells  # noqa: E402
from wambench_policies.lawam.diagnostics.latents import latent_to_action  # noqa: E402
from wambench_policies.lawam.diagnostics.policy import latent_rows, subgoal_rows  # noqa: E402
from wambench_policies.lawam.diagnostics.subject import Subject  # noqa: E402
from wambench_policies.lawam.diagnostics.world import (  # noqa: E402
    Pairs,
    pairs_at_tau,
    prediction,
    rollout,
)
from wambench_policies.nn.checkpoint import Checkpoint  # noqa: E402

SELECTION = SelectionConfig(validation=0.25)


def windows(selection: SelectionConfig) -> DataConfig:
    return DataConfig(**dict(selection), image_size=(16, 16), horizon_s=0.4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight demonstrations of 40 and more rows, decoded into a cache of their own."""
    folder = tmp_path_factory.mktemp("diagnostics")
    write_demos(folder / "data", tasks=2, demos=4, length=40, init_states=True)
    return folder


@pytest.fixture(autouse=True)
def _own_cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAMBENCH_CACHE", str(folder / "cache"))


def checkpoint(folder: Path, selection: SelectionConfig = SELECTION) -> Checkpoint:
    """One without weights: enough to say what it was trained on."""
    data = TrainingData([folder / "data"], windows(selection), seed=3)
    return Checkpoint(folder, "lawam", "lawm", "tiny", {}, {}, data.normalisation, 0)


def episodes_of(
    folder: Path, which: Any = "all", selection: SelectionConfig = SELECTION, **more: Any
) -> EpisodeSet:
    made = more.pop("checkpoint", None) or checkpoint(folder, selection)
    return read_episodes([str(folder / "data")], windows, selection, 3, made, which, **more)


def encode(images: torch.Tensor) -> torch.Tensor:
    """(B, 16, 16, 3) to 16 tokens: mean colours of a 4 x 4 grid."""
    return images.float().reshape(-1, 4, 4, 4, 4, 3).mean((2, 4)).flatten(1, 2) / 255


def subject(world: Any, teacher: Any) -> Subject:
    return Subject(
        encoder=encode,
        world=world,
        teacher=lambda u, u_T: SimpleNamespace(mean=teacher(u, u_T)),
        policy=None,
        tau=0.4,
        rounding="round",
        device=torch.device("cpu"),
    )


COPIES = subject(lambda u, z: u, lambda u, u_T: (u_T - u).mean(1))
"""Ignores z and predicts no change."""

KNOWS = subject(lambda u, z: z.unflatten(1, (16, 3)), lambda u, u_T: u_T.flatten(1))
"""Its z is the answer."""


# ---- prediction, shuffled z, rollouts ------------------------------------------------------------


def test_a_model_that_copies_scores_exactly_the_copy_baseline(folder: Path) -> None:
    predicted, shuffled = prediction(COPIES, episodes_of(folder), 64, 0)
    assert [row["horizon_s"] for row in predicted] == [0.1, 0.2, 0.4, 0.6, 0.8]
    for row in predicted:
        assert row["model"] == row["copy"] > 0
        assert row["mean"] == pytest.approx(1, abs=0.2)
        assert (row["windows"], row["episodes"]) == (64, 8)
    assert [row["delta"] for row in shuffled] == [0.0] * 5, "it ignores z"
    assert all(row["from_another_episode"] == 1 for row in shuffled)


def test_a_model_whose_z_is_the_answer_has_no_error_and_needs_its_own_z(folder: Path) -> None:
    predicted, shuffled = prediction(KNOWS, episodes_of(folder), 64, 0)
    assert all(row["model"] == 0 for row in predicted)
    for row in shuffled:
        assert row["own"] == 0
        assert row["delta"] == row["shuffled"] > 1


def test_horizons_that_no_two_demonstrations_have_are_left_out(folder: Path) -> None:
    long = replace(COPIES, tau=1.6)
    predicted, _ = prediction(long, episodes_of(folder), 64, 0)
    assert [row["horizon_s"] for row in predicted] == [0.4, 0.8, 1.6]
    with pytest.raises(DataError, match="longer than the horizon of 4 s"):
        pairs_at_tau(replace(COPIES, tau=4.0), episodes_of(folder), 64, 0)


def test_rollouts_of_models_that_copy_and_that_know(folder: Path) -> None:
    episodes = episodes_of(folder)
    copied = rollout(COPIES, episodes, 64, 0)
    for row in copied:
        assert row["model"] == row["copy"] > 0
    assert sum(row["mean"] for row in copied) / 5 == pytest.approx(1, abs=0.2)
    known = rollout(KNOWS, episodes, 64, 0)
    assert [row["step"] for row in known] == [1, 2, 3, 4, 5]
    assert [row["seconds"] for row in known] == pytest.approx([0.4, 0.8, 1.2, 1.6, 2.0])
    assert all(row["model"] == row["one_step"] == 0 for row in known)


def test_errors_of_a_rollout_pile_up_and_those_of_single_steps_do_not(folder: Path) -> None:
    drifts = subject(
        lambda u, z: u + z.unflatten(1, (16, 3)) + 0.1, lambda u, u_T: (u_T - u).flatten(1)
    )
    rows = rollout(drifts, episodes_of(folder), 64, 0)
    single = [row["one_step"] for row in rows]
    assert single == pytest.approx([single[0]] * 5, rel=1e-3)
    assert [row["model"] for row in rows] == pytest.approx(
        [single[0] * k**2 for k in range(1, 6)], rel=1e-3
    )


def test_a_rollout_goes_as_far_as_half_of_the_demonstrations(folder: Path) -> None:
    assert len(rollout(replace(COPIES, tau=1.0), episodes_of(folder), 64, 0)) == 2
    with pytest.raises(DataError, match="for a rollout"):
        rollout(replace(COPIES, tau=3.0), episodes_of(folder), 64, 0)


# ---- regression ----------------------------------------------------------------------------------


def r2(rows: list[dict[str, Any]], name: str, action: str = "all") -> float:
    return next(row["r2"] for row in rows if (row["input"], row["action"]) == (name, action))


def test_z_that_holds_the_actions_gives_r2_near_one_and_noise_gives_none(folder: Path) -> None:
    episodes = episodes_of(folder)
    pairs = pairs_at_tau(COPIES, episodes, 200, 0)
    chunks = torch.from_numpy(episodes.chunks(pairs.samples, pairs.rows))
    generator = torch.Generator().manual_seed(0)
    knowing = SimpleNamespace(tau=0.4, latents=lambda u, u_T: chunks.flatten(1))
    rows = latent_to_action(knowing, episodes, pairs)
    assert r2(rows, "z") > 0.99
    assert r2(rows, "z", "yaw") > 0.99
    noise = torch.randn(len(pairs.samples), 8, generator=generator)
    rows = latent_to_action(SimpleNamespace(tau=0.4, latents=lambda u, u_T: noise), episodes, pairs)
    assert -0.1 < r2(rows, "z") < 0.05
    assert [row["action"] for row in rows[:8]] == [
        *("all", "x", "y", "z", "roll", "pitch", "yaw", "gripper")
    ]
    assert {row["input"] for row in rows} == {"z", "proprioception difference"}


def test_z_that_holds_one_action_is_said_to_hold_that_one(folder: Path) -> None:
    episodes = episodes_of(folder)
    pairs = pairs_at_tau(COPIES, episodes, 200, 0)
    gripper = torch.from_numpy(episodes.chunks(pairs.samples, pairs.rows)[..., 6])
    knowing = SimpleNamespace(tau=0.4, latents=lambda u, u_T: gripper)
    rows = latent_to_action(knowing, episodes, pairs)
    assert r2(rows, "z", "gripper") > 0.95
    assert r2(rows, "z", "x") < 0.05


# ---- heat maps -----------------------------------------------------------------------------------


def made_pairs(seed: int = 0, count: int = 40) -> Pairs:
    generator = torch.Generator().manual_seed(seed)
    u, u_T = torch.randn(2, count, 16, 3, generator=generator)
    episode = np.repeat(np.arange(8), count // 8)
    samples = Samples(episode, np.arange(count))
    return Pairs(samples, 8, u, u_T, Standardiser.fit(u_T, episode))


def test_nothing_changed_is_similarity_one_everywhere() -> None:
    pairs = made_pairs()
    still = Pairs(pairs.samples, 8, pairs.u, pairs.u, pairs.standard)
    found = maps.similarity_maps(still, pairs.u, (4, 4))
    torch.testing.assert_close(found.true, torch.ones(40, 4, 4))
    torch.testing.assert_close(found.imagined, torch.ones(40, 4, 4))


def test_a_token_that_changes_is_dark_and_the_others_are_not() -> None:
    pairs = made_pairs()
    later = pairs.u.clone()
    later[:, 6] = 2 * pairs.standard.means()[:, 6] - later[:, 6]  # the opposite, about the mean
    changed = Pairs(pairs.samples, 8, pairs.u, later, pairs.standard)
    found = maps.similarity_maps(changed, pairs.u, (4, 4)).true
    torch.testing.assert_close(found[:, 1, 2], -torch.ones(40))
    assert (found.flatten(1)[:, [0, 5, 7, 15]] > 0.999).all()


def test_what_all_frames_share_makes_no_similarity() -> None:
    """Without subtracting the mean of frames, unrelated ones would look alike everywhere."""
    pairs = made_pairs()
    shared = 100 * torch.ones(16, 3)
    u, u_T = pairs.u + shared, pairs.u_T + shared
    standard = Standardiser.fit(u_T, pairs.samples.episode)
    found = maps.similarity_maps(Pairs(pairs.samples, 8, u, u_T, standard), u_T, (4, 4))
    assert found.true.mean().abs() < 0.1


def test_maps_agree_with_themselves_and_flat_ones_with_nothing() -> None:
    pairs = made_pairs()
    found = maps.similarity_maps(pairs, pairs.u_T, (4, 4))
    torch.testing.assert_close(maps.agreement(found.true, found.imagined), torch.ones(40))
    assert maps.agreement(found.true, found.shuffled).mean() < 0.5
    assert (maps.agreement(found.true, torch.ones(40, 4, 4)) == 0).all()


def test_examples_are_of_different_episodes_and_show_the_most_change() -> None:
    pairs = made_pairs()
    pairs.u_T[13] += 10
    chosen = maps.examples(pairs)
    assert len({int(pairs.samples.episode[index]) for index in chosen}) == maps.EXAMPLES
    assert 13 in chosen
    found, names = maps.similarity_maps(pairs, pairs.u, (4, 4)), [f"d{i}" for i in range(8)]
    rows = maps.map_rows(found, pairs, names, chosen)
    drawn = maps.agreement_rows(found, pairs, names, chosen)
    assert [index for index, row in enumerate(drawn) if row["drawn"]] == sorted(chosen)
    assert len(rows) == maps.EXAMPLES * 16
    assert {row["demonstration"] for row in rows} == {"d0", "d2", "d5", "d7"}


# ---- policies ------------------------------------------------------------------------------------


def errors(rows: list[dict[str, Any]]) -> dict[str, float]:
    return {row["candidate"]: row["error"] for row in rows}


def test_a_policy_that_agrees_with_its_teacher_has_no_distance() -> None:
    pairs = made_pairs()
    teacher = torch.randn(40, 6, generator=torch.Generator().manual_seed(1)) + 3
    found = errors(latent_rows(teacher, teacher, pairs.samples))
    assert found["policy"] == 0
    assert found["mean"] == pytest.approx(1, abs=0.3)
    assert found["prior"] > 5, "the teacher's latents are far from zero"
    assert found["other"] == pytest.approx(2, abs=0.6), "twice the variance"


def test_a_subgoal_is_as_good_as_what_it_equals() -> None:
    pairs = made_pairs()
    for imagined, same in ((pairs.u, "copy"), (pairs.standard.means(), "mean")):
        found = errors(subgoal_rows(pairs, imagined, pairs.u_T))
        assert found["policy"] == found[same] > 0
        assert found["teacher"] == 0


# ---- actions by frequency ------------------------------------------------------------------------


def steps(hz: float) -> int:
    return round(0.8 * hz)


def recorded(episodes: EpisodeSet, samples: Samples, hz: float) -> np.ndarray:
    """What the demonstrations did, padded beyond their end with nonsense."""
    chunks = np.full((len(samples), steps(hz), 7), 99.0)
    for index in range(len(samples)):
        e, row = int(samples.episode[index]), int(samples.row[index])
        read = episodes.actions_at(e, row, round(0.8 * 20), hz, "none")
        chunks[index, : len(read)] = read
    return chunks


def test_perfect_actions_have_no_error_at_any_frequency(folder: Path) -> None:
    episodes = episodes_of(folder)
    samples = episodes.sample(3, 200, 0)

    def predict(samples: Samples, hz: float) -> np.ndarray:
        return recorded(episodes, samples, hz)

    rows = action_errors(predict, episodes, samples, (5, 20, 10), steps, "none")
    assert [row["control_hz"] for row in rows] == [5, 10, 20]
    for row in rows:
        assert row["error"] == pytest.approx(0, abs=1e-9), "what is beyond the end does not count"
        assert row["mean"] == pytest.approx(1, abs=0.1)
        assert (row["cells"], row["cell_s"]) == (4, 0.2)


def test_errors_at_equal_seconds_are_equal_at_all_frequencies(folder: Path) -> None:
    """Every 0.2 s is wrong by 0.4 in x; per action that is 0.4, 0.2 or 0.1."""
    episodes = episodes_of(folder)
    samples = episodes.sample(3, 200, 0)

    def predict(samples: Samples, hz: float) -> np.ndarray:
        wrong = recorded(episodes, samples, hz)
        wrong[..., 0] += 0.4 * 5 / hz
        return wrong

    rows = action_errors(predict, episodes, samples, (5, 10, 20), steps, "none")
    assert rows[0]["error"] > 0
    assert [row["error"] for row in rows] == pytest.approx([rows[0]["error"]] * 3, rel=1e-4)


def test_a_policy_without_a_clock_is_wrong_at_other_frequencies(folder: Path) -> None:
    """It answers with the actions of 20 Hz whatever it is asked."""
    episodes = episodes_of(folder)
    samples = episodes.sample(15, 200, 0)

    def predict(samples: Samples, hz: float) -> np.ndarray:
        return recorded(episodes, samples, 20)[:, : steps(hz)]

    rows = action_errors(predict, episodes, samples, (5, 10, 20), steps, "none")
    found = [row["error"] for row in rows]
    assert min(found[:2]) > 0.5
    assert found[2] == pytest.approx(0, abs=1e-9)


def test_grippers_are_not_added_up_and_incomplete_cells_fall_away() -> None:
    names = ("x", "gripper")
    actions = np.array([[1, -1], [1, -1], [1, 1], [1, 1], [1, -1]], float)
    np.testing.assert_array_equal(cells(actions, 2, names), [[2, -1], [2, 1]])


def test_frequencies_without_common_times_are_refused(folder: Path) -> None:
    episodes = episodes_of(folder)
    with pytest.raises(UsageError, match="is no multiple of"):
        action_errors(
            lambda s, hz: recorded(episodes, s, hz),
            episodes,
            episodes.sample(3, 20, 0),
            (20 / 3, 10),
            steps,
            "none",
        )


# ---- which demonstrations ------------------------------------------------------------------------


def names(episodes: EpisodeSet) -> set[str]:
    return {info.name for info in episodes.infos}


def test_held_out_are_those_that_the_training_held_out(folder: Path) -> None:
    data = TrainingData([folder / "data"], windows(SELECTION), seed=3)
    demos = data.parts[0].source.demos
    held_out = names(episodes_of(folder, "held-out"))
    assert held_out == {demos[index].name for index in data.split.validation}
    assert len(held_out) == 2
    assert len(episodes_of(folder, "all")) == 8


def test_initial_states_and_tasks_that_were_not_trained_on_are_held_out(folder: Path) -> None:
    for change in ({"train_init": "0-1"}, {"tasks": ("0",)}, {"holdout_tasks": ("1",)}):
        selection = SelectionConfig(validation=0.0, **change)
        found = episodes_of(folder, "held-out", selection)
        assert len(found) == 4
        for info in found.infos:
            assert info.episode is not None
            assert info.task == 1 or info.episode.init_state > 1


def test_where_all_were_trained_on_nothing_is_held_out(folder: Path) -> None:
    with pytest.raises(DataError, match="trained on all of these 8"):
        episodes_of(folder, "held-out", SelectionConfig(validation=0.0))


def test_one_is_told_where_it_is_not_known_what_was_held_out(folder: Path) -> None:
    told: list[str] = []
    episodes_of(folder, "held-out", note=told.append)
    assert "no record of its data" in told[0]


def test_numbers_are_the_checkpoints_and_not_those_of_the_data(folder: Path) -> None:
    made = checkpoint(folder)
    panda = made.normalisation.embodiments["panda"]
    action = panda.action.model_copy(update={"low": (-2.0,) * 7, "high": (2.0,) * 7})
    other = made.normalisation.model_copy(
        update={"embodiments": {"panda": panda.model_copy(update={"action": action})}}
    )
    episodes = episodes_of(folder, checkpoint=replace(made, normalisation=other))
    samples = episodes.sample(8, 10, 0)
    recorded_actions = episodes.actions(int(samples.episode[0]), int(samples.row[0]), 8)
    np.testing.assert_allclose(
        episodes.chunks(samples, 8)[0][:, :6], recorded_actions[:, :6] / 2, atol=1e-6
    )


def test_samples_take_turns_over_the_episodes_and_stay_inside(folder: Path) -> None:
    episodes = episodes_of(folder)
    samples = episodes.sample(16, 20, 0)
    counts = np.bincount(samples.episode, minlength=8)
    assert counts.min() >= 2
    assert counts.max() <= 3
    for episode, row in zip(samples.episode, samples.row, strict=True):
        assert row + 16 < episodes.infos[episode].length
    again = episodes.sample(16, 20, 0)
    assert np.array_equal(again.row, samples.row)
    assert not np.array_equal(episodes.sample(16, 20, 1).row, samples.row)
    frames = episodes.frames(samples, 16)
    assert frames[:, 0, 0, 1].tolist() == (samples.row + 16).tolist(), "pixel (0, 0) is the row"
