"""Measurements on world models of LAC-WM: roll-outs beside copying, and what latents look like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wambench.errors import DataError
from wambench_policies.diagnostics.episodes import EpisodeSet, Samples
from wambench_policies.diagnostics.features import batched, other_samples
from wambench_policies.lac_wm.model import LatentWorldModel

Floats = NDArray[np.floating[Any]]

SEQUENCE = 4
"""Latents that follow each other and are looked at together (appendix A.8)."""

CLUSTERS = 4
"""K of appendix A.8."""

NEIGHBOURS = 15
"""That UMAP considers of each latent, its default (McInnes 2018); the paper gives no value."""


@dataclass(frozen=True)
class Sequences:
    """Stretches of demonstrations, and what a model sees and reads in them.

    Attributes:
        samples: Where they begin.
        tokens: (M, T + 1, N, D).
        by_frames: (M, T, Z) the IDM's latents; None without one.
        by_actions: (M, T, Z) those of the actions; None where the model knows none.
    """

    samples: Samples
    tokens: Tensor
    by_frames: Tensor | None
    by_actions: Tensor | None

    @property
    def latents(self) -> Tensor:
        """Those that the model is given when it plans, or those of the frames."""
        z = self.by_frames if self.by_actions is None else self.by_actions
        assert z is not None
        return z


def sequences(
    model: LatentWorldModel, episodes: EpisodeSet, chunks: int, count: int, seed: int
) -> Sequences:
    """Draws stretches of so many chunks.

    Raises:
        DataError: No demonstration is that long.
    """
    steps = model.config.chunk
    samples = episodes.sample(chunks * steps, count, seed)
    if not len(samples):
        raise DataError(
            f"No demonstration is longer than {chunks * steps} steps.", "Give longer ones."
        )
    device = next(model.parameters()).device
    pictures = np.stack(
        [episodes.frames(samples, chunk * steps) for chunk in range(chunks + 1)], axis=1
    )
    tokens = batched(lambda some: model.encoder(some.to(device)), torch.from_numpy(pictures))
    frames = actions = None
    if model.idm is not None:
        frames = batched(model.idm, tokens)
    if model.actions is not None:
        taken = torch.from_numpy(episodes.chunks(samples, chunks * steps))
        taken = taken.unflatten(1, (chunks, steps)).to(device)
        numbers = torch.from_numpy(episodes.embodiments(samples)).to(device)
        actions = batched(model.actions, taken, numbers)
    return Sequences(samples, tokens, frames, actions)


def rollout_errors(model: LatentWorldModel, seen: Sequences) -> list[dict[str, Any]]:
    """Mean squared errors of features by chunk of a roll-out.

    `model` is given the latents that it plans with, `other` those of another sample, `frames` the
    IDM's, which have seen what comes; `copy` is that of the first frame. NaN where there is none.
    """
    start, later = seen.tokens[:, 0], seen.tokens[:, 1:]
    others = torch.from_numpy(other_samples(seen.samples.episode))
    given = {"model": seen.latents, "other": seen.latents[others], "frames": seen.by_frames}
    errors = {"copy": (start.unsqueeze(1) - later).square().mean((0, 2, 3)).tolist()}
    for name, z in given.items():
        if z is None:
            errors[name] = [float("nan")] * later.shape[1]
            continue
        errors[name] = (_ahead(model, start, z) - later).square().mean((0, 2, 3)).tolist()
    return [
        {"chunks": index + 1, **{name: values[index] for name, values in errors.items()}}
        for index in range(later.shape[1])
    ]


def imagined(model: LatentWorldModel, seen: Sequences) -> Tensor:
    """(M, T, N, D) what the model makes of the first frames and the latents that it plans with."""
    with torch.no_grad():
        return _ahead(model, seen.tokens[:, 0], seen.latents)


def embedded(latents: Tensor, seed: int) -> Floats:
    """(M, 2) the first latents of (M, T, Z) in a plane, by UMAP."""
    from umap import UMAP

    first = latents[:, 0].double().cpu().numpy()
    # One process and a seed: the same picture every time.
    mapping = UMAP(n_neighbors=min(NEIGHBOURS, len(first) - 1), random_state=seed, n_jobs=1)
    return np.asarray(mapping.fit_transform(first))


def mixed(latents: Tensor, robots: Sequence[str]) -> tuple[float, float]:
    """How far robots share latents: neighbours of another robot.

    Args:
        latents: (M, T, Z), of which the first are looked at.
        robots: Robot of each.

    Returns:
        Share of the nearest neighbours that are of another robot, and the share of all others.
    """
    first = latents[:, 0].double()
    apart = torch.cdist(first, first).fill_diagonal_(torch.inf)
    nearest = apart.topk(min(NEIGHBOURS, len(first) - 1), largest=False).indices.cpu().numpy()
    names = np.asarray(robots)
    other = names[:, None] != names[None]
    return (
        float(np.take_along_axis(other, nearest, axis=1).mean()),
        float(other.sum() / (len(names) * (len(names) - 1))),
    )


@dataclass(frozen=True)
class Clustering:
    """Latent sequences in a plane (appendix A.8).

    Attributes:
        points: (M, 2) principal components.
        explained: (2,) fractions of the variance.
        cluster: (M,) number of each point's cluster.
        nearest: (K,) sample nearest to each centre.
    """

    points: Floats
    explained: Floats
    cluster: NDArray[np.int64]
    nearest: NDArray[np.int64]


def clustered(latents: Tensor, seed: int) -> Clustering:
    """PCA of latent sequences (M, T, Z) to two components, and K-means in those.

    Raises:
        DataError: There are fewer samples than clusters.
    """
    from scipy.cluster.vq import kmeans2

    flat = latents.flatten(1).double().cpu().numpy()
    if len(flat) < CLUSTERS:
        raise DataError(
            f"{len(flat)} samples are too few for {CLUSTERS} clusters.", "Take more --windows."
        )
    centred = flat - flat.mean(0)
    left, scale, _ = np.linalg.svd(centred, full_matrices=False)
    points = left[:, :2] * scale[:2]
    centres, cluster = kmeans2(points, CLUSTERS, minit="++", rng=np.random.default_rng(seed))
    distance = ((points[:, None] - centres) ** 2).sum(-1)
    return Clustering(
        points, scale[:2] ** 2 / (scale**2).sum(), cluster.astype(np.int64), distance.argmin(0)
    )


@dataclass(frozen=True)
class Transfer:
    """What happened in one sample, imagined in the place of another (figure 3).

    Attributes:
        onto: (M,) sample whose first frame each was imagined on.
        imagined: (M, T + 1, N, D) that frame, and what the model makes of it.
        likeness: (T,) mean cosine between the latents given and those read off what was imagined.
        by_chance: (T,) the same between those read off and another sample's.
    """

    onto: NDArray[np.int64]
    imagined: Tensor
    likeness: list[float]
    by_chance: list[float]


def transferred(model: LatentWorldModel, seen: Sequences, groups: NDArray[np.int64]) -> Transfer:
    """Gives the IDM's latents of every sample to a sample of another group.

    Args:
        model: With an IDM.
        seen: The samples.
        groups: (M,) embodiment of each, or its episode.
    """
    assert model.idm is not None
    assert seen.by_frames is not None
    z, onto = seen.by_frames, other_samples(groups)
    start = seen.tokens[torch.from_numpy(onto), 0]
    imagined = torch.cat([start.unsqueeze(1), _ahead(model, start, z)], dim=1)
    # About their mean, since all latents of a model have much in common.
    centre = z.mean((0, 1))
    again, given = batched(model.idm, imagined) - centre, z - centre
    others = torch.from_numpy(other_samples(seen.samples.episode))
    likeness, by_chance = (
        torch.cosine_similarity(again, wanted, dim=-1).mean(0).tolist()
        for wanted in (given, given[others])
    )
    return Transfer(onto, imagined, likeness, by_chance)


def _ahead(model: LatentWorldModel, start: Tensor, z: Tensor) -> Tensor:
    """(M, T, N, D) from first frames (M, N, D) by latents (M, T, Z)."""
    return batched(lambda x, some: model.fdm.rollout(x, some.unsqueeze(1))[:, 0], start, z)
