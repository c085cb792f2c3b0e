"""Presets of the imitation baselines, and that they are a fair comparison with LaWAM."""

from __future__ import annotations

import subprocess
import sys

import pytest

torch = pytest.importorskip("torch", reason="learned policies need torch")

from wambench.errors import UsageError  # noqa: E402
from wambench_policies.data.config import SelectionConfig  # noqa: E402
from wambench_policies.imitation.act import ACT  # noqa: E402
from wambench_policies.imitation.flow_bc import FlowBC  # noqa: E402
from wambench_policies.imitation.runs import ACTRun, FlowBCRun  # noqa: E402
from wambench_policies.imitation.train import ACTTrainer, FlowBCTrainer  # noqa: E402
from wambench_policies.lawam.model import LaWAM  # noqa: E402
from wambench_policies.lawam.runs import LaWAMRun  # noqa: E402

KINDS = [FlowBCRun, ACTRun]


def trained(module: torch.nn.Module) -> dict[str, int]:
    """Child module to its number of trained parameters."""
    return {
        name: sum(p.numel() for p in child.parameters() if p.requires_grad)
        for name, child in module.named_children()
    }


@pytest.mark.parametrize("kind", KINDS)
def test_presets_survive_json_and_are_those_of_the_trainer(kind):
    trainer = {FlowBCRun: FlowBCTrainer, ACTRun: ACTTrainer}[kind]
    assert [list(stage.presets) for stage in trainer.stages] == [kind.preset_names()]
    assert kind.preset_names() == ["base", "base_tiny_encoder", "tiny"]
    for name in kind.preset_names():
        assert kind.from_json(kind.from_preset(name).to_json()) == kind.from_preset(name)


@pytest.mark.parametrize("kind", KINDS)
def test_tiny_has_the_eyes_language_horizon_and_budget_of_lawam(kind):
    ours, lawam = kind.tiny(), LaWAMRun.tiny()
    assert ours.encoder == lawam.lawm.encoder
    for name in (
        *("backbone", "cameras", "tau", "rounding", "chunk", "proprio", "state_dim"),
        *("lr_scale_backbone", "weight_decay", "training", "data", "execute_s"),
    ):
        assert getattr(ours, name) == getattr(lawam, name), name
    selection = SelectionConfig(train_init="0-39")
    assert ours.windows(selection) == lawam.windows(selection)


def test_the_flow_without_a_world_model_has_lawams_expert_and_its_settings():
    ours, lawam = FlowBCRun.tiny(), LaWAMRun.tiny()
    for name in ("expert", "denoise_steps", "noise_draws"):
        assert getattr(ours, name) == getattr(lawam, name), name


def test_trained_parameters_are_those_of_lawam_without_its_world_model():
    with torch.device("meta"):
        lawam = trained(LaWAM(LaWAMRun.tiny()))
        flow_bc = trained(FlowBC(FlowBCRun.tiny()))
        act = trained(ACT(ACTRun.tiny()))
    assert flow_bc == {name: lawam[name] for name in ("encoder", "backbone", "expert")}
    assert sum(flow_bc.values()) / (sum(lawam.values()) - lawam["world"]) > 0.99
    assert act["backbone"] == flow_bc["backbone"]
    assert act["decoder"] == pytest.approx(flow_bc["expert"], rel=0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_base_has_a_conventional_size(kind):
    model = {FlowBCRun: FlowBC, ACTRun: ACT}[kind]
    with torch.device("meta"):
        small_eyes, large_eyes = (
            sum(trained(model(kind.from_preset(name))).values())
            for name in ("base_tiny_encoder", "base")
        )
    assert 70e6 < small_eyes < large_eyes < 100e6


def test_the_decoder_of_base_has_the_sizes_of_act():
    """Table III of its paper."""
    base = ACTRun.base().decoder
    assert (base.dim, base.layers, base.heads, base.hidden) == (512, 7, 8, 3200)
    assert (base.posterior_layers, base.dropout, ACTRun.base().beta) == (4, 0.1, 10)


def test_wrong_presets_keys_and_values_are_errors_that_name_near_ones():
    with pytest.raises(UsageError, match="Did you mean base"):
        ACTRun.from_preset("bas")
    with pytest.raises(UsageError, match=r"Did you mean decoder\.layers"):
        ACTRun.tiny().with_overrides({"decoder.layer": "3"})
    with pytest.raises(UsageError, match=r"decoder\.heads \(3\) must divide decoder\.dim \(160\)"):
        ACTRun.tiny().with_overrides({"decoder.heads": "3"})
    with pytest.raises(UsageError, match=r"no key 'lawm\.dim'"):
        FlowBCRun.tiny().with_overrides({"lawm.dim": "3"})


def test_trainers_and_policies_are_known_without_torch():
    modules = "imitation.train imitation.policy lawam.train lawam.policy"
    code = "".join(f"import wambench_policies.{name}\n" for name in modules.split())
    code += "import sys\nprint('torch' in sys.modules)"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process.stdout.strip() == "False", process.stderr
