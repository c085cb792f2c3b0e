"""Stage 1: posterior, world model, auxiliary head, losses."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="learned policies need torch")

from lawam_support import make_batch, opened, seeded, small_config, total_gradient  # noqa: E402
from wambench.errors import UsageError  # noqa: E402
from wambench_policies.lawam.lawm import (  # noqa: E402
    InverseDynamics,
    LaWMObjective,
    Posterior,
    StateHead,
    WorldModel,
    reconstruction,
)

GRID, TOKENS, DIM = (2, 2), 4, 16


def config(**changes):
    return small_config(**{f"lawm__{key}": value for key, value in changes.items()}).lawm


def objective(**changes) -> LaWMObjective:
    torch.manual_seed(0)
    made = LaWMObjective(config(**changes))
    opened(made)
    return made


def test_visual_tokens_never_read_the_query():
    torch.manual_seed(0)
    idm = InverseDynamics(config(), GRID, DIM)
    u, u_T = torch.randn(2, TOKENS, DIM), torch.randn(2, TOKENS, DIM)
    before = idm.hidden(u, u_T)
    with torch.no_grad():
        idm.query += 1
    after = idm.hidden(u, u_T)
    assert torch.equal(before[:, :-1], after[:, :-1])
    assert not torch.allclose(before[:, -1], after[:, -1])


def test_the_latent_action_depends_on_both_frames_and_their_order():
    torch.manual_seed(0)
    idm = InverseDynamics(config(), GRID, DIM)
    u, u_T = torch.randn(2, TOKENS, DIM), torch.randn(2, TOKENS, DIM)
    mean = idm(u, u_T).mean
    assert mean.shape == (2, 8)
    for other in (idm(u_T, u), idm(u, u), idm(u_T, u_T)):
        assert not torch.allclose(mean, other.mean, atol=1e-4)


def test_the_posteriors_divergence_is_that_of_torch_and_its_samples_are_its_own():
    posterior = Posterior(torch.randn(5, 3), torch.randn(5, 3))
    normal = torch.distributions.Normal(posterior.mean, (0.5 * posterior.logvar).exp())
    standard = torch.distributions.Normal(0.0, 1.0)
    expected = torch.distributions.kl_divergence(normal, standard).sum(-1)
    torch.testing.assert_close(posterior.kl(), expected)
    generator = seeded()
    draws = torch.stack([posterior.sample(generator) for _ in range(4000)])
    torch.testing.assert_close(draws.mean(0), posterior.mean, atol=0.15, rtol=0)
    torch.testing.assert_close(draws.std(0), normal.scale, atol=0.15, rtol=0.1)


def test_log_variances_are_clamped():
    idm = InverseDynamics(config(), GRID, DIM)
    with torch.no_grad():
        idm.logvar.bias.fill_(50.0)
    assert idm(torch.randn(1, TOKENS, DIM), torch.randn(1, TOKENS, DIM)).logvar.max() == 10


def test_blocks_of_a_new_world_model_are_the_identity_and_leave_the_latent_unread():
    torch.manual_seed(0)
    world = WorldModel(config(), GRID, DIM)
    x, condition = torch.randn(2, TOKENS, 32), torch.randn(2, 1, 32)
    for layer in world.layers:
        assert torch.equal(layer(x, condition), x)
    u = torch.randn(2, TOKENS, DIM)
    assert torch.equal(world(u, torch.zeros(2, 8)), world(u, torch.ones(2, 8)))


@pytest.mark.parametrize("cond", ["adaln", "additive"])
def test_the_latent_moves_the_prediction(cond):
    world = objective(cond=cond).model.world
    u = torch.randn(2, TOKENS, DIM)
    a, b = world(u, torch.zeros(2, 8)), world(u, torch.ones(2, 8))
    assert a.shape == (2, TOKENS, DIM)
    assert not torch.allclose(a, b, atol=1e-3)


def test_conditioning_is_by_modulation_or_by_addition():
    names = {cond: dict(objective(cond=cond).named_parameters()) for cond in ("adaln", "additive")}
    assert any("modulation" in name for name in names["adaln"])
    assert not any("modulation" in name for name in names["additive"])


def test_reconstruction_losses_are_the_ones_named():
    a, b = torch.randn(2, 4, 16), torch.randn(2, 4, 16)
    torch.testing.assert_close(reconstruction(a, b, config(recon="l2")), (a - b).square().mean())
    error = (a - b).abs()
    smooth = torch.where(error < 0.1, error.square() / 0.2, error - 0.05).mean()
    torch.testing.assert_close(reconstruction(a, b, config(recon="smooth_l1")), smooth)


def test_the_loss_is_the_sum_of_its_weighted_terms():
    made = objective(augment="false", beta="0.01", aux_weight="0.5")
    loss, terms = made.loss(make_batch(), seeded())
    expected = terms["recon"] + 0.01 * terms["kl"] + 0.5 * terms["aux"]
    torch.testing.assert_close(loss.detach(), expected)
    no_kl, _ = objective(augment="false", beta="0", aux_weight="0.5").loss(make_batch(), seeded())
    torch.testing.assert_close(no_kl.detach(), expected - 0.01 * terms["kl"])


@pytest.mark.parametrize("aux", ["state", "delta"])
def test_the_auxiliary_target_is_the_later_state_or_the_change(aux):
    made = objective(aux=aux, augment="false").eval()
    batch = make_batch()
    u, u_T = made.model.encoder(batch["images"][:, 0]), made.model.encoder(batch["future_image"])
    z = made.model.idm(u, u_T).mean
    predicted = made.model.state_head(batch["state"], z, batch["embodiment"])
    target = batch["future_state"] - (batch["state"] if aux == "delta" else 0)
    _, terms = made.loss(batch, seeded())
    torch.testing.assert_close(terms["aux"], (predicted - target).square().mean().detach())


def test_without_the_auxiliary_head_there_is_none_and_states_do_not_matter():
    made = objective(aux="off", augment="false")
    assert made.model.state_head is None
    batch = make_batch()
    loss, terms = made.loss(batch, seeded())
    assert "aux" not in terms
    del batch["state"], batch["future_state"]
    assert torch.equal(made.loss(batch, seeded())[0], loss)


def test_clips_without_a_robot_have_no_auxiliary_loss_and_robots_have_heads_of_their_own():
    made = objective(augment="false").eval()
    batch = make_batch(2)
    batch["embodiment"] = torch.tensor([1, 0])
    before = made.loss(batch, seeded())[1]["aux"]
    batch["future_state"][1] += 10
    assert torch.equal(made.loss(batch, seeded())[1]["aux"], before)
    head = StateHead(config())
    state, z = torch.randn(1, 8), torch.randn(1, 8)
    one, two = head(state, z, torch.tensor([1])), head(state, z, torch.tensor([2]))
    assert one.shape == (1, 8)
    assert not torch.allclose(one, two)


def test_states_wider_than_the_head_are_refused():
    batch = make_batch() | {"state": torch.zeros(3, 20), "future_state": torch.zeros(3, 20)}
    with pytest.raises(UsageError, match="room for proprioception of width 16, got 20"):
        objective(augment="false").loss(batch, seeded())


def test_encoder_and_decoder_see_different_views_in_training_and_plain_frames_otherwise():
    made = objective()
    seen, shown = made._views(make_batch(), seeded())
    assert not torch.allclose(seen, shown)
    again, _ = made._views(make_batch(), seeded())
    assert torch.equal(seen, again)
    plain, same = made.eval()._views(make_batch(), seeded())
    assert torch.equal(plain, same)
    assert not torch.allclose(seen, plain)


def test_features_stand_in_for_images_where_nothing_is_augmented():
    batch = make_batch()
    made = objective(augment="false")
    features = {
        "features": made.model.encoder(batch["images"]),
        "future_features": made.model.encoder(batch["future_image"]),
    }
    cached = {k: v for k, v in batch.items() if "image" not in k} | features
    torch.testing.assert_close(made.loss(batch, seeded())[0], made.loss(cached, seeded())[0])
    with pytest.raises(UsageError, match="augment=false"):
        objective().loss(cached, seeded())


def test_training_lowers_the_loss_and_never_touches_the_visual_encoder():
    made = objective(augment="false")
    encoder = {k: v.clone() for k, v in made.model.encoder.state_dict().items()}
    groups = made.parameter_groups()
    inside = {id(p) for group in groups for p in group["params"]}
    assert inside == {id(p) for p in made.parameters() if p.requires_grad}
    optimiser = torch.optim.AdamW(groups, lr=3e-3)
    losses = []
    for step in range(15):
        loss, _ = made.loss(make_batch(), seeded(step))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
    assert total_gradient(made.model.idm) > 0
    assert total_gradient(made.model.world) > 0
    for name, tensor in made.model.encoder.state_dict().items():
        assert torch.equal(tensor, encoder[name])


def test_biases_and_norms_are_not_decayed():
    groups = {group["name"]: group for group in objective(weight_decay="0.5").parameter_groups()}
    assert groups["lawm"]["weight_decay"] == 0.5
    assert groups["lawm_plain"]["weight_decay"] == 0
    assert all(p.dim() > 1 for p in groups["lawm"]["params"])
