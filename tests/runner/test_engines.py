"""Replicas elsewhere give the records that the local engine gives, whatever dies meanwhile."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support import alive, children
from wambench.errors import RuntimeUnavailable, UsageError, WambenchError
from wambench.evaluate import Execution, Request, Silent, resume_run, start_run
from wambench.protocol import Episode
from wambench.results.record import EpisodeRecord
from wambench.results.run import RunDirectory
from wambench.runner.engine import Engine, deal, make_engine
from wambench.runner.replica import run_shard
from wambench.runner.shard import MESSAGES, SHARD, Inbox, Shard
from wambench.stopping import decision_of

NOISY: dict[str, Any] = {"noise": 0.5}


def slurm(replicas: int = 2) -> Engine:
    """The Slurm engine with submitit's local executor."""
    engine = make_engine("slurm", replicas, 1, {"cluster": "local"})
    assert engine is not None
    return engine


def evaluate(out: Path, engine: Engine | None = None, **rest: Any) -> RunDirectory:
    """Twelve episodes of three tasks on the faulty suite."""
    progress = rest.pop("progress", Silent())
    arguments = NOISY | rest.pop("arguments", {})
    request = Request("faulty", "faulty_reach", out, trials=4, policy_arguments=arguments, **rest)
    return start_run(request, Execution(workers=1, engine=engine, progress=progress))


def contents(run: RunDirectory) -> list[dict[str, Any]]:
    """All that must not depend on how the run went."""
    return [record.comparable() for record in run.records().values()]


def said(run: Path, shard: int) -> list[dict[str, Any]]:
    """What the replica in a folder has said."""
    return Inbox(run / "logs" / f"shard-{shard:03d}").receive()


def process_of(run: Path, shard: int) -> int:
    """Process id of the replica in a folder."""
    return int(said(run, shard)[0]["pid"])


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """What the local engine gives."""
    return evaluate(tmp_path_factory.mktemp("run") / "run")


class Watcher(Silent):
    """Kills a replica after its first record and keeps the notes."""

    def __init__(self, run: Path) -> None:
        self.notes: list[str] = []
        self.killed = 0
        self._run = run

    def note(self, line: str) -> None:
        """Kept."""
        self.notes.append(line)

    def record(self, record: EpisodeRecord) -> None:
        """The first one is the signal."""
        if not self.killed:
            self.killed = process_of(self._run, 0)
            os.kill(self.killed, signal.SIGKILL)


# ---- spreading a manifest --------------------------------------------------------------------


def episode(task: int, trial: int) -> Episode:
    """An episode of a suite that is never built."""
    return Episode("s", "embedded", task, f"t{task}", trial, trial, 0, "go", 10)


@given(st.lists(st.integers(1, 7), min_size=1, max_size=6), st.integers(1, 9))
def test_every_episode_is_dealt_once_and_hands_are_alike(tasks: list[int], hands: int) -> None:
    waves = [[episode(task, trial) for trial in range(n)] for task, n in enumerate(tasks)]
    dealt = deal(waves, hands)
    everything = [e for hand in dealt for wave in hand for e in wave]
    assert Counter(everything) == Counter(e for wave in waves for e in wave)
    sizes = [sum(len(wave) for wave in hand) for hand in dealt]
    assert max(sizes) - min(sizes) <= 1
    for number, wave in enumerate(waves):
        parts = [hand[number] for hand in dealt]
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
        for part in parts:
            assert part == [e for e in wave if e in part], "within a hand the order is kept"


# ---- Slurm, with submitit's local executor ---------------------------------------------------


def test_jobs_give_the_records_of_the_local_engine(tmp_path: Path, local: RunDirectory) -> None:
    run = evaluate(tmp_path / "run", slurm())
    assert contents(run) == contents(local)
    assert {r.execution.worker for r in run.records().values()} == {0, 1}, "both took part"
    assert run.info.provenance["suite"] == local.info.provenance["suite"]


def test_the_episodes_of_a_killed_job_are_run_again(tmp_path: Path, local: RunDirectory) -> None:
    watcher = Watcher(tmp_path / "run")
    run = evaluate(tmp_path / "run", slurm(), progress=watcher, arguments={"delay": 0.1})
    assert watcher.killed
    assert any("Replica 0 (job" in note and "run again" in note for note in watcher.notes)
    assert contents(run) == contents(local)
    lines = [json.loads(line)["key"] for line in (run.path / "episodes.jsonl").open()]
    assert len(lines) == len(set(lines)), "what a dead job had recorded is not run again"


