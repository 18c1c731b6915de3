"""Scorers made from scorers and functions."""
