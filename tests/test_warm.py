"""What is imported beforehand for forks is there; a fork server that finds it is not says nothing."""

import gc
import importlib

import pytest


@pytest.mark.slow
def test_all_of_it_can_be_imported() -> None:
    importlib.import_module("tests.warm")
    gc.unfreeze()
