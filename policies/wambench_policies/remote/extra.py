"""The packages of the extra `remote`, imported on use."""

from __future__ import annotations

import importlib
from typing import Any

from wambench.errors import UsageError


def require(module: str, what: str) -> Any:
    """Imports a module of the extra.

    Args:
        module: For example `websockets.sync.client`.
        what: What needs it, as the subject of a sentence in the plural.

    Raises:
        UsageError: It is not installed; says how to install it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = {"yaml": "PyYAML", "zmq": "pyzmq"}.get(
            module.partition(".")[0], module.partition(".")[0]
        )
        raise UsageError(
            f"{what} need the package {package}, which cannot be imported: {error}.",
            "Install it with: pip install 'wambench[remote]'",
        ) from error
