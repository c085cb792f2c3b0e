"""Importing this registers the types of policies."""

from lerobot.policies import tiny as _tiny
from lerobot.policies.factory import get_policy_class, make_pre_post_processors

__all__ = ["get_policy_class", "make_pre_post_processors"]
assert _tiny.TYPES
