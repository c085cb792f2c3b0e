"""Chooses how MuJoCo gets an OpenGL context without a screen.

Non-obvious behaviours
    - MuJoCo picks its context class from `MUJOCO_GL` when it is *imported*; unset means GLFW, which
      needs a screen. `make_context` picks the class when the first picture is due, so the order of
      imports does not matter. A value the user set is never overridden.
    - Where `MUJOCO_GL` is unset, a parent process may have left `PYOPENGL_PLATFORM` in the
      environment; another choice than that would then fail inside PyOpenGL.
    - EGL needs no display but a driver; a machine may have `libEGL` and no usable device, which
      shows only when a display is initialised. That is tried in a subprocess of about 50 ms, since
      a half-initialised driver cannot be unloaded.
    - EGL on a software rasteriser gives the same pixels and speed as OSMesa; on a GPU it gives
      slightly different pixels. The backend is therefore part of a run's provenance.
"""

from __future__ import annotations

import ctypes.util
import importlib
import os
import subprocess
import sys
from typing import Any

from wambench.errors import RuntimeUnavailable

REMEDY = (
    "Install a software renderer (`apt-get install libosmesa6`) and set MUJOCO_GL=osmesa, "
    "or set MUJOCO_GL=egl on a machine with a GPU driver."
)

_EGL_PROBE = """
import ctypes, ctypes.util, sys
egl = ctypes.CDLL(ctypes.util.find_library("EGL"))
pointer = ctypes.c_void_p
egl.eglGetProcAddress.restype = pointer
egl.eglGetProcAddress.argtypes = [ctypes.c_char_p]
query = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.POINTER(pointer),
                         ctypes.POINTER(ctypes.c_int))(egl.eglGetProcAddress(b"eglQueryDevicesEXT"))
display = ctypes.CFUNCTYPE(pointer, ctypes.c_int, pointer, pointer)(
    egl.eglGetProcAddress(b"eglGetPlatformDisplayEXT"))
egl.eglInitialize.argtypes = [pointer, pointer, pointer]
devices, count = (pointer * 16)(), ctypes.c_int()
query(16, devices, ctypes.byref(count))
PLATFORM_DEVICE = 0x313F
good = any(egl.eglInitialize(display(PLATFORM_DEVICE, devices[i], None), None, None)
           for i in range(count.value))
sys.exit(0 if good else 1)
"""


def _egl_works() -> bool:
    if not ctypes.util.find_library("EGL"):
        return False
    try:
        probe = [sys.executable, "-I", "-S", "-c", _EGL_PROBE]
        return subprocess.run(probe, capture_output=True, timeout=20).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def choose_backend() -> str:
    """Sets `MUJOCO_GL` where it is unset and returns it: `egl`, `osmesa` or `disable`."""
    chosen = os.environ.get("MUJOCO_GL", "").strip().lower()
    if not chosen and sys.platform == "linux":
        inherited = os.environ.get("PYOPENGL_PLATFORM", "").lower()
        if inherited in ("egl", "osmesa"):
            chosen = inherited
        elif _egl_works():
            chosen = "egl"
        else:
            chosen = "osmesa" if ctypes.util.find_library("OSMesa") else "disable"
        os.environ["MUJOCO_GL"] = chosen
    return chosen or "default"


def make_context(height: int, width: int) -> Any:
    """A MuJoCo OpenGL context, current.

    Args:
        height: Rows of its own buffer; MuJoCo draws into another one.
        width: Columns.

    Raises:
        RuntimeUnavailable: There is no OpenGL to be had.
    """
    backend = choose_backend()
    if backend in ("disable", "disabled", "off", "false", "0"):
        raise RuntimeUnavailable("Images are asked for but there is no OpenGL.", REMEDY)
    module = f"mujoco.{backend}" if backend in ("egl", "osmesa") else "mujoco"
    try:
        context = importlib.import_module(module).GLContext(width, height)
        context.make_current()
    except Exception as error:  # each driver has errors of its own
        raise RuntimeUnavailable(
            f"OpenGL by {backend} does not work ({type(error).__name__}: {error}).", REMEDY
        ) from error
    return context
