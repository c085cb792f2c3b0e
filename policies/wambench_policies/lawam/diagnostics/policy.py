"""What a policy imagines, beside what its teacher knows and what comes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from wambench_policies.diagnostics.episodes import EpisodeSet, Samples
from wambench_policies.diagnostics.features import BATCH, Standardiser, other_samples
from wambench_policies.lawam.diagnostics.subject import Subject
from wambench_policies.lawam.diagnostics.world import Pairs, Row


def policy_inputs(
    subject: Subject, episodes: EpisodeSet, samples: Samples, control_hz: float
) -> dict[str, Any]:
    """A batch as the policy takes it, at a control frequency in Hz."""
    device = subject.device
    return {
        "images": torch.from_numpy(episodes.images(samples)).to(device),
        "state": torch.from_numpy(episodes.states(samples)).to(device),
        "embodiment": torch.from_numpy(episodes.embodiments(samples)).to(device),
        "control_hz": torch.full((len(samples),), control_hz, device=device),
        "instruction": episodes.instructions(samples),
    }


def slices(samples: Samples) -> list[Samples]:
    """The samples in batches."""
    return [
        Samples(samples.episode[begin : begin + BATCH], samples.row[begin : begin + BATCH])
        for begin in range(0, len(samples), BATCH)
    ]


@torch.no_grad()
def imagine(
    subject: Subject, episodes: EpisodeSet, samples: Samples
) -> tuple[Tensor, Tensor | None]:
    """(M, Z) predicted latents, and (M, N, D) imagined subgoals, None without a world model."""
    assert subject.policy is not None
    latents, subgoals = [], []
    for part in slices(samples):
        batch = policy_inputs(subject, episodes, part, episodes.control_hz)
        imagined = subject.policy.imagine(batch)
        latents.append(imagined.latent.float())
        if imagined.subgoal is not None:
            subgoals.append(imagined.subgoal.float())
    return torch.cat(latents), torch.cat(subgoals) if subgoals else None


def latent_rows(predicted: Tensor, teacher: Tensor, samples: Samples) -> list[Row]:
    """Distance of predicted latents to the teacher's, in units of the teacher's variance.

    Rows: what, candidate, error. The candidates beside `policy`: `mean`, the mean of the teacher's
    latents over other episodes; `prior`, zero; `other`, the teacher's latent of another sample.
    """
    standard = Standardiser.fit(teacher[:, None], samples.episode)
    donors = torch.from_numpy(other_samples(samples.episode))
    candidates = {
        "policy": predicted,
        "mean": standard.means()[:, 0],
        "prior": torch.zeros_like(teacher),
        "other": teacher[donors],
    }
    return [
        _row("latent", name, standard, value[:, None], teacher[:, None], samples)
        for name, value in candidates.items()
    ]


def subgoal_rows(pairs: Pairs, imagined: Tensor, by_teacher: Tensor) -> list[Row]:
    """Distance of subgoals to the true frame τ later.

    Rows: what, candidate, error. The candidates beside `policy`: `teacher`, LaWM with the teacher's
    latent, which has seen the answer; `copy`, the present frame; `mean`, that of other episodes.
    """
    candidates = {
        "policy": imagined,
        "teacher": by_teacher,
        "copy": pairs.u,
        "mean": pairs.standard.means(),
    }
    return [
        _row("subgoal", name, pairs.standard, value, pairs.u_T, pairs.samples)
        for name, value in candidates.items()
    ]


def _row(
    what: str,
    name: str,
    standard: Standardiser,
    predicted: Tensor,
    target: Tensor,
    samples: Samples,
) -> Row:
    return {
        "what": what,
        "candidate": name,
        "error": float(standard.errors(predicted, target).double().mean()),
        "windows": len(samples),
        "episodes": len(np.unique(samples.episode)),
    }
