"""Asks diagnostics one after the other, and leaves out what cannot be asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from wambench.errors import UsageError
from wambench.inspector import Diagnostic, Finding, InspectRequest
from wambench_policies.nn.checkpoint import Checkpoint


def asked(
    diagnostics: Sequence[Diagnostic], checkpoint: Checkpoint, request: InspectRequest
) -> list[str]:
    """Names of the diagnostics that a checkpoint is asked, in their order.

    Raises:
        UsageError: The checkpoint's stage has none, or not one that was asked for.
    """
    stage = checkpoint.stage
    there = [one.name for one in diagnostics if stage in one.stages]
    if not there:
        expected = dict.fromkeys(known for one in diagnostics for known in one.stages)
        raise UsageError(
            f"{checkpoint.folder} is a checkpoint of stage {stage}, expected one of "
            f"{' or '.join(expected)}.",
            "Choose another folder.",
        )
    for name in request.only:
        if name not in there:
            raise UsageError(
                f"{name!r} is not asked of stage {stage}.", f"It has: {', '.join(there)}."
            )
    return [name for name in there if not request.only or name in request.only]


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
