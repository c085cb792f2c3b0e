"""What LaWAM's checkpoints are asked; `lawam/inspect.py` is the way in."""
