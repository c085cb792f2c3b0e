"""`wambench inspect lawam` on small checkpoints, and the mixed-frequency experiment."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="LaWAM needs torch")

from PIL import Image  # noqa: E402

from lawam_checkpoints import SIZES, train  # noqa: E402
from training_support import WITH_LABELS, write_demos  # noqa: E402
from wambench.errors import DataError, UsageError  # noqa: E402
from wambench.inspector import Finding, InspectRequest  # noqa: E402
from wambench_policies.lawam.inspect import LaWAMInspector  # noqa: E402

SCRIPT = Path(__file__).parents[3] / "scripts" / "experiments" / "mixed_frequency.py"
STAGE_ONE = ["prediction", "shuffled", "rollout", "ridge", "maps"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`data`, and `encoder`, `lawm`, `policy`, `alone` (no LaWM), `other` (another stage 1)."""
    folder = tmp_path_factory.mktemp("inspect")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAMBENCH_CACHE", str(folder / "cache"))
        data = write_demos(folder / "data", size=(48, 48), length=36, demos=4, cameras=WITH_LABELS)
        train("encoder", data, folder / "encoder")
        inputs = {"encoder": str(folder / "encoder")}
        train("lawm", data, folder / "lawm", inputs=inputs)
        stage_one = {"lawm": str(folder / "lawm")}
        train(
            "policy",
            data,
            folder / "policy",
            inputs=stage_one,
            overrides={"data.control_hz": "5,10,20"},
        )
        train(
            "policy",
            data,
            folder / "alone",
            inputs=stage_one,
            overrides={"use_lawm": "false"},
        )
        train("encoder", data, folder / "encoder2", seed=1)
        train("lawm", data, folder / "other", inputs={"encoder": str(folder / "encoder2")})
    return folder


@pytest.fixture(autouse=True)
def _own_cache(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAMBENCH_CACHE", str(trained / "cache"))


def look(trained: Path, out: Path, checkpoint: str, **changes: Any) -> list[Finding]:
    lawm = changes.pop("lawm", None)
    request = InspectRequest(
        checkpoint=trained / checkpoint,
        data=(str(trained / changes.pop("data", "data")),),
        out=out,
        inputs={} if lawm is None else {"lawm": str(trained / lawm)},
        **{"episodes": "all", "windows": 40, "device": "cpu"} | changes,
    )
    return list(LaWAMInspector().inspect(request))


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("checkpoint", "lawm", "names"),
    [
        ("lawm", None, STAGE_ONE),
        ("policy", "lawm", [*STAGE_ONE, "subgoal", "actions"]),
    ],
)
def test_every_diagnostic_leaves_numbers_a_figure_and_a_line(
    trained: Path, tmp_path: Path, checkpoint: str, lawm: str | None, names: list[str]
) -> None:
    findings = look(trained, tmp_path, checkpoint, lawm=lawm)
    assert [finding.name for finding in findings] == names
    for finding in findings:
        numbers, figure, *more = finding.files
        assert [path.name for path in more] == ["maps_tokens.csv"] * (finding.name == "maps")
        assert numbers == tmp_path / f"{finding.name}.csv"
        assert len(table(numbers)) >= 1
        with Image.open(figure) as picture:
            assert picture.format == "PNG"
            assert picture.width in (990, 2100), "one or two columns of a paper at 300 dpi"
        assert "\n" not in finding.line
        assert "nan" not in finding.line
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_the_numbers_of_the_tables_are_those_that_are_said(trained: Path, tmp_path: Path) -> None:
    line = {f.name: f.line for f in look(trained, tmp_path, "policy", lawm="lawm")}
    at_tau = next(r for r in table(tmp_path / "prediction.csv") if r["horizon_tau"] == "1.0")
    assert f"copying's {float(at_tau['copy']):.3g}" in line["prediction"]
    hz = [float(row["control_hz"]) for row in table(tmp_path / "actions.csv")]
    assert hz == [5, 10, 20]
    agreed = [float(row["agreement"]) for row in table(tmp_path / "maps.csv")]
    assert len(agreed) == 40
    assert f"maps correlate by {fmean(agreed):.3g}, " in line["maps"]
    found = {(r["what"], r["candidate"]): r["error"] for r in table(tmp_path / "subgoal.csv")}
    assert set(found) == {
        *(("latent", name) for name in ("policy", "mean", "prior", "other")),
        *(("subgoal", name) for name in ("policy", "teacher", "copy", "mean")),
    }


