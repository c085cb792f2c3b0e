"""Where base and torso have to be for the arm to get somewhere: tried in data of its own.

Non-obvious behaviours
    - The simulator's own data is never written. What is tried is tried with everything else as it
      stands when a way is looked for.
    - A way is where the hand stops, not how it gets from one place to the next: between them it
      moves in straight lines, so a way comes from where there is room.
    - Inverse kinematics takes milliseconds, and there are dozens of stances for every hand: whether
      the hand alone has room, and whether the arm is long enough, is asked before.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

import mujoco
import numpy as np
from numpy.typing import NDArray

from wambench_policies.expert.geometry import Array, Pose
from wambench_policies.expert.ik import Arm, IkSolution, solve_ik
from wambench_policies.expert.kitchen.skills import (
    AHEAD,
    TORSO,
    Skill,
    beside,
    drive,
    drive_round,
    move,
    stance,
    torso_for,
    tuck,
)
from wambench_policies.expert.kitchen.view import Kitchen
from wambench_policies.expert.motion import interpolate

PENETRATION = 1e-3
"""Overlap in m from which a contact counts."""
MARGIN = 0.08
"""Distance of a joint from its limit that a posture must keep, rad."""
WEAKEST = 0.075
"""Least singular value of the Jacobian: below, the controller hardly moves the hand some way."""
SWING = 1.3
"""Change of a joint (rad) between two hands of a way beyond which the arm would flip."""
PASSING, BACK, LOW = 0.25, 0.35, 1.18
"""From which distance on the robot draws back and lowers its hand before it drives along the
counter, how far, and to which height, m: open doors stand in the way."""
STILL = 0.02
"""Distance from its place up to which the base stays where it is, m."""
OPENING = 0.08
"""Distance between the open fingers, m."""
LINE = (0.0, 0.2, 0.4, 0.6, 0.8)
"""Where on a straight line, as shares of it, a hand is asked whether it has room."""
SHORT = 0.20
"""How far behind its place the base stops for the arm to take its posture, m."""
INSERT = 0.36
"""How far in front of a place inside a cabinet or an appliance the hand comes from, m."""
AHEADS = (AHEAD, AHEAD - 0.1, AHEAD + 0.1)
"""Distances of the hand in front of the arm's foot that are tried, m."""
ASIDES = (0.0, 0.15, -0.15, 0.3, -0.3, 0.42, -0.42, 0.55, -0.55)
"""The same to the left, m; the last ones for what lies in a corner of two counters, where the base
cannot come."""
LIFTS = (0.0, -0.12, 0.12)
"""Heights of the torso that are tried, beside the comfortable one, m."""
SHOULDER = 0.333
"""Height of joint 2 above the arm's foot, m (Franka's DH parameters, as the two below)."""
WRIST = (0.088, 0.2035)
"""Joint 6 from the axis of joint 7, and from the grip site back along it, m: 0.107 to the flange,
0.0965 from there (a test compares with the model)."""
RIGID = ("link7", "right_hand")
"""Bodies of the arm to which the gripper is fixed."""
LONGEST = 0.72
"""Distance from joint 2 to joint 6 with the elbow straight, m: 0.316 and 0.384 along, 0.0825
aside."""


@dataclass(frozen=True, slots=True)
class Held:
    """Something between the fingers.

    Attributes:
        name: Role of the object.
        in_hand: Its pose in the frame of the grip site.
    """

    name: str
    in_hand: Pose


@dataclass(frozen=True, slots=True)
class Way:
    """How to bring the hand somewhere.

    Attributes:
        base: (3,) where the base stands, m and rad.
        torso: Height of the torso, m.
        hands: World poses of the grip site, one after the other.
        entry: How the hand comes to the first of them: `straight` from where it is, `tucked` with
            the arm drawn in before, or `behind`, in its posture before the base is there.
    """

    base: Array
    torso: float
    hands: tuple[Pose, ...]
    entry: Literal["straight", "tucked", "behind"] = "behind"


