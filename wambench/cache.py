"""Where wambench keeps what it installs or downloads for a user."""

from __future__ import annotations

import os
from pathlib import Path


def cache_dir() -> Path:
    """`$WAMBENCH_CACHE`, else `$XDG_CACHE_HOME/wambench`, else `~/.cache/wambench`."""
    if chosen := os.environ.get("WAMBENCH_CACHE"):
        return Path(chosen).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base).expanduser() if base else Path.home() / ".cache") / "wambench"
