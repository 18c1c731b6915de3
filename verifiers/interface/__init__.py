"""What everything speaks: problems, solutions, scores, spend, seeds, names, errors."""
