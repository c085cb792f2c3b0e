"""wambench: evaluates robot-manipulation policies on LIBERO, RoboCasa, RoboTwin and BFA.

Importing this package costs a fraction of a second: it loads neither a simulator nor torch.
"""

__version__ = "0.1.0"
