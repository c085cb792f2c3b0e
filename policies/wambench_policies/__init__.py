"""Policies that wambench ships; each method is one folder."""
