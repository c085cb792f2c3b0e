"""Choosing how to hold a thing and how to get from here to there.

A grasp is chosen for the whole job: it must be reachable and free of collisions where the object is
picked up *and* where it is put down. Costs are in control steps, so that a far turn of the wrist
can be weighed against a tight joint limit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from wambench_policies.expert.berths import Berth
from wambench_policies.expert.collision import CollisionTest
from wambench_policies.expert.geometry import Array, Pose, about_z, angle_between
from wambench_policies.expert.grasps import (
    MAX_OPENING,
    PALM_GAP,
    TIP_REACH,
    Grasp,
    GraspSpec,
    grasps,
    leaning,
)
from wambench_policies.expert.ik import Arm, IkSolution, solve_ik
from wambench_policies.expert.motion import Path, joint_path, straight_path
from wambench_policies.expert.placement import Spot
from wambench_policies.expert.scene import Scene

COMFORT = 0.15
"""Distance in rad from a joint limit below which a posture is worth avoiding."""
RADIANS_PER_STEP = 0.05
"""Angular speed of the wrist at a saturated action while the hand travels as well."""
METRES_PER_STEP = 0.0125
"""Speed of the hand at a saturated action."""
TABLE_DROP = 0.003
"""Height in m above a surface at which an object is let go on it."""
BASKET_DROP = 0.02
"""Height in m above the bottom of a container at which an object is let go, if the hand fits."""
YAW_OFFSETS = tuple(
    sign * np.pi / 12 * k for k in range(13) for sign in (1.0, -1.0) if k or sign > 0
)
"""Turns of the object about the vertical between pick and place, preferred ones first."""
SWING = 1.0
"""Change in rad of a joint between entry and goal of a berth beyond which the arm would flip."""
UPRIGHT = -0.95
"""Vertical part of the approach direction above which the hand leans."""
DESCENT = (0.04, 0.08, 0.12, 0.16)
"""Heights in m above the start of an approach at which a leaning hand must be free."""
HELD_OPENING = 0.05
"""Distance in m between the fingers that is assumed when putting something down."""
MOST_BERTHS = 8
"""How many berths are tried for one grasp; bounds the time of the search."""
MOST_FAILURES = 6
"""After how many grasps that cannot be put down the search is given up; bounds its time."""


@dataclass(frozen=True, slots=True)
class PlacePlan:
    """How to put something down.

    Attributes:
        above: World pose of the grip site from which to go straight down.
        down: World pose of the grip site at which to let go.
        cost: In control steps; lower is better.
        berth: Where the object goes in full; None where only its place in the plane matters.
    """

    above: Pose
    down: Pose
    cost: float
    berth: Berth | None = None


Place = Spot | Sequence[Berth]
"""Where a thing goes: somewhere in the plane, or into one of several berths."""


@dataclass(frozen=True, slots=True)
class PickPlan:
    """How to take hold of something.

    Attributes:
        above: World pose of the grip site before the approach.
        grasp: The grasp.
        q: Arm joints in rad at the grasp.
        cost: In control steps; lower is better.
        via: World pose of the grip site from which to come straight down to `above`, where there is
            little room; None where any way will do.
    """

    above: Pose
    grasp: Grasp
    q: Array
    cost: float
    via: Pose | None = None


class Planner:
    """Plans in one scene as it stands now.

    Args:
        scene: The scene; its scratch data is overwritten.
    """

    def __init__(self, scene: Scene) -> None:
        scene.sync()
        self.scene = scene
        self.collisions = CollisionTest(scene)
        self.q_now = scene.arm_q()
        self.grip_now = scene.grip()
        self._picks: dict[tuple[str, bytes], PickPlan | None] = {}

    # ---- pick --------------------------------------------------------------------------------

    def pick_plans(
        self, name: str, spec: GraspSpec, place: Place | None, wanted: int = 1
    ) -> list[PickPlan]:
        """The cheapest feasible ways to pick an object up, best first.

        Best-first search: travel alone is a lower bound of a plan's cost, so it can stop once the
        plans found are cheaper than the mere travel of the next candidate.

        Args:
            name: The object.
            spec: How its kind is held.
            place: Where it will go, or None if it only has to be held.
            wanted: How many plans, where there are so many.
        """
        scene = self.scene
        pose = scene.pose(name)
        candidates = grasps(spec, scene.shape(name), pose)
        if not any(self._pickable(grasp, name) for grasp in candidates):
            candidates = leaning(candidates)
        travel = sorted((self._travel_cost(grasp), k) for k, grasp in enumerate(candidates))
        plans: list[PickPlan] = []
        failures = 0
        for least, k in travel:
            plans.sort(key=lambda plan: plan.cost)
            if len(plans) >= wanted and plans[wanted - 1].cost <= least:
                break
            plan = self._pickable(candidates[k], name)
            if plan is not None and place is not None:
                in_hand = plan.grasp.pose.inverse() @ pose
                put = next(self.put_plans(name, in_hand, place, plan.q, YAW_OFFSETS[::3]), None)
                plan = None if put is None else replace(plan, cost=plan.cost + put.cost)
                failures += put is None
            if plan is not None:
                plans.append(plan)
            elif failures > MOST_FAILURES:
                break
        return sorted(plans, key=lambda plan: plan.cost)

    def _travel_cost(self, grasp: Grasp) -> float:
        turn = angle_between(self.grip_now.rotation, grasp.pose.rotation) / RADIANS_PER_STEP
        move = float(np.linalg.norm(self.grip_now.position - grasp.pose.position))
        squeeze = max(0.0, grasp.width - (MAX_OPENING - 0.012)) * 2000.0
        return max(turn, move / METRES_PER_STEP) + squeeze

    def _pickable(self, grasp: Grasp, name: str) -> PickPlan | None:
        """The plan of a grasp, remembered: where the object will go does not change it."""
        key = (name, grasp.pose.position.tobytes() + grasp.pose.rotation.tobytes())
        if key not in self._picks:
            self._picks[key] = self._pick_plan(
                grasp, self.scene.geoms(name), self._travel_cost(grasp)
            )
        return self._picks[key]

    def _pick_plan(self, grasp: Grasp, own: frozenset[int], travel: float) -> PickPlan | None:
        above = grasp.pose.back(grasp.retreat)
        high = self._ik(above, self.q_now)
        if high is None or self.collisions.hits(high.q, grasp.opening):
            return None
        low = self._ik(grasp.pose, high.q)
        if low is None or self.collisions.hits(low.q, grasp.opening):
            return None
        # What the fingers sweep while they close must hold nothing but the object.
        for opening in (0.5 * (grasp.opening + grasp.width), grasp.width + 0.004):
            if self.collisions.hits(low.q, opening, ignore=own):
                return None
        cost = travel + discomfort(high) + discomfort(low)
        if grasp.pose.rotation[2, 2] < UPRIGHT:
            return PickPlan(above, grasp, low.q, cost)
        if not self._free_above(above, high.q, grasp.opening):
            return None
        via = above.shifted(np.array([0.0, 0.0, DESCENT[-1]]))
        return PickPlan(above, grasp, low.q, cost, via)

    def _free_above(self, pose: Pose, q: Array, opening: float) -> bool:
        """Whether the hand can come straight down to a pose; who leans reaches under things."""
        for height in DESCENT:
            solution = solve_ik(
                self.scene.arm, pose.shifted(np.array([0.0, 0.0, height])), q, self.scene.rest
            )
            if solution.reached and self.collisions.hits(solution.q, opening):
                return False
            q = solution.q
        return True

    # ---- place -------------------------------------------------------------------------------

    def put_plans(
        self,
        name: str,
        in_hand: Pose,
        place: Place,
        seed: Array,
        turns: Sequence[float] = YAW_OFFSETS,
    ) -> Iterator[PlacePlan]:
        """Feasible ways to bring a held object to a place, least turn first."""
        if isinstance(place, Spot):
            return self.place_plans(name, in_hand, place, seed, turns)
        return self.berth_plans(name, in_hand, place, seed)

    def berth_plans(
        self, name: str, in_hand: Pose, berths: Sequence[Berth], seed: Array
    ) -> Iterator[PlacePlan]:
        """Feasible ways to bring a held object into a berth, least turn first.

        Args:
            name: The object.
            in_hand: Its pose in the frame of the grip site.
            berths: Where it may go, in order of preference where the turn is the same.
            seed: (N,) arm joints in rad to start inverse kinematics from.
        """
        scene, back = self.scene, in_hand.inverse()
        grip = scene.pose(name) @ back
        turned = [
            round(angle_between(grip.rotation, (berth.goal @ back).rotation), 3) for berth in berths
        ]
        for k in np.argsort(turned, kind="stable")[:MOST_BERTHS]:
            berth = berths[k]
            high = self._ik(berth.entry @ back, seed)
            if high is None or self.collisions.hits(high.q, HELD_OPENING, name, in_hand):
                continue
            low = self._ik(berth.goal @ back, high.q)
            if low is None or float(np.max(np.abs(low.q - high.q))) > SWING:
                continue
            if self.collisions.hits(low.q, HELD_OPENING, name, in_hand):
                continue
            cost = turned[k] / RADIANS_PER_STEP + discomfort(low) + discomfort(high)
            yield PlacePlan(berth.entry @ back, berth.goal @ back, cost, berth)

    def place_plans(
        self,
        name: str,
        in_hand: Pose,
        spot: Spot,
        seed: Array,
        turns: Sequence[float] = YAW_OFFSETS,
    ) -> Iterator[PlacePlan]:
        """Feasible ways to put a held object down, least turn first.

        Args:
            name: The object.
            in_hand: Its pose in the frame of the grip site.
            spot: Where it goes.
            seed: (N,) arm joints in rad to start inverse kinematics from.
            turns: Turns in rad of the object about the vertical to try, in this order.
        """
        scene = self.scene
        shape = scene.shape(name)
        present = scene.pose(name)
        grip = present @ in_hand.inverse()
        ignore = scene.geoms(spot.owner) if spot.owner is not None else frozenset()
        over = self._neighbours(name, spot) + 0.01 - spot.floor
        for yaw in turns:
            turned = about_z(yaw) @ grip.rotation
            rotation = turned @ in_hand.rotation
            lowest = -float((shape.points @ rotation.T)[:, 2].min())
            # Where the grip site is above the object's lowest point.
            stand_off = lowest - float((turned @ in_hand.position)[2])
            drop = TABLE_DROP
            if spot.brim > spot.floor + 0.01:
                hand_fits = spot.brim - (PALM_GAP - 0.012) - stand_off - spot.floor
                drop = max(BASKET_DROP, hand_fits)
            goal = Pose(np.append(spot.xy, spot.floor + lowest + drop), rotation)
            down = goal @ in_hand.inverse()
            above = down.shifted(
                np.array([0.0, 0.0, max(0.06, spot.brim - spot.floor - drop + 0.02, over)])
            )
            if self.collisions.overlaps(name, goal, ignore):
                continue
            low = self._ik(down, seed)
            if low is None or self.collisions.hits(low.q, HELD_OPENING, name, in_hand, ignore):
                continue
            high = self._ik(above, low.q)
            if high is None or self.collisions.hits(high.q, HELD_OPENING, name, in_hand, ignore):
                continue
            cost = abs(yaw) / RADIANS_PER_STEP * 0.5 + discomfort(low) + discomfort(high)
            yield PlacePlan(above, down, cost)

    def _neighbours(self, name: str, spot: Spot) -> float:
        """World z in m of what an object could knock over at a spot while it is still turning."""
        scene = self.scene
        pose = scene.pose(name)
        points = scene.shape(name).moved(pose).points - pose.position
        radius = float(np.linalg.norm(points[:, :2], axis=1).max())
        ignore = frozenset(int(g) for g in scene.obstacle_geoms if not scene.is_free(int(g)))
        ignore |= scene.geoms(name) | (scene.geoms(spot.owner) if spot.owner else frozenset())
        low, high = scene.obstacle_boxes(ignore)
        gap = np.maximum(low[:, :2] - spot.xy, spot.xy - high[:, :2])
        near = np.linalg.norm(np.maximum(gap, 0.0), axis=1) < radius
        return float(high[near, 2].max(initial=-np.inf))

    def reach_cost(self, at: Pose, opening: float) -> float | None:
        """Cost in control steps of bringing the empty hand to a pose; None where it cannot be.

        Args:
            at: World pose of the grip site.
            opening: Distance in m between the fingers.
        """
        solution = self._ik(at, self.q_now)
        if solution is None or self.collisions.hits(solution.q, opening):
            return None
        turn = angle_between(self.grip_now.rotation, at.rotation) / RADIANS_PER_STEP
        move = float(np.linalg.norm(self.grip_now.position - at.position)) / METRES_PER_STEP
        return max(turn, move) + discomfort(solution)

    # ---- paths -------------------------------------------------------------------------------

    def transit(self, goal: Pose, held: str | None = None, detour: bool = False) -> Path:
        """A path from the present pose to a goal, over everything in between.

        Args:
            goal: World pose of the grip site at the end.
            held: Object in the hand, if any.
            detour: Go through joint space even where a straight line looks possible.
        """
        start = self.grip_now
        height = self._transit_height(start, goal, held)
        waypoints = [start]
        if start.position[2] < height:
            waypoints.append(start.shifted(np.array([0.0, 0.0, height - start.position[2]])))
        if goal.position[2] < height:
            waypoints.append(goal.shifted(np.array([0.0, 0.0, height - goal.position[2]])))
        waypoints.append(goal)
        path = straight_path(waypoints)
        if not detour and follows_smoothly(self.scene.arm, path, self.q_now, self.scene.rest):
            return path
        # The straight way meets a joint limit: go through joint space instead, at height.
        joints = [self.q_now]
        for waypoint in waypoints[1:]:
            joints.append(solve_ik(self.scene.arm, waypoint, joints[-1], self.scene.rest).q)
        return joint_path(self.scene.arm, joints)

    def _transit_height(self, start: Pose, goal: Pose, held: str | None) -> float:
        """World z in m at which the grip site clears everything near the straight way."""
        scene = self.scene
        below, radius = TIP_REACH, 0.045
        ignore: frozenset[int] = frozenset()
        if held is not None:
            ignore = scene.geoms(held)
            points = scene.shape(held).moved(scene.pose(held)).points - start.position
            below = max(below, -float(points[:, 2].min()))
            radius = max(radius, float(np.linalg.norm(points[:, :2], axis=1).max()) + 0.01)
        low, high = scene.obstacle_boxes(ignore)
        share = np.linspace(0.0, 1.0, 24)[:, None]
        way = start.position[:2] + share * (goal.position[:2] - start.position[:2])
        gap = np.maximum(low[None, :, :2] - way[:, None], way[:, None] - high[None, :, :2])
        distance = np.linalg.norm(np.maximum(gap, 0.0), axis=2).min(axis=0)
        tops = high[:, 2]
        needed = [-np.inf]
        needed += list(tops[distance < radius] + below + 0.02)
        needed += list(tops[distance < 0.11] - PALM_GAP + 0.02)  # the hand itself is wider
        return float(max(needed))

    def _ik(self, target: Pose, seed: Array) -> IkSolution | None:
        """A solution from the seed or, failing that, from the rest posture."""
        for start in (seed, self.scene.rest):
            solution = solve_ik(self.scene.arm, target, start, self.scene.rest)
            if solution.reached:
                return solution
        return None


def discomfort(solution: IkSolution) -> float:
    """Cost in control steps of being close to a joint limit."""
    return 200.0 * max(0.0, COMFORT - solution.margin)


def follows_smoothly(arm: Arm, path: Path, q: Array, rest: Array) -> bool:
    """Whether the arm can go along a path without meeting a limit or swinging its elbow.

    Args:
        arm: The arm; its scratch data is overwritten.
        path: The path.
        q: (N,) joints in rad at its start.
        rest: (N,) null-space posture in rad.
    """
    for pose in (*path.poses[4::4], path.end):
        solution = solve_ik(arm, pose, q, rest, iterations=20)
        if not solution.reached or float(np.max(np.abs(solution.q - q))) > 0.8:
            return False
        q = solution.q
    return True
