"""wambench: evaluates robot-manipulation policies on LIBERO, RoboCasa, RoboTwin and BFA.

Importing this package makes every installed suite known to gymnasium as `wambench/<suite>-v0`. It
costs a fraction of a second: it loads neither a simulator nor torch.
"""

from wambench.gym import register_suites

__version__ = "0.1.0"

register_suites()
