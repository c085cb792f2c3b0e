"""LAC-WM: a world model conditioned on latent actions, and its baselines with explicit ones."""
