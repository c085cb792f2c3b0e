"""Imagined demonstrations: pseudo-actions, which row has which picture, and what learns of them."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="World2Act needs torch")

from wambench.demos.dataset import open_source  # noqa: E402
from wambench.demos.demo import DemoInfo  # noqa: E402
from wambench.errors import DataError, UsageError, WambenchError  # noqa: E402
from wambench.trainer import TrainRequest  # noqa: E402
from wambench_policies.data.windows import TrainingData  # noqa: E402
from wambench_policies.imitation.config import FlowBCConfig  # noqa: E402
from wambench_policies.nn.checkpoint import Checkpoint  # noqa: E402
from wambench_policies.nn.normalise import (  # noqa: E402
    ActionNormaliser,
    Embodiment,
    Normalisation,
    StateNormaliser,
)
from wambench_policies.world2act.dreamgen.config import ImagineRun, InverseRun  # noqa: E402
from wambench_policies.world2act.dreamgen.imagine import Dreamer, Start  # noqa: E402
from wambench_policies.world2act.dreamgen.inverse import (  # noqa: E402
    InverseDynamics,
    InverseObjective,
)
from wambench_policies.world2act.train import World2ActTrainer  # noqa: E402
from wambench_policies.world2act.world import VideoWorld  # noqa: E402
from world2act_support import small_config, small_model, train, write_skills  # noqa: E402

NAMES = ("x", "y", "gripper")
ROBOT = Embodiment(
    id=1,
    action=ActionNormaliser.fit(np.array([[-2.0, -4.0, -1.0], [2.0, 4.0, 1.0]]), NAMES),
    state=StateNormaliser.fit(np.array([[0.0, 10.0], [2.0, 30.0]]), ("a", "b")),
    control_hz=(20.0,),
)


def seen(cameras: tuple[str, ...] = ("agentview",)) -> Normalisation:
    return Normalisation(
        embodiments={"panda": ROBOT},
        cameras=cameras,
        recorded_size=(32, 32),
        image_size=(16, 16),
        backends=("embedded",),
    )


def small_run(**changes: Any) -> InverseRun:
    config = InverseRun.tiny().with_overrides({"channels": "8,16", "hidden": "32"})
    return config.model_copy(update={"world_model": small_config(**changes)})


def dreamer(still: str = "0", **changes: Any) -> Dreamer:
    """Random weights; views of 32 x 32, clips of 9 rows."""
    torch.manual_seed(1)
    cameras = small_config(**changes).cameras
    world = VideoWorld(small_model(**changes), seen(cameras), torch.device("cpu"))
    inverse = InverseDynamics(small_run(**changes), ROBOT).eval()
    return Dreamer(world, inverse, ImagineRun.tiny().with_overrides({"still": still}))


def start(instruction: str = "put the cup on the plate", views: int = 1) -> Start:
    pictures = np.random.default_rng(3).integers(0, 256, (views, 32, 32, 3), np.uint8)
    info = DemoInfo("here", 1, "s", "embedded", 0, "t", instruction, "panda", 20.0, NAMES, {}, None)
    return Start(info, pictures, np.array([1.0, 2.0], np.float32))


# ---- the inverse dynamics model ------------------------------------------------------------------


def test_actions_are_learned_from_how_pictures_differ() -> None:
    objective = InverseObjective(small_run(), seen())
    optimiser = torch.optim.Adam(objective.parameters(), 3e-3)
    generator = torch.Generator().manual_seed(0)

    def batch(count: int) -> dict[str, Any]:
        """A bright square goes right or left, which is the first action; noise elsewhere."""
        right = torch.randint(0, 2, (count,), generator=generator)
        images = torch.randint(0, 60, (count, 2, 16, 16, 3), generator=generator, dtype=torch.uint8)
        for i, way in enumerate(right.tolist()):
            images[i, 0, 6:10, 6:10] = 255
            images[i, 1, 6:10, 6 + 8 * way - 4 : 10 + 8 * way - 4] = 255
        actions = torch.zeros(count, 1, 4, 3)
        actions[..., 0] = (2.0 * right - 1)[:, None, None]
        real, states = torch.ones(count, 1, 4, dtype=torch.bool), torch.zeros(count, 1, 4, 2)
        return {"images": images, "actions": actions, "step_mask": real, "states": states}

    for _ in range(60):
        optimiser.zero_grad()
        objective.loss(batch(16), generator)[0].backward()
        optimiser.step()
    _, terms = objective.eval().loss(batch(64), generator)
    assert float(terms["action"]) < 0.05 < 0.2 < float(terms["wrong"])


def test_steps_after_the_end_of_a_demonstration_teach_nothing() -> None:
    objective = InverseObjective(small_run(), seen())
    images = torch.randint(0, 256, (2, 2, 16, 16, 3), dtype=torch.uint8)
    real = torch.tensor([[[True, True, False, False]]] * 2)
    one = {"images": images, "states": torch.zeros(2, 1, 4, 2), "step_mask": real}
    actions = torch.randn(2, 1, 4, 3)
    other = actions.clone()
    other[:, :, 2:] = 7
    generator = torch.Generator()
    losses = [objective.loss(one | {"actions": each}, generator)[0] for each in (actions, other)]
    assert torch.equal(*losses)


# ---- which row has what --------------------------------------------------------------------------


def test_rows_between_pictures_show_the_one_before_and_actions_belong_to_pairs_of_them() -> None:
    ours = dreamer()
    (dream,) = ours.dream([start()], 0)
    assert dream is not None
    rows = 2 * 4  # a clip of 3 latents, 4 control steps apart
    assert dream.pictures.shape == (rows, 1, 32, 32, 3)
    assert dream.actions.shape == (rows, 3)
    assert all(np.array_equal(dream.pictures[r], dream.pictures[r - r % 4]) for r in range(rows))
    assert not np.array_equal(dream.pictures[0], dream.pictures[4])
    world, inverse = ours._world, ours._inverse
    frames = world.prepared(start().views[None])
    latents = world.rollout(frames, [world.prompts(start().info.instruction)], [_seed_of()])
    shown = torch.from_numpy(world.decode(latents.latents[0, :1])[0])
    for k in range(2):
        told = inverse(shown[None, k : k + 2])
        wanted = ROBOT.action.restore(told.actions[0].detach().numpy())
        np.testing.assert_allclose(dream.actions[4 * k : 4 * k + 4], wanted, atol=1e-5)
        after = ROBOT.state.restore(told.state[0].detach().numpy())
        if k == 0:
            np.testing.assert_allclose(dream.states[4], after, atol=1e-4)
    assert np.array_equal(dream.states[0], start().state)
    np.testing.assert_allclose(dream.states[2], (dream.states[0] + dream.states[4]) / 2, rtol=1e-4)
    assert set(dream.actions[:, 2]) <= {-1.0, 1.0}  # a gripper's commands are those that were seen


def _seed_of() -> int:
    from wambench_policies.world2act.dreamgen.imagine import _seed

    return _seed(0, start().info, 0)


def test_skills_follow_each_other_without_a_picture_twice() -> None:
    two = start("put the cup on the plate and put the can in the basket")
    (dream,) = dreamer().dream([two], 0)
    assert dream is not None
    assert len(dream.actions) == 2 * 8
    shown = dream.pictures[::4]
    assert all(not np.array_equal(before, after) for before, after in pairwise(shown))


def test_a_video_that_stands_still_is_no_demonstration() -> None:
    assert dreamer(still="1").dream([start()], 0) == [None]


def test_several_cameras_are_taken_apart_again() -> None:
    two = {"cameras": "agentview,robot0_eye_in_hand"}
    ours = dreamer(**two)
    (dream,) = ours.dream([start(views=2)], 0)
    assert dream is not None
    assert dream.pictures.shape == (8, 2, 32, 32, 3)
    first = ours._world.prepared(start(views=2).views[None])
    painted = ours._world.decode(ours._world.encode(first[:, None]))[0, 0]
    left, right = painted[:16, :16], painted[:16, 16:]
    for view, tile in zip(dream.pictures[0], (left, right), strict=True):
        assert np.abs(view[::2, ::2].astype(int) - tile).mean() < 25  # enlarged, else the same
    assert not np.array_equal(dream.pictures[0, 0], dream.pictures[0, 1])


def test_each_draw_is_another_video_and_the_same_one_again() -> None:
    ours = dreamer()
    (first,), (again,), (other,) = (ours.dream([start()], draw) for draw in (0, 0, 1))
    assert np.array_equal(first.pictures, again.pictures)
    assert not np.array_equal(first.pictures, other.pictures)


def test_pictures_of_another_tokenizer_are_refused() -> None:
    world = VideoWorld(small_model(), seen(), torch.device("cpu"))
    other = InverseDynamics(small_run(**{"tokenizer.channels": "8"}), ROBOT)
    with pytest.raises(UsageError, match="another tokenizer"):
        Dreamer(world, other, ImagineRun.tiny())


# ---- from starts to a policy ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hardly trained: `tokenizer`, `world`, `idm`; `imagined` by them from starts of `whole`."""
    folder = tmp_path_factory.mktemp("dreamgen")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAMBENCH_CACHE", str(folder / "cache"))
        data = write_skills(folder)
        train("tokenizer", data, folder / "tokenizer")
        train("worldmodel", data, folder / "world", inputs={"tokenizer": str(folder / "tokenizer")})
        world = {"world": str(folder / "world")}
        train("idm", folder / "whole", folder / "idm", inputs=world)
        imagined(folder, folder / "imagined")
    return folder


