"""Videos of episodes."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from wambench.env import BenchmarkEnv
from wambench.manifest import build_manifest
from wambench.protocol import Needs
from wambench.report.video import VideoRequest, video_name, write_episode_video, write_mp4
from wambench.runner.worker import Worker
from wambench_example.suite import ReachSuite

SUITE = ReachSuite("embedded")
EPISODE = build_manifest(SUITE, run_seed=0, trials=1).episodes[1]


def recorded_episode(steps: int) -> tuple[BenchmarkEnv, list[np.ndarray]]:
    """An episode of that many steps that goes nowhere, with its snapshots."""
    env = SUITE.make_env(SUITE.tasks()[1], Needs())
    snapshots: list[np.ndarray] = []
    env.on_control_step = lambda: snapshots.append(env.snapshot())
    env.reset(seed=EPISODE.seed, options={"init_state": EPISODE.init_state})
    snapshots.append(env.snapshot())
    env.advance(np.full((steps, 2), 0.01))
    return env, snapshots


def decode(file: Path) -> tuple[list[np.ndarray], str, Fraction | None]:
    """Frames, codec and frame rate of a video."""
    with av.open(str(file)) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        return frames, stream.codec_context.name, stream.average_rate


def test_a_video_is_h264_at_real_time_and_says_how_the_episode_ended(tmp_path: Path) -> None:
    env, snapshots = recorded_episode(20)
    request = VideoRequest("all", str(tmp_path), "top", 128)
    name = write_episode_video(request, env, EPISODE, snapshots, success=False)
    frames, codec, rate = decode(tmp_path / name)
    assert (name, codec, rate) == (video_name(EPISODE), "h264", 10)
    assert len(frames) == 21 + 8, "every state once, the last one held"
    assert frames[0].shape == (128 + 48, 128, 3)
    badge = frames[-1][50:64, -40:]
    assert badge[..., 0].mean() > 1.5 * badge[..., 1].mean(), "a red badge says FAILURE"
    assert np.abs(frames[0][50:64, -40:].astype(int) - badge).mean() > 20
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_filming_does_not_change_where_the_episode_ended(tmp_path: Path) -> None:
    env, snapshots = recorded_episode(5)
    before = env.snapshot()
    write_episode_video(VideoRequest("all", str(tmp_path), "top"), env, EPISODE, snapshots, True)
    assert np.array_equal(env.snapshot(), before)


def test_a_video_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    def frames() -> list[np.ndarray]:
        return [np.zeros((32, 32, 3), np.uint8), np.zeros((32, 32), np.uint8)]

    with pytest.raises(ValueError, match=r"ndim|shape|dimension"):
        write_mp4(tmp_path / "a.mp4", frames(), Fraction(10))
    assert list(tmp_path.iterdir()) == []


def test_only_the_outcomes_asked_for_are_filmed() -> None:
    wanted = {
        mode: [success for success in (True, False) if VideoRequest(mode, "", "top").wants(success)]
        for mode in ("none", "failures", "all")
    }
    assert wanted == {"none": [], "failures": [False], "all": [True, False]}


def test_an_episode_whose_video_fails_still_counts(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    worker = Worker.__new__(Worker)
    worker._video = VideoRequest("all", str(tmp_path / "file" / "videos"), "top")
    env, worker._snapshots = recorded_episode(2)
    video, error = worker._film(env, EPISODE, True)
    assert video is None
    assert error is not None
    assert "NotADirectoryError" in error or "FileExistsError" in error
