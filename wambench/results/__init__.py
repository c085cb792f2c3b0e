"""The run directory: what is on disk is the truth, everything shown is computed from it."""
