"""Features of policies."""

from dataclasses import dataclass
from enum import Enum


class FeatureType(str, Enum):  # noqa: UP042 - as LeRobot has it
    """What a feature is."""

    STATE = "STATE"
    VISUAL = "VISUAL"
    ENV = "ENV"
    ACTION = "ACTION"


@dataclass
class PolicyFeature:
    """A feature, without the batch."""

    type: FeatureType
    shape: tuple[int, ...]
