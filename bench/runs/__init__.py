"""Runs: what is planned, done unit by unit, kept and shown."""
