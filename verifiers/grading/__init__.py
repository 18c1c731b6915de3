"""Answers: extraction, numerals, equivalence and its worker processes."""
