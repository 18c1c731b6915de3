"""The claims about gated GRPO (Agrawal et al. 2026)."""
