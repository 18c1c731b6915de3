"""What the tiny verifiers are taught: made up solutions, next lines of countdown, and Monte-Carlo values."""

import gzip
import math
import random
from collections import Counter
from functools import partial

import numpy as np
import pytest
import torch

from bench.tiny import load_task, weights_folder
from bench.tiny.making.examples.made_up import make_up
from bench.tiny.making.examples.values import draw_solutions, read_labelled, value_solutions, write_labelled
from bench.tiny.making.lookahead import NEXT_LINES, draw_lines, learn_lookahead, pack
from bench.tiny.making.models import new_reward_model
from bench.tiny.making.pretrain import encode_labelled, learn_errors
from bench.tiny.worlds import chain, countdown
from bench.tiny.worlds.tokenizer import EOS
from bench.tiny.worlds.worlds import WORLDS, held_out
from policies.backends.transformers import Transformers
from prms import PRM
from verifiers import Labelled, Problem, Solution, Step, Stop, split_steps
from verifiers.interface.errors import BadInput


@pytest.fixture(scope="module")
def policy():
    return Transformers.load(weights_folder("policy"), dtype="float32")


@pytest.mark.parametrize("task", WORLDS)
def test_made_up_solutions_are_labelled_by_the_task_and_hold_no_held_out_problem(task):
    rng = random.Random(0)
    rows = [make_up(task, rng) for _ in range(300)]
    world = WORLDS[task]
    for row in rows:
        prompt, steps = str(row.problem.prompt), [step.text for step in row.solution.steps]
        assert not held_out(prompt)
        assert row.labels == tuple(map(float, world.labels(prompt, steps, finished=True)))
        assert row.solution.steps == split_steps(row.solution.text)
        assert len(row.solution.text) < world.MAX_TOKENS
    assert 0.15 < np.mean([row.labels[-1] for row in rows]) < 0.7


def test_made_up_chains_hold_every_wrong_digit():
    rng = random.Random(0)
    steps = [step.text for _ in range(2000) for step in make_up("chain", rng).solution.steps]
    additions = [s for s in steps if len(s) == 6 and s[1] == "+"]
    offsets = Counter((int(s[4]) - int(s[0]) - int(s[2])) % 10 for s in additions)
    assert set(offsets) == set(range(10))
    assert min(offsets.values()) > 0.004 * len(additions)


def test_one_error_is_one_error():
    """But for one line, every line is true and goes on from the one before, and the answer is the last result."""
    rng = random.Random(0)
    kinds: Counter[str] = Counter()
    for _ in range(500):
        row = make_up("chain_one_error", rng)
        body = str(row.problem.prompt)[3:-1]
        value, wrong = str(row.problem.prompt)[2], 0
        for i, line in enumerate(row.solution.text.splitlines()[:-1]):
            a, sign, operand, result = line[0], line[1], line[2], line[4]
            assert (a, sign) == (value, body[2 * i])
            copied = operand == body[2 * i + 1]
            true = chain.work(int(a), sign, int(operand)) == int(result)
            wrong += not (copied and true)
            kinds["miscopied" if not copied else "false" if not true else "right"] += 1
            value = result
        assert row.solution.text.endswith(f"\n={value}")
        assert wrong <= 1
        assert wrong or all(row.labels)
    assert kinds["miscopied"] > 50
    assert kinds["false"] > 150


def test_made_up_countdowns_hold_every_way_to_lose():
    rng = random.Random(0)
    seen: Counter[str] = Counter()
    for _ in range(3000):
        row = make_up("countdown", rng)
        numbers, target = countdown.parse(str(row.problem.prompt))
        for step in row.solution.steps:
            line = step.text.removesuffix("\n")
            left = countdown.follow(numbers, line)
            if left is None:
                a, sign, b, result = countdown._LINE.fullmatch(line).groups()
                true = {"+": int(a) + int(b), "-": int(a) - int(b), "*": int(a) * int(b)}[sign] == int(result)
                seen["number that is not there" if true else "false line"] += 1
                break
            if not countdown.solvable(left, target):
                seen[f"lost with {len(left)} left"] += 1
                break
            numbers = left
        else:
            seen["right" if len(numbers) == 1 else "short"] += 1
    kinds = {"false line", "number that is not there", "right", "short", *(f"lost with {n} left" for n in (1, 2, 3))}
    assert kinds <= set(seen)
    assert min(seen[kind] for kind in kinds) >= 10


def test_next_lines_are_labelled_by_the_solver():
    rng = random.Random(0)
    illegal = 0
    for _ in range(400):
        text, lines = draw_lines(rng)
        prompt, *before = text.splitlines(keepends=True)
        assert not held_out(prompt)
        assert 1 <= len({line.text for line in lines}) == len(lines) <= NEXT_LINES
        given, _ = countdown.parse(prompt)
        for line in before:
            given = countdown.follow(given, line.removesuffix("\n"))
            assert given is not None
        for line in lines:
            assert line.left == countdown.follow(given, line.text)
            illegal += line.left is None
            finished = line.left is not None and len(line.left) == 1
            steps = [*before, line.text + ("" if finished else "\n")]
            assert line.good == countdown.labels(prompt, steps, finished=finished)[-1]
    assert illegal > 50