class Reach:
    """Looks for ways of one robot in one kitchen.

    Args:
        kitchen: The kitchen.
    """

    def __init__(self, kitchen: Kitchen) -> None:
        model = kitchen.model
        self.kitchen = kitchen
        self.scratch = mujoco.MjData(model)
        joints = [f"robot0_joint{k}" for k in range(1, 8)]
        self.arm = Arm(model, self.scratch, joints, "gripper0_right_grip_site")
        self._base = [
            model.joint(f"mobilebase0_joint_mobile_{name}").qposadr[0]
            for name in ("forward", "side", "yaw")
        ]
        self._torso = model.joint("mobilebase0_joint_torso_height").qposadr[0]
        self._fingers = [model.joint(f"gripper0_right_finger_joint{k}").qposadr[0] for k in (1, 2)]
        names = [model.body(body).name for body in range(model.nbody)]
        platform = [name.startswith("mobilebase0_") for name in names]
        arm = [name.startswith(("robot0_", "gripper0_")) for name in names]
        self._platform = np.array(platform)[model.geom_bodyid]
        self._robot = self._platform | np.array(arm)[model.geom_bodyid]
        moved = [k for k, name in enumerate(names) if name.startswith("gripper0_")]
        self._hand = np.array([*moved, *(model.body(f"robot0_{n}").id for n in RIGID)])
        self._room: dict[tuple[float, ...], bool] = {}
        self._floor = model.geom_type == mujoco.mjtGeom.mjGEOM_PLANE

    def find(
        self,
        candidates: Iterable[Sequence[Pose]],
        held: Held | None = None,
        *,
        pushed: str = "",
        asides: Sequence[float] = ASIDES,
        tries: int = 300,
    ) -> Way | None:
        """The first of some candidates to which there is a way.

        Args:
            candidates: Hands to go through one after the other, the preferred candidate first.
            held: What is between the fingers.
            pushed: Body that gives way, and may be touched.
            asides: Distances of the last hand to the left of the arm's foot to try, m; the base
                stays where it is only if they are not given.
            tries: Postures after which the search ends.
        """
        yielding = self._floor
        if pushed:
            yielding = yielding | (
                self.kitchen.model.geom_bodyid == self.kitchen.model.body(pushed).id
            )
        fitting = (hands for hands in candidates if self.has_room(hands, held, yielding))
        again: list[Sequence[Pose]] = []
        for few in (True, False):
            for hands in fitting if few else again:
                if few:
                    again.append(hands)
                for near, base, torso in self._stances(hands[-1], few, asides):
                    if not self.is_long_enough(hands, base, torso) or not self._stands(base):
                        continue
                    tries -= 1
                    if tries < 0:
                        return None
                    if not self._passes(hands, base, torso, held, yielding):
                        continue
                    entry = self._entry(hands[0], base, torso, held, yielding)
                    if entry != "behind" or not near:
                        return Way(base, torso, tuple(hands), entry)
        return None

    def _entry(
        self,
        first: Pose,
        base: Array,
        torso: float,
        held: Held | None,
        yielding: NDArray[np.bool_],
    ) -> Literal["straight", "tucked", "behind"]:
        """How the hand gets to the first one of a way with room all along."""
        kitchen = self.kitchen
        moved = np.append((base - kitchen.base())[:2], torso - kitchen.torso())
        line = [interpolate(kitchen.grip().shifted(moved), first, share) for share in LINE]
        still = np.linalg.norm(moved[:2]) < STILL
        if still and self.has_room([kitchen.grip(), *line], held, yielding):
            return "straight"
        line = [interpolate(kitchen.tucked().shifted(moved), first, share) for share in LINE]
        return "tucked" if self.has_room(line, held, yielding) else "behind"

    def _stances(
        self, hand: Pose, few: bool, asides: Sequence[float]
    ) -> Iterator[tuple[Array, float]]:
        """Places of the base and heights of the torso for a hand: the comfortable ones, or others.

        Comfortable is where the base stands or almost, with any torso; and with the usual torso the
        first distance aside.
        """
        comfortable = torso_for(float(hand.position[2]), tilt_of(hand))
        lifted = {float(np.clip(comfortable + lift, *TORSO)) for lift in LIFTS}
        if few and asides is ASIDES:
            here, now = self.kitchen.base(), self.kitchen.torso()
            torsos = now, *sorted(lifted, key=lambda height: abs(height - now))
            yield from product((True,), (here, beside(self.kitchen, hand)), torsos)
        for torso in sorted(lifted, key=lambda height: abs(height - comfortable)):
            for aside in asides:
                if (aside == asides[0] and torso == comfortable) == few:
                    for ahead in AHEADS:
                        yield False, stance(self.kitchen, hand, ahead, aside), torso

    def _passes(
        self,
        hands: Sequence[Pose],
        base: Array,
        torso: float,
        held: Held | None,
        yielding: NDArray[np.bool_],
    ) -> bool:
        """Whether the arm gets to all hands from one stance, last one first, touching nothing."""
        self.stand(base, torso)
        before: IkSolution | None = None
        for hand in reversed(hands):
            seed = self.kitchen.rest if before is None else before.q
            found = solve_ik(self.arm, hand, seed, self.kitchen.rest)
            if not found.reached or found.margin < MARGIN:
                return False
            self.arm.forward(found.q)
            if np.linalg.svd(self.arm.jacobian(), compute_uv=False)[-1] < WEAKEST:
                return False
            if before is not None and np.abs(found.q - before.q).max() > SWING:
                return False
            if self._hits(found.q, held, yielding):
                return False
            before = found
        return True

    def has_room(
        self,
        hands: Sequence[Pose],
        held: Held | None = None,
        yielding: NDArray[np.bool_] | None = None,
    ) -> bool:
        """Whether the hand and what it holds have room, wherever the rest of the robot is."""
        self.stand(self.kitchen.base(), self.kitchen.torso())
        self._spread(held)
        data, bodies = self.scratch, self._hand
        own = np.isin(self.kitchen.model.geom_bodyid, bodies)
        if held is not None:
            own = own | self.kitchen.world.object_geoms(held.name)
        present = (self._floor if yielding is None else yielding) | (self._robot & ~own)
        for hand in hands:
            mujoco.mj_kinematics(self.kitchen.model, data)
            if held is not None:
                self._carry(held, hand)
            site = self.arm.site
            shift = hand @ Pose(data.site_xpos[site], data.site_xmat[site].reshape(3, 3)).inverse()
            for places, turns, which in (
                (data.xipos, data.ximat, bodies),
                (data.xpos, data.xmat, bodies),
                (data.geom_xpos, data.geom_xmat, np.flatnonzero(own & self._robot)),
            ):
                places[which] = shift.apply(places[which])
                turns[which] = (shift.rotation @ turns[which].reshape(-1, 3, 3)).reshape(-1, 9)
            if self._overlaps(own, present):
                return False
        return True

    def is_long_enough(self, hands: Sequence[Pose], base: Array, torso: float) -> bool:
        """Whether joint 6 can be as far from joint 2 as all hands ask for."""
        kitchen = self.kitchen
        here = np.append(base[:2] - kitchen.base()[:2], torso - kitchen.torso() + SHOULDER)
        shoulder = kitchen.mount().position + here
        aside, back = WRIST
        for hand in hands:
            away = shoulder - hand.back(back).position
            along = float(away @ hand.rotation[:, 2])
            across = math.sqrt(max(0.0, float(away @ away) - along**2))
            if math.hypot(along, across - aside) > LONGEST:
                return False
        return True

    def _stands(self, base: Array) -> bool:
        """Whether the base has room somewhere, and a little behind it."""
        key = tuple(np.round(base[:2], 2))
        if key not in self._room:
            self._room[key] = True
            for back in (0.0, SHORT):
                self.stand(self.kitchen.behind(base, back), self.kitchen.torso())
                mujoco.mj_kinematics(self.kitchen.model, self.scratch)
                if self._overlaps(self._platform, self._floor):
                    self._room[key] = False
        return self._room[key]

    def stand(self, base: Array, torso: float) -> None:
        """Sets the scratch data to the present, but for base and torso."""
        live = self.kitchen.live
        self.scratch.qpos[:] = live.qpos
        # The base's joints are along the axes of the world, about which it never turns far.
        self.scratch.qpos[self._base] += base - self.kitchen.base()
        self.scratch.qpos[self._torso] = torso

    def _hits(self, q: Array, held: Held | None, yielding: NDArray[np.bool_]) -> bool:
        """Whether arm, hand or what is held overlaps with anything."""
        self._spread(held)
        hand = self.arm.forward(q)
        if held is None:
            return self._overlaps(self._robot, yielding)
        self._carry(held, hand)
        return self._overlaps(self._robot | self.kitchen.world.object_geoms(held.name), yielding)

    def _spread(self, held: Held | None) -> None:
        """Opens the fingers, or leaves them around what is held."""
        opened = np.array([0.5, -0.5]) * OPENING
        self.scratch.qpos[self._fingers] = (
            opened if held is None else self.kitchen.live.qpos[self._fingers]
        )

    def _overlaps(self, own: NDArray[np.bool_], yielding: NDArray[np.bool_]) -> bool:
        """Whether some geoms overlap with others that do not give way."""
        data = self.scratch
        mujoco.mj_collision(self.kitchen.model, data)
        pairs = data.contact.geom[data.contact.dist < -PENETRATION]
        crossing = own[pairs[:, 0]] != own[pairs[:, 1]]
        crossing &= ~yielding[pairs].any(axis=1)
        return bool(crossing.any())

    def _carry(self, held: Held, hand: Pose) -> None:
        """Moves what is held along."""
        model, data = self.kitchen.model, self.scratch
        pose = hand @ held.in_hand
        body = model.body(self.kitchen.world.object_body(held.name)).id
        address = int(model.jnt_qposadr[model.body_jntadr[body]])
        quaternion = np.empty(4)
        mujoco.mju_mat2Quat(quaternion, pose.rotation.flatten())
        data.qpos[address : address + 7] = (*pose.position, *quaternion)
        mujoco.mj_kinematics(model, data)


