"""Post-training through the harness's workers, on a suite without a simulator."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="World2Act needs torch")
pytest.importorskip("wambench_example", reason="needs the plug-in in tests/example_plugin")

from safetensors.torch import load_file  # noqa: E402

from support import Run  # noqa: E402
from wambench.errors import TrainingError, UsageError, WambenchError  # noqa: E402
from wambench.evaluate import Execution, Request, start_run  # noqa: E402
from wambench.registry import load_suite  # noqa: E402
from wambench.results.provenance import checkpoint_digest  # noqa: E402
from wambench.trainer import TrainRequest, TrainResult  # noqa: E402
from wambench_policies.imitation.policy import FlowBCPolicy  # noqa: E402
from wambench_policies.nn.checkpoint import Checkpoint  # noqa: E402
from wambench_policies.nn.normalise import (  # noqa: E402
    ActionNormaliser,
    Embodiment,
    Normalisation,
    StateNormaliser,
)
from wambench_policies.world2act import policy as policies  # noqa: E402
from wambench_policies.world2act.align.config import AlignRun  # noqa: E402
from wambench_policies.world2act.align.model import Alignment  # noqa: E402
from wambench_policies.world2act.config import CosmosTokenizerConfig  # noqa: E402
from wambench_policies.world2act.posttrain import imagination  # noqa: E402
from wambench_policies.world2act.posttrain import train as posttraining  # noqa: E402
from wambench_policies.world2act.posttrain.config import PosttrainRun  # noqa: E402
from wambench_policies.world2act.posttrain.imagination import Imagination  # noqa: E402
from wambench_policies.world2act.posttrain.learning import Objective  # noqa: E402
from wambench_policies.world2act.posttrain.residual import Residual  # noqa: E402
from wambench_policies.world2act.runs import WorldModelRun  # noqa: E402
from wambench_policies.world2act.train import World2ActTrainer  # noqa: E402
from wambench_policies.world2act.world import VideoWorld  # noqa: E402
from world2act_support import small_config, small_model  # noqa: E402

POINT = Normalisation(
    embodiments={
        "point": Embodiment(
            id=2,
            action=ActionNormaliser(
                names=("vx", "vy"),
                kinds=("range",) * 2,
                low=(-1.0,) * 2,
                high=(1.0,) * 2,
                levels=((),) * 2,
            ),
            state=StateNormaliser(names=("x", "y"), mean=(0.0,) * 2, std=(1.0,) * 2),
            control_hz=(10.0,),
        )
    },
    cameras=("top",),
    recorded_size=(32, 32),
    image_size=(16, 16),
    backends=("embedded",),
)
SETTINGS = {"trajectories": "9", "group": "3", "groups": "2", "epochs": "2", "image_size": "36"}
SETTINGS |= {"still": "0"}
ROUND = 2 * 3 * 12
"""Simulator steps of a round: 3 latents of 4 steps each."""

DRIFT = '''
import numpy as np
from wambench.protocol import Needs, Policy


class Drift(Policy):
    """Hardly moves, so that episodes are as long as they may be."""

    needs = Needs(("top",), (32, 32))

    def __init__(self, spec, execute=8, pace=0.1):
        self.horizon, self.execute, self.pace = 8, execute, pace

    def act(self, batch):
        return np.stack([self.pace * seen.rng.standard_normal((8, 2)) for seen in batch])
'''
"""A base that looks at pictures without seeing anything."""

POLICY = f"{policies.__file__}:world2act"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`world` and `align` of random weights, and `w2a`, trained for two rounds."""
    folder = tmp_path_factory.mktemp("posttrained")
    (folder / "drift.py").write_text(DRIFT)
    # A skill world would have to split "reach target 0", whose verb the rules do not know.
    changes = {"wm": "base", "cameras": "top"}
    world = WorldModelRun(**dict(small_config(**changes)))
    save("worldmodel", world, small_model(**changes), folder / "world")
    sha = checkpoint_digest(folder / "world")
    align = AlignRun(
        world=str(folder / "world"), world_sha256=sha, world_model=world.model_part(), dim=8
    )
    torch.manual_seed(0)
    save("align", align, Alignment(align, width=2), folder / "align")
    train(folder, folder / "w2a")
    return folder


