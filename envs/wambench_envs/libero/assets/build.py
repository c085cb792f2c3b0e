"""Writes the embedded LIBERO asset pack.

Run ``python -m wambench_envs.libero.assets.build`` to write ``pack/`` anew, or with ``--check`` to
compare the committed files with what the catalogue describes (exit status 1 on a difference).

Non-obvious behaviours:
    * LIBERO ignores the ``assets`` entry of its ``config.yaml``; set
      ``libero.libero._assets_path_cache`` to the pack before building an environment.
    * Every geom carries an explicit ``group``: upstream's object parser reads it without a default.
"""

from __future__ import annotations

import argparse
import sys
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path

from wambench_envs.libero.assets import PACK_ROOT
from wambench_envs.libero.assets.arenas import ARENAS, arena_text
from wambench_envs.libero.assets.catalog import ITEMS, Item
from wambench_envs.libero.assets.pictures import FLOORS, PICTURES, WALLS
from wambench_envs.props.mjcf import AssetWriter, link_element, to_text
from wambench_envs.props.paint import encode_png

SURFACES: Mapping[str, Mapping[str, str]] = {
    # Upstream's contact parameters of all free objects and of the cabinets.
    "default": {
        "friction": "0.95 0.3 0.1",
        "solref": "0.001 1",
        "solimp": "0.998 0.998 0.001",
    },
    # Some initial states start with a bowl and a plate inside each other. Twelve wall boxes can
    # interlock where upstream's forty slide apart; a softer contact lets go without a jolt
    # (libero_spatial tasks 0 and 8: largest sideways move 18 mm instead of 895 mm). Resting
    # heights stay within 1 mm; 20 N of grip press 0.7 mm into a 5 g bowl (computed).
    "bowl": {"friction": "0.95 0.3 0.1", "solref": "0.01 1", "solimp": "0.998 0.998 0.001"},
    "plate": {"friction": "0.95 0.3 0.1", "solref": "0.02 1", "solimp": "0.998 0.998 0.001"},
    # The 2 g bowl falls 13 cm onto the microwave's own springy contacts (libero_90 tasks 35 to
    # 37). Twice the critical damping lets it land where it falls instead of skating 5 to 29 cm.
    "light_bowl": {"friction": "0.95 0.3 0.1", "solref": "0.005 2", "solimp": "0.998 0.998 0.001"},
    # The stove's plate keeps MuJoCo's default contacts.
    "soft": {},
    "table": {"friction": "1 0.005 0.0001"},
    # Bottles start up to 15 mm inside the living room's table; upstream's 1 ms contact throws them
    # 13 cm into the air (some land on others), that of the other tables lets them rise in place.
    "room_table": {"friction": "0.95 0.3 0.1", "solref": "0.02 1"},
    # The microwave only touches what has contype 1, so its door passes its own case.
    "microwave": {
        "contype": "0",
        "conaffinity": "1",
        "condim": "3",
        "margin": "0.001",
        "solref": "0.02 1",
        "solimp": "0.8 0.9 0.01",
    },
}
"""Contact profiles by the ``surface`` key of collision shapes."""


def object_text(item: Item) -> str:
    """Writes one object as MJCF text in the layout LIBERO parses.

    Args:
        item: Row of the catalogue.

    Returns:
        The file's text: ``worldbody/body/body[@name='object']`` and the three offset sites.
    """
    depth = "../" * item.path.count("/")
    files = {key: f"{depth}textures/{file}" for key, (file, _) in PICTURES.items()}
    assets = AssetWriter(files)
    outer = ET.Element("body")
    outer.append(link_element(item.build(), assets, SURFACES))
    for name, pos in (
        ("bottom_site", f"0 0 {item.bottom:g}"),
        ("top_site", f"0 0 {item.top:g}"),
        ("horizontal_radius_site", f"{item.radius:g} {item.radius:g} 0"),
    ):
        attributes = {"rgba": "0 0 0 0", "size": f"{item.site_size:g}", "pos": pos, "name": name}
        ET.SubElement(outer, "site", attributes)
    root = ET.Element("mujoco", {"model": item.name})
    if len(assets.element):
        root.append(assets.element)
    ET.SubElement(root, "worldbody").append(outer)
    return to_text(root)


def pack_files() -> dict[str, bytes]:
    """Returns the whole pack: path relative to its root -> content, sorted by path."""
    files: dict[str, bytes] = {}
    for item in ITEMS:
        files[item.path] = object_text(item).encode()
    pictures = {key: f"../textures/{file}" for key, (file, _) in PICTURES.items()}
    for make in ARENAS:
        arena = make()
        files[arena.path] = arena_text(arena, pictures, SURFACES).encode()
    for file, painter in [*PICTURES.values(), *FLOORS.items(), *WALLS.items()]:
        files[f"textures/{file}"] = encode_png(painter())
    return dict(sorted(files.items()))


def differences(root: Path = PACK_ROOT) -> list[str]:
    """Compares a pack on disk with the catalogue.

    Args:
        root: Folder of the pack.

    Returns:
        One line per file that is missing, differs or does not belong; empty if all agree.
    """
    wanted = pack_files()
    found = {p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()}
    lines = [f"missing: {path}" for path in wanted if path not in found]
    lines += [f"not in the catalogue: {path}" for path in sorted(found - set(wanted))]
    lines += [
        f"differs: {path}"
        for path, content in wanted.items()
        if path in found and (root / path).read_bytes() != content
    ]
    return lines


def write(root: Path = PACK_ROOT) -> int:
    """Writes the pack and removes files that no longer belong.

    Args:
        root: Folder of the pack.

    Returns:
        Size of the pack in bytes.
    """
    wanted = pack_files()
    for path, content in wanted.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    for file in [p for p in root.rglob("*") if p.is_file()]:
        if file.relative_to(root).as_posix() not in wanted:
            file.unlink()
    return sum(len(content) for content in wanted.values())


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description="Write or check the embedded LIBERO asset pack.")
    parser.add_argument("--check", action="store_true", help="only compare the committed files")
    parser.add_argument("--root", type=Path, default=PACK_ROOT, help="folder of the pack")
    options = parser.parse_args(argv)
    if options.check:
        lines = differences(options.root)
        for line in lines:
            print(line, file=sys.stderr)
        print("pack is up to date" if not lines else f"{len(lines)} files differ; rebuild the pack")
        return 1 if lines else 0
    size = write(options.root)
    print(f"wrote {options.root} ({size / 1024:.0f} kB)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