def test_the_same_command_writes_the_same_files(trained: Path, tmp_path: Path) -> None:
    for out in ("a", "b"):
        look(trained, tmp_path / out, "lawm", only=("shuffled", "ridge"))
    for name in ("shuffled.csv", "shuffled.png", "ridge.csv", "ridge.png"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_policy_is_asked_without_its_teacher_what_needs_none(
    trained: Path, tmp_path: Path
) -> None:
    names = [f.name for f in look(trained, tmp_path, "policy", only=("maps", "actions"))]
    assert names == ["maps", "actions"]
    alone = look(trained, tmp_path, "alone", only=("actions",))
    assert [f.name for f in alone] == ["actions"]


def test_on_the_data_of_the_training_it_is_certain_what_was_held_out(
    trained: Path, tmp_path: Path
) -> None:
    def told(data: str) -> list[str]:
        lines: list[str] = []
        given = {"only": ("actions",), "episodes": "held-out", "note": lines.append}
        look(trained, tmp_path / "o", "policy", data=data, **given)
        return lines

    assert told("data") == []
    assert {row["episodes"] for row in table(tmp_path / "o" / "actions.csv")} == {"1"}
    write_demos(tmp_path / "more", size=(48, 48), length=36, demos=3, seed=1)
    assert "not exactly the demonstrations of the training" in told(str(tmp_path / "more"))[0]


@pytest.mark.parametrize(
    ("checkpoint", "changes", "message"),
    [
        ("encoder", {}, "of stage encoder, expected one of lawm or policy"),
        ("data", {}, "is no checkpoint"),
        ("lawm", {"only": ("actions",)}, "'actions' is not asked of stage lawm"),
        ("lawm", {"lawm": "lawm"}, "--lawm is for a policy"),
        ("policy", {}, "ask for the teacher of stage 1.*Add --lawm"),
        ("policy", {"only": ("subgoal",)}, "subgoal asks for the teacher"),
        ("policy", {"lawm": "encoder"}, "of stage encoder, expected lawm"),
        ("policy", {"lawm": "other"}, "another visual encoder"),
        ("alone", {"lawm": "lawm"}, "trained without a world model"),
    ],
)
def test_wrong_checkpoints_are_refused_before_anything_is_read(
    trained: Path, tmp_path: Path, checkpoint: str, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        look(trained, tmp_path / "out", checkpoint, **changes | {"data": "missing"})
    assert not (tmp_path / "out").exists()


def test_checkpoints_of_other_methods_are_refused(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained / "lawm", tmp_path / "other")
    config = json.loads((tmp_path / "other" / "config.json").read_text())
    (tmp_path / "other" / "config.json").write_text(json.dumps(config | {"method": "act"}))
    with pytest.raises(UsageError, match="of method act, expected lawam"):
        look(trained, tmp_path / "out", str(tmp_path / "other"))


def test_data_that_does_not_fit_is_refused(trained: Path, tmp_path: Path) -> None:
    sizes = {"size": (48, 48), "length": 36, "demos": 2}
    write_demos(tmp_path / "blind", cameras={"eye_in_hand_rgb": "robot0_eye_in_hand"}, **sizes)
    with pytest.raises(DataError, match=r"no camera agentview.*It has robot0_eye_in_hand"):
        look(trained, tmp_path / "o", "lawm", data=str(tmp_path / "blind"))
    write_demos(tmp_path / "robot", embodiment="sawyer", **sizes)
    with pytest.raises(DataError, match=r"embodiment sawyer.*trained on panda"):
        look(trained, tmp_path / "o", "lawm", data=str(tmp_path / "robot"))
    write_demos(tmp_path / "few", size=(48, 48), length=36, demos=2, tasks=1)
    with pytest.raises(DataError, match="needs 3 demonstrations"):
        look(trained, tmp_path / "o", "lawm", data=str(tmp_path / "few"), only=("ridge",))
    write_demos(tmp_path / "short", size=(48, 48), length=10, demos=4)
    with pytest.raises(DataError, match=r"longer than the horizon of 0\.8 s"):
        look(trained, tmp_path / "o", "lawm", data=str(tmp_path / "short"), only=("ridge",))


# ---- mixed control frequencies -------------------------------------------------------------------


def experiment(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, SCRIPT, *map(str, arguments), "--device", "cpu"],
        cwd=cwd,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=500,
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--set", "policies.tau=1"), "--set policies.tau names no stage"),
        (("--set", "policy.data.control_hz=5"), "what this experiment varies"),
        (("--frequencies", "20"), "One frequency is no mixture."),
    ],
)
def test_the_experiment_refuses_what_makes_no_sense(
    trained: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    base = ("--data", trained / "data", "--out", "o", "--lawm", trained / "lawm")
    process = experiment(*base, *arguments, cwd=tmp_path)
    assert process.returncode == 2
    assert message in process.stderr
    assert "Traceback" not in process.stderr


@pytest.mark.slow
def test_the_mixed_frequency_experiment_runs_small_and_goes_on(tmp_path: Path) -> None:
    """Two demonstrations, one of them held out, all three stages."""
    write_demos(tmp_path / "data", size=(48, 48), length=30, demos=2, tasks=1, cameras=WITH_LABELS)
    settings = [
        text
        for stage, values in SIZES.items()
        for key, value in values.items()
        for text in ("--set", f"{stage}.{key}={value}")
    ]
    command = ("--data", "data", "--out", "o", "--seeds", "2", "--stage-one-steps", "2")
    command += ("--steps", "2", "--batch-size", "4", "--windows", "16", *settings)
    first = experiment(*command, cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    rows = table(tmp_path / "o" / "table.csv")
    labels = ["mixed, time code", "mixed, index", "mixed, no code", "20 Hz only"]
    assert [(row["arm"], row["seed"], float(row["control_hz"])) for row in rows] == [
        (label, seed, hz) for seed in ("0", "1") for label in labels for hz in (5, 10, 20)
    ]
    assert all(float(row["error"]) > 0 and row["episodes"] == "1" for row in rows)
    for label in (*labels, "the mean action"):
        assert label in first.stdout
    numbers = (tmp_path / "o" / "table.csv").read_bytes()
    weights = tmp_path / "o" / "seed1" / "mixed_index" / "model.safetensors"
    before = weights.stat().st_mtime_ns
    shutil.rmtree(tmp_path / "o" / "seed1" / "highest_only")  # as if stopped before it
    second = experiment(*command, cwd=tmp_path)
    assert second.returncode == 0, second.stderr
    assert (tmp_path / "o" / "table.csv").read_bytes() == numbers
    assert weights.stat().st_mtime_ns == before, "what is done is not done again"
