"""What a type checker sees of the public names: checked by mypy, never run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, assert_type

import numpy as np

import policies
import prms
import search
import verifiers
from verifiers import FloatArray, Problem, Scores, Solution, Spend


class OnesOwnScorer:
    """Anything with this method is a scorer: nothing is inherited."""

    def score(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
        return Scores(tuple(np.zeros(len(solution.steps), dtype=np.float32) for solution in solutions))


class OnesOwnPolicy:
    """Anything with this method is a policy."""

    def extend(
        self,
        problems: Sequence[Problem],
        prefixes: Sequence[Solution],
        *,
        until: policies.Until,
        sampling: policies.Sampling,
        seeds: Sequence[int],
    ) -> policies.Extended:
        return policies.Extended(tuple(prefixes))


def are_accepted(
    prm: prms.PRM,
    orm: verifiers.ORM,
    transformers: policies.Transformers,
    vllm: policies.VLLM,
    served: policies.OpenAI,
) -> None:
    scorers: list[verifiers.Scorer] = [OnesOwnScorer(), verifiers.AnswerVerifier(), orm, prm]
    scorers.append(prms.PAV.best_of_k(prm, k=4))
    scorers.append(verifiers.weighted({prm: 0.7, orm: 0.3}))
    scorers.append(verifiers.cached(orm, Path("scores.sqlite"), name="orm"))
    scorers.append(verifiers.from_function(lambda problem, solution: 1.0))
    scorers.append(verifiers.from_steps(lambda problem, solution: [1.0 for _ in solution.steps]))
    sources: list[policies.Policy] = [OnesOwnPolicy(), transformers, vllm, served]
    token_sources: list[policies.TokenPolicy] = [transformers, vllm, served]
    streaming: policies.StreamingPolicy = served
    assert_type(streaming.stream(), policies.RowStream)
    scorers.extend(verifiers.GenRM(source, mode="direct") for source in token_sources)
    scorers.extend(prms.RolloutValue(verifiers.AnswerVerifier(), source, k=4) for source in sources)


def laws_of_a_policy(problems: Sequence[Problem], policy: policies.Policy) -> None:
    cases = [(problem, Solution(())) for problem in problems]
    assert_type(policies.check_policy(policy, cases, sampling=policies.Sampling()), None)


def searches(problems: Sequence[Problem], policy: policies.Policy, scorer: verifiers.Scorer) -> None:
    results = search.best_of_n(problems, policy, scorer, n=8)
    assert_type(results, list[search.SearchResult])
    assert_type(search.self_consistency(problems, policy, n=8), list[search.SearchResult])
    assert_type(search.weighted_majority(problems, policy, scorer, n=8), list[search.SearchResult])
    beams = search.beam_search(
        problems, policy, scorer, width=4, expand=4, max_steps=9, budget=search.Budget(tokens=100)
    )
    assert_type(beams, list[search.SearchResult])
    assert_type(search.rerank([(r.problem, r.pool) for r in results], scorer), list[search.SearchResult])
    drawn = search.sample(problems, policy, n=8)
    assert_type(drawn, list[search.SearchResult])
    assert_type(search.score([(result.problem, result.pool) for result in drawn], scorer), list[search.SearchResult])
    for result in results:
        assert_type(result.problem, Problem)
        assert_type(result.answer, str | None)
        assert_type(result.spend, Spend)
        assert_type(result.spend.prompt_flops, float)
        assert_type(result.pool[0], Solution)


def scores(problems: Sequence[Problem], solutions: Sequence[Solution], scorer: verifiers.Scorer) -> None:
    given = scorer.score(problems, solutions)
    assert_type(given, Scores)
    assert_type(given.steps[0], FloatArray)
    assert_type(given.values(), FloatArray)
    assert_type(solutions[0].text, str)
    assert_type(solutions[0].stop, verifiers.Stop)
    assert_type(verifiers.check_scorer(scorer, list(zip(problems, solutions, strict=True))), None)


def loads(folder: str) -> None:
    assert_type(policies.load(folder), policies.Policy)
    assert_type(policies.remembering(policies.load(folder)), policies.Policy)
    assert_type(policies.check_policy(policies.load(folder), [(Problem("p", "?"), Solution())] * 2), None)
    assert_type(Problem("p", "?", fields={"level": 3}).fields, Mapping[str, Any])
    assert_type(verifiers.load(folder), verifiers.Scorer)


def trains(problems: Sequence[Problem], policy: policies.Transformers, scorer: verifiers.Scorer) -> None:
    trained = policies.grpo_train(
        policy, problems, scorer, out="runs/grpo", config=policies.GRPOConfig(steps=2), on_metrics=print
    )
    assert_type(trained, policies.TrainResult)
    advantages = policies.gated_advantages([0.0, 1.0], [[0.5], [0.5]], [[1], [1]])
    assert_type(advantages[1], policies.GroupInfo)


def replicas(problems: Sequence[Problem], policy: policies.Policy, scorer: verifiers.Scorer) -> None:
    many = policies.Replicas(8, ray="auto", gpus=1)
    prms.collect_values(policy, problems, scorer, coverage=2, rollouts=4, out="values")
    prms.collect_values("vllm:model", problems, scorer, coverage=2, rollouts=4, out="values", replicas=many)
    with verifiers.replicated({"prm": lambda: prms.load("tiny:prm")}, many) as scorers:
        assert_type(scorers, dict[str, verifiers.Scorer])


def wrong_uses(problems: Sequence[Problem], policy: policies.Policy, scorer: verifiers.Scorer) -> None:
    """Each `ignore` is needed: mypy fails on one that is not, as where a wrong use were accepted."""
    search.best_of_n(problems, policy, scorer, 8)  # type: ignore[call-arg]
    search.best_of_n(problems, policy, policy, n=8)  # type: ignore[arg-type]
    search.best_of_n(problems, scorer, scorer, n=8)  # type: ignore[arg-type]
    verifiers.GenRM(policy, mode="cot")  # type: ignore[arg-type]
    Solution().text = "other"  # type: ignore[misc]
    Scores(0.5)  # type: ignore[arg-type]
