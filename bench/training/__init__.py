"""What a training is given and shows: rows, audit, and its log in panels and words."""
