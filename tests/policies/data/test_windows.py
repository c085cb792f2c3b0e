"""Training windows: which pixels, which actions, which splits; and what is refused."""

from __future__ import annotations

import multiprocessing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="batches are torch tensors")

from training_support import FACTS, write_demos  # noqa: E402
from wambench.demos.dataset import open_source  # noqa: E402
from wambench.errors import DataError, UsageError  # noqa: E402
from wambench_policies.data.cache import CachedSource, resize  # noqa: E402
from wambench_policies.data.config import DataConfig, horizon_steps, parse_ranges  # noqa: E402
from wambench_policies.data.resample import accumulate  # noqa: E402
from wambench_policies.data.windows import Sampler, TrainingData, prefetched  # noqa: E402
from wambench_policies.nn.encoders.base import FeatureEncoder  # noqa: E402

SMALL = DataConfig(image_size=(16, 16), horizon_s=0.2, chunk=6)  # 4 steps at 20 Hz


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAMBENCH_CACHE", str(tmp_path / "cache"))


def rows_of(images: torch.Tensor) -> list[int]:
    """Row numbers written into pixel (0, 0); see `write_demos`."""
    return images[..., 0, 0, 1].tolist()


# ---- windows -----------------------------------------------------------------------------------


def test_a_window_holds_what_the_demonstration_holds(tmp_path: Path) -> None:
    write_demos(tmp_path / "d")
    data = TrainingData([tmp_path / "d"], SMALL)
    source = open_source(tmp_path / "d")
    for index in range(len(data.train)):
        batch = data.train.batch([index])
        row = rows_of(batch["images"][:, 0])[0]
        demo = next(
            number
            for number, info in enumerate(source.demos)
            if 10 * info.task + info.episode.trial == batch["images"][0, 0, 0, 0, 2]
        )
        length = source.demos[demo].length
        for camera, name in enumerate(SMALL.cameras):
            expected = source.pixels(demo, name, row)
            assert np.array_equal(batch["images"][0, camera].numpy(), expected)
        later = min(row + 4, length - 1)
        assert np.array_equal(
            batch["future_image"][0].numpy(), source.pixels(demo, "agentview", later)
        )
        panda = data.normalisation.embodiments["panda"]
        for name, at in (("state", row), ("future_state", later)):
            expected = panda.state.normalise(source.agent_pos(demo, at))
            np.testing.assert_allclose(batch[name][0], expected, atol=1e-6)
        real = min(4, length - row)
        assert batch["action_mask"][0].tolist() == [i < real for i in range(6)]
        raw = source.actions(demo, row, row + real)
        np.testing.assert_allclose(
            batch["actions"][0, :real], panda.action.normalise(raw), atol=1e-5
        )
        assert not batch["actions"][0, real:].any()
        assert batch["instruction"] == [source.demos[demo].instruction]
        assert (batch["steps"], batch["control_hz"], batch["embodiment"]) == (4, 20, 1)


def test_what_was_done_in_a_prologue_is_for_models_of_the_world_alone(tmp_path: Path) -> None:
    """Windows of a policy neither begin there nor have targets or ranges from there."""
    write_demos(tmp_path / "d", prologue=5)
    policy = TrainingData([tmp_path / "d"], SMALL)
    world = TrainingData([tmp_path / "d"], SMALL.model_copy(update={"prologues": True}))
    for data, begin in ((policy, 5), (world, 0)):
        (part,) = data.parts
        demos = part.source.demos
        first = {demo: int(part.source.starts[demo]) for demo in part.train}
        assert len(data.train) == sum(demos[demo].length - begin for demo in part.train)
        seen = data.train.batch(range(len(data.train)))
        rows = [row for demo in part.train for row in range(begin, demos[demo].length)]
        assert rows_of(seen["images"][:, 0]) == rows
        assert data.train.describe([0])[0].endswith(f"row {begin} at 20 Hz")
        taken = np.concatenate(
            [part.actions[first[d] + begin : first[d] + demos[d].length] for d in part.train]
        )
        normaliser = data.normalisation.embodiments["panda"]
        np.testing.assert_allclose(normaliser.action.low[:-1], taken.min(axis=0)[:-1], atol=1e-6)
        np.testing.assert_allclose(normaliser.state.mean[0], np.mean(rows), atol=1e-4)
    every = TrainingData([tmp_path / "d"], SMALL.model_copy(update={"every": 4}))
    length = every.parts[0].source.demos[every.parts[0].train[0]].length
    count = len(range(5, length, 4))
    shown = every.train.batch(range(count))["images"][:, 0]
    assert rows_of(shown) == list(range(5, length, 4))


