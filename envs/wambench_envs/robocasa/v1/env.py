"""RoboCasa v1.0.1's own environment, in an episode of its benchmark.

A kitchen and objects of the suite's split, drawn by the episode's seed: what upstream's Gymnasium
environment of that split gives after `reset(seed=seed)`.

Non-obvious behaviours
    - Actions are those of that environment: the gripper and the mode of the base are on or off, on
      from 0.5. Zeros therefore open the gripper, where v0.2's keep it as it is.
    - Objects settle within upstream's reset; nothing is done before the first observation.
    - Upstream never ends an episode. Its evaluators look at success once after each chunk of
      actions and go on to the horizon; here it is looked at after every control step and ends the
      episode, so that what was solved on the way counts as well.
    - Demonstrations (initial state -1, as every other) are in kitchens of the suite's split, too:
      upstream has data sets of both.
"""

from __future__ import annotations

from wambench.protocol import Needs, SuiteSpec, Task
from wambench_envs.robocasa.official.env import Array, OfficialRoboCasaEnv
from wambench_envs.robocasa.official.releases import V1_0
from wambench_envs.robocasa.v1.tasks import Scenes, Split, scenes_of

GRIPPER, BASE_MODE = 6, 11
"""Parts of an action that are on or off."""
ON_FROM = 0.5
"""`PandaOmronKeyConverter.unmap_action` (robocasa/wrappers/gym_wrapper.py)."""


class RoboCasa365Env(OfficialRoboCasaEnv):
    """One task of v1.0.1.

    Args:
        spec: The suite.
        task: The task.
        needs: Cameras and image size.
        split: Of kitchens and objects.
    """

    release = V1_0

    def __init__(self, spec: SuiteSpec, task: Task, needs: Needs, split: Split) -> None:
        super().__init__(spec, task, needs)
        self._split = split

    def scenes(self, init_state: int) -> tuple[Scenes, str]:
        """All kitchens of the split, whatever the initial state: there is but -1."""
        return scenes_of(self._split), self._split

    def command(self, action: Array) -> Array:
        """A copy with the gripper and the base's mode at -1 or 1."""
        switched = super().command(action)
        for part in (GRIPPER, BASE_MODE):
            switched[part] = 1.0 if switched[part] >= ON_FROM else -1.0
        return switched