def test_what_jobs_do_after_their_driver_was_killed_is_taken_in_by_a_resumed_run(
    tmp_path: Path, local: RunDirectory
) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-m", "wambench.cli.main", "eval", "--policy", "faulty"]
    command += ["--suite", "faulty_reach", "--trials", "4", "--policy-arg", "noise=0.5"]
    command += ["--policy-arg", "delay=0.3", "--workers", "1", "--out", str(out)]
    command += ["--engine", "slurm", "--engine-arg", "cluster=local"]
    with open(tmp_path / "output", "wb") as output:
        driver = subprocess.Popen(command, stdout=output, stderr=output)
    deadline = time.monotonic() + 60
    episodes = out / "episodes.jsonl"
    while time.monotonic() < deadline and not (episodes.exists() and episodes.stat().st_size):
        time.sleep(0.05)
    driver.kill()
    driver.wait()
    recorded = len(RunDirectory(out).records())
    while time.monotonic() < deadline and len(said(out, 0)) < recorded + 4:
        time.sleep(0.05)
    replica = process_of(out, 0)
    assert alive(replica), "a job does not depend on its driver"
    watcher = Watcher(out)
    watcher.killed = -1  # nothing is killed this time
    run = resume_run(out, {}, Execution(workers=1, progress=watcher))
    assert any("outlived their driver" in note for note in watcher.notes)
    assert contents(run) == contents(local)
    while time.monotonic() < deadline and alive(replica):
        time.sleep(0.05)
    assert not alive(replica), "the old job was told to stop"


def test_an_error_that_every_replica_would_repeat_ends_the_run_as_it_does_locally(
    tmp_path: Path,
) -> None:
    with pytest.raises(WambenchError, match=r"\(1, 4, 4\), expected .* \(1, 4, 2\)"):
        evaluate(tmp_path / "run", slurm(), arguments={"always": "width"})
    assert RunDirectory(tmp_path / "run").records() == {}


def test_a_run_on_jobs_stops_when_its_comparison_is_decided(tmp_path: Path) -> None:
    good = start_run(
        Request("example_go_to_target", "example_reach", tmp_path / "good", trials=20),
        Execution(workers=1),
    )
    policy = tmp_path / "hold_still.py"
    policy.write_text(
        "import numpy as np\n"
        "from wambench.protocol import Policy\n\n\n"
        "class Hold(Policy):\n"
        "    def __init__(self, spec):\n"
        "        pass\n\n"
        "    def act(self, batch):\n"
        "        return np.zeros((len(batch), 1, 2))\n"
    )
    request = Request(
        f"{policy}:Hold", "example_reach", tmp_path / "bad", trials=20, against=good.path, stop=True
    )
    run = start_run(request, Execution(workers=1, engine=slurm()))
    decision = decision_of(run, run.records())
    assert decision is not None
    assert decision.verdict == "a better"


def test_what_is_missing_or_wrong_is_said_before_a_run_directory_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="one replica of the policy, not 2"):
        make_engine("local", 2, None, {})
    with pytest.raises(UsageError, match="takes no argument partition"):
        make_engine("local", None, None, {"partition": "gpu"})
    with pytest.raises(UsageError, match="0 workers"):
        make_engine("slurm", 1, 0, {})
    with pytest.raises(UsageError, match="no cluster 'mars'"):
        make_engine("slurm", 1, 1, {"cluster": "mars"})
    with pytest.raises(UsageError, match="takes no argument adress"):
        make_engine("ray", 1, 1, {"adress": "auto"})
    with pytest.raises(UsageError, match=r"gpus=many"):
        make_engine("ray", 1, 1, {"gpus": "many"})
    with pytest.raises(UsageError, match="Ray Client"):
        make_engine("ray", 1, 1, {"address": "ray://head:10001"})
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeUnavailable, match="no sbatch"):
        make_engine("slurm", 1, 1, {})
    for module, name in (("submitit", "slurm"), ("ray", "ray")):
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(RuntimeUnavailable, match=rf"pip install 'wambench\[{name}\]'"):
            make_engine(name, 1, 1, {})


