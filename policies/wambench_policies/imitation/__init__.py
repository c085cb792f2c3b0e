"""Policies that imitate without imagining: the baselines that stand beside LaWAM."""
