"""Presets and switches of LaWAM."""

from __future__ import annotations

import pytest

from wambench.errors import UsageError
from wambench_policies.data.config import horizon_steps
from wambench_policies.lawam.config import LaWAMConfig, LaWMConfig


@pytest.mark.parametrize("kind", [LaWMConfig, LaWAMConfig])
def test_both_stages_have_the_three_presets_and_survive_json(kind):
    assert kind.preset_names() == ["paper", "release", "tiny"]
    for name in kind.preset_names():
        config = kind.from_preset(name)
        assert kind.from_json(config.to_json()) == config


def test_the_release_differs_from_the_paper_where_the_facts_say_so():
    assert LaWMConfig.paper().differences(LaWMConfig.release()) == {
        "recon": ("l2", "smooth_l1"),
        "beta": (1e-5, 5e-5),
        "aux": ("state", "delta"),
        "data.horizon_s": (1.2, 1.6),
        "data.rounding": ("round", "floor"),
    }
    differences = LaWAMConfig.paper().differences(LaWAMConfig.release())
    assert {key: v for key, v in differences.items() if not key.startswith("lawm.")} == {
        "expert.time_code": ("input", "per_layer"),
        "data.horizon_s": (1.2, 0.4),
        "data.rounding": ("round", "floor"),
    }


def test_the_tiny_preset_has_the_switches_of_the_method():
    tiny, paper = LaWAMConfig.tiny(), LaWAMConfig.paper()
    switches = "use_lawm distill distill_weight wm_weight teacher pretrain ki insulate_vlm proprio"
    for name in switches.split():
        assert getattr(tiny, name) == getattr(paper, name), name


def test_horizons_are_eight_actions_in_the_release_and_sixteen_in_tiny():
    for config, steps in ((LaWAMConfig.release(), 8), (LaWAMConfig.tiny(), 16)):
        assert horizon_steps(config.data.horizon_s, 20.0, config.data.rounding) == steps
        assert steps <= config.data.chunk


def test_wrong_presets_and_keys_are_errors_that_name_near_ones():
    with pytest.raises(UsageError, match="Did you mean tiny"):
        LaWAMConfig.from_preset("tinny")
    with pytest.raises(UsageError, match=r"Did you mean expert\.time_code"):
        LaWAMConfig.tiny().with_overrides({"expert.time_kode": "none"})
    with pytest.raises(UsageError, match="time_code cannot be 'later'"):
        LaWAMConfig.tiny().with_overrides({"expert.time_code": "later"})


def test_values_that_do_not_fit_each_other_are_refused():
    with pytest.raises(UsageError, match=r"reads images of 128 x 128.* 64 x 64"):
        LaWAMConfig.tiny().with_overrides({"data.image_size": "64,64"})
    with pytest.raises(UsageError, match="must divide"):
        LaWAMConfig.tiny().with_overrides({"aggregation_heads": "3"})


def test_stage_one_is_needed_unless_nothing_is_taken_from_it():
    def needs(**values: str) -> bool:
        return LaWAMConfig.tiny().with_overrides(values).needs_lawm

    assert needs()
    assert needs(distill="false")
    assert needs(pretrain="false")
    assert not needs(distill="false", pretrain="false")
    assert not needs(distill="false", use_lawm="false")
