"""`stepbeam train`: scorers from labelled solutions (`command`), and a policy from scorers (`grpo`)."""

from bench.commands.train.command import add_arguments as add_arguments
from bench.commands.train.command import run as run
