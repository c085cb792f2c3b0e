"""An example of a policy in a file: the scripted expert with an unsteady hand.

wambench eval --policy docs/examples/shaky_expert.py:ShakyExpert --policy-arg noise=0.85 ...
"""

import numpy as np

from wambench_policies.expert import Expert


class ShakyExpert(Expert):
    """Adds Gaussian noise to the translations that the expert commands.

    Args:
        spec: The suite.
        noise: Standard deviation, in units of the largest translation of one action.
    """

    def __init__(self, spec, noise=0.5):
        super().__init__(spec)
        self.noise = noise

    def act(self, batch):
        """(B, 1, 7) the expert's actions, perturbed."""
        actions = super().act(batch)
        for action, observation in zip(actions, batch, strict=True):
            # Randomness from the observation alone: the same episode shakes in the same way always.
            action[:, :3] += self.noise * observation.rng.normal(size=3)
        return np.clip(actions, self.spec.action_low, self.spec.action_high)
