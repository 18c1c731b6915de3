"""The pool of grading workers: verdicts, time limits, threads, deaths and ends."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator

import pytest

from tests.waiting import until
from verifiers.grading.equivalence import EquivalencePool, Verdict, default_pool

TOWER = "9^{9^{9^{9}}}"


@pytest.fixture(scope="module")
def pool() -> Iterator[EquivalencePool]:
    with EquivalencePool(workers=2, seconds=10.0) as pool:
        yield pool


@pytest.fixture(scope="module")
def hasty_pool() -> Iterator[EquivalencePool]:
    with EquivalencePool(workers=2, seconds=3.0) as pool:
        yield pool


@pytest.fixture
def hasty(hasty_pool: EquivalencePool) -> EquivalencePool:
    hasty_pool._give_back(hasty_pool._borrow())  # one is idle: its start is not part of what is timed
    return hasty_pool


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=60, check=False
    )


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("answer", "gold", "verdict"),
    [
        ("x+x", "2x", True),
        (r"\frac{1}{2}", "0.5", True),  # bare LaTeX is read
        (r"11\sqrt2", r"\sqrt{242}", True),
        ("(a+5)(b+2)", "ab+2a+5b+10", True),
        (r"\{2,1\}", r"\{1,2\}", True),
        ("1,-2", "-2,1", True),  # a list without brackets has no order
        ("1,-2", "-1,2", False),
        ("(1,-2)", "(-2,1)", False),
        ("(3,4]", "[3,4)", False),
        ("1<x<2", "(1,2)", True),
        ("(1,2)", "1<x<2", True),
        (r"x \in [-2,7]", "[-2,7]", True),
        (r"(-\infty, 2) \cup (3, \infty)", r"(3,\infty)\cup(-\infty,2)", True),
        (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\begin{bmatrix}1\\2\end{bmatrix}", True),
        (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\begin{pmatrix}2\\1\end{pmatrix}", False),
        (r"\begin{pmatrix} 1/2 \\ 2 \end{pmatrix}", r"\begin{pmatrix}0.5\\2\end{pmatrix}", True),
        (r"1 \pm \sqrt{19}", r"1-\sqrt{19}, 1+\sqrt{19}", True),
        ("3t", "3", False),  # t is no ton here
        (r"\sqrt{x^2}", "x", False),
        (r"\text{east}", r"\text{west}", False),
        ("12*40)+", "5", False),  # cannot be read, where the gold can
        ("5", "((", None),  # and the reverse
        ("5", r"\frac{1}{0}", None),
        (r"\sqrt{" * 300 + "1" + "}" * 300, "1", None),  # too deep for the parser, and maths all the same
        ("(x+1)^{60}-x(x+1)^{59}", "(x+1)^{59}", True),  # large terms that cancel
        (r"\sin^2 x + \cos^2 x", "1", True),
        (r"\frac{x^2-y^2}{x-y}", "x+y", True),
        ("x+y", "x-y", False),
        ("", "", False),
    ],
)
def test_verdicts(pool: EquivalencePool, answer: str, gold: str, verdict: bool | None) -> None:
    found = pool.verdicts([(answer, gold)])[0]
    assert found.equal is verdict
    assert verdict is not None or found.reason


def test_a_batch_keeps_its_order_and_compares_each_pair_once(pool: EquivalencePool) -> None:
    pairs = [("y+y", "2y"), ("y+y", "3y"), ("y+y", "2y"), (" $y+y$ ", "2y")]
    before = len(pool._cache)
    assert pool.equal(pairs) == [True, False, True, True]
    assert len(pool._cache) == before + 2
    assert pool.equal([]) == []


@pytest.mark.alone
def test_a_tower_of_powers_is_unknown_in_bounded_time(hasty: EquivalencePool) -> None:
    start = time.perf_counter()
    verdict = hasty.verdicts([(TOWER, "5")])[0]
    assert verdict == Verdict(None, "Math-Verify took more than 3 s")
    assert hasty.equal([("z+z", "2z")]) == [True]  # the worker was replaced
    assert time.perf_counter() - start < 15.0


def test_an_unknown_verdict_is_remembered(hasty: EquivalencePool, monkeypatch: pytest.MonkeyPatch) -> None:
    hasty.equal([(TOWER, "5")])
    monkeypatch.setattr(hasty, "_compare", None)
    assert hasty.equal([(TOWER, "5")] * 100) == [None] * 100


def test_a_very_long_answer_is_unknown_and_not_sent() -> None:
    with EquivalencePool() as pool:
        verdict = pool.verdicts([("9" * 100_000, "5")])[0]
        assert verdict.equal is None
        assert "100000 characters" in (verdict.reason or "")
        assert not pool._idle


def test_eight_threads_at_once(pool: EquivalencePool) -> None:
    verdicts: dict[int, list[bool | None]] = {}

    def grade(thread: int) -> None:
        verdicts[thread] = pool.equal([(f"{n}a+a", f"{n + 1 + thread % 2}a") for n in range(2, 30)])

    threads = [threading.Thread(target=grade, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert verdicts == {i: [i % 2 == 0] * 28 for i in range(8)}
    assert len(pool._idle) <= pool.workers
    assert not pool._busy


def test_a_hanging_pair_does_not_hold_up_the_others(hasty: EquivalencePool) -> None:
    hang = threading.Thread(target=hasty.equal, args=([(TOWER, "7")],))
    hang.start()
    assert hasty.equal([("b+b", "2b")]) == [True]
    hang.join(timeout=20)
    assert hasty.verdicts([(TOWER, "7")])[0].equal is None


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_worker_is_replaced(hasty: EquivalencePool, sent: signal.Signals) -> None:
    killed = hasty._idle[-1].process
    killed.send_signal(sent)
    killed.wait(timeout=20)
    pair = (f"{sent:d}c+c", f"{sent + 1:d}c")
    assert hasty.equal([pair]) == [True]
    assert hasty._idle[-1].process.pid != killed.pid


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.slow
def test_a_stopped_worker_is_a_timeout(hasty: EquivalencePool) -> None:
    hasty._idle[-1].process.send_signal(signal.SIGSTOP)
    assert hasty.equal([("p+p", "2p")]) == [None]
    assert hasty.equal([("q+q", "2q")]) == [True]


def test_a_worker_is_recycled() -> None:
    with EquivalencePool(workers=1, recycle_after=2) as pool:
        pids = set()
        for n in range(2, 6):
            assert pool.equal([(f"{n}x+x", f"{n + 1}x")]) == [True]
            pids |= {worker.process.pid for worker in pool._idle}
        assert len(pids) == 2  # after 2 pairs each, none is idle
        assert not pool._idle


def test_the_cache_is_bounded() -> None:
    with EquivalencePool(workers=1, cache_size=2) as pool:
        assert pool.equal([(f"{n}x+x", f"{n + 1}x") for n in range(2, 6)]) == [True] * 4
        assert list(pool._cache) == [("4x+x", "5x"), ("5x+x", "6x")]


@pytest.mark.skipif(sys.platform != "linux", reason="the address space of a process is bounded on Linux")
def test_memory_is_bounded() -> None:
    with EquivalencePool(workers=1, memory=1 << 30) as pool:
        pool.equal([("x", "y")])
        with open(f"/proc/{pool._idle[0].process.pid}/limits") as limits:
            row = next(line for line in limits if line.startswith("Max address space"))
        assert row.split()[3:5] == [str(1 << 30)] * 2


def test_a_pool_that_was_shut_down_says_so() -> None:
    pool = EquivalencePool(workers=1)
    assert pool.equal([("x+x", "2x")]) == [True]
    process = pool._idle[0].process
    pool.shutdown()
    pool.shutdown()
    assert process.poll() is not None
    with pytest.raises(RuntimeError, match="shut down: make a new one"):
        pool.equal([("x+x", "2x")])


def test_the_shared_pool_starts_again_after_a_shutdown() -> None:
    default_pool().shutdown()
    assert default_pool().equal([("x+x", "2x")]) == [True]


def test_a_shutdown_ends_a_comparison_in_another_thread() -> None:
    pool = EquivalencePool(workers=1, seconds=60.0)
    pool.equal([("x", "y")])
    errors: list[str] = []

    def grade() -> None:
        try:
            pool.equal([(TOWER, "5")])
        except RuntimeError as error:
            errors.append(str(error))

    thread = threading.Thread(target=grade)
    thread.start()
    while not pool._busy:
        time.sleep(0.01)
    pool.shutdown()
    thread.join(timeout=20)
    assert not thread.is_alive()
    assert len(errors) == 1
    assert "shut down" in errors[0]


@pytest.mark.parametrize(
    ("option", "value"), [("workers", 0), ("recycle_after", 0), ("cache_size", -1), ("seconds", 0.0), ("memory", 1)]
)
def test_an_option_out_of_range_is_named(option: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{option} is {value:g}"):
        EquivalencePool(**{option: value})  # type: ignore[arg-type]


def test_without_math_verify_the_error_says_what_is_missing(tmp_path, monkeypatch) -> None:
    (tmp_path / "math_verify.py").write_text("raise ImportError('broken on purpose')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with EquivalencePool(workers=1) as pool, pytest.raises(RuntimeError, match=r"broken on purpose.*math-verify"):
        pool.equal([("x", "y")])


def test_noise_of_a_dependency_does_not_reach_the_pipe(tmp_path, monkeypatch) -> None:
    (tmp_path / "math_verify.py").write_text(
        textwrap.dedent(
            """
            import os, sys
            print("noise"); os.write(1, b"noise"); sys.stderr.write("noise")
            class LatexExtractionConfig:
                def __init__(self, **options): pass
            def parse(text, *rest, **options):
                print("noise", flush=True)
                return [text]
            def verify(gold, answer, **options):
                return gold == answer
            """
        )
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with EquivalencePool(workers=1) as pool:
        assert pool.equal([("x", "y"), ("x", "x")]) == [False, True]


def test_it_works_with_warnings_as_errors_and_with_closed_standard_streams() -> None:
    done = run(
        """
        import os, sys, warnings
        warnings.simplefilter("error")
        out = os.dup(1)
        for stream in (0, 1, 2):
            os.close(stream)
        from verifiers.grading.equivalence import EquivalencePool
        pool = EquivalencePool(workers=1)
        verdicts = pool.equal([("x+x", "2x"), ("x", "y")])
        pool.shutdown()
        os.write(out, repr(verdicts).encode())
        """
    )
    assert done.stdout == "[True, False]"


def test_workers_end_with_the_interpreter_and_it_ends_quietly() -> None:
    done = run(
        """
        from verifiers.grading.equivalence import default_pool
        assert default_pool() is default_pool()
        assert default_pool().equal([("x+x", "2x")]) == [True]
        print(default_pool()._idle[0].process.pid)
        """
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert not alive(int(done.stdout))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("busy", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_workers_do_not_survive_a_killed_parent(busy: bool) -> None:
    done = run(
        f"""
        import os, signal, threading, time
        from verifiers.grading.equivalence import EquivalencePool
        pool = EquivalencePool(workers=1, seconds=2.0)
        pool.equal([("x+x", "2x")])
        print(pool._idle[0].process.pid, flush=True)
        if {busy}:
            threading.Thread(target=pool.equal, args=([({TOWER!r}, "5")],), daemon=True).start()
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    assert done.returncode == -signal.SIGKILL
    until(lambda: not alive(int(done.stdout)))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_gets_workers_of_its_own() -> None:
    done = run(
        """
        import os
        from verifiers.grading.equivalence import default_pool
        pool = default_pool()
        assert pool.equal([("x+x", "2x")]) == [True]
        parents = pool._idle[0].process.pid
        child = os.fork()
        if child == 0:
            ok = pool.equal([("x+x", "2x"), ("y+y", "3y")]) == [True, False] and pool._idle[0].process.pid != parents
            pool.shutdown()
            os._exit(0 if ok else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert pool.equal([("z+z", "2z")]) == [True]
        assert pool._idle[0].process.pid == parents
        """
    )
    assert (done.returncode, done.stderr) == (0, "")
