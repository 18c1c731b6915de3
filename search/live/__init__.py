"""Searches that join a running driver at any time, from any thread or coroutine."""
