"""Configurations: what they refuse, and that nothing is lost on the way through a file."""

from __future__ import annotations

import json
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError, model_validator

from wambench.errors import UsageError
from wambench_policies.nn.config import Config, preset


class Inner(Config):
    ki: bool = True
    time_code: Literal["none", "input", "per_layer"] = "input"
    dropout: float = Field(0.2, ge=0, lt=1)
    limit: float | None = None
    name: str | None = "a"


class Outer(Config):
    width: int = 128
    freqs: tuple[int, ...] = (5, 10, 20)
    cameras: tuple[str, ...] = ("agentview",)
    policy: Inner = Inner()

    @preset
    @classmethod
    def paper(cls) -> Outer:
        return cls(width=1024)

    @preset
    @classmethod
    def tiny(cls) -> Outer:
        return cls(width=64, policy=Inner(dropout=0.0))

    @model_validator(mode="after")
    def heads_divide(self) -> Outer:
        if self.width % 4:
            raise ValueError(f"width {self.width} is no multiple of 4 heads")
        return self


def test_a_preset_is_found_by_its_name() -> None:
    assert Outer.preset_names() == ["paper", "tiny"]
    assert Outer.from_preset("tiny").policy.dropout == 0


def test_a_wrong_preset_names_the_near_ones() -> None:
    with pytest.raises(UsageError, match=r"no preset 'tini'.*Did you mean tiny\?"):
        Outer.from_preset("tini")


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("policy.ki", "false", False),
        ("policy.ki", "1", True),
        ("width", "32", 32),
        ("policy.dropout", "1e-3", 1e-3),
        ("policy.limit", "none", None),
        ("policy.limit", "2", 2.0),
        ("policy.name", "null", None),
        ("policy.name", "b,c", "b,c"),
        ("policy.time_code", "none", "none"),
        ("freqs", "5,10", (5, 10)),
        ("freqs", "[20]", (20,)),
        ("freqs", "20", (20,)),
        ("cameras", "agentview,robot0_eye_in_hand", ("agentview", "robot0_eye_in_hand")),
        ("cameras", '["agentview"]', ("agentview",)),
    ],
)
def test_a_string_is_read_as_the_type_of_its_field(key: str, text: str, value: object) -> None:
    changed = Outer().with_overrides({key: text})
    assert changed.flat()[key] == value
    assert type(changed.flat()[key]) is type(value)


@pytest.mark.parametrize(
    ("key", "text", "message"),
    [
        ("policy.kii", "1", r"no key 'policy.kii'.*policy\.ki"),
        ("ki", "1", r"no key 'ki'.*policy\.ki"),
        ("width.x", "1", r"no key 'width.x'"),
        ("policy", "1", r"group of values.*policy\.ki"),
        ("policy.dropout", "1.5", r"dropout cannot be '1\.5'.*less than 1"),
        ("policy.dropout", "nan", r"finite"),
        ("policy.time_code", "each", r"'none', 'input' or 'per_layer'"),
        ("width", "wide", r"width cannot be 'wide'.*integer"),
        ("width", "6", r"width 6 is no multiple"),
    ],
)
def test_a_wrong_override_says_what_is_wrong(key: str, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Outer().with_overrides({key: text})


def test_overrides_are_checked_together() -> None:
    """Values that fit only each other can be set in one step, in any order."""

    class Pair(Config):
        low: int = 0
        high: int = 1

        @model_validator(mode="after")
        def ordered(self) -> Pair:
            if self.low >= self.high:
                raise ValueError("low must be below high")
            return self

    assert Pair().with_overrides({"low": "5", "high": "6"}) == Pair(low=5, high=6)


def test_a_configuration_is_frozen_and_refuses_unknown_keys() -> None:
    with pytest.raises(ValidationError):
        Outer().width = 4  # type: ignore[misc]
    with pytest.raises(ValidationError):
        Outer(depth=3)  # type: ignore[call-arg]
    with pytest.raises(UsageError, match=r"policy\.depth"):
        Outer.from_json({"policy": {"depth": 3}})


def test_differences_are_named_by_their_keys() -> None:
    assert Outer.tiny().differences(Outer.paper()) == {
        "width": (64, 1024),
        "policy.dropout": (0.0, 0.2),
    }


@given(
    width=st.integers(1, 10_000).map(lambda n: 4 * n),
    freqs=st.lists(st.integers(1, 60), max_size=4).map(tuple),
    cameras=st.lists(st.text(max_size=8), max_size=3).map(tuple),
    dropout=st.floats(0, 1, exclude_max=True),
    limit=st.none() | st.floats(allow_nan=False, allow_infinity=False),
)
def test_what_is_written_is_read(
    width: int, freqs: tuple, cameras: tuple, dropout: float, limit: float | None
) -> None:
    config = Outer(
        width=width, freqs=freqs, cameras=cameras, policy=Inner(dropout=dropout, limit=limit)
    )
    again = Outer.from_json(json.loads(json.dumps(config.to_json())))
    assert again == config
    assert hash(again) == hash(config)