class _Means(FeatureEncoder):
    """The mean colour of each quarter of a picture, times a weight."""

    def __init__(self, weight: float) -> None:
        super().__init__((2, 2), 3, 16, ours=True, random=True)
        self.weight = torch.nn.Parameter(torch.tensor(weight))
        self.calls = 0
        self.freeze()

    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        means = torch.nn.functional.adaptive_avg_pool2d(pixels, 2)
        return self.weight * means.flatten(2).transpose(1, 2)


def test_tokens_stand_in_for_the_pictures_of_the_same_windows(tmp_path: Path) -> None:
    write_demos(tmp_path / "d")
    indices = [3, 0, 17]
    pictures = TrainingData([tmp_path / "d"], SMALL).train.batch(indices)
    data = TrainingData([tmp_path / "d"], SMALL)
    encoder = _Means(1.0)
    data.encode(encoder)
    batch = data.train.batch(indices)
    assert batch.keys() ^ pictures.keys() == {
        *("images", "future_image"),
        *("features", "future_features"),
    }
    assert batch["features"].dtype == torch.float16
    torch.testing.assert_close(
        batch["features"].float(), encoder(pictures["images"]), atol=2e-3, rtol=2e-3
    )
    torch.testing.assert_close(
        batch["future_features"].float(), encoder(pictures["future_image"]), atol=2e-3, rtol=2e-3
    )


def test_tokens_are_computed_once_for_each_encoder(tmp_path: Path) -> None:
    write_demos(tmp_path / "d")
    calls = []
    for weight in (1.0, 1.0, -1.0):
        data, encoder = TrainingData([tmp_path / "d"], SMALL), _Means(weight)
        data.encode(encoder)
        calls.append(encoder.calls > 0)
    assert calls == [True, False, True], "the second has the weights of the first"


def test_a_batch_has_the_documented_shapes_and_types(tmp_path: Path) -> None:
    write_demos(tmp_path / "d")
    data = TrainingData([tmp_path / "d"], SMALL)
    batch = data.train.batch(data.train.sampler(0).indices(0, 5))
    assert {name: (tuple(v.shape), v.dtype) for name, v in batch.items() if torch.is_tensor(v)} == {
        "images": ((5, 2, 16, 16, 3), torch.uint8),
        "future_image": ((5, 16, 16, 3), torch.uint8),
        "state": ((5, 3), torch.float32),
        "future_state": ((5, 3), torch.float32),
        "actions": ((5, 6, 7), torch.float32),
        "action_mask": ((5, 6), torch.bool),
        "steps": ((5,), torch.int64),
        "control_hz": ((5,), torch.float32),
        "embodiment": ((5,), torch.int64),
    }
    assert batch["actions"].abs().max() <= 1
    assert set(batch["actions"][..., -1][batch["action_mask"]].tolist()) <= {-1.0, 1.0}


def test_several_datasets_are_read_together(tmp_path: Path) -> None:
    write_demos(tmp_path / "a", tasks=1)
    write_demos(tmp_path / "b", tasks=1, suite="libero_long", seed=1)
    data = TrainingData([tmp_path / "a", tmp_path / "b"], SMALL)
    record = data.record()
    assert [part["suites"] for part in record["datasets"]] == [["libero_goal"], ["libero_long"]]
    assert len(data.train) + len(data.validation) == 2 * (12 + 13 + 14)


@pytest.mark.parametrize(
    ("seconds", "hz", "rounded", "floored"),
    [(0.4, 20, 8, 8), (1.2, 30, 36, 36), (0.7, 10, 7, 7), (0.29, 100, 29, 29), (0.5, 5, 3, 2)],
)
def test_a_horizon_becomes_steps(seconds: float, hz: float, rounded: int, floored: int) -> None:
    assert horizon_steps(seconds, hz) == rounded
    assert horizon_steps(seconds, hz, "floor") == floored


# ---- frequencies -------------------------------------------------------------------------------


def test_reading_at_half_the_frequency_strides_pictures_and_adds_actions(tmp_path: Path) -> None:
    write_demos(tmp_path / "d", tasks=1, demos=1, length=9)
    config = SMALL.with_overrides({"control_hz": "10", "horizon_s": "0.3", "validation": "0"})
    data = TrainingData([tmp_path / "d"], config)
    raw = open_source(tmp_path / "d").actions(0, 0, 9)
    panda = data.normalisation.embodiments["panda"]
    batch = data.train.batch([1])
    assert (batch["steps"].item(), batch["control_hz"].item()) == (3, 10)
    assert rows_of(batch["future_image"]) == [1 + 6]
    summed = np.stack([raw[1:3].sum(0), raw[3:5].sum(0), raw[5:7].sum(0)])
    summed[:, -1] = raw[[2, 4, 6], -1]
    np.testing.assert_allclose(
        panda.action.restore(batch["actions"][0, :3].numpy()), np.clip(summed, -1, 1), atol=1e-5
    )
    assert panda.control_hz == (10.0,)


