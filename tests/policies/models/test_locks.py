"""Turns that a thread takes again and again."""

import threading

from policies.models.locks import Turns
from tests.waiting import until


def test_who_takes_turns_again_and_again_lets_others_pass():
    turns, others = Turns(), Turns()
    waits = threading.Thread(target=lambda: turns.__enter__() or turns.__exit__())
    passes = threading.Thread(target=turns.let_others_pass)
    with turns, turns:
        turns.let_others_pass()  # nobody waits
        waits.start()
        until(lambda: turns._waiting)
        passes.start()
        others.let_others_pass()
        passes.join(0.05)
        assert passes.is_alive()
    waits.join()
    passes.join()
