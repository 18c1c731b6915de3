"""What the tests of reproductions share."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from bench.reproduce.pav import work as pav_work
from bench.reproduce.scorer_training import scorer_training
from bench.reproduce.verigate import work as verigate_work
from policies.training.config import TrainConfig


def _in_small_batches(steps: int, seed: int) -> TrainConfig:
    return replace(scorer_training(steps, seed), batch_size=8)


@pytest.fixture(scope="module")
def small_batches() -> Iterator[None]:
    """Scorers are trained on 8 rows a step, where a reproduction takes 128: a miniature has few rows."""
    with pytest.MonkeyPatch.context() as patch:
        for work in (pav_work, verigate_work):
            patch.setattr(work, "scorer_training", _in_small_batches)
        yield


@pytest.fixture
def work_again():
    """Stands where work is done: a test in which it is called fails."""

    def called(*_, **__):
        raise AssertionError("this was done before")

    return called
