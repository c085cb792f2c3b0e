"""Chunks of actions to latents: LAC-WM's action projector and EAC-WM's action encoders.

Both are Linear, LN, GELU, Linear, LN over the actions of a chunk one after the other; with the
projector's published count of 1,550,528 parameters the input is 5 x 138 and the width between 2048
(facts A.1; the activation is ours). The projector has one room for all embodiments, in which a
narrower action is padded with zeros; action encoders have each embodiment's own width.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from wambench.errors import UsageError
from wambench_policies.lac_wm.config import DynamicsConfig
from wambench_policies.nn.embodiment import padded_to


class ChunkEncoder(nn.Sequential):
    """One network; see the module docstring.

    Args:
        inputs: Numbers of a chunk.
        hidden: Width between.
        outputs: Width of the latent.
    """

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__(
            nn.Linear(inputs, hidden),
            nn.LayerNorm(hidden),
            nn.GELU(),
            nn.Linear(hidden, outputs),
            nn.LayerNorm(outputs),
        )


class ActionEncoder(nn.Module):
    """A chunk encoder for each embodiment.

    Args:
        config: Sizes.
        widths: Embodiment's number in batches to the width of its actions.
    """

    def __init__(self, config: DynamicsConfig, widths: Mapping[int, int]) -> None:
        super().__init__()
        self.config = config
        self.widths = dict(widths)
        self.networks = nn.ModuleDict(
            {
                str(number): ChunkEncoder(
                    config.chunk * self._room(width), config.proj_hidden, config.latent_dim
                )
                for number, width in self.widths.items()
            }
        )

    def _room(self, width: int) -> int:
        config = self.config
        native = config.conditioning == "explicit" or config.proj_input == "native"
        return width if native else config.proj_width

    def forward(self, actions: Tensor, embodiment: Tensor) -> Tensor:
        """Latents of chunks.

        Args:
            actions: (B, T, P, A) normalised; columns beyond an embodiment's width are not read.
            embodiment: (B,) numbers.

        Returns:
            (B, T, Z).

        Raises:
            UsageError: A chunk of another length, or an embodiment that it does not know.
        """
        if actions.shape[2] != self.config.chunk:
            raise UsageError(
                f"A latent action spans {self.config.chunk} actions, got {actions.shape[2]}."
            )
        out = actions.new_zeros(*actions.shape[:2], self.config.latent_dim)
        for number in embodiment.unique().tolist():
            if number not in self.widths:
                raise UsageError(
                    f"The model knows the embodiments {sorted(self.widths)}, not {number}."
                )
            mine = embodiment == number
            width = self.widths[number]
            chunk = padded_to(actions[mine][..., :width], self._room(width), "actions").flatten(2)
            latent = self.networks[str(number)](chunk)
            out = out.to(latent.dtype).index_put((mine.nonzero().squeeze(1),), latent)
        return out
