"""Clips are the rows they say they are, with their prompt; what does not match is discarded."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import av
import h5py
import numpy as np
import pytest

from skills_support import CUP, TWO, widths, write_gripper_demos
from support import Run
from wambench.demos.dataset import open_source
from wambench.errors import DataError
from wambench.skills.clips import BuildRequest, build
from wambench.skills.decompose import Options, RuleSplitter, decompose
from wambench.skills.gripper import Rule

GOOD = widths(12, 15, 10, 20, 5)
"""Cut into rows 0 to 26 and 27 to 61."""


def test_prompts_and_cycles_are_aligned_in_time_and_written_as_the_authors_files(
    tmp_path: Path, wambench: Run
) -> None:
    data = write_gripper_demos(tmp_path / "data", [GOOD, widths(12, 40)])
    done = wambench("skills", "build", "--data", data, "--out", "out")
    assert done.returncode == 0, done.stderr
    assert "1/2" in done.stdout
    assert "1: 1 cycle, 2 prompts" in done.stdout
    out = tmp_path / "out"
    first = "demo_0-put_things_away-put_the_cup_on_the_plate-order1"
    second = "demo_0-put_things_away-put_the_can_in_the_basket-order2"
    assert {file.stem for file in (out / "videos").iterdir()} == {first, second}
    with (out / "metadata.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["video"] for row in rows] == [f"{first}.mp4", f"{second}.mp4"]
    assert rows[0]["prompt"].startswith("Put the cup on the plate. Views: top left agentview,")
    task = json.loads((out / "video_metadata.json").read_text())["KITCHEN_SCENE1_put_things_away"]
    assert task == {"0": {"0": {"start": 0, "end": 26}, "1": {"start": 27, "end": 61}}}
    with av.open(str(out / "videos" / f"{second}.mp4")) as video:
        stream = video.streams.video[0]
        assert (stream.height, stream.width, stream.average_rate) == (32, 32, 20)
        assert sum(1 for _ in video.decode(stream)) == 35


def test_clips_as_demonstrations_hold_the_same_rows(tmp_path: Path) -> None:
    data = write_gripper_demos(tmp_path / "data", [GOOD, GOOD])
    build(BuildRequest(str(data), tmp_path / "out", videos=False))
    whole, clips = open_source(data), open_source(tmp_path / "out" / "demos")
    assert sorted(demo.instruction for demo in clips.demos) == [
        "put the can in the basket",
        "put the can in the basket",
        "put the cup on the plate",
        "put the cup on the plate",
    ]
    for index, info in enumerate(clips.demos):
        start, end = (0, 26) if "cup" in info.instruction else (27, 61)
        trial = int(clips.pixels(index, "agentview", 0)[0, 0, 2])
        assert info.length == end - start + 1
        assert info.success is True
        assert (clips.actions(index, 0, info.length) == whole.actions(trial, start, end + 1)).all()
        assert (clips.states(index, 0, info.length) == whole.states(trial, start, end + 1)).all()
        for row in (0, info.length - 1):
            for camera in info.cameras:
                wanted = whole.pixels(trial, camera, start + row)
                assert (clips.pixels(index, camera, row) == wanted).all()
    (file,) = (tmp_path / "out" / "demos").glob("*can*.hdf5")
    with h5py.File(file) as opened:
        group = opened["data/demo_1"]
        told = json.loads(group.attrs["wambench_skill"])
        assert (told["order"], told["of"], told["start"], told["end"]) == (1, 2, 27, 61)
        assert told["episode"] == "libero_goal/0/1"
        assert np.array_equal(group.attrs["init_state"], group["states"][0])


def test_clips_become_a_lerobot_dataset_with_their_prompts_as_tasks(tmp_path: Path) -> None:
    data = write_gripper_demos(tmp_path / "data", [GOOD])
    build(BuildRequest(str(data), tmp_path / "out", videos=False, format="lerobot"))
    clips = open_source(tmp_path / "out" / "lerobot")
    assert [(demo.instruction, demo.length) for demo in clips.demos] == [
        ("put the can in the basket", 35),
        ("put the cup on the plate", 27),
    ]
    assert clips.pixels(0, "agentview", 0)[0, 0].tolist() == [0, 27, 0]


def test_a_count_mismatch_is_discarded_and_never_cut_to_fit(tmp_path: Path) -> None:
    three = widths(12, 15, 10, 15, 10, 15)
    data = write_gripper_demos(tmp_path / "data", [widths(40, 12), three, widths(60), GOOD])
    source = open_source(data)
    found = [decompose(source, demo, Options(), RuleSplitter()) for demo in range(4)]
    assert [each.detail for each in found] == [
        "1 cycle, 2 prompts",
        "3 cycles, 2 prompts",
        "0 cycles, 2 prompts",
        "",
    ]
    assert [len(each.clips) for each in found] == [0, 0, 0, 2]
    made = build(BuildRequest(str(data), tmp_path / "out", videos=False))
    assert (made.overall.synchronised, made.overall.demos, made.clips) == (1, 4, 2)
    lines = (tmp_path / "out" / "skills.jsonl").read_text().splitlines()
    assert [json.loads(line)["synchronised"] for line in lines] == [False, False, False, True]


def test_picking_up_and_putting_down_are_cut_at_the_contact_where_asked_for(tmp_path: Path) -> None:
    data = write_gripper_demos(tmp_path / "data", [GOOD], TWO)
    found = decompose(open_source(data), 0, Options(unit="phase"), RuleSplitter())
    assert [(clip.prompt, clip.start, clip.end) for clip in found.clips] == [
        ("pick up the cup", 0, 11),
        ("place the cup on the plate", 12, 26),
        ("pick up the can", 27, 36),
        ("place the can in the basket", 37, 61),
    ]


def test_a_single_prompt_without_a_cycle_is_kept_whole_only_where_asked_for(tmp_path: Path) -> None:
    source = open_source(write_gripper_demos(tmp_path / "data", [widths(40)], CUP))
    assert decompose(source, 0, Options(), RuleSplitter()).reason == "count"
    kept = decompose(source, 0, Options(no_cycle="whole"), RuleSplitter())
    assert [(clip.start, clip.end) for clip in kept.clips] == [(0, 39)]


def test_robocasas_clips_are_called_as_its_loader_expects(tmp_path: Path) -> None:
    data = write_gripper_demos(
        tmp_path / "data", [GOOD], suite="robocasa24", task_name="PnPCounterToSink"
    )
    build(BuildRequest(str(data), tmp_path / "out", format="none", frames=93))
    videos = sorted((tmp_path / "out" / "videos").iterdir())
    assert [video.stem for video in videos] == [
        "PnPCounterToSink_mg_demo_0_aa_0",
        "PnPCounterToSink_mg_demo_0_aa_1",
    ]
    with av.open(str(videos[0])) as video:
        assert sum(1 for _ in video.decode(video=0)) == 93


def test_tasks_that_differ_by_their_scene_keep_it_in_their_names(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    for task, scene in enumerate(("KITCHEN_SCENE1", "STUDY_SCENE2")):
        write_gripper_demos(folder, [GOOD], task=task, task_name=f"{scene}_tidy_up")
    build(BuildRequest(str(folder), tmp_path / "out", format="none"))
    names = {file.name.split("-")[1] for file in (tmp_path / "out" / "videos").iterdir()}
    assert names == {"kitchen_scene1_tidy_up", "study_scene2_tidy_up"}


def test_a_build_that_fails_leaves_nothing(tmp_path: Path) -> None:
    data = write_gripper_demos(tmp_path / "data", [GOOD])
    with pytest.raises(DataError, match="no camera birdview; it has: agentview"):
        build(BuildRequest(str(data), tmp_path / "out", cameras=("birdview",)))
    with pytest.raises(DataError, match="nothing"):
        build(BuildRequest(str(tmp_path / "nothing"), tmp_path / "out"))
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_threshold_can_be_chosen(tmp_path: Path) -> None:
    can = [0.08] * 12 + [0.06] * 15
    source = open_source(write_gripper_demos(tmp_path / "data", [can], CUP))
    assert not decompose(source, 0, Options(), RuleSplitter()).synchronised
    wide = Options(Rule(threshold_m=0.01))
    assert decompose(source, 0, wide, RuleSplitter()).synchronised