def save(
    stage: str, config: Any, module: Any, folder: Path, normalisation: Normalisation = POINT
) -> None:
    Checkpoint(
        folder=folder,
        method="world2act",
        stage=stage,
        preset="tiny",
        overrides={},
        config=config.to_json(),
        normalisation=normalisation,
        step=0,
    ).save(module, "")


def train(folder: Path, out: Path, steps: int = 2 * ROUND, **options: Any) -> TrainResult:
    given = {
        "base": f"{folder}/drift.py:Drift",
        "align": str(folder / "align"),
        "suite": "example_reach",
        "tasks": "1-2",
        "workers": "2",
    }
    request = TrainRequest(
        stage="posttrain",
        preset="tiny",
        data=(),
        out=out,
        inputs=given | options.pop("inputs", {}),
        overrides=SETTINGS | options.pop("overrides", {}),
        steps=steps,
        device="cpu",
        **options,
    )
    return World2ActTrainer().train(request)


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "log" / "train.csv").open(newline="") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def state(out: Path) -> dict[str, Any]:
    return load_file(out / "training" / "state.safetensors")


def test_a_training_counts_simulator_steps_and_says_what_it_did(made: Path) -> None:
    found = rows(made / "w2a")
    assert [row["rounds"] for row in found] == ["1.0", "2.0"]
    assert [float(row["updates"]) for row in found] == [4, 8]
    # Episodes end with what is imagined, 12 of the task's 40 steps.
    assert [int(row["step"]) for row in found] == [ROUND, 2 * ROUND]
    # The first round is the base's own, and what is logged is from before it is learned of.
    assert found[0]["loss"] == found[0]["base_contrast"]
    assert float(found[0]["change"]) == 0
    assert float(found[1]["change"]) > 0
    record = json.loads((made / "w2a" / "training" / "run.json").read_text())
    assert record["simulator"]["numpy"]
    assert record["episodes"]["starts"] == 10
    assert "simulator steps" in (made / "w2a" / "README.md").read_text()
    assert all(key.startswith("codes/example_reach/") for key in imagined(made / "w2a", "codes"))


def test_a_group_of_one_task_has_its_starts_alone_and_one_of_any_those_of_all(
    made: Path, tmp_path: Path
) -> None:
    # Two tasks have five starts each.
    with pytest.raises(UsageError, match="a group has 10 episodes of one"):
        train(made, tmp_path / "task", overrides={"group": "10", "negatives": "task"})
    wide = {"group": "10", "groups": "1", "negatives": "any"}
    train(made, tmp_path / "any", steps=1, overrides=wide)
    (row,) = rows(tmp_path / "any")
    assert float(row["chance"]) == pytest.approx(1 / 10)
    assert len(imagined(tmp_path / "any", "codes")) == 10


