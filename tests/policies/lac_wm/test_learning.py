"""What the world model is for: its latent comes to tell what happened between two frames."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="LAC-WM needs torch")

from lac_wm_support import small_config  # noqa: E402
from wambench_policies.lac_wm.dynamics import ForwardDynamics, InverseDynamics  # noqa: E402
from wambench_policies.nn.adaln import plain_norm  # noqa: E402

SIDE, WIDTH = 4, 16


def moved_objects(count: int, generator: torch.Generator) -> torch.Tensor:
    """(count, 2, 16, 16) tokens: an object goes one cell in one of four directions."""
    fixed = torch.Generator().manual_seed(5)
    background = torch.randn(1, SIDE * SIDE, WIDTH, generator=fixed)
    thing = 3 * torch.randn(WIDTH, generator=fixed)
    noise = 0.3 * torch.randn(count, SIDE * SIDE, WIDTH, generator=generator)
    place = torch.randint(0, SIDE * SIDE, (count,), generator=generator)
    way = torch.randint(0, 4, (count,), generator=generator)
    row = (place // SIDE + torch.tensor([0, 0, 1, -1])[way]) % SIDE
    column = (place % SIDE + torch.tensor([1, -1, 0, 0])[way]) % SIDE
    frames = (background + noise).unsqueeze(1).repeat(1, 2, 1, 1)
    frames[torch.arange(count), 0, place] = thing
    frames[torch.arange(count), 1, row * SIDE + column] = thing
    return plain_norm(frames)


@pytest.mark.slow
def test_a_latent_comes_to_tell_which_way_something_went() -> None:
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(1)
    config = small_config()
    idm = InverseDynamics(config, (SIDE, SIDE), WIDTH)
    fdm = ForwardDynamics(config, (SIDE, SIDE), WIDTH)
    parameters = [*idm.parameters(), *fdm.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=1e-3, betas=(0.9, 0.95))
    for _ in range(400):
        frames = moved_objects(32, generator)
        predicted = fdm(frames[:, :-1], idm(frames), temporal=False)
        optimiser.zero_grad()
        (predicted - frames[:, 1:]).square().mean().backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
    with torch.no_grad():
        frames = moved_objects(256, generator)
        z = idm(frames)
        own, others = (
            (fdm(frames[:, :-1], latent) - frames[:, 1:]).square().mean()
            for latent in (z, z.roll(1, 0))
        )
        copy = (frames[:, :-1] - frames[:, 1:]).square().mean()
    assert own < 0.8 * others
    assert others < copy
