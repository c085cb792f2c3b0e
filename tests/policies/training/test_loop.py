"""The training loop: repeatable, resumable, and refusing what it cannot do."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

from torch import nn  # noqa: E402

from toy_trainer import ToyTrainer  # noqa: E402
from training_support import write_demos  # noqa: E402
from wambench.errors import DataError, TrainingError, UsageError  # noqa: E402
from wambench.trainer import Trainer, TrainRequest, TrainResult  # noqa: E402
from wambench_policies.nn.checkpoint import Checkpoint  # noqa: E402
from wambench_policies.training.config import LoopConfig  # noqa: E402
from wambench_policies.training.log import Log  # noqa: E402
from wambench_policies.training.optimiser import build_optimiser  # noqa: E402
from wambench_policies.training.state import load_progress  # noqa: E402


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAMBENCH_CACHE", str(tmp_path / "cache"))
    torch.set_num_threads(1)


@pytest.fixture
def demos(tmp_path: Path) -> str:
    return str(write_demos(tmp_path / "demos", tasks=2, demos=3))


def request(demos: str, out: Path, **changes: object) -> TrainRequest:
    base = TrainRequest(
        stage="policy",
        preset="tiny",
        data=(demos,),
        out=out,
        device="cpu",
        command="wambench train",
    )
    return replace(base, **changes)


def train(demos: str, out: Path, **changes: object) -> TrainResult:
    return ToyTrainer().train(request(demos, out, **changes))


def curve(out: Path, split: str = "train") -> list[list[str]]:
    """Rows of a log without the times."""
    lines = (out / "log" / f"{split}.csv").read_text().splitlines()
    rows = [line.split(",") for line in lines]
    seconds = rows[0].index("seconds")
    return [row[:seconds] + row[seconds + 1 :] for row in rows]


def weights(out: Path) -> bytes:
    return (out / "model.safetensors").read_bytes()


# ---- repeatable ----------------------------------------------------------------------------------


def test_a_seed_gives_a_bit_identical_loss_curve_of_20_steps(demos: str, tmp_path: Path) -> None:
    every = {"training.log_every": "1"}
    for name in ("a", "b"):
        assert train(demos, tmp_path / name, overrides=every).stopped == "finished"
    assert len(curve(tmp_path / "a")) == 1 + 20
    assert curve(tmp_path / "a") == curve(tmp_path / "b")
    assert curve(tmp_path / "a", "validation") == curve(tmp_path / "b", "validation")
    assert weights(tmp_path / "a") == weights(tmp_path / "b")
    train(demos, tmp_path / "c", overrides=every, seed=1)
    assert curve(tmp_path / "a") != curve(tmp_path / "c")


def test_threads_that_read_ahead_change_nothing(demos: str, tmp_path: Path) -> None:
    for workers in ("0", "3"):
        train(demos, tmp_path / workers, overrides={"training.workers": workers})
    assert curve(tmp_path / "0") == curve(tmp_path / "3")


def test_the_loss_falls_and_the_average_is_what_is_saved(demos: str, tmp_path: Path) -> None:
    result = train(demos, tmp_path / "a", steps=60)
    losses = [float(row[1]) for row in curve(tmp_path / "a")[1:]]
    assert losses[-1] < losses[0]
    assert result.losses["train/loss"] == losses[-1]
    from safetensors.torch import load_file

    state = load_file(tmp_path / "a" / "training" / "state.safetensors")
    saved = Checkpoint.open(tmp_path / "a", method="toy", stage="policy").tensors()
    for name in ("net.0.weight", "net.4.bias"):
        assert torch.equal(saved[name], state[f"average/{name}"])
        assert not torch.equal(saved[name], state[f"weights/{name}"])


# ---- resumable -----------------------------------------------------------------------------------


@pytest.mark.parametrize("stop", [4, 7, 13])
def test_a_resumed_training_equals_an_uninterrupted_one(
    demos: str, tmp_path: Path, stop: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped between rows of the log, between validations, and exactly at a checkpoint."""
    from wambench_policies.training.loop import Loop

    train(demos, tmp_path / "whole")
    steps = iter(range(1, 100))
    real = Loop._stop
    monkeypatch.setattr(
        Loop,
        "_stop",
        lambda self, *a: "interrupted" if next(steps) == stop else real(self, *a),
    )
    first = train(demos, tmp_path / "parts")
    assert (first.stopped, first.step) == ("interrupted", stop)
    assert load_progress(tmp_path / "parts").step == stop
    second = train(demos, tmp_path / "parts", resume=True)
    assert (second.stopped, second.step) == ("finished", 20)
    for split in ("train", "validation"):
        assert curve(tmp_path / "whole", split) == curve(tmp_path / "parts", split)
    assert weights(tmp_path / "whole") == weights(tmp_path / "parts")


