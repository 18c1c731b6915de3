"""The claims about generative verifiers (Zhang et al. 2024)."""
