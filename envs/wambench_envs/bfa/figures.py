"""Numbers of the robot that are needed where MuJoCo is not installed."""

from __future__ import annotations

FINGER_LOW = (-0.47, -0.196, -0.174, -0.227) * 3 + (0.263, -0.105, -0.189, -0.162)
FINGER_HIGH = (0.47, 1.61, 1.709, 1.618) * 3 + (1.396, 1.163, 1.644, 1.719)
"""Joint limits of the Allegro hand (Wonik Robotics, `allegro_hand_description`), rad: index,
middle and ring finger, thumb."""

REST_ARM = (0.0, -0.17, 0.0, -2.41, 0.0, 2.54, 0.0)
"""Joint angles of an arm at the start, rad: the hand above the near edge of the counter."""

REST_HAND = (0.0, 0.35, 0.35, 0.30) * 3 + (1.10, 0.30, 0.30, 0.30)
"""Finger angles at the start, rad: a loosely opened hand."""

_REST_POSITION = (0.459178, -0.25, 1.120961)
_REST_ROTATION = (-0.62161, 0.0, -0.783327, 0.0, 1.0, 0.0)
"""Palm pose of the right arm at rest: m, and the first two columns of the rotation. A test compares
them with the kinematics."""

HOLD: tuple[float, ...] = (*_REST_POSITION, *_REST_ROTATION, *REST_HAND)
"""(25,) the action that stays where an episode starts."""
