"""What an inspection finds and writes; a model that knows the answer, and one that knows none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="World2Act needs torch")

from skills_support import widths, write_gripper_demos  # noqa: E402
from wambench.errors import UsageError  # noqa: E402
from wambench.skills.clips import BuildRequest, build  # noqa: E402
from wambench_policies.world2act.diagnostics import other_prompts  # noqa: E402
from wambench_policies.world2act.inspect import different  # noqa: E402
from wambench_policies.world2act.world import VideoWorld  # noqa: E402
from world2act_support import look, table, train, write_skills  # noqa: E402


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hardly trained: `world` and `base` of one tokenizer."""
    folder = tmp_path_factory.mktemp("inspected")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAMBENCH_CACHE", str(folder / "cache"))
        data = write_skills(folder)
        train("tokenizer", data, folder / "tokenizer")
        made = {"tokenizer": str(folder / "tokenizer")}
        train("worldmodel", data, folder / "world", inputs=made)
        train("worldmodel", data, folder / "base", inputs=made | {"wm": "base"})
    return folder


def test_every_diagnostic_writes_its_numbers_and_figures(trained: Path, tmp_path: Path) -> None:
    found = look(trained, tmp_path, inputs={"base": str(trained / "base")})
    assert list(found) == ["film", "prediction", "rollout"]
    for finding in found.values():
        assert all(file.stat().st_size > 0 for file in finding.files)
    assert (tmp_path / "rollout_film.png").exists()
    assert len(table(found["film"])) == 9
    rows = table(found["prediction"])
    assert [float(row["seconds"]) for row in rows] == [0.0, 0.2, 0.4]
    assert float(rows[0]["imagined"]) == 0  # the first frame is given
    rolled = table(found["rollout"])
    assert len(rolled) == 2 * (3 - 1) + 1  # two skills
    assert {"skill", "base", "standing still, base's time"} < rolled[0].keys()


def test_demonstrations_of_one_skill_each_leave_out_what_needs_several(
    trained: Path, tmp_path: Path
) -> None:
    for task, verb in enumerate(("lift", "push")):
        write_gripper_demos(
            tmp_path / "whole",
            [widths(8, 12)] * 2,
            task=task,
            task_name=f"KITCHEN_SCENE1_{verb}",
            instruction=f"{verb} the cup",
            size=(16, 16),
        )
    build(BuildRequest(str(tmp_path / "whole"), tmp_path / "skills", videos=False))
    notes: list[str] = []
    one_each = {"data": tmp_path / "skills" / "demos", "note": notes.append}
    assert list(look(trained, tmp_path / "out", **one_each)) == ["film", "prediction"]
    assert any("rollout is left out. None of these" in note for note in notes)
    with pytest.raises(UsageError, match="None of these demonstrations has more than one skill"):
        look(trained, tmp_path / "named", only=("rollout",), **one_each)


def test_a_world_that_knows_what_comes_has_no_error(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    encode = VideoWorld.encode

    def remembered(self: VideoWorld, frames: Any) -> Any:
        seen.append(encode(self, frames))
        return seen[-1]

    def told(self: VideoWorld, first: Any, prompts: Any, seeds: Any, **_: Any) -> Any:
        return torch.cat(seen)

    monkeypatch.setattr(VideoWorld, "encode", remembered)
    monkeypatch.setattr(VideoWorld, "imagine", told)
    found = look(trained, tmp_path, only=("prediction",))["prediction"]
    assert all(float(row["imagined"]) == 0 for row in table(found))
    assert float(table(found)[-1]["standing still"]) > 0


def test_a_base_that_cannot_be_compared_is_refused(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a world model of skills"):
        look(trained, tmp_path, only=("rollout",), inputs={"base": str(trained / "world")})
    with pytest.raises(UsageError, match="expected one of worldmodel or align"):
        look(trained, tmp_path, checkpoint=trained / "tokenizer")


def test_a_wrong_prompt_is_one_of_a_scene_that_looks_alike() -> None:
    first = torch.tensor([0.0, 0.1, 5.0, 5.1])[:, None, None, None].expand(4, 2, 1, 1)
    assert other_prompts(["a", "b", "c", "d"], first) == ["b", "a", "d", "c"]
    assert other_prompts(["a", "a", "c", "a"], first) == ["c", "c", "a", "c"]
    with pytest.raises(UsageError, match="have the prompt 'a'"):
        other_prompts(["a", "a"], first[:2])


def test_film_strips_show_different_clips_first() -> None:
    assert different(["a", "a", "b", "a", "c"], 3) == [0, 2, 4]
    assert different(["a", "a", "b"], 3) == [0, 1, 2]
