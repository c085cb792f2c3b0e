"""Post-training: the residual, what it corrects, what is imagined beside it, and how it learns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="World2Act needs torch")

from learned_support import SPEC, observation  # noqa: E402
from wambench.errors import PolicyContractError  # noqa: E402
from wambench.protocol import Needs, Observation, Policy  # noqa: E402
from wambench_policies.nn.normalise import (  # noqa: E402
    ActionNormaliser,
    Embodiment,
    StateNormaliser,
)
from wambench_policies.world2act.align.config import AlignRun  # noqa: E402
from wambench_policies.world2act.align.model import Alignment  # noqa: E402
from wambench_policies.world2act.posttrain.config import (  # noqa: E402
    Negatives,
    PosttrainRun,
    ResidualConfig,
)
from wambench_policies.world2act.posttrain.corrected import CorrectedPolicy, Seen  # noqa: E402
from wambench_policies.world2act.posttrain.imagination import along, moving  # noqa: E402
from wambench_policies.world2act.posttrain.learning import Objective, Rollout  # noqa: E402
from wambench_policies.world2act.posttrain.residual import Residual  # noqa: E402

ACTIONS = ActionNormaliser(
    names=SPEC.action_names,
    kinds=("range",) * 6 + ("levels",),
    low=(-0.5,) * 6 + (-1.0,),
    high=(0.5,) * 6 + (1.0,),
    levels=((),) * 6 + ((-1.0, 1.0),),
)
PANDA = Embodiment(
    id=1,
    action=ACTIONS,
    state=StateNormaliser(names=SPEC.state_names, mean=(0.0,) * 3, std=(1.0,) * 3),
    control_hz=(20.0,),
)
SMALL = {"image_size": 36, "camera": "agentview"}


def residual(moved: bool = False, **changes: Any) -> Residual:
    """A network at its beginning, or with random last weights."""
    torch.manual_seed(0)
    made = Residual(ResidualConfig(**SMALL | changes), ACTIONS, state_dim=3)
    if moved:
        torch.nn.init.normal_(made.head[-1].weight)
    return made.eval()


def inputs(count: int, seed: int = 0) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.rand(count, 4, 7, generator=generator) * 2 - 1,
        torch.randint(0, 256, (count, 36, 36, 3), generator=generator).to(torch.uint8),
        torch.randn(count, 3, generator=generator),
    )


class Wave(Policy):
    """Chunks that follow from step and noise; counts how often it is asked."""

    needs = Needs(("agentview",), (48, 48))
    horizon, execute = 12, 8

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.started = 0

    def start(self, episodes: Sequence[Any]) -> None:
        self.started += len(episodes)

    def act(self, batch: Sequence[Observation]) -> Any:
        self.asked += [seen.step for seen in batch]
        chunks = [0.3 * seen.rng.standard_normal((12, 7)) + seen.step / 100 for seen in batch]
        return np.clip(np.stack(chunks), -1, 1).astype(np.float32)


def corrected(network: Residual, base: Policy | None = None) -> CorrectedPolicy:
    return CorrectedPolicy(SPEC, base or Wave(), network, PANDA, (48, 48))


def play(policy: Policy, seed: int, steps: int) -> np.ndarray:
    """What is executed in an episode whose pictures follow from seed and step."""
    done: list[np.ndarray] = []
    while len(done) < steps:
        chunk = policy.act([observation(seed, len(done))])[0]
        done += list(chunk[: policy.execute])
    return np.stack(done[:steps])


# ---- the network ---------------------------------------------------------------------------------


@pytest.mark.parametrize("adapter", ["mlp", "vae"])
def test_the_residual_begins_at_exactly_zero(adapter: Any) -> None:
    network = residual(action_adapter=adapter)
    aligned = Alignment(AlignRun(action_adapter=adapter), 7)
    network.begin_from(aligned)
    decoded = aligned.action.decoder(torch.ones(1, 32))
    assert torch.equal(network(*inputs(16)), torch.zeros(16, 4, 7))
    assert torch.equal(network.decoder(torch.ones(1, 32)), decoded)
    assert not any(parameter.requires_grad for parameter in network.adapter.parameters())


def test_a_residual_stays_within_what_demonstrations_do_and_leaves_the_gripper() -> None:
    network = residual(moved=True, limit=0.2)
    network.spread.copy_(torch.tensor([1.0, 0.5, 0.0, 1.0, 1.0, 1.0, 1.0]))
    torch.nn.init.normal_(network.head[-1].weight, std=100)
    largest = network(*inputs(64)).detach().abs().amax((0, 1))
    assert largest[:3].tolist() == pytest.approx([0.2, 0.1, 0.0], abs=1e-5)
    assert not largest[6]


def test_the_network_has_the_published_sizes() -> None:
    network = Residual(PosttrainRun.paper(), ACTIONS, state_dim=53)
    shapes = [tuple(p.shape) for p in network.see.parameters() if p.dim() > 1]
    assert shapes == [(16, 3, 8, 8), (32, 16, 4, 4), (32, 32, 3, 3), (32, 6272)]
    assert [tuple(p.shape) for p in network.feel.parameters() if p.dim() > 1] == [
        (128, 53),
        (32, 128),
    ]
    assert len(network.blocks) == 2


def test_pictures_and_proprioception_matter() -> None:
    network = residual(moved=True)
    actions, images, states = inputs(2)
    before = network(actions, images, states)
    for other in ((actions.flip(0), images, states), (actions, 255 - images, states)):
        assert not torch.allclose(network(*other), before, atol=1e-4)
    assert not torch.allclose(network(actions, images, -states), before, atol=1e-4)


# ---- the policy ----------------------------------------------------------------------------------


def test_at_the_beginning_it_is_the_base_to_the_bit_and_asks_it_as_often() -> None:
    alone, beneath = Wave(), Wave()
    policy = corrected(residual(), beneath)
    assert (policy.horizon, policy.execute) == (4, 4)
    assert np.array_equal(play(policy, 3, 40), play(alone, 3, 40))
    assert beneath.asked == alone.asked == [0, 8, 16, 24, 32]


def test_what_it_answers_does_not_depend_on_company() -> None:
    network = residual(moved=True)
    alone = [play(corrected(network), seed, 8) for seed in (1, 2)]
    together, done = corrected(network), []
    for step in (0, 4):
        done.append(together.act([observation(1, step), observation(2, step)]))
    found = np.concatenate(done, axis=1)
    assert np.array_equal(found, np.stack(alone))
    base = play(Wave(), 1, 8)
    assert not np.array_equal(found[0], base)
    assert np.array_equal(found[0][:, 6], base[:, 6]), "the gripper is the base's"
    # limit 0.25 of half of the range from -0.5 to 0.5
    assert np.abs(found[0] - base).max() <= 0.125 + 1e-6


def test_an_attempt_that_begins_again_does_not_go_on_with_the_old_chunk() -> None:
    base = Wave()
    policy = corrected(residual(), base)
    seen = observation(1)
    first = policy.act([seen])
    policy.start([seen.episode])
    assert np.array_equal(policy.act([observation(1)]), first)
    assert base.asked == [0, 0]
    assert base.started == 1


def test_nothing_beyond_the_bounds_is_executed() -> None:
    class AtTheBound(Wave):
        def act(self, batch: Sequence[Observation]) -> Any:
            return np.ones((len(batch), 12, 7), np.float32)

    found = play(corrected(residual(moved=True), AtTheBound()), 0, 8)
    assert found.max() <= 1.0
    assert found.min() < 1.0


def test_a_base_that_cannot_be_corrected_is_refused() -> None:
    odd, inside = Wave(), Wave()
    odd.execute = 6
    inside.needs = replace(Wave.needs, privileged=True)
    with pytest.raises(PolicyContractError, match="executes 6 actions"):
        corrected(residual(), odd)
    with pytest.raises(PolicyContractError, match="privileged"):
        corrected(residual(), inside)


# ---- what is imagined ----------------------------------------------------------------------------


def clip(values: Sequence[float]) -> torch.Tensor:
    """A clip of which latent k is values[k] everywhere."""
    return torch.tensor(values)[None, :, None, None].expand(2, -1, 3, 3)


def seen_in(latents: torch.Tensor) -> list[float]:
    return latents[0, :, 0, 0].tolist()


def test_what_stands_still_at_the_end_of_a_clip_is_cut_off() -> None:
    two = torch.stack([clip([0.0, 1, 2, 2, 2]), clip([2.0, 2, 3, 4, 5])])
    # The last latent that moved is the first of the next clip; a pause within one stays.
    assert seen_in(moving(two, 0.1, held=True)) == [0, 1, 2, 2, 3, 4, 5]
    assert seen_in(moving(two.flip(0), 0.1, held=True)) == [2, 2, 3, 4, 0, 1]
    assert seen_in(moving(two, 0.1, held=False)) == [0, 1, 2, 2, 2, 2, 3, 4, 5]
    assert seen_in(moving(two.flip(0), 0.1, held=False)) == [2, 2, 3, 4, 0, 1]
    quiet = torch.stack([clip([1.0] * 5)])
    assert seen_in(moving(quiet, 0.1, held=True)) == []


def test_what_counts_as_still_follows_from_how_much_else_moves_in_the_clip() -> None:
    values = torch.tensor([0.0, 9, 10, 11, 11.2, 11.3, 11.5])  # the first change is no motion
    for scale in (0.01, 1.0, 100.0):
        one = clip((scale * values).tolist())[None]
        assert len(seen_in(moving(one, 0.1, held=True))) == 3
        assert len(seen_in(moving(one, 0.03, held=True))) == 7


VIDEO = [0.0, 1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    ("seen", "places"),
    [
        (VIDEO, [0, 1, 2, 3, 4, 5, 6, 7]),
        ([0, 0.4, 1.1, 1.6, 2.1, 2.4], [0, 0, 1, 2, 2, 2]),
        ([0, 2, 4, 6], [0, 2, 4, 6]),
        ([0, 1, 2, 2, 2, 2, 2, 2, 2, 2], [0, 1, 2, 2, 2, 2, 2, 2, 2, 2]),
        ([0, 1, 2.4, 2, 3, 4], [0, 1, 2, 2, 3, 4]),
        ([0, 7, 7, 7, 7], [0, 2, 4, 6, 7]),
        ([5], [0]),
    ],
    ids=["in time", "late", "early", "stuck", "back and forth", "elsewhere", "first picture"],
)
def test_actions_by_place_go_with_the_picture_that_was_seen_before_them(
    seen: list[float], places: list[int]
) -> None:
    assert along(clip(seen).movedim(1, 0), clip(VIDEO)) == places


def test_places_never_go_back_and_never_skip_more_than_one_latent() -> None:
    generator = torch.Generator().manual_seed(0)
    for count in (1, 2, 5, 30):
        for length in (1, 2, 9):
            seen = torch.randn(count, 2, 3, 3, generator=generator)
            video = torch.randn(2, length, 3, 3, generator=generator)
            places = along(seen, video)
            assert len(places) == count
            assert places[0] == 0
            assert places[-1] < length
            assert set(np.diff(places)) <= {0, 1, 2}


# ---- the loss ------------------------------------------------------------------------------------


def decided(count: int, seed: int) -> list[Seen]:
    return [Seen(*each) for each in zip(*inputs(count, seed), strict=True)]


def objective(network: Residual, negatives: Negatives = "task", stay: float = 0.0) -> Objective:
    return Objective(network, AlignRun.tiny(), ACTIONS, SPEC, negatives, stay)


def test_before_it_learns_the_loss_is_that_of_the_base() -> None:
    videos = torch.randn(3, 5, 32, generator=torch.Generator().manual_seed(0))
    group = [Rollout(decided(5, i), videos[i]) for i in range(3)]
    loss, terms = objective(residual()).loss(group)
    assert float(loss.detach()) == float(terms["base_contrast"])
    assert float(terms["change"]) == 0
    assert float(terms["chance"]) == pytest.approx(1 / 3)


def test_only_chunks_that_have_both_actions_and_a_latent_count() -> None:
    videos = torch.randn(2, 5, 32, generator=torch.Generator().manual_seed(0))
    whole = [Rollout(decided(5, i), videos[i]) for i in range(2)]
    short = [Rollout(whole[0].decisions[:2], videos[0]), Rollout(whole[1].decisions, videos[1, :2])]
    same = [Rollout(one.decisions[:2], one.video[:2]) for one in whole]
    found = objective(residual(moved=True))
    assert [len(one) for one in short] == [2, 2]
    with torch.no_grad():
        assert found.loss(short)[0] == found.loss(same)[0]
        assert found.loss(whole)[0] != found.loss(same)[0]


def test_without_negatives_the_loss_is_the_mean_distance_from_ones_own_video() -> None:
    network = residual()
    actions = torch.stack([seen.actions for seen in decided(4, 0)])
    code = network.adapter(actions).code
    along, across = Rollout(decided(4, 0), code), Rollout(decided(4, 0), -code)
    with torch.no_grad():
        alone, both = (objective(network, "none").loss(g)[0] for g in ([along], [along, across]))
        twins = objective(network).loss([along, along])[0]
    assert (float(alone), float(both)) == (pytest.approx(0, abs=1e-6), pytest.approx(1))
    # With negatives two that are alike tell nothing, however near their videos they are.
    assert float(twins) == pytest.approx(2 * np.log(2))


def test_to_stay_with_the_base_costs_the_square_of_every_change_in_deviations() -> None:
    network = residual(moved=True)
    spread = torch.tensor([1.0, 0.5, 0.0, 1.0, 1.0, 2.0, 1.0])
    network.spread.copy_(spread)
    given = inputs(5, seed=0)
    video = torch.randn(5, 32, generator=torch.Generator().manual_seed(0))
    group = [Rollout(decided(5, 0), video)] * 2
    with torch.no_grad():
        change = network(*given)
        loss, terms = objective(network, stay=3.0).loss(group)
    costs = torch.where(spread > 0, change / spread, 0).square()
    assert float(costs.mean()) > 0
    assert float(loss - terms["contrast"]) == pytest.approx(3 * float(costs.mean()), rel=1e-4)


def test_the_more_staying_counts_the_less_is_changed() -> None:
    changes = []
    videos = torch.randn(4, 6, 32, generator=torch.Generator().manual_seed(0)).sign()
    for stay in (0.0, 10.0, 1000.0):
        network = residual(limit=0.5)
        rollouts = [Rollout(decided(6, i), videos[i]) for i in range(4)]
        optimiser = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], lr=5e-3)
        for _ in range(30):
            loss, terms = objective(network, stay=stay).loss(rollouts)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        changes.append(float(terms["change"]))
    assert changes[0] > 2 * changes[1] > 4 * changes[2] > 0


@pytest.mark.parametrize("negatives", ["task", "none"])
def test_the_adapter_is_frozen_and_learning_makes_episodes_more_like_their_videos(
    negatives: Negatives,
) -> None:
    network = residual(limit=0.5)
    groups = [decided(6, seed) for seed in range(4)]
    with torch.no_grad():
        # Videos of what the base would do if it were moved a little.
        wanted = [
            network.adapter(torch.stack([d.actions for d in group]) * 0.7 + 0.2).code
            for group in groups
        ]
    rollouts = [Rollout(group, video) for group, video in zip(groups, wanted, strict=True)]
    before = {name: tensor.clone() for name, tensor in network.adapter.state_dict().items()}
    trained = [p for p in network.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=5e-3)
    losses = []
    for _ in range(12):
        loss, terms = objective(network, negatives).loss(rollouts)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.85 * losses[0]
    assert losses[0] == pytest.approx(float(terms["base_contrast"]))
    assert all(torch.equal(before[k], v) for k, v in network.adapter.state_dict().items())