def test_by_place_every_chunk_counts_and_by_time_those_that_are_imagined(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths: list[int] = []
    loss = Objective.loss

    def spied(self: Objective, group: Any) -> Any:
        lengths.extend(map(len, group))
        return loss(self, group)

    monkeypatch.setattr(Objective, "loss", spied)
    aligned = Checkpoint.open(made / "align").configuration(AlignRun)
    torch.manual_seed(0)
    two = aligned.model_copy(update={"moments": 2})
    save("align", two, Alignment(two, width=2), tmp_path / "align")
    given = {"align": str(tmp_path / "align")}
    by_time, by_place = {"pairing": "time"}, {"pairing": "place"}
    train(made, tmp_path / "time", steps=1, inputs=given, overrides=by_time)
    assert set(lengths) == {2}, "three latents have two chunks between them"
    monkeypatch.setattr(Imagination, "length", lambda self, instruction: 6)
    lengths.clear()
    train(made, tmp_path / "place", steps=1, inputs=given, overrides=by_place)
    assert set(lengths) == {6}
    lengths.clear()
    train(made, tmp_path / "late", steps=1, inputs=given, overrides=by_time)
    assert set(lengths) == {2}


def test_places_are_not_looked_for_where_a_latent_is_more_than_a_moment(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aligned = Checkpoint.open(made / "align").configuration(AlignRun)
    world = aligned.world_model.model_copy(update={"tokenizer": CosmosTokenizerConfig()})
    torch.manual_seed(0)
    cosmos = aligned.model_copy(update={"world_model": world})
    save("align", cosmos, Alignment(cosmos, width=2), tmp_path / "align")
    tiny = VideoWorld.load(str(made / "world"), device="cpu")
    monkeypatch.setattr(posttraining, "world_of", lambda *_: tiny)
    given = {"align": str(tmp_path / "align")}
    with pytest.raises(UsageError, match="those of the cosmos tokenizer are of several"):
        train(made, tmp_path / "out", inputs=given, overrides={"pairing": "place"})


def test_latents_of_videos_are_kept_where_places_are_looked_for_in_them_alone(
    made: Path, tmp_path: Path
) -> None:
    for pairing, kept in (("time", 0), ("place", 3)):
        train(made, tmp_path / pairing, steps=1, overrides={"pairing": pairing})
        places = imagined(tmp_path / pairing, "places").values()
        assert {tensor.shape[1] for tensor in places} == {kept}
        codes = imagined(tmp_path / pairing, "codes").values()
        assert {tuple(tensor.shape) for tensor in codes} == {(3, 8)}


def imagined(out: Path, part: str) -> dict[str, Any]:
    """The codes or the latents that are kept of videos, by "part/episode"."""
    found = load_file(out / "training" / "imagined.safetensors")
    return {name: tensor for name, tensor in found.items() if name.startswith(f"{part}/")}


@pytest.mark.parametrize(("at", "whole_rounds"), [(3, 0), (9, 1)])
def test_a_killed_round_is_repeated_as_if_it_had_not_been_killed(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int, whole_rounds: int
) -> None:
    calls, loss = iter(range(100)), Objective.loss

    def killed(self: Objective, *given: Any) -> Any:
        if next(calls) == at:  # in a round that has learned a little already
            raise MemoryError
        return loss(self, *given)

    with monkeypatch.context() as patch:
        patch.setattr(Objective, "loss", killed)
        with pytest.raises(MemoryError):
            train(made, tmp_path / "parts")
    log = tmp_path / "parts" / "log" / "train.csv"
    assert len(rows(tmp_path / "parts") if log.exists() else []) == whole_rounds
    # With another number of workers, too.
    result = train(made, tmp_path / "parts", resume=True, inputs={"workers": "1"})
    assert result.stopped == "finished"
    assert rows(tmp_path / "parts") == rows(made / "w2a")
    whole, parts = state(made / "w2a"), state(tmp_path / "parts")
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    videos = imagined(made / "w2a", "codes"), imagined(tmp_path / "parts", "codes")
    assert videos[0].keys() == videos[1].keys()
    again = train(made, tmp_path / "parts", resume=True)
    assert (again.stopped, len(rows(tmp_path / "parts"))) == ("finished", 2)


def evaluated(
    policy: str, out: Path, suite: str = "example_reach", **arguments: Any
) -> list[dict[str, Any]]:
    request = Request(
        policy=policy,
        suite=suite,
        out=out,
        backend="embedded",
        policy_arguments=arguments,
        trials=2,
        seed=5,
        tasks=[1],
    )
    run = start_run(request, Execution(workers=2))
    return [record.comparable() for _, record in sorted(run.records().items())]


def test_a_residual_that_has_not_learned_changes_no_episode(made: Path, tmp_path: Path) -> None:
    trained = Checkpoint.open(made / "w2a")
    config = trained.configuration(PosttrainRun)
    point = POINT.embodiments["point"]
    save("posttrain", config, Residual(config, point.action, 2), tmp_path / "new")
    base = evaluated(f"{made}/drift.py:Drift", tmp_path / "base")
    ours = evaluated(POLICY, tmp_path / "ours", checkpoint=str(tmp_path / "new"))
    assert ours == base


@pytest.mark.slow
def test_a_residual_that_has_not_learned_changes_nothing_of_a_learned_policy_either(
    tmp_path: Path,
) -> None:
    shipped = Checkpoint.open(FlowBCPolicy.shipped)
    config = PosttrainRun.tiny().model_copy(
        update={
            "base": "flow_bc",
            "base_sha256": checkpoint_digest(FlowBCPolicy.shipped),
            "camera": "agentview",
        }
    )
    panda = shipped.normalisation.embodiments["panda"]
    network = Residual(config, panda.action, len(panda.state.mean))
    save("posttrain", config, network, tmp_path / "new", shipped.normalisation)
    base = evaluated("flow_bc", tmp_path / "base", "libero_object")
    given = {"checkpoint": str(tmp_path / "new")}
    assert evaluated(POLICY, tmp_path / "ours", "libero_object", **given) == base


@pytest.mark.slow
def test_a_policy_is_post_trained_with_the_shipped_world_model_where_no_other_is_given(
    tmp_path: Path,
) -> None:
    request = TrainRequest(
        stage="posttrain",
        preset="tiny",
        data=(),
        out=tmp_path / "w2a",
        inputs={"base": "flow_bc", "suite": "libero_goal", "backend": "embedded", "tasks": "7"},
        overrides={"trajectories": "2", "group": "2", "groups": "1", "epochs": "1"},
        steps=1,
        device="cpu",
    )
    assert World2ActTrainer().train(request).stopped == "finished"
    assert len(imagined(tmp_path / "w2a", "codes")) == 2
    given = {"checkpoint": str(tmp_path / "w2a")}
    (first, *_) = evaluated("world2act", tmp_path / "run", "libero_goal", **given)
    assert first["outcome"] in ("success", "failure")


def test_a_checkpoint_is_of_one_base(made: Path, tmp_path: Path) -> None:
    spec = load_suite("example_reach").spec
    assert policies.world2act(spec, str(made / "w2a")).execute == 4
    with pytest.raises(UsageError, match="No World2Act trained for example_reach is shipped"):
        policies.world2act(spec)
    with pytest.raises(UsageError, match="stage align, expected posttrain"):
        policies.world2act(spec, str(made / "align"))
    values = json.loads((made / "w2a" / "config.json").read_text())
    assert values["config"]["base"].endswith("drift.py:Drift")
    assert values["config"]["base_sha256"] == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"overrides": {"trajectories": "4", "negatives": "task"}}, "are 2 of each"),
        ({"overrides": {"suite": "libero_goal"}}, "--set suite is given by an option"),
        ({"inputs": {"tasks": "7"}}, "no task 7"),
        ({"inputs": {"base": "flow_bd"}}, "no policy named"),
        ({"inputs": {"base-args": "{"}}, "is no JSON object"),
        ({"inputs": {"base-args": '{"execute": 6}'}}, "executes 6 actions"),
        ({"inputs": {"suite": "libero_goal"}}, "has the embodiment panda|needs camera|no camera"),
        ({"inputs": {"workers": "none"}}, "no number of workers"),
        ({"batch_size": 3}, "no --batch-size"),
        ({"overrides": {"still": "1"}}, "beside a video that moves"),
    ],
)
def test_a_request_that_does_not_fit_is_refused(
    made: Path, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(WambenchError, match=message):
        train(made, tmp_path / "out", **options)


def test_videos_in_which_nothing_moves_are_spoken_of(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    calls, moving = iter(range(100)), imagination.moving

    def quiet(*given: Any, held: bool) -> Any:
        found = moving(*given, held=held)
        return found[:, :0] if next(calls) == 0 else found

    monkeypatch.setattr(imagination, "moving", quiet)
    wide = {"group": "10", "groups": "1", "negatives": "any"}
    train(made, tmp_path / "out", steps=1, overrides=wide, note=said.append)
    (line,) = [line for line in said if "nothing moves" in line]
    assert "In 1 of 10 new videos nothing moves, for example in that of example_reach/1/0" in line


def test_another_training_is_not_gone_on_with(made: Path) -> None:
    with pytest.raises(TrainingError, match="another configuration: base_args"):
        train(made, made / "w2a", resume=True, inputs={"base-args": '{"pace": 0.2}'})
    with pytest.raises(UsageError, match="holds a training already"):
        train(made, made / "w2a")


def test_the_command_line_knows_stages_that_take_no_demonstrations(wambench: Run) -> None:
    given = ("--base", "b", "--align", "a", "--suite", "s", "--data", "d", "--out", "o")
    found = wambench("train", "world2act", "--preset", "tiny", "--stage", "posttrain", *given)
    assert found.returncode == 2
    assert "learns in the environment, not from demonstrations" in found.stderr + found.stdout