def approach(kitchen: Kitchen, hands: Sequence[Pose], gripper: float, *, pushed: str = "") -> Skill:
    """Goes to the first of some hands, from where the arm gets to all of them.

    Where no way to them all is known, it goes to the usual stance for the first.

    Args:
        kitchen: The kitchen.
        hands: World poses of the grip site, one after the other.
        gripper: Command of the gripper meanwhile.
        pushed: Body that gives way, and may be touched.

    Returns:
        Whether the base may stay where it is then.
    """
    way = Reach(kitchen).find([hands], pushed=pushed)
    if way is not None:
        return (yield from travel(kitchen, way, gripper))
    first = hands[0]
    torso = torso_for(float(first.position[2]), tilt_of(first))
    yield from travel(kitchen, Way(stance(kitchen, first), torso, tuple(hands)), gripper)
    return False


def tilt_of(hand: Pose) -> float:
    """How far a hand points down, rad."""
    return float(np.arcsin(np.clip(-hand.rotation[2, 2], -1.0, 1.0)))


def travel(kitchen: Kitchen, way: Way, gripper: float) -> Skill:
    """Goes to the first hand of a way, standing still where the base is there already."""
    first = way.hands[0]
    if way.entry == "straight":
        yield from drive(kitchen, kitchen.base(), way.torso, gripper)
    elif np.linalg.norm((way.base - kitchen.base())[:2]) > PASSING:
        yield from drive(kitchen, kitchen.behind(kitchen.base(), BACK), 0.0, gripper)
        low = kitchen.tucked()
        low.position[2] = LOW
        yield from move(kitchen, low, gripper, distance=0.04, angle=0.4, helped=False)
    else:
        yield from tuck(kitchen, gripper)
    if way.entry == "tucked":
        yield from drive_round(kitchen, way.base, way.torso, gripper)
    if way.entry != "behind" and (
        yield from move(kitchen, first, gripper, distance=0.015, helped=False)
    ):
        return True
    behind = kitchen.behind(way.base, SHORT)
    yield from drive_round(kitchen, behind, way.torso, gripper)
    before = first.shifted(np.append((behind - way.base)[:2], 0.0))
    if not (yield from move(kitchen, before, gripper, distance=0.04, angle=0.3, helped=False)):
        # A straight line led to a joint's limit: begin again from a posture that is far from all.
        yield from tuck(kitchen, gripper)
        yield from move(kitchen, before, gripper, distance=0.04, angle=0.3, helped=False)
    yield from drive(kitchen, way.base, way.torso, gripper)
    return (yield from move(kitchen, first, gripper, distance=0.015, helped=False))
