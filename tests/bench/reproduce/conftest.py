"""What the tests of reproductions share."""

import pytest


@pytest.fixture
def work_again():
    """Stands where work is done: a test in which it is called fails."""

    def called(*_, **__):
        raise AssertionError("this was done before")

    return called
