"""Kept scores: nothing is scored twice, nothing changes, and two processes may share a file."""

import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.tiny import weights_folder
from prms.pav import PAV
from prms.prm import PRM
from verifiers import ORM, AnswerVerifier, Scores, Spend, check_scorer, from_function
from verifiers.combinators import score_store as store_module
from verifiers.combinators.cached import cached
from verifiers.interface.capabilities import root_values_of
from verifiers.interface.solution import Message, Problem, Solution, Step, Stop, split_steps

PROBLEM = Problem("p", "?")
ROOT = Path(__file__).parents[3]


class Spy:
    """A causal process scorer: each step's score is the length of the text so far. Notes what it is asked."""

    name = "spy"

    def __init__(self, *, reasons=None, reduce="min"):
        self.asked, self.reasons, self.reduce = [], reasons or {}, reduce

    def score(self, problems, solutions):
        self.asked.append([s.text for s in solutions])
        rows, reasons, spend = [], [], []
        for solution in solutions:
            row = np.cumsum([len(step.text) for step in solution.steps]).astype(float)
            reason = self.reasons.get(solution.text)
            rows.append(row * np.nan if reason else row)
            reasons.append(reason)
            spend.append(Spend(scorer_calls=1, scored_tokens=len(solution.text)))
        return Scores(tuple(rows), tuple(spend), tuple(reasons), self.reduce)


def steps(*texts, stop=Stop.OPEN) -> Solution:
    return Solution(tuple(map(Step, texts)), stop)


A, AB, ABC = steps("a"), steps("a", "bb"), steps("a", "bb", "ccc")


def test_a_second_call_asks_nothing_and_says_what_it_saved(tmp_path):
    spy = Spy()
    kept = cached(spy, tmp_path / "s.sqlite", name="spy@1")
    first, second = (kept.score([PROBLEM] * 2, [AB, ABC]) for _ in range(2))
    assert spy.asked == [["abb", "abbccc"]]
    for a, b in zip(first.steps, second.steps, strict=True):
        np.testing.assert_array_equal(a, b)
    assert first.spend == (Spend(scorer_calls=1, scored_tokens=3), Spend(scorer_calls=1, scored_tokens=6))
    assert second.spend == tuple(Spend(scorer_calls=1, cached_scored_tokens=n) for n in (3, 6))
    assert (first.reduce, second.reduce) == ("min", "min")
    assert first.values().tolist() == [1.0, 1.0] == second.values().tolist()


def test_equal_rows_of_one_call_are_scored_once(tmp_path):
    spy = Spy()
    scores = cached(spy, tmp_path / "s.sqlite", name="spy@1").score([PROBLEM] * 3, [AB, AB, AB])
    assert spy.asked == [["abb"]]
    assert [s.scored_tokens for s in scores.spend] == [3, 0, 0]
    assert [s.cached_scored_tokens for s in scores.spend] == [0, 3, 3]


def test_only_what_is_new_is_asked(tmp_path):
    spy = Spy()
    kept = cached(spy, tmp_path / "s.sqlite", name="spy@1")
    kept.score([PROBLEM], [AB])
    kept.score([PROBLEM] * 3, [ABC, AB, A])
    assert spy.asked == [["abb"], ["abbccc", "a"]]


def test_a_causal_scorer_answers_prefixes_from_what_it_scored(tmp_path):
    spy = Spy()
    kept = cached(spy, tmp_path / "s.sqlite", name="spy@1", causal=True)
    scores = kept.score([PROBLEM] * 3, [A, ABC, AB])
    assert spy.asked == [["abbccc"]]
    assert [row.tolist() for row in scores.steps] == [[1.0], [1.0, 3.0, 6.0], [1.0, 3.0]]
    assert kept.score([PROBLEM], [AB]).steps[0].tolist() == [1.0, 3.0]
    assert len(spy.asked) == 1
    # What the prefix alone would have cost is not known.
    assert kept.score([PROBLEM], [AB]).spend[0] == Spend(scorer_calls=1)
    assert kept.score([PROBLEM], [ABC]).spend[0] == Spend(scorer_calls=1, cached_scored_tokens=6)


def test_a_stop_is_part_of_what_is_judged(tmp_path):
    for causal in (False, True):
        spy = Spy()
        kept = cached(spy, tmp_path / f"{causal}.sqlite", name="spy@1", causal=causal)
        for stop in (Stop.OPEN, Stop.EOS, Stop.LENGTH):
            kept.score([PROBLEM], [steps("a", "b", stop=stop)])
        assert len(spy.asked) == 3


