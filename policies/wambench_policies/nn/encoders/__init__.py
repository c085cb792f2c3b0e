"""Frozen visual encoders: images to a grid of layer-normalised tokens."""
