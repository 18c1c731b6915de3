"""The tree of a search whose strategy returns none: what was drawn from what, its values, and its fates."""

import numpy as np

import policies
import search
import verifiers
from policies import Sampling
from search.requests import Score, extend, score
from search.searching import Search
from verifiers import Problem, Solution, Step, Stop

SAMPLING = Sampling()


def line_by_line(text):
    """A policy whose solutions are of these lines, each with its seed's last digit."""
    return policies.Scripted(lambda problem, prefix, seed: text.format(seed % 10)[len(prefix.text) :])


sixes = verifiers.from_steps(lambda problem, solution: [float("6" in step.text) for step in solution.steps])


def greedy(problem, n, *, finish="step", rounds=4, anew=False):
    """The best of n next steps, again and again; after the first the rest at once where it is to finish so."""
    at, pool, scores = Solution(), (), None
    for _ in range(rounds):
        pool, out = yield from extend([at], n, "step" if not at.steps else finish)
        scores = yield from score(pool)
        if out:
            break
        at = pool[int(np.nanargmax(scores.values()))]
        if at.stop is not Stop.OPEN:
            break
        at = Solution(at.steps) if anew else at
    return search.SearchResult(problem, None, at, pool, scores)


def found(strategy, policy=None, **options):
    [result] = search.drive(
        [(Problem("p", "?"), strategy)], policy or line_by_line("a{0}\nb{0}\nc{0}"), {"search": sixes, "final": sixes},
        **options,
    )  # fmt: skip
    return result


def shape(tree):
    return [(node.parent, node.depth, node.solution.text, node.fate.value) for node in tree]


def test_a_strategy_that_draws_step_by_step_has_a_tree() -> None:
    result = found(greedy(Problem("p", "?"), 3))
    assert [node.depth for node in result.tree] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    kept = [place for place, node in enumerate(result.tree) if node.fate == "kept"]
    assert [node.parent for node in result.tree] == [-1] * 3 + [kept[0]] * 3 + [kept[1]] * 3
    assert [node.fate for node in result.tree[6:]] == [search.Fate.DONE] * 3  # the pool that it returned
    assert [node.value for node in result.tree[:3]] == [float("6" in n.solution.text) for n in result.tree[:3]]
    for node in result.tree[3:]:
        assert node.solution.text.startswith(result.tree[node.parent].solution.text)


def test_a_prefix_that_was_made_anew_is_known_by_its_text() -> None:
    assert shape(found(greedy(Problem("p", "?"), 3, anew=True)).tree) == shape(found(greedy(Problem("p", "?"), 3)).tree)


def test_the_rest_at_once_hangs_on_its_step() -> None:
    tree = found(greedy(Problem("p", "?"), 2, finish="end")).tree
    assert [node.parent for node in tree[:2]] == [-1, -1]
    [extended] = {node.parent for node in tree[2:]}
    assert tree[extended].fate == "kept"
    assert all(node.solution.text.count("\n") == 2 for node in tree[2:])


def test_whole_solutions_make_no_tree() -> None:
    policy, problems = line_by_line("a{0}\nb{0}"), [Problem("p", "?")]
    assert search.best_of_n(problems, policy, sixes, n=4)[0].tree == ()
    assert search.self_consistency(problems, policy, n=4)[0].tree == ()
    assert search.sample(problems, policy, n=4)[0].tree == ()


def test_its_own_tree_stands_as_a_strategy_returns_it() -> None:
    def mine(problem):
        steps, _ = yield from extend([Solution()], 2, "step")
        tree = (search.Node(-1, 0, steps[0], 0.5, search.Fate.KEPT),)
        return search.SearchResult(problem, None, steps[0], steps, verifiers.Scores(([0.0], [0.0])), tree=tree)

    assert [node.value for node in found(mine(Problem("p", "?"))).tree] == [0.5]


def test_a_beam_and_what_it_asked_for_are_one_tree() -> None:
    """What beam search tells of itself agrees with what is told of it, twins aside."""

    def untold(problem):
        from search.strategies.beam_search import beam_search_strategy
        from verifiers.grading.answers import MATH

        result = yield from beam_search_strategy(problem, 2, 3, 5, False, MATH)
        return search.SearchResult(problem, result.answer, result.solution, result.pool, result.scores)

    policy = line_by_line("a{0}\nb{0}\nThe answer is {0}.")
    beams = search.beam_search([Problem("p", "?")], policy, sixes, width=2, expand=3, max_steps=5)
    told = {(n.solution.text, n.depth, n.fate) for n in found(untold(Problem("p", "?")), policy).tree}
    own = {(n.solution.text, n.depth, n.fate) for result in beams for n in result.tree}
    assert own == told


def test_failures_cuts_and_budgets_show() -> None:
    @policies.Scripted
    def fails(problem, prefix, seed):
        if seed % 2:
            raise ConnectionError("refused")
        return "a\nb\nc"[len(prefix.text) :]

    result = found(greedy(Problem("p", "?"), 6), fails)
    assert {node.fate for node in result.tree if node.solution.stop is Stop.FAILED} == {search.Fate.FAILED}
    cut = found(greedy(Problem("p", "?"), 4), budget=search.Budget(samples=6))
    assert [node.depth for node in cut.tree] == [0, 0, 0, 0, 1, 1]
    short = found(greedy(Problem("p", "?"), 2), sampling=policies.Sampling(max_tokens=2))
    assert "cut" in {node.fate for node in short.tree}


def test_a_score_that_failed_is_a_failure_until_it_is_there() -> None:
    down = set()

    @verifiers.from_steps
    def judge(problem, solution):
        if solution.text in down:
            raise ConnectionError("refused")
        return [1.0] * len(solution.steps)

    def twice(problem, again):
        steps, _ = yield from extend([Solution()], 2, "step")
        down.add(steps[0].text)
        yield from score(steps)
        down.clear()
        if again:
            yield from score(steps)
        return search.SearchResult(problem, None, None, (), verifiers.Scores(()))

    policy = line_by_line("a{0}\nb")
    for again, fate in ((False, "failed"), (True, "pruned")):
        [result] = search.drive([(Problem("p", "?"), twice(Problem("p", "?"), again))], policy, {"search": judge})
        assert [node.fate.value for node in result.tree] == [fate, "pruned"]


def test_whole_solutions_from_the_root_are_not_held() -> None:
    held = []

    def watching(problem):
        for _ in range(3):
            pool, _ = yield from extend([Solution()], 2, "end")
            scores = yield from score(pool)
            held.append(len(running.told))
        return search.SearchResult(problem, None, pool[0], pool, scores)

    running = Search(Problem("p", "?"), watching(Problem("p", "?")), {"search": sixes}, SAMPLING, search.Budget(), 0)
    running.start()
    while not running.over:
        if isinstance(running.request, Score):
            running.send(sixes.score([running.problem] * 2, running.request.solutions))
        else:
            running.send((Solution((Step("6"),), Stop.EOS), Solution((Step("7"),), Stop.EOS)))
    assert held == [0, 0, 0]
    assert running.error is None
    assert running.result.tree == ()


def test_a_search_that_fails_lets_go_of_what_it_was_sent() -> None:
    def failing(problem):
        yield from extend([Solution()], 1, "step")
        raise KeyError("x")

    running = Search(Problem("p", "?"), failing(Problem("p", "?")), {}, SAMPLING, search.Budget(), 0)
    running.start()
    running.send((Solution((Step("6"),)),))
    assert isinstance(running.error, KeyError)
    assert running.told == []
