"""The embedded worlds: problems, what their solutions look like, and exact values."""
