"""Plug-ins."""


def register_third_party_plugins() -> None:
    """There are none."""
