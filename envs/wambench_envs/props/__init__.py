"""Procedural, simulator-neutral descriptions of household objects and furniture."""
