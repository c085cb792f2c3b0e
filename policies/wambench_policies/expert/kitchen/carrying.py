"""Picking things up and setting them down.

A way is sought for the whole approach before anything moves: where the base stands, how high the
torso is, from where the hand comes. Things are held from above, the hand leaning back (`tilt` less
than a quarter turn) as far as cabinets and microwaves ask for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import product

import numpy as np

from wambench_policies.expert.geometry import (
    Array,
    Pose,
    about_z,
    angle_between,
    gripper_rotation,
    rotation_matrix,
    rotation_vector,
)
from wambench_policies.expert.grasps import TIP_REACH, GraspSpec, Rim, TopDown, grasps
from wambench_policies.expert.kitchen.nudging import nudge
from wambench_policies.expert.kitchen.reaching import INSERT, SHORT, Held, Reach, Way, travel
from wambench_policies.expert.kitchen.skills import (
    Skill,
    drive,
    fingers,
    grasp,
    move,
    retreat,
    tuck,
)
from wambench_policies.expert.kitchen.view import CLOSE, OPEN, FixtureLike, Kitchen
from wambench_policies.expert.motion import separation
from wambench_policies.expert.shapes import Shape, body_shape, is_solid

log = logging.getLogger(__name__)

SPECS: dict[str, tuple[GraspSpec, ...]] = {"mug": (Rim(), TopDown()), "cup": (Rim(), TopDown())}
"""How things are held that are not simply held from above, across their narrow side."""
WIDEST = 0.078
"""Greatest extent of what goes between the fingers, m; open, they are 0.08 m apart."""
EASY, TIGHT = 0.066, 100.0
"""Extent (m) from which on a finger may come down on what shall be between the two, and what each
metre more costs, in rad that the wrist turns."""
TILTS = {1.45: 0.0, 1.6: 0.2, 1.75: 0.5, 1.25: 0.4, 1.05: 0.8, 0.85: 1.2, 0.65: 1.6}
"""How far the hand points down, rad, and what that costs, in rad that the wrist turns."""
SIDEWAYS = {0.0: 0.0, 0.35: 0.6, -0.35: 0.6}
"""The same for how far it leans to a side, away from a wall."""
YAW = 0.9
"""How far the hand may point aside, rad, to come along what is long."""
DEPTHS = (0.0, 0.012, 0.024)
"""How much less deep than it should the hand may take hold, m."""
RIM_DEPTHS = (0.0, 0.008)
"""The same on a rim, where a leaning hand has its palm near the edge."""
LEANINGS = (0.0, 0.2, 0.4, 0.6, 0.8)
"""How far something may lean between being taken and set down, rad."""
DROPS = (0.008, 0.025, 0.05, 0.08)
"""Height from which something is let go, m."""
CLEAR = 0.15
"""How far above a place the hand comes from and lifts to, m."""
DEEP = 0.27
"""The same for a basin, m."""
NEAR, OVER, LIFT = 0.06, 0.05, 0.04
"""Lengths of the last stretch towards an object, down to a rim, and of the first one with it, m."""
OUT = (0.0, 0.2, 0.4, 0.7, 1.0)
"""Where on its way out, as shares of it, a hand is asked whether it has room."""
SLACK = 0.015
"""How much higher (m) than it shall be the hand must have room: it swings when it is pulled out."""
LIFTED = (1.0, 0.6, 0.3)
"""Shares of that first stretch that are tried where there is a roof above."""
STEEP = 0.70
"""Sine of the angle from which on a finger that comes along the hand clears the edge before it."""
ALIKE = 0.02
"""Up to which `separation` (m) two holds are alike."""
BEST, GRASPS = 10, 60
"""How many of the best grasps are tried, and about how many of all others."""
BLOCKED, MISSED, LOST = 0.05, 0.02, 0.12
"""How far the hand may stop from where it comes from and from where it shall close, and what it
holds be from it, m."""
LEVEL = 0.5
"""Sine of the greatest angle at which the fingers close: no finger gets under a thing."""
WRIST = 2.2
"""How far the hand may turn about its approach from where joint 7 is in the middle, rad."""
UP = np.array([0.0, 0.0, 1.0])


def from_above(kitchen: Kitchen, fixture: FixtureLike) -> tuple[Array, ...]:
    """Entrances of places on a counter, dish or stove; the second is for those under cabinets."""
    return CLEAR * UP, 0.07 * UP - 0.25 * kitchen.axes(fixture)[:, 1]


def from_basin(kitchen: Kitchen, fixture: FixtureLike) -> tuple[Array, ...]:
    """Entrances of places in a basin."""
    return (DEEP * UP,)


def from_front(kitchen: Kitchen, fixture: FixtureLike) -> tuple[Array, ...]:
    """Entrances of places inside a cabinet or an appliance."""
    return (0.02 * UP - INSERT * kitchen.axes(fixture)[:, 1],)


Entrances = Callable[[Kitchen, FixtureLike], tuple[Array, ...]]
"""(3,) ways from a place to where the hand comes from and goes to, m; the preferred first."""


def carry(
    kitchen: Kitchen,
    role: str,
    spots: Callable[[], Iterable[Array]],
    *,
    taken: Entrances = from_above,
    brought: Entrances = from_above,
    lift: float = LIFT,
    nudges: bool = False,
) -> Skill:
    """Brings the object of a task to one of some places.

    Args:
        kitchen: The kitchen.
        role: Role of the fixture that the robot works at.
        spots: Gives (3,) places for the middle of its underside, the preferred first.
        taken: From where the hand comes to the object.
        brought: From where it comes to the places.
        lift: How far the object is lifted first, m.
        nudges: Whether it may be pushed where it is, when it cannot be held as it lies.
    """
    fixture = kitchen.world.fixture(role)
    reach = Reach(kitchen)
    shape, places = _shape(kitchen, "obj"), list(spots())

    def settings(held: Held, rotation: Array) -> Iterator[Sequence[Pose]]:
        """Hands on the way to the places, for something that a (3, 3) hand holds."""
        aside = kitchen.axes(fixture)[:, 0]
        return _settings(shape, held, rotation, places, aside, brought(kitchen, fixture))

    def freely(hands: Sequence[Pose], release: Array) -> bool:
        """Whether the hand has room to go away from what it has set down."""
        return reach.has_room([hands[-1].shifted(hands[-1].rotation @ release)])

    holds = _holds(kitchen, reach, "obj", shape, fixture, taken(kitchen, fixture))
    way = _grip_for(kitchen, reach, "obj", holds, settings, freely, lift)
    if way is None:
        log.debug("no way to hold obj")
        if nudges:
            yield from nudge(kitchen, reach, "obj", fixture)
        return False
    held = _held(kitchen, "obj", way.hands[-1])
    hold = held.in_hand.inverse()
    up = rise(reach, way.hands, held, lift) or min(LIFTED) * lift
    if not (yield from pick(kitchen, "obj", way, up)):
        kitchen.slipped.append(hold)
        yield from fingers(kitchen, OPEN, 6)
        yield from retreat(kitchen, 0.10)
        return False
    held = _held(kitchen, "obj", kitchen.grip())
    if np.linalg.norm(held.in_hand.position) > LOST:
        log.debug("obj was lost on the way out")
        kitchen.slipped.append(hold)
        yield from fingers(kitchen, OPEN, 2)
        return False
    release = _release(way.hands)
    every = list(settings(held, kitchen.grip().rotation))
    setting = reach.find((one for one in every if freely(one, release)), held)
    setting = setting or reach.find(every, held)
    if setting is None:
        log.debug("no way to set obj down")
        return False
    return (yield from put(kitchen, setting, release))


def _grip_for(
    kitchen: Kitchen,
    reach: Reach,
    name: str,
    holds: Iterable[Sequence[Pose]],
    settings: Callable[[Held, Array], Iterable[Sequence[Pose]]],
    freely: Callable[[Sequence[Pose], Array], bool],
    lift: float,
) -> Way | None:
    """The way to the first grasp that lets a thing out and be set down, or else to any."""
    some = None
    for hands in holds:
        way = reach.find([hands], tries=80)
        if way is None:
            continue
        held = _held(kitchen, name, hands[-1])
        release = _release(hands)
        there = (one for one in settings(held, hands[-1].rotation) if freely(one, release))
        if (
            rise(reach, hands, held, lift) is not None
            and reach.find(there, held, tries=150) is not None
        ):
            return way
        some = some or way
    return some


def _release(hands: Sequence[Pose]) -> Array:
    """(3,) way back from where the fingers close to where they are clear, in the hand's frame."""
    near, hand = hands[-2:]
    return hand.rotation.T @ (near.position - hand.position)


