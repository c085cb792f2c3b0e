"""Configurations of models: frozen, complete, and refusing what they do not know.

A method derives its configuration from `Config`, nests further ones in it, and marks its presets:

    class LawamConfig(Config):
        horizon_s: float = Field(1.2, gt=0)
        policy: PolicyConfig = PolicyConfig()

        @preset
        @classmethod
        def tiny(cls) -> LawamConfig:
            return cls(horizon_s=0.4)

    config = LawamConfig.from_preset("tiny").with_overrides({"policy.ki": "false"})

Non-obvious behaviours
    - Sequences are tuples and floats are finite, so that every configuration can be hashed,
      compared and written as JSON without loss.
    - `Config(...)` raises pydantic's own error, for programmers; what comes from a user or from a
      file (`from_preset`, `with_overrides`, `from_json`) raises `UsageError`.
"""

from __future__ import annotations

import contextlib
import difflib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from wambench.errors import UsageError

Method = TypeVar("Method", bound=classmethod)


def preset(constructor: Method) -> Method:
    """Marks a classmethod without arguments as a preset; its name is the preset's name."""
    constructor.__func__.is_preset = True  # type: ignore[attr-defined]
    return constructor


class Config(BaseModel):
    """Base class of configurations; see the module docstring."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False
    )

    # ---- presets -----------------------------------------------------------------------------

    @classmethod
    def preset_names(cls) -> list[str]:
        """Names of the presets, in the order in which they are defined."""
        names: dict[str, None] = {}
        for base in reversed(cls.__mro__):
            for name, member in vars(base).items():
                if getattr(getattr(member, "__func__", None), "is_preset", False):
                    names[name] = None
        return list(names)

    @classmethod
    def from_preset(cls, name: str) -> Self:
        """The configuration of a preset.

        Raises:
            UsageError: There is no such preset.
        """
        known = cls.preset_names()
        if name not in known:
            raise UsageError(f"{cls.__name__} has no preset {name!r}.", _hint(name, known))
        chosen: Self = getattr(cls, name)()
        return chosen

    # ---- values by dotted key ------------------------------------------------------------------

    def flat(self) -> dict[str, Any]:
        """Every value by its dotted key, for example `policy.ki`."""
        return dict(_leaves(self, ""))

    def differences(self, other: Config) -> dict[str, tuple[Any, Any]]:
        """Dotted key to (value here, value there) wherever the two differ; None where absent."""
        here, there = self.flat(), other.flat()
        return {
            key: (here.get(key), there.get(key))
            for key in here | there
            if key not in here or key not in there or here[key] != there[key]
        }

    def with_overrides(self, values: Mapping[str, Any]) -> Self:
        """A copy with other values.

        Args:
            values: Dotted key to value, for example `{"policy.ki": "false", "freqs": "5,10,20"}`.
                A string is read as the field's type demands: numbers and booleans as written,
                `none` where the field may be absent, tuples as JSON or separated by commas.

        Raises:
            UsageError: A key that does not exist, a value that does not fit, or values that do not
                fit each other.
        """
        changed = self
        for key, value in values.items():
            changed = changed._replaced(key, key.split("."), value, self)
        try:
            return type(self).model_validate(changed.model_dump())
        except ValidationError as error:
            raise UsageError(_explained(error), "Change one of the values.") from None

    def _replaced(self, key: str, path: list[str], value: Any, root: Config) -> Self:
        name, rest = path[0], path[1:]
        fields = type(self).model_fields
        current = getattr(self, name) if name in fields else None
        if name not in fields or (rest and not isinstance(current, Config)):
            known = list(root.flat())
            same_name = [other for other in known if other.split(".")[-1] == path[-1]]
            raise UsageError(
                f"{type(root).__name__} has no key {key!r}.", _hint(key, known, first=same_name)
            )
        if rest:
            assert isinstance(current, Config)
            replaced: Any = current._replaced(key, rest, value, root)
        elif isinstance(current, Config) and not isinstance(value, Config):
            inside = ", ".join(f"{key}.{inner}" for inner in type(current).model_fields)
            raise UsageError(f"{key} is a group of values.", f"Set one of: {inside}.")
        else:
            field = fields[name]
            annotation: Any = field.annotation
            if field.metadata:
                annotation = Annotated[annotation, *field.metadata]
            replaced = _parsed(key, TypeAdapter(annotation, config=_LEAF), value)
        return self.model_copy(update={name: replaced})

    # ---- JSON ----------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """The configuration as plain JSON types."""
        values: dict[str, Any] = self.model_dump(mode="json")
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Inverse of `to_json`.

        Raises:
            UsageError: A key is unknown or a value does not fit; missing keys take their defaults
                only where the class has them.
        """
        try:
            return cls.model_validate_json(json.dumps(values))
        except ValidationError as error:
            raise UsageError(
                f"This is no {cls.__name__}: {_explained(error)}",
                "It was written by another version, or edited.",
            ) from None


_LEAF = ConfigDict(allow_inf_nan=False)
_ABSENT = ("none", "null")


def _leaves(config: Config, prefix: str) -> Iterator[tuple[str, Any]]:
    for name in type(config).model_fields:
        value = getattr(config, name)
        if isinstance(value, Config):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _parsed(key: str, adapter: TypeAdapter[Any], value: Any) -> Any:
    """The value as the field's type; strings are tried in every form a user may have meant."""
    readings = [value]
    if isinstance(value, str):
        text = value.strip()
        if text.lower() in _ABSENT:
            readings.insert(0, None)
        elif text[:1] in ("[", "{"):
            with contextlib.suppress(ValueError):
                readings.append(json.loads(text))
        else:
            readings.append([part.strip() for part in text.split(",") if part.strip()])
    problem = ""
    for reading in readings:
        try:
            return adapter.validate_python(reading)
        except ValidationError as error:
            problem = problem or _explained(error)
    raise UsageError(f"{key} cannot be {value!r}: {problem}", "Give a value of its type.")


def _explained(error: ValidationError) -> str:
    """The first problem of a validation as one sentence."""
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    more = error.error_count() - 1
    return (
        (f"{where}: " if where else "")
        + message[:1].lower()
        + message[1:].rstrip(".")
        + (f" (and {more} more)" if more else "")
        + "."
    )


def _hint(name: str, known: Iterable[str], first: Iterable[str] = ()) -> str:
    known = list(known)
    near = list(first) + difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    near = list(dict.fromkeys(near))[:3]
    if near:
        return f"Did you mean {' or '.join(near)}?"
    return f"Known: {', '.join(known) or 'none'}."