def test_content_counts_and_ids_and_tokens_do_not(tmp_path):
    spy = Spy()
    kept = cached(spy, tmp_path / "s.sqlite", name="spy@1")
    kept.score([Problem("p", "?", "4")], [AB])
    kept.score([Problem("q", "?", "4")], [Solution((Step("a", (1,), (-0.5,)), Step("bb", (2,), (-1.0,))))])
    assert len(spy.asked) == 1
    talk = (Message("user", "?"),)
    others = [Problem("p", "?", "5"), Problem("p", "?"), Problem("p", "!", "4"), Problem("p", talk, "4")]
    for n, problem in enumerate(others, start=2):
        kept.score([problem], [AB])
        assert len(spy.asked) == n
    kept.score([Problem("p", "?", "4")], [steps("ab", "b")])  # the same text in other steps
    assert len(spy.asked) == 6


def test_names_and_modes_do_not_mix(tmp_path):
    path = tmp_path / "s.sqlite"
    one, two = Spy(), from_function(lambda problem, solution: 0.25)
    ended = steps("abc", stop=Stop.EOS)
    assert cached(one, path, name="one").score([PROBLEM], [ended]).values() == [3.0]
    assert cached(two, path, name="two").score([PROBLEM], [ended]).values() == [0.25]
    causal = Spy()
    cached(causal, path, name="one", causal=True).score([PROBLEM], [ended])
    assert len(causal.asked) == 1


def test_a_row_with_a_reason_is_asked_for_again_and_silence_is_not(tmp_path):
    spy = Spy(reasons={"abb": "too slow"})
    kept = cached(spy, tmp_path / "s.sqlite", name="spy@1")
    for _ in range(2):
        scores = kept.score([PROBLEM] * 2, [AB, AB])
        assert np.isnan(scores.steps[0]).all()
        assert scores.reasons == ("too slow", "too slow")
    assert spy.asked == [["abb"], ["abb"]]
    spy.reasons = {}
    assert kept.score([PROBLEM], [AB]).steps[0].tolist() == [1.0, 3.0]
    calls = []
    outcome = from_function(lambda problem, solution: calls.append(1) or 1.0)
    silent = cached(outcome, tmp_path / "s.sqlite", name="outcome")
    assert np.isnan(silent.score([PROBLEM], [AB]).steps[0]).all()
    assert silent.store.read(silent._keys(PROBLEM, AB))


def test_prefixes_of_a_row_that_could_not_be_scored_are_scored_on_their_own(tmp_path):
    spy = Spy(reasons={"abbccc": "over-long"})
    kept = cached(spy, tmp_path / "s.sqlite", name="spy@1", causal=True)
    scores = kept.score([PROBLEM] * 4, [A, AB, ABC, AB])
    assert spy.asked == [["abbccc"], ["a", "abb"]]
    assert [row.tolist() for row in scores.steps[:2]] == [[1.0], [1.0, 3.0]]
    assert np.isnan(scores.steps[2]).all()
    assert scores.reasons == (None, None, "over-long", None)
    assert kept.score([PROBLEM], [AB]).steps[0].tolist() == [1.0, 3.0]


letters = st.lists(st.sampled_from(["a", "bb", "c"]), max_size=4)
stops = st.sampled_from([Stop.OPEN, Stop.EOS, Stop.LENGTH])


@given(st.lists(st.lists(st.tuples(letters, stops), max_size=5), max_size=4), st.booleans())
@settings(max_examples=40, deadline=None)
def test_whatever_was_asked_before_the_scores_are_the_scorers(tmp_path_factory, calls, causal):
    path = tmp_path_factory.mktemp("kept") / "s.sqlite"
    kept, plain = cached(Spy(), path, name="spy@1", causal=causal), Spy()
    for rows in calls:
        solutions = [steps(*texts, stop=stop) for texts, stop in rows]
        found = kept.score([PROBLEM] * len(rows), solutions)
        expected = plain.score([PROBLEM] * len(rows), solutions)
        for a, b in zip(found.steps, expected.steps, strict=True):
            np.testing.assert_array_equal(a, b)


def real_cases():
    texts = ["7-9=8\n8*3=4\n=4", "7-9=2\n2*3=6\n=6"]
    problem = Problem("p1", "C 7-9*3\n", "4")
    cases = [(problem, Solution(split_steps(text), Stop.EOS)) for text in texts]
    return [*cases, (problem, Solution(cases[0][1].steps[:1])), (problem, Solution(cases[0][1].steps, Stop.LENGTH))]


