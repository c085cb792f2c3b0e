"""The models that the paper compares, by the names it gives them (Tables 2, 3 and 5)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from wambench.errors import UsageError
from wambench_policies.lac_wm.config import AdaptationConfig, Conditioning


@dataclass(frozen=True, slots=True)
class Variant:
    """A model of the paper.

    Attributes:
        title: The paper's name.
        conditioning: What its world model is conditioned on.
        adaptation: Values of `AdaptationConfig` that differ from its defaults.
        plain: Whether it is pretrained without motion decoder and cross-augmentation.
    """

    title: str
    conditioning: Conditioning
    adaptation: dict[str, Any] = field(default_factory=dict)
    plain: bool = False

    @property
    def views(self) -> bool:
        """Whether fine-tuning looks at augmented views, which it does in stage 1."""
        stages = self.adaptation.get("stages", AdaptationConfig().stages)
        return 1 in stages and not self.plain


VARIANTS = {
    "lac_wm": Variant("LAC-WM", "latent"),
    "lac_wm_dft": Variant("LAC-WM-DFT", "latent", {"stages": (3,)}),
    "lac_wm_23": Variant("LAC-WM-(2,3)", "latent", {"stages": (2, 3)}),
    # 40k steps after the first 20k: as many in all as the others (ours).
    "lac_wm_12": Variant(
        "LAC-WM-(1,2)",
        "latent",
        {"stages": (1, 2), "freeze_fdm_in_2": False, "shares": (20.0, 40.0, 0.0)},
    ),
    "lac_wm_md_ca": Variant("LAC-WM-MD-CA", "latent", plain=True),
    "eac_wm": Variant("EAC-WM", "explicit", {"stages": (3,)}),
    "eac_wm_tft": Variant("EAC-WM-TFT", "explicit", {"stages": (2, 3)}),
    "eac_wm_s": Variant(
        "EAC-WM-S", "explicit", {"stages": (3,), "pretrained": False, "lora_rank": 0}
    ),
}
"""What `--variant` of stage finetune takes."""


def variant(name: str) -> Variant:
    """The variant of a name.

    Raises:
        UsageError: There is none.
    """
    if name not in VARIANTS:
        raise UsageError(
            f"There is no variant {name!r} of LAC-WM.", f"There are: {', '.join(VARIANTS)}."
        )
    return VARIANTS[name]
