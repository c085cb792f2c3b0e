"""The papers' tables in `results/published` and how they are read."""

from __future__ import annotations

import csv
import sysconfig
from pathlib import Path

import pytest

import wambench
from wambench.errors import WambenchError
from wambench.report.published import (
    LIBERO_AVERAGE,
    published_folder,
    published_rows,
    published_tasks,
)

OVERALL_365 = ("robocasa365", "robocasa365_target")
LIBERO = ["libero_spatial", "libero_object", "libero_goal", "libero_long"]

ROWS = {
    "lacwm_secondary_figures_4_5.csv": 12,
    "lacwm_table1_rollout.csv": 6,
    "lacwm_table2_vla_planning.csv": 15,
    "lacwm_table3_ablation.csv": 2,
    "lacwm_table4_parameters.csv": 11,
    "lacwm_table5_finetuning.csv": 21,
    "lawam_table1_libero.csv": 14 * 5,
    "lawam_table2_robotwin_main_text.csv": 15 * 12,
    "lawam_table3_real_world.csv": 5 * 4,
    "lawam_table4_robotwin_50_tasks.csv": 51 * 12,
    "robocasa_docs_365.csv": 11 * 4,
    "world2act_page_libero.csv": 9 * 5,
    "world2act_page_real_world.csv": 3 * 2,
    "world2act_page_robocasa.csv": 11,
    "world2act_secondary_ablations.csv": 27,
    "world2act_text_claims.csv": 7,
}


def lines(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader((published_folder() / name).read_text().splitlines()))


def only(name: str, **wanted: str) -> dict[str, str]:
    (line,) = [line for line in lines(name) if wanted.items() <= line.items()]
    return line


def test_every_table_of_the_papers_is_there_with_all_its_rows() -> None:
    found = {file.name: len(lines(file.name)) for file in published_folder().glob("*.csv")}
    assert found == ROWS


@pytest.mark.parametrize("name", ROWS)
def test_no_line_of_a_table_is_ragged(name: str) -> None:
    for line in lines(name):
        assert None not in line
        assert None not in line.values()


@pytest.mark.parametrize("name", ROWS)
def test_the_readme_explains_the_table(name: str) -> None:
    assert f"`{name}`" in (published_folder() / "README.md").read_text()


@pytest.mark.parametrize("name", ROWS)
def test_percentages_are_percentages_and_not_fractions(name: str) -> None:
    rates = [
        float(line["success_rate_percent"])
        for line in lines(name)
        if "success_rate_percent" in line
    ]
    assert all(0 <= rate <= 100 for rate in rates)
    assert not rates or max(rates) > 1


@pytest.mark.parametrize(
    ("name", "where", "column", "value"),
    [
        (
            "lawam_table1_libero.csv",
            {"method": "LaWAM", "suite": "libero_long"},
            "success_rate_percent",
            "97.0",
        ),
        (
            "lawam_table1_libero.csv",
            {"method": "LAPA", "suite": "libero_spatial"},
            "success_rate_percent",
            "73.8",
        ),
        (
            "lawam_table1_libero.csv",
            {"method": "F1", "suite": "libero_goal"},
            "latency_ms",
            "399.0",
        ),
        ("lawam_table1_libero.csv", {"method": "LAPA", "suite": "libero_goal"}, "latency_ms", ""),
        (
            "lawam_table2_robotwin_main_text.csv",
            {"task": "average", "method": "LaWAM", "setting": "randomized"},
            "success_rate_percent",
            "89.80",
        ),
        (
            "lawam_table4_robotwin_50_tasks.csv",
            {"task": "hanging_mug", "method": "GigaWorld-Policy", "setting": "randomized"},
            "success_rate_percent",
            "12",
        ),
        (
            "lawam_table3_real_world.csv",
            {"task": "fold_towel", "method": "LingBot-VA"},
            "success_rate_percent",
            "0.0",
        ),
        (
            "lacwm_table1_rollout.csv",
            {"validation_split": "unseen_categories", "method": "LAC-WM"},
            "lpips",
            "0.040",
        ),
        (
            "lacwm_table2_vla_planning.csv",
            {"validation_split": "unseen_instances", "method": "LAC-WM"},
            "success_rate_percent",
            "25",
        ),
        (
            "lacwm_table2_vla_planning.csv",
            {"validation_split": "unseen_instances", "method": "VLA-random"},
            "delta_f_g_plus_minus",
            "0.12",
        ),
        (
            "lacwm_table5_finetuning.csv",
            {"validation_split": "unseen_categories", "method": "LAC-WM-(1,2)"},
            "success_rate_lift_percent_plus_minus",
            "1",
        ),
        (
            "lacwm_table4_parameters.csv",
            {"component": "forward dynamics model", "quantity": "parameters"},
            "value",
            "93844480",
        ),
        (
            "lacwm_secondary_figures_4_5.csv",
            {"figure": "figure_5", "method": "EAC-WM", "pretraining_samples": "150000"},
            "source_grade",
            "one third-party reading of the figure, reader unsure",
        ),
        (
            "world2act_page_libero.csv",
            {"method": "GR00T-N1.6-ft + DreamGen", "suite": "libero_object"},
            "success_rate_percent",
            "82.6",
        ),
        (
            "robocasa_docs_365.csv",
            {"method": "pi0.5", "suite": "robocasa365_composite_seen"},
            "success_rate_percent",
            "7.1",
        ),
        (
            "world2act_page_robocasa.csv",
            {"method": "GR00T-N1.6-ft + World2Act"},
            "success_rate_percent",
            "72.6",
        ),
        (
            "world2act_page_real_world.csv",
            {"task": "pick_and_place_cup_and_plate", "method": "GR00T-N1.6-ft"},
            "success_rate_percent",
            "5",
        ),
        (
            "world2act_secondary_ablations.csv",
            {"method": "GR00T-N1.6-ft + World2Act", "variant": "global_pool"},
            "value",
            "69.3",
        ),
        (
            "world2act_text_claims.csv",
            {"method": "GR00T-N1.6 + World2Act"},
            "value",
            "6.67",
        ),
    ],
)
def test_a_value_is_the_paper_s(name: str, where: dict[str, str], column: str, value: str) -> None:
    assert only(name, **where)[column] == value


