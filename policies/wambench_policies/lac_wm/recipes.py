"""LAC-WM's tables at tiny scale: world models that choose what a robot does.

table1    how well they imagine: pictures of roll-outs beside recorded ones
table2    among a VLA's samples, with the simulator itself for a bound
table3    the same without motion decoder and cross-augmentation
table5    the ways of fine-tuning; among stretches of demonstrations
figure4   pretrained on one, two and three embodiments that are not BFA's

World models are pretrained on other embodiments than BFA's and then fine-tuned on BFA's
demonstrations, as in the paper; EAC-WM-S knows these alone.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from wambench.recipe import SUCCESS, Cell, Plan, Reading, Step, step
from wambench.report.published import published_folder
from wambench_policies.lac_wm.variants import variant
from wambench_policies.vla.config import TINY_STEPS

SUITES = {"bfa_unseen_instances": "trials", "bfa_unseen_categories": "category_trials"}
"""What is evaluated on, to the budget that says how often each task is tried."""

CATEGORIES = ("bfa_unseen_categories",)
EXPERT, MIXED, EYE, PAINT = "data/expert", "data/mixed", "ckpt/eye", "ckpt/paint"

_MEASURES = {
    "delta_f": "delta_f",
    "delta_f_g": "delta_f_g",
    "contact": "success_rate_contact_percent",
    "lifted": "success_rate_lift_percent",
    SUCCESS: "success_rate_percent",
}
"""Measure to its column in the published tables."""

_QUALITY = {"psnr": "psnr_db", "lpips": "lpips", "fid": "fid", "fvd": "fvd"}
"""The same of table 1."""

_BUDGET = {
    "demonstrations": 30,  # of the expert, a task
    "mixed": 10,  # generated, successes and failures, a task
    "others": 10,  # of each other embodiment's expert, a task: 50,000 frames, as in figure 4
    "sources": 10,
    "encoder_steps": 3000,
    "vla_steps": 1000,  # after 8,000 it solves nine in ten and leaves little to choose
    "pretrain_steps": 3000,
    "finetune_steps": 3000,
    "candidates": 64,
    "trials": 2,
    "category_trials": 5,  # six tasks, where unseen instances have 44
}

_CACHED = "--set training.cache_tokens=true"
"""Where no views are augmented, pictures need to be encoded but once."""

_PRETRAINING = {
    "latent": "--conditioning latent",
    "explicit": f"--conditioning explicit {_CACHED}",
    "bare": f"--conditioning latent --set motion.on=false --set cross_aug=false {_CACHED}",
}

_OTHERS = {"hands": "head", "twin": "head", "gripper": "exterior"}
"""Suites `counter_...` and what they are seen through, in the order in which figure 4 adds them."""


@dataclass(frozen=True, slots=True)
class _World:
    """A world model of a table.

    Attributes:
        variant: Of its fine-tuning.
        pretraining: What it begins from, by `_PRETRAINING`; None for nothing.
        on: Embodiments that it is pretrained on.
    """

    variant: str
    pretraining: str | None
    on: tuple[str, ...] = tuple(_OTHERS)


_LAC, _EAC, _EAC_S = (
    _World("lac_wm", "latent"),
    _World("eac_wm", "explicit"),
    _World("eac_wm_s", None),
)


_EXPERT = "--policy expert --noise 0.05 --success-only"


class _Work:
    """The steps and cells of a table as they are written down.

    Args:
        preset: Preset of all trainings.
        budget: See `_BUDGET`.
        suites: What is evaluated on.
    """

    def __init__(self, preset: str, budget: Mapping[str, int], suites: Collection[str]) -> None:
        self.steps: list[Step] = []
        self.cells: list[Cell] = []
        self.readings: list[Reading] = []
        self._preset, self._budget, self._suites = preset, budget, suites
        seen = "--image-size 128 --seed"
        self._add(
            "collect-expert",
            EXPERT,
            f"collect --suite bfa_seen --cameras head {_EXPERT} "
            f"--episodes {budget['demonstrations']} {seen} 1",
        )
        self._add(
            "collect-mixed",
            MIXED,
            f"collect --suite bfa_seen --cameras head --generator mimicgen --sources "
            f"{budget['sources']} --success-rate 0.2 --episodes {budget['mixed']} --noise 0.1 "
            f"--max-steps 130 {seen} 2",
        )
        for name, camera in _OTHERS.items():
            self._add(
                f"collect-{name}",
                f"data/{name}",
                f"collect --suite counter_{name} --cameras {camera} {_EXPERT} "
                f"--episodes {budget['others']} {seen} 3",
            )
        data = " ".join([EXPERT, *(f"data/{name}" for name in _OTHERS)])
        self._add(
            "encoder",
            EYE,
            f"train lac_wm --stage encoder --preset {preset} --seed 0 --data {data} "
            f"--set cameras=head|exterior --steps {budget['encoder_steps']}",
        )

    def vla(self, seed: int) -> str:
        """Trains a VLA; its checkpoint."""
        made = f"ckpt/vla-{seed}"
        steps = self._budget["vla_steps"]
        data = f"--encoder {EYE} --data {EXPERT} --steps {steps}"
        self._add(f"vla-{seed}", made, f"train vla --stage policy {self._common(seed)} {data}")
        return made

    def world(self, world: _World, seed: int) -> str:
        """Pretrains, unless that was written down before, and fine-tunes; its checkpoint."""
        begins, name = f"--encoder {EYE}", world.variant
        if world.pretraining is not None:
            begins, name = f"--world {self._pretrained(world, seed)}", _named(name, world)
        cached = "" if variant(world.variant).views else f" {_CACHED}"
        made = f"ckpt/{name}-{seed}"
        self._add(
            f"{name}-{seed}",
            made,
            f"train lac_wm --stage finetune {self._common(seed)} --variant {world.variant} "
            f"{begins} --data {EXPERT} {MIXED} --steps {self._budget['finetune_steps']}{cached}",
        )
        return made

    def evaluate(self, row: str, seed: int, policy: str) -> None:
        """Runs a policy on every suite, as a row of the table."""
        slug = re.sub("[^a-z0-9]+", "-", row.lower()).strip("-")
        for suite in self._suites:
            made = f"runs/{slug}-{seed}-{suite}"
            trials = self._budget[SUITES[suite]]
            command = f"eval {policy} --suite {suite} --trials {trials} --seed 0"
            self._add(f"eval-{slug}-{seed}-{suite}", made, command)
            self.cells.append(Cell(row, suite, seed, made))

    def paint(self) -> None:
        """Trains the image decoder, and collects what there is to imagine, a suite each."""
        self._add(
            "decoder",
            PAINT,
            f"train lac_wm --stage decoder --preset {self._preset} --seed 0 --encoder {EYE} "
            f"--data {EXPERT} --steps {self._budget['decoder_steps']}",
        )
        for suite in self._suites:
            self._add(
                f"collect-{suite}",
                f"data/{suite}",
                f"collect --suite {suite} --cameras head {_EXPERT} --episodes "
                f"{self._budget['recorded']} --image-size 128 --seed 4",
            )

    def look(self, row: str, seed: int, checkpoint: str) -> None:
        """Measures what a world model imagines on every suite, as a row of the table."""
        for suite in self._suites:
            made = f"look/{checkpoint.removeprefix('ckpt/')}-{suite}"
            self._add(
                made.replace("/", "-"),
                made,
                f"inspect lac_wm --checkpoint {checkpoint} --data data/{suite} --episodes all "
                f"--only quality --input decoder={PAINT} --windows {self._budget['windows']}",
            )
            self.readings.append(Reading(row, suite, seed, f"{made}/quality.csv"))

    def plan(
        self,
        contrasts: Sequence[tuple[str, str]],
        published: str | None,
        measures: Mapping[str, str] = _MEASURES,
    ) -> Plan:
        """All of it, beside a published table by the name of its file."""
        return Plan(
            steps=tuple(self.steps),
            cells=tuple(self.cells),
            measures=tuple(measures),
            contrasts=tuple(contrasts),
            published={} if published is None else _published(published, measures),
            readings=tuple(self.readings),
        )

    def _pretrained(self, world: _World, seed: int) -> str:
        kind = world.pretraining
        assert kind is not None
        name = _named(kind, world)
        data = " ".join(f"data/{other}" for other in world.on)
        made = f"ckpt/{name}-{seed}"
        if all(known.makes != made for known in self.steps):
            # Room for the widest poses, those of hands, whichever embodiments there are.
            room = "--set cameras=head|exterior --set motion.pose_width=138"
            self._add(
                f"pretrain-{name}-{seed}",
                made,
                f"train lac_wm --stage pretrain {self._common(seed)} --encoder {EYE} --data {data} "
                f"{_PRETRAINING[kind]} {room} --steps {self._budget['pretrain_steps']}",
            )
        return made

    def _common(self, seed: int) -> str:
        return f"--preset {self._preset} --seed {seed}"

    def _add(self, name: str, makes: str, command: str) -> None:
        self.steps.append(step(name, makes, command))


def _named(name: str, world: _World) -> str:
    """A name that tells what a world model was pretrained on, where that is not all there is."""
    return name if len(world.on) == len(_OTHERS) else "-".join([name, *world.on])


_WORLDS = {"LAC-WM": _LAC, "EAC-WM": _EAC, "EAC-WM-S": _EAC_S}


class Table1:
    """What world models imagine, as pictures."""

    about = (
        "LAC-WM, Table 1 (quality of roll-outs), tiny preset; LPIPS, FID and FVD "
        "need networks that are not downloaded (see docs/lac_wm.md)"
    )
    presets: Mapping[str, Mapping[str, int]] = {
        "tiny": {
            name: value
            for name, value in _BUDGET.items()
            if name not in ("vla_steps", "candidates", *SUITES.values())
        }
        | {"decoder_steps": 3000, "recorded": 5, "windows": 512}
    }

    def plan(self, preset: str, budget: Mapping[str, int], seeds: Sequence[int]) -> Plan:
        """Eight frames of 512 windows are the paper's."""
        work = _Work(preset, budget, SUITES)
        work.paint()
        for seed in seeds:
            for row, world in _WORLDS.items():
                work.look(row, seed, work.world(world, seed))
        return work.plan([], "lacwm_table1_rollout", _QUALITY)


