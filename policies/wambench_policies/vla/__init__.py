"""The VLA of LAC-WM's appendix A.7: what proposes candidates to a planner, and two baselines."""
