"""`wambench inspect METHOD` as a user types it, with an inspector that is named by its file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support import Run
from wambench.cli.main import main

INSPECTOR = '''
from wambench.errors import UsageError
from wambench.inspector import Diagnostic, Finding
from wambench.trainer import TrainInput

class Looks:
    diagnostics = (
        Diagnostic("shape", "its shape", ("one",)), Diagnostic("taste", "its taste", ("one",))
    )
    inputs = (TrainInput("spoon", "what to taste with"),)

    def inspect(self, request):
        request.note(f"looking at {request.episodes} of {' '.join(request.data)}")
        for one in self.diagnostics:
            if request.only and one.name not in request.only:
                continue
            if one.name == "taste" and "spoon" not in request.inputs:
                raise UsageError("No spoon.", "Add --spoon.")
            request.out.mkdir(parents=True, exist_ok=True)
            file = request.out / f"{one.name}.csv"
            file.write_text(f"{request.windows},{request.seed}")
            yield Finding(one.name, f"{one.about} is fine", (file,))

class Nothing:
    """No inspector."""
'''


@pytest.fixture
def here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Like `wambench`, in this process."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "looks.py").write_text(INSPECTOR)
    (tmp_path / "data" / "a").mkdir(parents=True)
    (tmp_path / "data" / "b").mkdir()

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", ["wambench", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        shown = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, ended.value.code or 0, shown.out, shown.err)

    return run


BASE = ("inspect", "looks.py:Looks", "--checkpoint", "c", "--out", "o")


def test_every_diagnostic_says_one_line_and_names_its_files(here: Run, tmp_path: Path) -> None:
    done = here(*BASE, "--data", "data/a", "data/b", "--spoon", "silver", "--windows", "7")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "looking at held-out of data/a data/b",
        "shape: its shape is fine",
        "  o/shape.csv",
        "taste: its taste is fine",
        "  o/taste.csv",
    ]
    assert (tmp_path / "o" / "shape.csv").read_text() == "7,0"


def test_only_some_are_asked(here: Run, tmp_path: Path) -> None:
    done = here(*BASE, "--data", "data/*", "--only", "shape", "--episodes", "all")
    assert done.returncode == 0, done.stderr
    assert "looking at all of data/a data/b" in done.stdout
    assert not (tmp_path / "o" / "taste.csv").exists()


@pytest.mark.parametrize(
    "both", [("--only", "taste,shape"), ("--only", "taste", "--only", "shape")]
)
def test_several_are_asked_together_or_one_by_one(here: Run, both: tuple[str, ...]) -> None:
    done = here(*BASE, "--data", "data/a", "--spoon", "silver", *both)
    assert done.stdout.count(" is fine") == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--only", "shap"), "has no diagnostic 'shap'. Did you mean shape?"),
        (("--only", "colour"), "It has: shape, taste."),
        (("--spon", "x"), "`wambench inspect` has no option --spon"),
        (("--spon", "x"), "Did you mean --spoon?"),
        (("--windws", "4"), "Did you mean --windows?"),
        (("--data", "nothing/*"), "--data nothing/* matches nothing"),
        ((), "No spoon. Add --spoon."),
    ],
)
def test_a_wrong_request_is_one_line(here: Run, arguments: tuple[str, ...], message: str) -> None:
    process = here(*BASE, "--data", "data/a", *arguments)
    assert process.returncode == 2
    assert message in process.stderr
    assert "Traceback" not in process.stderr


def test_what_is_no_inspector_is_said_to_be_none(here: Run) -> None:
    rest = ("--checkpoint", "c", "--data", "data/a", "--out", "o")
    process = here("inspect", "looks.py:Nothing", *rest)
    assert "is no inspector. It needs `diagnostics`" in process.stderr
    process = here("inspect", "nobody", *rest)
    assert "There is no inspector named 'nobody'. See `wambench list inspectors`." in process.stderr


def test_methods_are_listed_and_have_help(here: Run) -> None:
    assert "METHOD" in here("inspect", "--help").stdout
    assert "--checkpoint" in here("inspect", "lawam", "--help").stdout
    assert "rollout" in here("list", "inspectors").stdout


def test_finding_an_inspector_loads_no_torch() -> None:
    code = (
        "import sys; from wambench import registry;"
        "found = registry.load_inspector(registry.find_inspector('lawam'));"
        "print(len(found.diagnostics), 'torch' in sys.modules, 'matplotlib' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.stdout.split() == ["7", "False", "False"], found.stderr
