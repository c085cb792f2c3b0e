"""IDM and FDM: published sizes, causality, roll-outs, and what begins as nothing."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="LAC-WM needs torch")

from lac_wm_support import batch, small_config, woken  # noqa: E402
from wambench_policies.lac_wm.actions import ActionEncoder  # noqa: E402
from wambench_policies.lac_wm.config import DecoderConfig, DynamicsConfig  # noqa: E402
from wambench_policies.lac_wm.decoder import ImageDecoder  # noqa: E402
from wambench_policies.lac_wm.dynamics import ForwardDynamics, InverseDynamics  # noqa: E402
from wambench_policies.lac_wm.model import PretrainObjective  # noqa: E402
from wambench_policies.nn.adaln import plain_norm  # noqa: E402

GRID, TOKEN = (2, 2), 16


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def tokens(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return plain_norm(torch.randn(*shape, 4, TOKEN, generator=generator))


def latents(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, 8, generator=torch.Generator().manual_seed(seed))


def small_fdm(**changes: object) -> ForwardDynamics:
    torch.manual_seed(0)
    fdm = ForwardDynamics(small_config(**changes), GRID, TOKEN)
    woken(fdm)
    return fdm.eval().requires_grad_(False)


@pytest.mark.parametrize("block", ["v2", "v4"])
def test_paper_sizes_are_table_4s_to_the_parameter(block: str) -> None:
    config = DynamicsConfig.paper().with_overrides({"transformer.block": block})
    with torch.device("meta"):
        assert count(InverseDynamics(config, (16, 16), 1408)) == 46_939_968
        assert count(ForwardDynamics(config, (16, 16), 1408)) == 93_844_480


def test_the_image_decoder_has_the_published_size_and_paints_every_pixel_from_its_place() -> None:
    def built(**changes: object) -> ImageDecoder:
        return ImageDecoder(DecoderConfig.paper().with_overrides(changes), (16, 16), 1408)

    with torch.device("meta"):
        assert count(built()) == 153_845_952
        assert built()(torch.empty(1, 256, 1408)).shape == (1, 256, 256, 3)
        assert count(built(patch=16)) == 153_648_896 + 1024
    sizes = {"dim": 32, "heads": 2, "hidden": 32, "layers": 1, "encoder.image_size": 32}
    decoder = ImageDecoder(DecoderConfig.tiny().with_overrides(sizes), (2, 2), TOKEN)
    x = tokens(1).requires_grad_()
    for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
        # Through interpolation and attention all tokens count, its own the most.
        corner = decoder(x)[0, 31 * row, 31 * column].sum()
        (grad,) = torch.autograd.grad(corner, x)
        assert grad[0].norm(dim=-1).argmax() == 2 * row + column


def test_action_networks_have_the_counted_sizes() -> None:
    def size(width: int, **changes: object) -> int:
        config = DynamicsConfig.paper().with_overrides(changes)
        with torch.device("meta"):
            return count(ActionEncoder(config, {1: width}))

    assert size(25) == 1_550_528
    assert size(25, proj_input="native") == 393_408
    widths = {147: 1_642_688, 29: 434_368, 19: 331_968, 25: 393_408}
    assert {w: size(w, conditioning="explicit") for w in widths} == widths


@pytest.mark.parametrize("block", ["v2", "v4"])
def test_a_rollout_is_the_model_applied_to_its_own_predictions(block: str) -> None:
    fdm = small_fdm(transformer__block=block)
    x, z = tokens(2), latents(2, 1, 3)
    rolled = fdm.rollout(x, z)
    frames = x.unsqueeze(1)
    for time in range(3):
        following = fdm(frames, z[:, 0, : time + 1])[:, -1:]
        torch.testing.assert_close(rolled[:, 0, time : time + 1], following)
        frames = torch.cat([frames, following], dim=1)


@pytest.mark.parametrize("block", ["v2", "v4"])
def test_sharing_the_present_frame_among_candidates_changes_nothing(block: str) -> None:
    fdm = small_fdm(transformer__block=block)
    x, z = tokens(2), latents(2, 5, 4)
    torch.testing.assert_close(fdm.rollout(x, z), fdm.rollout(x, z, share=False))


def test_candidates_do_not_see_each_other() -> None:
    fdm = small_fdm()
    x, z = tokens(2), latents(2, 3, 4)
    alone = torch.cat([fdm.rollout(x, z[:, k : k + 1]) for k in range(3)], dim=1)
    torch.testing.assert_close(fdm.rollout(x, z), alone)


def test_rollouts_beyond_the_context_forget_its_beginning_but_not_the_frame_before() -> None:
    fdm = small_fdm()
    x, z = tokens(1, 6), latents(1, 6)
    changed = z.clone()
    changed[:, 0] = latents(1, seed=9)
    # Two blocks of context 3 reach 2 frames back each.
    same = fdm(x, z)[:, 5] - fdm(x, changed)[:, 5]
    near = fdm(x, z)[:, 2] - fdm(x, changed)[:, 2]
    assert same.abs().max() < 1e-6 < near.abs().max()


def test_forward_dynamics_do_not_look_ahead() -> None:
    fdm = small_fdm()
    x, z = tokens(1, 4), latents(1, 4)
    later_x, later_z = x.clone(), z.clone()
    later_x[:, 2:], later_z[:, 2:] = 0, 0
    torch.testing.assert_close(fdm(x, z)[:, :2], fdm(later_x, later_z)[:, :2])


def test_switching_temporal_attention_on_changes_nothing_at_first() -> None:
    torch.manual_seed(0)
    fdm = ForwardDynamics(small_config(predict="features"), GRID, TOKEN)
    x, z = tokens(2, 3), latents(2, 3)
    torch.testing.assert_close(fdm(x, z, temporal=True), fdm(x, z, temporal=False))
    woken(fdm)
    assert not torch.allclose(fdm(x, z, temporal=True), fdm(x, z, temporal=False))


def test_a_new_model_of_change_predicts_none() -> None:
    fdm = ForwardDynamics(small_config(predict="change"), GRID, TOKEN)
    x = tokens(2, 3)
    torch.testing.assert_close(fdm(x, latents(2, 3)), x, atol=2e-5, rtol=1e-4)


def test_a_latent_tells_of_two_frames_and_in_which_order() -> None:
    torch.manual_seed(0)
    idm = InverseDynamics(small_config(), GRID, TOKEN).eval()
    frames = tokens(1, 3)
    z = idm(frames)
    assert z.shape == (1, 2, 8)
    torch.testing.assert_close(z[:, :1], idm(frames[:, :2]))
    torch.testing.assert_close(z[:, 1:], idm(frames[:, 1:]))
    assert not torch.allclose(z[:, :1], idm(frames[:, :2].flip(1)), atol=1e-3)


def test_pretraining_switches_temporal_attention_on_when_it_is_time() -> None:
    objective = PretrainObjective(small_config(), {}, temporal_from=5)
    out = objective.model.fdm.blocks[0].see_time.attention.out.weight
    for step, trained in ((4, False), (5, True)):
        objective.zero_grad()
        # While the prediction is zero there is no gradient behind it.
        torch.nn.init.normal_(objective.model.fdm.out.weight)
        objective.begin_step(step)
        objective.loss(batch(), torch.Generator().manual_seed(0))[0].backward()
        assert (out.grad is not None and bool(out.grad.any())) is trained


def test_explicit_conditioning_and_the_plain_model_lack_what_they_should() -> None:
    explicit = PretrainObjective(small_config(conditioning="explicit"), {1: 7}).model
    assert explicit.idm is None
    assert explicit.motion is None
    assert explicit.actions is not None
    plain = PretrainObjective(small_config(motion__on=False, cross_aug=False), {1: 7})
    assert plain.model.motion is None
    assert plain.augmentation is None
    assert plain.model.actions is None
    whole = PretrainObjective(small_config(), {1: 7})
    assert whole.model.motion is not None
    assert whole.augmentation is not None


def test_an_action_encoder_reads_its_own_embodiments_columns_alone() -> None:
    encoder = ActionEncoder(small_config(conditioning="explicit"), {1: 7, 2: 3})
    actions = torch.rand(4, 2, 3, 7)
    embodiment = torch.tensor([1, 2, 2, 1])
    z = encoder(actions, embodiment)
    actions[1:3, ..., 3:] += 1
    torch.testing.assert_close(encoder(actions, embodiment), z)
    actions[0, ..., 3:] += 1
    assert not torch.allclose(encoder(actions, embodiment)[0], z[0])


def test_both_halves_of_a_latent_answer_for_their_own_motion() -> None:
    objective = PretrainObjective(small_config(), {})
    motion = objective.model.motion
    assert motion is not None
    z = torch.randn(3, 8, requires_grad=True)
    pose, camera = motion(tokens(3), z, torch.ones(3, dtype=torch.long))
    assert pose.shape == (3, 3, 32)
    assert camera.shape == (3, 3, 9)
    (grad,) = torch.autograd.grad(pose.sum(), z, retain_graph=True)
    assert grad[:, :4].any()
    assert not grad[:, 4:].any()
    (grad,) = torch.autograd.grad(camera.square().sum(), z)
    assert grad[:, 4:].any()
    assert not grad[:, :4].any()
