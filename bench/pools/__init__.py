"""Saved generations: where they are read from, what their columns mean, and reranking them."""
