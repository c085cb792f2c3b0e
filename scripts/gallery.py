"""Renders the picture of the suites that the README shows.

    python scripts/gallery.py [--backend embedded] [--out docs/images/libero.png]

One row per suite, each picture the first observation of an evaluation episode, as a policy sees it.
"""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

import wambench  # noqa: F401 - makes the suites known to gymnasium
from wambench import registry
from wambench.protocol import Needs

ROWS = {
    "libero_spatial": (0, 2, 5, 9),
    "libero_object": (0, 3, 5, 7),
    "libero_goal": (0, 2, 7, 9),
    "libero_long": (2, 4, 8, 9),
    "libero_90": (0, 20, 62, 80),
}
SIDE = 256
LABEL = 36


def main() -> None:
    """Writes the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backend", default="embedded")
    parser.add_argument("--out", type=Path, default=Path("docs/images/libero.png"))
    options = parser.parse_args()
    columns = max(map(len, ROWS.values()))
    size = (columns * (SIDE + 4) + 4, len(ROWS) * (SIDE + LABEL + 4) + 4)
    canvas = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(size=12)
    for row, (name, tasks) in enumerate(ROWS.items()):
        suite = registry.load_suite(name, options.backend)
        for column, index in enumerate(tasks):
            task = registry.pick_task(suite, index)
            env = suite.make_env(task, Needs(("agentview",), (SIDE, SIDE)))
            observation, _ = env.reset(seed=0, options={"init_state": 0})
            left, top = 4 + column * (SIDE + 4), 4 + row * (SIDE + LABEL + 4)
            canvas.paste(Image.fromarray(observation["pixels"]["agentview"]), (left, top + LABEL))
            label = textwrap.shorten(f"{name} {index}: {task.instruction}", 76, placeholder=" …")
            lines = "\n".join(textwrap.wrap(label, 40))
            draw.multiline_text((left, top + 2), lines, font=font, fill="black", spacing=3)
            env.close()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    canvas.save(options.out, optimize=True)
    print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
