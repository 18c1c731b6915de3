"""The PRM that remembers prefixes: the same scores, for the new tokens only."""

import copy
import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import policies
import search
from bench.tiny import load_task, weights_folder
from bench.tiny.worlds.worlds import WORLDS
from policies.models.token_rows import TokenRow
from prms import PRM
from prms.pav import PAV
from verifiers import Problem, Solution, Spend, Step, Stop, check_scorer, remembering, split_steps
from verifiers.interface.errors import ScoresShapeError

LINES = ("7-9=8\n", "7-9=2\n", "8*3=4\n", "1\n", "7-9")
PROBLEMS = [Problem("p1", "C 7-9*3\n"), Problem("p2", "C 4+7-3\n"), Problem("p3", "N 3 7 8=17\n")]


@pytest.fixture(scope="module")
def prm():
    return PRM.load(weights_folder("prm"))


class Forgetful:
    """A PRM that has no memory to offer."""

    def __init__(self, prm):
        self.prm = prm

    def score(self, problems, solutions):
        return self.prm.score(problems, solutions)


def worked(name="chain", count=4):
    rng = random.Random(0)
    for problem in load_task(name, count=count).problems:
        text = WORLDS[name].demonstrate(str(problem.prompt), rng, slips=True)
        yield problem, Solution(split_steps(text), Stop.EOS)


def test_it_keeps_the_laws_and_is_causal(prm):
    cases = [*worked("chain"), *worked("countdown", 2), (PROBLEMS[0], Solution()), (PROBLEMS[0], Solution((Step(""),)))]
    cases += [(p, Solution(s.steps[:2])) for p, s in cases[:2]]
    check_scorer(prm.remembering(), cases, causal=True)


# A beam that grows: each round extends some of the rows before (by place), with one of the lines each.
ROUNDS = st.lists(
    st.lists(st.tuples(st.integers(0, 7), st.integers(0, len(LINES) - 1), st.booleans()), min_size=1, max_size=8),
    min_size=1,
    max_size=6,
)


@given(ROUNDS, st.sampled_from([1, 40_000, 1 << 30]))
@settings(max_examples=40, deadline=None)
def test_a_growing_beam_gets_the_plain_scores_whatever_was_kept_or_dropped(prm, rounds, memory_bytes):
    remembers = PRM(prm.model, prm.tokenizer, memory_bytes=memory_bytes).remembering()
    beam = [(problem, Solution()) for problem in PROBLEMS]
    for picks in rounds:
        grown = []
        for place, line, ends in picks:
            problem, prefix = beam[place % len(beam)]
            if not prefix.finished:
                stop = Stop.EOS if ends else Stop.OPEN
                grown.append((problem, Solution((*prefix.steps, Step(LINES[line])), stop)))
        if not grown:
            break
        problems, solutions = [p for p, _ in grown], [s for _, s in grown]
        plain, got = prm.score(problems, solutions), remembers.score(problems, solutions)
        for a, b, whole, part in zip(plain.steps, got.steps, plain.spend, got.spend, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)
            assert part.scored_tokens + part.cached_scored_tokens == whole.scored_tokens + whole.cached_scored_tokens
        beam = grown


def test_a_step_costs_its_own_tokens_and_a_prompt_is_paid_once(prm):
    remembers = prm.remembering()
    problem = PROBLEMS[0]
    first = [Solution((Step("7-9=8\n"),)), Solution((Step("1\n"),))]
    spend = remembers.score([problem] * 2, first).spend
    assert [s.scored_tokens for s in spend] == [8 + 6, 2]
    assert [s.cached_scored_tokens for s in spend] == [0, 8]
    assert spend[0] == prm.score([problem], first[:1]).spend[0]
    second = [Solution((*first[0].steps, Step("8*3=4\n"))), Solution((*first[0].steps, Step("8")), Stop.EOS)]
    spend = remembers.score([problem] * 2, second).spend
    assert [s.scored_tokens for s in spend] == [6, 2]  # the end of sequence is a token
    assert remembers.score([problem], second[:1]).spend[0].scored_tokens == 0


def test_what_left_the_beam_is_forgotten(prm):
    remembers = prm.remembering()
    problem = PROBLEMS[0]
    left, kept = Solution((Step("7-9=2\n"),)), Solution((Step("7-9=8\n"),))
    remembers.score([problem] * 2, [left, kept])
    remembers.score([problem], [Solution((*kept.steps, Step("8*3=4\n")))])
    assert remembers.score([problem], [left]).spend[0].scored_tokens == 2  # its last two characters


