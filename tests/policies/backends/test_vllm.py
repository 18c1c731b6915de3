"""The real vLLM engine as a policy, beside the transformers backend on the same weights."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

import prms
import search
import verifiers
from bench.tiny import load_task, weights_folder
from policies import Sampling, Transformers, check_policy
from tests.tiny_models import random_llama
from verifiers import Problem, Solution, Step, Stop
from verifiers.interface.errors import EngineStoppedError

pytest.importorskip("vllm", reason="the extra 'vllm' is not installed")
from policies import EngineOptions
from policies.backends import vllm_engine
from policies.backends.vllm import VLLM

pytestmark = [pytest.mark.vllm, pytest.mark.filterwarnings("ignore")]
ROOT = Solution()
OPTIONS = EngineOptions(dtype="float32", eager=True, memory_bytes=1 << 28, max_rows=64)
TASK = load_task("chain", count=50)
TOLD = replace(TASK.sampling, logprobs=True)
GREEDY = replace(TOLD, temperature=0.0)


@pytest.fixture(scope="module")
def engine():
    with VLLM(weights_folder("policy"), options=OPTIONS) as policy:
        yield policy


@pytest.fixture(scope="module")
def plain():
    return Transformers.load(weights_folder("policy"), dtype="float32")


def extend(policy, prefixes, *, until="end", sampling=TASK.sampling, problems=TASK.problems, seed=0):
    seeds = range(seed, seed + len(prefixes))
    return policy.extend(list(problems), list(prefixes), until=until, sampling=sampling, seeds=list(seeds))


def texts(solutions):
    return [solution.text for solution in solutions]


def plain_model():
    policy = Transformers.load(weights_folder("policy"), dtype="float32")
    return policy.model, policy.tokenizer


def step_by_step(policy, problems, sampling):
    """Solutions made of single steps, and the spend of all calls."""
    grown, spend = [ROOT] * len(problems), []
    for depth in range(sampling.max_tokens):
        live = [i for i, s in enumerate(grown) if s.stop is Stop.OPEN]
        if not live:
            return grown, spend
        reply = extend(
            policy, [grown[i] for i in live], until="step", sampling=sampling, problems=[problems[i] for i in live]
        )
        for i, solution in zip(live, reply.solutions, strict=True):
            assert len(solution.steps) - len(grown[i].steps) <= 1, depth
            grown[i] = solution
        spend += reply.spend
    raise AssertionError("a solution never ended")


def test_greedy_solutions_are_those_of_transformers(engine, plain):
    ours = extend(plain, [ROOT] * 50, sampling=GREEDY).solutions
    theirs = extend(engine, [ROOT] * 50, sampling=GREEDY).solutions
    for a, b in zip(ours, theirs, strict=True):
        assert [(s.text, s.tokens) for s in a.steps] == [(s.text, s.tokens) for s in b.steps]
        assert (a.stop, a.reason) == (b.stop, b.reason)
        for mine, other in zip(a.steps, b.steps, strict=True):
            np.testing.assert_allclose(mine.logprobs, other.logprobs, atol=1e-5)


def test_steps_joined_are_the_whole_solution(engine):
    whole = extend(engine, [ROOT] * 50, sampling=GREEDY).solutions
    grown, _ = step_by_step(engine, TASK.problems, GREEDY)
    assert [[(s.text, s.tokens) for s in x.steps] for x in grown] == [
        [(s.text, s.tokens) for s in x.steps] for x in whole
    ]
    assert [x.stop for x in grown] == [x.stop for x in whole]


def test_samples_follow_the_models_distribution(engine, plain):
    n = 3000
    problem = TASK.problems[0]
    prefix = Solution(extend(plain, [ROOT], sampling=GREEDY, problems=[problem]).solutions[0].steps[:1])
    sampling = replace(TOLD, temperature=2.0, max_tokens=prefix.token_count + 1)
    drawn = extend(engine, [prefix] * n, until="step", sampling=sampling, problems=[problem] * n).solutions
    last = [s.steps[-1] for s in drawn]
    tokens = [step.tokens[-1] for step in last]
    ids = range(engine.cutter.vocabulary)
    expected = plain.next_token_probs([problem], [prefix], tokens=ids).probs[0] ** 0.5
    expected /= expected.sum()
    counts = Counter(tokens)
    shares = np.array([counts[i] for i in ids]) / n
    assert np.abs(shares - expected).max() < 4 * 0.5 / n**0.5
    told = {step.tokens[-1]: step.logprobs[-1] for step in last}
    np.testing.assert_allclose([told[i] for i in told], np.log(expected[list(told)]), atol=1e-3)


def test_the_laws_and_the_callers_random_numbers_are_kept(engine):
    grown = extend(engine, [ROOT] * 4, until="step", problems=TASK.problems[:4]).solutions
    cases = [(p, s) for p, step in zip(TASK.problems, grown, strict=False) for s in (ROOT, step) if s.stop is Stop.OPEN]
    check_policy(engine, cases, sampling=replace(TASK.sampling, max_tokens=20))
    state = torch.random.get_rng_state()
    extend(engine, [ROOT] * 2, problems=TASK.problems[:2])
    assert torch.equal(state, torch.random.get_rng_state())


DIGITS = np.random.default_rng(0).integers(1, 10, size=(40, 80)).tolist()
LONG = [Problem(f"long{i}", f"C {'+'.join(map(str, row))}\n") for i, row in enumerate(DIGITS)]


def test_a_row_is_drawn_with_its_own_seed_whatever_is_beside_it_or_cached(engine):
    # 6,440 tokens: more than the engine takes in at a time.
    sampling = replace(TASK.sampling, max_tokens=30)
    engine.engine.llm.reset_prefix_cache()
    cold, warm = (extend(engine, [ROOT] * 40, problems=LONG, sampling=sampling) for _ in range(2))
    assert cold.spend[-1].cached_prompt_tokens < warm.spend[-1].cached_prompt_tokens
    alone = [
        extend(engine, [ROOT], problems=[LONG[i]], sampling=sampling, seed=i).solutions[0] for i in range(0, 40, 8)
    ]
    assert texts(cold.solutions) == texts(warm.solutions)
    assert texts(alone) == texts(cold.solutions[::8])
    assert len(set(texts(extend(engine, [ROOT] * 20, problems=LONG[:1] * 20, sampling=sampling).solutions))) > 10


def test_a_call_that_breaks_leaves_no_false_prefixes_behind(engine, monkeypatch):
    # What was planned when the engine broke is known to its cache by then, and was never computed.
    sampling = replace(GREEDY, max_tokens=20)
    expected = texts(extend(engine, [ROOT] * 8, problems=LONG[:8], sampling=sampling).solutions)
    executor = engine.engine.llm.llm_engine.engine_core.engine_core.model_executor
    execute = executor.execute_model
    for error in (RuntimeError("a passing error"), KeyboardInterrupt()):
        calls = []

        def broken(*arguments, error=error, calls=calls, **options):
            calls.append(arguments)
            if len(calls) == 2:
                raise error
            return execute(*arguments, **options)

        engine.engine.llm.reset_prefix_cache()
        monkeypatch.setattr(executor, "execute_model", broken)
        with pytest.raises(type(error)):
            extend(engine, [ROOT] * 8, problems=LONG[:8], sampling=sampling)
        monkeypatch.undo()
        assert texts(extend(engine, [ROOT] * 8, problems=LONG[:8], sampling=sampling).solutions) == expected


def test_an_engine_that_died_is_no_rows_fault(monkeypatch):
    from vllm.v1.engine.exceptions import EngineDeadError

    def dead(*arguments, **options):
        raise EngineDeadError

    with VLLM(weights_folder("policy"), options=OPTIONS) as policy:
        search.self_consistency(TASK.problems[:2], policy, n=1, sampling=GREEDY)
        monkeypatch.setattr(policy.engine.llm.llm_engine, "step", dead)
        for words in ("has stopped", "does not run"):
            with pytest.raises(EngineStoppedError, match=f"the vLLM engine {words} .EngineDeadError"):
                search.self_consistency(TASK.problems[:2], policy, n=1, sampling=GREEDY)
    assert policy.engine not in vllm_engine._RUNNING


def test_auto_is_the_dtype_of_the_checkpoint(tmp_path):
    model, tokenizer = plain_model()
    for dtype in (torch.float32, torch.bfloat16):
        folder = tmp_path / str(dtype)
        model.to(dtype).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        with VLLM(folder, options=replace(OPTIONS, dtype="auto")) as policy:
            assert policy.engine.llm.llm_engine.model_config.dtype is dtype


def test_no_logprobs_where_the_engine_has_none_before_top_p(engine):
    nucleus = extend(engine, [ROOT] * 3, sampling=replace(TASK.sampling, top_p=0.9), problems=TASK.problems[:3])
    assert all(step.logprobs is None and step.tokens for s in nucleus.solutions for step in s.steps)


def test_next_token_probs_and_logprobs_are_those_of_transformers(engine, plain):
    digits = engine.encode("0123456789")
    assert digits == plain.encode("0123456789")
    ours, theirs = (p.next_token_probs(TASK.problems, [ROOT] * 50, tokens=digits) for p in (plain, engine))
    np.testing.assert_allclose(ours.probs, theirs.probs, atol=1e-5)
    solutions = extend(plain, [ROOT] * 50).solutions
    for a, b in zip(
        plain.logprobs(TASK.problems, solutions).steps, engine.logprobs(TASK.problems, solutions).steps, strict=True
    ):
        np.testing.assert_allclose(a, b, atol=1e-4)


def test_what_is_cached_and_computed_adds_up_to_what_was_read(engine):
    problem = Problem("long", "C " + "+".join("123456789" * 8) + "\n")  # more than two of the engine's blocks
    prompt = len(engine.prompt_ids(problem))
    first = extend(engine, [ROOT] * 4, problems=[problem] * 4)
    assert [s.prompt_tokens + s.cached_prompt_tokens for s in first.spend] == [prompt] * 4
    assert [s.sampled_tokens for s in first.spend] == [s.token_count for s in first.solutions]
    again = extend(engine, [ROOT] * 4, problems=[problem] * 4)
    assert all(s.cached_prompt_tokens >= prompt - 1 - 2 * 32 for s in again.spend)
    for s in again.spend:
        assert s.prompt_flops == engine.price.flops((s.cached_prompt_tokens, prompt))
        assert s.policy_flops == s.prompt_flops + engine.price.flops((prompt, prompt + s.sampled_tokens - 1))
    assert engine.price == Transformers.load(weights_folder("policy")).price


def test_rows_that_cannot_be_sampled_are_data(engine):
    context = engine.engine.context
    problems = [Problem("fits", "C 7-9\n"), Problem("over", "1+" * context), Problem("full", "1" * (context - 2))]
    reply = extend(engine, [ROOT] * 3, problems=problems)
    assert [s.stop for s in reply.solutions][1:] == [Stop.FAILED, Stop.LENGTH]
    assert (
        reply.solutions[1].reason
        == f"problem 'over': the prompt has {2 * context} tokens and the model's context {context}"
    )
    cut = extend(engine, [ROOT], problems=problems[:1], sampling=replace(TASK.sampling, max_tokens=3)).solutions[0]
    assert (cut.stop, cut.token_count) == (Stop.LENGTH, 3)
    probs = engine.next_token_probs(problems, [ROOT] * 3, tokens=(5,))
    assert np.isnan(probs.probs[:, 0]).tolist() == [False, True, False]
    assert probs.reasons[1] == f"problem 'over': {2 * context + 1} tokens and a context of {context}"


def test_a_saved_prefix_without_tokens_is_read_as_text(engine):
    solution = extend(engine, [ROOT], problems=TASK.problems[:1], sampling=GREEDY).solutions[0]
    saved = Solution(tuple(Step(step.text) for step in solution.steps[:2]))
    grown = extend(engine, [saved], problems=TASK.problems[:1], sampling=GREEDY).solutions[0]
    assert grown.text == solution.text


def test_beam_search_finds_what_it_finds_with_transformers(engine, plain):
    prm = prms.load(weights_folder("prm"))
    found = [
        search.beam_search(
            TASK.problems[:12],
            policy,
            prm,
            width=2,
            expand=4,
            max_steps=12,
            answers=TASK.answers,
            sampling=TASK.sampling,
        )
        for policy in (plain, engine)
    ]
    right = [sum(r.answer == r.problem.answer for r in results) for results in found]
    assert min(right) >= 8, right
    assert all(r.spend.cached_prompt_tokens + r.spend.prompt_tokens > 0 for r in found[1])


def test_genrm_reads_and_samples_with_the_engine(plain):
    problems = TASK.problems[:8]
    solutions = extend(plain, [ROOT] * 8, problems=problems).solutions
    folder = weights_folder("genrm")
    direct = verifiers.GenRM.load(folder, dtype="float32", engine=OPTIONS)
    try:
        theirs = direct.score(problems, solutions)
    finally:
        direct.policy.close()
    ours = verifiers.GenRM.load(folder, dtype="float32").score(problems, solutions)
    np.testing.assert_allclose(ours.values(), theirs.values(), atol=1e-5)


def test_a_closed_engine_says_so_and_another_can_start(plain):
    with pytest.raises(KeyError, match="mine"), VLLM(weights_folder("policy"), options=OPTIONS) as policy:
        raise KeyError("mine")
    policy.close()
    with pytest.raises(RuntimeError, match="the vLLM engine does not run"):
        extend(policy, [ROOT], problems=TASK.problems[:1])
    with VLLM(weights_folder("policy"), options=OPTIONS) as policy:
        assert extend(policy, [ROOT], problems=TASK.problems[:1]).solutions[0].finished


def test_two_engines_run_side_by_side_and_one_may_close_first(engine):
    before = extend(engine, [ROOT] * 2, problems=TASK.problems[:2], sampling=GREEDY).solutions
    with VLLM(weights_folder("policy"), options=OPTIONS) as other:
        assert extend(other, [ROOT] * 2, problems=TASK.problems[:2], sampling=GREEDY).solutions == before
    assert extend(engine, [ROOT] * 2, problems=TASK.problems[:2], sampling=GREEDY).solutions == before


def test_an_interrupted_call_leaves_nothing_for_the_next(engine, monkeypatch):
    step = engine.engine.llm.llm_engine.step
    calls = iter(range(100))

    def interrupted():
        if next(calls) == 5:
            raise KeyboardInterrupt
        return step()

    monkeypatch.setattr(engine.engine.llm.llm_engine, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        extend(engine, [ROOT] * 50)
    monkeypatch.undo()
    reply = extend(engine, [ROOT] * 50, sampling=GREEDY)
    assert [s.text for s in reply.solutions] == [s.text for s in extend(engine, [ROOT] * 50, sampling=GREEDY).solutions]


def test_a_folder_that_is_no_model_is_one_line(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no config\.json"):
        VLLM(tmp_path)


@pytest.fixture(scope="module")
def merging(tmp_path_factory):
    """A random model whose tokens hold text on both sides of a line break, and blank lines."""
    words = ["<eos>", "<bos>", "\n", "a", "b", ".", "\na", ".\n", ".\nb", "\n\n", "a\n", "ab"]
    pieces = {word: i for i, word in enumerate(words)}
    core = Tokenizer(models.WordLevel(pieces, unk_token="a"))
    core.pre_tokenizer = pre_tokenizers.Split(".\nb", "isolated")
    core.decoder = decoders.Fuse()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<eos>", bos_token="<bos>")
    model = random_llama(
        len(words), hidden_size=64, intermediate_size=64, num_key_value_heads=2, max_position_embeddings=128,
        initializer_range=0.05, eos_token_id=0, bos_token_id=1,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("merging")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    with VLLM(folder, options=OPTIONS) as policy:
        yield policy


@pytest.mark.parametrize("separator", ["\n", "\n\n", ".\n"])
def test_a_stop_at_the_separator_loses_nothing(merging, separator):
    problems = [Problem(f"p{i}", "ab") for i in range(60)]
    sampling = Sampling(max_tokens=40, separator=separator, logprobs=True)
    grown, _ = step_by_step(merging, problems, sampling)
    ended = Counter(s.stop for s in grown)
    assert ended.keys() <= {Stop.EOS, Stop.LENGTH}
    assert ended[Stop.EOS] > 5
    behind = 0
    for solution in grown:
        ids = [i for step in solution.steps for i in step.tokens]
        assert merging.cutter.decode(ids) == solution.text  # nothing was lost, added or tokenised again
        assert len(ids) == solution.token_count <= 40
        assert all(len(step.tokens) == len(step.logprobs) for step in solution.steps)
        for step in solution.steps[:-1]:
            stripped = step.text
            while stripped.startswith(separator):
                stripped = stripped.removeprefix(separator)
            assert separator in stripped  # a step, not a blank line
            behind += not step.text.endswith(separator)
    assert behind > 0 or separator == "\n\n"  # tokens with text behind the separator do occur


def test_the_memory_of_keys_and_values(monkeypatch):
    # Without a word vLLM would take nine tenths of the machine, and refuse to start where these are not free.
    assert vllm_engine._CPU_BYTES == 2 << 30
    monkeypatch.setattr(vllm_engine, "_CPU_BYTES", 1 << 27)
    monkeypatch.delenv("VLLM_CPU_KVCACHE_SPACE", raising=False)
    for options, expected in ((EngineOptions(eager=True), 1 << 27), (OPTIONS, 1 << 28)):
        with VLLM(weights_folder("policy"), options=options) as policy:
            assert policy.engine.llm.llm_engine.vllm_config.cache_config.kv_cache_memory_bytes == expected
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
    for options, expected in ((EngineOptions(eager=True), 1 << 30), (OPTIONS, 1 << 28)):
        with VLLM(weights_folder("policy"), options=options) as policy:
            assert policy.engine.llm.llm_engine.vllm_config.cache_config.kv_cache_memory_bytes == expected


class LockStep:
    """A policy without its stream: a round of calls at a time."""

    def __init__(self, policy):
        self.extend = policy.extend


class Digits:
    """A process scorer by text alone, with some opinion on each step."""

    def score(self, problems, solutions):
        return verifiers.Scores(tuple(np.array([hash(s.text) % 97 / 97 for s in x.steps]) for x in solutions))


def outcome(result):
    """All of a search that does not depend on what the engine had cached."""
    tree = [(n.parent, n.depth, n.solution, repr(n.value), n.fate) for n in result.tree]
    return result.pool, result.answer, tree, result.reason, result.spend.sampled_tokens, result.spend.policy_calls


def test_streamed_searches_are_those_of_calls(engine):
    beam = {"width": 2, "expand": 3, "max_steps": 6, "answers": TASK.answers, "sampling": TASK.sampling}
    problems = TASK.problems[:12]
    for solve in (
        lambda policy: search.beam_search(problems, policy, Digits(), **beam),
        lambda policy: search.best_of_n(problems, policy, TASK.verifier, n=6, sampling=TOLD, answers=TASK.answers),
    ):
        streamed, in_step = solve(engine), solve(LockStep(engine))
        assert [outcome(r) for r in streamed] == [outcome(r) for r in in_step]


@pytest.mark.parametrize("separator", ["\n", "\n\n"])
def test_a_stream_goes_on_behind_a_blank_line(merging, separator):
    problems = [Problem(f"p{i}", "ab") for i in range(40)]
    sampling = Sampling(max_tokens=40, separator=separator)
    seeds = list(range(40))
    whole = merging.extend(problems, [ROOT] * 40, until="step", sampling=sampling, seeds=seeds)
    stream = merging.stream()
    numbers = stream.add(problems, [ROOT] * 40, until="step", sampling=sampling, seeds=seeds)
    rows = {}
    while len(rows) < 40:
        rows |= {number: (solution, spend) for number, solution, spend in stream.ended(seconds=None)}
    assert [rows[n][0] for n in numbers] == list(whole.solutions)
    assert [rows[n][1].sampled_tokens for n in numbers] == [s.sampled_tokens for s in whole.spend]


def test_a_stream_and_calls_share_an_engine_and_cancelled_rows_leave_it(engine):
    alone = texts(extend(engine, [ROOT] * 50).solutions)
    stream = engine.stream()
    numbers = stream.add(list(TASK.problems), [ROOT] * 50, until="end", sampling=TASK.sampling, seeds=list(range(50)))
    first = stream.ended(seconds=None)
    assert 0 < len(first) < 50
    assert texts(extend(engine, [ROOT] * 50).solutions) == alone  # meanwhile
    given = {number: solution.text for number, solution, _ in first}
    out = [n for n in numbers if n not in given][:5]
    assert [number for number, _ in stream.cancel(out)] == out
    while len(given) < 45:
        given |= {number: solution.text for number, solution, _ in stream.ended(seconds=None)}
    assert given == {n: text for n, text in enumerate(alone) if n not in out}
    stream.add(list(TASK.problems), [ROOT] * 50, until="end", sampling=TASK.sampling, seeds=list(range(50)))
    stream.close()
    assert not engine.engine.llm.llm_engine.has_unfinished_requests()


def test_an_error_in_a_call_costs_a_stream_nothing_but_time(engine, monkeypatch):
    alone = texts(extend(engine, [ROOT] * 50).solutions)
    stream = engine.stream()
    stream.add(list(TASK.problems), [ROOT] * 50, until="end", sampling=TASK.sampling, seeds=list(range(50)))
    given = {number: solution.text for number, solution, _ in stream.ended(seconds=None)}

    def broken():
        raise RuntimeError("out of memory")

    monkeypatch.setattr(engine.engine.llm.llm_engine, "step", broken)
    with pytest.raises(RuntimeError, match="out of memory"):
        extend(engine, [ROOT] * 2, problems=TASK.problems[:2])
    monkeypatch.undo()
    while len(given) < 50:
        given |= {number: solution.text for number, solution, _ in stream.ended(seconds=None)}
    assert [given[n] for n in range(50)] == alone


def test_rows_without_seeds_and_log_probabilities_say_so():
    with VLLM(weights_folder("policy"), options=replace(OPTIONS, seeded=False)) as unseeded:
        assert unseeded.name.endswith("[unseeded]")
        one, other = (extend(unseeded, [ROOT] * 50).solutions for _ in range(2))
        assert texts(one) != texts(other)
        assert all(step.logprobs is None for s in one for step in s.steps)
        greedy = extend(unseeded, [ROOT] * 5, sampling=GREEDY, problems=TASK.problems[:5]).solutions
    assert all(len(step.logprobs) == len(step.tokens) for s in greedy for step in s.steps)
