"""What a search says it spent is what its models computed, counted where torch computes it."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import torch

import prms
import search
import verifiers
from bench.tiny import load_task, weights_folder
from policies import Sampling, Transformers
from search import Budget, SearchResult
from verifiers import Problem, Solution, Spend, Step, Stop

TASK = load_task("chain", count=12, seed=5)
PROBLEMS = sorted(TASK.problems, key=lambda problem: len(problem.prompt))[:3]
ROOM = 80  # for a solution with its rationale
COMMON = {"answers": TASK.answers, "sampling": TASK.sampling}
LM, SCORERS = ("policy", "genrm", "genrm_cot"), ("orm", "prm", "prover")


class Meter:
    """Counts a model's real tokens: those that pass its body, and those that are drawn from it.

    Ids are counted as they enter the body, other than 0: with it, and with nothing else, the rows of a batch are
    padded on the right (the models' prompts and samples hold none of it, as a test below asserts). A `Runner`
    learns a model's shape from a pass over one padding id, which is setup and no row's cost.
    `attended` sums up how many tokens each one attends to, as far as its mask lets it.
    `fed` of the tokens were drawn before and run in order to draw the next one; the others were prompts and
    prefixes. `reads` counts rows that a reward model's head was given.
    """

    last: "Meter"  # the one whose model ran last, from which a token is drawn

    def __init__(self, model: Any) -> None:
        self.tokens = self.fed = self.drawn = self.reads = self.attended = 0
        self.model = model

    @contextmanager
    def attached(self) -> Iterator["Meter"]:
        hooks = [self.model.base_model.register_forward_pre_hook(self._run, with_kwargs=True)]
        if (head := getattr(self.model, "score", None)) is not None:
            hooks.append(head.register_forward_pre_hook(self._read))
        try:
            yield self
        finally:
            for hook in hooks:
                hook.remove()

    def _run(self, module: torch.nn.Module, positional: Any, named: dict[str, Any]) -> None:
        real = named["input_ids"] != 0
        self.tokens += int(real.sum())
        mask, cache = named.get("attention_mask"), named.get("past_key_values")
        if mask is None:
            mask = torch.ones(len(real), real.shape[1] + (cache.get_seq_length() if cache is not None else 0))
        self.attended += int((mask != 0).cumsum(dim=1)[:, -real.shape[1] :][real].sum())
        Meter.last = self

    def _read(self, module: torch.nn.Module, positional: tuple[torch.Tensor]) -> None:
        self.reads += len(positional[0])

    @property
    def counts(self) -> tuple[int, int, int, int, int]:
        return self.tokens, self.fed, self.drawn, self.reads, self.attended

    @property
    def flops(self) -> int:
        """2 x parameters x tokens: no embedding; an LM's head at every token, a reward model's where it reads.

        And attention: 4 x layers x width for each token that one attends to.
        """
        config = self.model.config
        attention = 4 * config.num_hidden_layers * config.num_attention_heads * config.head_dim * self.attended
        body = _parameters(self.model.base_model, "embed_tokens")
        if hasattr(self.model, "score"):
            return attention + 2 * (body * self.tokens + _parameters(self.model.score) * self.reads)
        return attention + 2 * (body + self.model.lm_head.weight.numel()) * self.tokens


def _parameters(module: torch.nn.Module, left_out: str = "nothing") -> int:
    return sum(p.numel() for name, p in module.named_parameters() if left_out not in name)


@pytest.fixture(autouse=True)
def counted_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count tokens where they are drawn, and where a decoder takes in the column of those it has run."""
    import policies.decoding.loop
    from policies.decoding.slots import Slots

    choose, advance = policies.decoding.loop.choose, Slots.advance

    def counting_choose(logits: torch.Tensor, *rest: Any) -> Any:
        Meter.last.drawn += len(logits)
        return choose(logits, *rest)

    def counting_advance(slots: Slots) -> None:
        Meter.last.fed += slots.n
        advance(slots)

    monkeypatch.setattr(policies.decoding.loop, "choose", counting_choose)
    monkeypatch.setattr(Slots, "advance", counting_advance)


class Asked:
    """A policy that counts the rows that it is asked for and the tokens that they begin with, one a character."""

    def __init__(self, policy: Transformers) -> None:
        self.inner, self.counts = policy, Counter[str]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def remembering(self) -> Any:
        twin = Asked(self.inner.remembering())
        twin.counts = self.counts
        return twin

    def extend(self, problems: Sequence[Problem], prefixes: Sequence[Solution], **options: Any) -> Any:
        self._note(problems, prefixes)
        return self.inner.extend(problems, prefixes, **options)

    def next_token_probs(self, problems: Sequence[Problem], prefixes: Sequence[Solution], **options: Any) -> Any:
        self._note(problems, prefixes)
        return self.inner.next_token_probs(problems, prefixes, **options)

    def _note(self, problems: Sequence[Problem], prefixes: Sequence[Solution]) -> None:
        self.counts["rows"] += len(problems)
        self.counts["read"] += sum(
            len(self.inner.prompt_ids(p)) + len(s.text) for p, s in zip(problems, prefixes, strict=True)
        )


@dataclass
class Models:
    """All embedded models, each behind a meter."""

    loaded: dict[str, Any]
    meters: dict[str, Meter]

    def __getattr__(self, name: str) -> Any:
        return self.loaded[name]

    def computed(self, names: Sequence[str]) -> Spend:
        """What the meters say, as the spend of scorers."""
        found = [self.meters[name] for name in names]
        return Spend(
            scored_tokens=sum(m.tokens - m.fed for m in found),
            judged_tokens=sum(m.drawn for m in found),
            scorer_flops=sum(m.flops for m in found),
        )


@pytest.fixture(scope="module")
def loaded() -> dict[str, Any]:
    found: dict[str, Any] = {name: Transformers.load(weights_folder(name), dtype="float32") for name in LM}
    found["orm"] = verifiers.ORM.load(weights_folder("orm"))
    found |= {name: prms.PRM.load(weights_folder(name)) for name in ("prm", "prover")}
    return found


@pytest.fixture
def models(loaded: dict[str, Any]) -> Iterator[Models]:
    meters = {name: Meter(part.model) for name, part in loaded.items()}
    with ExitStack() as stack:
        for meter in meters.values():
            stack.enter_context(meter.attached())
        yield Models(loaded, meters)


def genrm(models: Models, mode: str = "direct", **options: Any) -> verifiers.GenRM:
    """The trained judge, over a policy that counts; a rationale has little room, so that some are drawn again."""
    judge = models.loaded["genrm" if mode == "direct" else "genrm_cot"]
    words = verifiers.GenRMFormat(**judge.model.config.stepbeam["format"])
    judge.prompts.chat = words.chat
    if mode == "cot":
        options = {"votes": 2, "sampling": Sampling(max_tokens=ROOM), "redraws": 1, **options}
    return verifiers.GenRM(Asked(judge), mode, format=words, **options)  # type: ignore[arg-type]


def pav(models: Models) -> prms.PAV:
    return prms.PAV(models.prm, models.prover, 0.5)


def beam(scorer: Any, models: Models, problems: Sequence[Problem], **options: Any) -> list[SearchResult]:
    shape = {"width": 2, "expand": 4, "max_steps": 12, **COMMON, **options}
    return search.beam_search(problems, models.policy, scorer, **shape)


Solve = Callable[[Models, Sequence[Problem]], list[SearchResult]]
WAYS: dict[str, Solve] = {
    "self_consistency": lambda m, p: search.self_consistency(p, m.policy, n=8, **COMMON),
    "best_of_n, ORM": lambda m, p: search.best_of_n(p, m.policy, m.orm, n=8, **COMMON),
    "weighted_majority, PRM": lambda m, p: search.weighted_majority(p, m.policy, m.prm, n=8, **COMMON),
    "best_of_n, PAV": lambda m, p: search.best_of_n(p, m.policy, pav(m), n=6, **COMMON),
    "best_of_n, GenRM": lambda m, p: search.best_of_n(p, m.policy, genrm(m), n=8, **COMMON),
    "best_of_n, GenRM-CoT": lambda m, p: search.best_of_n(p, m.policy, genrm(m, "cot"), n=3, **COMMON),
    "samples run out": lambda m, p: search.best_of_n(p, m.policy, m.orm, n=8, budget=Budget(samples=5), **COMMON),
    "tokens run out": lambda m, p: search.best_of_n(p, m.policy, m.prm, n=64, budget=Budget(tokens=240), **COMMON),
    "beam_search, PRM": lambda m, p: beam(m.prm, m, p),
    "beam_search, PAV": lambda m, p: beam(found := pav(m), m, p, final=found.base),
    "beam_search, PAV of one PRM": lambda m, p: beam(prms.PAV.best_of_k(m.prm, 4), m, p),
    "beam_search, final ORM": lambda m, p: beam(m.prm, m, p, final=m.orm),
    "beam_search, final GenRM": lambda m, p: beam(m.prm, m, p, final=genrm(m)),
    "beam_search, cut by length": lambda m, p: beam(m.prm, m, p, sampling=Sampling(max_tokens=17)),
    "beam_search, cut by steps": lambda m, p: beam(m.prm, m, p, max_steps=3),
    "beam_search, samples run out": lambda m, p: beam(m.prm, m, p, budget=Budget(samples=21)),
    "beam_search, tokens run out": lambda m, p: beam(m.prm, m, p, budget=Budget(tokens=200)),
    "beam_search, nothing kept": lambda m, p: beam(
        prms.PRM(m.prm.model, m.prm.tokenizer, memory_bytes=0),
        Models(m.loaded | {"policy": Transformers(m.policy.model, m.policy.tokenizer, cache_bytes=0)}, m.meters),
        p,
    ),
    "beam_search, in small batches": lambda m, p: beam(
        m.prm,
        Models(m.loaded | {"policy": Transformers(m.policy.model, m.policy.tokenizer, batch_bytes=1 << 23)}, m.meters),
        p,
    ),
}
TOKENS = ("policy_calls", "prompt_tokens", "cached_prompt_tokens", "sampled_tokens", "policy_flops")
SCORING = ("scorer_calls", "scored_tokens", "cached_scored_tokens", "judged_tokens", "scorer_flops")


def same_spend(one: Spend, other: Spend) -> None:
    for name in (*TOKENS, *SCORING):
        assert getattr(one, name) == getattr(other, name), name


def total(results: Sequence[SearchResult]) -> Spend:
    return Spend.total(result.spend for result in results)


def check_policy(spend: Spend, meter: Meter) -> None:
    assert spend.prompt_tokens == meter.tokens - meter.fed > 0
    assert spend.sampled_tokens == meter.drawn > 0
    assert spend.policy_flops == meter.flops


def check_scorers(spend: Spend, models: Models) -> None:
    computed = models.computed([name for name in models.meters if name != "policy"])
    assert spend.scored_tokens == computed.scored_tokens
    assert spend.judged_tokens == computed.judged_tokens
    assert spend.scorer_flops == computed.scorer_flops


@pytest.mark.parametrize("way", WAYS)
def test_the_rows_add_up_to_what_was_computed(models: Models, way: str) -> None:
    results = WAYS[way](models, PROBLEMS[:2])
    spend = total(results)
    check_policy(spend, models.meters["policy"])
    check_scorers(spend, models)
    assert any("ended the search" in str(result.reason) for result in results) == ("run out" in way)
    assert not any(0 in (step.tokens or ()) for r in results for s in r.pool for step in s.steps)
    # A row is a sample of the pool, or a candidate of the tree, pruned ones and twins included.
    rows = [node.solution for r in results for node in r.tree] or [s for r in results for s in r.pool]
    assert spend.policy_calls == len(rows)
    assert spend.prompt_tokens + spend.cached_prompt_tokens == sum(begins_with(models, r) for r in results)
    [alone] = WAYS[way](models, PROBLEMS[1:2])
    same_spend(alone.spend, results[1].spend)


def begins_with(models: Models, result: SearchResult) -> int:
    """How many tokens the policy's rows begin with: the prompt, and in a tree the candidate's parent."""
    prompt = len(models.policy.prompt_ids(result.problem))
    if not result.tree:
        return prompt * len(result.pool)
    parents = (result.tree[node.parent].solution for node in result.tree if node.parent >= 0)
    return prompt * len(result.tree) + sum(parent.token_count for parent in parents)


def judged(models: Models, result: SearchResult) -> list[int]:
    """How many tokens a PRM reads of each scored row: of a candidate that is no twin, or of the pool."""
    prompt = len(models.policy.prompt_ids(result.problem))
    rows = [n.solution for n in result.tree if n.value == n.value] or result.pool
    return [prompt + len(s.text) + s.finished for s in rows]


@pytest.mark.parametrize("way", ["weighted_majority, PRM", "beam_search, PRM", "beam_search, nothing kept"])
def test_what_a_scorer_reads_is_computed_or_cached(models: Models, way: str) -> None:
    for result in WAYS[way](models, PROBLEMS):
        read = judged(models, result)
        assert result.spend.scored_tokens + result.spend.cached_scored_tokens == sum(read)
        assert result.spend.scorer_calls == len(read)


def test_searches_prune_and_meet_twins(models: Models) -> None:
    """Or the cases above would say nothing of them."""
    tree = [node for result in WAYS["beam_search, PRM"](models, PROBLEMS) for node in result.tree]
    assert sum(node.fate is search.Fate.PRUNED for node in tree) > 10
    assert sum(node.value != node.value for node in tree) > 3
    cut = WAYS["beam_search, cut by length"](models, PROBLEMS)
    assert any(node.fate is search.Fate.CUT for result in cut for node in result.tree)


def test_a_pavs_calls_are_those_of_its_parts(models: Models) -> None:
    """Both parts judge each candidate, and the prover each problem before its first step."""
    for result in WAYS["beam_search, PAV"](models, PROBLEMS):
        scored = len(judged(models, result))
        assert result.spend.scorer_calls == 2 * scored + 1 + len(result.pool)


POOL = [Solution((Step(f"7-9=8\n8*3={x}\n={x}"),), Stop.EOS) for x in range(4)]


@pytest.mark.parametrize("mode", ["direct", "cot"])
def test_a_generative_verifiers_own_tokens(models: Models, mode: str) -> None:
    judge = genrm(models, mode)
    asked = judge.policy
    results = search.rerank([(problem, POOL) for problem in PROBLEMS], judge)
    spend = total(results)
    check_scorers(spend, models)
    assert spend.scorer_calls == len(POOL) * len(PROBLEMS)
    assert spend.scored_tokens + spend.cached_scored_tokens == asked.counts["read"]  # type: ignore[attr-defined]
    assert (spend.policy_calls, spend.prompt_tokens, spend.sampled_tokens, spend.policy_flops) == (0, 0, 0, 0)
    if mode == "cot":
        # A rationale is one row and its verdict another; what is above that was drawn again.
        assert asked.counts["rows"] > 2 * judge.votes * spend.scorer_calls  # type: ignore[attr-defined]
        assert spend.judged_tokens > 0


@pytest.mark.parametrize("name", ["orm", "prm", "pav", "genrm", "genrm_cot"])
def test_equal_solutions_are_computed_and_charged_once(models: Models, name: str) -> None:
    scorer = {"pav": lambda: pav(models), "genrm": lambda: genrm(models), "genrm_cot": lambda: genrm(models, "cot")}
    made = scorer[name]() if name in scorer else models.loaded[name]
    # The second problem asks the same, under another name: what it costs does not depend on the first.
    first = PROBLEMS[0]
    problems = [first, Problem("again", first.prompt, first.answer)]
    results = search.rerank([(p, [*POOL, *POOL[:2], POOL[0]]) for p in problems], made)
    check_scorers(total(results), models)
    if "cot" not in name:  # whose rationales depend on the problem's name
        same_spend(results[0].spend, results[1].spend)
    for result in results:
        repeats = result.scores.spend[len(POOL) :]
        assert all(s.scored_tokens == s.judged_tokens == s.scorer_flops == 0 for s in repeats)
        for repeat, of in zip(repeats, (0, 1, 0), strict=True):
            whole = result.scores.spend[of]
            assert repeat.scorer_calls == whole.scorer_calls - (name == "pav" and of == 0)  # and the root's
            if name in ("orm", "prm"):
                assert repeat.cached_scored_tokens == whole.scored_tokens


class Lossy:
    """A policy or scorer whose reply is lost after the work was done, wherever its rows are as named.

    What it computed then is in `lost`, since nobody could have told it.
    """

    def __init__(self, inner: Any, meter: Meter, broken: Callable[[Problem, Solution], bool]) -> None:
        self.inner, self.meter, self.broken = inner, meter, broken
        self.lost = (0, 0, 0, 0, 0)

    def remembering(self) -> Any:
        self.inner = verifiers.remembering(self.inner)
        return self

    def extend(self, problems: Sequence[Problem], prefixes: Sequence[Solution], **options: Any) -> Any:
        return self._try(self.inner.extend, problems, prefixes, options)

    def score(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Any:
        return self._try(self.inner.score, problems, solutions, {})

    def _try(self, call: Any, problems: Sequence[Problem], rows: Sequence[Solution], options: dict[str, Any]) -> Any:
        before = self.meter.counts
        reply = call(problems, rows, **options)
        if any(self.broken(problem, row) for problem, row in zip(problems, rows, strict=True)):
            spent = [b - a for a, b in zip(before, self.meter.counts, strict=True)]
            self.lost = tuple(a + b for a, b in zip(self.lost, spent, strict=True))  # type: ignore[assignment]
            raise ConnectionError("reset by peer")
        return reply

    def forgive(self) -> None:
        """Take what was lost from the meter."""
        assert self.lost[0] > 0
        left = [a - b for a, b in zip(self.meter.counts, self.lost, strict=True)]
        self.meter.tokens, self.meter.fed, self.meter.drawn, self.meter.reads, self.meter.attended = left


BAD = PROBLEMS[1].id


@pytest.mark.parametrize("strategy", ["best_of_n", "beam_search"])
def test_a_lost_reply_is_all_that_is_not_charged(models: Models, strategy: str) -> None:
    """An exception's rows are tried again in halves; a spend holds the work whose reply came, once for each row."""
    policy = Lossy(
        models.policy,
        models.meters["policy"],
        lambda p, s: p.id == BAD and (strategy == "best_of_n" or len(s.steps) > 1),
    )
    if strategy == "best_of_n":
        results = search.best_of_n(PROBLEMS, policy, models.orm, n=3, **COMMON)
        rows = 3 * len(PROBLEMS)
    else:
        shape: Any = {"width": 2, "expand": 4, "max_steps": 12, **COMMON}
        results = search.beam_search(PROBLEMS, policy, models.prm, **shape)
        rows = sum(len(result.tree) for result in results)
    assert [r.answer is None for r in results] == [p.id == BAD for p in PROBLEMS]
    policy.forgive()
    spend = total(results)
    check_policy(spend, models.meters["policy"])
    check_scorers(spend, models)
    assert spend.policy_calls == rows  # a row that failed was asked for, too


def test_a_scorer_that_loses_a_reply(models: Models) -> None:
    scorer = Lossy(models.prm, models.meters["prm"], lambda p, s: p.id == BAD)
    results = search.best_of_n(PROBLEMS, models.policy, scorer, n=4, **COMMON)
    scorer.forgive()
    spend = total(results)
    check_policy(spend, models.meters["policy"])
    check_scorers(spend, models)
    assert spend.scorer_calls == 4 * len(PROBLEMS)
    assert results[1].spend.scored_tokens == results[1].spend.scorer_flops == 0


def test_a_row_whose_logits_break_is_charged_what_it_ran(models: Models) -> None:
    """Here the model breaks after a plus sign; the draw that came to nothing is no sample."""
    [plus] = models.policy.encode("+")

    def break_down(module: torch.nn.Module, positional: Any, named: dict[str, Any], output: Any) -> None:
        if named["input_ids"].shape[1] == 1:
            output.last_hidden_state[named["input_ids"][:, 0] == plus] = torch.nan

    task = load_task("chain", count=12, seed=5)
    hook = models.policy.model.base_model.register_forward_hook(break_down, with_kwargs=True)
    try:
        results = search.best_of_n(task.problems, models.policy, models.orm, n=4, **COMMON)
    finally:
        hook.remove()
    rows = [solution for result in results for solution in result.pool]
    broken = [solution for solution in rows if solution.stop is Stop.FAILED]
    assert 0 < len(broken) < len(rows)
    assert all("not finite" in str(solution.reason) for solution in broken)
    spend, meter = total(results), models.meters["policy"]
    assert spend.prompt_tokens == meter.tokens - meter.fed
    assert spend.sampled_tokens == meter.drawn - len(broken)
    assert spend.policy_flops == meter.flops
    check_scorers(spend, models)
    assert spend.scorer_calls == len(rows) - len(broken)
