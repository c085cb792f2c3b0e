"""Pictures of a scene, equal to upstream's to the last bit, for the cameras that are asked for.

Orientation. robosuite hands out MuJoCo's raw pixels, whose row 0 is the *bottom* of the picture.
OpenVLA, openpi and starVLA rotate that by 180 degrees, LeRobot flips both axes (the same thing),
and LIBERO checkpoints are trained on the result: row 0 is the top, and left and right are
*mirrored* with respect to what a camera would see (agentview faces the robot from the front; world
+y, which a true picture has on its right, is on the left). `scene_camera` gives that picture:

    ours = raw[::-1, ::-1]        true picture = raw[::-1] = ours[:, ::-1]

So a published LIBERO policy takes our pixels as they are, and rotating them again scores about 0 %.

Non-obvious behaviours
    - A picture shows the configuration of substep 24 of 25, before that substep's integration, and
      the stove's glow as it was at the start of the control step. So does upstream's.
    - Multi-sampling is a property of the model (`vis.quality.offsamples`): 4 on official assets, as
      published numbers were made with, 0 on embedded ones, where it would double the time.
"""

from __future__ import annotations

from typing import Any

from wambench_envs.camera import Camera


def scene_camera(model: Any) -> Camera:
    """What draws a LIBERO scene.

    Args:
        model: The scene's MuJoCo model.
    """
    return Camera(model, mirrored=True)
