"""Whole runs through the wire, on a suite that costs nothing: the records of one process."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("websockets", reason="needs the extra `remote`")
pytest.importorskip("yaml", reason="needs the extra `remote`")
pytest.importorskip("wambench_example", reason="needs the plug-in in tests/example_plugin")

from wambench.evaluate import Execution, Request, Silent, start_run
from wambench.results.record import EpisodeRecord
from wambench.results.run import RunDirectory

SUITE = "example_reach"
MAPPING = """
protocol: {protocol}
suites: [example_reach]
source: this test
pictures: {{keys: {{video.top: top}}, render: [32, 32], size: [32, 32]}}
state: {{keys: {{state.point: [x, y]}}}}
prompt: prompt
actions: {{keys: {{action.move: [vx, vy]}}, plausible: 10}}
execute: 2
"""

REMEMBERS = '''
from wambench_example.policy import GoToTarget

class Remembers(GoToTarget):
    """Slower with every chunk of an episode, so that a mixed-up memory shows."""

    def __init__(self, spec, **arguments):
        super().__init__(spec, **arguments)
        self.asked = {}

    def start(self, episodes):
        self.asked.update((episode.key, 0) for episode in episodes)

    def finish(self, episodes):
        for episode in episodes:
            self.asked.pop(episode.key, None)

    def _plan(self, observation):
        self.asked[observation.episode.key] += 1
        return super()._plan(observation) / (1 + self.asked[observation.episode.key] / 10)
'''


class Server:
    """`wambench serve` as a process that can be killed and started again at the same port."""

    def __init__(self, policy: str, mapping: Path, protocol: str) -> None:
        self._command = [
            *(sys.executable, "-m", "wambench.cli.main", "serve", "--policy", policy),
            *("--protocol", protocol, "--suite", SUITE, "--mapping", str(mapping)),
            *("--policy-arg", "noise=0.3", "--policy-arg", "chunk=2", "--port"),
        ]
        self.url = self._start("0")

    def _start(self, port: str) -> str:
        self._process = subprocess.Popen(
            [*self._command, port],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        assert self._process.stdout is not None
        found = re.search(r" at (\w+://\S+)$", self._process.stdout.readline().strip())
        assert found is not None
        return found[1]

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(timeout=30)

    def restart(self) -> None:
        self._start(self.url.rpartition(":")[2])


class Strikes(Silent):
    """Kills the server when some episodes have ended and others are under way; starts it again."""

    def __init__(self, server: Server, at: int) -> None:
        self._server, self._left = server, at
        self.thread: threading.Thread | None = None

    def record(self, record: EpisodeRecord) -> None:
        self._left -= 1
        if self._left == 0:
            self._server.kill()
            self.thread = threading.Thread(target=self._server.restart)
            self.thread.start()


def contents(run: RunDirectory) -> list[dict[str, Any]]:
    return [record.comparable() for record in run.records().values()]


@pytest.mark.parametrize(
    ("protocol", "remembers"),
    [
        ("openpi", False),
        pytest.param("openpi", True, marks=pytest.mark.slow),
        pytest.param("groot", False, marks=pytest.mark.slow),
        pytest.param("groot", True, marks=pytest.mark.slow),
    ],
)
def test_a_server_killed_in_the_middle_of_a_run_costs_no_episode_and_changes_none(
    tmp_path: Path, protocol: str, remembers: bool
) -> None:
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text(MAPPING.format(protocol=protocol))
    name = "example_go_to_target"
    if remembers:
        (tmp_path / "remembers.py").write_text(REMEMBERS)
        name = f"{tmp_path / 'remembers.py'}:Remembers"
    plain = Request(
        name, SUITE, tmp_path / "a", trials=3, policy_arguments={"noise": 0.3, "chunk": 2}
    )
    expected = contents(start_run(plain, Execution(workers=1)))
    server = Server(name, mapping, protocol)
    try:
        strikes = Strikes(server, at=3)
        wired = Request(
            protocol, SUITE, tmp_path / "b", trials=3, policy_arguments={"url": server.url}
        )
        run = start_run(wired, Execution(workers=2, progress=strikes))
        assert strikes.thread is not None
        strikes.thread.join()
        assert sorted(contents(run), key=str) == sorted(expected, key=str)
        attempts = [record.execution.attempts for record in run.records().values()]
        assert remembers or max(attempts) == 1, "nothing had to begin again"
    finally:
        server.kill()
