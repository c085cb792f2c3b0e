"""The embedded LIBERO asset pack: its catalogue, its builder and the built files."""

from pathlib import Path

PACK_ROOT = Path(__file__).resolve().parent / "pack"
"""Folder to hand to LIBERO as its asset root (``libero.libero._assets_path_cache``)."""
