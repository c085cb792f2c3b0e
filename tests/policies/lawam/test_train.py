"""LaWAM from demonstrations to an evaluated episode, and the ways in which stages do not fit."""

from __future__ import annotations

import json
import runpy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="LaWAM needs torch")

from lawam_checkpoints import SIZES, train  # noqa: E402
from learned_support import SPEC, observation  # noqa: E402
from support import Run  # noqa: E402
from training_support import WITH_LABELS, write_demos  # noqa: E402
from wambench.errors import PolicyContractError, PolicyError, UsageError  # noqa: E402
from wambench.protocol import episode_rng  # noqa: E402
from wambench.registry import build_policy, find_policy, find_trainer, load_trainer  # noqa: E402
from wambench.results.provenance import checkpoint_digest  # noqa: E402
from wambench_policies.lawam.encoder_run import EncoderRun  # noqa: E402
from wambench_policies.lawam.policy import LaWAMPolicy  # noqa: E402
from wambench_policies.lawam.runs import LaWAMRun, LaWMRun  # noqa: E402
from wambench_policies.lawam.train import LaWAMTrainer  # noqa: E402
from wambench_policies.nn.checkpoint import Checkpoint  # noqa: E402

RELEASE = Path(__file__).parents[3] / "scripts" / "release_checkpoint.py"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All three stages, very small and hardly trained: `encoder`, `lawm`, `policy`, `data`."""
    folder = tmp_path_factory.mktemp("lawam")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAMBENCH_CACHE", str(folder / "cache"))
        write_demos(folder / "data", size=(48, 48), length=24, cameras=WITH_LABELS)
        train("encoder", folder / "data", folder / "encoder")
        inputs = {"encoder": str(folder / "encoder")}
        train("lawm", folder / "data", folder / "lawm", inputs=inputs)
        train("policy", folder / "data", folder / "policy", inputs={"lawm": str(folder / "lawm")})
    return folder


@pytest.fixture(autouse=True)
def _own_cache(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAMBENCH_CACHE", str(trained / "cache"))


# ---- the stages build on each other --------------------------------------------------------------


def test_the_frozen_encoder_is_the_same_in_all_stages(trained: Path) -> None:
    tensors = {
        stage: {
            name.rpartition("network.")[2]: tensor
            for name, tensor in Checkpoint.open(trained / stage).tensors().items()
            if stage == "encoder" or "network." in name
        }
        for stage in ("encoder", "lawm", "policy")
    }
    assert tensors["encoder"]
    for stage in ("lawm", "policy"):
        assert tensors[stage].keys() == tensors["encoder"].keys()
        assert all(torch.equal(tensors[stage][n], t) for n, t in tensors["encoder"].items())


def test_the_sizes_of_stage_one_are_taken_from_its_checkpoint(trained: Path) -> None:
    one = Checkpoint.open(trained / "lawm").configuration(LaWMRun)
    two = Checkpoint.open(trained / "policy").configuration(LaWAMRun)
    assert two.lawm == one.model_part()
    assert two.lawm.dim == 32


def test_a_checkpoint_of_the_policy_has_no_teacher(trained: Path) -> None:
    names = Checkpoint.open(trained / "policy").tensors()
    assert any(name.startswith("world.") for name in names)
    assert not any("teacher" in name or name.startswith("idm.") for name in names)


def test_presets_of_the_stages_are_those_of_their_configurations() -> None:
    listed = {stage.name: list(stage.presets) for stage in LaWAMTrainer.stages}
    kinds = {"encoder": EncoderRun, "lawm": LaWMRun, "policy": LaWAMRun}
    for name, kind in kinds.items():
        assert listed[name] == kind.preset_names()
        for preset in listed[name]:
            assert kind.from_json(kind.from_preset(preset).to_json()) == kind.from_preset(preset)


@pytest.mark.parametrize(
    ("stage", "changes", "message"),
    [
        ("policy", {}, "needs --lawm"),
        ("policy", {"inputs": {"lawm": "encoder"}}, "of stage encoder, expected lawm"),
        ("policy", {"inputs": {"lawm": "data"}}, "no checkpoint"),
        (
            "policy",
            {"inputs": {"lawm": "lawm"}, "overrides": {"lawm.dim": "64"}},
            r"lawm\.dim is 32 there and 64 here",
        ),
        ("lawm", {"inputs": {"encoder": "lawm"}, "overrides": {"encoder.dim": "24"}}, "sizes"),
        ("encoder", {"overrides": {"state_dim": "8"}}, r"state_dim is 8.*panda has 3"),
        ("lawm", {"inputs": {"encoder": "data"}}, "cannot be read"),
    ],
)
def test_stages_that_do_not_fit_are_refused(
    trained: Path, tmp_path: Path, stage: str, changes: dict[str, Any], message: str
) -> None:
    inputs = {name: str(trained / folder) for name, folder in changes.get("inputs", {}).items()}
    with pytest.raises(UsageError, match=message):
        train(stage, trained / "data", tmp_path / "out", **changes | {"inputs": inputs})


def test_without_a_pretrained_encoder_the_error_says_how_to_make_one(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wambench_policies.training.encoders.SHIPPED_ENCODER", tmp_path / "none")
    with pytest.raises(UsageError, match=r"No pretrained tiny encoder.*--stage encoder"):
        train("lawm", trained / "data", tmp_path / "out")


def test_tokens_from_the_cache_train_as_pictures_do(trained: Path, tmp_path: Path) -> None:
    losses = {}
    for cached in ("true", "false"):
        result = train(
            "policy",
            trained / "data",
            tmp_path / cached,
            inputs={"lawm": str(trained / "lawm")},
            overrides={"training.cache_tokens": cached},
        )
        losses[cached] = result.losses["train/loss"]
    assert losses["true"] == pytest.approx(losses["false"], rel=1e-3), "kept in half precision"
    assert losses["true"] != losses["false"], "one of the two did not do what it says"


@pytest.mark.parametrize(
    ("stage", "message"),
    [("encoder", "looks at pictures themselves"), ("lawm", "Views are augmented anew")],
)
def test_stages_that_need_pictures_refuse_tokens(
    trained: Path, tmp_path: Path, stage: str, message: str
) -> None:
    inputs = {} if stage == "encoder" else {"encoder": str(trained / "encoder")}
    with pytest.raises(UsageError, match=message):
        train(
            stage,
            trained / "data",
            tmp_path / "out",
            inputs=inputs,
            overrides={"training.cache_tokens": "true"},
        )


@pytest.mark.parametrize(
    "switch",
    [
        {"use_lawm": "false"},
        {"distill": "false"},
        {"ki": "false"},
        {"pretrain": "false"},
        {"teacher": "sample"},
        {"proprio": "true"},
        {"expert.time_code": "none"},
        {"data.control_hz": "10,20"},
    ],
)
def test_every_ablation_trains_and_runs(
    trained: Path, tmp_path: Path, switch: dict[str, str]
) -> None:
    inputs = {"lawm": str(trained / "lawm")}
    train("policy", trained / "data", tmp_path / "p", inputs=inputs, overrides=switch)
    policy = LaWAMPolicy(SPEC, str(tmp_path / "p"), steps=2)
    assert np.isfinite(policy.act([observation(0)])).all()


def test_a_released_checkpoint_is_half_as_large_and_acts_alike(
    trained: Path, tmp_path: Path
) -> None:
    script = runpy.run_path(str(RELEASE))
    script["release"](trained / "policy", tmp_path / "released", [])
    names = {path.name for path in (tmp_path / "released").iterdir()}
    assert names == {"README.md", "config.json", "model.safetensors", "normalisation.json"}
    sizes = [
        (folder / "model.safetensors").stat().st_size
        for folder in (trained / "policy", tmp_path / "released")
    ]
    assert sizes[1] < 0.7 * sizes[0]
    chunks = [
        LaWAMPolicy(SPEC, str(folder)).normalised_chunks([observation(0)])
        for folder in (trained / "policy", tmp_path / "released")
    ]
    np.testing.assert_allclose(chunks[1], chunks[0], atol=0.02)
    assert not np.array_equal(chunks[1], chunks[0]), "half precision leaves a trace"
    script["release"](trained / "policy", tmp_path / "exact", [], exact=True)
    assert {path.name for path in (tmp_path / "exact").iterdir()} == names
    assert checkpoint_digest(tmp_path / "exact") == checkpoint_digest(trained / "policy")


# ---- the policy ----------------------------------------------------------------------------------


def test_it_asks_for_what_it_was_trained_on(trained: Path) -> None:
    policy = LaWAMPolicy(SPEC, str(trained / "policy"))
    assert policy.needs.cameras == ("agentview", "robot0_eye_in_hand")
    assert policy.needs.image_size == (48, 48), "as recorded, not as the model is given"
    assert (policy.horizon, policy.execute) == (16, 8)
    assert LaWAMPolicy(SPEC, str(trained / "policy"), execute=16).execute == 16


def test_actions_are_in_the_suites_units_and_range(trained: Path) -> None:
    chunk = LaWAMPolicy(SPEC, str(trained / "policy")).act([observation(0), observation(1)])
    assert chunk.shape == (2, 16, 7)
    low, high = (np.asarray(bound) for bound in (SPEC.action_low, SPEC.action_high))
    assert ((low <= chunk) & (chunk <= high)).all()
    assert set(np.unique(chunk[..., -1])) <= {-1.0, 1.0}


def test_an_observation_is_answered_as_if_it_were_alone(trained: Path) -> None:
    policy = LaWAMPolicy(SPEC, str(trained / "policy"))
    together = policy.act([observation(seed) for seed in range(3)])
    for seed in range(3):
        assert np.array_equal(policy.act([observation(seed)])[0], together[seed])
    fast = LaWAMPolicy(SPEC, str(trained / "policy"), batched=True)
    batched = fast.act([observation(seed) for seed in range(3)])
    np.testing.assert_allclose(batched[..., :-1], together[..., :-1], atol=1e-3)


def test_noise_comes_from_the_observation(trained: Path) -> None:
    policy = LaWAMPolicy(SPEC, str(trained / "policy"))
    first, again, other = observation(0), observation(0), observation(0)
    other.rng = episode_rng(1, 0)
    torch.manual_seed(5)
    chunk = policy.act([first])
    torch.manual_seed(6)
    assert np.array_equal(policy.act([again]), chunk)
    assert not np.array_equal(policy.act([other]), chunk)


def test_more_steps_of_the_flow_are_an_argument(trained: Path) -> None:
    one = LaWAMPolicy(SPEC, str(trained / "policy"), steps=1).act([observation(0)])
    ten = LaWAMPolicy(SPEC, str(trained / "policy"), steps=10).act([observation(0)])
    assert not np.array_equal(one, ten)
    with pytest.raises(UsageError, match="denoise_steps"):
        LaWAMPolicy(SPEC, str(trained / "policy"), steps=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"action_names": ("a",) * 7}, "actions"),
        ({"state_names": ("a", "b")}, "proprioception"),
        ({"embodiment": "sawyer"}, "embodiment sawyer"),
        ({"control_hz": 10.0}, "trained at 20 Hz"),
        ({"cameras": ("frontview",)}, "no camera agentview"),
    ],
)
def test_a_suite_unlike_the_training_data_is_refused(
    trained: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(PolicyContractError, match=message):
        LaWAMPolicy(replace(SPEC, **change), str(trained / "policy"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"checkpoint": "lawm"}, "of stage lawm, expected policy"),
        ({"checkpoint": "nowhere"}, "There is no checkpoint"),
        ({"checkpoint": "policy", "execute": 17}, "chunks have 16 actions"),
        ({"checkpoint": "policy", "stepz": 3}, "Did you mean steps"),
    ],
)
def test_wrong_arguments_are_refused(
    trained: Path, arguments: dict[str, Any], message: str
) -> None:
    given = arguments | {"checkpoint": str(trained / arguments["checkpoint"])}
    with pytest.raises((UsageError, PolicyError), match=message):
        build_policy(find_policy("lawam"), SPEC, given)


def test_without_a_checkpoint_the_shipped_one_is_asked_for(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LaWAMPolicy, "shipped", trained / "policy")
    assert LaWAMPolicy(SPEC).horizon == 16
    monkeypatch.setattr(LaWAMPolicy, "shipped", tmp_path / "none")
    with pytest.raises(UsageError, match="No trained LaWAM is shipped"):
        LaWAMPolicy(SPEC)


def test_trainer_and_policy_are_found_by_entry_point() -> None:
    assert isinstance(load_trainer(find_trainer("lawam")), LaWAMTrainer)
    assert find_policy("lawam").target.startswith("wambench_policies.lawam.policy:")


# ---- end to end ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_from_demonstrations_to_an_evaluated_episode(wambench: Run, tmp_path: Path) -> None:
    """The commands of the README, very small: collect, train three stages, evaluate."""
    pytest.importorskip("mujoco", reason="LIBERO is not installed")

    def done(*arguments: str) -> str:
        process = wambench(*arguments, timeout=900)
        assert process.returncode == 0, process.stderr
        return process.stdout

    done(
        *("collect", "--suite", "libero_object", "--policy", "expert", "--episodes", "2"),
        *("--tasks", "0", "--success-only", "--out", "data/libero_object", "--workers", "1"),
        *("--cameras", "agentview,robot0_eye_in_hand,agentview_labels,robot0_eye_in_hand_labels"),
    )
    for stage, inputs in (("encoder", ()), ("lawm", ("encoder",)), ("policy", ("lawm",))):
        sizes = {key: value for key, value in SIZES[stage].items() if key != "state_dim"}
        settings = [text for k, v in sizes.items() for text in ("--set", f"{k}={v}")]
        taken = [text for name in inputs for text in (f"--{name}", f"ckpt/{name}")]
        done(
            *("train", "lawam", "--stage", stage, "--preset", "tiny", *taken),
            *("--data", "data/libero_*", "--out", f"ckpt/{stage}", *settings),
            *("--steps", "5", "--batch-size", "4", "--device", "cpu"),
        )
    shown = done(
        *("eval", "--policy", "lawam", "--checkpoint", "ckpt/policy", "--suite", "libero_object"),
        *("--tasks", "0", "--trials", "1", "--workers", "1", "--policy-arg", "steps=2"),
        *("--out", "run"),
    )
    assert "libero_object" in shown
    records = (tmp_path / "run" / "episodes.jsonl").read_text().splitlines()
    assert len(records) == 1
    assert json.loads(records[0])["outcome"] in ("success", "failure")
