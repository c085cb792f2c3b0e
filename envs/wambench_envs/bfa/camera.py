"""Pictures of a configuration, upright and not mirrored: row 0 is the top, left is left."""

from __future__ import annotations

import atexit
import weakref
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from wambench.errors import UsageError
from wambench_envs import gl
from wambench_envs.props.mjcf import COLLISION_GROUP, VISUAL_GROUP

_MAX_GEOMS = 400

_OPEN: weakref.WeakSet[Camera] = weakref.WeakSet()


class Camera:
    """Draws configurations of a model off screen; the context is made at the first picture.

    Args:
        model: The world.
    """

    def __init__(self, model: mujoco.MjModel) -> None:
        self._model = model
        self._data = mujoco.MjData(model)
        self._context: Any = None
        self._gl: Any = None
        self._size = (0, 0)
        self._scene: Any = None
        self._options = mujoco.MjvOption()
        self._options.geomgroup[int(COLLISION_GROUP)] = 0
        self._options.geomgroup[int(VISUAL_GROUP)] = 1
        self._options.sitegroup[:] = 0
        self._view = mujoco.MjvCamera()
        self._view.type = mujoco.mjtCamera.mjCAMERA_FIXED

    def render(
        self, qpos: NDArray[np.float64], name: str, height: int, width: int
    ) -> NDArray[np.uint8]:
        """(height, width, 3) picture of one configuration.

        Args:
            qpos: (nq,) configuration.
            name: A camera of the world.
            height: Rows.
            width: Columns.
        """
        camera = mujoco.mj_name2id(self._model, mujoco.mjtObj.mjOBJ_CAMERA, name)
        if camera < 0:
            raise UsageError(f"The world has no camera {name}.", "See the suite's camera list.")
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
            model, data, self._options, None, self._view, mujoco.mjtCatBit.mjCAT_ALL, self._scene
        )
        viewport = mujoco.MjrRect(0, 0, width, height)
        mujoco.mjr_render(viewport, self._scene, self._context)
        raw = np.empty((height, width, 3), np.uint8)
        mujoco.mjr_readPixels(raw, None, viewport, self._context)
        return np.ascontiguousarray(raw[::-1])

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


def _close_all() -> None:
    """Frees contexts while the driver is still loaded."""
    for camera in list(_OPEN):
        camera.close()
