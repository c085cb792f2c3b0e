"""Clips that hold the last frame, and skill clips put together again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="batches are torch tensors")

from training_support import write_demos  # noqa: E402
from wambench.errors import DataError  # noqa: E402
from wambench.skills.layout import tiled  # noqa: E402
from wambench_policies.data.config import ClipConfig, DataConfig, SelectionConfig  # noqa: E402
from wambench_policies.data.windows import TrainingData  # noqa: E402
from wambench_policies.lac_wm.config import DynamicsConfig  # noqa: E402
from wambench_policies.world2act.config import WorldModelConfig  # noqa: E402
from world2act_support import write_skills  # noqa: E402


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAMBENCH_CACHE", str(tmp_path / "cache"))


def opened(folder: Path, **clip: object) -> TrainingData:
    config = DataConfig(image_size=(16, 16), clip=ClipConfig(**clip), validation=0.3)
    return TrainingData([folder], config)


def rows_of(images: torch.Tensor) -> list[int]:
    """Row numbers written into pixel (0, 0); see `write_demos`."""
    return images[..., 0, 0, 1].tolist()


def test_a_clip_may_hold_the_last_frame_of_its_demonstration(tmp_path: Path) -> None:
    write_demos(tmp_path / "d", tasks=1, demos=2, length=10)
    clips = opened(tmp_path / "d", chunks=3, chunk_steps=4, hold=8).train
    # 10 or 11 rows, clips of 13 rows, at most 8 beyond: they begin at rows 0 to 5, or 6.
    assert len(clips) == clips.lengths[0] - 12 + 8
    last = int(clips.lengths[0]) - 1
    batch = clips.batch([0, len(clips) - 1])
    assert rows_of(batch["images"][0]) == [0, 4, 8, last]
    begin = len(clips) - 1
    assert rows_of(batch["images"][1]) == [begin, *[min(begin + 4 * k, last) for k in (1, 2, 3)]]
    real = batch["step_mask"].flatten(1).sum(1).tolist()
    assert real == [last, last - begin]
    assert not batch["actions"].flatten(1, 2)[0, last:].any()
    assert batch["actions"].flatten(1, 2)[0, :last].any(-1).all()


def test_clips_begin_after_a_prologue_but_for_models_that_are_told_the_actions(
    tmp_path: Path,
) -> None:
    """A model that is told what to do, as World2Act's, would imagine the prologue at that."""
    assert DynamicsConfig.tiny().windows(SelectionConfig()).prologues
    assert not WorldModelConfig.tiny().windows(SelectionConfig()).prologues
    write_demos(tmp_path / "d", tasks=1, demos=2, length=10, prologue=4)
    for prologues, begin in ((False, 4), (True, 0)):
        clip = ClipConfig(chunks=1, chunk_steps=3)
        config = DataConfig(image_size=(16, 16), clip=clip, validation=0.3, prologues=prologues)
        clips = TrainingData([tmp_path / "d"], config).train
        shown = rows_of(clips.batch(range(len(clips)))["images"][:, 0])
        assert shown == list(range(begin, begin + len(clips)))
        assert shown[-1] + 3 == begin + int(clips.lengths[0]) - 1


def test_a_demonstration_too_short_for_that_gives_one_clip(tmp_path: Path) -> None:
    write_demos(tmp_path / "d", tasks=1, demos=2, length=3)
    clips = opened(tmp_path / "d", chunks=5, chunk_steps=4, hold=2).train
    assert (len(clips), clips.firsts.tolist()) == (1, [0])
    with pytest.raises(DataError, match="spans 21 rows"):
        opened(tmp_path / "d", chunks=5, chunk_steps=4)


def test_skill_clips_of_an_episode_are_held_out_together_and_make_it_whole_again(
    tmp_path: Path,
) -> None:
    skills = opened(write_skills(tmp_path, demos=4), chunks=1, chunk_steps=4)
    of = [{i.cut.demo for i in w.infos} for w in (skills.train, skills.validation)]
    assert not of[0] & of[1]
    assert len(of[0] | of[1]) == 8
    assert sorted({i.instruction for i in skills.train.infos}) == [
        "put the can in the basket",
        "put the cup on the plate",
    ]
    whole = opened(tmp_path / "skills" / "demos", chunks=9, chunk_steps=1, whole=True).train
    assert sorted(set(whole.lengths)) == [20, 62]
    for index, info in enumerate(whole.infos):
        batch = whole.batch(range(whole.firsts[index], whole.firsts[index] + 3))
        assert [rows_of(clip) for clip in batch["images"]] == [
            list(range(begin, begin + 10)) for begin in range(3)
        ]
        assert set(batch["instruction"]) == {info.cut.instruction}
    two = int(whole.firsts[whole.lengths.argmax()])
    across = whole.batch([two + 20])  # rows 27 and on are of the second clip
    assert rows_of(across["images"][0]) == list(range(20, 30))


