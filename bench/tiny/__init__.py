"""The embedded default: four small tasks, and tiny trained models for them."""

from bench.tiny.worlds.tasks import load_task
from bench.tiny.worlds.weights import weights_folder

__all__ = ["load_task", "weights_folder"]