def test_an_argument_that_submitit_does_not_know_is_an_error(tmp_path: Path) -> None:
    engine = make_engine("slurm", 1, 1, {"cluster": "local", "slurm_partitoin": "gpu"})
    with pytest.raises(UsageError, match="slurm_partitoin"):
        evaluate(tmp_path / "run", engine)


# ---- Slurm, with stand-ins for its commands --------------------------------------------------

COMMANDS = {
    "sbatch": """
        [ -e $FAKE/refuse ] && { echo 'sbatch: error: invalid partition: gpu' >&2; exit 1; }
        id=$(( $(ls $FAKE | grep -c '[.]sh$') + 101 ))
        cp "$1" $FAKE/$id.sh
        export SLURM_JOB_ID=$id SLURM_NTASKS=1 SLURM_JOB_NUM_NODES=1 SLURM_JOB_NODELIST=node1
        SLURM_NODEID=0 SLURM_PROCID=0 SLURM_LOCALID=0 setsid bash "$1" >/dev/null 2>&1 &
        echo $! > $FAKE/$id.pid
        echo "Submitted batch job $id"
    """,
    "srun": """
        out=${3//%j/$SLURM_JOB_ID} err=${5//%j/$SLURM_JOB_ID}
        shift 5
        exec "$@" >${out//%t/0} 2>${err//%t/0}
    """,
    "sacct": """
        echo 'JobID|State|NodeList'
        for id in "$@"; do
            [ -e $FAKE/$id.pid ] || continue
            state=NODE_FAIL
            kill -0 $(cat $FAKE/$id.pid) 2>/dev/null && state=RUNNING
            echo "$id|$state|node1"
        done
    """,
    "scancel": "kill -9 -- -$(cat $FAKE/${!#}.pid); echo ${!#} >> $FAKE/cancelled",
}
"""What submitit calls, in so far as it uses it: jobs are process groups of this machine."""


