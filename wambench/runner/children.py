"""What is the same for every process that wambench starts: none outlives who started it."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import os
import signal
import subprocess
import sys
from typing import Any

_SHOW_STACKS = signal.SIGUSR1


def show_stacks_when_asked() -> None:
    """Makes `ask_for_stacks` work on this process; also inside a call that never returns."""
    faulthandler.register(_SHOW_STACKS)


def ask_for_stacks(process: subprocess.Popen[Any]) -> None:
    """Has a child write where each of its threads is to its standard error; may end it."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(_SHOW_STACKS)


def die_with_parent() -> None:
    """A child that hangs does not notice a closed connection; on Linux the kernel ends it."""
    if sys.platform == "linux":
        set_parent_death_signal = 1  # PR_SET_PDEATHSIG, linux/prctl.h
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)


def how_it_ended(process: subprocess.Popen[Any]) -> str:
    """Why a child that has gone has gone, in a few words."""
    try:
        code = process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        return "closed its connection"
    if code < 0:
        name = signal.Signals(-code).name
        memory = " (out of memory?)" if name == "SIGKILL" else ""
        return f"was killed by {name}{memory}"
    return f"exited with code {code}"


def kill_group(process: subprocess.Popen[Any]) -> None:
    """Ends a child that leads its session at once, with everything it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
