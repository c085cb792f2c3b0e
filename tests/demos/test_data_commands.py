"""`wambench data`: replay, view, info, and the commands as a user types them."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from pathlib import Path

import av
import h5py
import numpy as np
import pytest

from support import Run
from wambench.demos import DemoDataset
from wambench.demos.dataset import open_source
from wambench.demos.hdf5 import ATTRIBUTE
from wambench.demos.summary import summarise_data

COLLECT = ("collect", "--suite", "example_reach", "--policy", "example_go_to_target")


@pytest.fixture
def data(wambench: Run, tmp_path: Path) -> Path:
    """Two noisy demonstrations of each of two tasks."""
    process = wambench(
        *COLLECT,
        "--episodes",
        "2",
        "--tasks",
        "0,1",
        "--noise",
        "0.3",
        "--image-size",
        "24",
        *("--out", "data", "--workers", "1"),
    )
    assert process.returncode == 0, process.stderr
    return tmp_path / "data"


def test_info_says_what_is_there(wambench: Run, data: Path) -> None:
    process = wambench("data", "info", "data")
    assert process.returncode == 0, process.stderr
    text = process.stdout
    frames = sum(demo.length for demo in open_source(data).demos)
    for part in (
        *("example_reach (embedded)", "reach target 1", str(frames), "Noise: 0.3"),
        *("point at 10 Hz", "top 24x24", "policy example_go_to_target", "std of noise"),
        *(f"numpy {np.__version__}", DemoDataset(data).identity),
    ):
        assert part in text, part
    summary = summarise_data(open_source(data))
    assert [(task.demos, task.successes) for task in summary.tasks] == [(2, 2), (2, 2)]
    assert summary.actions.noise_std is not None
    assert (summary.actions.noise_std > 0.1).all()


def test_replay_ends_as_recorded_from_either_format(wambench: Run, data: Path) -> None:
    assert wambench("data", "convert", "data", "--out", "le").returncode == 0
    for name in ("data", "le"):
        process = wambench("data", "replay", name, "--workers", "2")
        assert process.returncode == 0, process.stdout + process.stderr
        counts = re.findall(r"all\D+(\d+)\D+(\d+)\D+(\d+)\D+(\d+)", process.stdout)
        assert counts == [("4", "4", "4", "4")]
    process = wambench("data", "replay", "data", "--tasks", "1")
    assert re.findall(r"all\D+(\d+)", process.stdout) == ["2"]


def test_replay_notices_other_actions_and_other_versions(wambench: Run, data: Path) -> None:
    with h5py.File(data / "reach_0_demo.hdf5", "a") as file:
        file["data/demo_1/executed_actions"][:] *= -1
        facts = json.loads(file["data"].attrs[ATTRIBUTE])
        facts["provenance"]["numpy"] = "1.0"
        file["data"].attrs[ATTRIBUTE] = json.dumps(facts)
    process = wambench("data", "replay", "data")
    assert process.returncode == 1
    counts = re.findall(r"all\D+(\d+)\D+(\d+)\D+(\d+)\D+(\d+)", process.stdout)
    assert counts == [("4", "4", "3", "3")]
    assert f"numpy was 1.0, is {np.__version__}" in process.stdout


def test_data_without_episodes_cannot_be_replayed(wambench: Run, data: Path) -> None:
    with h5py.File(data / "reach_0_demo.hdf5", "a") as file:
        for demo in file["data"].values():
            del demo.attrs[ATTRIBUTE]
    process = wambench("data", "replay", "data")
    assert process.returncode == 2
    assert "does not say from which seed" in process.stderr


def test_the_contact_sheet_holds_its_videos_and_plots(wambench: Run, data: Path) -> None:
    process = wambench("data", "view", "data", "--per-task", "1")
    assert process.returncode == 0, process.stderr
    page = (data / "sheet.html").read_text()
    videos = re.findall(r'src="data:video/mp4;base64,([^"]+)"', page)
    lengths = [demo.length for demo in open_source(data).demos][::2]
    assert len(videos) == 2
    for video, length in zip(videos, lengths, strict=True):
        file = data / "video.mp4"
        file.write_bytes(base64.b64decode(video))
        with av.open(str(file)) as container:
            assert container.streams.video[0].average_rate == 10
            assert sum(1 for _ in container.decode(video=0)) == length
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert page.count('class="label"') == 4
    source = open_source(data)
    noisy = [
        source.actions(i, 0, n) != source.executed_actions(i, 0, n)
        for i, n in zip((0, 2), lengths, strict=True)
    ]
    perturbed = sum(int(different.any(axis=0).sum()) for different in noisy)
    assert page.count('class="executed"') == perturbed > 0
    assert re.findall(r'class="name"[^>]*>(\w+)<', page) == ["vx", "vy"] * 2
    assert page.count("reach target") == 2


@pytest.mark.skipif(shutil.which("chromium") is None, reason="there is no Chromium")
def test_the_contact_sheet_works_in_a_browser(wambench: Run, data: Path, tmp_path: Path) -> None:
    """The videos play there, and a click on a plot takes its video to that time."""
    wambench("data", "view", "data", "--per-task", "1")
    page = (data / "sheet.html").read_text()
    probe = """<script>addEventListener("load", async () => {
      const card = document.querySelector(".card"), video = card.querySelector("video");
      const plot = card.querySelector("svg"), box = plot.getBoundingClientRect();
      if (video.readyState < 1) await new Promise((r) => video.addEventListener("loadeddata", r));
      plot.dispatchEvent(new MouseEvent("click", {clientX: box.left + box.width * 0.5}));
      await new Promise((r) => video.addEventListener("seeked", r));
      document.title = JSON.stringify({
        width: video.videoWidth, error: video.error, at: video.currentTime / video.duration,
        line: plot.querySelector(".now").getAttribute("x1")});
    });</script></body>"""
    (data / "probe.html").write_text(page.replace("</body>", probe))
    # Virtual time does not wait for video decoders: on a busy machine it may be over too soon.
    for budget_ms in (20_000, 200_000, 2_000_000):
        process = subprocess.run(
            [
                *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"),
                f"--virtual-time-budget={budget_ms}",
                f"--user-data-dir={tmp_path / 'profile'}",
                (data / "probe.html").as_uri(),
            ],
            capture_output=True,
            text=True,
            timeout=120,
        )
        if found := re.search(r"<title>(\{.*?\})</title>", process.stdout):
            break
    assert found, process.stderr[-2000:]
    state = json.loads(found[1])
    assert state["error"] is None
    assert state["width"] == 24 * 8
    assert 0.3 < state["at"] < 0.6
    assert float(state["line"]) == pytest.approx(state["at"] * 600, abs=40)


def test_what_exists_is_not_overwritten_by_a_conversion(wambench: Run, data: Path) -> None:
    (data.parent / "le").mkdir()
    process = wambench("data", "convert", "data", "--out", "le")
    assert process.returncode == 2
    assert "exists already" in process.stderr
    process = wambench("data", "convert", "data", "--to", "hdf5", "--out", "other")
    assert process.returncode == 2
    assert "is HDF5 already" in process.stderr