class Table2:
    """VLA alone, and with each world model; the simulator itself as the bound."""

    about = (
        "LAC-WM, Table 2 (BFA pick-place), tiny preset, with the simulator "
        "itself as the world model for a bound"
    )
    presets: Mapping[str, Mapping[str, int]] = {"tiny": _BUDGET | {"oracle_candidates": 8}}

    def plan(self, preset: str, budget: Mapping[str, int], seeds: Sequence[int]) -> Plan:
        """Demonstrations and encoder once, the rest for every seed; the oracle for the first."""
        work = _Work(preset, budget, SUITES)
        count = f"--policy-arg candidates={budget['candidates']}"
        for seed in seeds:
            vla = work.vla(seed)
            made = {row: work.world(world, seed) for row, world in _WORLDS.items()}
            measured = f"--policy-arg subgoals={TINY_STEPS} --policy-arg encoder={EYE}"
            for row, select in (("VLA-mean", "mean"), ("VLA-random", "random")):
                chosen = f"--policy-arg select={select} {count} {measured}"
                work.evaluate(row, seed, f"--policy vla --checkpoint {vla} {chosen}")
            source = f"--policy-arg source=vla:{vla}"
            for row, checkpoint in made.items():
                policy = f"--policy lac_wm --checkpoint {checkpoint} {source} {count}"
                work.evaluate(row, seed, policy)
            if seed == seeds[0]:
                few = f"--policy-arg candidates={budget['oracle_candidates']}"
                oracle = f"--policy planner --policy-arg imagination=oracle {source} {few}"
                work.evaluate("oracle", seed, f"{oracle} --policy-arg encoder={EYE}")
        contrasts = [
            *((row, "VLA-mean") for row in (*_WORLDS, "oracle")),
            ("VLA-mean", "VLA-random"),
            ("LAC-WM", "EAC-WM"),
        ]
        return work.plan(contrasts, "lacwm_table2_vla_planning")


