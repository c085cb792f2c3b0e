"""Trained checkpoints as wambench policies."""