@pytest.fixture
def fake_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a cluster of one node."""
    from wambench.runner import slurm as module

    folder = tmp_path / "slurm"
    folder.mkdir()
    for name, text in COMMANDS.items():
        file = tmp_path / "bin" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"#!/bin/bash\n{textwrap.dedent(text)}")
        file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("FAKE", str(folder))
    monkeypatch.setattr(module, "_LOOK_S", 1)
    monkeypatch.setattr(module, "_ARRIVAL_S", 0.5)
    return folder


def test_jobs_are_submitted_as_asked_and_replaced_when_sacct_says_that_they_died(
    tmp_path: Path, local: RunDirectory, fake_slurm: Path
) -> None:
    engine = make_engine("slurm", 2, 1, {"slurm_partition": "gpu", "gpus_per_node": 1})
    assert engine is not None

    class KillAJob(Watcher):
        def record(self, record: EpisodeRecord) -> None:
            """The whole process group, as a node that fails would."""
            if not self.killed:
                self.killed = int((fake_slurm / "101.pid").read_text())
                os.killpg(self.killed, signal.SIGKILL)

    watcher = KillAJob(tmp_path / "run")
    run = evaluate(tmp_path / "run", engine, progress=watcher, arguments={"delay": 0.1})
    assert contents(run) == contents(local)
    assert any("(job 101) ended as NODE_FAIL" in note for note in watcher.notes)
    for script in ("101.sh", "102.sh", "103.sh"):
        text = (fake_slurm / script).read_text()
        for option in ("partition=gpu", "gpus-per-node=1", "cpus-per-task=2", "no-requeue"):
            assert f"#SBATCH --{option}\n" in text
        assert "#SBATCH --time=240\n" in text


def test_jobs_of_a_run_that_ends_early_are_cancelled(tmp_path: Path, fake_slurm: Path) -> None:
    class Impatient(Silent):
        def record(self, record: EpisodeRecord) -> None:
            """As Ctrl-C would."""
            raise KeyboardInterrupt

    engine = make_engine("slurm", 1, 1, {})
    with pytest.raises(KeyboardInterrupt):
        evaluate(tmp_path / "run", engine, progress=Impatient(), arguments={"delay": 0.3})
    assert (fake_slurm / "cancelled").read_text() == "101\n"


def test_what_sbatch_refuses_is_said_in_its_words(tmp_path: Path, fake_slurm: Path) -> None:
    (fake_slurm / "refuse").touch()
    with pytest.raises(RuntimeUnavailable, match="invalid partition: gpu"):
        evaluate(tmp_path / "run", make_engine("slurm", 1, 1, {}))


# ---- a replica by itself ---------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, local: RunDirectory) -> Path:
    """A folder with a shard of four episodes."""
    shard = Shard(
        number=3,
        config=local.info.config,
        manifest=local.manifest.digest,
        policy=local.info.provenance["policy"],
        waves=[[e.key for e in local.manifest.episodes[:4]]],
        any_counted=False,
        video="failures",
        videos="",
        directory=os.getcwd(),
        workers=1,
        retries=0,
        silence_s=60,
        batch=4,
    )
    path = tmp_path / "shard"
    path.mkdir()
    (path / SHARD).write_text(shard.model_dump_json())
    return path


def rewrite(folder: Path, **changes: Any) -> None:
    """Changes fields of the shard."""
    fields = json.loads((folder / SHARD).read_text()) | changes
    (folder / SHARD).write_text(json.dumps(fields))


def keys(folder: Path) -> list[str]:
    """Episodes that a replica has reported, in order."""
    return [m["record"]["key"] for m in Inbox(folder).receive() if m["type"] == "record"]


def test_a_job_that_a_cluster_starts_again_goes_on_where_it_was(folder: Path) -> None:
    run_shard(str(folder))
    file = folder / MESSAGES
    first = keys(folder)
    assert len(first) == 4
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:4]) + lines[4][:50])  # started, suite, two records, a part
    run_shard(str(folder))
    assert keys(folder) == first


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"manifest": "0" * 64}, "another version of faulty_reach"),
        ({"policy": {"target": "x:Y"}}, "another version of policy faulty"),
    ],
)
def test_a_machine_with_another_suite_or_policy_is_refused(
    folder: Path, changes: dict[str, Any], problem: str
) -> None:
    rewrite(folder, **changes)
    run_shard(str(folder))
    *_, last = Inbox(folder).receive()
    assert last["type"] == "failed"
    assert problem in last["problem"]
    assert keys(folder) == []


def test_a_replica_that_was_told_to_stop_begins_nothing(folder: Path) -> None:
    (folder / "stop").touch()
    run_shard(str(folder))
    assert [m["type"] for m in Inbox(folder).receive()] == ["started", "done"]


def test_an_incomplete_message_is_received_once_it_is_whole(tmp_path: Path) -> None:
    inbox, file = Inbox(tmp_path), tmp_path / MESSAGES
    assert inbox.receive() == []
    file.write_bytes(b'{"type": "done"}\n{"type": "sui')
    assert inbox.receive() == [{"type": "done"}]
    with open(file, "ab") as more:
        more.write(b'te"}\n')
    assert inbox.receive() == [{"type": "suite"}]


# ---- the driver, with replicas that die as told ----------------------------------------------


class Mortal:
    """An engine whose replicas run in this process and die after so many records.

    Args:
        lives: Records after which each start dies; None for never.
    """

    name, replicas, workers, shared = "mortal", 2, 1, True

    def __init__(self, lives: dict[int, list[int | None]]) -> None:
        self._lives = lives
        self.starts: list[int] = []

    def start(self, shard: Shard, folder: Path) -> Any:
        """Runs everything at once."""
        self.starts.append(shard.number)
        lives = self._lives[shard.number]
        limit = lives.pop(0) if lives else None
        run_shard(str(folder))
        messages = Inbox(folder).receive()
        if limit is not None:
            records = [m for m in messages if m["type"] == "record"]
            messages = records[:limit]

        class Dead:
            def messages(self) -> list[dict[str, Any]]:
                nonlocal messages
                given, messages = messages, []
                return given

            def ended(self) -> str | None:
                return "ended as NODE_FAIL"

            def stop(self) -> None:
                pass

        return Dead()

    def close(self) -> None:
        """Nothing is held."""


def test_a_replica_may_die_as_often_as_it_likes_as_long_as_it_finishes_episodes(
    tmp_path: Path, local: RunDirectory
) -> None:
    engine = Mortal({0: [0, 0, 1, 0, 0, 1, 0, 2], 1: []})
    assert contents(evaluate(tmp_path / "run", engine)) == contents(local)
    assert engine.starts.count(0) == 9


def test_a_replica_that_dies_three_times_in_vain_is_given_up_and_the_others_go_on(
    tmp_path: Path, local: RunDirectory
) -> None:
    engine = Mortal({0: [1, 0, 0, 0], 1: []})
    with pytest.raises(WambenchError, match=r"1 of 2 replicas died 3 times .* NODE_FAIL"):
        evaluate(tmp_path / "run", engine)
    run = RunDirectory(tmp_path / "run")
    assert len(run.records()) == 7
    assert contents(resume_run(run.path, {}, Execution(workers=1))) == contents(local)


# ---- Ray -------------------------------------------------------------------------------------


@pytest.fixture
def loopback_ray(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Ray, if it is installed; every cluster of these tests stays on loopback."""
    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    return pytest.importorskip("ray", reason="Ray is not installed (pip install 'wambench[ray]')")


