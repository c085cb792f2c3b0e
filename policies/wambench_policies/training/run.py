"""From a request to a checkpoint: what every method's trainer does in the same way.

A method's configuration of a training derives from the configuration of what is trained and from
`RunConfig`; its trainer calls `run_training` with a function that builds the objective. The folder
then holds a checkpoint (see `wambench_policies.nn.checkpoint`), `log/`, and `training/`:

    training/run.json             the record: commands, data, configuration, versions
    training/state.safetensors    for resuming
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

import wambench
from wambench.errors import TrainingError, UsageError
from wambench.results.provenance import git_commit
from wambench.trainer import TrainRequest, TrainResult
from wambench_policies.data.config import DataConfig
from wambench_policies.data.windows import TrainingData
from wambench_policies.nn.checkpoint import CONFIG, Checkpoint, write_atomically
from wambench_policies.nn.config import Config
from wambench_policies.nn.ema import Ema
from wambench_policies.nn.encoders.base import FeatureEncoder
from wambench_policies.nn.normalise import FILE as NORMALISATION
from wambench_policies.nn.normalise import Normalisation
from wambench_policies.training.card import model_card, parameters
from wambench_policies.training.config import RunConfig
from wambench_policies.training.log import Log
from wambench_policies.training.loop import Loop
from wambench_policies.training.state import (
    Progress,
    has_state,
    load_progress,
    require_state,
    restore,
    save_state,
)

RECORD = Path("training") / "run.json"
_PACKAGES = ("torch", "accelerate", "transformers", "numpy")

C = TypeVar("C", bound=RunConfig)
Build = Callable[[TrainingData], tuple[nn.Module, nn.Module]]
"""Gives the objective, and the part of it that a checkpoint keeps."""


def resolve(kind: type[C], request: TrainRequest, **changes: Any) -> C:
    """The configuration of a request: the preset, then `--set`, then the options with names.

    Args:
        kind: Its class.
        request: What was asked for.
        **changes: Fields of the preset to replace before that.

    Raises:
        UsageError: A preset, key or value that does not exist or fit, or a value given twice.
    """
    named = {
        "training.steps": request.steps,
        "training.batch_size": request.batch_size,
        "training.seed": request.seed,
        "data.train_init": request.train_init,
    }
    given = {key: value for key, value in named.items() if value is not None}
    twice = sorted(given.keys() & request.overrides.keys())
    if twice:
        raise UsageError(f"{twice[0]} is given by --set and by its own option.", "Give it once.")
    begin = kind.from_preset(request.preset).model_copy(update=changes)
    return begin.with_overrides({**request.overrides, **given})


def run_training(
    request: TrainRequest,
    *,
    method: str,
    about: str,
    config: RunConfig,
    windows: DataConfig,
    build: Build,
) -> TrainResult:
    """Trains, and leaves a checkpoint in `request.out`.

    Args:
        request: What was asked for.
        method: Name of the method.
        about: What comes out, one sentence for the model card.
        config: The full configuration.
        windows: `config.data` with what the model decides about windows.
        build: Builds the objective, with torch's generator seeded.

    Raises:
        UsageError: The folder is taken, or `init` does not fit.
        DataError: The data does not fit.
        TrainingError: It diverged, or what is in the folder cannot be gone on with.
    """
    out = request.out
    if request.resume and (out / RECORD).is_file() and not has_state(out):
        request.note(f"The training in {out} had saved nothing yet: it begins anew.")
        request = replace(request, resume=False)
    elif not request.resume:
        require_free(out)
    record = record_to_resume(request, method, config) if request.resume else {}
    # What it goes on from was begun with these weights; the record knows better than the command.
    init_from = record["init"] if request.resume else request.init
    init = None
    if init_from is not None:
        init = Checkpoint.open(init_from, method=method, stage=request.stage)
    data = TrainingData(
        request.data,
        windows,
        seed=config.training.seed,
        base=None if init is None else init.normalisation,
        note=request.note,
    )
    if request.resume:
        _require_same_data(out, record, data)
    torch.manual_seed(config.training.seed)
    objective, kept = build(data)
    if init is not None and not request.resume:
        init.load_into(kept)
    loop = Loop(objective, data, config.training, device=request.device)
    try:
        if config.training.cache_tokens:
            data.encode(_replaceable_encoder(objective))
        progress = Progress()
        if request.resume:
            progress = load_progress(out)
            restore(out, objective, loop.optimiser, loop.ema)
        checkpoint = Checkpoint(
            folder=out,
            method=method,
            stage=request.stage,
            preset=request.preset,
            overrides=dict(request.overrides),
            config=config.to_json(),
            normalisation=data.normalisation,
            step=progress.step,
        )
        run = {
            "method": method,
            "stage": request.stage,
            "preset": request.preset,
            "init": None if init_from is None else str(init_from),
            "inputs": dict(request.inputs),
            "commands": [*record.get("commands", []), request.command],
            "config": config.to_json(),
            "data": data.record(),
            "wambench": wambench.__version__,
            "commit": git_commit(),
            "versions": package_versions(),
            "device": device_name(next(objective.parameters()).device),
        }
        if data.validation is None and config.training.validate_every:
            request.note("Nothing is held out, so nothing is validated.")

        def save(model: nn.Module, optimiser: Any, ema: Ema | None, now: Progress) -> None:
            card = model_card(
                title=f"{method}, stage {request.stage}, preset {request.preset}",
                about=about,
                run=run,
                sizes=parameters(kept),
                normalisation=data.normalisation,
                step=now.step,
                steps=config.training.steps,
                seconds=now.seconds,
                losses=now.losses,
            )
            with loop.averaged():
                replace(checkpoint, step=now.step).save(kept, card)
            save_state(out, model, optimiser, ema, now)

        log = None
        if loop.is_main:
            log = Log(out, progress.step)
            if not log.tensorboard:
                request.note("TensorBoard is not installed; the log is in CSV files alone.")
        try:
            if loop.is_main:
                text = json.dumps(run, indent=1)
                write_atomically(out / RECORD, lambda path: path.write_text(text))
            stopped = loop.run(progress, save, log, request.max_minutes)
        finally:
            if log is not None:
                log.close()
        return TrainResult(progress.step, config.training.steps, stopped, dict(progress.losses))
    finally:
        loop.close()


def _replaceable_encoder(objective: nn.Module) -> FeatureEncoder:
    """The frozen encoder whose tokens may replace pictures, on the training's device."""
    find = getattr(objective, "replaceable_encoder", None)
    if find is None:
        raise UsageError(
            f"{type(objective).__name__} looks at pictures themselves, so tokens computed "
            "beforehand cannot replace them.",
            "Set training.cache_tokens=false.",
        )
    encoder: FeatureEncoder = find()
    return encoder


