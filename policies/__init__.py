"""Policies: what samples solutions."""

from policies.policy import Extended, Policy, Sampling, Until
from policies.scripted import Scripted

__all__ = ["Extended", "Policy", "Sampling", "Scripted", "Until"]
