"""A stand-in for a kitchen of robocasa's, below `upstream.build`: a world with one joint."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mujoco
import numpy as np

from wambench_envs.robocasa.protocol import STATE_KEYS


def write(path: Path, text: str = "x") -> Path:
    """A file with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


WORLD = """
<mujoco>
  <option timestep="0.002"/>
  <worldbody>
    <light pos="0 0 3"/>
    <camera name="robot0_agentview_left" pos="0 -1 1" xyaxes="1 0 0 0 1 1"/>
    <geom type="plane" size="2 2 0.1" group="1"/>
    <body pos="0 0 0.3">
      <joint name="slide" type="slide" axis="1 0 0"/>
      <geom type="box" size="0.1 0.1 0.1" rgba="1 0 0 1" group="1"/>
    </body>
    <site name="water" pos="0 0 0.6" size="0.2" rgba="0 0 1 0"/>
  </worldbody>
</mujoco>
"""


class Kitchen:
    """One joint that action 0 moves; solved beyond 1 cm, and then the water runs."""

    def __init__(self, seed: int, scene: tuple[int, int], split: str) -> None:
        model = mujoco.MjModel.from_xml_string(WORLD)
        data = mujoco.MjData(model)
        wrapped = SimpleNamespace(_model=model), SimpleNamespace(_data=data)
        self.sim = SimpleNamespace(model=wrapped[0], data=wrapped[1])
        self.model, self.data = model, data
        data.qpos[0] = np.random.default_rng(seed).uniform(-0.5, -0.4)
        mujoco.mj_forward(model, data)
        self.meta = {
            "lang": f"slide {seed} to the right",
            "layout_id": np.int64(scene[0]),
            "object_cfgs": [{"size": (0.1, None), "info": {"mjcf_path": "/a/objects/x/model.xml"}}],
        }
        self.split = split
        self.taken: list[Any] = []
        self.closed = False

    def observed(self) -> dict[str, Any]:
        """robosuite's observables, numbered."""
        widths = dict(STATE_KEYS) | {"joint_pos": 7, "joint_vel": 7}
        return {f"robot0_{key}": np.full(n, self.data.qpos[0]) for key, n in widths.items()}

    def step(self, action: Any) -> tuple[dict[str, Any], float, bool, dict[str, Any]]:
        """25 physics steps; the action is kept, and then written into."""
        self.taken.append(np.array(action))
        for _ in range(25):
            self.data.qvel[0] = action[0]
            mujoco.mj_step(self.model, self.data)
        self.model.site_rgba[0, 3] = float(self._check_success())
        action[:] = 7.0
        return self.observed(), 0.0, False, {}

    @property
    def steps(self) -> int:
        """Control steps that were taken."""
        return len(self.taken)

    def _check_success(self) -> bool:
        return bool(self.data.qpos[0] > 0.01)

    def get_ep_meta(self) -> dict[str, Any]:
        """Its description."""
        return self.meta

    def close(self) -> None:
        """Remembers it."""
        self.closed = True
