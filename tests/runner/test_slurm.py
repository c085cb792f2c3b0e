"""Jobs of Slurm give the records that the local engine gives, whatever dies meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from engine_support import Watcher, contents, evaluate, process_of, said
from support import alive
from wambench.errors import RuntimeUnavailable, UsageError, WambenchError
from wambench.evaluate import Execution, Request, Silent, resume_run, start_run
from wambench.results.record import EpisodeRecord
from wambench.results.run import RunDirectory
from wambench.runner.engine import Engine, make_engine
from wambench.stopping import decision_of

pytest.importorskip("submitit", reason="needs submitit: pip install 'wambench[slurm]'")


def slurm(replicas: int = 2) -> Engine:
    """The Slurm engine with submitit's local executor."""
    engine = make_engine("slurm", replicas, 1, {"cluster": "local"})
    assert engine is not None
    return engine


# ---- with submitit's local executor ----------------------------------------------------------


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


def test_an_argument_that_submitit_does_not_know_is_an_error(tmp_path: Path) -> None:
    engine = make_engine("slurm", 1, 1, {"cluster": "local", "slurm_partitoin": "gpu"})
    with pytest.raises(UsageError, match="slurm_partitoin"):
        evaluate(tmp_path / "run", engine)


# ---- with stand-ins for Slurm's commands -----------------------------------------------------

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
    # On a busy machine the first job may have died of its slowness and been replaced.
    newest = max(int(script.stem) for script in fake_slurm.glob("*.sh"))
    assert (fake_slurm / "cancelled").read_text() == f"{newest}\n"


def test_what_sbatch_refuses_is_said_in_its_words(tmp_path: Path, fake_slurm: Path) -> None:
    (fake_slurm / "refuse").touch()
    with pytest.raises(RuntimeUnavailable, match="invalid partition: gpu"):
        evaluate(tmp_path / "run", make_engine("slurm", 1, 1, {}))
