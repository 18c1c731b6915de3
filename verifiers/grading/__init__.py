"""Answers: where they stand in a text, whether two are equal, and the worker processes that do the algebra.

Room: notation (how answers are written, read without algebra).
"""
