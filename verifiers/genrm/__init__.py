"""The generative verifier: its judge, its formats, its training."""
