"""Parts of one's own from the command line alone: run, show, report and rerank, from a folder with one file."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.commands.cli import main
from tests.pages import ROOT, blocks

PAGE = blocks(ROOT / "docs" / "own_task.md")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text("".join(block.code for block in PAGE if block.title == "mine.py"))
    sys.modules.pop("mine", None)
    yield
    sys.modules.pop("mine", None)  # or the next test would be given it


def said(capsys: pytest.CaptureFixture[str], command: str, code: int = 0) -> str:
    assert main(command.split()) == code, capsys.readouterr().err
    captured = capsys.readouterr()
    return captured.out if code == 0 else captured.err


RUN = "run --task mine:problems --policy mine:pupil --scorer mine:even --n 4 --out out"


def test_the_page_is_carried_out(capsys: pytest.CaptureFixture[str]) -> None:
    commands = [line for block in PAGE if block.language == "sh" for line in block.code.splitlines()]
    assert len(commands) == 5
    told = [said(capsys, command.removeprefix("stepbeam ")) for command in commands]
    assert "level  problems  strategy" in told[0]
    assert "| level | problems | strategy |" in told[1]
    assert '"by":' not in Path("runs/mine/report.html").read_text()  # it is packed
    assert "best_of_n (again)" in told[3]
    assert "mine:second_look (even)" in told[4]
    first = json.loads(Path("runs/mine/problems.jsonl").read_text().splitlines()[0])
    assert first == {"id": "problems-00000", "prompt": "What is 2 + 2?", "answer": "4", "fields": {"level": "easy"}}


def test_a_strategy_of_ones_own_draws_and_chooses(capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, f"{RUN} --strategies mine:second_look:even")
    rows = [json.loads(line) for line in Path("out/samples.jsonl").read_text().splitlines()]
    of_four = [row for row in rows if row["strategy"] == "mine:second_look" and row["n"] == 4]
    pools = {name: [row for row in of_four if row["problem"] == name] for name in {row["problem"] for row in of_four}}
    assert len(pools) == 10
    assert {len(pool) for pool in pools.values()} == {2, 4}
    assert all(sum(row["chosen"] for row in pool) == 1 for pool in pools.values())
    Path("mine.py").write_text(Path("mine.py").read_text().replace("def second_look", "def gone"))
    sys.modules.pop("mine")
    assert "second_look" in said(
        capsys, f"{RUN} --strategies mine:second_look:even"
    )  # finished: shown without its parts


STEPS = """
import numpy as np, search

def by_steps(problem, n, answers):
    steps, out = yield from extend([Solution()], n, "step")
    pool, out = yield from extend(steps, 1, "end")
    scores = yield from score(pool)
    return pick(problem, pool, scores, select=best, answers=answers, reason=out)

def own_values(problem, n, answers):
    pool, out = yield from extend([Solution()], n, "end")
    tree = tuple(search.Node(-1, np.int64(0), s, np.float32(0.25), "kept") for s in pool)
    return pick(problem, pool, (yield from score(pool)), select=best, answers=answers, tree=tree)

def no_scorer(problem, n, answers):
    pool, out = yield from extend([Solution()], n, "step")
    return search.SearchResult(problem, None, pool[0], pool, search.result.Scores(([0.0],) * n))
"""


def test_a_search_by_steps_leaves_its_tree(capsys: pytest.CaptureFixture[str]) -> None:
    with open("mine.py", "a") as file:
        file.write(STEPS)
    said(
        capsys,
        f"{RUN} --limit 2 --strategies mine:by_steps:even,mine:own_values:even,mine:no_scorer,mine:second_look:even",
    )
    rows = [json.loads(line) for line in Path("out/trees.jsonl").read_text().splitlines()]
    assert {(row["strategy"], row["scorer"]) for row in rows} == {
        ("mine:by_steps", "even"), ("mine:own_values", "even"), ("mine:no_scorer", ""),
    }  # fmt: skip
    steps = [row for row in rows if row["strategy"] == "mine:by_steps" and row["problem"] == "problems-00000"]
    assert {row["n"] for row in steps} == {1, 2, 4}
    of_two = [row for row in steps if row["n"] == 2]
    assert [(row["node"], row["parent"], row["depth"]) for row in of_two] == [
        (0, -1, 0),
        (1, -1, 0),
        (2, 0, 1),
        (3, 1, 1),
    ]
    assert [row["value"] for row in of_two[:2]] == [None, None]
    samples = [json.loads(line) for line in Path("out/samples.jsonl").read_text().splitlines()]
    texts = [
        "".join(r["steps"])
        for r in samples
        if (r["strategy"], r["n"], r["problem"]) == ("mine:by_steps", 2, "problems-00000")
    ]
    assert [of_two[row["parent"]]["text"] + row["text"] for row in of_two[2:]] == texts
    assert {row["value"] for row in rows if row["strategy"] == "mine:own_values"} == {0.25}
    before = Path("out/trees.jsonl").read_bytes()
    said(capsys, "report out")
    said(
        capsys,
        f"{RUN} --limit 2 --strategies mine:by_steps:even,mine:own_values:even,mine:no_scorer,mine:second_look:even",
    )
    assert Path("out/trees.jsonl").read_bytes() == before


TREE = """
import search
def tree(problem, n, answers):
    pool, out = yield from extend([Solution()], n, 'end')
    return search.SearchResult(problem, None, pool[0], pool, search.result.Scores(([0.0],) * n), tree={})
