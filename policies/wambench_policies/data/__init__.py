"""Training windows over demonstrations."""
