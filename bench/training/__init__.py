"""What a training is given and shows: rows, audit, report."""
