"""`wambench serve --protocol openpi`: whose episode, which noise, and who may ask."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("websockets", reason="needs the extra `remote`")
pytest.importorskip("yaml", reason="needs the extra `remote`")

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from remote_support import SPEC, seen, served, wambench_serve
from support import Run
from wambench.errors import PolicyError, UsageError
from wambench.protocol import Episode, Needs, Observation, Policy
from wambench.registry import build_policy, find_policy
from wambench_policies.baselines.random import Random
from wambench_policies.remote.client import IDENTITY
from wambench_policies.remote.codecs import decode, encode
from wambench_policies.remote.openpi import OpenPIPolicy
from wambench_policies.remote.served import RequestError, ServedPolicy, Session
from wambench_policies.remote.translate import Translator


class Counts(Policy):
    """Remembers how often it was asked in an episode, and says so in x."""

    needs = Needs(("agentview",), (64, 64))
    horizon = 4
    execute = 2

    def __init__(self, spec: Any = None) -> None:
        self.counts: dict[str, int] = {}
        self.seen: list[Observation] = []

    def start(self, episodes: Sequence[Episode]) -> None:
        for episode in episodes:
            self.counts[episode.key] = 0

    def finish(self, episodes: Sequence[Episode]) -> None:
        for episode in episodes:
            self.counts.pop(episode.key, None)

    def act(self, batch: Sequence[Observation]) -> np.ndarray:
        chunks = np.zeros((len(batch), 4, 7))
        for chunk, one in zip(chunks, batch, strict=True):
            self.seen.append(one)
            self.counts[one.episode.key] += 1
            chunk[:, 0] = self.counts[one.episode.key] / 10
        return chunks


def identity(one: Observation, client: str = "me", finished: Sequence[str] = ()) -> dict[str, Any]:
    return {
        IDENTITY: {
            "episode": one.episode.to_json(),
            "step": one.step,
            "client": client,
            "finished": list(finished),
        }
    }


def ask(session: Session, one: Observation, **more: Any) -> np.ndarray:
    """The actions of a wambench client's request."""
    translator = Translator(session._served.mapping, SPEC)
    answer: np.ndarray = session.answer(translator.fields(one) | identity(one, **more))["actions"]
    return answer


def plain(session: Session, one: Observation) -> np.ndarray:
    """The actions of a request that says nothing of its episode."""
    translator = Translator(session._served.mapping, SPEC)
    answer: np.ndarray = session.answer(translator.fields(one))["actions"]
    return answer


def test_a_known_episode_is_answered_as_in_the_same_process() -> None:
    policy = Random(SPEC, chunk=6, cameras="agentview", image_size=64)
    session = ServedPolicy("openpi", served(policy)).session()
    for trial, step in ((0, 0), (1, 0), (0, 6), (1, 6)):
        here = policy.act([seen(trial, step, 64)])[0]
        assert np.array_equal(ask(session, seen(trial, step, 64)), here)


def test_the_noise_of_an_unknown_episode_depends_on_the_observation_and_the_seed_alone() -> None:
    policy = Random(SPEC, chunk=6, cameras="agentview", image_size=64)
    one, other = ServedPolicy("openpi", served(policy)), ServedPolicy("openpi", served(policy))
    first = plain(one.session(), seen(0, size=64))
    later = other.session()
    assert not np.array_equal(plain(later, seen(1, size=64)), first)
    assert np.array_equal(plain(later, seen(0, size=64)), first)
    seeded = ServedPolicy("openpi", served(policy, seed=1)).session()
    assert not np.array_equal(plain(seeded, seen(0, size=64)), first)


def test_a_policy_that_remembers_keeps_interleaved_episodes_apart() -> None:
    policy = Counts()
    held = ServedPolicy("openpi", served(policy))
    one, other = held.session(), held.session()  # a client's connections share its episodes
    assert ask(one, seen(0, 0, 64))[0, 0] == 0.1
    assert ask(other, seen(1, 0, 64))[0, 0] == 0.1
    assert ask(other, seen(0, 2, 64))[0, 0] == 0.2
    assert ask(one, seen(0, 4, 64))[0, 0] == 0.3
    assert ask(one, seen(0, 0, 64))[0, 0] == 0.1, "it has begun again"
    assert [one.step for one in policy.seen] == [0, 0, 2, 4, 0]


def test_a_request_that_is_sent_again_is_given_the_same_answer() -> None:
    policy = Counts()
    held = ServedPolicy("openpi", served(policy))
    first = held.session()
    ask(first, seen(0, 0, 64))
    assert ask(first, seen(0, 2, 64))[0, 0] == 0.2
    first.close()
    again = held.session()
    assert ask(again, seen(0, 2, 64))[0, 0] == 0.2
    assert ask(again, seen(0, 4, 64))[0, 0] == 0.3


