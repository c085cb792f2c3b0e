"""A checkpoint as a wambench policy: what every learned policy does in the same way.

Non-obvious behaviours
    - It asks for pictures at the size at which demonstrations were recorded and makes them smaller
      in the same way as training did; rendering at the smaller size gives other pixels.
    - Observations are computed one by one, because matrix products of a batch differ in their last
      bits from those of its rows, and a result must not depend on which simulators were ready
      together. `batched=true` gives this up for speed; success rates agree then only statistically.
    - A flow's noise comes from each observation's own generator.
    - Importing this module needs no PyTorch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from wambench.errors import PolicyContractError, UsageError
from wambench.protocol import Needs, Observation, Policy, SuiteSpec, stack_pixels, stack_states

if TYPE_CHECKING:
    from torch import Tensor

    from wambench_policies.nn.checkpoint import Checkpoint

Device = Literal["auto", "cpu", "cuda"]
STAGE = "policy"


class CheckpointPolicy(Policy):
    """Base of learned policies.

    A subclass says which method it is and which classes hold its configuration and its network.
    The configuration has `tau`, `rounding` and `execute_s`; the network is an
    `wambench_policies.nn.observer.Observer`.

    Args:
        spec: The suite; must be like the data it was trained on.
        checkpoint: Folder of a checkpoint of stage `policy`; None for the shipped one.
        execute: Actions of a chunk to execute before it looks again; None as the checkpoint says.
        device: `auto` takes an accelerator where there is one.
        batched: Compute all observations together; see the module docstring.
        changes: Values of the checkpoint's configuration to replace, by dotted key.

    Attributes:
        method: Name of the method, as checkpoints have it.
        title: Name of the method, for people.
        shipped: Folder of the checkpoint in the package.
        config: The checkpoint's configuration.
        model: The network, frozen.
        embodiment: Normalisation of the suite's robot.

    Raises:
        UsageError: There is no such checkpoint, or it does not fit.
        PolicyContractError: The suite is not like the training data.
    """

    method: ClassVar[str]
    title: ClassVar[str]
    shipped: ClassVar[Path]  # type: ignore[misc]  # every one of these has one

    def __init__(
        self,
        spec: SuiteSpec,
        checkpoint: str | None,
        *,
        execute: int | None,
        device: Device,
        batched: bool,
        changes: Mapping[str, Any] | None = None,
    ) -> None:
        found = self._open(checkpoint)
        self.normalisation = found.normalisation
        self.embodiment = found.normalisation.for_suite(spec)
        self.spec = spec
        self.batched = batched
        self._build(found, device, changes or {})
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
        return self.embodiment.action.restore(self.normalised_chunks(batch))

    def normalised_chunks(self, batch: Sequence[Observation]) -> NDArray[np.float32]:
        """(B, H, A) next chunk of each episode as the network gives it, mostly in [-1, 1]."""
        if self.batched:
            return self._chunks(batch)
        return np.concatenate([self._chunks([observation]) for observation in batch])

    # ---- what a method decides -----------------------------------------------------------------

    @classmethod
    def types(cls) -> tuple[type[Any], type[Any]]:
        """The classes of configuration and network; may import PyTorch."""
        raise NotImplementedError

    def predict(self, inputs: Mapping[str, Any], batch: Sequence[Observation]) -> Tensor:
        """(B, H, A) normalised chunks.

        Args:
            inputs: As a training batch, without what is to be predicted.
            batch: The observations that they were made of.
        """
        raise NotImplementedError

    # ---- inside --------------------------------------------------------------------------------

    def _open(self, folder: str | None) -> Checkpoint:
        """The checkpoint that was asked for, or the shipped one."""
        from wambench_policies.nn.checkpoint import Checkpoint

        if folder is None and not self.shipped.exists():
            raise UsageError(
                f"No trained {self.title} is shipped with this version of wambench.",
                f"Train one (`wambench train {self.method} --help`) and give it by --checkpoint.",
            )
        if folder is not None and not Path(folder).exists():
            raise UsageError(
                f"There is no checkpoint {folder}.", "Give the folder that `wambench train` wrote."
            )
        return Checkpoint.open(folder or self.shipped, method=self.method, stage=STAGE)

    def _build(self, checkpoint: Checkpoint, device: str, changes: Mapping[str, Any]) -> None:
        from wambench_policies.nn.device import chosen_device

        configuration, network = self.types()
        self.config = checkpoint.configuration(configuration).with_overrides(changes)
        self._device = chosen_device(device)
        self.model = network(self.config)
        self.model.load_external(trained=True)
        checkpoint.load_into(self.model)
        self.model.eval().requires_grad_(False).to(self._device)

    def _steps_of(self, seconds: float) -> int:
        from wambench_policies.data.config import horizon_steps

        return max(1, horizon_steps(seconds, self.spec.control_hz, self.config.rounding))

    def _chunks(self, batch: Sequence[Observation]) -> NDArray[np.float32]:
        """(B, H, A) normalised chunks, computed together."""
        found = self.predict(self.inputs(batch), batch)
        chunks: NDArray[np.float32] = found.float().cpu().numpy()
        return chunks

    def inputs(self, batch: Sequence[Observation]) -> dict[str, Any]:
        """Observations as the network takes them: a training batch without what is to be told."""
        import torch

        from wambench_policies.data.cache import resize

        size = self.normalisation.image_size
        images = np.stack(
            [resize(stack_pixels(batch, camera), size) for camera in self.needs.cameras], axis=1
        )
        states = self.embodiment.state.normalise(stack_states(batch))
        tensors = {
            "images": torch.from_numpy(images),
            "state": torch.from_numpy(states),
            "control_hz": torch.full((len(batch),), self.spec.control_hz),
            "embodiment": torch.full((len(batch),), self.embodiment.id),
        }
        inputs: dict[str, Any] = {name: tensor.to(self._device) for name, tensor in tensors.items()}
        inputs["instruction"] = [seen.instruction for seen in batch]
        return inputs


class FlowPolicy(CheckpointPolicy):
    """Base of policies whose network follows a flow from noise to actions.

    Args:
        spec: See `CheckpointPolicy`.
        checkpoint: See there.
        steps: Euler steps of the flow; None as the checkpoint says.
        execute: See there.
        device: See there.
        batched: See there.

    Raises:
        WambenchError: See there.
    """

    def __init__(
        self,
        spec: SuiteSpec,
        checkpoint: str | None = None,
        steps: int | None = None,
        execute: int | None = None,
        device: Device = "auto",
        batched: bool = False,
    ) -> None:
        changes = {} if steps is None else {"denoise_steps": steps}
        super().__init__(
            spec, checkpoint, execute=execute, device=device, batched=batched, changes=changes
        )

    def predict(self, inputs: Mapping[str, Any], batch: Sequence[Observation]) -> Tensor:
        """(B, H, A) normalised chunks, from each observation's own noise."""
        import torch

        shape = (self.horizon, self.spec.action_dim)
        noise = np.stack([seen.rng.standard_normal(shape, np.float32) for seen in batch])
        chunks: Tensor = self.model.predict(inputs, torch.from_numpy(noise).to(self._device))
        return chunks

    def samples(self, seen: Observation, count: int) -> NDArray[np.floating[Any]]:
        """(count, H, A) chunks that the policy might answer, in the suite's units.

        They share one look: the flow starts from `count` draws of the observation's own generator.
        """
        import torch

        shape = (1, count, self.horizon, self.spec.action_dim)
        noise = torch.from_numpy(seen.rng.standard_normal(shape, np.float32)).to(self._device)
        chunks: Tensor = self.model.predict(self.inputs([seen]), noise)[0]
        return self.embodiment.action.restore(chunks.float().cpu().numpy())
