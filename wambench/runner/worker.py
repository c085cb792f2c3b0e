"""A worker: one process that simulates one episode after another.

Started as `python -m wambench.runner.worker CHANNEL_FD PIXELS_FD` in the suite's runtime. It keeps
the environment of the task it last simulated, so a scheduler that hands it episodes of one task in
a row saves the building time.

What it says: `ready` after set-up, `observation` when it needs actions, `ended`, `failed`, and
`progress` from long privileged episodes so that a watchdog knows it is alive.
"""

from __future__ import annotations

import faulthandler
import hashlib
import os
import signal
import socket
import sys
import time
import traceback
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wambench import registry
from wambench.demos.recording import Recorder, RecordingRequest
from wambench.env import BenchmarkEnv, Obs, checked_chunk
from wambench.errors import (
    InfeasibleEpisode,
    PolicyContractError,
    PolicyError,
    RunDirectoryError,
    RuntimeUnavailable,
    UsageError,
    WambenchError,
)
from wambench.protocol import (
    Episode,
    Needs,
    Observation,
    Policy,
    Subgoals,
    Suite,
    episode_rng,
)
from wambench.report.video import VideoRequest, write_episode_video
from wambench.runner.children import die_with_parent, show_stacks_when_asked
from wambench.runner.conclusion import keep_decisions, measured
from wambench.runner.ending import Ending
from wambench.runner.transport import Channel, Disconnected, PixelBuffer
from wambench.subgoals import Demonstrator

PROGRESS_EVERY_S = 5.0

_FATAL = (PolicyContractError, RuntimeUnavailable, UsageError, RunDirectoryError)
"""Errors that every other episode would run into as well."""


class _Abandoned(Exception):
    """The scheduler gave the episode up because its policy failed."""


