"""Strategies: a file each, a generator for one problem each."""
