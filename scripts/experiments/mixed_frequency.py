"""Does a code of physical time let one policy act at several control frequencies? (appendix C.4)

    python scripts/experiments/mixed_frequency.py --data data/libero_* --out runs/mixed [--seeds 3]

The data must hold label pictures, which stage encoder learns from (docs/training.md).

For every seed: LaWAM's stages encoder and lawm once, then the policy in four ways on the same
demonstrations, for the same number of steps:

    mixed, time code      read at 5, 10 and 20 Hz; the preset's code of time in seconds
    mixed, index          the same with the code of an action's index in place of its time (ours)
    mixed, no code        the same without any code, as the paper has it: actions have no position
    20 Hz only            read at the highest frequency alone, with the code of time

and for each the action error at every frequency on episodes that neither stage was trained on, in
chunks aligned by seconds (see `wambench_policies.lawam.diagnostics.actions`; 1 is about that of the
mean action). With --eval SUITE also its success at the suite's own frequency.

Writes table.csv (one row per policy and frequency), table.png and, with --eval, success.csv. Run
again, the same command goes on where it was stopped; what is done is not done again.

Non-obvious behaviours
    - At 5 Hz an action is the sum of four, clipped to the bounds of one action unless
      --set policy.data.resample_clip=none: what the demonstrations did faster than that cannot be
      asked for, and is not counted as an error.
    - A policy that was trained at 20 Hz alone only knows the range of those actions: at 5 Hz its
      actions are too small. That is part of what is measured.
    - With --lawm all seeds share that stage 1, which may have seen what they hold out.
"""

from __future__ import annotations

import argparse
import shlex
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from wambench import registry
from wambench.cli.inputs import expanded
from wambench.cli.options import parse_indices, parse_settings
from wambench.cli.terminal import console as make_console
from wambench.errors import UsageError, WambenchError
from wambench.trainer import Trainer, TrainRequest

