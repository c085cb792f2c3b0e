"""Alignment: which actions go with which latent, batches, training, and what an inspection says."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="World2Act needs torch")

from safetensors.torch import load_file  # noqa: E402

from wambench.errors import DataError, UsageError  # noqa: E402
from wambench_policies.data.windows import TrainingData  # noqa: E402
from wambench_policies.world2act.align.adapters import (  # noqa: E402
    MLPActionAdapter,
    VAEActionAdapter,
    VideoAdapter,
)
from wambench_policies.world2act.align.config import AlignRun  # noqa: E402
from wambench_policies.world2act.align.inspect import AlignInspection  # noqa: E402
from wambench_policies.world2act.align.model import AlignObjective  # noqa: E402
from wambench_policies.world2act.align.pairs import (  # noqa: E402
    GroupSampler,
    Pairs,
    chunked,
    imaginer,
)
from wambench_policies.world2act.world import VideoWorld  # noqa: E402
from world2act_support import look, small_config, table, train, write_skills  # noqa: E402


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hardly trained: `tokenizer`, `world`, `align`; clips of 9 rows, 3 latents of 2 x 2."""
    folder = tmp_path_factory.mktemp("aligned")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAMBENCH_CACHE", str(folder / "cache"))
        data = write_skills(folder)
        train("tokenizer", data, folder / "tokenizer")
        made = {"tokenizer": str(folder / "tokenizer")}
        train("worldmodel", data, folder / "world", inputs=made)
        align(folder, folder / "align")
    return folder


