"""Stand-ins for robocasa's downloaded packs: boxes for its meshes, plain colours for its textures.

With them upstream's real code builds its real floor plans, draws episodes and judges them; nothing
looks or collides as upstream's does. `python tests/robocasa_standins.py SOURCE TARGET` makes them.
"""

from __future__ import annotations

import hashlib
import re
import sys
import types
from pathlib import Path
from typing import Any
from unittest import mock

from PIL import Image

from wambench_envs.asset_files import references

INSTANCES = 4
"""Of every category: two in each split."""

_FLAT = ("plate", "bowl", "pan", "pot", "tray", "cutting_board")

_OBJECT = """<mujoco model="{name}">
  <asset>
    <texture type="2d" name="colour" file="visual/colour.png"/>
    <material name="colour" texture="colour"/>
    <mesh name="shape" file="visual/shape.obj" scale="{x} {y} {z}"/>
  </asset>
  <worldbody>
    <body>
      <body name="object">
        <geom type="mesh" mesh="shape" material="colour" group="1" contype="0" conaffinity="0"/>
        <geom type="box" size="{x} {y} {z}" group="0" rgba="0.5 0 0 0.5"/>
      </body>
      <site name="bottom_site" pos="0 0 -{z}" size="0.005" rgba="0 0 0 0"/>
      <site name="top_site" pos="0 0 {z}" size="0.005" rgba="0 0 0 0"/>
      <site name="horizontal_radius_site" pos="{x} {y} 0" size="0.005" rgba="0 0 0 0"/>
    </body>
  </worldbody>
</mujoco>
"""

BOX = """v -1 -1 -1
v 1 -1 -1
v 1 1 -1
v -1 1 -1
v -1 -1 1
v 1 -1 1
v 1 1 1
v -1 1 1
f 1 3 2
f 1 4 3
f 5 6 7
f 5 7 8
f 1 2 6
f 1 6 5
f 2 3 7
f 2 7 6
f 3 4 8
f 3 8 7
f 4 1 5
f 4 5 8
"""


def make(source: Path, target: Path) -> Path:
    """Fills `target` with stand-ins for what the checkout `source` would download; returns it."""
    assets = source / "robocasa" / "models" / "assets"
    registry = assets / "fixtures" / "fixture_registry"
    words = "".join(path.read_text(encoding="utf-8") for path in sorted(registry.glob("*.yaml")))
    for name in sorted(set(re.findall(r"\btextures/[\w./-]+\.png", words))):
        picture(target / name)
    for model in sorted((assets / "fixtures").rglob("*.xml")):
        for name in references(assets, model.relative_to(assets).as_posix()):
            (picture if name.endswith(".png") else _small_box)(target / name)
    for category, folder in categories(source, "objaverse").items():
        half = (0.09, 0.09, 0.01) if category in _FLAT else (0.025, 0.025, 0.03)
        for number in range(INSTANCES):
            place = target / "objects" / folder / f"{category}_standin_{number}"
            picture(place / "visual" / "colour.png")
            write(place / "visual" / "shape.obj", BOX)
            x, y, z = (round(side * (1 + 0.05 * number), 4) for side in half)
            write(place / "model.xml", _OBJECT.format(name=category, x=x, y=y, z=z))
    return target


def categories(source: Path, *packs: str) -> dict[str, str]:
    """Category to the folder of its models, in the first of the packs that has it."""
    file = source / "robocasa" / "models" / "objects" / "kitchen_objects.py"
    stand_in: Any = types.ModuleType("robocasa")
    stand_in.models = types.SimpleNamespace(assets_root="")
    names: dict[str, Any] = {}
    with mock.patch.dict(sys.modules, {"robocasa": stand_in}):
        exec(compile(file.read_text(encoding="utf-8"), str(file), "exec"), names)
    folders = {"aigen": "aigen_objs"}
    return {
        name: entry[pack].get("model_folders", [f"{folders.get(pack, pack)}/{name}"])[0]
        for name, entry in names["OBJ_CATEGORIES"].items()
        if (pack := next((pack for pack in packs if pack in entry), None))
    }


def _small_box(path: Path) -> None:
    corners, faces = BOX.split("f ", 1)
    write(path, corners.replace("1", "0.05") + "f " + faces)


def picture(path: Path) -> None:
    """A small plain picture, of a colour that its name decides."""
    path.parent.mkdir(parents=True, exist_ok=True)
    colour = tuple(64 + byte // 2 for byte in hashlib.sha256(path.name.encode()).digest()[:3])
    Image.new("RGB", (8, 8), colour).save(path)


def write(path: Path, text: str) -> None:
    """A file with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    print(make(Path(sys.argv[1]), Path(sys.argv[2])))