def test_mixed_frequencies_have_the_same_physical_horizon(tmp_path: Path) -> None:
    write_demos(tmp_path / "d", length=40)
    config = SMALL.with_overrides({"control_hz": "5,10,20", "horizon_s": "0.4", "chunk": "8"})
    data = TrainingData([tmp_path / "d"], config)
    assert len(data.train) == 3 * sum(
        length for index in data.split.train for length in [40 + index % 3]
    )
    batch = data.train.batch(data.train.sampler(0).indices(0, 64))
    assert set(zip(batch["control_hz"].tolist(), batch["steps"].tolist(), strict=True)) == {
        (5.0, 2),
        (10.0, 4),
        (20.0, 8),
    }
    first, later = rows_of(batch["images"][:, 0]), rows_of(batch["future_image"])
    assert {b - a for a, b in zip(first, later, strict=True) if a < 40 - 8} == {8}


@given(
    st.integers(1, 30).flatmap(
        lambda rows: st.tuples(
            st.lists(st.floats(-1, 1), min_size=rows, max_size=rows), st.integers(1, 6)
        )
    )
)
def test_accumulated_actions_move_as_far_as_recorded(drawn: tuple[list[float], int]) -> None:
    values, stride = drawn
    actions = np.stack([values, np.sign(values)], 1)
    summed = accumulate(actions, stride, ("x", "gripper"), None)
    assert summed[:, 0].sum() == pytest.approx(sum(values), abs=1e-4)
    assert summed[-1, 1] == actions[-1, 1]
    bounded = accumulate(actions, stride, ("x", "gripper"), ((-1, -1), (1, 1)))
    assert np.abs(bounded).max() <= 1


# ---- splits ------------------------------------------------------------------------------------


def test_no_episode_is_trained_on_and_validated_on(tmp_path: Path) -> None:
    write_demos(tmp_path / "d", tasks=3, demos=4)
    data = TrainingData([tmp_path / "d"], SMALL.with_overrides({"validation": "0.25"}), seed=1)
    assert len(data.split.validation) == 3
    assert set(data.split.train).isdisjoint(data.split.validation)
    assert len(data.split.train) == 9
    other = TrainingData([tmp_path / "d"], SMALL.with_overrides({"validation": "0.25"}), seed=2)
    assert other.split.validation != data.split.validation


def test_initial_states_tasks_and_failures_are_left_out_and_counted(tmp_path: Path) -> None:
    write_demos(tmp_path / "d", tasks=3, demos=4, init_states=True, failed=(0,))
    config = SMALL.with_overrides({"train_init": "0-2", "holdout_tasks": "libero_goal/2"})
    data = TrainingData([tmp_path / "d"], config)
    assert data.record()["left_out"] == {
        "failures": 2,
        "initial states outside 0-2": 2,
        "held-out tasks": 4,
    }
    assert len(data.split.train) + len(data.split.validation) == 4
    assert data.record()["from_sampled_starts"] == 0


def test_demonstrations_from_sampled_starts_are_trained_on_and_counted(tmp_path: Path) -> None:
    write_demos(tmp_path / "d")
    data = TrainingData([tmp_path / "d"], SMALL.with_overrides({"train_init": "0"}))
    assert data.record()["from_sampled_starts"] == 6


def test_a_single_demonstration_is_trained_on_and_nothing_validates(tmp_path: Path) -> None:
    write_demos(tmp_path / "d", tasks=1, demos=1)
    data = TrainingData([tmp_path / "d"], SMALL)
    assert data.validation is None
    assert data.record()["validation_windows"] == 0


def test_statistics_are_those_of_the_training_split(tmp_path: Path) -> None:
    write_demos(tmp_path / "d")
    data = TrainingData([tmp_path / "d"], SMALL)
    source = open_source(tmp_path / "d")
    trained = np.concatenate([source.actions(d, 0, 99) for d in data.split.train])
    action = data.normalisation.embodiments["panda"].action
    np.testing.assert_allclose(action.low, trained.min(0), atol=1e-6)
    np.testing.assert_allclose(action.high, trained.max(0), atol=1e-6)


