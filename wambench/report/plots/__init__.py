"""Plots for papers and pages: legible at column width, safe for the colour-blind."""
