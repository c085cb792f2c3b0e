"""The two releases of robocasa that official backends drive, and what tells them apart.

Their tasks, scenes, thresholds, horizons and robosuite differ, and their scores are not comparable:
each is a suite with a runtime, a checkout and assets of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wambench import runtimes
from wambench_envs.robocasa import tasks as v0_2
from wambench_envs.robocasa.v1 import tasks as v1

_HERE = Path(__file__).parent


@dataclass(frozen=True, eq=False)
class Release:
    """A release.

    Attributes:
        suite: The suite that it is the official backend of; also the argument of `wambench setup`.
        version: What upstream calls it.
        commit: Its last commit, which the backend was written against.
        known_code: `installation.code_hash` of that commit.
        differs: What other releases have otherwise, as a part of a sentence.
        pins: Versions that decide physics, rules and pictures.
        requirements: Closed list of its runtime's packages.
        newest_python: Newest (major, minor) of Python that those are made for.
        task_folders: Folders of task classes, in `robocasa/environments/kitchen`.
        horizons: Task to control steps.
        registries: Upstream's tables of these (`dataset_registry.py`).
        scenes: (layout, style) pairs that episodes are in.
        download: What fetches the assets.
        packs: Downloaded parts of the asset folder.
        object_packs: Those of them whose objects are drawn, as upstream's registry calls them.
        instances: How many models a category needs so that no split of it is empty.
        alternative: What else can be done where it is not set up; empty if nothing.
        robosuite_arguments: What robosuite is called with, and not every build of that number has.
        base_controller: Type of the mobile base's controller, likewise; None for the default.
    """

    suite: str
    version: str
    commit: str
    known_code: str
    differs: str
    pins: Mapping[str, str]
    requirements: Path
    newest_python: tuple[int, int]
    task_folders: tuple[str, ...]
    horizons: Mapping[str, int]
    registries: tuple[str, ...]
    scenes: Sequence[tuple[int, int]]
    download: str
    packs: tuple[str, ...]
    object_packs: tuple[str, ...]
    instances: int
    alternative: str = ""
    robosuite_arguments: tuple[str, ...] = ()
    base_controller: str | None = None

    @property
    def runtime(self) -> runtimes.Runtime:
        """Where its workers run."""
        return runtimes.Runtime(self.suite, self.requirements, self.pins, self.newest_python)

    @property
    def setup(self) -> str:
        """How it is set up, as a sentence."""
        return (
            f"Run `wambench setup {self.suite} --source PATH` with the path of a robocasa checkout "
            f"(`--assets PATH` where its models/assets is elsewhere){self.alternative}."
        )

    @property
    def get_source(self) -> str:
        """How its code is had."""
        return (
            f"Clone https://github.com/robocasa/robocasa, `git checkout {self.commit}` in it, and "
            "give the folder's path."
        )

    @property
    def get_assets(self) -> str:
        """How its assets are had."""
        return (
            f"In that checkout {self.download} into robocasa/models/assets; --assets PATH names "
            "such a folder elsewhere."
        )


V0_2 = Release(
    suite="robocasa24",
    version="0.2.0",
    commit="756598a",
    known_code="2751391cb4510db4a0a56022a2f0e4dc5cc651bbef69984d114e507d22f32f35",
    differs="is v0.2: later ones have other tasks, thresholds, horizons and scenes",
    # What robocasa v0.2 asserts (of three patch releases of numpy the newest), and the robosuite
    # of the published evaluations.
    pins={"mujoco": "3.2.6", "robosuite": "1.5.1", "numpy": "1.23.5"},
    requirements=_HERE / "requirements.txt",
    newest_python=(3, 11),
    task_folders=("single_stage",),
    horizons={rule.name: rule.horizon for rule in v0_2.RULES},
    registries=("SINGLE_STAGE_TASK_DATASETS",),
    scenes=v0_2.EVALUATION_SCENES,
    download=(
        "`yes y | python robocasa/scripts/download_kitchen_assets.py` fetches them (about 5 GB)"
    ),
    packs=("fixtures", "objects/objaverse", "textures"),
    object_packs=("objaverse",),
    instances=2,
    alternative=", or use --backend embedded",
)
"""Of the object packs only `objaverse` is used, as in the published evaluations, and no generative
textures. Split B, the second half of the instances, needs two."""

V1_0 = Release(
    suite="robocasa365",
    version="1.0.1",
    commit="be22d65",
    known_code="fe0b3499805e7c8a15e8378285be9dc8a8a51daa42139fbfe5f56f55382a9591",
    differs="is v1.0.1: earlier ones have other tasks, horizons or scenes",
    # What robocasa v1.0.1 asserts. Its robosuite is a commit of master, which calls itself by the
    # number of the release before.
    pins={"mujoco": "3.3.1", "robosuite": "1.5.2", "numpy": "2.2.5"},
    requirements=_HERE.parent / "v1" / "requirements.txt",
    newest_python=(3, 13),
    task_folders=("atomic", "composite"),
    horizons={rule.name: rule.horizon for rule in v1.registry()},
    registries=("ATOMIC_TASK_DATASETS", "COMPOSITE_TASK_DATASETS"),
    scenes=[*v1.scenes_of("pretrain"), *v1.scenes_of("target")],
    download=(
        "`yes y | python -m robocasa.scripts.download_kitchen_assets` fetches them (about 10 GB)"
    ),
    packs=(
        "fixtures",
        "objects/objaverse",
        "objects/lightwheel",
        "objects/aigen_objs",
        "textures",
        "generative_textures",
    ),
    object_packs=("objaverse", "lightwheel", "aigen"),
    instances=1,
    robosuite_arguments=("load_model_on_init", "enable_multiccd"),
    base_controller="JOINT_VELOCITY_LEGACY",
)
"""Most objects are drawn from `objaverse` and `lightwheel`, those of some tasks (GarnishPancake and
PortionHotDogs of the benchmark) from the generated ones as well; styles use generative textures. Of
a category with one instance split `target` has none, as upstream has it."""

BY_SUITE = {release.suite: release for release in (V0_2, V1_0)}
