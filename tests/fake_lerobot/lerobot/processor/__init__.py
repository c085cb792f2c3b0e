"""See `lerobot`."""
