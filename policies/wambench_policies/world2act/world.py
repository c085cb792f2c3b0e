"""A trained world model as the later stages and people use it: a picture and prompts to videos.

    world = VideoWorld.load("ckpt/world")
    rollout = world.rollout(images, [["turn on the stove", "put the moka pot on the stove"]] * B,
                            seeds=range(B))
    rollout.latents                  # (B, K, C, T, h, w), K clips of T latents
    world.decode(rollout.joined())   # (B, frames, H, W, 3) uint8

A clip has a fixed length. A rollout is as long as there are prompts: the last frame of a clip is
the first of the next one, which its own prompt goes on from. `wm=base` knows instructions in place
of prompts; it goes on under the same one (`prompts` gives it so).

Non-obvious behaviours
    - What is imagined for a picture follows from it, its prompts and its seed, not from what else
      is in the batch.
    - Everything runs in inference mode, in bfloat16 on an accelerator and in float32 on a CPU.
    - On a CPU every core imagines clips of its own: see `wambench_policies.nn.threads`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wambench.errors import PolicyContractError, UsageError
from wambench.skills.instructions import split_instruction
from wambench.skills.layout import tiled
from wambench_policies.data.cache import resize
from wambench_policies.nn.checkpoint import Checkpoint
from wambench_policies.nn.device import chosen_device
from wambench_policies.nn.normalise import Normalisation
from wambench_policies.nn.random import draw_seed, normal
from wambench_policies.nn.threads import core_by_core
from wambench_policies.world2act.model import VideoWorldModel
from wambench_policies.world2act.runs import WorldModelRun
from wambench_policies.world2act.train import METHOD

BATCH = {"cuda": 16, "cpu": 4}
"""Clips that go through the network together; of a CPU's batches each core has another."""


@dataclass(frozen=True)
class Rollout:
    """What is imagined for B pictures and K prompts each.

    Attributes:
        latents: (B, K, C, T, h, w); the first of a clip are the last of the clip before it.
        stride: Control steps from one latent to the next.
    """

    latents: Tensor
    stride: int

    @property
    def steps(self) -> int:
        """Control steps that are imagined."""
        clips, frames = self.latents.shape[1], self.latents.shape[3]
        return clips * (frames - 1) * self.stride

    def joined(self) -> Tensor:
        """(B, C, K (T - 1) + 1, h, w): every moment once."""
        clips = self.latents.unbind(1)
        return torch.cat([clips[0], *(clip[:, :, 1:] for clip in clips[1:])], dim=2)


def load_model(checkpoint: Checkpoint) -> VideoWorldModel:
    """The network of a checkpoint of stage worldmodel, with its weights, in evaluation."""
    model = VideoWorldModel(checkpoint.configuration(WorldModelRun).model_part())
    checkpoint.load_into(model)
    model.load_external(trained=True)
    return model.eval().requires_grad_(False)


