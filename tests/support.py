"""Types that several test modules share."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

Run = Callable[..., "subprocess.CompletedProcess[str]"]
"""The fixture `wambench`: runs the command line and returns the finished process."""
