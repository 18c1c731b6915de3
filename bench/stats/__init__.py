"""Estimators, intervals, comparisons and curves, in numpy and scipy."""
