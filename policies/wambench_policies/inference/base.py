"""The policy that another one is built around: any that `wambench eval` knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wambench import registry
from wambench.errors import UsageError
from wambench.protocol import Policy, SuiteSpec
from wambench.results.provenance import harness_provenance


def build_base(
    spec: SuiteSpec, name: str, checkpoint: str | None, arguments: Mapping[str, Any]
) -> tuple[Policy, dict[str, str]]:
    """Builds it.

    Args:
        spec: The suite.
        name: Its entry point, or `file.py:Class`.
        checkpoint: Its checkpoint; None for its own default.
        arguments: Its further arguments.

    Returns:
        The policy, and what decides its answers; see `harness_provenance`.

    Raises:
        UsageError: The checkpoint is among the further arguments as well.
        WambenchError: There is no policy of that name, or it cannot be built.
    """
    given = dict(arguments)
    if checkpoint is not None:
        if "checkpoint" in given:
            raise UsageError(
                "The base's checkpoint is given twice.", "Give it as the base's checkpoint alone."
            )
        given["checkpoint"] = checkpoint
    reference = registry.find_policy(name)
    policy = registry.build_policy(reference, spec, given)
    facts: dict[str, str] = harness_provenance(reference, given, policy)["policy"]
    return policy, facts