STAGES = ("encoder", "lawm", "policy")
STATE = Path("training") / "state.safetensors"
"""What a training that can be gone on with has in its folder."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Arm:
    """One way to train the policy.

    Attributes:
        folder: Name of its folder.
        label: Its name in table and figure.
        overrides: Configuration values.
    """

    folder: str
    label: str
    overrides: Mapping[str, str]


class Interrupted(Exception):
    """A training was stopped by the user."""


def arms(frequencies: Sequence[float]) -> list[Arm]:
    """The four ways."""
    mixed = {"data.control_hz": ",".join(f"{hz:g}" for hz in frequencies)}
    highest = f"{max(frequencies):g}"
    return [
        Arm("mixed_time_code", "mixed, time code", mixed),
        Arm("mixed_index", "mixed, index", mixed | {"expert.time_code": "index"}),
        Arm("mixed_no_code", "mixed, no code", mixed | {"expert.time_code": "none"}),
        Arm("highest_only", f"{highest} Hz only", {"data.control_hz": highest}),
    ]


class Experiment:
    """The trainings and measurements of one command.

    Args:
        given: The command's options.
    """

    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        self.console = make_console()
        self.trainer: Trainer = registry.load_trainer(registry.find_trainer("lawam"))
        self.data = tuple(expanded(given.data))
        self.frequencies = sorted({float(part) for part in given.frequencies.split(",")})
        if len(self.frequencies) < 2:
            raise UsageError("One frequency is no mixture.", "Give several, such as 5,10,20.")
        self.overrides: dict[str, dict[str, str]] = {stage: {} for stage in STAGES}
        for key, value in parse_settings(given.set, "--set").items():
            stage, _, rest = key.partition(".")
            if stage not in STAGES or not rest:
                raise UsageError(
                    f"--set {key} names no stage.",
                    f"Write {', '.join(STAGES)} and a dot before it.",
                )
            self.overrides[stage][rest] = value
        policy = self.overrides["policy"]
        if "data.control_hz" in policy or policy.get("expert.time_code") in ("none", "index"):
            raise UsageError(
                "Frequencies and the code of time are what this experiment varies.",
                "Use --frequencies; expert.time_code may be input or per_layer.",
            )

    def run(self) -> None:
        """Trains what is missing, measures, and prints the table."""
        rows: list[Row] = []
        successes: list[Row] = []
        for seed in range(self.given.seeds):
            lawm = self._stage_one(seed)
            for arm in arms(self.frequencies):
                folder = self.given.out / f"seed{seed}" / arm.folder
                self._train("policy", folder, seed, {"lawm": str(lawm)}, arm.overrides)
                about = {"arm": arm.label, "seed": seed}
                rows += [about | row for row in self._errors(folder, seed)]
                if self.given.eval:
                    successes.append(about | self._success(folder))
        self._write(rows, successes)

    # ---- trainings -----------------------------------------------------------------------------

    def _stage_one(self, seed: int) -> Path:
        if self.given.lawm is not None:
            self.console.print(
                f"seed {seed} uses {self.given.lawm}, which may have been trained on what this "
                "seed holds out.",
                style="dim",
                soft_wrap=True,
            )
            return self.given.lawm
        folder = self.given.out / f"seed{seed}"
        self._train("encoder", folder / "encoder", seed, {})
        self._train("lawm", folder / "lawm", seed, {"encoder": str(folder / "encoder")})
        return folder / "lawm"

    def _train(
        self,
        stage: str,
        out: Path,
        seed: int,
        inputs: Mapping[str, str],
        overrides: Mapping[str, str] | None = None,
    ) -> None:
        """Trains a stage, or goes on with it; returns at once where all steps are done.

        Raises:
            Interrupted: The user stopped it; it was saved.
        """
        given = self.given
        self.console.print(f"{stage}, seed {seed}: {out}", soft_wrap=True)
        result = self.trainer.train(
            TrainRequest(
                stage=stage,
                preset=given.preset,
                data=self.data,
                out=out,
                inputs=inputs,
                overrides=self.overrides[stage] | dict(overrides or {}),
                steps=given.steps if stage == "policy" else given.stage_one_steps,
                batch_size=given.batch_size,
                seed=seed,
                resume=(out / STATE).exists(),
                device=given.device,
                command=shlex.join(sys.argv),
                note=lambda line: self.console.print(line, style="dim", soft_wrap=True),
            )
        )
        if result.stopped != "finished":
            raise Interrupted

    # ---- measurements --------------------------------------------------------------------------

    def _errors(self, folder: Path, seed: int) -> list[Row]:
        """Action errors of a policy by frequency, on what it was not trained on."""
        from wambench_policies.diagnostics.episodes import read_episodes
        from wambench_policies.lawam.diagnostics.actions import actions_of
        from wambench_policies.lawam.diagnostics.subject import load_subject
        from wambench_policies.lawam.runs import LaWAMRun
        from wambench_policies.nn.checkpoint import Checkpoint

        checkpoint = Checkpoint.open(folder, method="lawam", stage="policy")
        run = checkpoint.configuration(LaWAMRun)
        subject = load_subject(checkpoint, device=self.given.device)
        episodes = read_episodes(
            self.data, run.windows, run.data, run.training.seed, checkpoint, "held-out"
        )
        return actions_of(
            subject,
            episodes,
            self.frequencies,
            run.data.resample_clip,
            self.given.windows,
            seed,
        )

    def _success(self, folder: Path) -> Row:
        """Successes of a policy on the suite."""
        from wambench.evaluate import Execution, Request, resume_run, start_run
        from wambench.report.summary import summarise_run

        given, out = self.given, folder / "eval" / self.given.eval
        execution = Execution(workers=given.workers)
        if (out / "run.json").exists():
            run = resume_run(out, {"trials": given.trials}, execution)
        else:
            run = start_run(
                Request(
                    policy="lawam",
                    suite=given.eval,
                    out=out,
                    policy_arguments={"checkpoint": str(folder)},
                    trials=given.trials,
                    tasks=None if given.tasks is None else parse_indices(given.tasks),
                ),
                execution,
            )
        summary = summarise_run(run).suite
        if not summary.complete:
            raise UsageError(
                f"{summary.planned - summary.trials} episodes of {out} ended in errors.",
                "Run the command again; logs/ in that folder says what happened.",
            )
        return {"suite": given.eval, "successes": summary.successes, "episodes": summary.trials}

    # ---- results -------------------------------------------------------------------------------

    def _write(self, rows: list[Row], successes: list[Row]) -> None:
        from wambench_policies.diagnostics.draw import curves
        from wambench_policies.diagnostics.files import write_figure, write_table

        labels = list(dict.fromkeys(row["arm"] for row in rows))
        by_arm = {
            label: [
                [r["error"] for r in rows if (r["arm"], r["control_hz"]) == (label, hz)]
                for hz in self.frequencies
            ]
            for label in labels
        }
        mean_action = [
            statistics.fmean(r["mean"] for r in rows if r["control_hz"] == hz)
            for hz in self.frequencies
        ]
        columns = [f"{hz:g} Hz" for hz in self.frequencies]
        table = Table(
            "trained on", *columns, *([f"success on {self.given.eval}"] * bool(successes))
        )
        for label, errors in by_arm.items():
            mine = [row for row in successes if row["arm"] == label]
            won, played = (sum(row[key] for row in mine) for key in ("successes", "episodes"))
            table.add_row(
                label,
                *(_mean_and_deviation(values) for values in errors),
                *([f"{won}/{played}"] * bool(mine)),
            )
        table.add_row("the mean action", *(f"{value:.3f}" for value in mean_action))
        figure = curves(
            "Held-out action error by control frequency",
            self.frequencies,
            {label: [statistics.fmean(v) for v in errors] for label, errors in by_arm.items()}
            | {"the mean action": mean_action},
            "control frequency, Hz",
            "standardised error",
            spread={label: [(min(v), max(v)) for v in errors] for label, errors in by_arm.items()},
        )
        out = self.given.out
        files = [write_table(out / "table.csv", rows), write_figure(out / "table.png", figure)]
        if successes:
            files.append(write_table(out / "success.csv", successes))
        self.console.print(table)
        self.console.print(
            "Standardised error of held-out chunks, aligned by seconds: mean (± deviation) over "
            f"{self.given.seeds} seed(s); 1 is about always the mean action. A policy that has "
            "learned physical time has similar errors at all frequencies.",
            soft_wrap=True,
        )
        for file in files:
            self.console.print(f"Wrote {file}", soft_wrap=True)


def _mean_and_deviation(values: Sequence[float]) -> str:
    mean = f"{statistics.fmean(values):.3f}"
    return mean if len(values) < 2 else f"{mean} ± {statistics.stdev(values):.3f}"


def parsed() -> argparse.Namespace:
    """The command's options."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", nargs="+", required=True, help="datasets, or patterns")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--steps", type=int, help="of each policy [the preset's]")
    parser.add_argument("--stage-one-steps", type=int, help="of encoder and lawm [the preset's]")
    parser.add_argument("--batch-size", type=int, help="[the preset's]")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--frequencies", default="5,10,20", help="in Hz")
    parser.add_argument("--lawm", type=Path, help="a stage 1 for all seeds, not trained here")
    parser.add_argument("--set", action="append", default=[], help="STAGE.KEY=VALUE")
    parser.add_argument("--windows", type=int, default=512, help="windows measured per policy")
    parser.add_argument("--eval", metavar="SUITE", help="also evaluate on this suite")
    parser.add_argument("--trials", type=int, default=10, help="episodes per task of --eval")
    parser.add_argument("--tasks", help="tasks of --eval, such as 0,3")
    parser.add_argument("--workers", type=int, help="simulators of --eval")
    parser.add_argument("--device", choices=("auto", "cpu"), default="auto")
    given = parser.parse_args()
    if given.seeds < 1 or given.windows < 1:
        parser.error("--seeds and --windows must be at least 1")
    return given


def main() -> int:
    """Runs the experiment; 0 done, 2 refused, 130 interrupted."""
    try:
        Experiment(parsed()).run()
    except WambenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except (Interrupted, KeyboardInterrupt):
        print("Interrupted; the same command goes on.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
