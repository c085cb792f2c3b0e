"""LaWAM as a wambench policy: `wambench eval --policy lawam --checkpoint ckpt/lawam --suite ...`.

Without --checkpoint it takes the one that is shipped in the package.

Non-obvious behaviours
    - It asks for pictures at the size at which demonstrations were recorded and makes them smaller
      in the same way as training did; rendering at the smaller size gives other pixels.
    - The flow's noise comes from each observation's own generator. Observations are computed one by
      one, because matrix products of a batch differ in their last bits from those of its rows, and
      a result must not depend on which simulators were ready together. `batched=true` gives this up
      for speed; success rates agree then only statistically.
    - Importing this module needs no PyTorch.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from wambench.errors import PolicyContractError, UsageError
from wambench.protocol import Needs, Observation, Policy, SuiteSpec, stack_pixels, stack_states
from wambench_policies.lawam.train import METHOD, SHIPPED

if TYPE_CHECKING:
    from wambench_policies.nn.checkpoint import Checkpoint


class LaWAMPolicy(Policy):
    """A trained LaWAM.

    Args:
        spec: The suite; must be like the data it was trained on.
        checkpoint: Folder of a checkpoint of stage `policy`; None for the shipped one.
        steps: Euler steps of the flow; None as the checkpoint says.
        execute: Actions of a chunk to execute before it looks again; None as the checkpoint says.
        device: `auto` takes an accelerator where there is one.
        batched: Compute all observations together; see the module docstring.

    Raises:
        UsageError: There is no such checkpoint, or it does not fit.
        PolicyContractError: The suite is not like the training data.
    """

    def __init__(
        self,
        spec: SuiteSpec,
        checkpoint: str | None = None,
        steps: int | None = None,
        execute: int | None = None,
        device: Literal["auto", "cpu", "cuda"] = "auto",
        batched: bool = False,
    ) -> None:
        found = _open(checkpoint)
        self.normalisation = found.normalisation
        self.embodiment = found.normalisation.for_suite(spec)
        self.spec = spec
        self.batched = batched
        self._build(found, steps, device)
        self.needs = Needs(
            cameras=found.normalisation.cameras, image_size=found.normalisation.recorded_size
        )
        self.horizon = self._steps_of(self.config.tau)
        seconds = self.config.execute_s
        wanted = execute or (self.horizon if seconds is None else self._steps_of(seconds))
        if execute is not None and not 1 <= execute <= self.horizon:
            raise PolicyContractError(
                f"execute={execute}, and this checkpoint's chunks have {self.horizon} actions.",
                f"Use 1 to {self.horizon}.",
            )
        self.execute = min(wanted, self.horizon)

    def act(self, batch: Sequence[Observation]) -> NDArray[np.floating[Any]]:
        """(B, H, A) next chunk of each episode."""
        if self.batched:
            return self._chunks(batch)
        return np.concatenate([self._chunks([observation]) for observation in batch])

    # ---- inside --------------------------------------------------------------------------------

    def _build(self, checkpoint: Checkpoint, steps: int | None, device: str) -> None:
        import torch

        from wambench_policies.lawam.model import LaWAM
        from wambench_policies.lawam.runs import LaWAMRun

        config = checkpoint.configuration(LaWAMRun)
        if steps is not None:
            config = config.with_overrides({"denoise_steps": steps})
        self.config = config
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        self.model = LaWAM(config)
        self.model.load_external(trained=True)
        checkpoint.load_into(self.model)
        self.model.eval().requires_grad_(False).to(device)
        self._device = torch.device(device)

    def _steps_of(self, seconds: float) -> int:
        from wambench_policies.data.config import horizon_steps

        return max(1, horizon_steps(seconds, self.spec.control_hz, self.config.rounding))

    def _chunks(self, batch: Sequence[Observation]) -> NDArray[np.float32]:
        """(B, H, A) chunks, computed together."""
        import torch

        from wambench_policies.data.cache import resize

        size = self.normalisation.image_size
        images = np.stack(
            [resize(stack_pixels(batch, camera), size) for camera in self.needs.cameras], axis=1
        )
        states = self.embodiment.state.normalise(stack_states(batch))
        shape = (self.horizon, self.spec.action_dim)
        noise = np.stack([seen.rng.standard_normal(shape, np.float32) for seen in batch])
        tensors = {
            "images": torch.from_numpy(images),
            "state": torch.from_numpy(states),
            "control_hz": torch.full((len(batch),), self.spec.control_hz),
            "embodiment": torch.full((len(batch),), self.embodiment.id),
        }
        inputs: dict[str, Any] = {name: tensor.to(self._device) for name, tensor in tensors.items()}
        inputs["instruction"] = [seen.instruction for seen in batch]
        normalised = self.model.predict(inputs, torch.from_numpy(noise).to(self._device))
        return self.embodiment.action.restore(normalised.float().cpu().numpy())


def _open(folder: str | None) -> Checkpoint:
    """The checkpoint that was asked for, or the shipped one."""
    from wambench_policies.nn.checkpoint import Checkpoint

    if folder is None:
        shipped = SHIPPED / "policy"
        if not shipped.exists():
            raise UsageError(
                "No trained LaWAM is shipped with this version of wambench.",
                "Train one (`wambench train lawam --help`) and give it by --checkpoint.",
            )
        return Checkpoint.open(shipped, method=METHOD, stage="policy")
    if not Path(folder).exists():
        raise UsageError(
            f"There is no checkpoint {folder}.", "Give the folder that `wambench train` wrote."
        )
    return Checkpoint.open(folder, method=METHOD, stage="policy")
