"""Fine-tuning: which parameters each variant of the paper trains, stage by stage."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="LAC-WM needs torch")

from pydantic import ValidationError  # noqa: E402

from lac_wm_support import WIDTH, adaptation, batch, small_config, woken  # noqa: E402
from wambench.errors import UsageError  # noqa: E402
from wambench_policies.lac_wm.adaptation import AdaptationObjective, phases  # noqa: E402
from wambench_policies.lac_wm.config import AdaptationConfig  # noqa: E402
from wambench_policies.lac_wm.model import PretrainedWorldModel  # noqa: E402
from wambench_policies.lac_wm.variants import VARIANTS, variant  # noqa: E402

LATENT = {"idm:lora0", "fdm:lora0"}
PROJECT = {"actions"}
JOINT = {"actions", "fdm:lora0"}
TRAINED = {
    "lac_wm": {1: LATENT, 2: PROJECT, 3: JOINT},
    "lac_wm_md_ca": {1: LATENT, 2: PROJECT, 3: JOINT},
    "lac_wm_dft": {3: JOINT},
    "lac_wm_23": {2: PROJECT, 3: JOINT},
    "lac_wm_12": {1: LATENT, 2: JOINT},
    "eac_wm": {3: JOINT},
    "eac_wm_tft": {2: PROJECT, 3: JOINT},
    "eac_wm_s": {3: {"actions", "fdm:whole"}},
}


def objective(name: str, **changes: object) -> AdaptationObjective:
    chosen = variant(name)
    config = small_config(conditioning=chosen.conditioning, cross_aug=not chosen.plain)
    torch.manual_seed(0)
    adapted = adaptation(**(chosen.adaptation | changes))
    return AdaptationObjective(config, adapted, {1: WIDTH}, steps=60)


def trainable(one: AdaptationObjective) -> set[str]:
    """Parts of which every tensor is trained; a part that is trained half is an error."""
    found = {}
    for name, parameter in one.model.named_parameters():
        part, _, rest = name.partition(".")
        if ".lora_" in name:
            part += f":lora{rest.rpartition('.')[2]}"
        elif part == "fdm":
            part += ":whole" if not one.adaptation.lora_rank else ":frozen"
        found.setdefault(part, set()).add(parameter.requires_grad)
    assert all(len(kinds) == 1 for kinds in found.values())
    return {part for part, kinds in found.items() if True in kinds}


def test_every_variant_of_the_paper_is_held_to_its_parameters() -> None:
    assert set(TRAINED) == set(VARIANTS)


@pytest.mark.parametrize("name", sorted(TRAINED))
def test_each_stage_of_a_variant_trains_exactly_its_parameters(name: str) -> None:
    one = objective(name)
    assert {phase.stage for phase in one.phases} == set(TRAINED[name])
    ever = set().union(*TRAINED[name].values())
    assert trainable(one) == ever
    in_optimiser = {id(p) for group in one.parameter_groups() for p in group["params"]}
    assert in_optimiser == {id(p) for p in one.parameters() if p.requires_grad}
    for phase in one.phases:
        one.begin_step(phase.first)
        assert trainable(one) == TRAINED[name][phase.stage]
        one.zero_grad()
        for adapter in one.model.fdm.parameters():
            if not adapter.any():
                torch.nn.init.normal_(adapter, std=0.1)
        one.loss(batch(), torch.Generator().manual_seed(0))[0].backward()
        graded = {n for n, p in one.named_parameters() if p.grad is not None}
        wanted = {n for n, p in one.named_parameters() if p.requires_grad}
        assert graded == wanted


@pytest.mark.parametrize("name", sorted(TRAINED))
def test_a_variant_knows_whether_it_looks_at_augmented_views(name: str) -> None:
    """Without them tokens may be computed once and for all."""
    one = objective(name)
    if variant(name).views:
        with pytest.raises(UsageError, match="augmented anew"):
            one.replaceable_encoder()
    else:
        assert one.replaceable_encoder() is one.model.encoder


def test_the_papers_lengths_are_kept_in_proportion() -> None:
    firsts = [(phase.stage, phase.first) for phase in phases(AdaptationConfig(), 60_000)]
    assert firsts == [(1, 0), (2, 20_000), (3, 25_000)]
    short = [(phase.stage, phase.first) for phase in phases(objective("lac_wm_12").adaptation, 60)]
    assert short == [(1, 0), (2, 20)]
    with pytest.raises(UsageError, match="6 steps are too few"):
        phases(AdaptationConfig(), 6)


def test_new_adapters_in_stage_3_leave_those_of_stage_1_as_they_are() -> None:
    one = objective("lac_wm", adapters="new")
    one.begin_step(30)
    assert trainable(one) == {"actions", "fdm:lora1"}
    one.begin_step(0)
    assert trainable(one) == LATENT


@pytest.mark.parametrize("name", ["lac_wm", "eac_wm"])
def test_a_model_about_to_be_adapted_is_the_pretrained_one(name: str) -> None:
    from wambench_policies.lac_wm.train import load_world

    chosen = variant(name)
    config = small_config(conditioning=chosen.conditioning, cross_aug=not chosen.plain)
    torch.manual_seed(1)
    world = PretrainedWorldModel(config, {1: 4})
    woken(world)

    class Folder:
        folder = "world"

        def tensors(self) -> dict[str, torch.Tensor]:
            return world.state_dict()

    model = objective(name).model
    load_world(model, Folder())
    x, z = torch.randn(2, 3, 4, 16), torch.randn(2, 3, 8)
    torch.testing.assert_close(model.fdm(x, z), world.fdm(x, z))
    if world.idm is not None:
        assert model.idm is not None
        torch.testing.assert_close(model.idm(x), world.idm(x))


def test_merged_adapters_compute_the_same() -> None:
    model = objective("lac_wm", adapters="new").model
    woken(model)
    x, z = torch.randn(2, 3, 4, 16), torch.randn(2, 3, 8)
    before = model.fdm(x, z)
    model.merge_adapters()
    assert not any(".lora_" in name for name, _ in model.named_parameters())
    torch.testing.assert_close(model.fdm(x, z), before, atol=1e-5, rtol=1e-4)


def test_stages_that_cannot_be_are_refused() -> None:
    for wrong in (
        {"stages": (1,)},
        {"stages": (3, 2)},
        {"lora_rank": 0},
        {"shares": (0.0, 5.0, 35.0)},
    ):
        with pytest.raises(ValidationError):
            AdaptationConfig(**wrong)
