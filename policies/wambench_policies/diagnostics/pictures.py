"""How near imagined pictures come to recorded ones: PSNR, LPIPS, FID and FVD.

All but PSNR need a trained network. The files are those in which these networks are passed on as
TorchScript. Who has them puts them into `networks` in wambench's cache; nothing is downloaded:

    vgg16.pt                 LPIPS, of VGG-16   } metrics of StyleGAN2-ADA
    inception-2015-12-05.pt  FID                }
    i3d_torchscript.pt       FVD                  of StyleGAN-V

A TorchScript file is a program: take it from where you would take code from.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wambench.cache import cache_dir
from wambench.errors import UsageError
from wambench.runner.engine import last_line
from wambench_policies.diagnostics.features import batched

Videos = NDArray[np.uint8]
"""(M, T, H, W, 3)."""

Measure = Callable[[Any, Videos, Videos], float]

NETWORKS = {
    "lpips": "vgg16.pt",
    "fid": "inception-2015-12-05.pt",
    "fvd": "i3d_torchscript.pt",
}
"""Measure to the file of its network."""


def psnr(found: NDArray[np.uint8], wanted: NDArray[np.uint8]) -> float:
    """Peak signal-to-noise ratio in dB of all pictures together; infinite where they are equal."""
    error = np.mean((found.astype(np.float64) - wanted) ** 2)
    return float(10 * np.log10(255**2 / error)) if error else float("inf")


def network_folder() -> Path:
    """Where the networks are looked for."""
    return cache_dir() / "networks"


def load_networks(device: torch.device) -> dict[str, Any]:
    """Those of the three networks that there are, by measure.

    Args:
        device: Where they compute.

    Raises:
        UsageError: A file is no TorchScript.
    """
    files = {name: network_folder() / file for name, file in NETWORKS.items()}
    found = {name: file for name, file in files.items() if file.is_file()}
    networks = {}
    for name, file in found.items():
        try:
            with warnings.catch_warnings():
                # The files exist in this form alone, whatever replaces it in PyTorch.
                warnings.simplefilter("ignore", DeprecationWarning)
                networks[name] = torch.jit.load(str(file), map_location=device).eval()
        except RuntimeError as error:
            raise UsageError(
                f"{file} is no TorchScript file{last_line([str(error)])}",
                f"Remove it to do without {name.upper()}.",
            ) from error
    return networks


def measured(found: Videos, wanted: Videos, networks: Mapping[str, Any]) -> dict[str, float]:
    """PSNR averaged over videos, and what there is a network for; NaN for the others.

    Args:
        found: Imagined videos.
        wanted: What was recorded of the same.
        networks: See `load_networks`.

    Raises:
        UsageError: A network cannot be applied to videos of this size.
    """
    known: dict[str, Measure] = {"lpips": _lpips, "fid": _fid, "fvd": _fvd}
    values = {"psnr": float(np.mean([psnr(*pair) for pair in zip(found, wanted, strict=True)]))}
    for name, measure in known.items():
        values[name] = float("nan")
        if name in networks:
            try:
                with torch.no_grad():
                    values[name] = measure(networks[name], found, wanted)
            except (RuntimeError, torch.jit.Error) as error:
                raise UsageError(
                    f"{NETWORKS[name]} cannot look at videos of {found.shape[1]} pictures of "
                    f"{found.shape[2]}x{found.shape[3]}{last_line([str(error)])}",
                    f"Remove it from {network_folder()} to do without {name.upper()}.",
                ) from error
    return values


def frechet_distance(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Squared Fréchet distance between Gaussians fitted to features (M, D) (Heusel 2017, eq. 6).

    With fewer samples than dimensions the covariances are of low rank, and the value is only
    comparable with one from as many samples.
    """
    first, second = first.astype(np.float64), second.astype(np.float64)
    one, two = (np.atleast_2d(np.cov(some, rowvar=False)) for some in (first, second))
    # tr sqrt(AB) = tr sqrt(sqrt(A) B sqrt(A)), whose argument is symmetric.
    values, vectors = np.linalg.eigh(one)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    common = np.sqrt(np.linalg.eigvalsh(root @ two @ root).clip(0)).sum()
    apart = np.square(first.mean(0) - second.mean(0)).sum()
    return float(apart + np.trace(one) + np.trace(two) - 2 * common)


def _lpips(network: Any, found: Videos, wanted: Videos) -> float:
    def features(videos: Videos) -> Tensor:
        return _of_pictures(
            videos, lambda some: network(some, resize_images=False, return_lpips=True)
        )

    return float((features(found) - features(wanted)).square().sum(-1).mean())


def _fid(network: Any, found: Videos, wanted: Videos) -> float:
    one, two = (
        _of_pictures(videos, lambda some: network(some, return_features=True))
        for videos in (found, wanted)
    )
    return frechet_distance(one.cpu().numpy(), two.cpu().numpy())


def _fvd(network: Any, found: Videos, wanted: Videos) -> float:
    def features(videos: Videos) -> NDArray[Any]:
        def look(some: Tensor) -> Tensor:
            planes = some.permute(0, 4, 1, 2, 3).float()
            seen: Tensor = network(planes, rescale=True, resize=True, return_features=True)
            return seen

        return batched(look, torch.from_numpy(videos)).cpu().numpy()

    return frechet_distance(features(found), features(wanted))


def _of_pictures(videos: Videos, look: Callable[[Tensor], Tensor]) -> Tensor:
    """(M T, D) features of all pictures, which a network is given as (B, 3, H, W) in 0 to 255."""
    pictures = torch.from_numpy(videos).flatten(0, 1)
    return batched(lambda some: look(some.permute(0, 3, 1, 2).float()), pictures)
