"""`python -m bench` is `stepbeam`, also where the command is not installed."""

import sys

from bench.commands.cli import main

if __name__ == "__main__":
    sys.exit(main())
