"""`report.html`: everything a run shows, in one file that needs no network."""
