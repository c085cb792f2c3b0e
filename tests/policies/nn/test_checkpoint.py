"""Checkpoints and averages: what is saved is loaded, what does not fit is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="checkpoints hold torch tensors")

from torch import nn  # noqa: E402

from wambench.errors import UsageError  # noqa: E402
from wambench_policies.nn.checkpoint import Checkpoint  # noqa: E402
from wambench_policies.nn.config import Config  # noqa: E402
from wambench_policies.nn.ema import Ema  # noqa: E402
from wambench_policies.nn.normalise import Normalisation  # noqa: E402


class Size(Config):
    width: int = 4


NORMALISATION = Normalisation(
    embodiments={}, cameras=("front",), recorded_size=(8, 8), image_size=(8, 8), backends=("e",)
)


def checkpoint(folder: Path, width: int = 4) -> Checkpoint:
    return Checkpoint(
        folder, "toy", "only", "tiny", {}, Size(width=width).to_json(), NORMALISATION, step=3
    )


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    model = nn.Linear(3, 4)
    checkpoint(tmp_path / "c").save(model, "card")
    found = Checkpoint.open(tmp_path / "c", method="toy", stage="only")
    other = nn.Linear(3, 4)
    found.load_into(other)
    assert torch.equal(model.weight, other.weight)
    assert found == checkpoint(tmp_path / "c")
    assert found.configuration(Size) == Size()
    assert (tmp_path / "c" / "README.md").read_text() == "card"
    assert not list((tmp_path / "c").glob(".*")), "nothing is left beside"


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.Linear(3, 5), r"another shape of bias \(4, expected 5\), weight \(4x3, expected 5x3\)"),
        (nn.Linear(3, 4, bias=False), "has in addition bias"),
        (nn.Sequential(nn.Linear(3, 4)), r"lacks 0\.bias, 0\.weight; it has in addition bias"),
    ],
)
def test_another_model_is_refused_by_name(tmp_path: Path, model: nn.Module, message: str) -> None:
    checkpoint(tmp_path).save(nn.Linear(3, 4), "")
    with pytest.raises(UsageError, match=message):
        Checkpoint.open(tmp_path).load_into(model)


def test_another_method_or_stage_is_refused(tmp_path: Path) -> None:
    checkpoint(tmp_path).save(nn.Linear(3, 4), "")
    with pytest.raises(UsageError, match="of method toy, expected lawam"):
        Checkpoint.open(tmp_path, method="lawam")
    with pytest.raises(UsageError, match="of stage only, expected policy"):
        Checkpoint.open(tmp_path, stage="policy")


def test_weights_of_another_configuration_are_refused(tmp_path: Path) -> None:
    """As after a power cut between the two files, or an edit by hand."""
    checkpoint(tmp_path).save(nn.Linear(3, 4), "")
    text = (tmp_path / "config.json").read_text()
    (tmp_path / "config.json").write_text(text.replace('"width": 4', '"width": 8'))
    with pytest.raises(UsageError, match="do not belong together"):
        Checkpoint.open(tmp_path)


def test_what_is_no_checkpoint_says_what_one_is(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no checkpoint: it has no config\.json"):
        Checkpoint.open(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"type": "act"}))
    with pytest.raises(UsageError, match=r"incomplete: it has no normalisation\.json"):
        Checkpoint.open(tmp_path)
    NORMALISATION.save(tmp_path / "normalisation.json")
    (tmp_path / "model.safetensors").write_bytes(b"12345678")
    with pytest.raises(UsageError, match="not the configuration of a wambench checkpoint"):
        Checkpoint.open(tmp_path)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    checkpoint(tmp_path).save(nn.Linear(3, 4), "")
    file = tmp_path / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(UsageError, match="cannot be read"):
        Checkpoint.open(tmp_path)


def test_a_backbone_from_elsewhere_stays_out(tmp_path: Path) -> None:
    class WithBackbone(nn.Module):
        external_prefixes = ("backbone.",)

        def __init__(self) -> None:
            super().__init__()
            self.backbone, self.head = nn.Linear(9, 9), nn.Linear(2, 2)

    model, other = WithBackbone(), WithBackbone()
    checkpoint(tmp_path).save(model, "")
    found = Checkpoint.open(tmp_path)
    assert set(found.tensors()) == {"head.weight", "head.bias"}
    kept = other.backbone.weight.clone()
    found.load_into(other)
    assert torch.equal(other.head.weight, model.head.weight)
    assert torch.equal(other.backbone.weight, kept)


def test_an_average_follows_the_weights_and_leaves_them_alone() -> None:
    model = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(0.0)
    ema = Ema(model, 0.5)
    with torch.no_grad():
        model.weight.fill_(1.0)
    expected = 0.0
    for update in range(20):
        decay = min(0.5, (1 + update) / (10 + update))
        expected = decay * expected + (1 - decay)
        ema.update(model)
    with ema.applied(model):
        assert model.weight.item() == pytest.approx(expected, abs=1e-6)
    assert model.weight.item() == 1


def test_frozen_parameters_are_not_averaged() -> None:
    model = nn.Linear(2, 2)
    model.bias.requires_grad_(False)
    assert set(Ema(model, 0.9).average) == {"weight"}
