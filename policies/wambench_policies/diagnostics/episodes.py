"""Demonstrations as a checkpoint sees them: its cameras, its normalisation, and what is held out.

episodes = read_episodes(paths, config, run.data, seed, checkpoint, which="held-out")
samples = episodes.sample(span=16, count=256, seed=0)
u = encode(episodes.frames(samples))
later = encode(episodes.frames(samples, offset=16))
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wambench.demos.dataset import open_source
from wambench.demos.demo import DemoInfo, dataset_identity
from wambench.errors import DataError
from wambench.inspector import Episodes as Which
from wambench_policies.data.clips import Clips
from wambench_policies.data.config import ClipConfig, DataConfig, SelectionConfig, task_matches
from wambench_policies.data.measure import Part
from wambench_policies.data.resample import accumulate, bounds_of, strides
from wambench_policies.data.split import split
from wambench_policies.data.windows import Run, TrainingData
from wambench_policies.nn.checkpoint import Checkpoint
from wambench_policies.nn.normalise import Embodiment, Normalisation

Windows = Callable[[SelectionConfig], DataConfig]
"""What windows look like, given a selection: `windows` of a method's configuration."""


@dataclass(frozen=True)
class Samples:
    """Rows of episodes.

    Attributes:
        episode: (M,) index into `EpisodeSet.infos`.
        row: (M,) row of that episode.
    """

    episode: NDArray[np.int64]
    row: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.episode)


class EpisodeSet:
    """Demonstrations that are looked at.

    Args:
        data: What they are read from.
        chosen: (part, demonstration in it) of each.
        normalisation: The checkpoint's.

    Attributes:
        infos: The demonstrations.
    """

    def __init__(
        self, data: TrainingData, chosen: Sequence[tuple[int, int]], normalisation: Normalisation
    ) -> None:
        self._data = data
        self._chosen = list(chosen)
        self._normalisation = normalisation
        self.infos = [data.parts[part].source.demos[demo] for part, demo in chosen]

    def __len__(self) -> int:
        return len(self.infos)

    @property
    def lengths(self) -> list[int]:
        """How many rows of each are read."""
        return [info.length - self._data.config.begin(info) for info in self.infos]

    @property
    def control_hz(self) -> float:
        """The frequency at which all of them were recorded.

        Raises:
            DataError: There are several.
        """
        by_hz = {info.control_hz: info.name for info in self.infos}
        if len(by_hz) > 1:
            found = ", ".join(f"{hz:g} Hz ({name})" for hz, name in sorted(by_hz.items()))
            raise DataError(
                f"The demonstrations were recorded at different frequencies: {found}.",
                "Look at them one dataset at a time.",
            )
        return next(iter(by_hz))

    def sample(self, span: int, count: int, seed: int) -> Samples:
        """Rows whose episode goes on for at least `span` rows, in turns over the episodes.

        Args:
            span: Rows that must follow.
            count: Most samples.
            seed: Which.
        """
        rng = np.random.default_rng([seed, span])
        orders = [
            self._data.config.begin(info) + rng.permutation(max(0, length - span))
            for info, length in zip(self.infos, self.lengths, strict=True)
        ]
        found = [
            (episode, int(order[turn]))
            for turn in range(max((len(order) for order in orders), default=0))
            for episode, order in enumerate(orders)
            if turn < len(order)
        ][:count]
        found.sort()
        array = np.array(found, np.int64).reshape(-1, 2)
        return Samples(array[:, 0], array[:, 1])

    def clips(self, config: ClipConfig) -> Clips:
        """All clips of them, of any length; see `wambench_policies.data.clips`."""
        return Clips(self._data, [Run(part, demo, 1) for part, demo in self._chosen], config)

    def frames(self, samples: Samples, offset: int = 0, camera: int = 0) -> NDArray[np.uint8]:
        """(M, H, W, 3) pictures of one camera, `offset` rows later."""
        return np.stack(
            [
                np.array(self._part(e).frames[camera][self._first(e) + row + offset])
                for e, row in self._pairs(samples)
            ]
        )

    def images(self, samples: Samples) -> NDArray[np.uint8]:
        """(M, C, H, W, 3) pictures of all cameras."""
        cameras = len(self._data.config.cameras)
        return np.stack([self.frames(samples, 0, camera) for camera in range(cameras)], axis=1)

    def states(self, samples: Samples, offset: int = 0) -> NDArray[np.float32]:
        """(M, S) standardised proprioception, `offset` rows later."""
        return np.stack(
            [
                self.embodiment(e).state.normalise(
                    self._part(e).state[self._first(e) + row + offset]
                )
                for e, row in self._pairs(samples)
            ]
        )

    def embodiments(self, samples: Samples) -> NDArray[np.int64]:
        """(M,) numbers of the robots."""
        return np.array([self.embodiment(e).id for e, _ in self._pairs(samples)], np.int64)

    def instructions(self, samples: Samples) -> list[str]:
        """What each is to do."""
        return [self.infos[e].instruction for e, _ in self._pairs(samples)]

    def actions(self, episode: int, row: int, rows: int) -> NDArray[np.float32]:
        """(at most `rows`, A) recorded actions in the suite's units, from a row on."""
        first = self._first(episode)
        end = min(row + rows, self.infos[episode].length)
        return np.asarray(self._part(episode).actions[first + row : first + end], np.float32)

    def actions_at(
        self, episode: int, row: int, rows: int, control_hz: float, clip: str
    ) -> NDArray[np.float32]:
        """The same read at a lower frequency; see `wambench_policies.data.resample`."""
        info = self.infos[episode]
        (stride,) = strides(info, (control_hz,))
        bounds = bounds_of(info, clip) if stride > 1 else None
        return accumulate(self.actions(episode, row, rows), stride, info.action_names, bounds)

    def chunks(self, samples: Samples, steps: int) -> NDArray[np.float32]:
        """(M, steps, A) normalised actions that follow; all of them must be there.

        Of several robots narrower ones are padded with zeros.
        """
        taken = [
            self.embodiment(e).action.normalise(self.actions(e, row, steps))
            for e, row in self._pairs(samples)
        ]
        width = max((one.shape[1] for one in taken), default=0)
        return np.stack([np.pad(one, ((0, 0), (0, width - one.shape[1]))) for one in taken])

    def embodiment(self, episode: int) -> Embodiment:
        """What the checkpoint knows about the robot of an episode."""
        return self._normalisation.embodiments[self.infos[episode].embodiment]

    def _pairs(self, samples: Samples) -> list[tuple[int, int]]:
        return list(zip(samples.episode.tolist(), samples.row.tolist(), strict=True))

    def _part(self, episode: int) -> Part:
        return self._data.parts[self._chosen[episode][0]]

    def _first(self, episode: int) -> int:
        part, demo = self._chosen[episode]
        return int(self._data.parts[part].source.starts[demo])


