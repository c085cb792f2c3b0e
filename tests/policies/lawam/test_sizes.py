"""The paper's sizes: parameters counted, and shapes through all modules, without any memory."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="learned policies need torch")
pytest.importorskip("transformers", reason="the paper's backbones need transformers")

from lawam_support import seeded  # noqa: E402
from wambench_policies.lawam.config import LaWAMConfig, LaWMConfig  # noqa: E402
from wambench_policies.lawam.lawm import LaWM, LaWMObjective  # noqa: E402
from wambench_policies.lawam.model import LaWAM, LaWAMObjective  # noqa: E402


def count(module) -> int:
    return sum(p.numel() for p in module.parameters())


class OneTokenAWord:
    """Stands in for the tokenizer, which is on the hub: lengths are what shapes depend on."""

    def encode(self, text: str, add_special_tokens: bool) -> list[int]:
        return [1] * len(text.split())


@pytest.fixture(scope="module")
def paper():
    with torch.device("meta"):
        model = LaWAM(LaWAMConfig.paper().with_overrides({"denoise_steps": "1"}))
    model.backbone.tokenizer = OneTokenAWord()
    return model


@pytest.fixture(scope="module")
def stage_one():
    with torch.device("meta"):
        return LaWM(LaWMConfig.paper())


def meta_batch(size: int = 2, steps: int = 50):
    def empty(*shape, dtype=torch.float32):
        return torch.empty(*shape, dtype=dtype, device="meta")

    return {
        "images": empty(size, 2, 256, 256, 3, dtype=torch.uint8),
        "future_image": empty(size, 256, 256, 3, dtype=torch.uint8),
        "state": empty(size, 8),
        "future_state": empty(size, 8),
        "actions": empty(size, steps, 7),
        "action_mask": empty(size, steps, dtype=torch.bool),
        "control_hz": empty(size),
        "embodiment": empty(size, dtype=torch.long),
        "instruction": ["open the drawer", "put the mug on the plate"],
    }


def test_the_world_model_has_230_million_parameters_with_12_layers(stage_one):
    assert count(stage_one.world) == 228_286_720
    with torch.device("meta"):
        deeper = LaWM(LaWMConfig.paper().with_overrides({"dec_layers": "24"}))
    assert count(deeper.world) == 454_963_456


def test_the_inverse_dynamics_encoder_has_309_4_million_parameters(stage_one):
    assert count(stage_one.idm) == pytest.approx(309.4e6, rel=2e-4)


def test_the_query_aggregation_has_145920_parameters(paper):
    assert count(paper.aggregation) == 145_920


def test_the_action_expert_has_306_4_million_parameters_with_the_releases_unused_ones(paper):
    unused = 256 * 768  # embeddings for classifier-free guidance, which the release has off
    assert count(paper.expert) == 306_209_024
    assert count(paper.expert) + unused == pytest.approx(306.4e6, rel=1e-4)


def test_the_language_model_is_the_first_16_layers_of_qwen3_vl_2b(paper):
    language = paper.backbone.model.language_model
    assert len(language.layers) == 16
    assert count(language.layers) == 805_376_000
    assert count(language.embed_tokens) == 311_164_928


def test_the_visual_encoder_is_a_vit_b(paper):
    assert count(paper.encoder) == pytest.approx(86e6, rel=0.01)


def test_the_policy_of_the_paper_imagines_a_subgoal_and_gives_actions(paper):
    batch = meta_batch()
    imagined = paper.imagine(batch)
    assert imagined.u.shape == imagined.subgoal.shape == (2, 256, 768)
    assert imagined.latent.shape == (2, 32)
    # 2 x 64 visual tokens with 2 around each image, 6 + 6 words, 16 queries.
    assert imagined.language.hidden.shape == (2, 160, 2048)
    noise = torch.empty(2, 50, 7, device="meta")
    assert paper.predict(batch, noise).shape == (2, 50, 7)


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["paper", "release"])
def test_losses_of_both_stages_go_through_at_full_size(preset):
    with torch.device("meta"):
        first = LaWMObjective(LaWMConfig.from_preset(preset).with_overrides({"augment": "false"}))
        second = LaWAMObjective(LaWAMConfig.from_preset(preset))
    second.model.backbone.tokenizer = OneTokenAWord()
    for objective in (first, second):
        loss, terms = objective.loss(meta_batch(), seeded())
        assert loss.shape == ()
        loss.backward()
        # Where images stand cannot be read on the meta device, so their deep features go nowhere.
        lost = {
            name
            for name, p in objective.named_parameters()
            if p.requires_grad and p.grad is None and "deepstack" not in name
        }
        assert not lost
    assert {"action", "distill", "subgoal"} <= terms.keys()


def test_the_tiny_policy_fits_40_megabytes_with_its_encoder():
    with torch.device("meta"):
        model = LaWAM(LaWAMConfig.tiny())
    assert count(model) * 4 <= 38e6
    assert model.external_prefixes == ()