class Worker:
    """Simulates episodes on request; see the module docstring."""

    def __init__(self, channel: Channel, pixels_fd: int) -> None:
        self._channel = channel
        setup = channel.receive()
        started = time.perf_counter()
        needs = setup["needs"]
        self._needs = Needs(
            tuple(needs["cameras"]),
            tuple(needs["image_size"]),
            needs["privileged"],
            needs["subgoals"],
        )
        self._pixels = PixelBuffer(self._needs, pixels_fd)
        self._suite: Suite = registry.load_target(setup["suite"])(setup["backend"])
        # Before the policy: a suite says how to render, and MuJoCo reads that when it is imported.
        provenance = dict(self._suite.provenance())
        self._video = VideoRequest(**setup["video"])
        self._recorder: Recorder | None = None
        if setup["recording"]:
            request = RecordingRequest.from_message(setup["recording"])
            self._recorder = Recorder(request, self._suite.spec, provenance, self._alive)
        self._demonstrator: Demonstrator | None = None
        if self._needs.subgoals:
            self._demonstrator = Demonstrator(self._suite, self._needs, provenance, self._alive)
        self._subgoals: Subgoals | None = None
        self._decisions: str = setup["decisions"]
        self._policy: Policy | None = None
        if self._needs.privileged:
            reference = registry.Reference(**setup["policy"])
            self._policy = registry.build_policy(
                reference, self._suite.spec, setup["policy_arguments"]
            )
        self._env: BenchmarkEnv | None = None
        self._snapshots: list[NDArray[np.float64]] = []
        channel.send(
            {
                "type": "ready",
                "provenance": provenance,
                "seconds": time.perf_counter() - started,
            }
        )

    def serve(self) -> None:
        """Handles requests until told to stop or until the scheduler has gone."""
        while True:
            request = self._channel.receive()
            if request["type"] == "stop":
                return
            try:
                if request["type"] == "doctor":
                    self._channel.send({"type": "checks", "checks": self._checks()})
                else:
                    self._channel.send(self._run(Episode.from_json(request["episode"])))
            except Disconnected:
                raise
            except _Abandoned:
                continue
            except Exception as error:
                self._channel.send(describe_failure(error))

    # ---- one episode -------------------------------------------------------------------------

    def _run(self, episode: Episode) -> dict[str, Any]:
        started = time.perf_counter()
        env = self._env_for(episode)
        building = time.perf_counter() - started
        before = dict(env.seconds)
        self._policy_seconds = 0.0
        self._snapshots = []
        watched = self._video.mode != "none" or self._recorder is not None
        env.on_control_step = self._record if watched else None
        demonstrating = time.perf_counter()
        self._subgoals = self._demonstrator.subgoals(episode) if self._demonstrator else None
        demonstrating = time.perf_counter() - demonstrating
        obs, info = env.reset(seed=episode.seed, options={"init_state": episode.init_state})
        # Upstream's simulators decide it while they draw the episode; no manifest could know.
        episode = replace(episode, instruction=info["instruction"])
        if self._recorder is not None:
            self._recorder.begin(env, episode)
        if watched:
            self._record()
        success = ended = False
        steps = 0
        actions_digest = hashlib.sha256()
        if self._policy is not None:
            self._policy.start([episode])
        while not ended:
            chunk = self._next_chunk(episode, steps, obs)
            if self._recorder is not None:
                chunk = self._recorder.executed(chunk, steps, self._doing(episode))
            obs, _, success, truncated, info = env.advance(chunk[: episode.max_steps - steps])
            actions_digest.update(np.ascontiguousarray(chunk[: info["steps"]]).tobytes())
            steps += info["steps"]
            # An episode may be shorter than its task, where only its beginning is of interest.
            ended = success or truncated or steps >= episode.max_steps
        decisions = None
        metrics = {name: float(value) for name, value in env.metrics().items()}
        if self._policy is None:
            self._pixels.write(obs["pixels"])  # for the policy's own measures
        else:
            thinking = time.perf_counter()
            last = self._observation(episode, steps, obs)
            metrics = measured(self._policy, last, metrics)
            decisions = keep_decisions(self._policy, last, self._decisions)
            self._policy.finish([episode])
            self._policy_seconds += time.perf_counter() - thinking
        seconds = {kind: env.seconds[kind] - before[kind] for kind in env.seconds}
        final_state = hashlib.sha256(env.snapshot().tobytes()).hexdigest()[:16]
        filming = time.perf_counter()
        video, video_error = self._film(env, episode, success)
        if self._recorder is not None:
            self._recorder.save(success, final_state)
        return Ending(
            success=success,
            steps=steps,
            final_state=final_state,
            actions=actions_digest.hexdigest()[:16],
            agent_pos=obs["agent_pos"],
            metrics=metrics,
            decisions=decisions,
            meta=env.episode_meta() | self._shown_subgoals(),
            video=video,
            video_error=video_error,
            seconds=seconds
            | {
                "building": building + demonstrating,
                "policy": self._policy_seconds,
                "video": time.perf_counter() - filming,
            },
        ).message()

    def _next_chunk(self, episode: Episode, step: int, obs: Obs) -> NDArray[np.float64]:
        """Asks the policy, wherever it lives, for the actions to execute next."""
        if self._policy is None:
            self._pixels.write(obs["pixels"])
            message: dict[str, Any] = {
                "type": "observation",
                "step": step,
                "agent_pos": obs["agent_pos"],
            }
            if step == 0:
                message["instruction"] = episode.instruction
                if self._subgoals is not None:
                    message["subgoals"] = asdict(self._subgoals)
            self._channel.send(message)
            answer = self._channel.receive()
            if answer["type"] == "abandon":
                raise _Abandoned
            actions: NDArray[np.float64] = answer["actions"]
            return actions
        started = time.perf_counter()
        observation = self._observation(episode, step, obs)
        try:
            chunk = np.asarray(self._policy.act([observation]))
        except WambenchError:
            raise
        except Exception as error:
            traceback.print_exc()
            raise PolicyError(
                f"act() raised {type(error).__name__}: {' '.join(str(error).split())}."
            ) from error
        self._policy_seconds += time.perf_counter() - started
        self._alive()
        (checked,) = checked_chunks(chunk, 1, self._policy, self._suite.spec.action_dim)
        if isinstance(checked, PolicyError):
            raise checked
        return checked

    def _observation(self, episode: Episode, step: int, obs: Obs) -> Observation:
        """What a policy in this process is given."""
        return Observation(
            episode,
            step,
            obs["pixels"],
            obs["agent_pos"],
            episode_rng(episode.seed, step),
            self._env,
            self._subgoals,
            self._alive,
        )

    def _shown_subgoals(self) -> dict[str, Any]:
        """What a record says of them."""
        if self._subgoals is None:
            return {}
        shown = self._subgoals
        return {
            "subgoals": {"every": shown.every, "steps": list(shown.steps), "sha256": shown.digest}
        }

    def _doing(self, episode: Episode) -> str:
        """What a policy that runs here says it is doing."""
        doing = getattr(self._policy, "doing", None)
        return doing(episode) if doing is not None else ""

    def _alive(self) -> None:
        """Tells the scheduler, now and then, that something is being done."""
        now = time.perf_counter()
        if now - self._last_word > PROGRESS_EVERY_S:
            self._channel.send({"type": "progress"})
            self._last_word = now

    _last_word = 0.0
    _policy_seconds = 0.0

    def _env_for(self, episode: Episode) -> BenchmarkEnv:
        if self._env is None or self._env.task.index != episode.task:
            if self._env is not None:
                self._env.close()
                self._env = None
            self._env = self._suite.make_env(
                registry.pick_task(self._suite, episode.task), self._needs
            )
        return self._env

    def _record(self) -> None:
        assert self._env is not None
        if self._recorder is not None:
            self._recorder.observe()
        if self._video.mode != "none":
            self._snapshots.append(self._env.snapshot())

    def _film(
        self, env: BenchmarkEnv, episode: Episode, success: bool
    ) -> tuple[str | None, str | None]:
        """Renders and writes the video if this outcome is to be filmed; never fails an episode."""
        if not self._video.wants(success):
            return None, None
        try:
            return write_episode_video(self._video, env, episode, self._snapshots, success), None
        except Exception as error:
            return None, f"{type(error).__name__}: {error}"

    def _checks(self) -> list[dict[str, Any]]:
        return [
            {"name": c.name, "ok": c.ok, "detail": c.detail, "remedy": c.remedy}
            for c in self._suite.doctor()
        ]


