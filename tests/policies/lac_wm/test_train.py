"""LAC-WM from demonstrations to imagined frames, and the ways in which stages do not fit."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="LAC-WM needs torch")

from safetensors.torch import load_file  # noqa: E402

from lac_wm_support import train  # noqa: E402
from training_support import write_demos  # noqa: E402
from wambench.demos.collect import CollectRequest, collect  # noqa: E402
from wambench.errors import PolicyContractError, UsageError  # noqa: E402
from wambench.evaluate import Execution  # noqa: E402
from wambench.inspector import InspectRequest  # noqa: E402
from wambench_policies.data.config import ClipConfig, DataConfig  # noqa: E402
from wambench_policies.data.windows import TrainingData  # noqa: E402
from wambench_policies.lac_wm.adaptation import AdaptationObjective  # noqa: E402
from wambench_policies.lac_wm.diagnostics import clustered, mixed  # noqa: E402
from wambench_policies.lac_wm.inspect import LACWMInspector  # noqa: E402
from wambench_policies.lac_wm.world import LACWorldModel  # noqa: E402

STEPS = 12
"""Of a fine-tuning: stages 1, 2 and 3 begin at 0, 4 and 5."""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Very small and hardly trained: `eye`, `world`, `explicit`, `lac`, and `data`."""
    folder = tmp_path_factory.mktemp("lac_wm")
    data = folder / "data"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAMBENCH_CACHE", str(folder / "cache"))
        write_demos(data, size=(32, 32), length=12)
        eye = {"encoder": str(folder / "eye")}
        train("encoder", data, folder / "eye")
        train("pretrain", data, folder / "world", inputs=eye)
        train("pretrain", data, folder / "explicit", inputs=eye | {"conditioning": "explicit"})
        train(
            "finetune", data, folder / "lac", inputs={"world": str(folder / "world")}, steps=STEPS
        )
    return folder


@pytest.fixture(autouse=True)
def _own_cache(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAMBENCH_CACHE", str(trained / "cache"))


@pytest.mark.parametrize("name", ["lac", "explicit"])
def test_a_checkpoint_imagines_what_actions_lead_to(trained: Path, name: str) -> None:
    world = LACWorldModel.load(str(trained / name), device="cpu")
    assert (world.chunk, world.control_hz) == (3, 20.0)
    rng = np.random.default_rng(0)
    tokens = world.encode(rng.integers(0, 256, (2, 32, 32, 3), np.uint8))
    actions = rng.uniform(-0.5, 0.5, (2, 4, 9, 7))
    ahead = world.rollout(tokens, actions)
    assert ahead.shape == (2, 4, 3, *tokens.shape[1:])
    few = LACWorldModel.load(str(trained / name), device="cpu", rows=2)
    torch.testing.assert_close(few.rollout(tokens, actions), ahead, atol=1e-5, rtol=1e-4)
    with pytest.raises(PolicyContractError, match="multiple of 3"):
        world.rollout(tokens, actions[:, :, :8])
    with pytest.raises(PolicyContractError, match="uint8"):
        world.encode(np.zeros((2, 16, 16, 3), np.uint8))


def test_a_latent_world_model_knows_no_actions_until_it_is_adapted(trained: Path) -> None:
    with pytest.raises(UsageError, match="knows no robot"):
        LACWorldModel.load(str(trained / "world"), device="cpu")


def test_adaptation_leaves_pretrained_weights_and_adds_to_them(trained: Path) -> None:
    before = load_file(trained / "world" / "model.safetensors")
    after = load_file(trained / "lac" / "model.safetensors")
    same = [name for name in before if name in after]
    assert any(name.startswith("idm.") for name in same)
    assert all(torch.equal(before[name], after[name]) for name in same)
    assert any(".lora_up." in name and bool(after[name].any()) for name in after)


@pytest.mark.slow
def test_resuming_across_stages_is_as_if_it_had_not_stopped(trained: Path, tmp_path: Path) -> None:
    options = {
        "inputs": {"world": str(trained / "world")},
        "steps": STEPS,
        "overrides": {"training.save_every": "4"},
    }
    begin = AdaptationObjective.begin_step

    def killed(self: AdaptationObjective, step: int) -> None:
        if step == 6:
            raise MemoryError
        begin(self, step)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AdaptationObjective, "begin_step", killed)
        with pytest.raises(MemoryError):
            train("finetune", trained / "data", tmp_path, **options)
    # Its last checkpoint is from the end of stage 1; steps 4 and 5 onwards are stages 2 and 3.
    assert train("finetune", trained / "data", tmp_path, resume=True, **options).step == STEPS
    whole = load_file(trained / "lac" / "model.safetensors")
    parts = load_file(tmp_path / "model.safetensors")
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


