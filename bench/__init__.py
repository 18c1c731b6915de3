"""Experiments: the command line, runs and their reports, tasks, statistics, and the embedded default.

Rooms, the upper first: commands, then serve and harnesses (inside other people's), pools (saved generations; `shapes`
are those in which people keep them), reproduce (papers' claims), runs, report, tasks, tiny (the embedded tasks and
models), diagnostics, training, and below all inputs, files and stats.
"""

import policies.ownership  # noqa: F401