@pytest.fixture(autouse=True)
def _own_cache(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAMBENCH_CACHE", str(trained / "cache"))


def align(folder: Path, out: Path, **options: Any) -> Any:
    world = {"world": str(folder / "world")}
    return train("align", folder / "skills" / "demos", out, inputs=world, **options)


def curve(out: Path) -> list[list[str]]:
    with (out / "log" / "train.csv").open(newline="") as file:
        return [[v for k, v in row.items() if k != "seconds"] for row in csv.DictReader(file)]


def run_config(**changes: Any) -> AlignRun:
    changes = {"starts": "3", "draws": "1", "moments": "1"} | changes
    config = AlignRun.tiny().with_overrides(changes)
    return config.model_copy(update={"world_model": small_config()})


def pairs(folder: Path, config: AlignRun, **changes: Any) -> tuple[TrainingData, Pairs]:
    """All skill clips, with latents that say which clip they are of."""
    selection = config.data.model_copy(update={"validation": 0.0})
    data = TrainingData([folder / "skills" / "demos"], config.windows(selection))

    def imagine(indices: Any, seeds: Any) -> torch.Tensor:
        return torch.tensor(indices).float()[:, None, None, None, None].expand(-1, 4, 3, 2, 2)

    given = {"imagine": imagine, "identity": "indices"} | changes
    return data, Pairs(data.train, config, shape=(4, 3, 2, 2), **given)


# ---- which actions go with which latent ----------------------------------------------------------


@pytest.mark.parametrize(("moments", "chunks"), [(1, 3), (2, 2)])
def test_every_latent_goes_with_the_four_actions_that_follow_it(
    trained: Path, moments: int, chunks: int
) -> None:
    data, made = pairs(trained, run_config(moments=str(moments)))
    batch = made.batch(np.arange(len(made)))
    assert batch["actions"].shape[1:3] == (chunks, 4)
    assert batch["latents"].shape[2] == 3
    part = data.parts[0]
    normalise = data.normalisation.embodiments["panda"].action.normalise
    seen = set()
    for i, clip in enumerate(made.chosen):
        assert float(batch["latents"][i].unique()) == clip
        run, row = data.train._locate(int(clip))
        first, length = int(part.source.starts[run.demo]), part.source.demos[run.demo].length
        for k in range(chunks):
            rows = range(row + 4 * k, row + 4 * k + 4)
            # The last action of a demonstration leads to no row of it.
            real = rows[-1] + 1 < length
            seen.add(real)
            assert bool(batch["mask"][i, k]) is real
            if real:
                wanted = normalise(part.actions[[first + r for r in rows]])
                assert np.array_equal(batch["actions"][i, k].numpy(), wanted)
    assert seen == {True, False}
    assert batch["mask"][:, 0].all()


def test_imagined_clips_go_with_what_was_asked_for_and_recorded_ones_with_what_was_executed() -> (
    None
):
    for latents, executed in (("sampled", False), ("one_step", True)):
        config = AlignRun(world_model=small_config(latents=latents))
        assert config.windows(config.data).executed is executed


def test_actions_that_are_too_few_for_their_latents_are_refused(trained: Path) -> None:
    data, _ = pairs(trained, run_config())
    batch = data.train.batch([0], pictures=False)
    assert "images" not in batch
    with pytest.raises(DataError, match="4 chunks of 4 actions, and clips have 12"):
        chunked(batch, 4, 4)


def test_of_a_clip_that_is_sampled_the_first_frame_alone_is_read(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, _ = pairs(trained, run_config())
    world = VideoWorld.load(str(trained / "world"), device="cpu")
    clips = data.train.batch([0, 5])
    whole = world.latents(clips["images"][:, :3], clips["instruction"], [7, 8])
    read: list[int] = []
    inner = data.train._frames
    monkeypatch.setattr(
        data.train, "_frames", lambda part, rows: (read.append(len(rows)), inner(part, rows))[1]
    )
    assert torch.equal(imaginer(world, data.train)([0, 5], [7, 8]), whole)
    assert read == [2, 2]  # of a clip's first chunk


def test_latents_are_imagined_once_and_again_where_anything_changed(trained: Path) -> None:
    calls = []

    def imagine(indices: Any, seeds: Any) -> torch.Tensor:
        calls.extend(seeds)
        return torch.zeros(len(indices), 4, 3, 2, 2)

    _, made = pairs(trained, run_config(), imagine=imagine, identity="counted")
    assert len(calls) == len(made)
    pairs(trained, run_config(contrast="global"), imagine=imagine, identity="counted")
    assert len(calls) == len(made), "ablations share what was imagined"
    pairs(trained, run_config(seed="3"), imagine=imagine, identity="counted")
    assert len(calls) == 2 * len(made)
    _, twice = pairs(trained, run_config(draws="2"), imagine=imagine, identity="counted")
    assert len(twice) == 2 * len(made)
    assert len(set(calls[-len(twice) :])) == len(twice), "every draw has a seed of its own"


# ---- negatives -----------------------------------------------------------------------------------


def test_batches_are_groups_of_one_skill_from_different_episodes() -> None:
    skill = np.repeat(np.arange(4), 20)
    episode = np.repeat(np.arange(40), 2)
    sampler = GroupSampler(skill, episode, 0.25, seed=0)
    for step in range(5):
        found = sampler.indices(step, 16).reshape(4, 4)
        for group in found:
            assert len(set(skill[group])) == 1
            assert len(set(episode[group])) == 4
    assert np.array_equal(sampler.indices(3, 16), sampler.indices(3, 16))
    assert not np.array_equal(sampler.indices(3, 16), sampler.indices(4, 16))
    few = GroupSampler(skill, np.repeat(np.arange(4), 20), 0.25, seed=0)
    assert len(few.indices(0, 16)) == 16, "others fill up where a skill has one episode"


def test_explicit_negatives_are_of_other_episodes_and_half_of_them_of_the_skill(
    trained: Path,
) -> None:
    config = (
        AlignRun.release()
        .with_overrides({"starts": "3", "draws": "1", "negative_count": "4"})
        .model_copy(update={"world_model": small_config()})
    )
    _, made = pairs(trained, config)
    batch = made.batch([0, 5], step=2)
    assert batch["negatives"].shape[:3] == (2, 4, 3)
    assert batch["hard"].tolist() == [0.5, 0.5]
    drawn = [made._negatives(0, step) for step in range(4)]
    for each in drawn:
        assert (made._episode[each] != made._episode[0]).all()
        assert (made._skill[each] == made._skill[0]).tolist() == [True, True, False, False]
    assert len({tuple(each) for each in drawn}) > 1


def test_clips_of_ones_own_episode_are_neither_positive_nor_negative(trained: Path) -> None:
    config = run_config()
    data, made = pairs(trained, config)
    objective = AlignObjective(config, data.normalisation)
    alone = made.batch([0, 1, 2])
    assert len(set(alone["demonstration"].tolist())) == 1
    _, terms = objective.loss(alone, torch.Generator())
    assert float(terms["chance"]) == 1
    assert float(terms["contrast"]) == 0


# ---- adapters and loss ---------------------------------------------------------------------------


def test_adapters_have_the_published_sizes() -> None:
    video = [tuple(p.shape) for p in VideoAdapter(16, 32).parameters() if p.dim() > 1]
    assert video == [(64, 16, 3, 3), (128, 64, 3, 3), (32, 128)]
    mlp = MLPActionAdapter(4, 12, 32)
    assert [tuple(p.shape) for p in mlp.encoder.parameters() if p.dim() > 1] == [
        (128, 48),
        (64, 128),
        (32, 64),
    ]
    vae = VAEActionAdapter(4, 12, 32)
    assert [tuple(p.shape) for p in vae.encoder.parameters() if p.dim() > 1] == [
        (64, 12, 3),
        (128, 64, 3),
        (64, 256),
    ]
    chunks = torch.randn(2, 5, 4, 12)
    for adapter in (mlp, vae):
        coded = adapter(chunks)
        assert coded.code.shape == (2, 5, 32)
        assert adapter.decode(coded.drawn).shape == chunks.shape
    assert VideoAdapter(16, 32)(torch.randn(2, 16, 5, 8, 8)).shape == (2, 5, 32)


def test_with_two_moments_a_code_follows_from_the_latents_before_and_after_its_actions() -> None:
    torch.manual_seed(0)
    adapter = VideoAdapter(16, 32, moments=2, grid=2)
    latents = torch.randn(2, 16, 5, 8, 8)
    codes = adapter(latents)
    assert codes.shape == (2, 4, 32)
    assert torch.allclose(adapter(latents[:, :, 1:3]), codes[:, 1:2], atol=1e-5)
    latents[:, :, 3] += 1
    changed = (adapter(latents) - codes).abs().amax((0, 2)) > 1e-3
    assert changed.tolist() == [False, False, True, True]
    assert not torch.allclose(adapter(latents.flip(2)).flip(1), adapter(latents), atol=1e-3)


def test_held_chunks_give_the_adapters_no_gradient(trained: Path) -> None:
    config = run_config()
    data, made = pairs(trained, config)
    batch = made.batch(np.arange(len(made)))
    mask = batch["mask"]
    assert not bool(mask.all())
    objective = AlignObjective(config, data.normalisation)
    batch["actions"] = batch["actions"].clone().requires_grad_()
    batch["latents"] = batch["latents"].float().clone().requires_grad_()
    loss, _ = objective.loss(batch, torch.Generator())
    actions, latents = torch.autograd.grad(loss, (batch["actions"], batch["latents"]))
    assert not actions[~mask].any()
    assert not latents.movedim(1, 2)[~mask].any()
    assert actions[mask].any()


def test_ablations_change_the_loss_as_they_say(trained: Path) -> None:
    data, made = pairs(trained, run_config())
    batch = made.batch(np.arange(8))
    batch["latents"] = torch.randn(8, 4, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    found = {}
    for name, changes in {
        "both": {},
        "single": {"direction": "video_to_action"},
        "marginal": {"contrast": "marginal"},
        "global": {"contrast": "global"},
    }.items():
        torch.manual_seed(0)
        objective = AlignObjective(run_config(**changes), data.normalisation)
        _, terms = objective.loss(batch, torch.Generator())
        found[name] = {key: float(value) for key, value in terms.items()}
    assert len({round(terms["contrast"], 5) for terms in found.values()}) == 4
    assert found["single"]["contrast"] < found["both"]["contrast"]
    assert found["single"]["video_to_action"] == found["both"]["video_to_action"]
    assert len({terms["reconstruction"] for terms in found.values()}) == 1


def test_explicit_negatives_go_with_one_direction() -> None:
    with pytest.raises(UsageError, match="direction=video_to_action"):
        AlignRun.paper().with_overrides({"negatives": "explicit"})


# ---- training ------------------------------------------------------------------------------------


def test_resuming_is_as_if_it_had_not_stopped(trained: Path, tmp_path: Path) -> None:
    calls, loss = iter(range(100)), AlignObjective.loss

    def killed(self: AlignObjective, *given: Any) -> Any:
        if next(calls) == 5:  # four steps and a validation are done, three steps are saved
            raise MemoryError
        return loss(self, *given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AlignObjective, "loss", killed)
        with pytest.raises(MemoryError):
            align(trained, tmp_path / "parts")
    align(trained, tmp_path / "parts", resume=True)
    assert curve(tmp_path / "parts") == curve(trained / "align")
    whole, parts = (
        load_file(folder / "model.safetensors")
        for folder in (trained / "align", tmp_path / "parts")
    )
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_the_release_trains_on_the_tiny_world_model_too(trained: Path, tmp_path: Path) -> None:
    sizes = {"training.steps": "2", "negative_count": "3"}
    result = align(trained, tmp_path / "r", preset="release", steps=None, overrides=sizes)
    assert result.losses["train/loss"] > 0
    assert "train/action_to_video" not in result.losses


def test_the_world_model_and_its_configuration_cannot_be_set_beside_it(
    trained: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="--set world is given by --world"):
        align(trained, tmp_path / "a", overrides={"world": "elsewhere"})
    with pytest.raises(UsageError, match="stage tokenizer, expected worldmodel"):
        train(
            "align",
            trained / "skills" / "demos",
            tmp_path / "b",
            inputs={"world": str(trained / "tokenizer")},
        )
    with pytest.raises(DataError, match="no skill clips"):
        train("align", trained / "whole", tmp_path / "c", inputs={"world": str(trained / "world")})


# ---- inspection ----------------------------------------------------------------------------------


def test_every_diagnostic_of_an_alignment_writes_its_numbers_and_figure(
    trained: Path, tmp_path: Path
) -> None:
    found = look(trained, tmp_path, "align")
    assert list(found) == ["retrieval", "similarity", "chunks", "direction"]
    for finding in found.values():
        assert all(file.stat().st_size > 0 for file in finding.files)
    assert len(table(found["retrieval"])) == 4
    assert len(table(found["similarity"])) == 9 * 9
    assert [row["chunks_later"] for row in table(found["chunks"])] == ["-1", "0", "1"]
    assert [row["moved"] for row in table(found["direction"])] == ["0.1", "0.2", "0.5", "1.0"]


def test_an_alignment_that_knows_finds_everything_and_its_control_nothing(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = AlignInspection.seen.func  # type: ignore[attr-defined]

    def knowing(self: AlignInspection) -> Any:
        found = seen(self)
        codes = torch.randn(found.actions.shape, generator=torch.Generator().manual_seed(0))
        return replace(found, video=codes, actions=codes)

    monkeypatch.setattr(AlignInspection, "seen", property(knowing))
    found = look(trained, tmp_path, "align", only=("retrieval", "chunks"))
    for row in table(found["retrieval"]):
        assert float(row["found"]) == 1
        assert float(row["shuffled"]) == 0
        assert 0 < float(row["chance"]) < 0.6
    best = max(table(found["chunks"]), key=lambda row: float(row["its own clip"]))
    assert best["chunks_later"] == "0"


def test_videos_that_are_what_was_done_lead_moved_actions_back(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = AlignInspection.seen.func  # type: ignore[attr-defined]

    def perfect(self: AlignInspection) -> Any:
        found = seen(self)
        return replace(found, video=found.actions)

    monkeypatch.setattr(AlignInspection, "seen", property(perfect))
    rows = table(look(trained, tmp_path, "align", only=("direction",))["direction"])
    likeness = [float(row["likeness"]) for row in rows]
    assert likeness == sorted(likeness, reverse=True)
    assert likeness[0] < 1
    assert all(float(row["likeness alone"]) > 0.3 for row in rows)


def test_a_world_model_that_was_not_aligned_is_refused(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not the world model that was aligned"):
        look(trained, tmp_path, "align", inputs={"world": str(trained / "tokenizer")})
    with pytest.raises(UsageError, match="is not at"):
        look(trained, tmp_path, "align", inputs={"world": str(tmp_path / "nowhere")})
    with pytest.raises(UsageError, match="'film' is not asked of stage align"):
        look(trained, tmp_path, "align", only=("film",))
    assert VideoWorld.load(str(trained / "world")).model.shape == (4, 3, 2, 2)
