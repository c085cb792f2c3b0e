"""Qwen3-VL through transformers, cut after its first layers: the backbone of LaWAM.

The language-model head is not there; learned queries stand where the released code puts
placeholder tokens.

Non-obvious behaviours
    - transformers' image processor for this model needs torchvision. What it does to an image whose
      size needs no change is a normalisation and a reshaping, done here (a test compares the two).
    - Positions are three-dimensional (time, height, width) and computed here, because the model
      cannot tell from embeddings where its images are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from wambench.errors import UsageError
from wambench_policies.nn.language.base import BackboneOutput, Segment, causal_mask, joined
from wambench_policies.nn.language.config import Qwen3VLConfig

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase
    from transformers import Qwen3VLConfig as ModelConfig

MERGE = 2
"""Side of the square of patches that becomes one visual token."""

FRAMES = 2
"""Frames of a temporal patch; a still image is repeated."""


def model_config(config: Qwen3VLConfig) -> ModelConfig:
    """The configuration in the words of transformers."""
    from transformers import Qwen3VLConfig as ModelConfig

    return ModelConfig(
        text_config={
            "vocab_size": config.vocabulary,
            "hidden_size": config.dim,
            "intermediate_size": config.hidden,
            "num_hidden_layers": config.layers,
            "num_attention_heads": config.heads,
            "num_key_value_heads": config.key_value_heads,
            "head_dim": config.head_dim,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": config.rope_theta,
                "mrope_section": list(config.rope_sections),
                "mrope_interleaved": True,
            },
        },
        vision_config={
            "depth": config.vision_layers,
            "hidden_size": config.vision_dim,
            "intermediate_size": config.vision_hidden,
            "num_heads": config.vision_heads,
            "patch_size": config.patch,
            "spatial_merge_size": MERGE,
            "temporal_patch_size": FRAMES,
            "out_hidden_size": config.dim,
            "deepstack_visual_indexes": list(config.deepstack),
        },
        tie_word_embeddings=True,
    )


def patches(images: Tensor, patch: int) -> Tensor:
    """Flat patches in the order that the vision tower wants.

    Args:
        images: (M, H, W, 3) uint8 or float in [0, 255].
        patch: Side of a patch.

    Returns:
        (M · H/patch · W/patch, 3 · 2 · patch²) in [-1, 1]: squares of 2 x 2 patches follow each
        other, in each of them row by row.
    """
    count, height, width = images.shape[:3]
    rows, columns = height // patch // MERGE, width // patch // MERGE
    pixels = images.movedim(-1, 1).float() / 127.5 - 1.0
    cut = pixels.reshape(count, 3, rows, MERGE, patch, columns, MERGE, patch)
    cut = cut.permute(0, 2, 5, 3, 6, 1, 4, 7)
    return cut.unsqueeze(6).expand(*cut.shape[:6], FRAMES, -1, -1).flatten(5).flatten(0, 4)


def positions(segments: Sequence[Segment]) -> Tensor:
    """Positions (3, B, L) in time, height and width of consecutive segments.

    A text token is one further than the one before it on all three axes. The tokens of an image
    share their time and count rows and columns from there; what follows continues after the longer
    side. Padding counts for nothing.
    """
    batch, device = len(segments[0].tokens), segments[0].tokens.device
    start = torch.zeros(batch, dtype=torch.long, device=device)
    axes: list[Tensor] = []
    for segment in segments:
        if segment.grid is None:
            count = segment.tokens.shape[1]
            steps = torch.arange(count, device=device).expand(3, batch, -1)
            length = count if segment.valid is None else segment.valid.sum(1)
        else:
            rows, columns = segment.grid
            cell = torch.arange(rows * columns, device=device)
            steps = torch.stack([torch.zeros_like(cell), cell // columns, cell % columns])
            steps = steps[:, None].expand(-1, batch, -1)
            length = max(segment.grid)
        axes.append(steps + start[None, :, None])
        start = start + length
    return torch.cat(axes, dim=2)


class Qwen3VLBackbone(nn.Module):
    """See the module docstring.

    Args:
        config: Sizes, and where the weights are. The weights themselves are read by
            `load_weights`, so that the module can be built without them.
        tokenizer: Text to ids; None until `load_weights` has read it.
    """

    uses_features = False

    def __init__(
        self, config: Qwen3VLConfig, tokenizer: PreTrainedTokenizerBase | None = None
    ) -> None:
        from transformers import Qwen3VLModel

        super().__init__()
        self.config = config
        self.dim = config.dim
        self.tokenizer = tokenizer
        self.model = Qwen3VLModel(model_config(config))
        if not config.train_vision:
            self.model.visual.requires_grad_(False)
        self.latent_queries = nn.Parameter(torch.randn(config.latent_queries, config.dim) * 0.02)
        self.action_queries = nn.Parameter(torch.randn(config.action_queries, config.dim) * 0.02)

    def load_weights(self) -> None:
        """Reads the first layers and the tokenizer from the hub's cache, the hub, or a folder.

        Raises:
            UsageError: They are not there, or are those of another model.
        """
        from transformers import Qwen3VLModel

        with _readable(self.config.source):
            loaded, report = Qwen3VLModel.from_pretrained(
                self.config.source, config=model_config(self.config), output_loading_info=True
            )
        missing = sorted(report["missing_keys"])
        if missing or report["mismatched_keys"]:
            unlike = [*missing, *map(str, report["mismatched_keys"])]
            raise UsageError(
                f"{self.config.source} is another model than the configuration says: "
                f"{len(unlike)} tensors are missing or of another shape, the first is {unlike[0]}.",
                "Use Qwen3-VL-2B-Instruct, or change the backbone's sizes.",
            )
        self.model.load_state_dict(loaded.state_dict())
        self.load_tokenizer()

    def load_tokenizer(self) -> None:
        """Reads the tokenizer from the hub's cache, the hub, or a folder.

        Raises:
            UsageError: It is not there.
        """
        from transformers import AutoTokenizer

        with _readable(self.config.source):
            self.tokenizer = AutoTokenizer.from_pretrained(self.config.source)

    def forward(
        self, images: Tensor, features: Tensor | None, instructions: Sequence[str]
    ) -> BackboneOutput:
        """See `wambench_policies.nn.language.base.Backbone`."""
        batch, cameras, height, width = images.shape[:4]
        side = self.config.patch * MERGE
        if height % side or width % side:
            raise UsageError(
                f"Qwen3-VL reads images with sides that are multiples of {side}, "
                f"got {height} x {width}."
            )
        visual, deepstack = self._see(images)
        seen = [
            self._framed(Segment(visual[:, i], grid=(height // side, width // side)))
            for i in range(cameras)
        ]
        queries = [
            [Segment(q.expand(batch, -1, -1))] for q in (self.latent_queries, self.action_queries)
        ]
        before = [*seen[0], self._text(instructions), *queries[0]]
        after = [
            *(segment for framed in seen[1:] for segment in framed),
            self._text([self.config.policy_text] * batch),
            *queries[1],
        ]
        segments = [*before, *after]
        tokens, valid = joined(segments)
        is_visual = torch.cat(
            [
                torch.full(s.tokens.shape[:2], s.grid is not None, device=tokens.device)
                for s in segments
            ],
            dim=1,
        )
        hidden = self._read(tokens, valid, positions(segments), is_visual, deepstack)
        end = sum(segment.tokens.shape[1] for segment in before)
        return BackboneOutput(
            hidden=hidden,
            valid=valid,
            latent_end=end,
            latent=hidden[:, end - self.config.latent_queries : end],
            action=hidden[:, -self.config.action_queries :],
        )

    def _see(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Visual tokens (B, C, N, D), and what is added to them after the first layers.

        The latter are (B · C · N, D), in the order in which visual tokens stand in the batch.
        """
        batch, cameras, height, width = images.shape[:4]
        flat = patches(images.flatten(0, 1), self.config.patch)
        one = [1, height // self.config.patch, width // self.config.patch]
        grid = torch.tensor([one] * (batch * cameras))
        if images.is_meta:
            places = _grid_tensors(self.model.visual, grid)
            out = self.model.visual(flat, grid_thw=grid, return_dict=True, **places)
        else:
            out = self.model.visual(flat, grid_thw=grid.to(images.device), return_dict=True)
        visual = out.pooler_output.unflatten(0, (batch, cameras, -1))
        return visual, list(out.deepstack_features)

    def _read(
        self,
        tokens: Tensor,
        valid: Tensor,
        places: Tensor,
        is_visual: Tensor,
        deepstack: list[Tensor],
    ) -> Tensor:
        """Hidden states (B, L, D) after the last kept layer and the final norm."""
        if tokens.is_meta:
            # Neither padding nor the places of images can be read there; shapes are the same.
            return self.model.language_model(
                inputs_embeds=tokens,
                attention_mask=causal_mask(valid),
                position_ids=places,
                use_cache=False,
            ).last_hidden_state
        return self.model.language_model(
            inputs_embeds=tokens,
            attention_mask=valid,
            position_ids=places,
            use_cache=False,
            visual_pos_masks=is_visual,
            deepstack_visual_embeds=deepstack,
        ).last_hidden_state

    def _framed(self, image: Segment) -> list[Segment]:
        """An image between the tokens that begin and end it."""
        batch, device = len(image.tokens), image.tokens.device
        ids = torch.tensor(self.config.image_frame, device=device)
        start, end = self._embedded(ids.expand(batch, -1)).split(1, dim=1)
        return [Segment(start), image, Segment(end)]

    def _text(self, texts: Sequence[str]) -> Segment:
        if self.tokenizer is None:
            raise UsageError(
                "Qwen3-VL has no tokenizer.", "Load its weights, or give a tokenizer when building."
            )
        ids = [self.tokenizer.encode(text, add_special_tokens=False) for text in texts]
        length = max(map(len, ids))
        device = self.latent_queries.device
        padded = torch.tensor([row + [0] * (length - len(row)) for row in ids], device=device)
        count = torch.tensor([len(row) for row in ids], device=device)
        valid = torch.arange(length, device=device) < count[:, None]
        return Segment(self._embedded(padded), valid)

    def _embedded(self, ids: Tensor) -> Tensor:
        return self.model.language_model.embed_tokens(ids)


@contextmanager
def _readable(source: str) -> Iterator[None]:
    """Turns what transformers raises into an error that says what to do."""
    try:
        yield
    except (OSError, ValueError, RuntimeError) as error:
        raise UsageError(
            f"Qwen3-VL cannot be read from {source}: {str(error).strip().splitlines()[0]}",
            "Connect to the Hugging Face hub, or set the backbone's source to a folder that "
            "holds config.json, the weights and the tokenizer of Qwen3-VL-2B-Instruct.",
        ) from error


def _grid_tensors(tower: nn.Module, grid: Tensor) -> dict[str, Tensor]:
    """What the vision tower works out from the numbers in `grid`, for the meta device.

    There it cannot read any numbers, so they are computed on the CPU and handed in.
    """
    from transformers import vision_utils

    merge = tower.spatial_merge_size
    indices, weights = vision_utils.get_vision_interpolation_indices_and_weights(
        grid, num_grid_per_side=tower.num_grid_per_side, spatial_merge_size=merge
    )
    return {
        "interp_indices": indices.to("meta"),
        "interp_weights": weights.to("meta"),
        "position_ids": vision_utils.get_vision_position_ids(grid, merge).to("meta"),
        "cu_seqlens": vision_utils.get_vision_cu_seqlens(grid),
    }