@pytest.fixture(autouse=True)
def _own_cache(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAMBENCH_CACHE", str(made / "cache"))


def imagined(folder: Path, out: Path, **changes: Any) -> Any:
    """Stage imagine, of every video whether it moves or not."""
    inputs = {"world": str(folder / "world"), "idm": str(folder / "idm")}
    options = {"stage": "imagine", "preset": "tiny", "overrides": {"still": "0"}} | changes
    request = TrainRequest(data=(str(folder / "whole"),), out=out, inputs=inputs, **options)
    return World2ActTrainer().train(request)


def test_what_is_imagined_is_a_data_set_whose_outcome_nobody_knows(made: Path) -> None:
    real, source = open_source(made / "whole"), open_source(made / "imagined")
    assert len(source.demos) == len(real.demos)
    assert {(d.suite, d.backend, d.instruction) for d in source.demos} == {
        (d.suite, d.backend, d.instruction) for d in real.demos
    }
    for info in source.demos:
        assert info.success is None
        assert info.episode is None
        assert info.length % 4 == 0
        assert info.cameras == {"agentview": real.demos[0].cameras["agentview"]}
        assert info.about["policy"] == "imagined by world2act"
    states = {tuple(source.agent_pos(i, 0)) for i in range(len(source.demos))}
    assert states == {tuple(real.agent_pos(i, 0)) for i in range(len(real.demos))}


def test_it_goes_on_where_it_was_and_refuses_another_request(made: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    whole = imagined(made, out)
    files = sorted(out.glob("*.hdf5"))
    assert len(files) == 2
    assert (whole.step, whole.stopped) == (6, "finished")
    kept, before = files[0].read_bytes(), files[1].read_bytes()
    files[1].unlink()
    with pytest.raises(UsageError, match="--resume"):
        imagined(made, out)
    with pytest.raises(UsageError, match="another config"):
        imagined(made, out, resume=True, overrides={"still": "0", "draws": "2"})
    imagined(made, out, resume=True)
    assert files[0].read_bytes() == kept
    again = open_source(files[1])
    files[1].with_name("before.hdf5").write_bytes(before)
    first = open_source(files[1].with_name("before.hdf5"))
    assert np.array_equal(again.pixels(0, "agentview", 4), first.pixels(0, "agentview", 4))
    assert np.array_equal(again.actions(0, 0, 8), first.actions(0, 0, 8))
    assert json.loads((out / "imagined.json").read_text())["config"]["still"] == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 3}, "has no --steps"),
        ({"overrides": {"still": "1"}}, "Nothing moves"),
        ({"overrides": {"stil": "1"}}, "has no key"),
    ],
)
def test_what_cannot_be_imagined_is_refused(
    made: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(WambenchError, match=message):
        imagined(made, tmp_path / "out", **changes)


def test_a_policy_learns_from_recorded_and_imagined_rows_together(made: Path) -> None:
    config = FlowBCConfig.tiny().with_overrides(
        {"cameras": "agentview", "encoder.image_size": "16"}
    )
    selection = InverseRun.tiny().data.model_copy(update={"every": 4, "validation": 0.0})
    data = TrainingData([made / "whole", made / "imagined"], config.windows(selection))
    lengths = [demo.length for part in data.parts for demo in part.source.demos]
    assert len(data.train) == sum(-(-length // 4) for length in lengths)
    every = data.train.batch(range(len(data.train)))
    rows = [text.rpartition(" row ")[2].split()[0] for text in data.train.describe(range(60))]
    assert all(int(row) % 4 == 0 for row in rows)
    assert every["actions"].isfinite().all()


def test_a_camera_that_is_not_imagined_is_missed_where_a_policy_looks_through_it(
    made: Path,
) -> None:
    windows = FlowBCConfig.tiny().windows(InverseRun.tiny().data)
    with pytest.raises(DataError, match="has no camera robot0_eye_in_hand"):
        TrainingData([made / "imagined"], windows)


def test_an_inverse_dynamics_model_is_read_as_it_was_saved(made: Path) -> None:
    checkpoint = Checkpoint.open(made / "idm", method="world2act", stage="idm")
    model = InverseDynamics.load(checkpoint)
    frames = torch.randint(0, 256, (3, 2, 16, 16, 3), dtype=torch.uint8)
    torch.testing.assert_close(model(frames).actions[1:2], model(frames[1:2]).actions)
    assert model.robot.action.names[-1] == "gripper"
