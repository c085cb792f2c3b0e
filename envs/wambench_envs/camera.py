"""Pictures of a MuJoCo world, off screen, for the cameras that are asked for."""

from __future__ import annotations

import atexit
import sys
import weakref
from collections.abc import Iterable
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from wambench.errors import UsageError
from wambench_envs import gl

_VISUAL_GROUP, _COLLISION_GROUP = 1, 0
"""robosuite's geom groups, which worlds made here follow."""
_MAX_GEOMS = 1000
"""Scene capacity, as robosuite's render context has it."""

_FLAG = mujoco.mjtRndFlag

_OPEN: weakref.WeakSet[Camera] = weakref.WeakSet()


class Camera:
    """Draws configurations of a model off screen.

    The OpenGL context and the upload of meshes and textures happen at the first picture.

    Args:
        model: The MuJoCo model.
        mirrored: Whether left and right are exchanged, as in the pictures that LIBERO's policies
            are trained on.
        sites: Whether sites are drawn, such as a stove's glow.
    """

    def __init__(self, model: Any, *, mirrored: bool = False, sites: bool = True) -> None:
        self._model = model
        self._oriented = np.s_[::-1, ::-1] if mirrored else np.s_[::-1]
        self._data = mujoco.MjData(model)
        self._context: Any = None
        self._gl: Any = None
        self._size = (0, 0)
        self._scene: Any = None
        self._options = _visual(sites)
        self._solid = _visual(False)
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
            (height, width, 3) pixels; row 0 is the top.
        """
        viewport = self._draw(qpos, name, height, width, self._options)
        raw = np.empty((height, width, 3), np.uint8)
        mujoco.mjr_readPixels(raw, None, viewport, self._context)
        return np.ascontiguousarray(raw[self._oriented])

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
        return geoms[colours][self._oriented], depth[self._oriented]

    def refresh_textures(self, textures: Iterable[int]) -> None:
        """Draws from now on with pictures that were changed in the model.

        Args:
            textures: Their ids.
        """
        if self._context is None:
            return
        self._gl.make_current()
        for texture in textures:
            mujoco.mjr_uploadTexture(self._model, self._context, texture)

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

    def __del__(self) -> None:
        """MuJoCo would free its textures in whichever context is current: another camera's."""
        if not sys.is_finalizing():
            self.close()


def _visual(sites: bool) -> Any:
    """Options that show what is to be seen, and not the collision geometry."""
    options = mujoco.MjvOption()
    options.geomgroup[_COLLISION_GROUP] = 0
    options.geomgroup[_VISUAL_GROUP] = 1
    if not sites:
        options.sitegroup[:] = 0
    return options


def _close_all() -> None:
    """Frees contexts while the driver is still loaded; later, EGL prints errors."""
    for camera in list(_OPEN):
        camera.close()
