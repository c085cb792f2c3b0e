"""The checkpoints in the package: they load, act, and are the ones that were measured."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="learned policies need torch")

from learned_support import observation  # noqa: E402
from support import Run  # noqa: E402
from wambench.protocol import Policy, SuiteSpec  # noqa: E402
from wambench.registry import build_policy, find_policy, load_suite  # noqa: E402
from wambench.report.summary import summarise_run  # noqa: E402
from wambench.results.provenance import checkpoint_digest  # noqa: E402
from wambench.results.run import RunDirectory  # noqa: E402
from wambench_policies.imitation.runs import ACTRun, FlowBCRun  # noqa: E402
from wambench_policies.lac_wm.world import SHIPPED, LACWorldModel  # noqa: E402
from wambench_policies.lawam.runs import LaWMRun  # noqa: E402
from wambench_policies.nn.checkpoint import Checkpoint  # noqa: E402
from wambench_policies.nn.encoders.build import build_encoder  # noqa: E402
from wambench_policies.training.encoders import (  # noqa: E402
    SHIPPED_ENCODER,
    encoder_source,
    load_encoder,
)
from wambench_policies.world2act.align.config import AlignRun  # noqa: E402
from wambench_policies.world2act.align.model import world_of  # noqa: E402
from wambench_policies.world2act.policy import SHIPPED_ALIGN, SHIPPED_WORLD  # noqa: E402

ROOT = Path(__file__).parents[2]
LIBERO = ("libero_object", "libero_spatial", "libero_goal", "libero_long")
BFA = ("bfa_unseen_instances", "bfa_unseen_categories")
CORRECTED = ("libero_goal", "libero_long")
SUITES = {"lawam": LIBERO, "flow_bc": LIBERO, "act": LIBERO, "vla": BFA, "world2act": CORRECTED}
WORLDS = ("lac_wm", "eac_wm", "eac_wm_s")
PARTS = {"encoder": SHIPPED_ENCODER, "world": SHIPPED_WORLD, "align": SHIPPED_ALIGN}
PARTS |= {name: SHIPPED.parent / name for name in WORLDS}
METHODS = {"encoder": "lawam", "world": "world2act", "align": "world2act"}
METHODS |= dict.fromkeys(WORLDS, "lac_wm")
CHUNKS = {"lawam": 16, "flow_bc": 16, "act": 16, "vla": 30, "world2act": 4}


def spec_of(name: str, suite: str | None = None) -> SuiteSpec:
    """One of the suites that a policy was trained for."""
    return load_suite(suite or SUITES[name][0], "embedded").spec


def built(name: str, suite: str | None = None) -> Policy:
    """A policy with its shipped checkpoint."""
    return build_policy(find_policy(name), spec_of(name, suite), {})


@pytest.mark.parametrize("name", SUITES)
def test_a_shipped_policy_acts(name: str) -> None:
    policy, spec = built(name), spec_of(name)
    assert policy.needs.image_size == (128, 128)
    rng = np.random.default_rng(0)
    pixels = {c: rng.integers(0, 256, (128, 128, 3), np.uint8) for c in policy.needs.cameras}
    state = np.zeros(len(spec.state_names), np.float32)
    chunk = policy.act([replace(observation(0), pixels=pixels, agent_pos=state)])
    assert chunk.shape == (1, CHUNKS[name], spec.action_dim)
    assert np.isfinite(chunk).all()
    assert (chunk >= np.array(spec.action_low) - 1e-6).all()
    assert (chunk <= np.array(spec.action_high) + 1e-6).all()


def test_shipped_world_models_imagine_what_the_shipped_vla_proposes() -> None:
    spec = spec_of("vla")
    planner = build_policy(find_policy("lac_wm"), spec, {"candidates": 2})
    assert (planner.needs.subgoals, planner.needs.image_size) == (CHUNKS["vla"], (128, 128))
    rng = np.random.default_rng(0)
    for name in WORLDS:
        world = LACWorldModel.load(str(folder_of(name)), spec=spec, device="cpu")
        tokens = world.encode(rng.integers(0, 256, (1, 128, 128, 3), np.uint8))
        low, high = np.array(spec.action_low), np.array(spec.action_high)
        ahead = world.rollout(tokens, rng.uniform(low, high, (1, 2, 10, spec.action_dim)))
        assert ahead.shape[:3] == (1, 2, 2)
        assert np.isfinite(np.asarray(ahead)).all()


def folder_of(name: str, suite: str | None = None) -> Path:
    """Of a shipped checkpoint."""
    folder = PARTS[name] if name in PARTS else built(name, suite).shipped
    assert folder is not None
    return folder


@pytest.mark.parametrize("name", [*SUITES, *PARTS])
def test_a_shipped_checkpoint_is_small_and_says_how_it_was_made(name: str) -> None:
    folder = folder_of(name)
    assert sum(file.stat().st_size for file in folder.iterdir()) < 40e6
    card = (folder / "README.md").read_text()
    method = METHODS.get(name, name)
    assert re.search(rf"wambench train {method} .*--stage", card)
    # What another checkpoint names by its digest is as it was trained.
    assert ("half precision" in card) is (method != "world2act")
    assert not re.search(r"[ '=]/\w", card), "a path of the machine that trained it"


def test_the_shipped_alignment_is_of_the_shipped_world_model_and_of_what_policies_see() -> None:
    config = Checkpoint.open(SHIPPED_ALIGN, method="world2act", stage="align")
    world = world_of(config.configuration(AlignRun), str(SHIPPED_WORLD), "cpu")
    for suite in CORRECTED:
        policy = built("world2act", suite)
        base = policy.provenance["base_checkpoint_sha256"]
        assert base == checkpoint_digest(folder_of("flow_bc"))
        assert set(world.cameras) <= set(policy.needs.cameras)


@pytest.mark.parametrize("run", [LaWMRun, FlowBCRun, ACTRun])
def test_the_tiny_preset_takes_the_shipped_encoder(run: Any) -> None:
    config = run.tiny().encoder
    load_encoder(build_encoder(config), config, encoder_source(config, None))


@pytest.mark.parametrize(
    ("name", "suite"),
    [(name, suite) for name, suites in {**SUITES, "lac_wm": BFA}.items() for suite in suites],
)
def test_the_scores_on_the_card_are_of_the_shipped_weights(name: str, suite: str) -> None:
    folder = folder_of(name, suite)
    run = RunDirectory(ROOT / "results" / "measured" / f"{name}-{suite}")
    assert run.info.provenance["policy"]["checkpoint_sha256"] == checkpoint_digest(folder)
    found = summarise_run(run).suite
    line = next(
        line
        for line in (folder / "README.md").read_text().splitlines()
        if line.startswith(f"| {suite} | embedded |")
    )
    assert f"{found.successes}/{found.trials}" in line


@pytest.mark.slow
def test_lawam_runs_out_of_the_box(wambench: Run, tmp_path: Path) -> None:
    out = tmp_path / "run"
    wambench(
        *("eval", "--policy", "lawam", "--suite", "libero_goal", "--backend", "embedded"),
        *("--tasks", "7", "--trials", "2", "--seed", "0", "--out", str(out)),
    )
    records = RunDirectory(out).records()
    assert [record.counted for record in records.values()] == [True, True]
    assert any(record.outcome == "success" for record in records.values()), "turning on the stove"
