"""Tasks: problems with the way to read and grade their answers."""
