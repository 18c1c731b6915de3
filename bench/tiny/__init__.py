"""The embedded default: four small tasks, and tiny trained models for them."""

from bench.tiny.worlds.tasks import load_task
from policies.models.embedded import weights_folder

__all__ = ["load_task", "weights_folder"]
