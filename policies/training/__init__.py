"""From examples to weights, for everything that is trained."""
