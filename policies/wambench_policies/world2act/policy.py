"""World2Act as a wambench policy: `wambench eval --policy world2act --checkpoint ckpt/w2a ...`.

The checkpoint says which frozen policy it corrects; that one's own checkpoint is not part of it.
Without --checkpoint it takes the one that is shipped for the suite. No world model is needed to
act. Importing this needs no PyTorch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wambench.errors import UsageError
from wambench.protocol import Policy, SuiteSpec
from wambench_policies.inference.policy import Device
from wambench_policies.world2act.train import METHOD

SHIPPED = Path(__file__).parent / "checkpoints"
SHIPPED_WORLD = SHIPPED / "world"
SHIPPED_ALIGN = SHIPPED / "align"
"""What residuals beside them, named by their suite, were trained with."""


def world2act(
    spec: SuiteSpec,
    checkpoint: str | None = None,
    base_checkpoint: str | None = None,
    device: Device = "auto",
) -> Policy:
    """A post-trained policy.

    Args:
        spec: The suite.
        checkpoint: Of stage posttrain; None for the one that is shipped for the suite.
        base_checkpoint: That of the frozen policy, where it is no longer where it was.
        device: `auto` takes an accelerator where there is one.

    Raises:
        UsageError: There is no such checkpoint, or the frozen policy is another one.
        PolicyContractError: The suite is not like the training data.
    """
    from wambench_policies.nn.checkpoint import Checkpoint
    from wambench_policies.nn.device import chosen_device
    from wambench_policies.world2act.posttrain.base import corrected_base
    from wambench_policies.world2act.posttrain.config import PosttrainRun
    from wambench_policies.world2act.posttrain.corrected import CorrectedPolicy
    from wambench_policies.world2act.posttrain.residual import Residual

    folder = SHIPPED / spec.name if checkpoint is None else Path(checkpoint)
    if checkpoint is None and not folder.exists():
        raise UsageError(
            f"No World2Act trained for {spec.name} is shipped with this version of wambench.",
            "Train one (docs/world2act.md) and give it by --checkpoint.",
        )
    found = Checkpoint.open(folder, method=METHOD, stage="posttrain")
    config = found.configuration(PosttrainRun)
    if base_checkpoint is not None:
        config = config.model_copy(update={"base_checkpoint": base_checkpoint})
    base, facts = corrected_base(config, spec)
    if facts.get("checkpoint_sha256", "") != config.base_sha256:
        raise UsageError(
            f"The checkpoint of {config.base} is not the one that {folder} corrects.",
            "Give that one by --policy-arg base_checkpoint=PATH.",
        )
    embodiment = found.normalisation.for_suite(spec)
    residual = Residual(config, embodiment.action, len(embodiment.state.mean))
    found.load_into(residual)
    residual.eval().requires_grad_(False).to(chosen_device(device))
    size = found.normalisation.recorded_size
    policy: Any = CorrectedPolicy(spec, base, residual, embodiment, size)
    policy.shipped = folder
    policy.provenance = {f"base_{name}": str(value) for name, value in facts.items()}
    return policy
