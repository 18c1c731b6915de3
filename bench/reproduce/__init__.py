"""`stepbeam reproduce`: what papers claim, beside what is measured here."""
