"""The tiny world model: what the flow does, rollouts, and that prompts come to be used."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="World2Act needs torch")

from wambench.errors import PolicyContractError, UsageError  # noqa: E402
from wambench_policies.nn.normalise import Normalisation  # noqa: E402
from wambench_policies.world2act.model import VideoWorldModel, WorldModelObjective  # noqa: E402
from wambench_policies.world2act.world import VideoWorld  # noqa: E402
from world2act_support import small_config, small_model  # noqa: E402

PROMPTS = ("pick up the cup", "put it down", "close the drawer")
SIZE = 16


def world(**changes: Any) -> VideoWorld:
    """Random weights, one camera of 16 x 16 pictures."""
    seen = Normalisation(
        embodiments={},
        cameras=("agentview",),
        recorded_size=(32, 32),
        image_size=(SIZE, SIZE),
        backends=("embedded",),
    )
    return VideoWorld(small_model(**changes), seen, torch.device("cpu"))


def pictures(count: int, seed: int = 0) -> Any:
    views = np.random.default_rng(seed).integers(0, 256, (count, 1, SIZE, SIZE, 3), np.uint8)
    return torch.from_numpy(views[:, 0])


# ---- rollouts ----------------------------------------------------------------------------------


def test_three_prompts_are_three_times_as_long_and_go_on_where_the_last_one_ended() -> None:
    ours = world()
    three = ours.rollout(pictures(2), [PROMPTS] * 2, seeds=[0, 1])
    one = ours.rollout(pictures(2), [PROMPTS[:1]] * 2, seeds=[0, 1])
    assert three.steps == 3 * one.steps == 3 * 8
    assert three.latents.shape == (2, 3, 4, 3, 2, 2)
    for before, after in ((0, 1), (1, 2)):
        last, first = three.latents[:, before, :, -1], three.latents[:, after, :, 0]
        assert torch.equal(first, last)
        assert not torch.equal(three.latents[:, after, :, 1], last)
    joined = three.joined()
    assert joined.shape[2] == 3 * (3 - 1) + 1
    frames = ours.decode(joined)
    for k in range(3):
        clip = ours.decode(three.latents[:, k])
        assert np.array_equal(frames[:, 2 * k : 2 * k + 3], clip)
    assert torch.equal(three.latents[:, :1], one.latents)


def test_what_is_imagined_follows_from_picture_prompt_and_seed_alone() -> None:
    ours, first = world(), pictures(3)
    together = ours.rollout(first, [PROMPTS] * 3, seeds=[7, 8, 9]).latents
    alone = ours.rollout(first[1:2], [PROMPTS], seeds=[8]).latents
    torch.testing.assert_close(together[1:2], alone, atol=1e-5, rtol=1e-4)
    turned = ours.rollout(first[1:2], [PROMPTS[::-1]], seeds=[8]).latents
    drawn = ours.rollout(first[1:2], [PROMPTS], seeds=[9]).latents
    assert not torch.allclose(turned, alone, atol=1e-3)
    assert not torch.allclose(drawn, alone, atol=1e-3)


def test_every_core_imagines_clips_of_its_own_which_changes_nothing() -> None:
    ours, first = world(), pictures(10)
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            rollout = ours.rollout(first, [PROMPTS[:2]] * 10, seeds=range(10))
            found.append((rollout.latents, torch.from_numpy(ours.decode(rollout.joined()))))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(*both) for both in zip(*found, strict=True))


def test_a_skill_world_splits_instructions_and_a_base_world_repeats_them() -> None:
    text = "turn on the stove and put the moka pot on it"
    skill, base = world(wm="skill"), world(wm="base")
    split = ("turn on the stove", "put the moka pot on the stove")
    assert skill.prompts(text) == skill.prompts(text, 2) == split
    assert base.prompts(text, 3) == (text,) * 3
    with pytest.raises(UsageError, match="split into 2 skills, not 3"):
        skill.prompts(text, 3)


def test_rollouts_refuse_what_does_not_fit() -> None:
    ours = world()
    with pytest.raises(PolicyContractError, match=r"\[1, 3\] prompts"):
        ours.rollout(pictures(2), [PROMPTS, PROMPTS[:1]], seeds=[0, 1])
    with pytest.raises(PolicyContractError, match="2 seeds"):
        ours.rollout(pictures(1), [PROMPTS], seeds=[0, 1])
    with pytest.raises(PolicyContractError, match="16 x 16 or 32 x 32"):
        ours.prepared(np.zeros((1, 1, 24, 24, 3), np.uint8))
    assert ours.prepared(np.zeros((4, 1, 32, 32, 3), np.uint8)).shape == (4, 16, 16, 3)


# ---- the flow ----------------------------------------------------------------------------------


def test_an_untrained_world_stands_still() -> None:
    model = VideoWorldModel(small_config()).eval()
    model.tokenizer.ready = True
    first = torch.randn(2, 4, 2, 2)
    with torch.no_grad():
        found = model.sample(first, model.read(PROMPTS[:2]), torch.randn(2, 4, 3, 2, 2), 3)
    torch.testing.assert_close(found, first.unsqueeze(2).expand_as(found))


@pytest.mark.parametrize("steps", [1, 4])
def test_who_knows_the_clean_latents_reaches_them(
    steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = small_model()
    truth = torch.randn(2, 4, 3, 2, 2)
    monkeypatch.setattr(model.network, "forward", lambda points, time, text: truth)
    found = model.sample(truth[:, :, 0], None, torch.randn(truth.shape), steps)
    torch.testing.assert_close(found, truth, atol=1e-5, rtol=1e-5)


def test_squares_of_latents_are_put_back_where_they_were() -> None:
    network = small_model().network
    latents = torch.randn(2, 4, 3, 2, 2)
    assert torch.equal(network._unpatched(network._patched(latents)), latents)


def test_alignment_is_given_samples_or_one_pass_as_the_configuration_says() -> None:
    frames = pictures(6).unflatten(0, (2, 3))
    sampled, released = world(), world(latents="one_step", noise="0.01")
    real = sampled.encode(frames)
    ahead = sampled.latents(frames, PROMPTS[:2], seeds=[0, 1])
    assert torch.equal(ahead, sampled.imagine(real[:, :, 0], PROMPTS[:2], seeds=[0, 1]))
    near = released.latents(frames, PROMPTS[:2], seeds=[0, 1])
    points = []
    inner = released.model.clean
    released.model.clean = lambda p, t, x: (points.append((p, t)), inner(p, t, x))[1]
    assert torch.equal(released.latents(frames, PROMPTS[:2], seeds=[0, 1]), near)
    ((given, time),) = points
    assert torch.allclose(time, torch.tensor(0.99))
    assert (given - real).abs().max() < 0.05 < (near - real).abs().max()


# ---- learning ----------------------------------------------------------------------------------


def test_prompts_come_to_decide_what_happens() -> None:
    """One first frame, two prompts, opposite changes: only the prompt can tell which."""
    config = small_config(**{"network.dim": "32", "network.hidden": "64"})
    torch.manual_seed(0)
    objective = WorldModelObjective(config)
    generator = torch.Generator().manual_seed(0)
    tokens = torch.zeros(2, 3, 4, 4)
    tokens[0, 1:], tokens[1, 1:] = 0.7, -0.7
    batch = {"features": tokens, "instruction": ["raise it", "lower it"]}
    optimiser = torch.optim.Adam(objective.model.network.parameters(), 3e-3)
    for _ in range(150):
        optimiser.zero_grad()
        objective.loss(batch, generator)[0].backward()
        optimiser.step()
    objective.eval()
    with torch.no_grad():
        _, terms = objective.loss(batch, generator)
        model = objective.model
        noise = torch.randn(2, 4, 3, 2, 2, generator=generator)
        found = model.sample(
            torch.zeros(2, 4, 2, 2), model.read(["lower it", "raise it"]), noise, 4
        )
    assert terms["copy"].item() == pytest.approx(0.49)
    assert terms["clean"].item() < 0.02
    assert terms["wrong"].item() > 0.5
    assert found[0, :, 1:].mean().item() == pytest.approx(-0.7, abs=0.15)
    assert found[1, :, 1:].mean().item() == pytest.approx(0.7, abs=0.15)
