"""Logs of a training: CSV files that everything else can be computed from, and TensorBoard.

log/train.csv         step, seconds, lr, grad_norm and the objective's terms
log/validation.csv    step, seconds and the objective's terms on held-out windows
log/events.*          the same for TensorBoard, where it is installed
"""

from __future__ import annotations

import csv
import fcntl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wambench.errors import UsageError

FOLDER = "log"


class Log:
    """Appends rows, one file per split, as the only process that does until it is closed.

    Args:
        out: The training's folder.
        step: Step from which it goes on: later rows, of a sitting that was killed, are dropped.

    Attributes:
        tensorboard: Whether TensorBoard is installed.

    Raises:
        UsageError: The folder cannot be written, or another process is training in it.
    """

    def __init__(self, out: Path, step: int) -> None:
        self._folder = out / FOLDER
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock = (self._folder / "train.csv").open("a")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for path in self._folder.glob("*.csv"):
                _drop_after(path, step)
        except BlockingIOError:
            raise UsageError(
                f"Another process is training in {out}.", "Wait for it, or stop it."
            ) from None
        except OSError as error:
            raise UsageError(
                f"Cannot write {self._folder}: {error.strerror}.", "Choose another --out."
            ) from error
        self._board = _board(self._folder, step)
        self.tensorboard = self._board is not None

    def add(self, split: str, step: int, values: Mapping[str, float]) -> None:
        """Appends a row.

        Args:
            split: `train` or `validation`.
            step: Optimiser steps done.
            values: By name; the same names in every row.
        """
        path = self._folder / f"{split}.csv"
        begins = not path.exists() or path.stat().st_size == 0
        with path.open("a", newline="") as file:
            writer = csv.writer(file)
            if begins:
                writer.writerow(["step", *values])
            writer.writerow([step, *(repr(float(value)) for value in values.values())])
        if self._board is not None:
            for name, value in values.items():
                if name != "seconds":
                    self._board.add_scalar(f"{split}/{name}", value, step)

    def close(self) -> None:
        """Writes out what TensorBoard holds back, and lets another process train."""
        self._lock.close()
        if self._board is not None:
            self._board.close()


def _board(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=step + 1 if step else None)


def _drop_after(path: Path, step: int) -> None:
    """Drops rows of later steps, and a last line that was cut off."""
    lines = path.read_text().splitlines(keepends=True)
    kept = [
        line
        for number, line in enumerate(lines)
        if line.endswith("\n") and (number == 0 or int(line.split(",")[0]) <= step)
    ]
    path.write_text("".join(kept))