class Table3:
    """LAC-WM without motion decoder and cross-augmentation."""

    about = "LAC-WM, Table 3 (motion decoder and cross-augmentation), tiny preset"
    presets: Mapping[str, Mapping[str, int]] = {"tiny": _BUDGET}

    def plan(self, preset: str, budget: Mapping[str, int], seeds: Sequence[int]) -> Plan:
        """Candidates are a VLA's; the paper has unseen categories alone."""
        work = _Work(preset, budget, CATEGORIES)
        worlds = {"LAC-WM": _LAC, "LAC-WM-MD-CA": _World("lac_wm_md_ca", "bare")}
        _among_samples(work, worlds, budget, seeds)
        return work.plan([("LAC-WM", "LAC-WM-MD-CA")], "lacwm_table3_ablation")


class Table5:
    """Ways of fine-tuning."""

    about = (
        "LAC-WM, Table 5 (ways of fine-tuning), tiny preset; candidates are "
        "stretches of demonstrations"
    )
    presets: Mapping[str, Mapping[str, int]] = {
        "tiny": {name: value for name, value in _BUDGET.items() if name != "vla_steps"}
    }

    def plan(self, preset: str, budget: Mapping[str, int], seeds: Sequence[int]) -> Plan:
        """Length and number of the best are the paper's, 30 and 5."""
        work = _Work(preset, budget, SUITES)
        worlds = {
            "LAC-WM": _LAC,
            "LAC-WM-DFT": _World("lac_wm_dft", "latent"),
            "LAC-WM-(2,3)": _World("lac_wm_23", "latent"),
            "LAC-WM-(1,2)": _World("lac_wm_12", "latent"),
            "EAC-WM": _EAC,
            "EAC-WM-TFT": _World("eac_wm_tft", "explicit"),
            "EAC-WM-S": _EAC_S,
        }
        chosen = f"--policy-arg source=dataset:{EXPERT}"
        count = f"--policy-arg candidates={budget['candidates']}"
        for seed in seeds:
            for row, world in worlds.items():
                checkpoint = work.world(world, seed)
                policy = f"--policy lac_wm --checkpoint {checkpoint} {chosen} {count}"
                work.evaluate(row, seed, policy)
        contrasts = [("LAC-WM", row) for row in worlds if row != "LAC-WM"]
        return work.plan(contrasts, "lacwm_table5_finetuning")


