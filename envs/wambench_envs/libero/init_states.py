"""Reads LIBERO's initial-state files without torch and without trusting them.

A `.pruned_init` file is a `torch.save` archive: a zip with one pickle, `<folder>/data.pkl`, that
holds a plain (50, 1 + nq + nv) float64 numpy array. `torch.load` would run whatever the pickle
says; this reader admits the four names that rebuilding an array takes and refuses everything else.

Non-obvious behaviours
    - A state is MuJoCo's flat state (time, qpos, qvel) and nothing more. Fixture poses (cabinet,
      stove, microwave, rack) are model constants and not part of it; see `env.py`.
    - The states are raw sampler output: objects hover a few centimetres or start inside the table
      and drop or pop during the ten settle steps.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wambench.errors import RuntimeUnavailable

_REMEDY = "Reinstall the LIBERO runtime: `wambench setup libero`."


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """What `_codecs.encode` does in a protocol-2 pickle of bytes, and nothing else."""
    return text.encode(encoding)


def _reconstruct(subtype: type, shape: tuple[int, ...], typecode: bytes) -> NDArray[Any]:
    """The empty array that a pickle then fills through `ndarray.__setstate__`."""
    if subtype is not np.ndarray:
        raise pickle.UnpicklingError("not a plain array")
    return np.ndarray.__new__(np.ndarray, shape, typecode)


_ADMITTED: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _encode,
}


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ADMITTED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}") from None


def load_init_states(path: Path) -> NDArray[np.float64]:
    """The initial states of one task.

    Args:
        path: A `.pruned_init` file.

    Returns:
        (N, 1 + nq + nv) flat MuJoCo states: time, qpos, qvel.

    Raises:
        RuntimeUnavailable: The file is missing, corrupt, or holds anything but such an array.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            (member,) = [name for name in archive.namelist() if name.endswith("/data.pkl")]
            states = _ArrayUnpickler(io.BytesIO(archive.read(member))).load()
    except FileNotFoundError:
        raise RuntimeUnavailable(f"Initial states {path.name} are missing.", _REMEDY) from None
    except pickle.UnpicklingError as error:
        raise RuntimeUnavailable(
            f"Initial states {path.name} are refused: {error}.", _REMEDY
        ) from None
    except Exception as error:  # a damaged zip or pickle fails in many ways, all of them mean this
        raise RuntimeUnavailable(
            f"Initial states {path.name} are corrupt ({type(error).__name__}).", _REMEDY
        ) from None
    if (
        not isinstance(states, np.ndarray)
        or states.ndim != 2
        or states.dtype != np.float64
        or not np.isfinite(states).all()
    ):
        raise RuntimeUnavailable(
            f"Initial states {path.name} are not a finite 2-D float64 array.", _REMEDY
        )
    return states