def rise(reach: Reach, hands: Sequence[Pose], held: Held, lift: float) -> float | None:
    """How far (m) what is held can be lifted for the hand to have room on its way out with it.

    Args:
        reach: Knows where there is room.
        hands: The way to the grasp: from where the hand comes, before the object, around it.
        held: The object in that hand.
        lift: How far it would be lifted where nothing is above, m.

    Returns:
        At most `lift`; None where there is no room even for the least of `LIFTED`.
    """
    entrance = hands[0].position - hands[1].position
    for share in LIFTED:
        up = hands[-1].shifted((share * lift + SLACK) * UP)
        if reach.has_room([up.shifted(along * entrance) for along in OUT], held):
            return share * lift
    return None


def pick(kitchen: Kitchen, name: str, way: Way, lift: float = LIFT) -> Skill:
    """Takes an object and lifts it out of where it is.

    Args:
        kitchen: The kitchen.
        name: Role of the object.
        way: To where the fingers close.
        lift: How far it is lifted before it is taken along, m.
    """
    if not (yield from travel(kitchen, way, OPEN)) and _is_missed(kitchen, way.hands[0], BLOCKED):
        log.debug("something is in the way to %s", name)
        return False
    for hand in way.hands[1:]:
        yield from move(kitchen, hand, OPEN, distance=0.006, speed=0.7, helped=False)
    if _is_missed(kitchen, way.hands[-1], MISSED):
        log.debug("a finger came down on %s", name)
        return False
    before = kitchen.world.object_pose(name)[0][2]
    yield from grasp(kitchen)
    up = kitchen.grip().shifted(lift * UP)
    yield from move(kitchen, up, CLOSE, distance=0.25 * lift, helped=False)
    if kitchen.world.object_pose(name)[0][2] < before + 0.25 * lift:
        log.debug("%s was not lifted", name)
        return False
    out = kitchen.grip().shifted(way.hands[0].position - way.hands[1].position)
    return (yield from move(kitchen, out, CLOSE, distance=0.04, angle=0.3, helped=False))


