"""Doors of cabinets and the microwave.

A door is opened in two strokes: the hand takes the bar and pulls until there is a gap, then goes
round the free edge and pushes the door open from inside, which needs no wrist that turns along. It
is shut by pushing from outside.

Places are given by the door's own coordinates, seen from above with the hinge at the origin: u
along the closed door, v towards the user.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import numpy as np

from wambench_policies.expert.geometry import Array, Pose, rotation_matrix
from wambench_policies.expert.kitchen.reaching import Reach, travel
from wambench_policies.expert.kitchen.skills import (
    NARROW,
    Skill,
    fingers,
    follow,
    grasp,
    move,
    retreat,
    tilt_for,
)
from wambench_policies.expert.kitchen.view import CLOSE, OPEN, FixtureLike, Kitchen

QUARTER = 0.5 * math.pi
OPENED, SHUT = 0.94 * QUARTER, 0.02 * QUARTER
"""Angles at which a door is left alone, rad."""
GAP = 0.80
"""Angle to which the bar is pulled, rad."""
YAW = 0.8
"""How far the hand points aside when it pushes a door from inside, rad."""
OFF = 0.20
"""How far outside of a door the hand begins to push it shut, m."""
BEFORE = (0.34, 0.20, 0.10)
"""From how far in front of that it comes, m; less in corners."""
END_OFF = 0.03
"""How far outside of it the hand is when it is shut, m."""
LEANINGS = (0.0, 0.2, 0.4, 0.6, 0.8)
"""How much further down than it must the hand may point, rad."""
DEPTH = 0.20
"""How far in front of the cabinet a door is pushed from inside, m."""
END = 0.12
"""How far from its hinge the hand ends, m."""
PALM = 0.10
"""Half the width of the hand, m."""


@dataclass(frozen=True, slots=True)
class Door:
    """A door of a fixture.

    Attributes:
        kitchen: Where it is.
        fixture: What it belongs to.
        name: Of its joint and body.
        handle: Site of its bar.
        side: 1 where it extends to the right of its hinge, -1 to the left.
        width: Metres.
    """

    kitchen: Kitchen
    fixture: FixtureLike
    name: str
    handle: str
    side: float
    width: float

    def angle(self) -> float:
        """How far it is open, rad."""
        return -self.side * self.kitchen.world.joint(self.name)

    def hinge(self) -> Array:
        """(3,) a point of its axis."""
        joint = self.kitchen.model.joint(self.name).id
        anchor: Array = self.kitchen.live.xanchor[joint].copy()
        return anchor

    def at(self, u: float, v: float, z: float) -> Array:
        """(3,) point in the world; z is the world's height."""
        axes = self.kitchen.axes(self.fixture)
        point = self.hinge() + self.side * u * axes[:, 0] - v * axes[:, 1]
        return np.array([point[0], point[1], z])

    def turned(self, by: float, point: Array) -> Array:
        """(3,) where a point of the door is after it has opened further by an angle in rad."""
        hinge = self.hinge()
        return hinge + self._opening(by) @ (point - hinge)

    def _opening(self, by: float) -> Array:
        return rotation_matrix(np.array([0.0, 0.0, -self.side * by]))

    def swung(self, by: float, hand: Pose, share: float) -> Pose:
        """A hand that follows the door by an angle in rad, turning by a share of it."""
        position = self.turned(by, hand.position)
        return Pose(position, self._opening(share * by) @ hand.rotation)


def doors_of(kitchen: Kitchen, fixture: FixtureLike) -> list[Door]:
    """The doors of a cabinet or microwave, the left one first."""
    name, width = fixture.name, fixture.size[0]
    if fixture.kind == "double_cabinet":
        return [
            Door(
                kitchen, fixture, f"{name}_{which}_door", f"{name}_{which}_handle", side, width / 2
            )
            for which, side in (("left", 1.0), ("right", -1.0))
        ]
    if fixture.kind == "microwave":
        width -= 0.17  # the panel with the buttons
    side = -1.0 if fixture.kind == "single_cabinet" and fixture.hinge == "right" else 1.0
    return [Door(kitchen, fixture, f"{name}_door", f"{name}_handle", side, width)]


def open_doors(kitchen: Kitchen, fixture: FixtureLike) -> Skill:
    """Opens all doors of a fixture."""
    for door in doors_of(kitchen, fixture):
        if door.angle() < OPENED:
            if door.angle() < 0.8 * GAP:
                yield from _pull(kitchen, door)
            yield from _push_open(kitchen, door)
    return all(door.angle() >= OPENED for door in doors_of(kitchen, fixture))


def close_doors(kitchen: Kitchen, fixture: FixtureLike) -> Skill:
    """Shuts all doors of a fixture."""
    for door in doors_of(kitchen, fixture):
        if door.angle() > SHUT:
            yield from _push_shut(kitchen, door)
    return all(door.angle() <= SHUT for door in doors_of(kitchen, fixture))