def test_ended_episodes_are_forgotten() -> None:
    policy = Counts()
    session = ServedPolicy("openpi", served(policy)).session()
    ask(session, seen(0, 0, 64))
    ask(session, seen(1, 0, 64), finished=[seen(0).episode.key])
    assert list(policy.counts) == [seen(1).episode.key]


def test_an_episode_whose_beginning_is_lost_is_refused_if_the_policy_remembers() -> None:
    remembering = ServedPolicy("openpi", served(Counts())).session()
    with pytest.raises(RequestError, match=r"at step 4.*has to begin again"):
        ask(remembering, seen(0, 4, 64))
    policy = Random(SPEC, cameras="agentview", image_size=64)
    ask(ServedPolicy("openpi", served(policy)).session(), seen(0, 4, 64))


def test_two_runs_cannot_share_a_policy_that_remembers() -> None:
    held = ServedPolicy("openpi", served(Counts()))
    ask(held.session(), seen(0, 0, 64))
    ask(held.session(), seen(0, 0, 64), client="you")  # as after the first one has died
    ask(held.session(), seen(0, 2, 64), client="you")
    with pytest.raises(RequestError, match=r"another client.*a server for each run"):
        ask(held.session(), seen(0, 2, 64))


def test_a_policy_that_remembers_refuses_clients_that_do_not_say_where_episodes_begin() -> None:
    with pytest.raises(RequestError, match="--episode-per-connection"):
        plain(ServedPolicy("openpi", served(Counts())).session(), seen(size=64))


def test_a_connection_can_be_an_episode() -> None:
    policy = Counts()
    held = ServedPolicy("openpi", served(policy, episode_per_connection=True))
    one, other = held.session(), held.session()
    said = [plain(s, seen(size=64))[0, 0] for s in (one, one, other, one)]
    assert said == [0.1, 0.2, 0.1, 0.3]
    assert [one.step for one in policy.seen] == [0, 2, 0, 4]
    one.close()
    assert len(policy.counts) == 1


def test_a_privileged_policy_is_refused() -> None:
    with pytest.raises(UsageError, match="privileged: it reads the simulator"):
        ServedPolicy("openpi", served(build_policy(find_policy("expert"), SPEC, {}), "expert"))


def test_a_policy_that_needs_what_the_protocol_does_not_send_is_refused() -> None:
    with pytest.raises(UsageError, match="needs frontview, which the mapping of openpi"):
        ServedPolicy("openpi", served(Random(SPEC, cameras="frontview")))


@pytest.mark.parametrize(
    "wrong",
    [
        3,
        {},
        {"episode": {}, "step": 0, "client": "me", "finished": []},
        identity(seen())[IDENTITY] | {"step": -1},
        identity(seen())[IDENTITY] | {"step": True},
        identity(seen())[IDENTITY] | {"finished": "all"},
        identity(seen())[IDENTITY] | {"episode": seen().episode.to_json() | {"seed": "x"}},
        identity(seen())[IDENTITY] | {"episode": seen().episode.to_json() | {"seed": 2**70}},
    ],
)
def test_a_forged_identity_is_refused(wrong: Any) -> None:
    held = ServedPolicy("openpi", served(Random(SPEC)))
    fields = Translator(held.mapping, SPEC).fields(seen()) | {IDENTITY: wrong}
    with pytest.raises(RequestError, match="not what wambench's clients send"):
        held.session().answer(fields)


# ---- over the wire -------------------------------------------------------------------------------

RANDOM = ("--policy", "random", "--protocol", "openpi", "--policy-arg", "chunk=6")
LOOKS = (*RANDOM, "--policy-arg", "cameras=agentview", "--policy-arg", "image_size=64")


def test_a_served_policy_is_used_through_its_own_client() -> None:
    here = Random(SPEC, chunk=6, cameras="agentview", image_size=64)
    with wambench_serve(*LOOKS) as url:
        remote = OpenPIPolicy(SPEC, url=url)
        assert (remote.needs, remote.horizon, remote.execute) == (here.needs, 6, 6)
        for trial, step in ((0, 0), (1, 0), (0, 6)):
            there = remote.act([seen(trial, step, 64)])
            assert np.array_equal(there, here.act([seen(trial, step, 64)]))
        with urllib.request.urlopen(url.replace("ws", "http") + "/healthz", timeout=10) as reply:
            assert (reply.status, reply.read()) == (200, b"OK\n")
        other = OpenPIPolicy(SPEC, url=url, mapping={"execute": 2})
        assert other.execute == 2
        assert other.needs.image_size == (256, 256), "the packaged mapping, changed"


def test_a_server_of_another_robot_is_refused() -> None:
    from dataclasses import replace

    with wambench_serve(*LOOKS) as url, pytest.raises(PolicyError, match="whose control_hz are 20"):
        OpenPIPolicy(replace(SPEC, control_hz=10.0), url=url)


