"""Who works a list of jobs off: this process alone, or replicas of its models side by side, by Ray."""
