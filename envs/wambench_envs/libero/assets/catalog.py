"""The table of LIBERO's objects: which model each file holds and what upstream reads of it.

Every row gives the file LIBERO opens, the ``object`` body, and the three offset sites. Those sites
are nominal (a plate's ``bottom_site`` lies 6 cm below it), but LIBERO's placement samplers reject
and lift by them: they are upstream's numbers, because any other number changes how many random
draws a reset takes and with it every later fixture pose.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from wambench_envs.libero.assets import furniture, groceries, tableware
from wambench_envs.libero.assets import materials as m
from wambench_envs.props.shapes import Link


@dataclass(frozen=True)
class Item:
    """One object file.

    Attributes:
        path: File in the pack.
        build: Makes the ``object`` body.
        bottom: z of ``bottom_site``, metres.
        top: z of ``top_site``, metres.
        radius: x and y of ``horizontal_radius_site``, metres.
        site_size: Radius of these (invisible) sites, metres.
    """

    path: str
    build: Callable[[], Link]
    bottom: float = -0.06
    top: float = 0.04
    radius: float = 0.025
    site_size: float = 0.005

    @property
    def name(self) -> str:
        """Category name, as BDDL files spell it."""
        return self.path.rsplit("/", 1)[-1].removesuffix(".xml")


def _hope(name: str, build: Callable[[], Link], **offsets: float) -> Item:
    return Item(f"stable_hope_objects/{name}/{name}.xml", build, **offsets)


def _scanned(name: str, build: Callable[[], Link]) -> Item:
    return Item(f"stable_scanned_objects/{name}/{name}.xml", build)


def _turbosquid(name: str, build: Callable[[], Link]) -> Item:
    return Item(f"turbosquid_objects/{name}/{name}.xml", build)


def _articulated(name: str, build: Callable[[], Link], **offsets: float) -> Item:
    return Item(f"articulated_objects/{name}.xml", build, **offsets)


_WIDE = {"bottom": -0.045, "top": 0.045, "radius": 0.045, "site_size": 0.05}

ITEMS: tuple[Item, ...] = (
    _articulated("flat_stove", furniture.flat_stove, **_WIDE),
    _articulated("microwave", furniture.microwave, bottom=-0.06, top=0.06, radius=0.015),
    _articulated(
        "white_cabinet", lambda: furniture.cabinet(m.print_("white_wood"), m.STEEL), **_WIDE
    ),
    _articulated(
        "wooden_cabinet", lambda: furniture.cabinet(m.print_("dark_wood"), m.STEEL), **_WIDE
    ),
    _hope(
        "alphabet_soup",
        lambda: groceries.can("alphabet_soup", -0.0384, 0.0370, 0.0308, -0.0035, 0.02585),
        bottom=-0.04, top=0.04,
    ),
    _hope("bbq_sauce", groceries.bbq_sauce, bottom=-0.06, top=0.06, radius=0.015),
    _hope(
        "butter",
        lambda: groceries.packet(
            "butter", (-0.0381, -0.0198, -0.0087), (0.0381, 0.0198, 0.0087), 0.00525
        ),
        bottom=-0.02, top=0.02, radius=0.02,
    ),
    _hope(
        "chocolate_pudding",
        lambda: groceries.packet(
            "chocolate_pudding", (-0.0406, -0.0232, -0.0131), (0.0396, 0.0232, 0.0143), 0.01019
        ),
    ),
    _hope(
        "cookies",
        lambda: groceries.packet(
            "cookies", (-0.0310, -0.0413, -0.0094), (0.0310, 0.0413, 0.0094), 0.00964
        ),
    ),
    _hope(
        "cream_cheese",
        lambda: groceries.packet(
            "cream_cheese", (-0.0406, -0.0213, -0.0089), (0.0406, 0.0213, 0.0089), 0.00619
        ),
        bottom=-0.025, top=0.025, radius=0.03,
    ),
    _hope("ketchup", groceries.ketchup),
    _hope(
        "milk", lambda: groceries.carton("milk", 0.0004, (0.90, 0.88, 0.84), 0.03167), radius=0.03
    ),
    _hope("new_salad_dressing", groceries.new_salad_dressing),
    _hope(
        "orange_juice",
        lambda: groceries.carton("orange_juice", -0.0004, (0.88, 0.88, 0.84), 0.03167),
    ),
    _hope("salad_dressing", groceries.salad_dressing),
    _hope(
        "tomato_sauce",
        lambda: groceries.can("tomato_sauce", -0.0384, 0.0370, 0.0308, -0.0033, 0.02663),
    ),
    _scanned("akita_black_bowl", tableware.akita_black_bowl),
    _scanned("basket", tableware.basket),
    _scanned("chefmate_8_frypan", tableware.frypan),
    _scanned("glazed_rim_porcelain_ramekin", tableware.ramekin),
    _scanned("plate", tableware.plate),
    _scanned("white_bowl", tableware.white_bowl),
    _turbosquid(
        "black_book",
        lambda: furniture.book(
            "black_cover", (-0.0148, -0.0673, 0.0022), (0.0139, 0.0430, 0.1366), 0.04255
        ),
    ),
    _turbosquid("desk_caddy", furniture.desk_caddy),
    _turbosquid("moka_pot", tableware.moka_pot),
    _turbosquid("porcelain_mug", tableware.porcelain_mug),
    _turbosquid("red_coffee_mug", tableware.red_coffee_mug),
    _turbosquid("white_yellow_mug", tableware.white_yellow_mug),
    _turbosquid("wine_bottle", tableware.wine_bottle),
    _turbosquid("wine_rack", furniture.wine_rack),
    _turbosquid("wooden_tray", furniture.wooden_tray),
    _turbosquid("wooden_two_layer_shelf", furniture.two_layer_shelf),
    _turbosquid(
        "yellow_book",
        lambda: furniture.book(
            "yellow_cover", (-0.0101, -0.0488, 0.0020), (0.0134, 0.0489, 0.1242), 0.02812
        ),
    ),
)  # fmt: skip
"""All 33 object files that the 130 tasks load."""