def descendants(parent: int) -> set[int]:
    """Process ids of everything that a process has started, and that has started in turn."""
    found = set(children(parent))
    return found.union(*(descendants(child) for child in found)) if found else found


def outside_listeners(processes: set[int]) -> list[str]:
    """Addresses beyond loopback on which any of these processes listens."""
    sockets = set()
    for process in processes:
        for link in Path(f"/proc/{process}/fd").glob("*"):
            with contextlib.suppress(OSError):
                sockets.add(os.readlink(link))
    found = []
    for table, loopback in (("tcp", ("0100007F",)), ("tcp6", ("0" * 24 + "01000000",))):
        for row in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = row.split()
            listens = fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets
            mapped = "0000000000000000FFFF00000100007F"  # 127.0.0.1 as an IPv6 address
            if listens and not fields[1].startswith((*loopback, mapped)):
                found.append(fields[1])
    return found


@pytest.mark.slow
def test_actors_of_a_cluster_started_here_give_the_records_of_the_local_engine(
    tmp_path: Path, local: RunDirectory, loopback_ray: Any
) -> None:
    engine = make_engine("ray", 2, 1, {})
    assert engine is not None
    try:
        request = Request(
            "faulty", "faulty_reach", tmp_path / "run", trials=4, policy_arguments=NOISY
        )
        run = start_run(request, Execution(video="all", engine=engine))
        reachable = outside_listeners(descendants(os.getpid()))
    finally:
        engine.close()
    assert reachable == [], "a cluster that is started here listens on loopback only"
    assert contents(run) == contents(local)
    records = run.records().values()
    assert {record.execution.worker for record in records} == {0, 1}
    assert all((run.path / "videos" / str(r.execution.video)).stat().st_size for r in records)


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("127.0.0.1:1", r"no cluster at 127\.0\.0\.1:1: .*refused"),
        ("head", "is no address"),
        ("head:ray", "is no address"),
    ],
)
def test_a_cluster_that_is_not_there_is_said_at_once(address: str, problem: str) -> None:
    with pytest.raises(WambenchError, match=problem):
        make_engine("ray", 1, 1, {"address": address})


@pytest.mark.slow
def test_the_episodes_of_a_killed_node_are_run_again_on_another(
    tmp_path: Path, local: RunDirectory, loopback_ray: Any
) -> None:
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 0, "include_dashboard": False, "node_ip_address": "127.0.0.1"},
    )
    nodes = [cluster.add_node(num_cpus=1, node_ip_address="127.0.0.1") for _ in range(2)]
    engine = None

    class KillANode(Watcher):
        def record(self, record: EpisodeRecord) -> None:
            """After the first record of the second replica."""
            if not self.killed and record.execution.worker == 1:
                self.killed = 1
                cluster.remove_node(nodes[1], allow_graceful=False)

    watcher = KillANode(tmp_path / "run")
    try:
        engine = make_engine("ray", 2, 1, {"address": cluster.address})
        run = evaluate(tmp_path / "run", engine, progress=watcher, arguments={"delay": 0.3})
    finally:
        if engine is not None:
            engine.close()
        cluster.shutdown()
    assert watcher.killed
    assert any("was lost" in note for note in watcher.notes)
    assert contents(run) == contents(local)
