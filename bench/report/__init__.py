"""`report.html`: everything a run shows, in one file that needs no network."""

PROBLEMS = 500  # of each run, where nothing else is asked for
