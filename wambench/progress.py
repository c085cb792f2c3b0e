"""How often progress bars are drawn."""

from __future__ import annotations

import sys


def progress_interval() -> float:
    """Seconds between drawings of a progress bar: often for a person, seldom for a log file."""
    return 0.1 if sys.stderr.isatty() else 30.0