class Figure4:
    """How many embodiments a world model was pretrained on."""

    about = (
        "LAC-WM, Figure 4 (pretrained on 1, 2 and 3 embodiments other than BFA's), tiny preset; "
        "the paper gives a figure alone"
    )
    presets: Mapping[str, Mapping[str, int]] = {"tiny": _BUDGET}

    def plan(self, preset: str, budget: Mapping[str, int], seeds: Sequence[int]) -> Plan:
        """Human hands, then two grippers as well, then one."""
        work = _Work(preset, budget, SUITES)
        worlds: dict[str, _World] = {}
        for count in range(1, len(_OTHERS) + 1):
            on = tuple(_OTHERS)[:count]
            worlds[f"LAC-WM, {count}"] = _World("lac_wm", "latent", on)
            worlds[f"EAC-WM, {count}"] = _World("eac_wm", "explicit", on)
        _among_samples(work, worlds, budget, seeds)
        contrasts = [(f"LAC-WM, {k}", f"EAC-WM, {k}") for k in range(1, len(_OTHERS) + 1)]
        last = len(_OTHERS)
        contrasts += [(f"{method}, {last}", f"{method}, 1") for method in ("LAC-WM", "EAC-WM")]
        return work.plan(contrasts, None)


def _among_samples(
    work: _Work, worlds: Mapping[str, _World], budget: Mapping[str, int], seeds: Sequence[int]
) -> None:
    """Each world model chooses among samples of a VLA of the same seed."""
    count = f"--policy-arg candidates={budget['candidates']}"
    for seed in seeds:
        source = f"--policy-arg source=vla:{work.vla(seed)}"
        for row, world in worlds.items():
            checkpoint = work.world(world, seed)
            work.evaluate(row, seed, f"--policy lac_wm --checkpoint {checkpoint} {source} {count}")


def _published(name: str, measures: Mapping[str, str]) -> dict[tuple[str, str, str], float]:
    """A table of the paper; percentages as rates."""
    found = {}
    file = published_folder() / f"{name}.csv"
    for line in csv.DictReader(file.read_text(encoding="utf-8").splitlines()):
        for measure, column in measures.items():
            scale = 100 if column.endswith("percent") else 1
            key = (line["method"], f"bfa_{line['validation_split']}", measure)
            found[key] = float(line[column]) / scale
    return found
