"""LIBERO: 130 tabletop tasks for a Panda arm, on official or embedded assets."""