def test_laws_with_real_scorers(tmp_path):
    path, cases = tmp_path / "s.sqlite", real_cases()
    prm, orm = PRM.load(weights_folder("prm")), ORM.load(weights_folder("orm"))
    for causal in (False, True):
        check_scorer(cached(prm, path, name=f"prm {causal}", causal=causal), cases, causal=True)
    check_scorer(cached(orm, path, name="orm"), cases)
    rule = cached(AnswerVerifier(), path, name="rule")
    right = (Problem("g", "2+2?", "4"), Solution((Step("The answer is 4."),), Stop.EOS))
    check_scorer(rule, [right, (right[0], Solution((Step("The answer is 5."),), Stop.EOS))], gold=[right])
    memory = cached(prm, tmp_path / "m.sqlite", name="prm").remembering()
    check_scorer(memory, cases, causal=True, atol=1e-4)


def test_a_search_with_a_memory_still_keeps_its_scores(tmp_path):
    prm = PRM.load(weights_folder("prm"))
    kept = cached(prm, tmp_path / "s.sqlite", name="prm", causal=True)
    problem, solution = real_cases()[0]
    memory = kept.remembering()
    spent = [memory.score([problem], [Solution(solution.steps[:n])]).spend[0].scored_tokens for n in (1, 2)]
    assert 0 < spent[1] < spent[0]
    assert kept.score([problem], [Solution(solution.steps[:2])]).spend[0].scored_tokens == 0


def test_a_reducer_that_is_a_function_is_refused(tmp_path):
    kept = cached(Spy(reduce=lambda row: float(row.sum())), tmp_path / "s.sqlite", name="spy@1")
    with pytest.raises(ValueError, match="spy reduces by a function, which cannot be kept"):
        kept.score([PROBLEM], [A])


def test_a_scorer_that_drops_rows_or_steps_is_named(tmp_path):
    class Lossy:
        def score(self, problems, solutions):
            return Scores((np.zeros(1),))

    kept = cached(Lossy(), tmp_path / "s.sqlite", name="lossy")
    with pytest.raises(ValueError, match="Lossy answered 1 rows where 2 were asked for"):
        kept.score([PROBLEM] * 2, [A, AB])
    with pytest.raises(ValueError, match="'p': Lossy gave 1 scores for a solution of 2 steps"):
        kept.score([PROBLEM], [AB])


def test_root_values_are_kept_where_the_scorer_knows_them(tmp_path):
    class Values(Spy):
        roots = 0

        def root_values(self, problems):
            self.roots += len(problems)
            lost = [p.prompt == "lost" for p in problems]
            return Scores(
                tuple(np.array([np.nan if x else 0.5]) for x in lost),
                (Spend(scorer_calls=1, scored_tokens=7),) * len(problems),
                tuple("too slow" if x else None for x in lost),
            )

    values = Values()
    kept = cached(values, tmp_path / "s.sqlite", name="values@1")
    assert root_values_of(kept.remembering()) is not None
    problems = [PROBLEM, Problem("other id", "?"), Problem("q", "lost")]
    first, second = kept.root_values(problems), kept.root_values(problems)
    for scores in (first, second):
        np.testing.assert_array_equal(scores.values(), np.array([0.5, 0.5, np.nan], dtype=np.float32))
        assert scores.reasons == (None, None, "too slow")
    assert values.roots == 2 + 1
    assert [s.scored_tokens for s in first.spend] == [7, 0, 7]
    assert [s.cached_scored_tokens for s in second.spend] == [7, 7, 0]
    assert cached(Spy(), tmp_path / "s.sqlite", name="spy@1").root_values is None
    pav = PAV.best_of_k(kept)
    asked = values.roots
    pav.score([PROBLEM], [Solution()])
    assert values.roots == asked


def test_root_values_that_drop_a_row_are_named(tmp_path):
    class Drops(Spy):
        def root_values(self, problems):
            return Scores(tuple(np.array([0.5]) for _ in problems[1:]))

    kept = cached(Drops(), tmp_path / "s.sqlite", name="drops")
    with pytest.raises(ValueError, match="spy answered 1 rows where 2 were asked for"):
        kept.root_values([PROBLEM, Problem("q", "!")])

    class Shapeless(Spy):
        def root_values(self, problems):
            return Scores(tuple(np.array([0.5, 0.5]) for _ in problems))

    kept = cached(Shapeless(), tmp_path / "s.sqlite", name="shapeless")
    with pytest.raises(ValueError, match="problem 'p': spy gave 2 root values"):
        kept.root_values([PROBLEM])


def test_what_a_scorer_was_trained_on_is_still_known(tmp_path):
    prm = PRM.load(weights_folder("prm"))
    kept = cached(prm, tmp_path / "s.sqlite", name="prm")
    assert (kept.separator, kept.target) == ("\n", "value")
    kept = cached(Spy(), tmp_path / "s.sqlite", name="spy")
    assert (kept.separator, kept.target) == (None, None)


