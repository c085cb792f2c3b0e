"""Materials shared by the pack's objects."""

from __future__ import annotations

from wambench_envs.props.shapes import Material, Rgba


def paint(
    name: str, red: float, green: float, blue: float, *, gloss: float = 0.2, glow: float = 0.0
) -> Material:
    """Makes a plain colour.

    Args:
        name: Name of the material.
        red: Red, 0..1.
        green: Green, 0..1.
        blue: Blue, 0..1.
        gloss: Strength and tightness of highlights.
        glow: Share of the colour that shows without light; keeps white things white in the dim
            rooms, whose two lamps stand far off.
    """
    rgba: Rgba = (red, green, blue, 1.0)
    return Material(name=name, rgba=rgba, specular=gloss, shininess=gloss, emission=glow)


def print_(
    texture: str,
    *,
    repeat: tuple[float, float] = (1.0, 1.0),
    gloss: float = 0.15,
    faces: bool = False,
) -> Material:
    """Makes a printed or grained surface from a texture key.

    Args:
        texture: Texture key, which also names the material.
        repeat: Repeats of the picture along u and v.
        gloss: Strength and tightness of highlights.
        faces: Put the whole picture on each face of a box primitive.
    """
    return Material(
        name=texture,
        texture=texture,
        projection="cube" if faces else "uv",
        repeat=repeat,
        specular=gloss,
        shininess=gloss,
    )


TIN = paint("tin", 0.72, 0.74, 0.77, gloss=0.6)
STEEL = paint("steel", 0.62, 0.63, 0.65, gloss=0.6)
ALUMINIUM = paint("aluminium", 0.80, 0.81, 0.83, gloss=0.6)
DARK_METAL = paint("dark_metal", 0.16, 0.16, 0.17, gloss=0.4)
BLACK_PLASTIC = paint("black_plastic", 0.06, 0.06, 0.065, gloss=0.3)
WHITE_GLAZE = paint("white_glaze", 0.93, 0.93, 0.91, gloss=0.5, glow=0.18)
PAPER = print_("paper", gloss=0.0, faces=True)