def checked_chunks(
    actions: NDArray[Any], batch: int, policy: Policy, action_dim: int
) -> list[NDArray[np.float64] | PolicyError]:
    """The part of each answered chunk that will be executed.

    Args:
        actions: What `act` returned.
        batch: How many observations it was given.
        policy: The policy.
        action_dim: Width A of the suite's actions.

    Returns:
        For each observation an array of shape (execute, A), or the error where an action is NaN or
        infinite: that is the fault of this episode alone.

    Raises:
        PolicyContractError: The array has another shape than (batch, horizon, A).
    """
    expected = (batch, policy.horizon, action_dim)
    if actions.shape != expected:
        raise PolicyContractError(
            f"act() returned an array of shape {actions.shape}, expected "
            f"(batch, horizon, action width) = {expected}.",
            f"The suite's actions have {action_dim} dimensions; see `wambench list suites`.",
        )
    checked: list[NDArray[np.float64] | PolicyError] = []
    for chunk in actions:
        try:
            checked.append(checked_chunk(chunk[: policy.execute], action_dim))
        except PolicyError as error:
            checked.append(error)
    return checked


def describe_failure(error: Exception) -> dict[str, Any]:
    """An exception as a `failed` message, with the outcome it leads to.

    `fatal` stops the run: every other episode would end in the same way.
    """
    if isinstance(error, InfeasibleEpisode):
        kind = "infeasible"
    elif isinstance(error, _FATAL):
        kind = "fatal"
    elif isinstance(error, PolicyError):
        kind = "policy_error"
    else:
        kind = "env_error"
    if isinstance(error, WambenchError):
        problem, remedy = error.problem, error.remedy
    else:
        traceback.print_exception(error)
        problem, remedy = f"{type(error).__name__}: {' '.join(str(error).split())}.", ""
    return {"type": "failed", "kind": kind, "problem": problem, "remedy": remedy}


def main(arguments: list[str]) -> None:
    """Entry point of the process."""
    # Ctrl-C goes to the whole process group; the scheduler decides what happens to workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_parent()
    faulthandler.enable()
    show_stacks_when_asked()
    channel_fd, pixels_fd = (int(argument) for argument in arguments)
    channel = Channel(socket.socket(fileno=channel_fd))
    try:
        worker = Worker(channel, pixels_fd)
    except Disconnected:
        return
    except Exception as error:
        channel.send(describe_failure(error) | {"kind": "fatal"})
        return
    code = 0
    try:
        worker.serve()
    except Disconnected:
        pass
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    # Simulators have atexit hooks that touch a GL context that is already gone.
    os._exit(code)


if __name__ == "__main__":
    main(sys.argv[1:])