def test_hidden_proprioception_is_zero_and_a_name_that_there_is_not_is_refused(
    tmp_path: Path,
) -> None:
    write_demos(tmp_path / "d")
    names = open_source(tmp_path / "d").demos[0].state_names
    shown, hidden = (
        data.train.batch(range(len(data.train)))["state"]
        for config in (SMALL, SMALL.with_overrides({"hide": names[0]}))
        for data in [TrainingData([tmp_path / "d"], config)]
    )
    assert shown[:, 0].any()
    assert not hidden[:, 0].any()
    assert torch.equal(shown[:, 1:], hidden[:, 1:])
    with pytest.raises(DataError, match="no dataset has it"):
        TrainingData([tmp_path / "d"], SMALL.with_overrides({"hide": "nothing_*"}))


def test_what_a_checkpoint_hides_stays_hidden_and_nothing_else_may_be(tmp_path: Path) -> None:
    write_demos(tmp_path / "d")
    first, second = open_source(tmp_path / "d").demos[0].state_names[:2]
    hiding = SMALL.with_overrides({"hide": first})
    base = TrainingData([tmp_path / "d"], hiding).normalisation
    for config in (SMALL, hiding):
        state = TrainingData([tmp_path / "d"], config, base=base).normalisation.embodiments["panda"]
        assert state.state.hidden == (0,)
    with pytest.raises(DataError, match=f"hides of panda: {first}"):
        TrainingData([tmp_path / "d"], SMALL.with_overrides({"hide": second}), base=base)


# ---- order -------------------------------------------------------------------------------------


@given(st.integers(1, 40), st.integers(1, 50), st.integers(0, 5))
def test_every_window_comes_once_before_any_comes_twice(size: int, length: int, seed: int) -> None:
    sampler = Sampler(length, seed)
    steps = -(-3 * length // size)
    order = np.concatenate([sampler.indices(step, size) for step in range(steps)])
    for epoch in range(3):
        assert sorted(order[epoch * length : (epoch + 1) * length]) == list(range(length))


def test_the_order_needs_no_history() -> None:
    one, other = Sampler(37, 5), Sampler(37, 5)
    for step in range(20):
        one.indices(step, 8)
    assert np.array_equal(one.indices(20, 8), other.indices(20, 8))
    assert not np.array_equal(Sampler(37, 6).indices(20, 8), other.indices(20, 8))


def test_threads_change_nothing_in_the_order() -> None:
    def make(step: int) -> dict:
        return {"step": step}

    expected = [(step, {"step": step}) for step in range(3, 50)]
    for workers in (0, 1, 4):
        assert list(prefetched(make, range(3, 50), workers)) == expected


def test_an_error_of_a_thread_arrives() -> None:
    def make(step: int) -> dict:
        if step == 5:
            raise DataError("broken")
        return {}

    with pytest.raises(DataError, match="broken"):
        list(prefetched(make, range(9), 2))


# ---- the cache ---------------------------------------------------------------------------------


def test_a_smaller_picture_is_the_mean_over_areas() -> None:
    image = np.arange(16 * 16 * 3, dtype=np.uint8).reshape(16, 16, 3)
    expected = image.reshape(4, 4, 4, 4, 3).mean((1, 3))
    assert np.abs(resize(image, (4, 4)).astype(float) - expected).max() <= 0.5 + 1e-6


def test_decoding_happens_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = open_source(write_demos(tmp_path / "d"))
    first = CachedSource(source).frames("agentview", (8, 8))

    def refused(*_: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr(source, "pixels", refused)
    again = CachedSource(source).frames("agentview", (8, 8))
    assert np.array_equal(first, again)
    assert isinstance(again, np.memmap)
    with pytest.raises(AssertionError, match="decoded again"):
        CachedSource(source).frames("agentview", (4, 4))


def test_interrupted_decoding_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = open_source(write_demos(tmp_path / "d"))
    expected = np.array(CachedSource(source).frames("robot0_eye_in_hand", (16, 16)))
    seen: list[int] = []
    read = source.pixels

    def failing(demo: int, camera: str, row: int) -> np.ndarray:
        if demo == 4 and len(set(seen)) == 4:
            raise KeyboardInterrupt
        seen.append(demo)
        return read(demo, camera, row)

    def other_cache() -> CachedSource:
        monkeypatch.setenv("WAMBENCH_CACHE", str(tmp_path / "other"))
        return CachedSource(source)

    monkeypatch.setattr(source, "pixels", failing)
    with pytest.raises(KeyboardInterrupt):
        other_cache().frames("robot0_eye_in_hand", (16, 16))
    assert set(seen) == {0, 1, 2, 3}
    assert not list((tmp_path / "other").rglob("*.npy"))
    seen.clear()
    monkeypatch.setattr(source, "pixels", lambda d, c, r: (seen.append(d), read(d, c, r))[1])
    found = other_cache().frames("robot0_eye_in_hand", (16, 16))
    assert set(seen) == {4, 5}
    assert np.array_equal(found, expected)


def _decode(folder: Path, results: multiprocessing.Queue) -> None:
    frames = CachedSource(open_source(folder)).frames("agentview", (16, 16))
    results.put(int(frames.astype(np.int64).sum()))


def test_two_processes_decode_one_array(tmp_path: Path) -> None:
    write_demos(tmp_path / "d", demos=6)
    results: multiprocessing.Queue = multiprocessing.Queue()
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_decode, args=(tmp_path / "d", results)) for _ in range(3)]
    for process in processes:
        process.start()
    sums = {results.get(timeout=60) for _ in processes}
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    source = open_source(tmp_path / "d")
    total = sum(
        int(source.pixels(demo, "agentview", row).astype(np.int64).sum())
        for demo, info in enumerate(source.demos)
        for row in range(info.length)
    )
    assert sums == {total}


