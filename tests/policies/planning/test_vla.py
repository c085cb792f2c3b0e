"""The VLA: `flow_bc` for BFA, its samples, and the baselines made of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from learned_support import SPEC, observation
from training_support import write_demos
from wambench.errors import UsageError
from wambench.trainer import TrainRequest
from wambench_policies.imitation.flow_bc import FlowBC
from wambench_policies.nn.flow import integrate
from wambench_policies.planning.policy import find_source
from wambench_policies.vla.config import VLARun
from wambench_policies.vla.policy import VLAPolicy
from wambench_policies.vla.train import PRESETS, VLATrainer


def test_presets_have_what_the_appendix_gives() -> None:
    assert set(PRESETS) <= set(VLARun.preset_names())
    assert VLATrainer.stages[0].presets == PRESETS
    for name in PRESETS:
        config = getattr(VLARun, name)()
        assert round(config.tau * 15) == {"paper": 100, "tiny": 30}[name]
        assert config.execute_s is None
        assert config.state_dim == 25
        assert config.proprio
        assert config.expert.action_dim >= 25
        assert config.backbone.layers == 3
        assert config.data.success_only
        with torch.device("meta"):
            assert sum(p.numel() for p in FlowBC(config).parameters()) > 1e6


def test_several_samples_of_a_flow_are_what_single_ones_are() -> None:
    config = VLARun.tiny().with_overrides(
        {"encoder.random": True, "cameras": ["head"], "expert.layers": 4, "tau": 1.0}
    )
    torch.manual_seed(0)
    model = FlowBC(config).eval()
    for parameter in model.expert.parameters():
        parameter.data += 0.02 * torch.randn_like(parameter)  # modulations begin at zero
    batch = {
        "images": torch.randint(0, 256, (1, 1, 128, 128, 3), dtype=torch.uint8),
        "state": torch.randn(1, 25),
        "control_hz": torch.tensor([15.0]),
        "embodiment": torch.ones(1, dtype=torch.long),
        "instruction": ["pick up the apple"],
    }
    noise = torch.randn(1, 4, 15, 25)
    together = model.predict(batch, noise)
    assert together.shape == noise.shape
    for k in range(4):
        alone = model.predict(batch, noise[:, k])
        torch.testing.assert_close(together[:, k], alone, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(together[:, 0], together[:, 1], atol=1e-3)
    assert torch.equal(integrate(lambda x, t: -x, noise, 1), torch.zeros_like(noise))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A very small VLA of LIBERO's robot, hardly trained."""
    folder = tmp_path_factory.mktemp("vla")
    sizes = {
        "cameras": "agentview",
        "tau": "0.5",
        "state_dim": "3",
        "encoder.random": "true",
        "encoder.image_size": "32",
        "encoder.widths": "8,8,8",
        "encoder.dim": "16",
        "backbone.dim": "32",
        "backbone.hidden": "64",
        "backbone.merge": "2",
        "expert.dim": "32",
        "expert.layers": "4",
        "training.cache_tokens": "false",
        "data.validation": "0",
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAMBENCH_CACHE", str(folder / "cache"))
        write_demos(folder / "data", size=(48, 48), length=24)
        request = TrainRequest(
            stage="policy",
            preset="tiny",
            data=(str(folder / "data"),),
            out=folder / "vla",
            overrides=sizes,
            steps=2,
            batch_size=4,
            device="cpu",
        )
        VLATrainer().train(request)
    return folder / "vla"


def test_a_trained_vla_executes_whole_chunks_and_answers_one_sample(checkpoint: Path) -> None:
    policy = VLAPolicy(SPEC, str(checkpoint))
    assert (policy.horizon, policy.execute, policy.needs.subgoals) == (10, 10, 0)
    chunk = policy.act([observation(1)])
    (sample,) = policy.samples(observation(1), 1)
    np.testing.assert_allclose(chunk[0], sample, atol=1e-5)
    assert policy.measure(observation(1)) == {}


def test_vla_mean_is_the_mean_of_samples_alone_and_in_a_batch(checkpoint: Path) -> None:
    policy = VLAPolicy(SPEC, str(checkpoint), select="mean", candidates=6)
    both = policy.act([observation(1), observation(2)])
    np.testing.assert_array_equal(both[0], policy.act([observation(1)])[0])
    samples = policy.samples(observation(1), 6)
    assert samples.shape == (6, 10, 7)
    assert samples.std(axis=0)[:, :3].min() > 0
    np.testing.assert_allclose(both[0], samples.mean(axis=0), atol=1e-6)


def test_a_vla_proposes_to_a_planner(checkpoint: Path) -> None:
    source = find_source(f"vla:{checkpoint}", SPEC)
    assert source.longest == 10
    found = source.propose(observation(1), 4, 5)
    samples = VLAPolicy(SPEC, str(checkpoint)).samples(observation(1), 4)[:, :5]
    low, high = np.float32(SPEC.action_low), np.float32(SPEC.action_high)
    np.testing.assert_allclose(found.actions, np.clip(samples, low, high), atol=1e-6)
    assert source.needs().cameras == ("agentview",)


def test_subgoals_are_measured_only_when_it_looks(checkpoint: Path) -> None:
    with pytest.raises(UsageError, match="it looks every 10 steps"):
        VLAPolicy(SPEC, str(checkpoint), subgoals=15)
    with pytest.raises(UsageError, match="measures nothing"):
        VLAPolicy(SPEC, str(checkpoint), encoder="somewhere")
    policy = VLAPolicy(SPEC, str(checkpoint), subgoals=20)
    assert policy.needs.subgoals == 20
    assert "tiny encoder" in policy.provenance["features"]


def test_options_that_mean_nothing_are_refused() -> None:
    with pytest.raises(UsageError, match="select=best"):
        VLAPolicy(SPEC, select="best")  # type: ignore[arg-type]