@pytest.mark.parametrize("final", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_beam_search_finds_the_same_with_it_for_a_third_of_the_tokens(prm, final):
    task = load_task("chain", count=10, difficulty=11, seed=3)
    policy = policies.load(f"transformers:{weights_folder('policy')}", dtype="float32")

    def run(scorer):
        return search.beam_search(
            task.problems,
            policy,
            scorer,
            width=2,
            expand=4,
            max_steps=12,
            final=prm if final else None,
            answers=task.answers,
            sampling=policies.Sampling(max_tokens=120),
        )

    for ours, plain in zip(run(prm), run(Forgetful(prm)), strict=True):
        assert ours.answer == plain.answer
        assert [n.solution.text for n in ours.tree] == [n.solution.text for n in plain.tree]
        np.testing.assert_allclose([n.value for n in ours.tree], [n.value for n in plain.tree], atol=1e-4)
        if not final:
            assert 3 * ours.spend.scored_tokens < plain.spend.scored_tokens


def test_a_search_does_not_see_what_ran_before_it(prm):
    task = load_task("chain", count=2)
    policy = policies.load(f"transformers:{weights_folder('policy')}", dtype="float32")
    beams = [
        search.beam_search(
            task.problems, policy, prm, width=2, expand=2, max_steps=12, answers=task.answers, sampling=task.sampling
        )
        for _ in range(2)
    ]
    for a, b in zip(*beams, strict=True):
        np.testing.assert_array_equal([n.value for n in a.tree], [n.value for n in b.tree])
        assert a.spend.scored_tokens == b.spend.scored_tokens


def test_only_a_scorer_that_can_is_asked_to_remember(prm):
    plain = Forgetful(prm)
    assert remembering(plain) is plain
    assert remembering(prm) is not prm


def taught(prm, target, root):
    """The PRM with another entry in its config, which is what says what it was taught."""
    model = type(prm.model)(copy.deepcopy(prm.model.config))
    model.load_state_dict(prm.model.state_dict())
    model.config.stepbeam = {"kind": "prm", "target": target, "root": root}
    return PRM(model.eval(), prm.tokenizer)


def test_the_root_value_is_read_at_the_prompts_last_token(prm):
    values = taught(prm, "value", True)
    found = values.root_values(PROBLEMS)
    for problem, row, spend in zip(PROBLEMS, found.steps, found.spend, strict=True):
        ids = torch.tensor([values.tokenizer(problem.prompt).input_ids])
        with torch.inference_mode():
            hidden = values.model.model(input_ids=ids).last_hidden_state[0, -1]
            expected = torch.sigmoid(values.model.score(hidden))
        assert row.tolist() == pytest.approx(expected.tolist(), abs=1e-6)
        assert spend.scored_tokens == ids.shape[1]


def test_a_root_without_errors_is_one_and_a_root_never_taught_is_none(prm):
    errors = taught(prm, "error", False).root_values(PROBLEMS[:2])
    assert errors.values().tolist() == [1.0, 1.0]
    assert Spend.total(errors.spend).scored_tokens == 0
    untaught = taught(prm, "value", False)
    assert untaught.root_values is None
    with pytest.raises(TypeError, match=r"has no root_values: .* trained on rows with `root`"):
        PAV(prm, untaught)


def test_a_dropped_step_is_noticed(prm):
    memory = prm.remembering()
    real = memory.rows_of
    memory.rows_of = lambda p, s: [TokenRow(row.ids, row.ends[:-1]) for row in real(p, s)]
    with pytest.raises(ScoresShapeError, match=rf"{PROBLEMS[0].id!r}: .* gave 1 scores for a solution of 2 steps"):
        memory.score(PROBLEMS[:1], [Solution((Step("1+1=2\n"), Step("2+2=4\n")))])


def test_the_final_pick_by_a_pavs_base_reads_nothing_again(prm):
    task = load_task("chain", count=3)
    policy = policies.load(f"transformers:{weights_folder('policy')}", dtype="float32")
    pav = PAV.best_of_k(prm, 4, alpha=0.5)

    def run(final):
        return search.beam_search(
            task.problems, policy, pav, width=2, expand=4, max_steps=12, final=final, answers=task.answers
        )

    for by_base, by_pav in zip(run(pav.base), run(None), strict=True):
        assert by_base.spend.scored_tokens == by_pav.spend.scored_tokens
        np.testing.assert_allclose(
            by_base.scores.values(), prm.score([by_base.problem] * len(by_base.pool), by_base.pool).values(), atol=1e-5
        )
