"""The frozen policy that is corrected."""

from __future__ import annotations

import json

from wambench.errors import UsageError
from wambench.protocol import Policy, SuiteSpec
from wambench_policies.inference.base import build_base
from wambench_policies.world2act.posttrain.config import PosttrainRun


def corrected_base(config: PosttrainRun, spec: SuiteSpec) -> tuple[Policy, dict[str, str]]:
    """The policy, and what decides its answers.

    Raises:
        UsageError: `base_args` is no JSON object.
        WambenchError: See `build_base`.
    """
    try:
        arguments = json.loads(config.base_args)
    except ValueError:
        arguments = None
    if not isinstance(arguments, dict):
        raise UsageError(
            f"--base-args {config.base_args!r} is no JSON object.", """Example: '{"execute": 8}'."""
        )
    return build_base(spec, config.base, config.base_checkpoint, arguments)
