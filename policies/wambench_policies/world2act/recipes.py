"""World2Act at tiny scale, beside its baselines and its own ablations, all of them from one policy.

Rows of `world2act.libero` and `world2act.robocasa`:

base         flow_bc, looking through the one camera that the tiny world model imagines
trained on   the base, trained on with the demonstrations that it had
successes    likewise, and with its own successes in as many simulator steps as World2Act has
DreamGen     likewise, and with imagined demonstrations
LoRA         as DreamGen, by low-rank adapters alone
World2Act    a residual on the base, with a skill and, in LIBERO, with a base world model

`world2act.ablations` has the steps of `world2act.libero` where they are the same, so that in its
folder only what differs is made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wambench.recipe import SUCCESS, Cell, Plan, Step, step
from wambench.report.published import published_rows

SKILLS = "data/skills"

_BASE = "flow_bc"
_CHECKPOINT = f"ckpt/{_BASE}"
_OURS = "World2Act"
_BY_SKILL = {_OURS: "skill"}
_BY_BOTH = {**_BY_SKILL, f"{_OURS}, base world model": "base"}
"""Row to the kind of world model."""

_SLOWLY = "--set training.learning_rate=0.0003"
"""A third of what the base was trained with (ours)."""

_TUNED = {
    "flow_bc, trained on": ("more", "", _SLOWLY),
    "flow_bc, own successes": ("successes", "data/own_*", _SLOWLY),
    "DreamGen": ("dreamgen", "data/imagined-{seed}", _SLOWLY),
    "LoRA on imagined": ("lora", "data/imagined-{seed}", "--set lora_rank=16"),
}
"""Row to name, data beside the demonstrations, and options of its training."""

_CONTRASTS = {
    f"{_OURS}, one direction": ("video_to_action", "--set direction=video_to_action"),
    f"{_OURS}, marginal": ("marginal", "--set contrast=marginal"),
    f"{_OURS}, global pooling": ("global", "--set contrast=global"),
}
"""Row to name and options of its alignment."""

_PUBLISHED = {
    _BASE: "GR00T-N1.6-ft",
    "DreamGen": "GR00T-N1.6-ft + DreamGen",
    _OURS: "GR00T-N1.6-ft + World2Act",
}
"""Row to what the paper's page has in its place, whose base is another policy."""

_BUDGET = {
    "episodes": 25,  # of each task
    "policy_steps": 4000,
    "tokenizer_steps": 2000,
    "world_steps": 3000,
    "align_steps": 3000,
    "idm_steps": 3000,
    "starts": 16,  # of each task
    "tune_steps": 1000,
    "simulator_steps": 30000,
    "trials": 10,
}


@dataclass(frozen=True)
class _Benchmark:
    """Where a base is trained and corrected.

    Attributes:
        suites: Suite to the control steps of its longest task.
        tasks: How many of each.
        only: Option that chooses them; empty for all.
        data: Demonstrations, in a folder for each suite.
        collected: Options of collecting them. With noise, because a base that was trained without
            hardly comes back from anything, and neither can what corrects it a little.
        skills: Options of cutting them.
        camera: Option for what records; empty for a suite's usual cameras.
        seen: Options of the tokenizer: what it, and so the world model, looks through.
        policy: Options of every training of the base.
        state: Options of an alignment, whose proprioception the residual is given.
    """

    suites: Mapping[str, int]
    tasks: int
    only: str
    data: str
    collected: str
    skills: str
    camera: str
    seen: str
    policy: str
    state: str


_LIBERO = _Benchmark(
    suites={"libero_goal": 300, "libero_long": 520},
    tasks=10,
    only="",
    data="data/libero_*",
    collected="--noise 0.1 --seed 1",
    skills="--rule command",
    camera="--cameras agentview",
    seen="",
    policy="--set cameras=agentview",
    state="",
)

_KITCHEN_EYE = "robot0_agentview_left"
_HIDDEN = "--set data.hide=eef_*,base_pos_*,base_quat_*"
"""Where hand and base are in the world, by which a policy knows the kitchens it was trained in."""

