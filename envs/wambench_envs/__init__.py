"""Gymnasium environments of the suites that wambench ships; each suite is one folder."""
