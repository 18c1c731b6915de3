"""Inside other harnesses: Inspect AI, lm-evaluation-harness, and data sets on the hub."""
