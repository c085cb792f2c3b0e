"""The script of each task, and why a task has none."""

from __future__ import annotations

from collections.abc import Callable, Generator

from wambench.protocol import Task
from wambench_policies.expert.geometry import Array
from wambench_policies.expert.kitchen import controls, doors, drawers, places
from wambench_policies.expert.kitchen.carrying import (
    carry,
    from_basin,
    from_front,
)
from wambench_policies.expert.kitchen.skills import Skill
from wambench_policies.expert.kitchen.view import OPEN, Kitchen

Script = Callable[[Kitchen], Skill]

SLIGHT = 0.015
"""How far a mug is lifted under the head of the coffee machine, m."""
ATTEMPTS = 6
"""How often a script is begun."""


def _burner(kitchen: Kitchen) -> str:
    return f"stove_knob_{kitchen.world.meta['choices']['burner']}"


SCRIPTS: dict[str, Script] = {
    "PnPCounterToCab": lambda k: carry(
        k, "cabinet", lambda: places.inside(k, "obj", "cabinet", 0.3), brought=from_front
    ),
    "PnPCabToCounter": lambda k: carry(
        k,
        "cabinet",
        lambda: places.on_counter(k, "obj", k.world.fixture("cabinet")),
        taken=from_front,
        nudges=True,
    ),
    "PnPCounterToSink": lambda k: carry(
        k, "sink", lambda: places.inside(k, "obj", "sink", 0.6), brought=from_basin
    ),
    "PnPSinkToCounter": lambda k: carry(
        k, "sink", lambda: places.on_dish(k, "container"), taken=from_basin
    ),
    "PnPCounterToMicrowave": lambda k: carry(
        k, "microwave", lambda: places.on_dish(k, "container"), brought=from_front
    ),
    "PnPMicrowaveToCounter": lambda k: carry(
        k, "microwave", lambda: places.on_dish(k, "container"), taken=from_front, nudges=True
    ),
    "PnPCounterToStove": lambda k: carry(k, "stove", lambda: places.on_dish(k, "container")),
    "PnPStoveToCounter": lambda k: carry(k, "stove", lambda: places.on_dish(k, "container")),
    "OpenSingleDoor": lambda k: doors.open_doors(k, k.world.fixture("door")),
    "CloseSingleDoor": lambda k: doors.close_doors(k, k.world.fixture("door")),
    "OpenDoubleDoor": lambda k: doors.open_doors(k, k.world.fixture("door")),
    "CloseDoubleDoor": lambda k: doors.close_doors(k, k.world.fixture("door")),
    "OpenDrawer": lambda k: drawers.open_drawer(k, k.world.fixture("drawer")),
    "CloseDrawer": lambda k: drawers.close_drawer(k, k.world.fixture("drawer")),
    "TurnOnSinkFaucet": lambda k: controls.lift_lever(k, k.world.fixture("sink")),
    "TurnOffSinkFaucet": lambda k: controls.push_lever(k, k.world.fixture("sink")),
    "TurnSinkSpout": lambda k: controls.turn_spout(
        k, k.world.fixture("sink"), k.world.meta["choices"]["side"]
    ),
    "TurnOnStove": lambda k: controls.turn_on(k, k.world.fixture("stove"), _burner(k)),
    "TurnOffStove": lambda k: controls.turn_off(k, k.world.fixture("stove"), _burner(k)),
    "CoffeeSetupMug": lambda k: carry(
        k,
        "coffee_machine",
        lambda: [k.world.site("coffee_machine_place")],
        brought=from_front,
    ),
    "CoffeeServeMug": lambda k: carry(
        k,
        "coffee_machine",
        lambda: places.on_counter(k, "obj", k.world.fixture("coffee_machine")),
        taken=from_front,
        lift=SLIGHT,
    ),
    "CoffeePressButton": lambda k: controls.press(
        k, k.world.fixture("coffee_machine"), "coffee_machine_button", "coffee_machine_button"
    ),
    "TurnOnMicrowave": lambda k: controls.press(
        k, k.world.fixture("microwave"), "microwave_start", "microwave_start_button"
    ),
    "TurnOffMicrowave": lambda k: controls.press(
        k, k.world.fixture("microwave"), "microwave_stop", "microwave_stop_button"
    ),
}


def missing(task: Task) -> str:
    """Why a task cannot be attempted; empty when it can."""
    return "" if task.name in SCRIPTS else f"there is no script for {task.name} yet"


def execute(kitchen: Kitchen, task: str) -> Generator[Array, None, None]:
    """Actions of a whole episode: the script, again and again, then holding still."""
    for _ in range(ATTEMPTS):
        begun = kitchen.live.time
        yield from SCRIPTS[task](kitchen)
        if kitchen.live.time == begun:
            break  # nothing has changed: the next attempt would end like this one
    while True:
        yield kitchen.action(kitchen.grip(), OPEN)
