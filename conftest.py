"""For all tests and doctests, wherever pytest is started."""

import os

# The tests run in two processes: torch with two threads in each takes five times as long on two cores. Set before
# the processes are started and before torch is imported, and inherited by what the tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")
