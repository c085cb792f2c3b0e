"""Opening, closing and turning the jointed parts of fixtures.

Three steps, whatever the part: choose where to take hold of it or to lean on it, go there, and
move the hand along the joint. The choice is made for the whole motion: the arm must reach, and the
hand be clear of everything, at its beginning and at its end.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from wambench_policies.expert.articulation import (
    Articulation,
    articulation,
    contents,
    holds_of,
    pushes_on,
)
from wambench_policies.expert.collision import CollisionTest
from wambench_policies.expert.drawers import has_room
from wambench_policies.expert.geometry import Array, Pose, angle_between
from wambench_policies.expert.grasps import Grasp
from wambench_policies.expert.ik import solve_ik
from wambench_policies.expert.motion import Path, interpolate, joint_path, servo, straight_path
from wambench_policies.expert.planning import (
    METRES_PER_STEP,
    RADIANS_PER_STEP,
    Planner,
    discomfort,
)
from wambench_policies.expert.scene import Scene
from wambench_policies.expert.skills import (
    CLOSE,
    OPEN,
    Fingers,
    Skill,
    fingers,
    grasp,
    opened_to,
    reach,
    release,
    retreat,
    transit,
)

log = logging.getLogger(__name__)

ATTEMPTS = 6
"""How often a part is tried to be moved before it is given up."""
LEAD = {"slide": 0.05, "door": 0.25, "knob": 0.35}
"""How far (m or rad) ahead of the part the hand is commanded, by kind of part."""
STALL_STEPS = 15
"""Control steps without progress after which a part counts as stuck or lost."""
BACK_OFF = 0.08
"""Distance in m by which the hand draws back from a part it has moved."""
WIDE_OPEN = 0.003
"""Distance in m from its stop within which a drawer cannot be opened further."""
CLEAR = 0.15
"""How far in m the hand rises before the arm goes back to its rest posture."""
CHOICES = 4
"""How many feasible contacts are compared before the cheapest is taken; bounds planning time."""


@dataclass(frozen=True, slots=True)
class Contact:
    """How to move a part.

    Attributes:
        grasp: Where the hand holds it or leans on it.
        held: Whether the fingers close on it.
        follow: Share of the part's rotation that the hand takes part in, 0 to 1.
        above: World pose of the grip site before the approach.
        path: Way from the present pose to `above`.
        cost: In control steps; lower is better.
    """

    grasp: Grasp
    held: bool
    follow: float
    above: Pose
    path: Path
    cost: float


def operate(scene: Scene, target: str, predicate: str, room_for: str | None = None) -> Skill:
    """Makes a predicate on a joint true; does nothing where it already is.

    Args:
        scene: The scene.
        target: Region or fixture that the predicate names.
        predicate: `open`, `close`, `turnon` or `turnoff`.
        room_for: Object that has to fit into a drawer, which is otherwise opened to its stop.
    """
    part = articulation(scene, target)
    for attempt in range(ATTEMPTS):
        goal = part.goal(predicate)
        if part.holds(scene, predicate):
            if room_for is None or part.kind != "slide" or has_room(scene, room_for, target):
                return True
            goal = part.stop(predicate)
            if abs(goal - part.value(scene)) < WIDE_OPEN:
                return True
        contact = choose_contact(scene, part, predicate, goal, skip=attempt)
        if contact is None:
            log.debug("attempt %d: no way to reach %s", attempt, target)
            yield from go_to(scene, scene.rest)
            continue
        shape = opened_to(scene, contact.grasp.opening) if contact.held else fingers(CLOSE)
        yield from transit(scene, contact.path, shape)
        if not (yield from reach(scene, contact.grasp.pose, shape)):
            log.debug("attempt %d: approach of %s stalled", attempt, target)
        if contact.held:
            yield from grasp(scene, scene.grip())
        moved = yield from drive(scene, part, goal, fingers(CLOSE), contact.follow)
        log.debug("attempt %d: %s moved: %s", attempt, target, moved)
        if contact.held:
            yield from release(scene, scene.grip())
        yield from retreat(scene, BACK_OFF)
    return part.holds(scene, predicate)


def drive(
    scene: Scene, part: Articulation, to: float, gripper: Fingers, turn: float = 1.0
) -> Skill:
    """Moves a part along its joint with a hand that holds it or leans on it.

    The hand is sent where its present place on the part will be a little further on, so the part
    leads and the hand cannot run ahead of one that slips or sticks.

    Args:
        scene: The scene.
        part: The part.
        to: Joint value in m or rad at which to stop.
        gripper: What the fingers do meanwhile.
        turn: Share of the part's rotation that the hand takes part in, 0 to 1.

    Returns:
        Whether the joint value was reached.
    """
    sense = 1.0 if to > part.value(scene) else -1.0
    start, link = scene.grip(), part.pose(scene)
    on_part = link.inverse() @ start
    best, idle = np.inf, 0
    while (left := sense * (to - part.value(scene))) > 0.0:
        best, idle = (left, 0) if left < best - 1e-3 else (best, idle + 1)
        if idle > STALL_STEPS:
            return False
        goal = part.motion(scene, sense * LEAD[part.kind]) @ part.pose(scene) @ on_part
        yield servo(scene.grip(), _partly_turned(start, goal, turn), gripper())
    return True


def choose_contact(
    scene: Scene, part: Articulation, predicate: str, goal: float, skip: int = 0
) -> Contact | None:
    """A cheap way to move a part that works from here to the end of the motion.

    Args:
        scene: The scene.
        part: The part.
        predicate: What is to become true.
        goal: Joint value in m or rad that it takes.
        skip: How many of the cheapest ways to leave out, because they have failed.
    """
    found: list[Contact] = []
    for contact in _contacts(scene, part, predicate, goal):
        found.append(contact)
        if len(found) >= CHOICES + skip:
            break
    found.sort(key=lambda contact: contact.cost)
    return found[skip % len(found)] if found else None


def _contacts(scene: Scene, part: Articulation, predicate: str, goal: float) -> Iterator[Contact]:
    """Feasible contacts, roughly cheapest first."""
    planner = Planner(scene)
    change = goal - part.value(scene)
    already = part.kind != "knob" and part.holds(scene, predicate)
    # What is open has no handle within reach of the hand, but an inside to push against.
    held = predicate != "close" and not already
    candidates = holds_of(scene, part) if held else pushes_on(scene, part, predicate)
    shares = (1.0,) if part.kind != "door" else (1.0, 0.5, 0.0)

    def travel(candidate: Grasp) -> float:
        turn = angle_between(planner.grip_now.rotation, candidate.pose.rotation)
        move = float(np.linalg.norm(planner.grip_now.position - candidate.pose.position))
        return max(turn / RADIANS_PER_STEP, move / METRES_PER_STEP)

    for candidate in sorted(candidates, key=travel):
        for share in shares:
            contact = _feasible(planner, part, candidate, change, held, share)
            if contact is not None:
                yield contact
                break


def _feasible(
    planner: Planner, part: Articulation, candidate: Grasp, change: float, held: bool, share: float
) -> Contact | None:
    """A candidate as a contact, or None where arm or hand cannot carry it out."""
    scene = planner.scene
    opening = candidate.opening
    above = candidate.pose.back(candidate.retreat)
    high = solve_ik(scene.arm, above, planner.q_now, scene.rest)
    if not high.reached or planner.collisions.hits(high.q, opening):
        return None
    low = solve_ik(scene.arm, candidate.pose, high.q, scene.rest)
    if not low.reached or planner.collisions.hits(low.q, opening):
        return None
    cost = discomfort(high) + discomfort(low)
    q, moved = low.q, CollisionTest(scene)
    own = part.geoms.union(*(scene.geoms(name) for name in contents(scene, part)))
    for done in (0.33, 0.67, 1.0):
        goal = part.motion(scene, done * change) @ candidate.pose
        there = solve_ik(scene.arm, _partly_turned(candidate.pose, goal, share), q, scene.rest)
        moved.qpos[part.qpos] = part.value(scene) + done * change
        if not there.reached or moved.hits(there.q, candidate.width, ignore=own):
            return None
        q = there.q
        cost += discomfort(there)
    path = way_to(planner, above, high.q, opening)
    if path is None:
        return None
    return Contact(candidate, held, share, above, path, cost + len(path.poses))


def way_to(planner: Planner, goal: Pose, q: Array, opening: float) -> Path | None:
    """A way to a pose that touches nothing: straight through joint space, or over everything.

    Args:
        planner: The planner.
        goal: World pose of the grip site at the end.
        q: (N,) arm joints in rad at the end.
        opening: Distance in m between the fingers on the way.
    """
    scene = planner.scene
    steps = max(2, int(np.ceil(float(np.abs(q - planner.q_now).max()) / 0.15)))
    between = [planner.q_now + (q - planner.q_now) * k / steps for k in range(1, steps)]
    if not any(planner.collisions.hits(posture, opening) for posture in between):
        return joint_path(scene.arm, [planner.q_now, q])
    path = planner.transit(goal)
    posture = planner.q_now
    for pose in (*path.poses[4::4], path.end):
        solution = solve_ik(scene.arm, pose, posture, scene.rest, iterations=20)
        if not solution.reached or planner.collisions.hits(solution.q, opening):
            return None
        posture = solution.q
    return path


def _partly_turned(start: Pose, goal: Pose, share: float) -> Pose:
    """The goal with only a share of the rotation from the start to it."""
    if share >= 1.0:
        return goal
    return Pose(goal.position, interpolate(start, goal, share).rotation)


def go_to(scene: Scene, q: Array) -> Skill:
    """Opens the hand, rises and takes the arm through joint space to (N,) joint angles in rad."""
    here = scene.grip()
    up = straight_path([here, here.shifted(np.array([0.0, 0.0, CLEAR]))])
    yield from transit(scene, up, fingers(OPEN))
    scene.sync()
    path = joint_path(scene.arm, [scene.arm_q(), q])
    return (yield from transit(scene, path, fingers(OPEN)))