def test_lines_side_by_side_are_read_as_if_each_were_alone():
    """The packed forward gives each line what a plain forward of its prefix and itself gives."""
    prefixes = [draw_lines(random.Random(seed)) for seed in range(6)]
    packed = pack(prefixes)
    prm = PRM.load(weights_folder("prm"), device="cpu")
    with torch.inference_mode():
        hidden = prm.model.model(
            input_ids=packed.ids, position_ids=packed.positions, attention_mask=packed.mask.float(), use_cache=False
        ).last_hidden_state
        read = torch.sigmoid(prm.model.score(hidden[packed.row, packed.at])[:, 0]).numpy()
    alone = []
    for text, lines in prefixes:
        prompt, *before = text.splitlines(keepends=True)
        for line in lines:
            finished = line.left is not None and len(line.left) == 1
            steps = (*(Step(t) for t in before), Step(line.text + ("" if finished else "\n")))
            solution = Solution(steps, Stop.EOS if finished else Stop.OPEN)
            alone.append(prm.score([Problem("p", prompt)], [solution]).steps[0][-1])
    np.testing.assert_allclose(read, alone, atol=2e-4)
    bits = packed.reach[0].nonzero()[:, 0] + 1
    first = prefixes[0][1][0].left
    assert first is None or sum(1 << int(n) for n in bits) == countdown.reachable(first)


@pytest.mark.slow
def test_the_trainings_learn_and_repeat(monkeypatch):
    monkeypatch.setattr("bench.tiny.making.lookahead.PREFIXES", 2)
    for learn in (learn_lookahead, partial(learn_errors, rows=dict.fromkeys(WORLDS, 2), prefixes=2)):
        weights = []
        for _ in range(2):
            model = new_reward_model("prm", None, seed=0)
            log: list[dict[str, object]] = []
            learn(model, steps=3, learning_rate=1e-3, seed=0, log=log.append, title="test")
            weights.append(model.score.weight.detach().clone())
            assert log[-1]["step"] == 3
            assert any(value for name, value in log[-1].items() if name.startswith("loss"))
        assert torch.equal(*weights)
        assert weights[0].abs().sum() > 0


def test_labels_are_read_where_the_library_reads_scores():
    problem, solution = Problem("p", "C 7-9*3\n"), Solution(split_steps("7-9=8\n8*3=4\n=4"), Stop.EOS)
    ids, row, at, targets = encode_labelled([Labelled(problem, solution, (0.7, 0.5, 1.0))])
    assert (row.tolist(), at.tolist()) == ([0, 0, 0], [13, 19, 22])
    assert targets.tolist() == pytest.approx([0.7, 0.5, 1.0])
    assert ids[0, 22] == EOS


def test_values_are_the_shares_of_right_completions(policy):
    solutions = draw_solutions(policy, "chain", count=3, samples=2, made=1, seed=5)
    assert len({(p, s.text) for p, s in solutions}) == len(solutions) >= 6
    rows = value_solutions(policy, "chain", solutions, rollouts=4, prefixes=2, seed=0)
    task = load_task("chain", count=1)
    outcomes = task.verifier.score([r.problem for r in rows], [r.solution for r in rows]).values()
    for row, (problem, solution), outcome in zip(rows, solutions, outcomes, strict=True):
        assert (row.problem, row.solution) == (problem, solution)
        assert row.labels[-1] == outcome
        inner = [label for label in row.labels[:-1] if not math.isnan(label)]
        assert len(inner) == min(2, len(solution.steps) - 1)
        assert all((4 * value).is_integer() for value in (*inner, row.root))
    roots = {r.problem: {s.root for s in rows if s.problem == r.problem} for r in rows}
    assert all(len(found) == 1 for found in roots.values())
    again = value_solutions(policy, "chain", solutions, rollouts=4, prefixes=2, seed=0)
    assert repr(rows) == repr(again)  # NaN is not equal to itself, but it looks the same


def test_a_prover_values_the_same_prefixes_otherwise(policy):
    """Very hot, nothing ends right."""
    solutions = draw_solutions(policy, "countdown", count=4, samples=2, made=0, seed=6)
    cold = value_solutions(policy, "countdown", solutions, rollouts=4, prefixes=3, seed=0)
    hot = value_solutions(policy, "countdown", solutions, rollouts=4, prefixes=3, seed=0, temperature=20.0)
    assert [[math.isnan(x) for x in r.labels] for r in cold] == [[math.isnan(x) for x in r.labels] for r in hot]
    assert sum(r.root or 0 for r in hot) == 0
    assert [r.labels[-1] for r in hot] == [r.labels[-1] for r in cold]


def test_labelled_rows_are_read_as_written(tmp_path):
    problem = Problem("p", "C 2\n", "2")
    rows = [Labelled(problem, Solution(split_steps("1+1=2\n=2"), Stop.EOS), (0.125, 1.0), root=0.25)]
    write_labelled(rows, tmp_path / "rows.jsonl.gz")
    assert read_labelled(tmp_path / "rows.jsonl.gz") == rows
    silent = Labelled(problem, rows[0].solution, (math.nan, 1.0))
    write_labelled([silent], tmp_path / "silent.jsonl.gz")
    [back] = read_labelled(tmp_path / "silent.jsonl.gz")
    assert (math.isnan(back.labels[0]), back.labels[1], back.root) == (True, 1.0, None)


OTHER = b'{"problem": "p", "prompt": "C 2", "answer": "2", "steps": ["=2"], "labels": [3], "root": null}\n'


@pytest.mark.parametrize(
    "what", [slice(0, 40), slice(12, None), slice(0, 0), b"mine\n", b'{"problem": "p"}\n', b"[1]\n", OTHER]
)
def test_labelled_rows_that_are_damaged_are_named(tmp_path, what):
    path = tmp_path / "rows.jsonl.gz"
    write_labelled([Labelled(Problem("p", "C 2\n", "2"), Solution(split_steps("=2"), Stop.EOS), (1.0,))], path)
    path.write_bytes(path.read_bytes()[what] if isinstance(what, slice) else gzip.compress(what))
    with pytest.raises(BadInput, match=r"rows.jsonl.gz"):
        read_labelled(path)
