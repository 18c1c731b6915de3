"""Gated GRPO: rollouts, advantages, the loss and the loop."""
