"""Augmentation: one draw for all frames of a sample, from the generator alone."""

from __future__ import annotations

import colorsys

import pytest

torch = pytest.importorskip("torch", reason="augmentation is in torch")

from wambench_policies.data.augment import Augmentation, AugmentConfig, _turned  # noqa: E402

NOTHING = AugmentConfig(
    crop_scale=(1, 1), crop_ratio=(1, 1), brightness=0, contrast=0, saturation=0, hue=0
)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(batch: int = 3, times: int = 2) -> torch.Tensor:
    """Smooth random pictures: interpolation then changes little."""
    coarse = torch.rand(batch * times, 3, 4, 4, generator=generator(9))
    fine = torch.nn.functional.interpolate(coarse, (32, 32), mode="bilinear")
    return (fine * 255).to(torch.uint8).permute(0, 2, 3, 1).reshape(batch, times, 32, 32, 3)


def test_nothing_changes_where_nothing_is_asked_for() -> None:
    images = pictures()
    assert torch.equal(Augmentation(NOTHING)(images, generator()), images.float())


def test_the_result_is_a_float_picture_of_the_same_shape() -> None:
    images = pictures()
    changed = Augmentation(AugmentConfig())(images, generator())
    assert changed.shape == images.shape
    assert changed.dtype == torch.float32
    assert 0 <= changed.min() <= changed.max() <= 255
    assert not torch.equal(changed, images.float())


@pytest.mark.parametrize("draw", ["batch", "sample"])
def test_all_frames_of_a_sample_change_alike(draw: str) -> None:
    frame = pictures(3, 1)
    images = torch.cat([frame, frame], 1)
    changed = Augmentation(AugmentConfig(draw=draw, shift=3))(images, generator())
    assert torch.equal(changed[:, 0], changed[:, 1])


@pytest.mark.parametrize(("draw", "alike"), [("batch", True), ("sample", False)])
def test_samples_share_a_draw_only_if_drawn_per_batch(draw: str, alike: bool) -> None:
    images = pictures(1, 1).repeat(2, 1, 1, 1, 1)
    changed = Augmentation(AugmentConfig(draw=draw))(images, generator())
    assert torch.equal(changed[0], changed[1]) == alike


def test_the_same_generator_gives_the_same_views_and_the_next_draw_is_another() -> None:
    augmentation, images = Augmentation(AugmentConfig()), pictures()
    first, again = generator(3), generator(3)
    assert torch.equal(augmentation(images, first), augmentation(images, again))
    assert not torch.equal(augmentation(images, first), augmentation(images, generator(3)))


def test_a_crop_shows_a_part_of_the_picture() -> None:
    """On a ramp the crop's size and place can be read off its values."""
    ramp = torch.arange(32.0).repeat(32, 1)
    image = torch.stack([ramp, ramp.T, ramp], -1)[None]
    config = NOTHING.model_copy(update={"crop_scale": (0.8, 1.0), "crop_ratio": (1.0, 1.3)})
    for seed in range(50):
        changed = Augmentation(config)(image, generator(seed))[0]
        width = (changed[16, 20, 0] - changed[16, 10, 0]) / 10
        height = (changed[20, 16, 1] - changed[10, 16, 1]) / 10
        assert 0.8 - 1e-3 <= width * height <= 1 + 1e-3
        assert 1 - 1e-3 <= width / height <= 1.3 + 1e-3
        assert width <= 1 + 1e-3


def test_a_shift_moves_by_whole_pixels() -> None:
    image = pictures(1, 1)
    moved = set()
    for seed in range(20):
        changed = Augmentation(NOTHING.model_copy(update={"shift": 2}))(image, generator(seed))
        inner = changed[0, 0, 4:-4, 4:-4]
        fits = [
            (dy, dx)
            for dy in range(-2, 3)
            for dx in range(-2, 3)
            if torch.allclose(
                inner, image[0, 0, 4 + dy : 28 + dy, 4 + dx : 28 + dx].float(), atol=0.1
            )
        ]
        assert len(fits) == 1
        moved.add(fits[0])
    assert len(moved) > 5


def test_hues_turn_as_in_the_standard_library() -> None:
    colours = torch.rand(200, 1, 1, 1, 3, generator=generator())
    colours[:5] = colours[:5, ..., :1]  # grey
    turns = torch.rand(200, 1, 1, 1, 1, generator=generator(1)) - 0.5
    found = _turned(colours, turns)
    for colour, turn, result in zip(colours, turns, found, strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*colour.flatten().tolist())
        expected = colorsys.hsv_to_rgb((hue + turn.item()) % 1, saturation, value)
        assert result.flatten().tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("change", ["brightness", "contrast", "saturation", "hue"])
def test_each_colour_change_changes_colours(change: str) -> None:
    config = NOTHING.model_copy(update={change: 0.3})
    images = pictures()
    changed = Augmentation(config)(images, generator())
    assert (changed - images).abs().mean() > 0.5
    if change == "brightness":
        inside = (changed < 255) & (images > 20)
        ratio = (changed / images)[inside]
        assert ratio.std() < 1e-3
    if change == "saturation":
        grey = images.float().mean(-1, keepdim=True).repeat(1, 1, 1, 1, 3).to(torch.uint8)
        assert torch.allclose(Augmentation(config)(grey, generator()), grey.float(), atol=0.1)
