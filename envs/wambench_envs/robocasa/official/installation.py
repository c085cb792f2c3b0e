"""Where robocasa's repository and assets are, what they must hold, and how they are set up.

Nothing is copied: `view` is a tree of links to the user's files, and a record in the cache says
where these are. Runs without the simulator, in the harness's own interpreter. What differs between
releases of robocasa is in `releases.py`.

Non-obvious behaviours
    - Upstream writes a temporary model beside every object that it loads. The folders of the view
      are its own, only files are links: the user's folders are never written to and may be
      read-only.
    - Upstream has no argument for the assets' place: they must be in the package, which the view
      makes true wherever they are.
    - Which of a category's instances are in which split depends on how many there are. Assets that
      lack some give other episodes without any error; hence a hash in every record.
    - `macros_private.py`, where a user keeps folders of data sets, is not part of the view.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from wambench import runtimes
from wambench.cache import cache_dir
from wambench.errors import RuntimeUnavailable, UsageError
from wambench_envs import checkouts
from wambench_envs.asset_files import listed, present, references
from wambench_envs.robocasa.official.releases import Release

_ASSETS = Path("robocasa") / "models" / "assets"
_OF_THE_CODE = ("scenes", "fixtures/fixture_registry", "arenas")
"""Parts of the asset folder that belong to the repository: floor plans, styles, registries."""
_TEMPORARY = re.compile(r"\d+_\d+_\d+\.xml")
"""Names of the models that upstream writes and removes."""
_TEXTURE = re.compile(r"\b(?:generative_)?textures/[\w./-]+\.(?:png|jpg)")
_MODEL = re.compile(r"\b(?:fixtures|objects)/[\w./-]+")
_IN_CODE = re.compile(r'"(\w+)": "(fixtures/[\w./-]+)"')
"""How v1.0 lists panels and handles of cabinets that styles name."""


@dataclass(frozen=True, slots=True)
class Installation:
    """What `wambench setup SUITE --source` found.

    Attributes:
        release: Which robocasa it is.
        source: Upstream's checkout.
        assets: Its `models/assets`, with the downloaded packs.
    """

    release: Release
    source: Path
    assets: Path

    @property
    def view(self) -> Path:
        """The tree of links to both; what goes onto the import path."""
        return checkouts.view_folder(self.release.suite, self.source, self.assets)


def _record(release: Release) -> Path:
    return cache_dir() / release.suite / "official.json"


def installed(release: Release) -> Installation | None:
    """What is set up; None where nothing is, or where it is no longer there."""
    try:
        fields = checkouts.recall(_record(release)) or {}
        found = Installation(release, Path(fields["source"]), Path(fields["assets"]))
    except (KeyError, TypeError):
        return None
    there = (found.source / "robocasa").is_dir() and found.assets.is_dir() and found.view.is_dir()
    return found if there else None


def require(release: Release) -> Installation:
    """What is set up.

    Raises:
        RuntimeUnavailable: Nothing is, or the checkout or the assets are gone.
    """
    if found := installed(release):
        return found
    record = _record(release)
    if record.exists():
        raise RuntimeUnavailable(
            f"robocasa's checkout or assets, set up in {record}, are no longer there.",
            release.setup,
        )
    raise RuntimeUnavailable(
        f"The official backend of {release.suite} is not set up.", release.setup
    )


# ---- what must be there --------------------------------------------------------------------------


def check_source(release: Release, source: Path) -> None:
    """Refuses a folder that is no checkout of this release of robocasa.

    Raises:
        UsageError: With what it is instead.
    """
    init = source / "robocasa" / "__init__.py"
    if not init.is_file():
        raise UsageError(f"{source} is no checkout of robocasa.", release.get_source)
    stated = re.search(r'^__version__ = "([^"]+)"', init.read_text(encoding="utf-8"), re.MULTILINE)
    version = stated[1] if stated else "of no stated version"
    if version != release.version:
        raise UsageError(
            f"{source} is robocasa {version}. {release.suite} {release.differs}, and their scores "
            "are not comparable.",
            release.get_source,
        )
    kitchens = source / "robocasa" / "environments" / "kitchen"
    files = [path for folder in release.task_folders for path in (kitchens / folder).rglob("*.py")]
    text = "".join(path.read_text(encoding="utf-8") for path in sorted(files))
    defined = set(re.findall(r"^class (\w+)\(", text, re.MULTILINE))
    if missing := [name for name in release.horizons if name not in defined]:
        raise UsageError(f"{source} has no task {listed(missing)}.", release.get_source)


def missing_assets(found: Installation) -> list[str]:
    """Files that scenes need and that neither folder has, relative to `models/assets`, in order.

    Whether every category of objects has instances only upstream's registry can tell: `probe.py`.
    """
    files = _files(found)
    models, textures = _styled(found.source)
    objects = [name for name in files if name.startswith("objects/") and name.endswith(".xml")]
    missing = {name for name in textures if not _at(files, name)}
    for name in (*models, *objects):
        if name not in files:
            missing.add(name)
            continue
        root = Path(str(files[name]).removesuffix(name))
        missing.update(other for other in references(root, name) if not _at(files, other))
    for pack in found.release.packs:
        if pack.startswith("objects/") and not any(name.startswith(pack) for name in objects):
            missing.add(pack)
    return sorted(missing)


def _styled(source: Path) -> tuple[set[str], set[str]]:
    """Models of fixtures and textures that upstream's floor plans and styles can call for.

    Registries name more than that, and not all of it is in the downloaded packs; what the models
    of cabinets and handles refer to is replaced by the style's.
    """
    inside = source / _ASSETS
    scenes = (inside / "scenes").rglob("*.yaml")
    words: set[str] = {"default"}
    for path in scenes:
        if path.stem != "playground":
            words.update(re.findall(r"[\w.-]+", _uncommented(path)))
    models: set[str] = set()
    textures = {"textures/ceramic.png"}  # of drawers, whatever the style
    for registry in sorted((inside / "fixtures" / "fixture_registry").glob("*.yaml")):
        for entry in re.split(r"^(?=\S)", _uncommented(registry), flags=re.MULTILINE):
            if entry.partition(":")[0].strip() in words:
                textures.update(_TEXTURE.findall(entry))
                models.update(_MODEL.findall(entry))
    for file in sorted((source / "robocasa" / "models" / "fixtures").glob("*.py")):
        listed_there = _IN_CODE.findall(_uncommented(file))
        models.update(model for name, model in listed_there if name in words)
    return {m if m.endswith(".xml") else f"{m}/model.xml" for m in models}, textures


def _uncommented(path: Path) -> str:
    return re.sub(r"#.*", "", path.read_text(encoding="utf-8"))


def _at(files: dict[str, Path], name: str) -> bool:
    return name in files and present(files[name])


def _files(found: Installation) -> dict[str, Path]:
    """Every file that the view's `models/assets` has, by its name in it; packs win."""
    inside = found.source / _ASSETS
    own, packs = (inside, ("arenas", "scenes", "fixtures")), (found.assets, found.release.packs)
    files = {
        name: path
        for folder, parts in (own, packs)
        for part in parts
        for name, path in _below(folder, part)
    }
    for part in _OF_THE_CODE:
        files.update(_below(inside, part))
    return dict(sorted(files.items()))