class VideoWorld:
    """See the module docstring.

    Args:
        model: The network.
        normalisation: Of its checkpoint.
        device: Where it runs.

    Attributes:
        config: Of the network.
        cameras: Through which it was trained to look.
        normalisation: As above.
    """

    def __init__(
        self, model: VideoWorldModel, normalisation: Normalisation, device: torch.device
    ) -> None:
        self.model = model.to(device)
        self.config = model.config
        self.cameras = normalisation.cameras
        self.normalisation = normalisation
        self.device = device

    @classmethod
    def load(cls, checkpoint: str, *, device: Literal["auto", "cpu", "cuda"] = "auto") -> Self:
        """Reads a checkpoint of stage worldmodel.

        Raises:
            UsageError: There is none.
        """
        found = Checkpoint.open(checkpoint, method=METHOD, stage="worldmodel")
        return cls(load_model(found), found.normalisation, chosen_device(device))

    def prompts(self, instruction: str, clips: int | None = None) -> tuple[str, ...]:
        """What clips of a rollout of an instruction are told.

        Args:
            instruction: Of a task.
            clips: How many there are; None for one per skill. With skills it is an error to ask
                for another number than there are.

        Raises:
            UsageError: The number does not fit.
            WambenchError: The rules of `wambench.skills` cannot split the instruction.
        """
        if self.config.wm == "base":
            return (instruction,) * (clips or 1)
        found = tuple(prompt.text for prompt in split_instruction(instruction))
        if clips not in (None, len(found)):
            raise UsageError(
                f"{instruction!r} is split into {len(found)} skills, not {clips}.",
                "Leave the number out, or give prompts of your own.",
            )
        return found

    def prepared(self, views: NDArray[np.uint8]) -> Tensor:
        """Pictures as the tokenizer takes them.

        Args:
            views: (..., V, H, W, 3) uint8 of the cameras, at the size at which demonstrations were
                recorded or the model's own.

        Returns:
            (..., H, W, 3) uint8, tiled where there are several cameras.

        Raises:
            PolicyContractError: They have another size, type or number.
        """
        sizes = {self.normalisation.recorded_size, self.normalisation.image_size}
        views = np.asarray(views)
        if (
            views.ndim < 4
            or views.dtype != np.uint8
            or views.shape[-3:-1] not in sizes
            or views.shape[-4] != len(self.cameras)
        ):
            wanted = " or ".join(f"{height} x {width}" for height, width in sorted(sizes))
            raise PolicyContractError(
                f"The world model looks at {', '.join(self.cameras)}, pictures of {wanted} uint8; "
                f"got {views.shape} {views.dtype}.",
                "Render at the size at which its demonstrations were recorded.",
            )
        small = resize(views, self.normalisation.image_size)
        shown = [small[..., i, :, :, :] for i in range(len(self.cameras))]
        frames = shown[0] if len(shown) == 1 else tiled(shown)
        return torch.from_numpy(np.ascontiguousarray(frames))

    def encode(self, frames: Tensor) -> Tensor:
        """(B, F, H, W, 3) uint8 frames, from `prepared`, to (B, C, T, h, w) latents."""

        def encoded(some: slice) -> Tensor:
            latents: Tensor = self.model.tokenizer.encode_clip(frames[some].to(self.device))
            return latents.float()

        return self._by_batches(encoded, len(frames))

    def decode(self, latents: Tensor) -> NDArray[np.uint8]:
        """(B, C, T, h, w) latents of a clip to (B, F, H, W, 3) frames.

        Several clips of the tiny model may be given at once (`Rollout.joined`); those of Cosmos'
        tokenizer begin with a latent of their own and are decoded one by one.
        """

        def decoded(some: slice) -> Tensor:
            frames: Tensor = self.model.tokenizer.decode_clip(latents[some].to(self.device))
            return frames

        return self._by_batches(decoded, len(latents)).cpu().numpy()

    def imagine(
        self, first: Tensor, prompts: Sequence[str], seeds: Sequence[int], *, number: int = 0
    ) -> Tensor:
        """One clip for each first frame.

        Args:
            first: (B, C, h, w) latents of first frames.
            prompts: B of them.
            seeds: B of them; equal seeds draw equal noise.
            number: Which clip of a rollout it is, from 0; each draws its own.

        Returns:
            (B, C, T, h, w) latents.

        Raises:
            PolicyContractError: Their numbers differ.
        """
        if not len(first) == len(prompts) == len(seeds):
            raise PolicyContractError(
                f"{len(first)} first frames have {len(prompts)} prompts and {len(seeds)} seeds.",
                "Give as many of each.",
            )

        def sampled(some: slice) -> Tensor:
            start = first[some].to(self.device)
            text = self.model.read(list(prompts[some]))
            noise = self._noise(seeds[some], number)
            return self.model.sample(start, text, noise, self.config.steps).float()

        return self._by_batches(sampled, len(first))

    def rollout(
        self,
        frames: Tensor,
        prompts: Sequence[Sequence[str]],
        seeds: Sequence[int],
    ) -> Rollout:
        """Clips end to end, one per prompt.

        Args:
            frames: (B, H, W, 3) uint8 first frames, from `prepared`.
            prompts: B sequences of K prompts.
            seeds: B of them.

        Raises:
            PolicyContractError: Numbers of prompts differ, or there are none.
        """
        counts = {len(each) for each in prompts}
        if len(counts) != 1 or 0 in counts:
            raise PolicyContractError(
                f"Pictures of one rollout have {sorted(counts)} prompts.",
                "Give each the same number, at least one; roll out the others apart.",
            )
        first = self.encode(frames[:, None])[:, :, 0]
        clips: list[Tensor] = []
        for number, each in enumerate(zip(*prompts, strict=True)):
            clips.append(self.imagine(first, each, seeds, number=number))
            first = self._last_frames(clips[-1])
        return Rollout(torch.stack(clips, dim=1), self.config.tokenizer.stride)

    def latents(self, frames: Tensor, prompts: Sequence[str], seeds: Sequence[int]) -> Tensor:
        """What alignment is given for real clips, as `config.latents` says.

        Args:
            frames: (B, F, H, W, 3) uint8 clips, from `prepared`; where `sampled`, all but the
                first frame may be missing.
            prompts: B of them.
            seeds: B of them.

        Returns:
            (B, C, T, h, w): sampled from the clips' first frames, or by one pass from the noised
            clips.
        """
        if self.config.latents == "sampled":
            return self.imagine(self.encode(frames[:, :1])[:, :, 0], prompts, seeds)
        real = self.encode(frames)

        def passed(some: slice) -> Tensor:
            text = self.model.read(list(prompts[some]))
            noise = self._noise(seeds[some])
            return self.model.one_step(real[some], text, noise, self.config.noise).float()

        return self._by_batches(passed, len(frames))

    def _last_frames(self, clips: Tensor) -> Tensor:
        def last(some: slice) -> Tensor:
            frame: Tensor = self.model.tokenizer.last_frame(clips[some])
            return frame.float()

        return self._by_batches(last, len(clips))

    def _by_batches(self, call: Callable[[slice], Tensor], count: int) -> Tensor:
        """What a call computes of some samples, for all of them.

        Layers of few samples, too, are rounded otherwise by one thread than by several, on some
        processors: so that nothing depends on how many there are, each batch has one.
        """
        size = BATCH.get(self.device.type, BATCH["cuda"])

        def computed(begin: int) -> Tensor:
            with torch.inference_mode(), self._precision():
                return call(slice(begin, begin + size))

        return torch.cat(core_by_core(computed, range(0, count, size), self.device))

    def _noise(self, seeds: Sequence[int], number: int = 0) -> Tensor:
        """(B, C, T, h, w) standard normal, each sample from its own generator."""
        like = torch.zeros((), device=self.device)
        generators = [torch.Generator().manual_seed(draw_seed(seed, number)) for seed in seeds]
        return torch.stack([normal(self.model.shape, each, like) for each in generators])

    def _precision(self) -> Any:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type != "cpu")
