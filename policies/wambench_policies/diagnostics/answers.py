"""Asks diagnostics one after the other, and leaves out what cannot be asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from wambench.inspector import Finding, InspectRequest


def answers(inspection: Any, names: Sequence[str], request: InspectRequest) -> Iterator[Finding]:
    """What is found, diagnostic by diagnostic.

    Args:
        inspection: One checkpoint and its demonstrations. It has a method of its name for every
            diagnostic, and `lacks(name)`, a `UsageError` where that cannot be asked, else None.
        names: The diagnostics.
        request: Whether the user named them, and whom to tell of those that are left out.

    Raises:
        UsageError: One was named that cannot be asked.
    """
    for name in names:
        lacks = inspection.lacks(name)
        if lacks is None:
            yield getattr(inspection, name)()
        elif request.only:
            raise lacks
        else:
            request.note(f"{name} is left out. {lacks}")