# ---- the folder ----------------------------------------------------------------------------------


def require_free(out: Path) -> None:
    """Refuses a folder that holds a training.

    Raises:
        UsageError: It does.
    """
    for name in (RECORD, Path(CONFIG)):
        if (out / name).exists():
            raise UsageError(
                f"{out} holds a training already.",
                "Go on with it by --resume, or choose another --out.",
            )
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file.", "Choose a folder for --out.")


def record_to_resume(request: TrainRequest, method: str, config: Config) -> dict[str, Any]:
    """The record of the training in the folder, which must be the one that is asked for.

    Raises:
        TrainingError: It is another one.
    """
    require_state(request.out)
    try:
        record: dict[str, Any] = json.loads((request.out / RECORD).read_text())
        before = type(config).from_json(record["config"])
        theirs = record["method"], record["stage"]
    except (OSError, ValueError, KeyError) as error:
        raise TrainingError(
            f"{request.out / RECORD} cannot be read: {error}.", "Begin anew in another --out."
        ) from error
    if theirs != (method, request.stage):
        raise TrainingError(
            f"{request.out} is a training of {' '.join(theirs)}, not of {method} {request.stage}.",
            "Give the --out of the training to go on with.",
        )
    unlike = before.differences(config)
    if unlike:
        shown = "; ".join(
            f"{key} was {was} and is {now}" for key, (was, now) in list(unlike.items())[:4]
        )
        raise TrainingError(
            f"The training in {request.out} has another configuration: {shown}.",
            "Repeat its command (training/run.json holds it), or begin anew with --init.",
        )
    for what, was, now in (
        ("inputs", record["inputs"], dict(request.inputs)),
        ("--init", record["init"], str(request.init) if request.init else record["init"]),
    ):
        if was != now:
            raise TrainingError(
                f"The training in {request.out} was begun with {what} {was}, not {now}.",
                "Repeat its command; training/run.json holds it.",
            )
    return record


def _require_same_data(out: Path, record: dict[str, Any], data: TrainingData) -> None:
    problem = ""
    if record["data"]["identity"] != data.identity:
        problem = "other demonstrations"
    elif Normalisation.load(out / NORMALISATION) != data.normalisation:
        problem = "another normalisation"
    if problem:
        names = ", ".join(part["name"] for part in record["data"]["datasets"])
        raise TrainingError(
            f"The training in {out} was begun with {problem}.",
            f"Give the same data ({names}); where it has grown since, begin anew with --init.",
        )


def package_versions() -> dict[str, str]:
    """Versions of what decides numbers, for the record."""
    return {name: metadata.version(name) for name in _PACKAGES}


def device_name(device: torch.device) -> str:
    """The accelerator's name, or what the CPU is."""
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return f"{device.type} ({platform.machine()}, {os.cpu_count()} cores)"
