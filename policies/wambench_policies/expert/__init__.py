"""Scripted expert from privileged state: skills, and plans made of them."""

from wambench_policies.expert.policy import Expert

__all__ = ["Expert"]
