"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

from support import Run

# Before any test module imports MuJoCo, which reads it then and would otherwise want a display.
os.environ.setdefault("MUJOCO_GL", "osmesa")
# Tests run several at a time. Torch would take a thread for every core in each of them, all of
# which wait for the slowest at every layer: a test of 11 seconds took 76 beside three busy
# processes, and with one thread 19.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell starts background jobs with Ctrl-C ignored and children inherit that; tests that press
# Ctrl-C in a child would then test nothing.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says nothing about what it tests.
settings.register_profile("wambench", deadline=None)
settings.load_profile("wambench")


@pytest.fixture
def wambench(tmp_path: Path) -> Run:
    """Runs the command line as a user would; returns the finished process."""

    def run(
        *arguments: str | Path, timeout: float = 300, **env: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "wambench.cli.main", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=timeout,
            cwd=tmp_path,
            env=os.environ | env,
        )

    return run
