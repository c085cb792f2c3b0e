"""Turns run directories into tables, plots, pages and videos."""
