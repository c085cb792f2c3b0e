"""The page and the tables of a run."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from support import Run
from wambench.report.console import format_rate
from wambench.report.summary import summarise_run
from wambench.results.run import RunDirectory


@pytest.fixture
def run(wambench: Run, tmp_path: Path) -> RunDirectory:
    """A run with successes, a failure with a video, and an episode that does not count."""
    (tmp_path / "nan-1-0").write_text("9")
    process = wambench(
        *("eval", "--policy", "faulty", "--suite", "faulty_reach", "--trials", "2"),
        *("--retries", "0", "--video", "all", "--out", "run"),
        FAULTS=str(tmp_path),
    )
    assert process.returncode == 3, process.stderr
    return RunDirectory(tmp_path / "run")


def test_the_page_shows_rates_errors_and_links_to_videos_that_exist(run: RunDirectory) -> None:
    page = (run.path / "report.html").read_text()
    suite = summarise_run(run).suite
    assert format_rate(suite).strip() in page
    assert "1 of 6 episodes do not" in re.sub(r"\s+", " ", page)
    assert "nan in dimension 0" in page
    videos = re.findall(r'src="(videos/[^"#]+)', page)
    assert len(videos) == 5
    assert all((run.path / video).exists() for video in videos)
    assert "http://" not in page
    assert "https://" not in page


def test_markup_in_an_instruction_is_shown_as_text(run: RunDirectory) -> None:
    from dataclasses import replace

    from wambench.report.page import write_report

    summary = summarise_run(run)
    task = replace(summary.tasks[0], label="<script>alert(1)</script>")
    page = write_report(run, replace(summary, tasks={0: task})).read_text()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_the_csv_has_the_figures_of_every_task(run: RunDirectory) -> None:
    lines = list(csv.DictReader((run.path / "tasks.csv").open()))
    summary = summarise_run(run)
    assert [int(line["task"]) for line in lines] == list(summary.tasks)
    for line, task in zip(lines, summary.tasks.values(), strict=True):
        assert int(line["successes"]) == task.successes
        assert int(line["policy_error"]) == task.errors.get("policy_error", 0)
        assert float(line["ci_low"]) == pytest.approx(task.interval[0])


def test_report_prints_the_same_tables_from_the_files_alone(
    wambench: Run, run: RunDirectory
) -> None:
    process = wambench("report", "run")
    assert process.returncode == 0
    assert "faulty_reach (embedded)" in process.stdout
    assert "5/5" in process.stdout
    assert "1 policy_error" in process.stdout