def _pull(kitchen: Kitchen, door: Door) -> Skill:
    """Takes the bar and pulls until there is a gap."""
    bar = kitchen.world.site(door.handle)
    out = -0.10 * kitchen.axes(door.fixture)[:, 1]
    least = tilt_for(float(bar[2]))
    hands = [Pose(bar, kitchen.facing(door.fixture, least + more)) for more in LEANINGS]
    way = Reach(kitchen).find([(hand.shifted(out), hand) for hand in hands])
    if way is None:
        return False
    held = way.hands[-1]
    yield from travel(kitchen, way, OPEN)
    yield from move(kitchen, held, OPEN, distance=0.008, speed=0.6, helped=False)
    if not (yield from grasp(kitchen)):
        yield from retreat(kitchen, 0.10)
        return False
    start = door.angle()

    def goal() -> Pose:
        return door.swung(door.angle() - start + 0.15, held, 0.7)

    pulled = yield from follow(kitchen, goal, door.angle, lambda: door.angle() > GAP, room=NARROW)
    yield from fingers(kitchen, OPEN, 6)
    yield from retreat(kitchen, 0.10)
    return pulled


def _push_open(kitchen: Kitchen, door: Door) -> Skill:
    """Goes round the free edge and pushes the door from inside."""
    z = float(kitchen.world.site(door.handle)[2])
    # Pointing towards the hinge: the fingertips go first, and the wrist stays clear of the door's
    # edge, which it would push at end-on.
    turn = rotation_matrix(np.array([0.0, 0.0, door.side * YAW]))
    outside = max(0.45, door.width * math.sin(min(door.angle(), 1.0)) + 0.12)
    clear = max(door.width * math.cos(door.angle()) + PALM + 0.05, 0.5 * door.width)
    tilts = [tilt_for(z) + more for more in LEANINGS]
    rotations = [turn @ kitchen.facing(door.fixture, tilt) for tilt in tilts]
    # The base is on the side that the door does not swing to: an arm that came from the other side
    # would be in its way.
    way = Reach(kitchen).find(
        [
            [Pose(door.at(u, v, z), r) for u, v in ((clear, outside), (clear, DEPTH), (END, DEPTH))]
            for r in rotations
        ],
        pushed=door.name,
        asides=[door.side * aside for aside in (0.15, 0.3, 0.0, 0.42, 0.55)],
    )
    if way is None:
        return False
    entry, rotation = way.hands[0], way.hands[0].rotation
    yield from travel(kitchen, way, CLOSE)
    yield from move(kitchen, way.hands[1], CLOSE, distance=0.03, angle=0.2, helped=False)

    def goal() -> Pose:
        here = kitchen.grip().position - door.hinge()
        u = door.side * float(here @ kitchen.axes(door.fixture)[:, 0])
        return Pose(door.at(u - 0.07, DEPTH, z), rotation)

    pushed = yield from follow(
        kitchen, goal, door.angle, lambda: door.angle() > OPENED, helped=False, patience=60
    )
    yield from move(kitchen, way.hands[1], CLOSE, distance=0.04, angle=0.3, helped=False)
    yield from move(kitchen, entry, CLOSE, distance=0.06, angle=0.5, helped=False)
    return pushed


def _push_shut(kitchen: Kitchen, door: Door) -> Skill:
    """Pushes the door from outside."""
    z = float(kitchen.world.site(door.handle)[2]) - 0.06
    out = -kitchen.axes(door.fixture)[:, 1]

    def place(angle: float, off: float, radius: float) -> Array:
        c, s = math.cos(angle), math.sin(angle)
        return door.at(radius * c - off * s, radius * s + off * c, z)

    ways = []
    for before in BEFORE:
        for share, more in product((0.72, 0.9, 0.55), LEANINGS):
            rotation = kitchen.facing(door.fixture, tilt_for(z) + more)
            begin = Pose(place(door.angle(), OFF, share * door.width), rotation)
            end = Pose(place(0.0, END_OFF, share * door.width), rotation)
            half = begin.shifted(0.5 * before * out)
            ways.append((begin.shifted(before * out), half, begin, end))
    # Better to where the hand ends as well: a stretched arm is hard to draw back.
    way = Reach(kitchen).find([*ways, *(hands[:-1] for hands in ways)])
    if way is None:
        return False
    begin = way.hands[2]
    away = float(np.linalg.norm((begin.position - door.hinge())[:2]))
    radius = math.sqrt(away**2 - OFF**2)
    yield from travel(kitchen, way, CLOSE)
    yield from move(kitchen, begin, CLOSE, distance=0.03, angle=0.2, helped=False)

    def goal() -> Pose:
        return Pose(place(max(0.0, door.angle() - 0.12), 0.0, radius), begin.rotation)

    shut = yield from follow(
        kitchen, goal, lambda: -door.angle(), lambda: door.angle() < SHUT, patience=60
    )
    yield from retreat(kitchen, 0.15, CLOSE)
    return shut
