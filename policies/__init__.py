"""Policies: what samples solutions."""

from policies.policy import Extended, Policy, Sampling, Until

__all__ = ["Extended", "Policy", "Sampling", "Until"]
