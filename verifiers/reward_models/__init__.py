"""Reward models that judge a whole solution, and their training."""