_ROBOCASA = _Benchmark(
    suites={"robocasa24": 500},
    tasks=10,
    only="--tasks 9,12,13,15-18,21-23",
    data="data/robocasa24",
    collected="--noise 0.1 --seed 5",
    skills="--no-cycle whole",  # nothing is held in these tasks
    camera=f"--cameras {_KITCHEN_EYE}",
    seen=f"--set cameras={_KITCHEN_EYE}",
    policy=f"--set cameras={_KITCHEN_EYE} --set state_dim=24 --set expert.action_dim=12 {_HIDDEN}",
    state=_HIDDEN,
)


class _Work:
    """The steps and cells of a table as they are written down.

    Demonstrations, tokenizer and base are those of the whole benchmark, made once.

    Args:
        benchmark: Where.
        preset: Preset of all trainings.
        budget: See `_BUDGET`.
        suites: What policies are corrected and evaluated on; None for all of the benchmark.
    """

    def __init__(
        self,
        benchmark: _Benchmark,
        preset: str,
        budget: Mapping[str, int],
        suites: Sequence[str] | None = None,
    ) -> None:
        self.steps: list[Step] = []
        self.cells: list[Cell] = []
        self.suites = tuple(suites or benchmark.suites)
        self._benchmark, self._preset, self._budget = benchmark, preset, budget
        self._before()

    def plan(
        self, contrasts: Sequence[tuple[str, str]], published: Mapping[str, str] | None = None
    ) -> Plan:
        """What was written down.

        Args:
            contrasts: See `Plan`.
            published: Row to the paper's name of the method; None where no paper has the like.
        """
        rates = {(row.method, row.suite): row.success_rate for row in published_rows(self.suites)}
        return Plan(
            steps=tuple(self.steps),
            cells=tuple(self.cells),
            contrasts=tuple(contrasts),
            published={
                (row, suite, SUCCESS): rates[theirs, suite]
                for row, theirs in (published or {}).items()
                for suite in self.suites
            },
        )

    # ---- what every row begins from --------------------------------------------------------------

    def _before(self) -> None:
        """Demonstrations, skills, tokenizer and base."""
        for suite in self._benchmark.suites:
            self._add(
                f"collect-{suite}",
                f"data/{suite}",
                f"{self._collecting(suite)} --policy expert --success-only "
                f"--episodes {self._budget['episodes']} {self._benchmark.collected}",
            )
            self._add(
                f"skills-{suite}",
                f"{SKILLS}/{suite}",
                f"skills build --data data/{suite} {self._benchmark.skills} --no-videos",
            )
        self._add(
            "tokenizer",
            "ckpt/tokenizer",
            f"train world2act --stage tokenizer --preset {self._preset} --seed 0 "
            f"{self._benchmark.seen} --data {SKILLS}/*/demos "
            f"--steps {self._budget['tokenizer_steps']}",
        )
        self._add(
            _BASE,
            _CHECKPOINT,
            f"train {_BASE} --stage policy --preset {self._preset} --seed 0 "
            f"{self._benchmark.policy} --data {self._benchmark.data} "
            f"--steps {self._budget['policy_steps']}",
        )

    def starts_and_successes(self) -> None:
        """The base's own episodes, and starts to imagine from."""
        for suite in self.suites:
            # Never more steps than post-training has: an episode may end before its limit.
            longest = self._benchmark.tasks * self._benchmark.suites[suite]
            episodes = max(1, self._budget["simulator_steps"] // longest)
            self._add(
                f"own-{suite}",
                f"data/own_{suite}",
                f"{self._collecting(suite)} --policy {_BASE} --checkpoint {_CHECKPOINT} "
                f"--episodes {episodes} --seed 4",
            )
            self._add(
                f"starts-{suite}",
                f"data/starts_{suite}",
                f"{self._collecting(suite)} --policy hold --episodes {self._budget['starts']} "
                "--max-steps 1 --seed 5",
            )

    def _collecting(self, suite: str) -> str:
        where = f"--suite {suite} --backend embedded {self._benchmark.only}"
        return f"collect {where} {self._benchmark.camera}"

    # ---- World2Act -------------------------------------------------------------------------------

    def world(self, kind: str, seed: int) -> str:
        """Trains a world model; its checkpoint."""
        made = f"ckpt/{kind}-world-{seed}"
        self._add(
            f"{kind}-world-{seed}",
            made,
            f"{self._on_skills('worldmodel', seed)} --wm {kind} --tokenizer ckpt/tokenizer "
            f"--steps {self._budget['world_steps']}",
        )
        return made

    def aligned(self, name: str, world: str, seed: int, options: str = "") -> str:
        """Aligns what it imagines with actions; the checkpoint."""
        made = f"ckpt/{name}-align-{seed}"
        self._add(
            f"{name}-align-{seed}",
            made,
            f"{self._on_skills('align', seed)} --world {world} {self._benchmark.state} {options} "
            f"--steps {self._budget['align_steps']}",
        )
        return made

    def corrected(self, row: str, name: str, align: str, seed: int, options: str = "") -> None:
        """Trains a residual for every suite, and evaluates each where it was trained."""
        for suite in self.suites:
            self._add(
                f"{name}-posttrain-{seed}-{suite}",
                f"ckpt/{name}-{seed}-{suite}",
                f"train world2act --stage posttrain --preset {self._preset} --seed {seed} "
                f"--base {_BASE} --base-checkpoint {_CHECKPOINT} --align {align} --suite {suite} "
                f"--backend embedded {self._benchmark.only} {options} "
                f"--steps {self._budget['simulator_steps']}",
            )
        self._evaluated(
            row, f"{name}-{seed}", seed, f"world2act --checkpoint ckpt/{name}-{seed}-{{suite}}"
        )

    def _on_skills(self, stage: str, seed: int) -> str:
        return (
            f"train world2act --stage {stage} --preset {self._preset} --seed {seed} "
            f"--data {SKILLS}/*/demos"
        )

    # ---- what it is compared with ----------------------------------------------------------------

    def base(self, seed: int) -> None:
        """Evaluates the base, which stands in the table under one seed."""
        self._evaluated(_BASE, _BASE, seed, f"{_BASE} --checkpoint {_CHECKPOINT}")

    def imagined(self, world: str, seed: int) -> None:
        """Demonstrations that a world model imagines."""
        common = f"train world2act --preset {self._preset} --seed {seed} --world {world}"
        self._add(
            f"idm-{seed}",
            f"ckpt/idm-{seed}",
            f"{common} --stage idm --data {self._benchmark.data} "
            f"--steps {self._budget['idm_steps']}",
        )
        self._add(
            f"imagine-{seed}",
            f"data/imagined-{seed}",
            f"{common} --stage imagine --idm ckpt/idm-{seed} --data data/starts_*",
        )

    def tuned(self, row: str, seed: int) -> None:
        """Trains the base further by behaviour cloning, and evaluates it."""
        name, more, options = _TUNED[row]
        data = " ".join((self._benchmark.data, more.format(seed=seed))).strip()
        self._add(
            f"{name}-{seed}",
            f"ckpt/{name}-{seed}",
            f"train {_BASE} --stage policy --preset {self._preset} --seed {seed} "
            f"--init {_CHECKPOINT} {self._benchmark.policy} --set data.every=4 {options} "
            f"--data {data} --steps {self._budget['tune_steps']}",
        )
        self._evaluated(row, f"{name}-{seed}", seed, f"{_BASE} --checkpoint ckpt/{name}-{seed}")

    # ---- writing down ----------------------------------------------------------------------------

    def _evaluated(self, row: str, name: str, seed: int, policy: str) -> None:
        for suite in self.suites:
            run = f"runs/{name}-{suite}"
            self._add(
                f"eval-{name}-{suite}",
                run,
                f"eval --policy {policy.format(suite=suite)} --suite {suite} "
                f"--backend embedded {self._benchmark.only} --trials {self._budget['trials']} "
                "--seed 0",
            )
            self.cells.append(Cell(row, suite, seed, run))

    def _add(self, name: str, makes: str, command: str) -> None:
        self.steps.append(step(name, makes, command))


def _all_rows(
    work: _Work, seeds: Sequence[int], worlds: Mapping[str, str]
) -> list[tuple[str, str]]:
    """Writes down the base, four ways to train it further, and World2Act; what is compared."""
    work.starts_and_successes()
    work.base(seeds[0])
    for seed in seeds:
        made = {kind: work.world(kind, seed) for kind in worlds.values()}
        for row, kind in worlds.items():
            work.corrected(row, kind, work.aligned(kind, made[kind], seed), seed)
        work.imagined(made["skill"], seed)
        for row in _TUNED:
            work.tuned(row, seed)
    return [
        *((row, _BASE) for row in (*_TUNED, *worlds)),
        (_OURS, "DreamGen"),
        *((_OURS, row) for row in worlds if row != _OURS),
    ]


class Libero:
    """A policy alone, after four kinds of further training, and with a residual of World2Act."""

    about = (
        "World2Act on LIBERO (project page), tiny preset on the embedded backend: post-training "
        "of flow_bc, beside DreamGen, LoRA and behaviour cloning"
    )
    presets: Mapping[str, Mapping[str, int]] = {"tiny": _BUDGET}

    def plan(self, preset: str, budget: Mapping[str, int], seeds: Sequence[int]) -> Plan:
        """Demonstrations, base and tokenizer once; all that is compared for every seed."""
        work = _Work(_LIBERO, preset, budget)
        return work.plan(_all_rows(work, seeds, _BY_BOTH), _PUBLISHED)


class Robocasa:
    """The same in kitchens, for the ten tasks that are done by one touch or push.

    The other fourteen are left out because a base of this size solves none of them, so that
    nothing could be told there (see docs/robocasa.md); that is why no published rate, which is of
    all 24, stands beside.

    Each of the ten is one skill from its first step to its last, so that a base world model, which
    is trained on stretches of episodes, would be the skill world model to the bit, and is no row.
    """

    about = (
        "World2Act on RoboCasa (project page), tiny preset on the embedded backend: the rows of "
        "world2act.libero, without a base world model, on ten of the 24 tasks, doors, drawers, "
        "buttons and levers"
    )
    presets: Mapping[str, Mapping[str, int]] = {
        "tiny": {**_BUDGET, "episodes": 40, "policy_steps": 7000}
    }

    def plan(self, preset: str, budget: Mapping[str, int], seeds: Sequence[int]) -> Plan:
        """Demonstrations, base and tokenizer once; all that is compared for every seed."""
        work = _Work(_ROBOCASA, preset, budget)
        return work.plan(_all_rows(work, seeds, _BY_SKILL))


class Ablations:
    """World2Act with one thing changed at a time, on libero_goal."""

    about = (
        "World2Act's ablations (third-party notes), tiny preset on libero_goal: contrast and its "
        "direction, world model, number of imagined trajectories"
    )
    presets: Mapping[str, Mapping[str, int]] = {
        "tiny": {**_BUDGET, "fewer_trajectories": 80, "more_trajectories": 320}
    }

    def plan(self, preset: str, budget: Mapping[str, int], seeds: Sequence[int]) -> Plan:
        """What the skill world model imagines is imagined once a seed, for all alignments."""
        work = _Work(_LIBERO, preset, budget, ["libero_goal"])
        work.base(seeds[0])
        counts = [budget["fewer_trajectories"], budget["more_trajectories"]]
        for seed in seeds:
            world = work.world("skill", seed)
            align = work.aligned("skill", world, seed)
            work.corrected(_OURS, "skill", align, seed)
            for row, (name, options) in _CONTRASTS.items():
                work.corrected(row, name, work.aligned(name, world, seed, options), seed)
            for count in counts:
                row, name = f"{_OURS}, {count} trajectories", f"{count}_trajectories"
                work.corrected(row, name, align, seed, f"--set trajectories={count}")
            base = work.aligned("base", work.world("base", seed), seed)
            work.corrected(f"{_OURS}, base world model", "base", base, seed)
        rows = dict.fromkeys(cell.row for cell in work.cells)
        changed = [row for row in rows if row not in (_BASE, _OURS)]
        return work.plan([(_OURS, _BASE), *((row, _OURS) for row in changed)])
