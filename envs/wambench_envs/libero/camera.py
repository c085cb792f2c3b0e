"""Pictures of a scene, equal to upstream's to the last bit, for the cameras that are asked for.

Orientation. robosuite hands out MuJoCo's raw pixels, whose row 0 is the *bottom* of the picture.
OpenVLA, openpi and starVLA rotate that by 180 degrees, LeRobot flips both axes (the same thing),
and LIBERO checkpoints are trained on the result: row 0 is the top, and left and right are
*mirrored* with respect to what a camera would see (agentview faces the robot from the front; world
+y, which a true picture has on its right, is on the left). `Camera.render` returns that picture:

    ours = raw[::-1, ::-1]        true picture = raw[::-1] = ours[:, ::-1]

So a published LIBERO policy takes our pixels as they are, and rotating them again scores about 0 %.

Non-obvious behaviours
    - A picture shows the configuration of substep 24 of 25, before that substep's integration, and
      the stove's glow as it was at the start of the control step. So does upstream's.
    - Multi-sampling is a property of the model (`vis.quality.offsamples`): 4 on official assets, as
      published numbers were made with, 0 on embedded ones, where it would double the time.
"""

from __future__ import annotations

import atexit
import weakref
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from wambench.errors import UsageError
from wambench_envs import gl

_VISUAL_GROUP, _COLLISION_GROUP = 1, 0
_MAX_GEOMS = 1000
"""Scene capacity, as upstream's render context has it."""

_FLAG = mujoco.mjtRndFlag

_OPEN: weakref.WeakSet[Camera] = weakref.WeakSet()


class Camera:
    """Draws configurations of a model off screen.

    The OpenGL context and the upload of meshes and textures happen at the first picture.

    Args:
        model: The MuJoCo model.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._data = mujoco.MjData(model)
        self._context: Any = None
        self._gl: Any = None
        self._size = (0, 0)
        self._scene: Any = None
        self._options = _visual()
        self._solid = _visual()
        self._solid.sitegroup[:] = 0
        self._view = mujoco.MjvCamera()
        self._view.type = mujoco.mjtCamera.mjCAMERA_FIXED

    def render(
        self, qpos: NDArray[np.float64], name: str, height: int, width: int
    ) -> NDArray[np.uint8]:
        """A picture of one configuration.

        Args:
            qpos: (nq,) configuration.
            name: A camera of the model.
            height: Rows.
            width: Columns.

        Returns:
            (height, width, 3) pixels, oriented as the module docstring says.
        """
        viewport = self._draw(qpos, name, height, width, self._options)
        raw = np.empty((height, width, 3), np.uint8)
        mujoco.mjr_readPixels(raw, None, viewport, self._context)
        return np.ascontiguousarray(raw[::-1, ::-1])

    def surfaces(
        self, qpos: NDArray[np.float64], name: str, height: int, width: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """What every pixel of `render` shows and how far it is; sites, such as glow, are left out.

        Args:
            qpos: (nq,) configuration.
            name: A camera of the model.
            height: Rows.
            width: Columns.

        Returns:
            (height, width) ids of geoms, -1 for nothing, and (height, width) distances in metres
            along the optical axis.
        """
        self._prepare(height, width)
        flags = self._scene.flags
        flags[_FLAG.mjRND_SEGMENT] = flags[_FLAG.mjRND_IDCOLOR] = 1
        try:
            viewport = self._draw(qpos, name, height, width, self._solid)
        finally:
            flags[_FLAG.mjRND_SEGMENT] = flags[_FLAG.mjRND_IDCOLOR] = 0
        raw = np.empty((height, width, 3), np.uint8)
        buffer = np.empty((height, width), np.float32)
        mujoco.mjr_readPixels(raw, buffer, viewport, self._context)
        geoms = np.full(self._scene.ngeom + 1, -1)
        for shown in self._scene.geoms[: self._scene.ngeom]:
            if shown.objtype == mujoco.mjtObj.mjOBJ_GEOM and shown.segid >= 0:
                geoms[shown.segid + 1] = shown.objid
        colours = raw.astype(np.int64) @ (1, 1 << 8, 1 << 16)
        extent, clip = self._model.stat.extent, self._model.vis.map
        near, far = clip.znear * extent, clip.zfar * extent
        depth = near / (1 - buffer.astype(np.float64) * (1 - near / far))
        return geoms[colours][::-1, ::-1], depth[::-1, ::-1]

    def _draw(
        self, qpos: NDArray[np.float64], name: str, height: int, width: int, options: Any
    ) -> Any:
        """Draws a configuration off screen; returns the viewport to read it from."""
        camera = mujoco.mj_name2id(self._model, mujoco.mjtObj.mjOBJ_CAMERA, name)
        if camera < 0:
            raise UsageError(f"The scene has no camera {name}.", "See the suite's camera list.")
        if height < 1 or width < 1:
            raise UsageError(f"An image of {height} x {width} pixels is not possible.")
        self._prepare(height, width)
        model, data = self._model, self._data
        data.qpos[:] = qpos
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        mujoco.mj_camlight(model, data)
        self._view.fixedcamid = camera
        mujoco.mjv_updateScene(
            model, data, options, None, self._view, mujoco.mjtCatBit.mjCAT_ALL, self._scene
        )
        viewport = mujoco.MjrRect(0, 0, width, height)
        mujoco.mjr_render(viewport, self._scene, self._context)
        return viewport

    def _prepare(self, height: int, width: int) -> None:
        if self._gl is not None and height <= self._size[0] and width <= self._size[1]:
            self._gl.make_current()
            mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
            return
        self._size = (max(height, self._size[0]), max(width, self._size[1]))
        self.close()
        self._gl = gl.make_context(*self._size)
        self._model.vis.global_.offheight, self._model.vis.global_.offwidth = self._size
        self._scene = mujoco.MjvScene(self._model, maxgeom=_MAX_GEOMS)
        self._context = mujoco.MjrContext(self._model, mujoco.mjtFontScale.mjFONTSCALE_150)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        if not _OPEN:
            atexit.unregister(_close_all)
            atexit.register(_close_all)  # after the driver's own exit handler, so it runs before
        _OPEN.add(self)

    def close(self) -> None:
        """Frees the OpenGL context."""
        if self._context is not None:
            self._gl.make_current()
            self._context.free()
            _OPEN.discard(self)
        if self._gl is not None:
            self._gl.free()
        self._context = self._gl = self._scene = None


def _visual() -> Any:
    """Options that show what is to be seen, and not the collision geometry."""
    options = mujoco.MjvOption()
    options.geomgroup[_COLLISION_GROUP] = 0
    options.geomgroup[_VISUAL_GROUP] = 1
    return options


def _close_all() -> None:
    """Frees contexts while the driver is still loaded; later, EGL prints errors."""
    for camera in list(_OPEN):
        camera.close()