def put(kitchen: Kitchen, way: Way, release: Array) -> Skill:
    """Sets down what is held, and goes away from it.

    Args:
        kitchen: The kitchen.
        way: To where the fingers open.
        release: (3,) from there to where the hand is clear of the object, in its frame, m.
    """
    yield from travel(kitchen, way, CLOSE)
    for hand in way.hands[1:]:
        yield from move(kitchen, hand, CLOSE, distance=0.008, speed=0.5, helped=False)
    yield from fingers(kitchen, OPEN, 8)
    clear = kitchen.grip().shifted(kitchen.grip().rotation @ release)
    yield from move(kitchen, clear, OPEN, distance=0.015, speed=0.5, angle=0.3)
    # Not farther than where it came from: there may be a cabinet above.
    out = Pose(way.hands[0].position, kitchen.grip().rotation)
    yield from move(kitchen, out, OPEN, distance=0.04, angle=0.3, helped=False)
    if (yield from tuck(kitchen, OPEN)):
        return True
    return (yield from drive(kitchen, kitchen.behind(way.base, SHORT)))


def _is_missed(kitchen: Kitchen, hand: Pose, distance: float) -> bool:
    """Whether the hand is farther than that (m) from where it should be."""
    return bool(np.linalg.norm(kitchen.grip().position - hand.position) > distance)


def _pose(kitchen: Kitchen, name: str) -> Pose:
    return Pose(*kitchen.world.object_pose(name))


def _held(kitchen: Kitchen, name: str, hand: Pose) -> Held:
    """An object in a hand that closes on it where it is now."""
    return Held(name, hand.inverse() @ _pose(kitchen, name))


def _shape(kitchen: Kitchen, name: str) -> Shape:
    """Solid parts of an object in its own frame."""
    world, model = kitchen.world, kitchen.model
    body = model.body(world.object_body(name)).id
    solid = [int(g) for g in np.flatnonzero(world.object_geoms(name)) if is_solid(model, int(g))]
    return body_shape(model, kitchen.live, body, frozenset(solid))


