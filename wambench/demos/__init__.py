"""Demonstrations: collected, stored as LIBERO HDF5 or LeRobotDataset v3, read as windows.

from wambench.demos import DemoDataset
dataset = DemoDataset("data/libero_long", chunk=16, horizon=16)
window = dataset[0]          # numpy; see `wambench.demos.dataset.Window`

dataset.py         windows for training           demo.py        what every reader offers
hdf5.py            LIBERO/robomimic HDF5          lerobot.py     LeRobotDataset v3, reading
lerobot_writer.py  and writing it                 convert.py     one into the other, exactly
recording.py       records inside a worker        collect.py     `wambench collect`
collection.py      the folder it works in         replay.py      plays actions back
summary.py         `wambench data info`           sheet.py       the contact sheet
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wambench.demos.dataset import DemoDataset

__all__ = ["DemoDataset"]


def __getattr__(name: str) -> object:
    """Imports the reader at first use, so that importing a sibling module stays cheap."""
    if name == "DemoDataset":
        from wambench.demos.dataset import DemoDataset

        return DemoDataset
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