def test_a_finished_training_has_nothing_to_go_on_with(demos: str, tmp_path: Path) -> None:
    train(demos, tmp_path / "a")
    before = weights(tmp_path / "a")
    assert train(demos, tmp_path / "a", resume=True).step == 20
    assert weights(tmp_path / "a") == before


def test_the_time_limit_saves_and_stops(demos: str, tmp_path: Path) -> None:
    result = train(demos, tmp_path / "a", max_minutes=0.0)
    assert (result.stopped, result.step) == ("budget", 1)
    assert Checkpoint.open(tmp_path / "a").step == 1
    assert train(demos, tmp_path / "a", resume=True).step == 20


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"overrides": {"model.width": "16"}}, r"model\.width was 8 and is 16"),
        ({"steps": 30}, r"training\.steps was 20 and is 30"),
        ({"stage": "pupil"}, "is a training of toy policy, not of toy pupil"),
    ],
)
def test_another_training_cannot_be_gone_on_with(
    demos: str, tmp_path: Path, changes: dict, message: str
) -> None:
    train(demos, tmp_path / "a", max_minutes=0.0)
    with pytest.raises(TrainingError, match=message):
        train(demos, tmp_path / "a", resume=True, **changes)


def test_other_data_cannot_be_gone_on_with(demos: str, tmp_path: Path) -> None:
    train(demos, tmp_path / "a", max_minutes=0.0)
    other = str(write_demos(tmp_path / "other", seed=1))
    with pytest.raises(TrainingError, match=r"other demonstrations.*same data \(demos\)"):
        train(other, tmp_path / "a", resume=True)


def test_a_training_that_was_killed_before_it_saved_begins_anew(demos: str, tmp_path: Path) -> None:
    train(demos, tmp_path / "whole")
    out = tmp_path / "a"
    train(demos, out, max_minutes=0.0)
    for file in [*out.glob("training/*.safetensors"), out / "config.json"]:
        file.unlink()
    notes: list[str] = []
    train(demos, out, resume=True, note=notes.append)
    assert "begins anew" in " ".join(notes)
    whole, again = Checkpoint.open(tmp_path / "whole"), Checkpoint.open(out)
    assert torch.equal(whole.tensors()["net.0.weight"], again.tensors()["net.0.weight"])


def test_there_must_be_a_training_to_go_on_with(demos: str, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no training to go on with"):
        train(demos, tmp_path / "a", resume=True)


def test_a_training_is_not_overwritten(demos: str, tmp_path: Path) -> None:
    train(demos, tmp_path / "a", max_minutes=0.0)
    with pytest.raises(UsageError, match=r"holds a training already.*--resume"):
        train(demos, tmp_path / "a")


def test_two_processes_do_not_train_in_one_folder(demos: str, tmp_path: Path) -> None:
    train(demos, tmp_path / "whole")
    out = tmp_path / "a"
    train(demos, out, max_minutes=0.0)
    before = {file: file.read_bytes() for file in out.rglob("*") if file.is_file()}
    other = Log(out, load_progress(out).step)
    with pytest.raises(UsageError, match="Another process is training in"):
        train(demos, out, resume=True)
    assert {file: file.read_bytes() for file in before} == before
    other.close()
    train(demos, out, resume=True)
    assert curve(out) == curve(tmp_path / "whole")


# ---- starting from another checkpoint ------------------------------------------------------------


def test_a_training_can_start_from_a_checkpoint(demos: str, tmp_path: Path) -> None:
    """Its weights and its normalisation are taken over."""
    train(demos, tmp_path / "a")
    other = str(write_demos(tmp_path / "other", seed=1))
    nothing = {"training.learning_rate": "1e-30", "training.ema": "none"}
    train(other, tmp_path / "b", init=tmp_path / "a", overrides=nothing, steps=1)
    first, second = Checkpoint.open(tmp_path / "a"), Checkpoint.open(tmp_path / "b")
    assert torch.equal(first.tensors()["net.0.weight"], second.tensors()["net.0.weight"])
    assert first.normalisation == second.normalisation
    fresh = tmp_path / "c"
    train(other, fresh, overrides=nothing, steps=1)
    assert Checkpoint.open(fresh).normalisation != first.normalisation


def test_a_checkpoint_of_another_size_cannot_be_started_from(demos: str, tmp_path: Path) -> None:
    train(demos, tmp_path / "a", steps=1)
    with pytest.raises(UsageError, match=r"another shape of net\.0\.bias"):
        train(demos, tmp_path / "b", init=tmp_path / "a", overrides={"model.width": "16"})


# ---- what goes wrong -----------------------------------------------------------------------------


def test_a_loss_that_is_not_finite_names_step_and_windows(demos: str, tmp_path: Path) -> None:
    with pytest.raises(
        TrainingError,
        match=r"loss is nan at step 5, on the windows: task_\d_demo\.hdf5:demo_\d row",
    ):
        train(demos, tmp_path / "a", overrides={"model.poison": "5"})
    train(demos, tmp_path / "b")  # the next training in this process is not affected


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"preset": "tini"}, UsageError, r"no preset 'tini'.*tiny"),
        ({"overrides": {"model.widht": "4"}}, UsageError, r"no key 'model\.widht'.*model\.width"),
        ({"overrides": {"training.precision": "fp8"}}, UsageError, "'fp32' or 'bf16'"),
        ({"steps": 3, "overrides": {"training.steps": "4"}}, UsageError, "training.steps is given"),
        ({"overrides": {"training.accumulation": "3"}}, UsageError, "no multiple of accumulation"),
        ({"overrides": {"data.control_hz": "15"}}, DataError, "cannot be read at 15"),
    ],
)
def test_a_wrong_request_is_refused(
    demos: str, tmp_path: Path, changes: dict, error: type, message: str
) -> None:
    with pytest.raises(error, match=message):
        train(demos, tmp_path / "a", **changes)
    assert not (tmp_path / "a").exists()


