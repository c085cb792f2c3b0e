"""Statistics of success rates."""
