"""Measures of imagined pictures at values that are known, with stand-ins for their networks."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need torch")

from wambench.errors import UsageError  # noqa: E402
from wambench_policies.diagnostics.pictures import (  # noqa: E402
    frechet_distance,
    load_networks,
    measured,
    psnr,
)

CPU = torch.device("cpu")


class OfPictures(torch.nn.Module):
    """Called as the published networks of LPIPS and FID are: mean colours."""

    def forward(
        self,
        images: torch.Tensor,
        resize_images: bool = False,
        return_lpips: bool = False,
        return_features: bool = False,
    ) -> torch.Tensor:
        assert return_lpips != return_features
        return images.mean((2, 3))


class OfVideos(torch.nn.Module):
    """Called as the published network of FVD is; it needs nine frames."""

    def forward(
        self, videos: torch.Tensor, rescale: bool, resize: bool, return_features: bool
    ) -> torch.Tensor:
        assert (rescale, resize, return_features) == (True, True, True)
        assert videos.shape[1] == 3
        if videos.shape[2] < 9:
            raise RuntimeError("too short")
        return videos.mean((2, 3, 4))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The three files, where they are looked for."""
    monkeypatch.setenv("WAMBENCH_CACHE", str(tmp_path))
    found = tmp_path / "networks"
    found.mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        pictures = torch.jit.script(OfPictures())
        for file in ("vgg16.pt", "inception-2015-12-05.pt"):
            torch.jit.save(pictures, found / file)
        torch.jit.save(torch.jit.script(OfVideos()), found / "i3d_torchscript.pt")
    return found


def videos(length: int = 9) -> np.ndarray:
    """Dark enough that 10 can be added."""
    return np.random.default_rng(0).integers(0, 200, (6, length, 4, 4, 3), np.uint8)


def test_equal_pictures_have_no_noise_and_opposite_ones_nothing_else() -> None:
    black = np.zeros((2, 4, 4, 3), np.uint8)
    assert psnr(black, black) == float("inf")
    assert psnr(black + 255, black) == pytest.approx(0.0)
    assert psnr(black + 1, black) == pytest.approx(48.13, abs=0.01)


def test_the_frechet_distance_of_gaussians_is_that_of_means_and_deviations() -> None:
    rng = np.random.default_rng(0)
    first = rng.normal(0, 2, (100_000, 2))
    assert frechet_distance(first, first + np.array([3, 4])) == pytest.approx(25)
    assert frechet_distance(first, 3 * first) == pytest.approx(2 * (6 - 2) ** 2, rel=0.02)
    turned = first * [1, 5] @ np.array([[0, 1], [-1, 0]])
    assert frechet_distance(first * [1, 5], turned) == pytest.approx(2 * (10 - 2) ** 2, rel=0.02)


@pytest.mark.usefixtures("folder")
def test_brighter_pictures_are_apart_by_how_much_brighter_they_are() -> None:
    recorded = videos()
    found = measured(recorded + np.uint8(10), recorded, load_networks(CPU))
    assert found["psnr"] == pytest.approx(20 * np.log10(255 / 10))
    assert [found[name] for name in ("lpips", "fid", "fvd")] == pytest.approx([300] * 3, rel=1e-3)


def test_what_has_no_network_is_not_measured(folder: Path) -> None:
    (folder / "vgg16.pt").unlink()
    found = measured(videos(), videos(), load_networks(CPU))
    assert np.isnan(found["lpips"])
    assert found["fid"] == pytest.approx(0, abs=1e-6)
    assert np.isnan(list(measured(videos(), videos(), {}).values())[1:]).all()


def test_a_file_that_is_no_network_is_refused(folder: Path) -> None:
    (folder / "vgg16.pt").write_bytes(b"weights")
    with pytest.raises(UsageError, match="no TorchScript"):
        load_networks(CPU)


@pytest.mark.usefixtures("folder")
def test_a_network_that_cannot_look_at_such_videos_is_named() -> None:
    with pytest.raises(UsageError, match=r"i3d_torchscript.pt cannot .* of 8 pictures .* short"):
        measured(videos(8), videos(8), load_networks(CPU))