def test_only_who_has_the_key_is_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    with wambench_serve(*LOOKS, "--api-key", "s3cret") as url:
        monkeypatch.delenv("WAMBENCH_API_KEY", raising=False)
        with pytest.raises(UsageError, match=r"401.*wants a key.*WAMBENCH_API_KEY"):
            OpenPIPolicy(SPEC, url=url)
        monkeypatch.setenv("WAMBENCH_API_KEY", "guess")
        with pytest.raises(UsageError, match=r"401.*not accepted"):
            OpenPIPolicy(SPEC, url=url)
        monkeypatch.setenv("WAMBENCH_API_KEY", "s3cret")
        assert OpenPIPolicy(SPEC, url=url).horizon == 6
        with urllib.request.urlopen(url.replace("ws", "http") + "/healthz", timeout=10) as reply:
            assert reply.status == 200


def test_wrong_requests_are_told_why_and_the_server_goes_on() -> None:
    with wambench_serve(*LOOKS) as url:
        with pytest.raises(InvalidStatus, match="403"):  # a web page
            connect(url, origin=Origin("http://example.org"), proxy=None)
        for frame, said in (
            ("hello", "text frame"),
            (b"\xc1", "not msgpack"),
            (encode([1], "openpi"), "A list arrived"),
            (encode({}, "openpi"), "missing"),
            (encode({"observation/image": np.zeros(1)}, "npy"), "GR00T"),
            (b"\x00" * (64 * 1024 * 1024 + 1), None),
        ):
            with connect(url, compression=None, proxy=None) as client:
                metadata, _ = decode(client.recv(), "openpi")  # type: ignore[arg-type]
                assert metadata[IDENTITY]["suite"] == "libero_long"
                try:
                    client.send(frame)
                    answer = client.recv(timeout=30)
                except ConnectionClosed:
                    assert said is None, "it closes the connection on what is too large alone"
                else:
                    assert isinstance(answer, str)
                    assert said is not None
                    assert said in answer
                    assert "Traceback" not in answer
                    with pytest.raises(ConnectionClosed, match="1011"):
                        client.recv(timeout=30)
        assert OpenPIPolicy(SPEC, url=url).horizon == 6


def test_a_server_listens_on_this_machine_alone_unless_told(wambench: Run) -> None:
    with wambench_serve(*LOOKS) as url:
        assert url.startswith("ws://127.0.0.1:")
        port = url.rpartition(":")[2]
        taken = wambench("serve", *RANDOM, "--port", port)
        assert taken.returncode == 2
        assert f"127.0.0.1:{port} cannot be listened on" in taken.stderr


@pytest.mark.parametrize("name", ["flow_bc", pytest.param("lawam", marks=pytest.mark.slow)])
def test_a_learned_policy_gives_the_same_actions_through_the_wire(name: str) -> None:
    pytest.importorskip("torch", reason="learned policies need torch")
    from wambench.registry import load_suite

    spec = load_suite("libero_goal", "embedded").spec
    here = build_policy(find_policy(name), spec, {})
    batch = [seen(0, 0, 128), seen(1, 8, 128)]
    with wambench_serve("--policy", name, "--protocol", "openpi") as url:
        remote = OpenPIPolicy(spec, url=url)
        assert (remote.needs, remote.horizon, remote.execute) == (
            here.needs,
            here.horizon,
            here.execute,
        )
        assert "checkpoint_sha256" in remote.provenance["server"]
        # Fresh observations: a generator gives its numbers once.
        there = remote.act([seen(0, 0, 128), seen(1, 8, 128)])
    assert np.array_equal(there, here.act(batch))


@pytest.mark.slow
def test_a_run_through_the_wire_is_the_run_in_the_same_process(
    wambench: Run, tmp_path: Path
) -> None:
    pytest.importorskip("libero", reason="needs LIBERO's simulator")
    suite = ("--suite", "libero_object", "--backend", "embedded")
    run = (*suite, "--tasks", "0", "--trials", "1", "--workers", "1")
    cameras = ("--policy-arg", "cameras=agentview", "--policy-arg", "image_size=64")
    with wambench_serve(*RANDOM, *cameras, "--suite", "libero_object") as url:
        done = wambench("eval", "--policy", "openpi", "--policy-arg", f"url={url}", *run, "--out=a")
        assert done.returncode == 0, done.stderr
    chunk = ("--policy-arg", "chunk=6")
    done = wambench("eval", "--policy", "random", *chunk, *cameras, *run, "--out=b")
    assert done.returncode == 0, done.stderr
    a, b = (json.loads((tmp_path / r / "episodes.jsonl").read_text()) for r in "ab")
    assert a["actions"] == b["actions"]
    assert a["final_state"] == b["final_state"]
