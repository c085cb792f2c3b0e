"""Blocks and formats that the learned policies share."""