def test_accumulation_changes_what_is_computed_at_once_and_little_else(
    demos: str, tmp_path: Path
) -> None:
    """Micro-batches of equal numbers of actions average to the whole batch."""
    config = {"model.dropout": "0", "training.log_every": "1"}
    train(demos, tmp_path / "a", overrides=config, steps=1)
    train(demos, tmp_path / "b", overrides=config | {"training.accumulation": "2"}, steps=1)
    one, two = (float(curve(tmp_path / name)[1][1]) for name in ("a", "b"))
    assert one == pytest.approx(two, rel=0.2)


def test_bf16_trains(demos: str, tmp_path: Path) -> None:
    assert train(demos, tmp_path / "a", overrides={"training.precision": "bf16"}).step == 20


# ---- what is left behind -------------------------------------------------------------------------


def test_the_card_and_the_record_say_how_it_was_made(demos: str, tmp_path: Path) -> None:
    train(demos, tmp_path / "a", command="wambench train toy --out a")
    card = (tmp_path / "a" / "README.md").read_text()
    record = json.loads((tmp_path / "a" / "training" / "run.json").read_text())
    for expected in (
        "wambench train toy --out a",
        record["data"]["identity"],
        "20 of 20 steps",
        "| net | 135 | 0 |",
        "validation/loss",
        "| gripper | levels | -1 | 1 | -1, 1 |",
        "## Licence",
    ):
        assert expected in card
    assert record["config"]["training"]["steps"] == 20
    assert record["commit"]


def test_the_logs_are_for_tensorboard_too(demos: str, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="TensorBoard is optional")
    train(demos, tmp_path / "a")
    assert list((tmp_path / "a" / "log").glob("events.*"))


def test_a_trainer_is_one_by_its_members() -> None:
    assert isinstance(ToyTrainer(), Trainer)


# ---- optimiser and schedule ----------------------------------------------------------------------


def test_the_rate_rises_falls_and_ends_where_it_should() -> None:
    config = LoopConfig(steps=100, warmup=10, learning_rate=1.0, final_learning_rate=0.1)
    rates = [config.rate(step) for step in range(100)]
    assert rates[:10] == pytest.approx([(i + 1) / 10 for i in range(10)])
    assert rates[9] == rates[10] == 1
    assert all(a >= b for a, b in pairwise(rates[10:]))
    assert rates[-1] == pytest.approx(0.1)
    assert rates[10 + 89 // 2] == pytest.approx(0.55, abs=0.01)


class Grouped(nn.Module):
    def __init__(self, groups: object) -> None:
        super().__init__()
        self.linear, self.norm = nn.Linear(2, 2), nn.LayerNorm(2)
        self.groups = groups

    def parameter_groups(self) -> list[dict]:
        return self.groups(self)


def group(parameters: list, **more: object) -> dict:
    return {"name": "g", "params": parameters, "lr_scale": 0.5, "weight_decay": 0.1} | more


def test_biases_and_norms_are_not_decayed() -> None:
    model = Grouped(lambda m: [group(list(m.parameters()))])
    groups = build_optimiser(model, LoopConfig()).param_groups
    decays = {id(p): g["weight_decay"] for g in groups for p in g["params"]}
    assert decays[id(model.linear.weight)] == 0.1
    for parameter in (model.linear.bias, model.norm.weight, model.norm.bias):
        assert decays[id(parameter)] == 0


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (lambda m: [group(list(m.linear.parameters()))], "2 trainable parameters.*norm.weight"),
        (lambda m: [group(list(m.parameters())), group([m.norm.bias])], "in two groups"),
        (lambda m: [group([nn.Parameter(torch.zeros(1))])], "frozen or not its own"),
    ],
)
def test_wrong_groups_are_refused(groups: object, message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        build_optimiser(Grouped(groups), LoopConfig())