def test_nothing_is_no_error(tmp_path):
    kept = cached(Spy(), tmp_path / "s.sqlite", name="spy@1")
    assert len(kept.score([], [])) == 0
    assert kept.score([PROBLEM], [Solution()]).steps[0].shape == (0,)


@pytest.mark.parametrize("name", ["", "  "])
def test_a_name_is_needed(tmp_path, name):
    with pytest.raises(ValueError, match="name the scorer and its version"):
        cached(Spy(), tmp_path / "s.sqlite", name=name)


def test_foreign_files_are_named_and_left_as_they_are(tmp_path):
    note = tmp_path / "note.txt"
    note.write_text("my thesis " * 200)
    with pytest.raises(ValueError, match=r"note\.txt: not a file of cached scores"):
        cached(Spy(), note, name="spy@1")
    assert note.read_text() == "my thesis " * 200
    other = tmp_path / "other.sqlite"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE accounts (id)")
    connection.commit()
    connection.close()
    before = other.read_bytes()
    with pytest.raises(ValueError, match=r"other\.sqlite: a database of another program"):
        cached(Spy(), other, name="spy@1")
    assert other.read_bytes() == before
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        cached(Spy(), tmp_path / "nowhere" / "s.sqlite", name="spy@1")
    with pytest.raises(ValueError, match="cannot be opened"):
        cached(Spy(), tmp_path, name="spy@1")


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "s.sqlite"
    kept = cached(Spy(), path, name="spy@1")
    many = [steps(f"{n:05d}") for n in range(2000)]
    kept.score([PROBLEM] * 2000, many)
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(bytes(content))
    with pytest.raises(ValueError, match=r"s\.sqlite: not a file of cached scores, or a damaged one .*remove it"):
        kept.score([PROBLEM] * 2000, many)


def test_a_file_that_stays_locked_is_named(tmp_path, monkeypatch):
    path = tmp_path / "s.sqlite"
    kept = cached(Spy(), path, name="spy@1")
    monkeypatch.setattr(store_module, "_PATIENCE", 0.05)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(TimeoutError, match="another process has it locked for 0 s"):
            kept.score([PROBLEM], [A])
    finally:
        other.close()
    assert kept.score([PROBLEM], [A]).values() == [1.0]


HAMMER = """
    import sys
    import numpy as np
    from verifiers import Problem, Scores, Solution, Spend, Step
    from verifiers.combinators.cached import cached

    me, path = int(sys.argv[1]), sys.argv[2]
    asked = 0

    class Marked:  # each process would say something else: whoever is first decides for both
        def score(self, problems, solutions):
            global asked
            asked += len(solutions)
            rows = tuple(np.full(len(s.steps), 1000 * me + int(s.text)) for s in solutions)
            return Scores(rows, (Spend(scorer_calls=1, scored_tokens=1),) * len(rows))

    rng = np.random.default_rng(me)
    sys.stdin.readline()
    kept = cached(Marked(), path, name="marked@1")  # both make the file at once
    seen = {}
    for turn in range(150):
        if turn == 75:  # so that each has some that the other was first with
            print("half", flush=True)
            sys.stdin.readline()
        numbers = rng.integers(0, 300, 8).tolist()
        scores = kept.score([Problem("p", "?")] * 8, [Solution((Step(str(n)),)) for n in numbers])
        for n, value in zip(numbers, scores.values().tolist()):
            assert seen.setdefault(n, value) == value, (n, seen[n], value)
            assert value in (1000 + n, 2000 + n)
    print(asked)
    for n in sorted(seen):
        print(n, seen[n])
"""


def test_two_processes_may_hammer_one_file(tmp_path):
    path = tmp_path / "s.sqlite"
    command = [sys.executable, "-c", textwrap.dedent(HAMMER)]
    processes = [
        subprocess.Popen(
            [*command, str(me), str(path)], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for me in (1, 2)
    ]

    def go():
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()

    go()
    assert [process.stdout.readline() for process in processes] == ["half\n"] * 2
    go()
    said = [process.communicate(timeout=120)[0].split("\n") for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    values = [dict(line.split() for line in lines[1:] if line) for lines in said]
    both = values[0].keys() & values[1].keys()
    assert len(both) > 200
    # A score that one process was told, the other is told as well: the first that was written stands.
    assert all(values[0][n] == values[1][n] for n in both)
    assert {v[0] for v in values[0].values() if float(v) >= 1000} == {"1", "2"}
    assert sum(int(lines[0]) for lines in said) < 2 * 300
