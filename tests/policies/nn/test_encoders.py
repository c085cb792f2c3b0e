"""Visual encoders: frozen, with weights, in a normalised space."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="learned policies need torch")
save_file = pytest.importorskip("safetensors.torch").save_file

from torch import nn  # noqa: E402

from wambench.errors import UsageError  # noqa: E402
from wambench_policies.nn.encoders.base import external_prefixes  # noqa: E402
from wambench_policies.nn.encoders.build import build_encoder  # noqa: E402
from wambench_policies.nn.encoders.config import DinoV3Config, TinyEncoderConfig  # noqa: E402
from wambench_policies.nn.encoders.pretraining import (  # noqa: E402
    TinyEncoderPretraining,
    TinyEncoderPretrainingConfig,
)
from wambench_policies.nn.groups import parameter_groups  # noqa: E402

TINY = TinyEncoderConfig(random=True)
SMALL_DINO = DinoV3Config(
    image_size=32, patch=8, dim=24, layers=3, heads=2, registers=2, random=True
)


def images(*shape: int):
    return torch.randint(
        0, 256, (*shape, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )


@pytest.mark.parametrize("config", [TINY, SMALL_DINO], ids=["tiny", "dinov3"])
def test_tokens_are_a_normalised_grid_without_gradient(config):
    encoder = build_encoder(config)
    side = config.image_size
    tokens = encoder(images(2, 3, side, side))
    assert tokens.shape == (2, 3, encoder.tokens, encoder.dim)
    assert tokens.dtype == torch.float32
    assert not tokens.requires_grad
    torch.testing.assert_close(
        tokens.mean(-1), torch.zeros(2, 3, encoder.tokens), atol=1e-5, rtol=0
    )
    torch.testing.assert_close(
        tokens.var(-1, unbiased=False), torch.ones(2, 3, encoder.tokens), atol=1e-2, rtol=0
    )
    assert encoder(images(side, side)).shape == (encoder.tokens, encoder.dim)


@pytest.mark.parametrize("config", [TINY, SMALL_DINO], ids=["tiny", "dinov3"])
def test_an_encoder_cannot_be_trained(config):
    encoder = build_encoder(config)
    assert not any(module.training for module in encoder.train().modules())
    assert not any(p.requires_grad for p in encoder.parameters())
    assert parameter_groups([("encoder", [encoder], 1.0)], 0.1) == []


@pytest.mark.parametrize("config", [TINY, SMALL_DINO], ids=["tiny", "dinov3"])
def test_float_images_in_0_to_255_are_the_same_as_bytes(config):
    encoder = build_encoder(config)
    picture = images(1, config.image_size, config.image_size)
    assert torch.equal(encoder(picture), encoder(picture.float()))


def test_an_image_is_encoded_the_same_alone_and_in_company():
    encoder = build_encoder(TINY)
    pictures = images(5, 128, 128)
    torch.testing.assert_close(encoder(pictures)[3:4], encoder(pictures[3:4]))


def test_images_of_another_size_are_refused():
    with pytest.raises(UsageError, match=r"128 x 128 x 3, got 64 x 64 x 3.*Render"):
        build_encoder(TINY)(images(1, 64, 64))


def test_an_encoder_without_weights_refuses_to_run():
    encoder = build_encoder(TinyEncoderConfig())
    with pytest.raises(UsageError, match="TinyEncoder has no weights"):
        encoder(images(1, 128, 128))


def test_a_model_that_loads_a_state_with_its_encoder_has_weights():
    model = nn.ModuleDict({"encoder": build_encoder(TinyEncoderConfig())})
    model.load_state_dict({}, strict=False)
    assert not model["encoder"].ready
    model.load_state_dict(nn.ModuleDict({"encoder": build_encoder(TINY)}).state_dict())
    assert model["encoder"].ready


def test_only_public_weights_are_external():
    model = nn.ModuleDict({"ours": build_encoder(TINY), "public": build_encoder(SMALL_DINO)})
    assert external_prefixes(model) == ("public.",)


def test_missing_public_weights_are_an_error_that_says_what_to_do(tmp_path):
    encoder = build_encoder(SMALL_DINO.model_copy(update={"source": str(tmp_path)}))
    with pytest.raises(UsageError, match=r"cannot be read from .* source to a folder"):
        encoder.load_weights()


def test_public_weights_are_read_from_a_folder_and_those_of_another_model_refused(tmp_path):
    saved = build_encoder(SMALL_DINO)
    saved.backbone.save_pretrained(tmp_path)
    here = SMALL_DINO.model_copy(update={"source": str(tmp_path), "random": False})
    encoder = build_encoder(here)
    encoder.load_weights()
    picture = images(1, 32, 32)
    torch.testing.assert_close(encoder(picture), saved(picture))
    other = build_encoder(here.model_copy(update={"layers": 4}))
    with pytest.raises(UsageError, match=r"another model .* the first is model\.layer\.3"):
        other.load_weights()


def test_dinov3_gives_the_last_but_one_hidden_state_without_cls_and_registers():
    encoder = build_encoder(SMALL_DINO)
    picture = images(2, 32, 32)
    pixels = picture.movedim(-1, 1) / 255.0
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    with torch.no_grad():
        states = encoder.backbone((pixels - mean) / std, output_hidden_states=True).hidden_states
    assert len(states) == 1 + SMALL_DINO.layers
    wanted = nn.functional.layer_norm(states[SMALL_DINO.layers - 1][:, 3:], (24,), eps=1e-6)
    torch.testing.assert_close(encoder(picture), wanted)


# ---- pretraining of the tiny encoder ---------------------------------------------------------


def pretraining_batch(size: int = 4):
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randint(0, 256, (size, 3, 128, 128, 3), dtype=torch.uint8, generator=generator)
    return {
        "images": pictures[:, :2],
        "future_image": pictures[:, 2],
        "state": torch.randn(size, 8, generator=generator),
        "actions": torch.rand(size, 16, 7, generator=generator) * 2 - 1,
        "action_mask": torch.ones(size, 16, dtype=torch.bool),
        "embodiment": torch.ones(size, dtype=torch.long),
        "instruction": [f"task {i}" for i in range(size)],
    }


def test_pretraining_trains_the_network_by_all_three_terms():
    torch.manual_seed(0)
    objective = TinyEncoderPretraining(TinyEncoderPretrainingConfig.tiny())
    batch = pretraining_batch()
    groups = objective.parameter_groups()
    grouped = sum(p.numel() for group in groups for p in group["params"])
    assert grouped == sum(p.numel() for p in objective.parameters())
    optimiser = torch.optim.AdamW(groups, lr=1e-3)
    losses = []
    for step in range(8):
        loss, terms = objective.loss(batch, torch.Generator().manual_seed(step))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert {"pixels", "inverse_dynamics", "state"} <= terms.keys()
    for term in ("action_weight", "state_weight"):
        off = objective.config.model_copy(update={"action_weight": 0.0, "state_weight": 0.0})
        objective.config = off.model_copy(update={term: 1.0})
        objective.zero_grad()
        objective.loss(batch, torch.Generator().manual_seed(0))[0].backward()
        assert objective.network.project.weight.grad.abs().sum() > 0


def test_pixels_that_move_and_pixels_that_are_unusual_weigh_more():
    objective = TinyEncoderPretraining(TinyEncoderPretrainingConfig.tiny())
    still = torch.full((1, 2, 3, 128, 128), 0.5)
    moved = still[:, 0].clone()
    moved[..., 40:48, 64:72] = 1.0
    weight = objective._weight(still, moved, ["a task"])
    assert weight.shape == (1, 3, 1, 128, 128)
    torch.testing.assert_close(weight.mean((-1, -2)), torch.ones(1, 3, 1))
    assert weight[0, 0, 0, 44, 68] == pytest.approx(9 * weight[0, 0, 0, 0, 0].item(), rel=1e-4)
    assert weight[0, 1].std() == 0
    # The mean picture is now known: a new object on the wrist camera stands out against it.
    with_object = still.clone()
    with_object[0, 1, :, :16, :16] = 0.0
    weight = objective.eval()._weight(with_object, still[:, 0], ["a task"])
    assert weight[0, 1, 0, 4, 4] > 5 * weight[0, 1, 0, 100, 100]


def test_a_pretrained_network_becomes_the_encoder_with_the_same_tokens(tmp_path):
    torch.manual_seed(0)
    objective = TinyEncoderPretraining(TinyEncoderPretrainingConfig.tiny())
    save_file(objective.state_dict(), tmp_path / "model.safetensors")
    encoder = build_encoder(TinyEncoderConfig(source=str(tmp_path)))
    encoder.load_weights()
    picture = images(2, 128, 128)
    pixels = picture.movedim(-1, 1) / 255.0
    with torch.no_grad():
        expected = nn.functional.layer_norm(objective.network(pixels), (96,), eps=1e-6)
    torch.testing.assert_close(encoder(picture), expected)


def test_a_file_without_a_fitting_encoder_is_refused(tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "model.safetensors")
    for source, reason in ((tmp_path, "no tiny encoder"), (tmp_path / "x", "cannot be read")):
        encoder = build_encoder(TinyEncoderConfig(source=str(source)))
        with pytest.raises(UsageError, match=reason):
            encoder.load_weights()
    with pytest.raises(UsageError, match="source is not set"):
        build_encoder(TinyEncoderConfig()).load_weights()
