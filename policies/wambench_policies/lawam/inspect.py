"""Looks into LaWAM's checkpoints: `wambench inspect lawam --checkpoint C --data D --out O`.

    wambench inspect lawam --checkpoint ckpt/lawm --data data/libero_* --out look/lawm
    wambench inspect lawam --checkpoint ckpt/lawam --lawm ckpt/lawm --data data/libero_* --out look

Each diagnostic writes `NAME.csv` and `NAME.png`. Importing this needs no PyTorch.

Non-obvious behaviours
    - Errors of features are in standardised space: 1 is that of always predicting the mean; see
      `wambench_policies.diagnostics.features`.
    - A policy's checkpoint does not hold its teacher: what asks for the teacher's latent needs
      --lawm, the stage 1 that the policy was trained with.
    - Means, scales and regressions of a demonstration are fitted to other demonstrations.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from wambench.errors import UsageError
from wambench.inspector import Diagnostic, Finding, InspectRequest
from wambench.trainer import TrainInput
from wambench_policies.lawam.runs import LaWAMRun, LaWMRun
from wambench_policies.lawam.train import METHOD

if TYPE_CHECKING:
    from torch import Tensor

    from wambench_policies.diagnostics.episodes import EpisodeSet
    from wambench_policies.lawam.diagnostics.subject import Subject
    from wambench_policies.lawam.diagnostics.world import Pairs
    from wambench_policies.nn.checkpoint import Checkpoint

BOTH, POLICY = ("lawm", "policy"), ("policy",)
WITHOUT_TEACHER = ("maps", "actions")
"""Diagnostics of a policy that do without --lawm."""
WITHOUT_WORLD = ("ridge", "actions")
"""Diagnostics of a policy that do without a world model."""

_UNIT = "standardised error"
"""Of all errors here: squared, and 1 is that of always predicting the mean."""


class LaWAMInspector:
    """The diagnostics of both stages."""

    diagnostics = (
        Diagnostic("prediction", "feature error by horizon, beside copy and mean", BOTH),
        Diagnostic("shuffled", "what another sample's z costs: does LaWM use z?", BOTH),
        Diagnostic("rollout", "open-loop error by step, beside copy", BOTH),
        Diagnostic("ridge", "how much of the actions z says, by linear regression", BOTH),
        Diagnostic("maps", "where subgoals differ from the present frame", BOTH),
        Diagnostic("subgoal", "imagined against true latent and subgoal", POLICY),
        Diagnostic("actions", "action error by control frequency", POLICY),
    )
    inputs = (TrainInput("lawm", "for a policy: the stage-1 checkpoint that holds its teacher"),)

    def inspect(self, request: InspectRequest) -> Iterator[Finding]:
        """Answers; see `wambench.inspector.Inspector`."""
        from wambench_policies.diagnostics.answers import asked
        from wambench_policies.nn.checkpoint import Checkpoint

        checkpoint = Checkpoint.open(request.checkpoint, method=METHOD)
        names = asked(self.diagnostics, checkpoint, request)
        inspection = _Inspection(checkpoint, request)
        inspection.check(names)
        for name in names:
            yield getattr(inspection, name)()


class _Inspection:
    """One checkpoint and the demonstrations that it is asked about."""

    def __init__(self, checkpoint: Checkpoint, request: InspectRequest) -> None:
        from wambench_policies.lawam.diagnostics.subject import load_subject

        self.checkpoint = checkpoint
        self.request = request
        kind = LaWMRun if checkpoint.stage == "lawm" else LaWAMRun
        self.run: LaWMRun | LaWAMRun = checkpoint.configuration(kind)
        self.subject: Subject = load_subject(checkpoint, request.inputs.get("lawm"), request.device)

    def check(self, names: Sequence[str]) -> None:
        """Refuses what cannot be answered before anything is computed.

        Raises:
            UsageError: Something is missing.
        """
        if self.subject.teacher is None:
            needing = [name for name in names if name not in WITHOUT_TEACHER]
            if needing:
                raise UsageError(
                    f"{', '.join(needing)} ask{'s' * (len(needing) == 1)} for the teacher of "
                    "stage 1, which a policy's checkpoint does not hold.",
                    f"Add --lawm CHECKPOINT, or --only {','.join(WITHOUT_TEACHER)}.",
                )
        if self.subject.world is None:
            needing = [name for name in names if name not in WITHOUT_WORLD]
            if needing:
                raise UsageError(
                    f"{self.checkpoint.folder} was trained without a world model (use_lawm=false), "
                    f"which {', '.join(needing)} would ask.",
                    f"Use --only {','.join(WITHOUT_WORLD)}.",
                )

    @cached_property
    def episodes(self) -> EpisodeSet:
        """The demonstrations."""
        from wambench_policies.diagnostics.episodes import read_episodes

        request, run = self.request, self.run
        return read_episodes(
            request.data,
            run.windows,
            run.data,
            run.training.seed,
            self.checkpoint,
            request.episodes,
            request.note,
        )

    @cached_property
    def pairs(self) -> Pairs:
        """Frames τ apart."""
        from wambench_policies.lawam.diagnostics.world import pairs_at_tau

        return pairs_at_tau(self.subject, self.episodes, *self._draw)

    @cached_property
    def imagined(self) -> tuple[Tensor, Tensor | None]:
        """Latents and subgoals of the pairs: the policy's, in stage 1 the teacher's."""
        if self.subject.policy is None:
            return self.by_teacher
        from wambench_policies.lawam.diagnostics.policy import imagine

        return imagine(self.subject, self.episodes, self.pairs.samples)

    @cached_property
    def by_teacher(self) -> tuple[Tensor, Tensor]:
        """The teacher's latents of the pairs, and what LaWM makes of them."""
        z = self.subject.latents(self.pairs.u, self.pairs.u_T)
        return z, self.subject.predict(self.pairs.u, z)

    @cached_property
    def by_horizon(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Rows of `prediction` and of `shuffled`."""
        from wambench_policies.lawam.diagnostics.world import prediction

        return prediction(self.subject, self.episodes, *self._draw)

    @property
    def _draw(self) -> tuple[int, int]:
        return self.request.windows, self.request.seed

    # ---- one method per diagnostic -----------------------------------------------------------

    def prediction(self) -> Finding:
        """Feature error by horizon."""
        from wambench_policies.diagnostics.draw import curves

        rows = self.by_horizon[0]
        figure = curves(
            "Prediction of features",
            [row["horizon_s"] for row in rows],
            {
                "LaWM with the teacher's z": [row["model"] for row in rows],
                "copy of the present frame": [row["copy"] for row in rows],
                "mean of other episodes": [row["mean"] for row in rows],
            },
            "horizon, s",
            _UNIT,
        )
        at = self._nearest_tau(rows)
        line = (
            f"at {at['horizon_s']:g} s LaWM's error is {at['model']:.3g}, copying's "
            f"{at['copy']:.3g}, the mean's {at['mean']:.3g}; it predicts change where its curve "
            "lies below copying's, and 1 is always predicting the mean."
        )
        return self._finding("prediction", line, rows, figure)

    def shuffled(self) -> Finding:
        """Error with another sample's z."""
        from wambench_policies.diagnostics.draw import curves

        rows = self.by_horizon[1]
        figure = curves(
            "Shuffled z",
            [row["horizon_s"] for row in rows],
            {
                "with its own z": [row["own"] for row in rows],
                "with another sample's z": [row["shuffled"] for row in rows],
            },
            "horizon, s",
            _UNIT,
        )
        at = self._nearest_tau(rows)
        line = (
            f"at {at['horizon_s']:g} s another sample's z adds {at['delta']:.3g} to an error of "
            f"{at['own']:.3g}; 0 would mean that LaWM ignores z."
        )
        return self._finding("shuffled", line, rows, figure)

    def rollout(self) -> Finding:
        """Open-loop error by step."""
        from wambench_policies.diagnostics.draw import curves
        from wambench_policies.lawam.diagnostics.world import rollout

        rows = rollout(self.subject, self.episodes, *self._draw)
        figure = curves(
            "Open-loop rollout",
            [row["step"] for row in rows],
            {
                "LaWM on its own predictions": [row["model"] for row in rows],
                "LaWM on the true frame before": [row["one_step"] for row in rows],
                "copy of the first frame": [row["copy"] for row in rows],
                "mean of other episodes": [row["mean"] for row in rows],
            },
            f"step of {self.subject.tau:g} s",
            _UNIT,
        )
        last = rows[-1]
        line = (
            f"after {last['step']} steps ({last['seconds']:g} s) the error is {last['model']:.3g} "
            f"open loop, {last['one_step']:.3g} for a single step, {last['copy']:.3g} for copying "
            "the first frame; how fast the first leaves the second is how errors pile up."
        )
        return self._finding("rollout", line, rows, figure)

    def ridge(self) -> Finding:
        """Regression from z to actions."""
        from wambench_policies.diagnostics.draw import bars
        from wambench_policies.lawam.diagnostics.latents import latent_to_action

        rows = latent_to_action(self.subject, self.episodes, self.pairs)
        names = list(dict.fromkeys(row["action"] for row in rows))
        by_input: dict[str, list[float]] = {}
        for row in rows:
            by_input.setdefault(row["input"], []).append(row["r2"])
        figure = bars(
            "Actions from latent actions",
            names,
            by_input,
            "R2 on held-out episodes",
            limits=(-0.5, 1.0),
        )
        whole = ", ".join(f"{name} {values[0]:.3g}" for name, values in by_input.items())
        line = (
            f"R2 of the chunk of actions from {whole}; 1 is all of it, 0 or less no better than "
            "the mean action. Beside it stands what the robot's own motion says."
        )
        return self._finding("ridge", line, rows, figure)

    def maps(self) -> Finding:
        """Similarity of subgoals to the present frame."""
        from wambench_policies.diagnostics.draw import heat_maps
        from wambench_policies.lawam.diagnostics import maps as module

        pairs, subgoal = self.pairs, self.imagined[1]
        assert subgoal is not None
        maps = module.similarity_maps(pairs, subgoal, self.subject.encoder.grid)
        chosen = module.examples(pairs)
        now = self.episodes.frames(pairs.samples)
        later = self.episodes.frames(pairs.samples, pairs.rows)
        figure = heat_maps(
            "Where the subgoal is unlike the present frame",
            ["now", f"{pairs.rows / self.episodes.control_hz:g} s later", "true", "imagined"],
            [
                (
                    f"row {int(pairs.samples.row[i])}",
                    (now[i], later[i], now[i], now[i]),
                    (None, None, maps.true[i].cpu().numpy(), maps.imagined[i].cpu().numpy()),
                )
                for i in chosen
            ],
            "cosine similarity to now",
        )
        names = [info.name for info in self.episodes.infos]
        rows = module.agreement_rows(maps, pairs, names, chosen)
        found, control = (fmean(row[key] for row in rows) for key in ("agreement", "shuffled"))
        line = (
            f"imagined and true maps correlate by {found:.3g}, and by {control:.3g} with what is "
            "imagined for another sample; dark is where something is to change. Drawn are the "
            "windows of most change."
        )
        tokens = module.map_rows(maps, pairs, names, chosen)
        return self._finding("maps", line, rows, figure, tokens=tokens)

    def subgoal(self) -> Finding:
        """Predicted latent and subgoal of a policy."""
        from wambench_policies.diagnostics.draw import bar_panels
        from wambench_policies.lawam.diagnostics.policy import latent_rows, subgoal_rows

        (z, by_teacher), (predicted, imagined) = self.by_teacher, self.imagined
        assert imagined is not None
        rows = latent_rows(predicted, z, self.pairs.samples)
        rows += subgoal_rows(self.pairs, imagined, by_teacher)
        found = {(row["what"], row["candidate"]): row["error"] for row in rows}
        titles = {"latent": "Predicted latent action", "subgoal": "Imagined subgoal"}
        figure = bar_panels(
            {
                title: {name: error for (kind, name), error in found.items() if kind == what}
                for what, title in titles.items()
            },
            _UNIT,
        )
        line = (
            f"the latent is {found['latent', 'policy']:.3g} from the teacher's (the mean latent "
            f"{found['latent', 'mean']:.3g}); the subgoal is {found['subgoal', 'policy']:.3g} from "
            f"the true one (with the teacher's latent {found['subgoal', 'teacher']:.3g}, copying "
            f"{found['subgoal', 'copy']:.3g}); it is worth imagining below copying."
        )
        return self._finding("subgoal", line, rows, figure)

    def actions(self) -> Finding:
        """Action error by frequency."""
        from wambench_policies.diagnostics.draw import curves
        from wambench_policies.lawam.diagnostics.actions import actions_of

        frequencies = self.episodes.embodiment(0).control_hz
        rows = actions_of(
            self.subject, self.episodes, frequencies, self.run.data.resample_clip, *self._draw
        )
        figure = curves(
            "Actions by control frequency",
            [row["control_hz"] for row in rows],
            {
                "policy": [row["error"] for row in rows],
                "mean action": [row["mean"] for row in rows],
            },
            "control frequency, Hz",
            _UNIT,
        )
        each = ", ".join(
            f"{row['error']:.3g} at {row['control_hz']:g} Hz (mean action {row['mean']:.3g})"
            for row in rows
        )
        line = (
            f"error of chunks over cells of {rows[0]['cell_s']:g} s: {each}; equal heights mean "
            "that the policy moves alike at all frequencies."
        )
        return self._finding("actions", line, rows, figure)

    # ---- inside ------------------------------------------------------------------------------

    def _nearest_tau(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        return min(rows, key=lambda row: abs(row["horizon_tau"] - 1))

    def _finding(
        self,
        name: str,
        line: str,
        rows: Sequence[dict[str, Any]],
        figure: Any,
        **more: Sequence[dict[str, Any]],
    ) -> Finding:
        """Writes `NAME.csv`, `NAME.png`, and a `NAME_KEY.csv` for each further table."""
        from wambench_policies.diagnostics.files import write_finding, write_table

        out: Path = self.request.out
        found = write_finding(out, name, line, rows, figure)
        tables = [write_table(out / f"{name}_{key}.csv", table) for key, table in more.items()]
        return Finding(name, line, (*found.files, *tables))
