"""LaWAM as a wambench policy: `wambench eval --policy lawam --checkpoint ckpt/lawam --suite ...`.

Without --checkpoint it takes the one that is shipped in the package. A checkpoint of LaWAM in
LeRobot's format, a folder or a name on the Hugging Face hub such as
`jialei02/lawam-libero-sft-lerobot`, is run by LeRobot, where that is installed. Importing this
module needs no PyTorch.
"""

from __future__ import annotations

from typing import Any

from wambench.errors import UsageError
from wambench.protocol import Policy, SuiteSpec
from wambench_policies.inference.policy import Device, FlowPolicy
from wambench_policies.lawam.train import METHOD, SHIPPED
from wambench_policies.lerobot.checkpoint import LeRobotCheckpoint, in_lerobot_format
from wambench_policies.lerobot.policy import LeRobotPolicy


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


def lawam(
    spec: SuiteSpec,
    checkpoint: str | None = None,
    steps: int | None = None,
    execute: int | None = None,
    device: Device = "auto",
    batched: bool = False,
) -> Policy:
    """A trained LaWAM, whichever program trained it.

    Args:
        spec: See `FlowPolicy`.
        checkpoint: See there; or a LeRobot checkpoint, as in `LeRobotPolicy`.
        steps: See `FlowPolicy`.
        execute: See there.
        device: See there.
        batched: See there; not with a LeRobot checkpoint.

    Raises:
        WambenchError: See `LaWAMPolicy` and `LeRobotPolicy`; or a LeRobot checkpoint is of another
            type.
    """
    if checkpoint is None or not in_lerobot_format(checkpoint):
        return LaWAMPolicy(spec, checkpoint, steps, execute, device, batched)
    found = LeRobotCheckpoint.open(checkpoint)
    if found.type != METHOD:
        raise UsageError(
            f"{checkpoint} is a LeRobot policy of type {found.type}, not of LaWAM.",
            f"Run it with: --policy lerobot --checkpoint {checkpoint}",
        )
    if batched:
        raise UsageError(
            "LeRobot checkpoints answer observations one by one.", "Leave batched out."
        )
    if steps is not None and steps < 1:
        raise UsageError(f"steps={steps} is no number of Euler steps.", "Use 1 or more.")
    settings = () if steps is None else ("num_inference_steps", "flow_num_inference_steps")
    config = dict.fromkeys(settings, steps)
    return LeRobotPolicy(spec, found, execute=execute, device=device, config=config)