def test_other_pictures_of_the_same_episodes_are_decoded_anew(tmp_path: Path) -> None:
    """Rendered with other assets: the provenance says so, and nothing else differs."""
    one = open_source(write_demos(tmp_path / "a", provenance={"assets": "1"}))
    two = open_source(write_demos(tmp_path / "b", provenance={"assets": "2"}))
    assert CachedSource(one).folder != CachedSource(two).folder
    assert CachedSource(one).folder == CachedSource(open_source(tmp_path / "a")).folder


# ---- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "overrides", "message"),
    [
        ({"cameras": {}}, {}, "has no images"),
        ({}, {"cameras": "frontview"}, r"has no camera frontview.*It has agentview"),
        ({}, {"control_hz": "15"}, r"recorded at 20 Hz and cannot be read at 15.*20, 10"),
        ({"control_hz": 5.0}, {"control_hz": "10,20"}, r"at 5 Hz, below all"),
        ({}, {"horizon_s": "0.5"}, r"0\.5 s is 10 steps at the 20 Hz"),
        ({}, {"horizon_s": "0.01"}, r"less than one step"),
        ({}, {"tasks": "7"}, r"no demonstrations of task 7.*libero_goal/0, libero_goal/1"),
        ({}, {"holdout_tasks": "0,1"}, r"left out: 6 held-out tasks"),
        ({"action_names": ("x", "gripper")}, {}, ""),
    ],
)
def test_data_that_does_not_fit_is_refused(
    tmp_path: Path, facts: dict, overrides: dict, message: str
) -> None:
    write_demos(tmp_path / "d", **facts)
    if not message:
        TrainingData([tmp_path / "d"], SMALL)  # other actions alone are fine
        return
    with pytest.raises(DataError, match=message):
        TrainingData([tmp_path / "d"], SMALL.with_overrides(overrides))


def test_datasets_of_different_actions_are_refused(tmp_path: Path) -> None:
    write_demos(tmp_path / "a", tasks=1)
    write_demos(tmp_path / "b", tasks=1, seed=1, action_names=("x", "gripper"))
    with pytest.raises(
        DataError, match=r"actions \(x, gripper\), and other demonstrations of panda"
    ):
        TrainingData([tmp_path / "a", tmp_path / "b"], SMALL)


def test_datasets_of_different_backends_are_refused(tmp_path: Path) -> None:
    write_demos(tmp_path / "a", tasks=1)
    write_demos(tmp_path / "b", tasks=1, seed=1, backend="official")
    with pytest.raises(DataError, match="different backends"):
        TrainingData([tmp_path / "a", tmp_path / "b"], SMALL)


def test_the_same_dataset_twice_is_refused(tmp_path: Path) -> None:
    write_demos(tmp_path / "a", tasks=1)
    with pytest.raises(DataError, match="twice"):
        TrainingData([tmp_path / "a", tmp_path / "a"], SMALL)


def test_actions_without_names_are_refused(tmp_path: Path) -> None:
    write_demos(tmp_path / "a", tasks=1)
    source = open_source(tmp_path / "a")
    source.demos = [replace(demo, action_names=("x",)) for demo in source.demos]
    assert FACTS.action_names != ("x",)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wambench_policies.data.windows.open_source", lambda _: source)
        with pytest.raises(DataError, match="names 1 action dimensions and has 7"):
            TrainingData([tmp_path / "a"], SMALL)


def test_a_list_of_initial_states_is_read() -> None:
    assert parse_ranges("0-3, 7") == {0, 1, 2, 3, 7}
    with pytest.raises(UsageError, match="train_init"):
        SMALL.with_overrides({"train_init": "a-b"})
