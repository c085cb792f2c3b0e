"""Checkpoints: a folder that holds everything needed to run a model, and no code.

    config.json          method, stage, preset, overrides and the full configuration
    model.safetensors    the weights; its metadata bind it to config.json and say the step
    normalisation.json   see `wambench_policies.nn.normalise`
    README.md            the model card
    training/            for resuming only; see `wambench_policies.training.state`

Non-obvious behaviours
    - Every file is replaced as a whole, the weights last, and they carry the digest of the
      configuration: a folder that was being written when the power went is either the old
      checkpoint, the new one, or refused.
    - Weights that come from elsewhere, such as a frozen backbone's, are left out where the module
      names them in `external_prefixes`; whoever builds the module has loaded them already.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor, nn

from wambench.errors import UsageError
from wambench_policies.nn.config import Config
from wambench_policies.nn.normalise import FILE as NORMALISATION
from wambench_policies.nn.normalise import Normalisation

FORMAT = 1
CONFIG = "config.json"
WEIGHTS = "model.safetensors"
CARD = "README.md"
METADATA = "wambench"
"""The one key of the weights' metadata; several would be written in an order that varies."""

_SHOWN = 4
"""How many tensors of a mismatch are named."""

C = TypeVar("C", bound=Config)


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Writes a file beside its place, puts it on the disk, and renames it.

    Args:
        path: Where it will be.
        write: Writes it to the path that it is given.

    Raises:
        UsageError: It cannot be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(partial)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise UsageError(
            f"Cannot write {path}: {error.strerror or error}.",
            "Free space or choose another --out.",
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def is_external(name: str, module: nn.Module) -> bool:
    """Whether a tensor of the module comes from elsewhere and is in no checkpoint of it."""
    return name.startswith(tuple(getattr(module, "external_prefixes", ())))


def own_tensors(module: nn.Module) -> dict[str, Tensor]:
    """The tensors of a module that belong into its checkpoint, on the CPU and apart in memory."""
    return {
        name: tensor.detach().cpu().contiguous().clone()
        for name, tensor in module.state_dict().items()
        if not is_external(name, module)
    }


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint on disk.

    Attributes:
        folder: Where it is.
        method: The method, for example `lawam`.
        stage: The stage that was trained.
        preset: The preset that the configuration began as.
        overrides: What was changed in it, by dotted key.
        config: The full configuration as JSON; see `configuration`.
        normalisation: How its numbers relate to its robots'.
        step: Optimiser steps that it was trained for.
    """

    folder: Path
    method: str
    stage: str
    preset: str
    overrides: Mapping[str, Any]
    config: Mapping[str, Any]
    normalisation: Normalisation
    step: int

    @classmethod
    def open(
        cls, folder: str | Path, *, method: str | None = None, stage: str | None = None
    ) -> Checkpoint:
        """Reads everything but the weights.

        Args:
            folder: The checkpoint.
            method: The method that it must be of.
            stage: The stage that it must be of.

        Raises:
            UsageError: There is none, it is incomplete or of another version, method or stage.
        """
        from safetensors import SafetensorError, safe_open

        folder = Path(folder)
        for name in (CONFIG, NORMALISATION, WEIGHTS):
            if not (folder / name).is_file():
                what = "no checkpoint" if not (folder / CONFIG).exists() else "incomplete"
                raise UsageError(
                    f"{folder} is {what}: it has no {name}.",
                    f"A checkpoint is a folder with {CONFIG}, {WEIGHTS} and {NORMALISATION}.",
                )
        text = (folder / CONFIG).read_text()
        try:
            values = json.loads(text)
            found = values["format"], values["method"], values["stage"]
        except (ValueError, KeyError, TypeError):
            raise UsageError(
                f"{folder / CONFIG} is not the configuration of a wambench checkpoint.",
                "Checkpoints of other programs are read by their own policies.",
            ) from None
        if found[0] != FORMAT:
            raise UsageError(
                f"{folder} has format {found[0]}, and this version reads {FORMAT}.",
                "Use the version of wambench that wrote it.",
            )
        for what, wanted, given in (("method", method, found[1]), ("stage", stage, found[2])):
            if wanted is not None and wanted != given:
                raise UsageError(
                    f"{folder} is a checkpoint of {what} {given}, expected {wanted}.",
                    "Choose another folder.",
                )
        try:
            with safe_open(folder / WEIGHTS, "pt") as file:
                facts = json.loads((file.metadata() or {}).get(METADATA, "{}"))
        except (SafetensorError, OSError, ValueError) as error:
            raise UsageError(
                f"{folder / WEIGHTS} cannot be read: {error}.", "Copy or train it again."
            ) from error
        if facts.get("config_sha256") != _digest(text):
            raise UsageError(
                f"{WEIGHTS} and {CONFIG} of {folder} do not belong together.",
                "One of them was replaced or edited; take both from one training.",
            )
        return cls(
            folder=folder,
            method=values["method"],
            stage=values["stage"],
            preset=values["preset"],
            overrides=values["overrides"],
            config=values["config"],
            normalisation=Normalisation.load(folder / NORMALISATION),
            step=int(facts["step"]),
        )

    def configuration(self, kind: type[C]) -> C:
        """The configuration, as an object.

        Raises:
            UsageError: This version has other keys or values.
        """
        return kind.from_json(self.config)

    def tensors(self) -> dict[str, Tensor]:
        """The weights by name, on the CPU."""
        from safetensors.torch import load_file

        return load_file(self.folder / WEIGHTS)

    def load_into(self, module: nn.Module, *, prefix: str = "") -> None:
        """Puts the weights into a module.

        Args:
            module: It must have exactly the checkpoint's tensors, external ones aside.
            prefix: Take only tensors whose names begin so, without it.

        Raises:
            UsageError: Names or shapes differ; says which.
        """
        found = {
            name.removeprefix(prefix): tensor
            for name, tensor in self.tensors().items()
            if name.startswith(prefix)
        }
        wanted = {
            name: tensor
            for name, tensor in module.state_dict().items()
            if not is_external(name, module)
        }
        problems = [
            *_named("lacks", wanted.keys() - found.keys()),
            *_named("has in addition", found.keys() - wanted.keys()),
            *_named(
                "has another shape of",
                (
                    f"{name} ({_shape(found[name])}, expected {_shape(wanted[name])})"
                    for name in found.keys() & wanted.keys()
                    if found[name].shape != wanted[name].shape
                ),
            ),
        ]
        if problems:
            raise UsageError(
                f"{self.folder} does not fit {type(module).__name__}: it {'; it '.join(problems)}.",
                "It was trained with another configuration or version; build the model from the "
                f"checkpoint's own {CONFIG}.",
            )
        module.load_state_dict(found, strict=False)

    def save(self, module: nn.Module, card: str) -> None:
        """Writes the checkpoint with the weights of a module.

        Args:
            module: The model.
            card: Text of README.md.

        Raises:
            UsageError: The folder cannot be written.
        """
        self.write(own_tensors(module), card)

    def write(self, tensors: Mapping[str, Tensor], card: str) -> None:
        """Writes the checkpoint with the given weights.

        Args:
            tensors: The weights by name, on the CPU.
            card: Text of README.md.

        Raises:
            UsageError: The folder cannot be written.
        """
        from safetensors.torch import save_file

        text = json.dumps(
            {
                "format": FORMAT,
                "method": self.method,
                "stage": self.stage,
                "preset": self.preset,
                "overrides": dict(self.overrides),
                "config": dict(self.config),
            },
            indent=1,
        )
        facts = {"config_sha256": _digest(text), "step": self.step}
        metadata = {METADATA: json.dumps(facts)}
        write_atomically(self.folder / CONFIG, lambda path: path.write_text(text))
        write_atomically(self.folder / NORMALISATION, self.normalisation.save)
        write_atomically(self.folder / CARD, lambda path: path.write_text(card))
        write_atomically(
            self.folder / WEIGHTS, lambda path: save_file(dict(tensors), path, metadata)
        )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"


def _named(verb: str, names: Iterable[str]) -> list[str]:
    """One phrase on the tensors of one kind of mismatch, none where there is none."""
    listed = sorted(names)
    if not listed:
        return []
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return [f"{verb} {', '.join(listed[:_SHOWN])}{more}"]
