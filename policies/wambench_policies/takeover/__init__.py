"""Demonstrations that begin where a policy has got to: the policy `takeover`."""
