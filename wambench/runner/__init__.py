"""Runs the episodes of a manifest on worker processes and records what happened."""