def read_episodes(
    paths: Sequence[str],
    windows: Windows,
    selection: SelectionConfig,
    seed: int,
    checkpoint: Checkpoint,
    which: Which,
    note: Callable[[str], None] = lambda _: None,
) -> EpisodeSet:
    """The demonstrations that are looked at.

    Args:
        paths: Datasets.
        windows: See `Windows`.
        selection: What the checkpoint was trained on.
        seed: Seed of its training, which decided what was held out.
        checkpoint: The checkpoint.
        which: Those that it was not trained on, or all.
        note: Told what takes time, and what is not certain.

    Raises:
        DataError: They cannot be read, do not fit the checkpoint, or none is left.
    """
    demos = [demo for path in paths for demo in open_source(path).demos]
    trained, used = _trained(demos, windows(selection), seed)
    everything = SelectionConfig(success_only=selection.success_only, validation=0.0)
    data = TrainingData(paths, windows(everything), base=checkpoint.normalisation, note=note)
    unknown = data.normalisation.embodiments.keys() - checkpoint.normalisation.embodiments.keys()
    if unknown:
        raise DataError(
            f"The data has the embodiment {', '.join(sorted(unknown))}, and the checkpoint was "
            f"trained on {', '.join(checkpoint.normalisation.embodiments)}.",
            "Look at demonstrations of the same robot.",
        )
    chosen, begin = [], 0
    for number, part in enumerate(data.parts):
        chosen += [
            (number, demo) for demo in part.train if which == "all" or begin + demo not in trained
        ]
        begin += len(part.source.demos)
    if not chosen:
        raise DataError(
            f"The checkpoint was trained on all of these {len(trained)} demonstrations.",
            "Give others, or look at those that it was trained on: --episodes all.",
        )
    if which == "held-out" and used:
        known = _identity_trained_on(checkpoint)
        if known != dataset_identity([demos[index] for index in used]):
            note(
                "These are not exactly the demonstrations of the training, so that what was held "
                "out of these may have been trained on there."
                if known
                else "The checkpoint has no record of its data: what is held out of these is right "
                "if they are the demonstrations that it was trained on."
            )
    return EpisodeSet(data, chosen, checkpoint.normalisation)


def _trained(
    demos: Sequence[DemoInfo], config: DataConfig, seed: int
) -> tuple[frozenset[int], tuple[int, ...]]:
    """Which of these a training would train on; and those together with what it would validate."""

    def there(tasks: Sequence[str]) -> tuple[str, ...]:
        return tuple(t for t in tasks if any(task_matches(d.task, d.suite, [t]) for d in demos))

    tasks = there(config.tasks)
    if config.tasks and not tasks:
        return frozenset(), ()
    relevant = {"tasks": tasks, "holdout_tasks": there(config.holdout_tasks)}
    try:
        found = split(demos, config.model_copy(update=relevant), seed)
    except DataError:  # all are of those that were left out
        return frozenset(), ()
    return frozenset(found.train), (*found.train, *found.validation)


def _identity_trained_on(checkpoint: Checkpoint) -> str:
    """Identity of the demonstrations that a checkpoint was trained on; empty where unknown."""
    try:
        record: Any = json.loads((checkpoint.folder / "training" / "run.json").read_text())
        return str(record["data"]["identity"])
    except (OSError, ValueError, KeyError):
        return ""
