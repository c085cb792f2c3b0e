"""The world model: a clip from its first frame and a prompt, by flow matching over latents.

    z_t = (1 - t) · start(z_0, ε) + t · z        v = (ẑ - z_t) / (1 - t)

z are a clip's latents and z_0 its first one, which is given and stays as it is. The network tells
ẑ, the clean latents; Euler steps along v lead from noise to a clip.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from wambench.errors import UsageError
from wambench.skills.layout import described
from wambench_policies.nn.flow import flow_times, integrate
from wambench_policies.nn.groups import parameter_groups
from wambench_policies.nn.random import normal
from wambench_policies.world2act.config import CosmosTokenizerConfig, WorldModelConfig
from wambench_policies.world2act.network import build_network
from wambench_policies.world2act.tokenizer import TinyTokenizer, build_tokenizer


class VideoWorldModel(nn.Module):
    """Tokenizer and network.

    Args:
        config: Sizes and switches.

    Attributes:
        tokenizer: Pictures to latents and back, frozen.
        network: See the module docstring.
    """

    def __init__(self, config: WorldModelConfig) -> None:
        super().__init__()
        self.config = config
        self.tokenizer: Any = build_tokenizer(config.tokenizer, len(config.cameras))
        self.network: Any = build_network(
            config.network, self.tokenizer.channels, self.tokenizer.grid
        )

    @property
    def external_prefixes(self) -> tuple[str, ...]:
        """Names of tensors that belong into no checkpoint begin so."""
        tokenizer = (
            ("tokenizer.",) if isinstance(self.config.tokenizer, CosmosTokenizerConfig) else ()
        )
        return (
            *tokenizer,
            *(f"network.{n}" for n in getattr(self.network, "external_prefixes", ())),
        )

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Channels C, frames T, rows h and columns w of a clip's latents."""
        return (self.tokenizer.channels, self.config.latent_frames, *self.tokenizer.grid)

    def load_external(self, *, trained: bool) -> None:
        """Reads public weights.

        Args:
            trained: The network's are in a checkpoint of ours.

        Raises:
            UsageError: They are not there.
        """
        if isinstance(self.config.tokenizer, CosmosTokenizerConfig):
            self.tokenizer.load_weights()
        self.network.load_weights(trained=trained)

    def read(self, prompts: Sequence[str]) -> Any:
        """What prompts say, where several cameras are tiled with words on which is where."""
        cameras = self.config.cameras
        if len(cameras) > 1:
            prompts = [described(prompt, cameras) for prompt in prompts]
        return self.network.read(prompts)

    def start(self, first: Tensor, noise: Tensor) -> Tensor:
        """(B, C, T, h, w) latents at flow time 0, the first frame (B, C, h, w) in its place."""
        begin = self.network.start(first, noise)
        return torch.cat([first.unsqueeze(2), begin[:, :, 1:]], dim=2)

    def clean(self, points: Tensor, time: Tensor, text: Any) -> Tensor:
        """ẑ: the estimate of the clean latents, the first frame as it is."""
        found = self.network(points, time, text).float()
        return torch.cat([points[:, :, :1], found[:, :, 1:]], dim=2)

    def sample(self, first: Tensor, text: Any, noise: Tensor, steps: int) -> Tensor:
        """Imagines clips.

        Args:
            first: (B, C, h, w) latents of first frames.
            text: See `read`.
            noise: (B, C, T, h, w) standard normal.
            steps: Euler steps.

        Returns:
            (B, C, T, h, w).
        """

        def velocity(points: Tensor, time: Tensor) -> Tensor:
            rest = (1 - time)[:, None, None, None, None]
            return (self.clean(points, time, text) - points) / rest

        return integrate(velocity, self.start(first, noise), steps)

    def one_step(self, latents: Tensor, text: Any, noise: Tensor, share: float) -> Tensor:
        """ẑ from real latents (B, C, T, h, w) with a share of noise, by one pass (release)."""
        time = latents.new_full((len(latents),), 1 - share)
        points = share * self.start(latents[:, :, 0], noise) + (1 - share) * latents
        return self.clean(points, time, text)


class WorldModelObjective(nn.Module):
    """Flow matching on clips; see `wambench_policies.data.clips`.

    Args:
        config: Sizes and switches.

    Attributes:
        model: What is kept.
    """

    def __init__(self, config: WorldModelConfig) -> None:
        super().__init__()
        self.config = config
        self.model = VideoWorldModel(config)

    @property
    def external_prefixes(self) -> tuple[str, ...]:
        """Names of tensors that belong into no checkpoint begin so."""
        return tuple(f"model.{name}" for name in self.model.external_prefixes)

    def replaceable_encoder(self) -> TinyTokenizer:
        """The tokenizer whose latents may stand in for pictures in training batches.

        Raises:
            UsageError: It does not see frames one by one, or sees several cameras.
        """
        tokenizer = self.model.tokenizer
        if not isinstance(tokenizer, TinyTokenizer) or len(self.config.cameras) > 1:
            raise UsageError(
                "Latents are computed beforehand only where a tokenizer sees the frames of one "
                "camera one by one.",
                "Set training.cache_tokens=false.",
            )
        return tokenizer

    def latents(self, batch: dict[str, Any]) -> Tensor:
        """(B, C, T, h, w) of clips."""
        if "features" in batch:
            return self.model.tokenizer.from_tokens(batch["features"])
        return self.model.tokenizer.encode_clip(batch["images"])

    def loss(
        self, batch: dict[str, Any], generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss, and scalars.

        `clean` is the squared error of the latents at a random flow time and `copy` that of the
        first frame; in evaluation `wrong` is `clean` with the prompt of another clip of the batch.
        """
        model = self.model
        latents = self.latents(batch)
        noise = normal(latents.shape, generator, latents)
        time = flow_times((len(latents),), generator, latents, alpha=self.config.early)
        t = time[:, None, None, None, None]
        points = (1 - t) * model.start(latents[:, :, 0], noise) + t * latents
        found = model.clean(points, time, model.read(batch["instruction"]))
        error = (found - latents)[:, :, 1:].square()
        clean = error.mean()
        total = clean if self.config.loss == "clean" else (error / (1 - t) ** 2).mean()
        copied = (latents[:, :, :1] - latents)[:, :, 1:].square().mean()
        terms = {"loss": total, "clean": clean, "copy": copied}
        if not self.training:
            prompts = batch["instruction"]
            other = model.clean(points, time, model.read([*prompts[1:], prompts[0]]))
            terms["wrong"] = (other - latents)[:, :, 1:].square().mean()
        return total, {name: value.detach() for name, value in terms.items()}

    def parameter_groups(self) -> list[dict[str, Any]]:
        """One learning rate for the network; the tokenizer is frozen."""
        return parameter_groups([("world", [self.model], 1.0)], self.config.weight_decay)
