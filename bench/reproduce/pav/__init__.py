"""The claims about process advantage verifiers (Setlur et al. 2024), in search and in RL."""