def _holds(
    kitchen: Kitchen,
    reach: Reach,
    name: str,
    shape: Shape,
    fixture: FixtureLike,
    entrances: Sequence[Array],
) -> Iterator[Sequence[Pose]]:
    """Hands on the way to all grasps of an object, the preferred first."""
    (category,) = (o["category"] for o in kitchen.world.meta["objects"] if o["name"] == name)
    pose = _pose(kitchen, name)
    found: list[tuple[float, Pose, Pose, Array]] = []
    into = kitchen.axes(fixture)[:, 1]
    turns = [(0.0, side) for side in SIDEWAYS]
    if abs(yaw := _yaw_along(pose, kitchen.world.object_half(name), into)) < YAW:
        turns.append((yaw, 0.0))
    for tilt, (yaw, side) in product(TILTS, turns):
        middle = about_z(yaw) @ rotation_matrix(side * into) @ kitchen.facing(fixture, tilt)
        cost = TILTS[tilt] + SIDEWAYS[side] + abs(yaw)
        for spec in SPECS.get(category, (TopDown(),)):
            around = _rim_grips if isinstance(spec, Rim) else _grips
            for near, hand, width in around(spec, shape, pose, middle):
                turned = angle_between(hand.rotation, middle)
                tight = TIGHT * max(0.0, width - EASY)
                if turned < WRIST and abs(hand.rotation[2, 0]) < LEVEL:
                    found += [
                        (
                            turned + cost + tight + 30.0 * depth + rank,
                            near,
                            hand.back(depth),
                            entrance,
                        )
                        for depth in (DEPTHS if around is _grips else RIM_DEPTHS)
                        if depth == 0.0 or around is _rim_grips or _is_firm(pose, hand.back(depth))
                        for rank, entrance in enumerate(entrances)
                        if not _has_slipped(kitchen, hand.back(depth), pose)
                    ]
    found.sort(key=lambda entry: entry[0])
    ways = [(near.shifted(entrance), near, hand) for _, near, hand, entrance in found]
    yield from ways[:BEST]
    # Neighbours fail for the same reasons: a few from everywhere where the hand has room. Below a
    # coffee machine's head that is one in a hundred.
    others = [hands for hands in ways[BEST:] if reach.has_room(hands)]
    yield from others[:: max(1, len(others) // GRASPS)]


def _yaw_along(pose: Pose, half: Array, into: Array) -> float:
    """Angle in rad from (3,) a horizontal direction to the long axis of an object at a pose."""
    along = pose.rotation[:, int(np.argmax(half))]
    along = along * np.copysign(1.0, along @ into)
    return float(np.arctan2(np.cross(into, along)[2], into @ along))


def _is_firm(pose: Pose, hand: Pose) -> bool:
    """Whether the fingertips reach the middle of an object: what is round slips above it."""
    return float((hand.position + TIP_REACH * hand.rotation[:, 2])[2]) < float(pose.position[2])


def _has_slipped(kitchen: Kitchen, hand: Pose, pose: Pose) -> bool:
    """Whether an object at a pose was lost when it was held much like that."""
    here = pose.inverse() @ hand
    return any(separation(here, hold) < ALIKE for hold in kitchen.slipped)


def _grips(
    spec: GraspSpec, shape: Shape, pose: Pose, middle: Array
) -> Iterator[tuple[Pose, Pose, float]]:
    """Hands before and around an object, and what is between their fingers, m.

    "Above" is against the approach of a (3, 3) hand.
    """
    # z against the approach, x along the object: directions of closing come in steps from there.
    along = max(
        pose.rotation.T, key=lambda axis: float(np.linalg.norm(np.cross(axis, middle[:, 2])))
    )
    frame = Pose(np.zeros(3), gripper_rotation(along, -middle[:, 2]))
    found = grasps(spec, shape, frame.inverse() @ pose, WIDEST)
    for one in found[::2] if len(found) > 8 else found:
        hand = frame @ one.pose
        yield hand.back(NEAR), hand, one.width


def _rim_grips(
    spec: GraspSpec, shape: Shape, pose: Pose, middle: Array
) -> Iterator[tuple[Pose, Pose, float]]:
    """Hands over and on the rim of an upright object, leaning about the direction of closing."""
    for one in grasps(spec, shape, pose):
        turn = rotation_vector(middle @ one.pose.rotation.T)
        closing = one.pose.rotation[:, 0]
        lean = rotation_matrix(float(turn @ closing) * closing) @ one.pose.rotation
        if float(lean[:, 2] @ middle[:, 2]) > 0.6:
            hand = Pose(one.pose.position, lean)
            yield hand.shifted(OVER * UP), hand, one.width
            if -lean[2, 2] > STEEP:
                yield hand.back(NEAR), hand, one.width  # over the edge that is nearer to the wrist


def _settings(
    shape: Shape,
    held: Held,
    rotation: Array,
    places: Sequence[Array],
    aside: Array,
    entrances: Sequence[Array],
) -> Iterator[Sequence[Pose]]:
    """Hands on the way to places, the preferred first; things may lean about (3,) `aside`.

    What comes from the side comes over its place before it comes down, so that it does not push at
    the rim of a dish; straight where there is no room for that.
    """
    points = shape.points
    back = held.in_hand.inverse()
    for lean in LEANINGS:
        upright = rotation @ held.in_hand.rotation
        leant = rotation_matrix(lean * aside) @ upright
        edge = points[int(np.argmin((points @ leant.T)[:, 2]))]
        lowest = float((leant @ edge)[2])
        # It comes down on that edge, and falls back about it: with its middle over the place.
        back_up = np.append(((upright - leant) @ edge)[:2], 0.0)
        for drop, spot, entrance in product(DROPS, places, entrances):
            goal = Pose(spot + back_up + (drop - lowest) * UP, leant) @ back
            if entrance[:2].any():
                yield goal.shifted(entrance), goal.shifted(entrance[2] * UP), goal
            yield goal.shifted(entrance), goal
