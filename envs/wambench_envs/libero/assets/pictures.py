"""The pack's pictures: labels of groceries and surfaces of rooms and furniture.

:data:`PICTURES` maps a texture key to its file (inside ``textures/`` of the pack) and painter.
The file names of floors and walls are those that LIBERO's ``envs/arenas/style.py`` puts in place
of the arena's own; every style it knows is painted, although the 130 tasks use five of them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from wambench_envs.props import paint

Painter = Callable[[], np.ndarray]

WHITE, BLACK = (244, 243, 238), (22, 22, 24)
RED, DARK_RED = (200, 30, 28), (128, 16, 18)
YELLOW, ORANGE = (248, 205, 52), (240, 128, 24)
GREEN, BLUE, NAVY = (34, 128, 58), (58, 122, 205), (38, 62, 150)


def alphabet_soup() -> np.ndarray:
    """Blue can with yellow letters and a band of noodles."""
    image = paint.canvas(96, 64, (74, 138, 214))
    paint.rect(image, 0, 44, 96, 64, ORANGE)
    paint.rect(image, 0, 42, 96, 45, WHITE)
    paint.text(image, 48, 5, "ALPHABET", WHITE)
    paint.text(image, 48, 17, "SOUP", YELLOW, 3)
    rng = np.random.default_rng(7)
    for x, y in zip(rng.integers(2, 94, 26), rng.integers(48, 62, 26), strict=True):
        paint.ellipse(image, x, y, 2.6, 1.8, (252, 226, 120))
    return image


def tomato_sauce() -> np.ndarray:
    """Red can with a green oval and two tomatoes."""
    image = paint.canvas(96, 64, (196, 34, 22))
    paint.ellipse(image, 48, 23, 42, 21, (250, 214, 70))
    paint.ellipse(image, 48, 23, 40, 19, (38, 116, 44))
    paint.text(image, 48, 10, "TOMATO", WHITE, 2)
    paint.text(image, 48, 27, "SAUCE", WHITE, 1)
    for x in (26, 48, 70):
        paint.ellipse(image, x, 54, 10, 9, (232, 70, 36))
        paint.ellipse(image, x, 47, 4, 2, (60, 140, 50))
    return image


def milk() -> np.ndarray:
    """Red carton with white letters, a cow and a green meadow."""
    image = paint.canvas(64, 96, (214, 40, 34))
    paint.text(image, 32, 3, "MILK", WHITE, 2)
    paint.rect(image, 0, 20, 64, 22, WHITE)
    paint.text(image, 32, 28, "MILK", WHITE, 2)
    paint.text(image, 32, 45, "FRESH", WHITE)
    paint.rect(image, 0, 58, 64, 80, (150, 200, 236))
    paint.rect(image, 0, 80, 64, 96, (52, 140, 62))
    paint.ellipse(image, 34, 72, 17, 9, WHITE)
    paint.ellipse(image, 30, 70, 6, 4, BLACK)
    paint.ellipse(image, 43, 75, 5, 4, BLACK)
    paint.ellipse(image, 14, 66, 6, 5, WHITE)
    for x in (22, 28, 40, 46):
        paint.rect(image, x, 78, x + 3, 90, WHITE)
    return image


def orange_juice() -> np.ndarray:
    """Yellow carton with an orange and its slice."""
    image = paint.canvas(64, 96, (250, 200, 44))
    paint.rect(image, 0, 0, 64, 22, (242, 146, 30))
    paint.text(image, 32, 6, "JUICE", WHITE)
    paint.text(image, 32, 26, "ORANGE", (28, 104, 48))
    paint.text(image, 32, 36, "JUICE", (28, 104, 48), 2)
    paint.ellipse(image, 32, 74, 20, 19, (232, 112, 16))
    paint.ellipse(image, 32, 74, 17, 16, (252, 190, 90))
    for k in range(8):
        angle = np.pi / 4 * k
        x, y = 32 + 9 * np.cos(angle), 74 + 8.5 * np.sin(angle)
        paint.ellipse(image, x, y, 4.2, 4.0, (244, 132, 24))
    return image


def ketchup() -> np.ndarray:
    """Label with a green leaf and a tomato on cream."""
    image = paint.canvas(96, 48, (206, 44, 22))
    paint.ellipse(image, 48, 24, 24, 25, (246, 226, 170))
    paint.text(image, 48, 13, "TOMATO", DARK_RED)
    paint.text(image, 48, 24, "KETCHUP", DARK_RED)
    paint.ellipse(image, 48, 39, 7, 5, (214, 40, 26))
    paint.ellipse(image, 48, 6, 8, 3, GREEN)
    return image


def bbq_sauce() -> np.ndarray:
    """Dark label with flames and white letters."""
    image = paint.canvas(96, 48, (66, 24, 14))
    paint.rect(image, 26, 3, 70, 45, (236, 190, 92))
    paint.rect(image, 28, 5, 68, 43, (112, 28, 14))
    paint.text(image, 48, 9, "BBQ", WHITE, 2)
    paint.text(image, 48, 29, "SAUCE", YELLOW)
    return image


def salad_dressing() -> np.ndarray:
    """White label with a green leaf shape and letters."""
    image = paint.canvas(96, 48, (232, 236, 226))
    paint.ellipse(image, 48, 24, 25, 24, (70, 150, 60))
    paint.ellipse(image, 48, 25, 21, 18, (248, 250, 240))
    paint.text(image, 48, 13, "RANCH", (30, 96, 44))
    paint.text(image, 48, 23, "SALAD", (30, 96, 44))
    paint.ellipse(image, 41, 37, 5, 4, RED)
    paint.ellipse(image, 53, 37, 6, 3, (110, 180, 60))
    return image


def _packet(front: np.ndarray, side: tuple[int, int, int], words: str,
            ink: tuple[int, int, int]) -> np.ndarray:  # fmt: skip
    """Stacks a packet's front over the strip (16 rows) that wraps around its sides."""
    strip = paint.canvas(front.shape[1], 16, side)
    paint.text(strip, front.shape[1] // 2, 5, words, ink)
    return np.concatenate([front, strip])


def butter() -> np.ndarray:
    """Red-orange packet with a cow on blue and yellow letters."""
    image = paint.canvas(80, 48, (212, 60, 24))
    paint.rect(image, 40, 18, 80, 48, (120, 180, 226))
    paint.ellipse(image, 60, 36, 14, 9, WHITE)
    paint.ellipse(image, 58, 35, 5, 4, BLACK)
    paint.ellipse(image, 70, 38, 4, 3, BLACK)
    paint.text(image, 40, 3, "BUTTER", YELLOW, 2)
    paint.rect(image, 5, 26, 34, 42, YELLOW)
    paint.rect(image, 7, 28, 32, 40, (255, 236, 150))
    return _packet(image, (206, 40, 26), "BUTTER", YELLOW)


def cream_cheese() -> np.ndarray:
    """Silver packet with a blue oval."""
    image = paint.canvas(80, 48, (196, 206, 224))
    paint.rect(image, 0, 0, 80, 4, BLUE)
    paint.rect(image, 0, 44, 80, 48, BLUE)
    paint.ellipse(image, 40, 24, 34, 18, NAVY)
    paint.ellipse(image, 40, 24, 31, 15, (92, 116, 206))
    paint.text(image, 40, 15, "CREAM", WHITE)
    paint.text(image, 40, 25, "CHEESE", WHITE)
    return _packet(image, (180, 192, 214), "CHEESE", NAVY)


def chocolate_pudding() -> np.ndarray:
    """Brown packet with cream letters and a dish of pudding."""
    image = paint.canvas(80, 48, (92, 48, 28))
    paint.rect(image, 0, 0, 80, 5, (170, 36, 30))
    paint.text(image, 40, 8, "CHOCOLATE", (250, 220, 180))
    paint.text(image, 40, 17, "PUDDING", WHITE, 1)
    paint.ellipse(image, 40, 39, 24, 9, (244, 236, 226))
    paint.ellipse(image, 40, 36, 20, 7, (56, 26, 16))
    paint.ellipse(image, 40, 31, 7, 4, WHITE)
    return _packet(image, (74, 36, 22), "PUDDING", (250, 220, 180))


def cookies() -> np.ndarray:
    """Packet with red checks at the edge and a heap of cookies on yellow."""
    image = paint.canvas(64, 80, (240, 196, 84))
    for k in range(0, 64, 8):
        paint.rect(image, k, 0, k + 4, 4, RED)
        paint.rect(image, k + 4, 4, k + 8, 8, RED)
        paint.rect(image, k, 72, k + 4, 76, RED)
        paint.rect(image, k + 4, 76, k + 8, 80, RED)
    paint.rect(image, 4, 12, 60, 24, (186, 30, 30))
    paint.text(image, 32, 15, "COOKIES", WHITE)
    for x, y in ((20, 40), (42, 38), (31, 52), (16, 60), (47, 58)):
        paint.ellipse(image, x, y, 11, 10, (150, 94, 44))
        paint.ellipse(image, x, y, 10, 9, (206, 150, 84))
        for dx, dy in ((-4, -2), (3, -4), (1, 3), (-3, 4), (5, 2)):
            paint.ellipse(image, x + dx, y + dy, 1.6, 1.6, (70, 36, 22))
    return _packet(image, (200, 44, 36), "COOKIES", WHITE)


def wine_label() -> np.ndarray:
    """Cream label with a red rule."""
    image = paint.canvas(96, 48, (16, 30, 20))
    paint.rect(image, 24, 2, 72, 46, (238, 228, 204))
    paint.rect(image, 27, 5, 69, 43, (226, 214, 184))
    paint.text(image, 48, 12, "WINE", (120, 24, 36), 1)
    paint.rect(image, 32, 24, 64, 26, (120, 24, 36))
    paint.ellipse(image, 48, 35, 7, 6, (92, 34, 90))
    return image


def book_cover(ground: tuple[int, int, int], ink: tuple[int, int, int]) -> np.ndarray:
    """Plain cloth cover with a ruled frame."""
    image = paint.canvas(32, 32, ground)
    paint.rect(image, 3, 3, 29, 29, ink)
    paint.rect(image, 4, 4, 28, 28, ground)
    return image


def paper() -> np.ndarray:
    """Edges of a block of pages."""
    image = paint.canvas(16, 16, (240, 234, 214))
    image[:, ::3] = (212, 204, 182)
    return image


def burner() -> np.ndarray:
    """Rings of an electric hob seen from above."""
    y, x = (np.mgrid[:64, :64] + 0.5) / 32 - 1
    ring = np.hypot(x, y)
    lit = (np.sin(ring * 2 * np.pi * 4.5) > -0.1) & (ring < 0.95)
    image = paint.canvas(64, 64, (58, 58, 60))
    image[lit] = (96, 96, 98)
    image[ring > 0.95] = (44, 44, 46)
    return image


def checked_oven_window() -> np.ndarray:
    """Dark glass with the fine grid of a microwave door."""
    image = paint.canvas(32, 32, (30, 31, 34))
    image[::4, ::4] = (70, 72, 76)
    image[2::4, 2::4] = (70, 72, 76)
    return image


def keypad() -> np.ndarray:
    """Control panel of a microwave: a green display over rows of keys."""
    image = paint.canvas(24, 64, (34, 35, 38))
    paint.rect(image, 3, 5, 21, 13, (84, 220, 150))
    for row in range(5):
        for column in range(3):
            x, y = 4 + 6 * column, 20 + 7 * row
            paint.rect(image, x, y, x + 4, y + 4, (168, 170, 174))
    return image


def books_on_shelf() -> np.ndarray:
    """Spines of books between two boards, for backgrounds."""
    image = paint.canvas(64, 64, (70, 52, 38))
    rng = np.random.default_rng(5)
    palette = [RED, NAVY, GREEN, (180, 150, 90), (90, 60, 110), (210, 205, 190), (60, 60, 66)]
    for top in (4, 36):
        x = 2
        while x < 58:
            width, height = int(rng.integers(3, 7)), int(rng.integers(18, 26))
            colour = palette[int(rng.integers(len(palette)))]
            paint.rect(image, x, top + 28 - height, x + width, top + 28, colour)
            x += width + int(rng.integers(0, 2))
    return image


def painting() -> np.ndarray:
    """A framed landscape."""
    image = paint.canvas(64, 48, (118, 84, 46))
    paint.rect(image, 4, 4, 60, 44, (166, 204, 228))
    paint.ellipse(image, 20, 46, 26, 18, (96, 132, 92))
    paint.ellipse(image, 50, 48, 24, 22, (70, 108, 84))
    paint.ellipse(image, 48, 13, 5, 5, (250, 226, 150))
    image[:4] = image[44:] = (118, 84, 46)
    image[:, :4] = image[:, 60:] = (118, 84, 46)
    return image


def _label(name: str, painter: Painter) -> tuple[str, Painter]:
    return (f"label_{name}.png", painter)


PICTURES: dict[str, tuple[str, Painter]] = {
    painter.__name__: _label(painter.__name__, painter)
    for painter in (
        alphabet_soup, tomato_sauce, milk, orange_juice, ketchup, bbq_sauce, salad_dressing,
        butter, cream_cheese, chocolate_pudding, cookies, wine_label,
    )
} | {
    "black_cover": _label("black_book", lambda: book_cover((34, 34, 38), (150, 130, 80))),
    "yellow_cover": _label("yellow_book", lambda: book_cover((222, 186, 58), (150, 110, 30))),
    "paper": ("paper_edges.png", paper),
    "burner": ("burner_rings.png", burner),
    "oven_window": ("oven_window.png", checked_oven_window),
    "keypad": ("keypad.png", keypad),
    "books": ("books_on_shelf.png", books_on_shelf),
    "painting": ("painting.png", painting),
    "wicker": (
        "wicker.png",
        lambda: paint.wicker(64, (196, 150, 92), (92, 58, 28), cells=8),
    ),
    "dark_wood": (
        "dark_wood.png",
        lambda: paint.wood(64, (74, 58, 46), (40, 30, 24), seed=11),
    ),
    "white_wood": (
        "white_wood.png",
        lambda: paint.wood(64, (236, 234, 230), (204, 202, 198), seed=12),
    ),
    "light_wood": (
        "light_wood.png",
        lambda: paint.wood(64, (238, 206, 158), (204, 164, 112), seed=13, planks=8),
    ),
    "crate_wood": (
        "crate_wood.png",
        lambda: paint.wood(64, (200, 156, 104), (150, 106, 62), seed=14),
    ),
    "mahogany": (
        "mahogany.png",
        lambda: paint.wood(64, (134, 48, 26), (84, 24, 14), seed=15),
    ),
    "walnut": (
        "walnut.png",
        lambda: paint.wood(128, (104, 66, 44), (62, 36, 24), seed=16, grain=0.7),
    ),
    "table_top": (
        "table_top.png",
        lambda: paint.wood(128, (224, 208, 188), (202, 182, 156), seed=17, grain=0.6),
    ),
}  # fmt: skip
"""Texture key -> (file name in ``textures/``, painter)."""

FLOORS: dict[str, Painter] = {
    "dark_floor_texture.png": lambda: paint.wood(
        128, (84, 66, 54), (46, 34, 28), seed=21, planks=4
    ),
    "rustic_floor.png": lambda: paint.wood(128, (164, 122, 82), (104, 70, 42), seed=22, planks=4),
    "light-gray-floor-tile.png": lambda: paint.wood(
        128, (188, 180, 170), (156, 148, 140), seed=23, planks=4
    ),
    "white_marble_floor.png": lambda: paint.tiles(
        128, (238, 236, 232), (206, 204, 200), seed=24, across=2, along=2, wear=0.35
    ),
    "seamless_wood_planks_floor.png": lambda: paint.wood(
        128, (186, 140, 96), (134, 92, 58), seed=25, planks=4
    ),
    "brown_ceramic_tile.png": lambda: paint.tiles(
        128, (166, 120, 88), (120, 90, 70), seed=26, across=4, along=4, wear=0.4
    ),
    "gray_ceramic_tile.png": lambda: paint.tiles(
        128, (164, 164, 162), (120, 120, 118), seed=27, across=4, along=4, wear=0.35
    ),
    "tile_grigia_caldera_porcelain_floor.png": lambda: paint.tiles(
        128, (150, 146, 140), (112, 108, 104), seed=28, across=2, along=2, wear=0.4
    ),
}
"""Floor pictures under the file names of ``FLOOR_STYLE``."""

WALLS: dict[str, Painter] = {
    "light_blue_wall.png": lambda: paint.plaster(64, (176, 204, 222), seed=31, rough=0.12),
    "dark_blue_wall.png": lambda: paint.plaster(64, (54, 76, 112), seed=32, rough=0.2),
    "dark_gray_plaster.png": lambda: paint.plaster(64, (104, 104, 106), seed=33, rough=0.3),
    "gray_plaster.png": lambda: paint.plaster(64, (152, 152, 150), seed=34, rough=0.25),
    "dark_green_plaster_wall.png": lambda: paint.plaster(64, (62, 92, 74), seed=35, rough=0.25),
    "light-gray-plaster.png": lambda: paint.plaster(64, (214, 214, 210), seed=36, rough=0.2),
    "ceramic.png": lambda: paint.tiles(
        64, (232, 230, 224), (196, 194, 190), seed=37, across=4, along=4, wear=0.1
    ),
    "white_wall.png": lambda: paint.plaster(64, (236, 236, 232), seed=38, rough=0.08),
    "yellow_linen_wall_texture.png": lambda: paint.plaster(
        64, (206, 196, 150), seed=39, rough=0.3, weave=True
    ),
}
"""Wall pictures under the file names of ``WALL_STYLE``."""
