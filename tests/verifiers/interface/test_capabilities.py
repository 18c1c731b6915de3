"""What a scorer has beside scores: nothing is claimed that cannot be given, and wrappers hand on what there is."""

import pickle
from collections.abc import Sequence

import numpy as np
import pytest

import prms
import verifiers
from bench.tiny import weights_folder
from verifiers import (
    MATH,
    AnswerVerifier,
    Problem,
    Scores,
    Solution,
    Step,
    Stop,
    from_function,
    from_steps,
    with_outcome,
)
from verifiers.combinators.cached import cached
from verifiers.interface.capabilities import advantages_of, judges_ends_only, remembering, root_values_of
from verifiers.interface.errors import ScoresShapeError

PROBLEM = Problem("p", "C 7-9*3\n", "4")
LENGTH = from_function(lambda problem, solution: float(len(solution.text)))
ROWS = [with_outcome(PROBLEM, Solution((Step("x" * n),), Stop.EOS), n > 6) for n in range(1, 13)]


class Taught:
    """A process scorer that was trained on steps which end in `separator`, and knows roots where it is given one."""

    def __init__(self, separator=None, target=None, root=None):
        self.separator, self.target = separator, target
        self.root_values = None if root is None else lambda problems: Scores((np.array([root]),) * len(problems))

    def score(self, problems, solutions):
        return LENGTH.score(problems, solutions)


WRAPPERS = {
    "weighted": lambda scorer, folder: verifiers.weighted([(scorer, 0.7), (LENGTH, 0.3)]),
    "cached": lambda scorer, folder: cached(scorer, folder / "scores.sqlite", name="it"),
    "calibrated": lambda scorer, folder: verifiers.calibrated(scorer, ROWS),
    "best_of_k": lambda scorer, folder: prms.BestOfK(scorer, 2),
    "pav": lambda scorer, folder: prms.PAV(scorer, Taught(root=0.5)),
}


@pytest.mark.parametrize("wrap", WRAPPERS)
def test_a_wrapper_keeps_what_its_scorer_was_trained_on(wrap, tmp_path):
    wrapped = WRAPPERS[wrap](Taught("\n\n", "value"), tmp_path)
    assert (wrapped.separator, wrapped.target) == ("\n\n", "value")
    assert (remembering(wrapped).separator, remembering(wrapped).target) == ("\n\n", "value")
    unwritten = WRAPPERS[wrap](LENGTH, tmp_path)
    assert (unwritten.separator, unwritten.target) == (None, None)


@pytest.mark.parametrize("wrap", ["cached", "calibrated", "best_of_k"])
def test_a_wrapper_knows_roots_exactly_where_its_scorer_does(wrap, tmp_path):
    ask = root_values_of(WRAPPERS[wrap](Taught(root=0.5), tmp_path))
    assert ask is not None
    assert ask([PROBLEM, Problem("q", "?")]).steps[0].shape == (1,)
    for unknowing in (Taught(), LENGTH):
        assert root_values_of(WRAPPERS[wrap](unknowing, tmp_path)) is None


def test_parts_that_differ_say_nothing():
    mixed = verifiers.weighted([(Taught("\n", "value"), 1), (Taught("\n\n", "value"), 1)])
    assert (mixed.separator, mixed.target) == (None, "value")
    assert mixed.root_values is None


def test_a_capability_that_is_none_is_not_asked():
    scorer = Taught()
    scorer.remembering = None
    assert remembering(scorer) is scorer
    assert root_values_of(scorer) is None
    assert root_values_of("no scorer") is None


def test_a_prm_knows_roots_where_it_was_taught_them():
    values, errors = (prms.PRM.load(weights_folder(name)) for name in ("prm", "prm_error"))
    assert values.root_values is not None
    assert errors.root_values([PROBLEM]).values().tolist() == [1.0]
    assert root_values_of(verifiers.ORM.load(weights_folder("orm"))) is None


def test_root_values_of_another_shape_are_named():
    two = Taught()
    two.root_values = lambda problems: Scores((np.array([0.5, 0.5]),) * len(problems))
    with pytest.raises(ScoresShapeError, match="problem 'p': Taught gave 2 root values: expected one"):
        root_values_of(two)([PROBLEM])
    two.root_values = lambda problems: Scores(())
    with pytest.raises(ScoresShapeError, match="Taught answered 0 rows where 1 were asked for"):
        prms.PAV(two, two).score([PROBLEM], [Solution((Step("a"),), Stop.EOS)])


def test_from_steps_gives_a_number_a_step_of_any_solution():
    scorer = from_steps(lambda problem, solution: [float(step.text == problem.answer) for step in solution.steps])
    solutions = [Solution((Step("3"), Step("4"))), Solution((Step("4"),), Stop.EOS), Solution()]
    scores = scorer.score([PROBLEM] * 3, solutions)
    assert [row.tolist() for row in scores.steps] == [[0.0, 1.0], [1.0], []]
    assert [spend.scorer_calls for spend in scores.spend] == [1, 1, 1]
    verifiers.check_scorer(scorer, [(PROBLEM, s) for s in solutions], causal=True)
    with pytest.raises(ScoresShapeError, match=r"'p': from_steps\(.*<lambda>\) gave 1 scores for a solution of 2"):
        from_steps(lambda problem, solution: [0.5]).score([PROBLEM], solutions[:1])


@pytest.mark.parametrize("wrap", [*WRAPPERS, None])
def test_a_real_prm_keeps_them_with_a_memory(wrap, tmp_path):
    prm = prms.PRM.load("tiny:prm")
    scorer = prm if wrap is None else WRAPPERS[wrap](prm, tmp_path)
    memory = remembering(scorer)
    assert (memory.separator, memory.target) == (scorer.separator, scorer.target) == ("\n", "value")
    before, after = root_values_of(scorer), root_values_of(memory)
    assert (before is None) == (after is None)
    if before is not None:
        assert after([PROBLEM]).values() == before([PROBLEM]).values()


def test_a_pav_can_be_sent_to_another_process():
    prm = prms.PRM.load("tiny:prm")
    solution = Solution((Step("7-9=8\n"), Step("8*3=4\n")))
    pav = prms.PAV(prm, prms.BestOfK(prm, 4))
    twin = pickle.loads(pickle.dumps(pav))
    assert twin.score([PROBLEM], [solution]).steps[0].tolist() == pav.score([PROBLEM], [solution]).steps[0].tolist()


def test_a_cache_of_a_pav_hands_on_its_advantages(tmp_path):
    prm = prms.PRM.load("tiny:prm")
    pav = prms.PAV(prm, prm)
    kept = cached(pav, tmp_path / "scores.sqlite", name="pav")
    assert advantages_of(kept) == pav.advantages
    assert advantages_of(cached(prm, tmp_path / "scores.sqlite", name="prm")) is None


def test_a_subclass_that_judges_in_its_own_way_says_itself_what_it_judges() -> None:
    class Steps(AnswerVerifier):
        def score(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
            return Scores(tuple(np.ones(len(solution.steps)) for solution in solutions))

    class Ends(Steps):
        ends_only = True

    verdicts = [judges_ends_only(kind(MATH)) for kind in (AnswerVerifier, Steps, Ends)]
    assert verdicts == [True, False, True]
