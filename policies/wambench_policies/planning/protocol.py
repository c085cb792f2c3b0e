"""What a planner asks of world models. Importing this needs no PyTorch.

Any class with these members plans; nothing is to be derived from. A package offers its world model
by an entry point, `factory(spec, checkpoint=..., device=...)`:

    [project.entry-points."wambench.world_models"]
    my_model = "my_package.world:load"

and `--policy planner --policy-arg imagination=my_model --checkpoint FOLDER` plans with it, as does
`imagination=path/to/file.py:Class` without an entry point.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor


@runtime_checkable
class WorldModel(Protocol):
    """Imagines in a feature space.

    Actions are in the suite's units, as policies give them: normalising is the model's affair.

    May also have: `recorded_size` (height and width at which pictures are to be rendered),
    `image_size` (side to which they are then made smaller for `encode`, else they come as
    rendered), `camera` (through which it was trained to look), `digest()` (text that identifies its
    features).

    Attributes:
        chunk: Actions per step of a rollout.
        control_hz: Control frequency in Hz of those actions.
    """

    chunk: int
    control_hz: float

    def encode(self, images: Tensor) -> Tensor:
        """(B, H, W, 3) uint8 pictures, row 0 at the top, to tokens (B, N, D)."""
        ...

    def rollout(self, tokens: Tensor, actions: Tensor) -> Tensor:
        """What is to be seen after every chunk of each candidate.

        Args:
            tokens: (B, N, D) of the present picture.
            actions: (B, K, P, A) K candidates of P actions each; P is a multiple of `chunk`.

        Returns:
            (B, K, P // chunk, N, D).
        """
        ...


@runtime_checkable
class Costable(Protocol):
    """A world model with an objective inside, as stable-worldmodel's solvers take it.

    May also have `action_block`, the actions that are joined into one (default 1), and
    `image_size`.
    """

    def get_cost(self, info_dict: dict[str, Any], action_candidates: Tensor) -> Tensor:
        """Costs (B, S) of action sequences (B, S, P / action_block, A * action_block)."""
        ...
