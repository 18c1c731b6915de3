"""Run folders, and what makes files durable."""
