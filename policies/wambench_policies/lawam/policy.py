"""LaWAM as a wambench policy: `wambench eval --policy lawam --checkpoint ckpt/lawam --suite ...`.

Without --checkpoint it takes the one that is shipped in the package. Importing this module needs no
PyTorch.
"""

from __future__ import annotations

from typing import Any

from wambench_policies.inference.policy import FlowPolicy
from wambench_policies.lawam.train import METHOD, SHIPPED


class LaWAMPolicy(FlowPolicy):
    """A trained LaWAM; its arguments are those of `FlowPolicy`."""

    method = METHOD
    title = "LaWAM"
    shipped = SHIPPED / "policy"

    @classmethod
    def types(cls) -> tuple[type[Any], type[Any]]:
        """Configuration and network."""
        from wambench_policies.lawam.model import LaWAM
        from wambench_policies.lawam.runs import LaWAMRun

        return LaWAMRun, LaWAM