def test_an_episode_is_not_put_together_of_some_of_its_clips(tmp_path: Path) -> None:
    folder = write_skills(tmp_path, demos=3)
    next(folder.glob("*can*.hdf5")).unlink()
    with pytest.raises(DataError, match=r"cut into 2 skill clips, and there are 1"):
        opened(folder, chunks=3, chunk_steps=1, whole=True)


def test_views_are_tiled_as_in_the_videos(tmp_path: Path) -> None:
    write_demos(tmp_path / "d", tasks=1, demos=2, length=6)
    flat = opened(tmp_path / "d", chunks=1, chunk_steps=2)
    batch = opened(tmp_path / "d", chunks=1, chunk_steps=2, tiled=True).train.batch([1])
    frames = [np.asarray(array[1:4:2]) for array in flat.parts[0].frames]
    index = flat.split.train[0]
    if index:
        start = flat.parts[0].source.starts[index]
        frames = [np.asarray(array[start + 1 : start + 4 : 2]) for array in flat.parts[0].frames]
    assert np.array_equal(batch["images"][0].numpy(), tiled(frames))
    assert batch["images"].shape == (1, 2, 32, 32, 3)
    assert not batch["images"][:, :, 16:].any()


HANDS = {
    "suite": "counter_hands",
    "embodiment": "human_hands",
    "action_names": tuple("abcdefghi"),
    "action_low": (-1.0,) * 9,
    "action_high": (1.0,) * 9,
    "state_names": ("palm_x", "camera_x", "palm_y"),
    "cameras": {"head_rgb": "head"},
}
"""Wider actions, another camera, and a head that moves."""


def test_clips_of_several_embodiments_have_room_for_the_widest_and_a_camera_each(
    tmp_path: Path,
) -> None:
    write_demos(tmp_path / "arm", tasks=1)
    write_demos(tmp_path / "hands", tasks=1, seed=1, **HANDS)
    config = DataConfig(
        cameras=("head|agentview",), image_size=(16, 16), clip=ClipConfig(chunks=2, chunk_steps=2)
    )
    data = TrainingData([tmp_path / "arm", tmp_path / "hands"], config)
    assert [part.cameras for part in data.parts] == [("agentview",), ("head",)]
    assert data.normalisation.cameras == ("head|agentview",)
    clips = data.train
    batch = clips.batch([0, len(clips) - 1])
    assert batch["embodiment"].unique().numel() == 2
    assert batch["action_mask"].sum(1).tolist() == [7, 9]
    assert batch["state_mask"].sum(1).tolist() == [3, 2]
    assert not batch["actions"][0, ..., 7:].any()
    # What is called camera_... is no part of the posture; of the arm nothing is.
    assert not batch["camera"][0].any()
    assert not batch["camera"][..., 1:].any()
    hands = data.normalisation.embodiments["human_hands"]
    trial = (batch["camera"][1, ..., 0] * hands.state.std[1] + hands.state.mean[1]).unique()
    assert trial.numel() == 1
    assert trial.item() in (0, 1, 2)
    one = TrainingData([tmp_path / "hands"], config)
    assert one.normalisation.cameras == ("head",)


def test_windows_of_a_policy_are_of_one_width_of_actions(tmp_path: Path) -> None:
    write_demos(tmp_path / "arm", tasks=1)
    write_demos(tmp_path / "hands", tasks=1, seed=1, **HANDS)
    config = DataConfig(cameras=("head|agentview",), image_size=(16, 16))
    with pytest.raises(DataError, match=r"actions of different widths: human_hands \[9\]"):
        TrainingData([tmp_path / "arm", tmp_path / "hands"], config)


def test_a_camera_that_no_dataset_has_is_named_with_its_alternatives(tmp_path: Path) -> None:
    write_demos(tmp_path / "d", tasks=1)
    with pytest.raises(DataError, match="has no camera head or exterior"):
        TrainingData([tmp_path / "d"], DataConfig(cameras=("head|exterior",)))
