"""Cameras that live beside each other draw what they would draw alone."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor

import mujoco
import numpy as np
from numpy.typing import NDArray

from wambench_envs.camera import Camera

SCENE = """
<mujoco>
  <asset>
    <texture name="checks" type="2d" builtin="checker" rgb1="0.9 0.2 0.1" rgb2="0.1 0.3 0.9"
             width="64" height="64"/>
    <material name="checks" texture="checks" texrepeat="4 4"/>
  </asset>
  <worldbody>
    <light pos="0 0 3"/>
    <camera name="top" pos="0 0 2"/>
    <geom type="plane" size="1 1 0.1" material="checks" group="1"/>
    <body pos="0 0 0.3"><freejoint/><geom size="0.2" rgba="0 1 0 1" group="1"/></body>
  </worldbody>
</mujoco>
"""


def picture(camera: Camera, model: mujoco.MjModel) -> NDArray[np.uint8]:
    """What the camera above the scene sees."""
    return camera.render(model.qpos0, "top", 48, 48)


def test_a_camera_that_is_dropped_takes_nothing_from_another() -> None:
    model = mujoco.MjModel.from_xml_string(SCENE)
    kept = Camera(model)
    alone = picture(kept, model)
    with ThreadPoolExecutor(1) as thread:  # as the copies of a planner, in a thread of its own
        dropped = thread.submit(lambda: Camera(model)).result()
        thread.submit(picture, dropped, model).result()
    del dropped, thread
    gc.collect()
    np.testing.assert_array_equal(picture(kept, model), alone)
    kept.close()
