"""The training loop that all learned policies share."""
