"""Visual encoders: frozen, with weights, in a normalised space."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="learned policies need torch")
save_file = pytest.importorskip("safetensors.torch").save_file

from torch import nn  # noqa: E402

from wambench.errors import UsageError  # noqa: E402
from wambench.labels import label_code, pack_labels  # noqa: E402
from wambench_policies.nn.encoders.base import external_prefixes  # noqa: E402
from wambench_policies.nn.encoders.build import build_encoder  # noqa: E402
from wambench_policies.nn.encoders.config import (  # noqa: E402
    DinoV3Config,
    TinyEncoderConfig,
    VJepa2Config,
)
from wambench_policies.nn.encoders.pretraining import (  # noqa: E402
    TinyEncoderPretraining,
    TinyEncoderPretrainingConfig,
    count_codes,
)
from wambench_policies.nn.groups import parameter_groups  # noqa: E402

TINY = TinyEncoderConfig(random=True)
SMALL_DINO = DinoV3Config(
    image_size=32, patch=8, dim=24, layers=3, heads=2, registers=2, random=True
)
SMALL_VJEPA = VJepa2Config(
    image_size=32, patch=8, dim=24, layers=2, heads=2, mlp_ratio=2.0, random=True
)


def images(*shape: int):
    return torch.randint(
        0, 256, (*shape, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )


@pytest.mark.parametrize(
    "config", [TINY, SMALL_DINO, SMALL_VJEPA], ids=["tiny", "dinov3", "vjepa2"]
)
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


@pytest.mark.parametrize(
    "config", [TINY, SMALL_DINO, SMALL_VJEPA], ids=["tiny", "dinov3", "vjepa2"]
)
def test_an_encoder_cannot_be_trained(config):
    encoder = build_encoder(config)
    assert not any(module.training for module in encoder.train().modules())
    assert not any(p.requires_grad for p in encoder.parameters())
    assert parameter_groups([("encoder", [encoder], 1.0)], 0.1) == []


@pytest.mark.parametrize(
    "config", [TINY, SMALL_DINO, SMALL_VJEPA], ids=["tiny", "dinov3", "vjepa2"]
)
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


CODES = [label_code(name) for name in ("robot", "bowl", "table")]


def label_counts():
    counts = np.zeros(1 << 16, np.int64)
    counts[CODES] = [100, 10, 1000]
    return counts


def pretraining(counts):
    torch.manual_seed(0)
    encoder = TinyEncoderConfig(image_size=64, widths=(16, 16, 32), blocks=(0, 0, 1), dim=32)
    return TinyEncoderPretraining(TinyEncoderPretrainingConfig(encoder=encoder), counts)


def pretraining_batch(size: int = 4):
    """Pictures whose colour tells the class: a bowl moves over a table."""
    rng = np.random.default_rng(0)
    codes = np.full((size, 2, 64, 64), CODES[2])
    for picture in codes.reshape(-1, 64, 64):
        row, column = rng.integers(0, 40, 2)
        picture[row : row + 24, column : column + 24] = CODES[1]
    bowl = codes == CODES[1]
    shown = np.where(bowl[..., None], [200, 30, 30], [90, 90, 90]).astype(np.uint8)
    label = pack_labels(codes, np.where(bowl, 0.9, 1.0))
    return {
        "images": torch.from_numpy(np.concatenate([shown, label], axis=1)),
        "state": torch.from_numpy(rng.normal(size=(size, 8)).astype(np.float32)),
        "embodiment": torch.ones(size, dtype=torch.long),
    }


def test_pretraining_learns_classes_and_distances_of_pixels_from_the_renderer():
    objective = pretraining(label_counts())
    batch = pretraining_batch()
    groups = objective.parameter_groups()
    grouped = sum(p.numel() for group in groups for p in group["params"])
    assert grouped == sum(p.numel() for p in objective.parameters())
    optimiser = torch.optim.AdamW(groups, lr=5e-3)
    told = []
    for step in range(80):
        loss, terms = objective.loss(batch, torch.Generator().manual_seed(step))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        told.append({name: float(value) for name, value in terms.items()})
    assert told[-1]["accuracy"] > 0.9 > told[0]["accuracy"]
    for term in ("classes", "distance", "pixels", "state"):
        assert told[-1][term] < told[0][term], term


def test_classes_count_alike_however_small_they_are():
    objective = pretraining(label_counts())
    weight = dict(zip(sorted(CODES), objective.weights[1:].tolist(), strict=True))
    assert weight[CODES[1]] / weight[CODES[2]] == pytest.approx(10)
    assert objective.weights[0] == 0


def test_a_class_that_was_not_counted_is_left_out_of_the_loss():
    counts = label_counts()
    counts[CODES[1]] = 0
    objective = pretraining(counts)
    _, terms = objective.loss(pretraining_batch(), torch.Generator().manual_seed(0))
    assert math.isfinite(float(terms["classes"]))
    assert objective.classes == 3


def test_counting_finds_every_class_that_is_shown():
    label = pretraining_batch()["images"][:, 2:].flatten(0, 1).numpy()
    counts = count_codes([label[:3], label[3:]])
    assert set(np.flatnonzero(counts)) == set(CODES[1:])
    assert counts.sum() == len(label) * 32 * 32


def test_a_pretrained_network_becomes_the_encoder_with_the_same_tokens(tmp_path):
    torch.manual_seed(0)
    objective = TinyEncoderPretraining(TinyEncoderPretrainingConfig.tiny(), label_counts())
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


def test_vjepa2_is_read_from_a_folder_and_sees_what_transformers_sees(tmp_path):
    from transformers import VJEPA2Config, VJEPA2Model

    torch.manual_seed(0)
    sizes = VJEPA2Config(
        patch_size=8,
        crop_size=32,
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        mlp_ratio=2.0,
        pred_hidden_size=12,
        pred_num_attention_heads=2,
        pred_num_hidden_layers=1,
    )
    upstream = VJEPA2Model(sizes).eval()
    upstream.save_pretrained(tmp_path)
    encoder = build_encoder(
        SMALL_VJEPA.model_copy(update={"source": str(tmp_path), "random": False})
    )
    with pytest.raises(UsageError, match="no weights"):
        encoder(images(1, 32, 32))
    encoder.load_weights()
    picture = images(2, 32, 32)
    pixels = picture.movedim(-1, 1).float() / 255
    clip = ((pixels - encoder.mean) / encoder.std).unsqueeze(1).repeat(1, 2, 1, 1, 1)
    with torch.no_grad():
        wanted = upstream(clip, skip_predictor=True).last_hidden_state
    wanted = torch.nn.functional.layer_norm(wanted, (24,), eps=1e-6)
    torch.testing.assert_close(encoder(picture), wanted, atol=1e-4, rtol=1e-4)

    for source, match in ((tmp_path / "nowhere", "cannot be read"), (tmp_path, "another model")):
        other = {"source": str(source), "random": False}
        if match == "another model":
            other["dim"] = 48
        with pytest.raises(UsageError, match=match):
            build_encoder(SMALL_VJEPA.model_copy(update=other)).load_weights()
