"""Places of demonstrations at which a policy is asked, and what the demonstrator did there.

The policy is shown the recorded observation, whatever it answered before: open loop, so that an
error at one place does not lead to the next. Each place is an episode of its own to the policy,
asked once, so that what a policy keeps from one question to the next plays no part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wambench.demos.dataset import DemoDataset
from wambench.errors import DataError, PolicyContractError
from wambench.protocol import Episode, Needs, Observation, Policy, SuiteSpec, episode_rng

Change = Callable[[Observation], Observation]
"""What is changed in an observation before the policy sees it."""

BATCH = 16
"""Most observations that the policy is asked for at once."""


PER_DEMO = 8
"""Places of one demonstration, where there are enough demonstrations."""


@dataclass(frozen=True, slots=True)
class Moments:
    """N places of demonstrations.

    Attributes:
        seen: What a policy would have seen there.
        actions: (N, K, A) what the demonstrator did from there on.
        demos: How many demonstrations they are from.
        notes: What is not as in an evaluation.
    """

    seen: tuple[Observation, ...]
    actions: NDArray[np.float64]
    demos: int
    notes: tuple[str, ...] = ()


def take_moments(
    paths: Sequence[str | Path],
    spec: SuiteSpec,
    needs: Needs,
    steps: int,
    *,
    count: int,
    seed: int,
) -> Moments:
    """Draws places of demonstrations, spread evenly over tasks and over the length of each.

    Args:
        paths: Datasets of the suite and backend of `spec`.
        spec: The suite that the policy was built for.
        needs: What the policy looks at.
        steps: Actions K to compare with; demonstrations that are shorter are left out.
        count: Most places N.
        seed: Decides which.

    Raises:
        DataError: The datasets are of another suite or backend, or lack a camera.
    """
    data = DemoDataset(paths, chunk=steps, cameras=needs.cameras, success_only=True)
    usable = []
    for index, demo in enumerate(data.demos):
        if (demo.suite, demo.backend) != (spec.name, spec.backend):
            raise DataError(
                f"{demo.name} is of {demo.suite} on the {demo.backend} backend, and the policy is "
                f"looked at on {spec.name}, {spec.backend}.",
                "Give demonstrations of that suite and backend.",
            )
        if demo.length - demo.prologue >= steps:
            usable.append(index)
    if not usable:
        raise DataError(
            f"No demonstration is as long as the {steps} actions that the policy executes.",
            "Give longer ones, or --policy-arg execute=N where the policy takes it.",
        )
    rng = np.random.default_rng(seed)
    wanted = min(-(-count // PER_DEMO), len(usable))
    chosen = _spread([data.demos[index].task for index in usable], wanted, rng)
    imitated = [demo.length - demo.prologue for demo in data.demos]
    starts = np.cumsum([0, *imitated])
    seen: list[Observation] = []
    actions = []
    resized = None
    for number, index in enumerate(usable[place] for place in chosen):
        last = imitated[index] - steps
        here = (count - len(seen)) // (len(chosen) - number)
        parts = np.linspace(0, last + 1, here + 1)
        # One place in each of equal parts: beginning, grasp and end are all there.
        for row in np.unique(rng.uniform(parts[:-1], parts[1:]).astype(int)).tolist():
            window = data[int(starts[index]) + row]
            pixels = {}
            for camera, picture in window["pixels"].items():
                if picture.shape[:2] != needs.image_size:
                    resized = picture.shape[:2]
                    picture = _resized(picture, needs.image_size)
                pixels[camera] = picture
            episode = _episode(spec, data.demos[index].episode, window, len(seen))
            seen.append(
                Observation(
                    episode,
                    window["step"],
                    pixels,
                    window["agent_pos"],
                    episode_rng(episode.seed, window["step"]),
                )
            )
            actions.append(window["actions"].astype(np.float64))
    notes: tuple[str, ...] = ()
    if resized is not None:
        notes = (
            f"The demonstrations' pictures are {resized[0]} x {resized[1]} and were resized to the "
            f"{needs.image_size[0]} x {needs.image_size[1]} that the policy asks for.",
        )
    return Moments(
        tuple(seen),
        np.stack(actions),
        len(chosen),
        notes,
    )


def ask(policy: Policy, seen: Sequence[Observation], change: Change | None = None) -> NDArray[Any]:
    """(N, H, A) the policy's answers to observations, each changed before.

    Raises:
        PolicyContractError: An answer has another shape than the policy's contract says.
    """
    answers = []
    for first in range(0, len(seen), BATCH):
        batch = [
            # The generator is made anew: all changes are answered with the same draws.
            replace(observation, rng=episode_rng(observation.episode.seed, observation.step))
            for observation in seen[first : first + BATCH]
        ]
        if change is not None:
            batch = [change(observation) for observation in batch]
        episodes = [observation.episode for observation in batch]
        policy.start(episodes)
        answer = np.asarray(policy.act(batch), np.float64)
        policy.finish(episodes)
        if answer.ndim != 3 or len(answer) != len(batch) or answer.shape[1] < policy.execute:
            raise PolicyContractError(
                f"The policy answered {len(batch)} observations with an array of shape "
                f"{answer.shape}, expected ({len(batch)}, {policy.horizon}, A).",
                "See `wambench.protocol.Policy.act`.",
            )
        answers.append(answer)
    return np.concatenate(answers)


def _spread(tasks: Sequence[int], count: int, rng: np.random.Generator) -> list[int]:
    """`count` places of a list of tasks, so that none has two more than another if it can be."""
    queues: dict[int, list[int]] = {}
    for place in rng.permutation(len(tasks)).tolist():
        queues.setdefault(tasks[place], []).append(place)
    found: list[int] = []
    while len(found) < count:
        for task in sorted(queues):
            if queues[task] and len(found) < count:
                found.append(queues[task].pop())
    return found


def _episode(spec: SuiteSpec, recorded: Episode | None, window: Any, number: int) -> Episode:
    """The episode of a place: the recorded one under a key of its own."""
    if recorded is not None:
        return replace(recorded, trial=number)
    return Episode(
        suite=spec.name,
        backend=spec.backend,
        task=window["task"],
        task_name="demonstration",
        trial=number,
        seed=number,
        init_state=-1,
        instruction=window["instruction"],
        max_steps=10_000,
    )


def _resized(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """(h, w, 3): areas averaged where it gets smaller, interpolated where larger."""
    from PIL import Image

    smaller = picture.shape[0] > size[0]
    how = Image.Resampling.BOX if smaller else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(picture).resize((size[1], size[0]), how))