def _below(folder: Path, part: str) -> Iterator[tuple[str, Path]]:
    for where, folders, names in os.walk(folder / part, followlinks=True):
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in names:
            if not _TEMPORARY.fullmatch(name):
                path = Path(where) / name
                yield path.relative_to(folder).as_posix(), path


def _code_files(source: Path) -> list[Path]:
    package = source / "robocasa"
    code = [p for p in package.rglob("*.py") if p.name != "macros_private.py"]
    plans = [p for part in _OF_THE_CODE for p in (source / _ASSETS / part).rglob("*.*")]
    return sorted(path for path in (*code, *plans) if path.is_file())


# ---- identity ------------------------------------------------------------------------------------


@cache
def code_hash(source: Path) -> str:
    """SHA-256 over upstream's code, floor plans, styles and registries."""
    return checkouts.contents_hash(source, _code_files(source))


@cache
def assets_hash(found: Installation) -> str:
    """SHA-256 over names and sizes of all asset files, and the contents of models.

    Of the gigabytes of meshes and pictures only names and sizes count: every worker computes this.
    """
    return checkouts.sizes_hash(_files(found), (".xml",))


# ---- setting up ----------------------------------------------------------------------------------


def install(
    release: Release,
    source: Path,
    assets: Path | None,
    progress: Callable[[str], None] | None = None,
) -> Installation:
    """Checks checkout and assets, provisions the runtime, tries upstream in it, remembers it all.

    Args:
        release: Which robocasa it is to be.
        source: Upstream's checkout.
        assets: Its `models/assets`, where the downloaded ones are not in the checkout.
        progress: Called with one line per stage.

    Raises:
        UsageError: The checkout is another version, or something is missing.
        RuntimeUnavailable: The runtime cannot be made, or upstream does not run in it.
    """
    tell = progress or (lambda line: None)
    source = source.expanduser().resolve()
    check_source(release, source)
    assets = assets.expanduser().resolve() if assets is not None else source / _ASSETS
    if not assets.is_dir():
        raise UsageError(f"There is no folder {assets}.", release.get_assets)
    found = Installation(release, source, assets)
    tell(f"looking through {assets}")
    if lacking := missing_assets(found):
        raise UsageError(
            f"robocasa's assets in {assets} lack {len(lacking)} files that scenes need: "
            f"{listed(lacking)}.",
            release.get_assets,
        )
    if code_hash(source) != release.known_code:
        commit = release.commit
        tell(f"the code in {source} is not that of {commit}; its hash is part of every record")
    python = runtimes.provision(release.runtime, tell)
    tell(f"linking {found.view}")
    _make_view(found)
    tell("trying upstream in its runtime")
    facts = probe(python, found)
    if problems := facts["problems"]:
        if installed(release) != found:
            shutil.rmtree(found.view, ignore_errors=True)
        runs = "robot" in facts
        raise RuntimeUnavailable(
            f"Upstream does not work: {'; '.join(problems)}.",
            release.get_assets if runs else _make_again(release),
        )
    _remember(found)
    return found


def probe(python: Path, found: Installation) -> dict[str, Any]:
    """What `probe.py` finds in another interpreter.

    Raises:
        RuntimeUnavailable: It does not come to an end.
    """
    command = [str(python), "-P", "-m", "wambench_envs.robocasa.official.probe"]
    with tempfile.TemporaryDirectory() as links:
        done = subprocess.run(
            [*command, found.release.suite, str(found.view)],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"PYTHONPATH": runtimes.worker_path(Path(links))},
        )
    try:
        return checkouts.answer(done)
    except ValueError as last:
        raise RuntimeUnavailable(
            f"robocasa cannot be tried in {python}: {str(last).rstrip('.')}.",
            _make_again(found.release),
        ) from None


def _make_again(release: Release) -> str:
    return f"Remove {runtimes.runtime_dir(release.runtime)} and run the set-up again."


def _make_view(found: Installation) -> None:
    links = {
        path.relative_to(found.source): path
        for path in _code_files(found.source)
        if path.suffix == ".py"
    }
    links |= {_ASSETS / name: path for name, path in _files(found).items()}
    checkouts.make_view(found.view, links)


def _remember(found: Installation) -> None:
    places = {"source": found.source, "assets": found.assets}
    checkouts.remember(_record(found.release), places)