def test_robocasa365_s_overall_rates_are_the_means_over_its_18_16_and_16_tasks() -> None:
    rates: dict[tuple[str, str], float] = {
        (line["method"], line["suite"]): float(line["success_rate_percent"])
        for line in lines("robocasa_docs_365.csv")
    }
    overall = {key: rate for key, rate in rates.items() if key[1] in OVERALL_365}
    assert len(overall) == 11
    for (method, suite), rate in overall.items():
        parts = {"atomic_seen": 18, "composite_seen": 16, "composite_unseen": 16}
        mean = sum(n * rates[method, f"{suite}_{part}"] for part, n in parts.items()) / 50
        assert rate == pytest.approx(mean, abs=0.06)


def test_robocasa365_s_documented_rates_are_shown_with_what_they_were_measured_with() -> None:
    (row, *_) = published_rows(["robocasa365_target"])
    assert (row.suite, row.source) == ("robocasa365_target", "RoboCasa's documentation")
    assert "v1.0" in row.note


def test_robotwin_averages_are_the_means_of_their_fifty_tasks() -> None:
    table = lines("lawam_table4_robotwin_50_tasks.csv")
    columns = {(line["method"], line["setting"]) for line in table}
    assert len(columns) == 12
    for method, setting in columns:
        column = {
            line["task"]: float(line["success_rate_percent"])
            for line in table
            if (line["method"], line["setting"]) == (method, setting)
        }
        average = column.pop("average")
        assert len(column) == 50
        assert sum(column.values()) / 50 == pytest.approx(average, abs=0.005)


def test_rows_restored_from_a_damaged_text_say_so() -> None:
    for name in ("lawam_table1_libero.csv", "lawam_table3_real_world.csv"):
        restored = [line for line in lines(name) if line["method"] in ("pi0", "pi0.5")]
        assert restored
        assert all("name lost" in line["note"] for line in restored)


def test_rates_for_display_are_fractions_with_their_source() -> None:
    rows = published_rows(["libero_long"])
    assert len(rows) == 14 + 9
    rates = {(row.method, row.source): row.success_rate for row in rows}
    assert rates["LaWAM", "LaWAM, Table 1"] == pytest.approx(0.970)
    assert rates["pi0", "LaWAM, Table 1"] == pytest.approx(0.884)
    assert rates["pi0", "World2Act, project page"] == pytest.approx(0.852)
    assert all(0.5 < rate <= 1.0 for rate in rates.values())


def test_averages_are_given_only_with_all_four_suites() -> None:
    assert LIBERO_AVERAGE not in {row.suite for row in published_rows(LIBERO[:3])}
    averages = [row for row in published_rows(LIBERO) if row.suite == LIBERO_AVERAGE]
    assert len(averages) == 14 + 9


def test_robotwin_has_its_average_and_the_rates_of_all_fifty_tasks() -> None:
    rows = {row.method: row.success_rate for row in published_rows(["robotwin_randomized"])}
    assert len(rows) == 6
    tasks = published_tasks("robotwin_randomized")
    names = set(tasks) - {"average"}
    assert len(names) == 50
    for method, average in rows.items():
        mean = sum(tasks[name][method] for name in names) / 50
        assert mean == pytest.approx(average, abs=1e-3)
    assert tasks["move_can_pot"]["Fast-WAM"] == pytest.approx(0.92)
    assert published_tasks("libero_goal") == {}


def test_a_suite_without_published_numbers_has_no_rows() -> None:
    assert published_rows(["libero_90", "somebody_s_suite"]) == []


def test_a_checkout_s_tables_are_taken_before_those_a_wheel_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "prefix" / "share" / "wambench" / "published"
    installed.mkdir(parents=True)
    monkeypatch.setattr(wambench, "__file__", str(tmp_path / "wambench" / "__init__.py"))
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path / "prefix"))
    assert published_folder() == installed
    checkout = tmp_path / "results" / "published"
    checkout.mkdir(parents=True)
    assert published_folder() == checkout


def test_missing_tables_are_an_error_that_says_where_they_were_sought(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wambench, "__file__", str(tmp_path / "wambench" / "__init__.py"))
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    with pytest.raises(WambenchError, match="are in neither"):
        published_rows(["libero_goal"])