"""


def test_a_tree_may_be_a_generator_and_a_fate_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    tree = "(search.Node(-1, 0, s, 0.5, fate) for s, fate in zip(pool, ['failed'] + ['kept'] * 9))"
    with open("mine.py", "a") as file:
        file.write(TREE.format(tree))
    said(capsys, f"{RUN} --limit 1 --strategies mine:tree --max-failed 1")
    rows = [json.loads(line) for line in Path("out/trees.jsonl").read_text().splitlines()]
    assert [row["fate"] for row in rows if row["n"] == 4] == ["failed", "kept", "kept", "kept"]
    assert "it has no score" in Path("out/journal.jsonl").read_text()  # whence `show` tells of it


@pytest.mark.parametrize(
    ("code", "strategy", "message"),
    [
        ("", "mine:second_look", "it asks for scores; name the scorer behind it, mine:second_look:NAME"),
        ("", "mine:absent", "no 'absent' in"),
        ("", "nowhere_at_all:x", "there is no nowhere_at_all.py in this folder"),
        ("", "mine:second_look:orm", "no scorer is named 'orm' (there is even)"),
        ("", "nope", "unknown strategy; use self_consistency, best_of_n, weighted_majority, beam_search, or"),
        ("three = 3", "mine:three", "it is a int; write def NAME(problem, n, answers)"),
        ("def two(problem, n): ...", "mine:two", "too many positional arguments; write def NAME(problem, n, answers)"),
        ("def flat(problem, n, answers): return 1", "mine:flat", "it gives a int and no generator"),
        ("def odd(problem, n, answers):\n    yield from extend([Solution()], n, 'end')\n    return {}['x']",
         "mine:odd", "mine.py, line "),
        ("def none(problem, n, answers):\n    yield from extend([Solution()], n, 'end')",
         "mine:none", "a strategy returned None; return a SearchResult\n"),
        (TREE.format("(pool[0],)"),
         "mine:tree", "problem 'problems-00000': place 0 of its tree holds a Solution; give a search.Node"),
        (TREE.format("(search.Node(0, 0, pool[0], 0.5, 'kept'),)"),
         "mine:tree", "place 0 of its tree has the parent 0 and the depth 0; a parent comes before its children"),
        (TREE.format("(search.Node(-1, 0, pool[0], 0.5, 'gone'),)"),
         "mine:tree", "has the fate 'gone'; give a search.Fate"),
        (TREE.format("(search.Node(-1, 0, None, 0.5, 'kept'),)"),
         "mine:tree", "place 0 of its tree has the solution None"),
        (TREE.format("(search.Node(-1, 0, 'so', 0.5, 'kept'),)"),
         "mine:tree", "place 0 of its tree has the solution 'so'"),
        (TREE.format("(search.Node('x', 0, pool[0], 0.5, 'kept'),)"),
         "mine:tree", "has the parent 'x' and the depth 0"),
        (TREE.format("(search.Node(-1, None, pool[0], 0.5, 'kept'),)"), "mine:tree", "and the depth None; a parent"),
        (TREE.format("(search.Node(-1, 0, pool[0], 'high', 'kept'),)"),
         "mine:tree", "has the value 'high'; give a number"),
        (TREE.format("(search.Node(-1, 7, pool[0], 0.5, 'kept'),)"),
         "mine:tree", "place 0 of its tree has the parent -1 and the depth 7, which is 0 there"),
        (TREE.format("__import__('numpy').zeros(2)"), "mine:tree", "place 0 of its tree holds a float64"),
        (TREE.format("7"), "mine:tree", "problem 'problems-00000': the tree returned is 7; give a tuple"),
        (TREE.format("()").replace("None, pool[0]", "5, pool[0]"),
         "mine:tree", "the answer that it returned is 5; give a"),
        (TREE.format("()").replace("search.result.Scores(([0.0],) * n)", "[0.0]"),
         "mine:tree", "its scores are a list"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_strategy(
    capsys: pytest.CaptureFixture[str], code: str, strategy: str, message: str
) -> None:
    with open("mine.py", "a") as file:
        file.write(f"\n{code}\n")
    line = said(capsys, f"{RUN} --strategies {strategy}", code=2)
    assert message in line
    assert len(line.splitlines()) == 1


def test_a_field_that_no_problem_has(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--by size: no problem of mine:problems has this field; they have level" in said(
        capsys, f"{RUN} --by size", 2
    )
    assert not Path("out").exists()
    said(capsys, RUN)
    assert "--by size: no problem of out has this field; they have level" in said(capsys, "show out --by size", 2)
    assert "--by size: no problem of out has" in said(capsys, "report out --by size", 2)


def test_a_task_that_was_edited_is_another(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"prompt": f"{n}?", "answer": n} for n in range(3)]
    Path("t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = "run --task t.jsonl --policy mine:pupil --n 2 --out out"
    said(capsys, run)
    Path("t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows[1:]))
    assert "the task has changed" in said(capsys, run, 2)
    Path("t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [*rows, {"prompt": "9?", "answer": 9}]))
    assert "10" not in said(capsys, run)  # one that only grew is gone on with


def test_beams_are_refused_a_scorer_of_ends_before_anything_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    Path("two.py").write_text(
        "from verifiers import from_steps\nsteps = from_steps(lambda p, s: [1.0] * len(s.steps))\n"
    )
    told = said(capsys, f"{RUN} --strategies beam_search", code=2)
    assert "--strategies beam_search:even: even judges finished solutions only" in told
    assert "add one of steps" in told
    assert not Path("out").exists()
    told = said(capsys, f"{RUN} --strategies beam_search --scorer two:steps", code=2)
    assert "name one of steps, beam_search:steps" in told
    assert "beam_search (steps)" in said(capsys, f"{RUN} --scorer two:steps --strategies beam_search:steps")


@pytest.mark.parametrize(
    ("strategy", "why"),
    [
        ("bestofn", "did you mean best_of_n? use self_consistency"),
        ("pass@n", "every table has its row"),
        ("pessimistic", "'stepbeam rerank RUN --select pessimistic'"),
    ],
)
def test_strategies_that_are_none(strategy: str, why: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert why in said(capsys, f"{RUN} --strategies {strategy}", code=2)


def test_another_scorer_for_a_run_that_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, RUN)
    told = said(capsys, f"{RUN} --scorer more=mine:even", code=2)
    assert "'stepbeam rerank out --scorer SPEC' scores its samples with a further one" in told
    told = said(capsys, f"{RUN} --n 8", code=2)
    assert "choose another folder, or remove this one; samples go by their places" in told
    assert "a smaller n stands in 'stepbeam show out'" in told
    assert "without temperature, and 0.5 was asked for" in said(capsys, f"{RUN} --temperature 0.5", code=2)


def test_what_a_command_does_not_know_is_said_by_it(capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, RUN)
    assert "unrecognized arguments: --oot x (see 'stepbeam show --help')" in said(capsys, "show out --oot x", code=2)
    assert "or 'rerank', such as out" in said(capsys, "show .", code=2)


def test_a_mistake_in_a_policy_is_told_with_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    Path("odd.py").write_text("from policies import Scripted\npupil = Scripted(lambda p, x, s: p.fields['topic'])\n")
    told = said(capsys, "run --task mine:problems --policy odd:pupil --n 2 --out out", code=2)
    assert "KeyError: 'topic' (odd.py, line 2)" in told


@pytest.mark.parametrize("command", [RUN, "rerank pool.jsonl --out out"])
def test_a_mistake_in_a_scorer_of_ones_own_ends_the_command_where_it_is(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with open("mine.py", "a") as file:
        file.write(
            "\n\n@from_function\ndef odd(problem, solution):\n    return 1.0 if '7' in solution.text else missing\n"
        )
    row = {"id": "a", "prompt": "?", "answer": "7", "solutions": ["It is 7.", "It is 8."]}
    Path("pool.jsonl").write_text(json.dumps(row) + "\n")
    line = said(capsys, f"{command} --scorer mine:odd", code=2)
    assert "NameError: name 'missing' is not defined (mine.py, line " in line
    assert len(line.splitlines()) == 1