@pytest.mark.parametrize(
    ("variant", "world", "match"),
    [
        ("eac_wm", "world", "has explicit conditioning"),
        ("lac_wm", "explicit", "has latent conditioning"),
        ("lac_wm_md_ca", "world", "without motion decoder"),
        ("lac_wm", None, "begins from a pretrained"),
        ("lac_vm", "world", "no variant"),
    ],
)
def test_a_variant_refuses_what_it_does_not_begin_from(
    trained: Path, tmp_path: Path, variant: str, world: str | None, match: str
) -> None:
    inputs = {"variant": variant}
    if world is not None:
        inputs["world"] = str(trained / world)
    with pytest.raises(UsageError, match=match):
        train("finetune", trained / "data", tmp_path / "out", inputs=inputs)


def test_a_decoder_paints_what_a_world_models_encoder_sees(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wambench_policies.lac_wm.inspect.AHEAD", 2)  # demonstrations are short
    inputs = {"world": str(trained / "lac")}
    steps = {"steps": 60, "batch_size": 4}
    sizes = {"dim": "32", "hidden": "32", "layers": "1", "training.warmup": "0"}
    result = train("decoder", trained / "data", tmp_path, inputs=inputs, overrides=sizes, **steps)
    # Noise with one bright pixel: grey is the best there is, and it begins as grey already.
    assert 8 < result.losses["validation/psnr"] < 20
    ours = load_file(tmp_path / "model.safetensors")
    eye = load_file(trained / "eye" / "model.safetensors")
    assert all(torch.equal(ours[f"encoder.network.{name}"], eye[name]) for name in eye)
    painted = InspectRequest(
        trained / "world",
        (str(trained / "data"),),
        tmp_path / "look",
        only=("transfer", "quality"),
        inputs={"decoder": str(tmp_path)},
        episodes="all",
        windows=8,
        device="cpu",
    )
    found, quality = LACWMInspector().inspect(painted)
    assert "cosine" in found.line
    assert "no network for LPIPS, FID, FVD" in quality.line
    assert all(file.stat().st_size for one in (found, quality) for file in one.files)
    lines = list(csv.DictReader(quality.files[0].open()))
    assert [line["pictures"] for line in lines] == ["imagined", "decoder alone", "first frame"]
    assert all(5 < float(line["psnr"]) < 20 and not line["fvd"] for line in lines)
    with pytest.raises(UsageError, match="of stage encoder"):
        list(
            LACWMInspector().inspect(
                replace(painted, inputs={"decoder": str(trained / "eye")}, out=tmp_path / "again")
            )
        )


def test_nothing_is_transferred_without_latents(trained: Path, tmp_path: Path) -> None:
    request = InspectRequest(
        trained / "explicit",
        (str(trained / "data"),),
        tmp_path,
        only=("transfer",),
        episodes="all",
        device="cpu",
    )
    with pytest.raises(UsageError, match="no latents to transfer"):
        list(LACWMInspector().inspect(request))


def test_a_model_from_scratch_needs_no_pretrained_one(trained: Path, tmp_path: Path) -> None:
    inputs = {"variant": "eac_wm_s", "encoder": str(trained / "eye")}
    train("finetune", trained / "data", tmp_path, inputs=inputs, steps=2)
    assert LACWorldModel.load(str(tmp_path), device="cpu").chunk == 3


def test_clips_hold_the_frames_between_which_their_actions_lead(trained: Path) -> None:
    config = DataConfig(
        cameras=("agentview",), image_size=(32, 32), clip=ClipConfig(chunks=2, chunk_steps=3)
    )
    clips = TrainingData([trained / "data"], config).train
    batch = clips.batch(range(len(clips)))
    row = batch["images"][:, :, 0, 0, 1].long()
    assert (row.diff(dim=1) == 3).all()
    states = TrainingData([trained / "data"], config).normalisation.embodiments["panda"].state
    moment = states.restore(batch["states"].numpy())[..., 0]
    wanted = row[:, :1, None].numpy() + 1 + np.arange(6).reshape(1, 2, 3)
    np.testing.assert_allclose(moment, wanted, atol=1e-4)
    assert batch["actions"].shape == (len(clips), 2, 3, 7)
    assert clips.batch([0], step=0)["images"].shape[1] == 3


def test_clips_have_one_chunk_until_they_grow(trained: Path) -> None:
    clip = ClipConfig(chunks=2, chunk_steps=3, single_until=5)
    config = DataConfig(cameras=("agentview",), image_size=(32, 32), clip=clip)
    clips = TrainingData([trained / "data"], config).train
    lengths = [clips.batch([0], step=step)["images"].shape[1] for step in (4, 5, None)]
    assert lengths == [2, 3, 3]


@pytest.mark.parametrize("name", ["world", "lac", "explicit"])
def test_every_kind_of_world_model_is_looked_into(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("wambench_policies.lac_wm.inspect.find_spec", lambda name: None)
    request = InspectRequest(
        trained / name, (str(trained / "data"),), tmp_path, episodes="all", windows=16, device="cpu"
    )
    found = {finding.name: finding for finding in LACWMInspector().inspect(request)}
    latent = {"transfer"} if name != "explicit" else set()
    assert set(found) == {"rollout", "ridge", "clusters"} | latent
    assert all(file.stat().st_size for finding in found.values() for file in finding.files)


@pytest.mark.slow  # UMAP is compiled first
def test_latents_lie_in_the_same_plane_every_time(trained: Path, tmp_path: Path) -> None:
    pytest.importorskip("umap", reason="UMAP is an extra")
    request = InspectRequest(
        trained / "lac",
        (str(trained / "data"),),
        tmp_path,
        only=("umap",),
        episodes="all",
        windows=16,
        device="cpu",
    )
    tables = []
    for _ in range(2):
        (found,) = LACWMInspector().inspect(request)
        tables.append(found.files[0].read_bytes())
    assert tables[0] == tables[1]
    assert tables[0].count(b"\npanda,") > 1


def test_what_is_left_out_is_said_and_refused_where_it_is_asked_for(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wambench_policies.lac_wm.inspect.find_spec", lambda name: None)
    said: list[str] = []
    request = InspectRequest(
        trained / "explicit",
        (str(trained / "data"),),
        tmp_path,
        episodes="all",
        windows=16,
        device="cpu",
        note=said.append,
    )
    list(LACWMInspector().inspect(request))
    left_out = [line for line in said if "left out" in line]
    assert [line.split()[0] for line in left_out] == ["umap", "transfer", "quality"]
    with pytest.raises(UsageError, match="not installed") as refused:
        list(LACWMInspector().inspect(replace(request, only=("umap",))))
    assert "wambench[umap]" in str(refused.value)


def test_latents_of_two_robots_are_mixed_or_apart() -> None:
    rng = np.random.default_rng(0)
    latents = torch.from_numpy(rng.normal(size=(80, 1, 4)))
    robots = ["arm", "hand"] * 40
    share, by_chance = mixed(latents, robots)
    assert share == pytest.approx(by_chance, abs=0.1)
    latents[::2] += 20
    assert mixed(latents, robots) == (0.0, by_chance)


def test_latent_sequences_that_are_apart_are_clusters_apart() -> None:
    rng = np.random.default_rng(0)
    centres = np.array([[5, 0], [-5, 0], [0, 9], [0, -9]]) @ rng.normal(size=(2, 12))
    latents = np.repeat(centres, 10, axis=0) + 0.01 * rng.normal(size=(40, 12))
    found = clustered(torch.from_numpy(latents).unflatten(1, (4, 3)), seed=0)
    groups = found.cluster.reshape(4, 10)
    assert (groups == groups[:, :1]).all()
    assert len(set(groups[:, 0])) == 4
    assert sorted(found.cluster[found.nearest]) == [0, 1, 2, 3]
    assert found.explained.sum() > 0.999


@pytest.mark.slow
@pytest.mark.parametrize("conditioning", ["latent", "explicit"])
def test_it_is_pretrained_on_several_embodiments_and_taken_to_another(
    tmp_path: Path, conditioning: str
) -> None:
    """The real counter: a gripper seen from outside, hands below a head that moves, then BFA."""
    folders = {}
    for suite, camera in (
        ("counter_gripper", "exterior"),
        ("counter_hands", "head"),
        ("bfa_seen", "head"),
    ):
        folders[suite] = tmp_path / suite
        request = CollectRequest(
            "expert",
            suite,
            folders[suite],
            episodes=2,
            tasks=[0],
            image_size=32,
            cameras=(camera,),
        )
        collect(request, Execution(workers=1))
    others = [folders["counter_gripper"], folders["counter_hands"]]
    both = {"cameras": "head|exterior", "motion.pose_width": "138"}
    train("encoder", others, tmp_path / "eye", overrides={"cameras": "head|exterior"})
    inputs = {"encoder": str(tmp_path / "eye"), "conditioning": conditioning}
    train("pretrain", others, tmp_path / "world", inputs=inputs, overrides=both)
    looked = {
        finding.name: finding.line
        for finding in LACWMInspector().inspect(
            InspectRequest(
                tmp_path / "world",
                tuple(map(str, others)),
                tmp_path / "look",
                only=("rollout", "clusters", *(("transfer",) if conditioning == "latent" else ())),
                episodes="all",
                windows=16,
                device="cpu",
            )
        )
    }
    assert ("another robot" in looked["transfer"]) if conditioning == "latent" else looked
    variant = {"variant": "lac_wm" if conditioning == "latent" else "eac_wm"}
    world = {"world": str(tmp_path / "world")}
    mine = folders["bfa_seen"]
    train("finetune", mine, tmp_path / "mine", inputs=world | variant, steps=STEPS)
    found = LACWorldModel.load(str(tmp_path / "mine"), device="cpu")
    assert found.camera == "head"
    tokens = found.encode(np.zeros((1, 32, 32, 3), np.uint8))
    assert found.rollout(tokens, np.zeros((1, 2, 6, 25))).shape[:3] == (1, 2, 2)
