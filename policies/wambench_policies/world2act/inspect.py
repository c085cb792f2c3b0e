"""Looks into World2Act's checkpoints: `wambench inspect world2act --checkpoint ... --data ...`.

World models here, alignments in `align/inspect.py`.

Each diagnostic writes `NAME.csv` and `NAME.png`. Importing this needs no PyTorch.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from wambench.errors import UsageError
from wambench.inspector import Diagnostic, Finding, InspectRequest
from wambench.trainer import TrainInput
from wambench_policies.world2act.runs import WorldModelRun
from wambench_policies.world2act.train import METHOD

if TYPE_CHECKING:
    from wambench_policies.diagnostics.episodes import EpisodeSet
    from wambench_policies.world2act.diagnostics import Episodes, Imagined
    from wambench_policies.world2act.world import VideoWorld

STAGES = ("worldmodel",)
ALIGNED = ("align",)
_STRIPS = 3
_COLUMNS = 8
"""Events of a film strip, and frames of each."""


class World2ActInspector:
    """The diagnostics of world models and of alignments."""

    diagnostics = (
        Diagnostic(
            "film", "imagined frames beside recorded ones, and under a wrong prompt", STAGES
        ),
        Diagnostic("prediction", "error by time beside standing still and a wrong prompt", STAGES),
        Diagnostic("rollout", "episodes of several skills, clip after clip; with --base", STAGES),
        Diagnostic("retrieval", "are actions found by their video, and videos by theirs", ALIGNED),
        Diagnostic("similarity", "every video beside the actions of every other clip", ALIGNED),
        Diagnostic("chunks", "likeness of a latent and actions some chunks away", ALIGNED),
        Diagnostic("direction", "does the gradient lead moved actions back", ALIGNED),
    )
    inputs = (
        TrainInput("base", "checkpoint of stage worldmodel, --wm base, to compare with"),
        TrainInput("world", "the world model that was aligned, where it has been moved"),
    )

    def inspect(self, request: InspectRequest) -> Iterator[Finding]:
        """Answers; see `wambench.inspector.Inspector`."""
        from wambench_policies.diagnostics.answers import answers, asked
        from wambench_policies.nn.checkpoint import Checkpoint

        checkpoint = Checkpoint.open(request.checkpoint, method=METHOD)
        names = asked(self.diagnostics, checkpoint, request)
        if checkpoint.stage == "align":
            from wambench_policies.world2act.align.inspect import AlignInspection

            inspection: Any = AlignInspection(checkpoint, request)
        else:
            inspection = _Inspection(checkpoint, request)
        yield from answers(inspection, names, request)


class _Inspection:
    """One checkpoint and the demonstrations that it is asked about."""

    def __init__(self, checkpoint: Any, request: InspectRequest) -> None:
        from wambench_policies.world2act.world import VideoWorld

        self.checkpoint = checkpoint
        self.request = request
        self.run = checkpoint.configuration(WorldModelRun)
        self.world = VideoWorld.load(str(request.checkpoint), device=request.device)
        self.config = self.world.config

    @cached_property
    def base(self) -> VideoWorld | None:
        """The base world model that is compared with."""
        from wambench_policies.world2act.world import VideoWorld

        folder = self.request.inputs.get("base")
        if folder is None:
            return None
        base = VideoWorld.load(folder, device=self.request.device)
        if (base.config.wm, self.config.wm) != ("base", "skill"):
            raise UsageError(
                f"--base {folder} is a world model of {base.config.wm}s, and "
                f"{self.request.checkpoint} of {self.config.wm}s.",
                "Compare a --checkpoint of --wm skill with a --base of --wm base.",
            )
        ours, theirs = (w.model.tokenizer.state_dict() for w in (self.world, base))
        alike = ours.keys() == theirs.keys() and all(ours[k].equal(theirs[k]) for k in ours)
        if not alike or base.config.frames != self.config.frames:
            raise UsageError(
                f"--base {folder} has another tokenizer or length of clips, so that errors cannot "
                "be compared.",
                "Train both with one --tokenizer and equal frames.",
            )
        return base

    @cached_property
    def episodes(self) -> EpisodeSet:
        """The demonstrations."""
        from wambench_policies.diagnostics.episodes import read_episodes

        request = self.request
        return read_episodes(
            request.data,
            self.config.windows,
            self.run.data,
            self.run.training.seed,
            self.checkpoint,
            request.episodes,
            request.note,
        )

    @cached_property
    def seen(self) -> Imagined:
        """Clips, recorded and imagined."""
        from wambench_policies.world2act.diagnostics import imagined

        return imagined(self.world, self.episodes, self.request.windows, self.request.seed)

    @cached_property
    def of_skills(self) -> Episodes:
        """Episodes of several skills.

        Raises:
            UsageError: There are none.
        """
        from wambench_policies.world2act.diagnostics import episodes_of_skills

        return episodes_of_skills(self.world, self.episodes, max(1, self.request.windows // 4))

    def lacks(self, name: str) -> UsageError | None:
        """Why a diagnostic cannot be asked; None where it can."""
        if name == "rollout":
            try:
                _ = self.of_skills
            except UsageError as error:
                return error
        return None

    # ---- one method per diagnostic -----------------------------------------------------------

    def film(self) -> Finding:
        """Frames of a few clips; PSNR of all."""
        from wambench_policies.diagnostics.film import Strip, film, shown_frames
        from wambench_policies.diagnostics.pictures import psnr
        from wambench_policies.world2act.diagnostics import standing

        seen = self.seen
        real = self.world.decode(seen.real)
        videos = {
            "imagined": self.world.decode(seen.told),
            "wrong_prompt": self.world.decode(seen.misled),
            "standing_still": self.world.decode(standing(seen.real)),
        }
        rows = [
            {
                "demonstration": seen.names[i],
                "prompt": seen.prompts[i],
                "wrong_prompt": seen.wrong[i],
            }
            | {f"psnr_{name}": psnr(frames[i, 1:], real[i, 1:]) for name, frames in videos.items()}
            for i in range(len(seen.names))
        ]
        shown = shown_frames(real.shape[1], _COLUMNS)
        strips = [
            Strip(
                f"{seen.prompts[i]} (other prompt: {seen.wrong[i]})",
                [
                    ("recorded", real[i][shown]),
                    ("imagined", videos["imagined"][i][shown]),
                    ("other prompt", videos["wrong_prompt"][i][shown]),
                ],
            )
            for i in different(seen.prompts, _STRIPS)
        ]
        times = np.linspace(0, seen.seconds[-1], real.shape[1])[shown]
        means = {name: float(np.mean([row[f"psnr_{name}"] for row in rows])) for name in videos}
        line = (
            f"{len(rows)} clips: PSNR {means['imagined']:.1f} dB, under another prompt "
            f"{means['wrong_prompt']:.1f}, standing still {means['standing_still']:.1f}; recorded "
            "frames are shown and compared as the tokenizer paints them"
        )
        return self._finding("film", line, rows, film(strips, [f"{t:.1f} s" for t in times]))

    def prediction(self) -> Finding:
        """Errors of latents by time."""
        from wambench_policies.diagnostics.draw import curves
        from wambench_policies.world2act.diagnostics import errors, standing

        seen = self.seen
        series = {
            "imagined": errors(seen.told, seen.real),
            "under another prompt": errors(seen.misled, seen.real),
            "standing still": errors(standing(seen.real), seen.real),
        }
        rows = [
            {"seconds": float(seen.seconds[k])} | {name: float(v[k]) for name, v in series.items()}
            for k in range(len(seen.seconds))
        ]
        shown = slice(None, None, -(-len(rows) // 9))
        figure = curves(
            f"Error of imagined latents, {len(seen.names)} clips",
            [float(s) for s in seen.seconds[shown]],
            {name: values[shown].tolist() for name, values in series.items()},
            "seconds after the first frame",
            "mean squared error",
        )
        told, misled, still = (values[1:].mean() for values in series.values())
        line = (
            f"error {told:.3f}, standing still {still:.3f}, under another prompt {misled:.3f}; a "
            "prompt is used where another one costs something"
        )
        return self._finding("prediction", line, rows, figure)

    def rollout(self) -> Finding:
        """Errors over the length of several clips, beside the base world model."""
        from wambench_policies.diagnostics.draw import curves
        from wambench_policies.diagnostics.files import write_figure
        from wambench_policies.diagnostics.film import Strip, film, shown_frames
        from wambench_policies.world2act.diagnostics import curves_of, rolled_out

        chosen = self.of_skills
        count = len(chosen.prompts[0])
        models = {self.config.wm: self.world} | ({} if self.base is None else {"base": self.base})
        runs = {
            name: rolled_out(world, self.episodes, chosen, self.request.seed)
            for name, world in models.items()
        }
        series = curves_of(runs)
        length = len(next(iter(series.values())))
        seconds = np.arange(length) * self.config.tokenizer.stride / self.episodes.control_hz
        rows = [
            {"seconds": float(seconds[k])} | {name: float(v[k]) for name, v in series.items()}
            for k in range(length)
        ]
        every = slice(None, None, -(-length // 9))
        figure = curves(
            f"Error of rollouts of {count} clips, {len(chosen.names)} episodes",
            [round(float(s), 1) for s in seconds[every]],
            {name: values[every].tolist() for name, values in series.items()},
            "seconds after the first frame",
            "mean squared error",
        )
        finding = self._finding("rollout", self._told(series, count), rows, figure)
        strips = []
        for index in different(chosen.names, 2):
            videos = []
            for name, run in runs.items():
                pair = [self.world.decode(v[index : index + 1])[0] for v in (run.real, run.found)]
                shown = shown_frames(len(pair[0]), _COLUMNS)
                videos += [
                    (f"recorded,\n{name}'s time", pair[0][shown]),
                    (f"{name}", pair[1][shown]),
                ]
            strips.append(Strip(", then ".join(chosen.prompts[index]), videos))
        times = np.linspace(0, seconds[-1], len(pair[0]))[shown]
        picture = film(strips, [f"{t:.1f} s" for t in times])
        film_file = write_figure(self.request.out / "rollout_film.png", picture)
        return Finding(finding.name, finding.line, (*finding.files, film_file))

    @staticmethod
    def _told(series: dict[str, Any], count: int) -> str:
        parts = [f"{name} {v[1:].mean():.3f}, at the end {v[-1]:.3f}" for name, v in series.items()]
        return f"mean error over {count} clips: {'; '.join(parts)}"

    def _finding(self, name: str, line: str, rows: list[dict[str, Any]], figure: Any) -> Finding:
        from wambench_policies.diagnostics.files import write_finding

        return write_finding(self.request.out, name, line, rows, figure)


def different(names: list[str], count: int) -> list[int]:
    """Indices of at most `count` of them, of different names wherever there are as many."""
    order = sorted(range(len(names)), key=lambda i: (names[:i].count(names[i]), i))
    return sorted(order[:count])
