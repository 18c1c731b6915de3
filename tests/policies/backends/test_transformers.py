"""The decoding loop against plain forward passes, on tiny random models of three architectures."""

import math

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from policies import Sampling, Transformers, check_policy
from policies.decoding.slots import Slots
from policies.models.tiny_example import tiny_tokenizer
from verifiers import Problem, Solution, Step, Stop

ROOT = Solution()
TOKENIZER = tiny_tokenizer()
V = len(TOKENIZER)
SHAPE = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
COMMON = {
    "vocab_size": V,
    "max_position_embeddings": 96,
    "eos_token_id": 0,
    "bos_token_id": 1,
    "initializer_range": 0.2,
}
PROBLEMS = [Problem("p1", "1+1="), Problem("p2", "What is 12*(3+4)?"), Problem("p3", "7")]


def build(kind):
    torch.manual_seed(1)
    return make(kind).eval()


def make(kind):
    if kind == "llama":
        return LlamaForCausalLM(LlamaConfig(**SHAPE, **COMMON, num_key_value_heads=2, tie_word_embeddings=False))
    if kind == "llama tied":
        return LlamaForCausalLM(LlamaConfig(**SHAPE, **COMMON, num_key_value_heads=4, tie_word_embeddings=True))
    if kind == "qwen2":
        return Qwen2ForCausalLM(Qwen2Config(**SHAPE, **COMMON, num_key_value_heads=2, tie_word_embeddings=True))
    if kind == "mistral sliding":
        return MistralForCausalLM(MistralConfig(**SHAPE, **COMMON, num_key_value_heads=2, sliding_window=7))
    return GPT2LMHeadModel(GPT2Config(**COMMON, n_embd=32, n_layer=2, n_head=4))


SLOW = [pytest.param(kind, marks=pytest.mark.slow) for kind in ("llama", "llama tied", "mistral sliding")]
KINDS = ["qwen2", "gpt2", *SLOW]


@pytest.fixture(scope="module", params=KINDS)
def policy(request):
    return Transformers(build(request.param), TOKENIZER)


@pytest.fixture(scope="module")
def llama():
    return Transformers(build("llama"), TOKENIZER)


def other(policy, **options):
    return Transformers(policy.model, policy.tokenizer, **options)


def extend(policy, rows, until="end", **sampling):
    """Rows are (problem, prefix, seed)."""
    problems, prefixes, seeds = zip(*rows, strict=True)
    return policy.extend(problems, prefixes, until=until, sampling=Sampling(**sampling), seeds=seeds)


def ids_of(solution):
    return [t for step in solution.steps for t in step.tokens]


def teacher_forced(policy, problem, solution, temperature):
    prompt, ids = TOKENIZER(problem.prompt)["input_ids"], ids_of(solution)
    with torch.no_grad():
        logits = policy.model(torch.tensor([prompt + ids])).logits[0, len(prompt) - 1 : -1].float()
    return torch.log_softmax(logits / (temperature or 1.0), -1).gather(1, torch.tensor(ids)[:, None])[:, 0]


ROWS = [(p, ROOT, 10 * i + s) for i, p in enumerate(PROBLEMS) for s in range(5)]


@pytest.mark.parametrize(("temperature", "until"), [(1.0, "end"), (0.7, "end"), (0.0, "end"), (1.0, "step")])
def test_log_probabilities_are_those_of_one_forward_pass(policy, temperature, until):
    reply = extend(policy, ROWS, until, temperature=temperature, max_tokens=60)
    for (problem, _, _), solution in zip(ROWS, reply.solutions, strict=True):
        got = torch.tensor([x for step in solution.steps for x in step.logprobs])
        expected = teacher_forced(policy, problem, solution, temperature)
        assert len(got) == solution.token_count > 0
        assert (got - expected).abs().max() < 1e-4


def test_no_attention_that_plans_for_each_length(llama):
    # cuDNN's takes tens of milliseconds for each new length: twice the time of a step.
    before = torch.backends.cuda.cudnn_sdp_enabled()
    with llama.runner.inference():
        assert not torch.backends.cuda.cudnn_sdp_enabled()
    assert torch.backends.cuda.cudnn_sdp_enabled() == before


def test_greedy_takes_the_most_likely_token(policy):
    reply = extend(policy, [(p, ROOT, 0) for p in PROBLEMS], temperature=0, max_tokens=30)
    for problem, solution in zip(PROBLEMS, reply.solutions, strict=True):
        prompt, ids = TOKENIZER(problem.prompt)["input_ids"], ids_of(solution)
        with torch.no_grad():
            logits = policy.model(torch.tensor([prompt + ids])).logits[0, len(prompt) - 1 : -1]
        assert logits.argmax(-1).tolist() == ids


def test_the_laws(policy):
    cases = [(PROBLEMS[0], ROOT), (PROBLEMS[1], Solution((Step("12*7=\n"),))), (PROBLEMS[2], ROOT)]
    check_policy(policy, cases, sampling=Sampling(0.9, 0.95, 40, max_tokens=30, separator="e"))


def test_a_row_does_not_depend_on_how_many_are_decoded_at_once(policy):
    sampling = {"temperature": 0.9, "top_p": 0.95, "top_k": 40, "max_tokens": 30}
    together = extend(policy, ROWS, **sampling).solutions
    assert len({s.text for s in together}) > 5
    assert len({s.token_count for s in together}) > 3
    per_token = policy.runner.shape.bytes_per_token
    tight = extend(other(policy, batch_bytes=200 * per_token + 2 * 24 * V), ROWS, **sampling).solutions
    one_slot = extend(other(policy, batch_bytes=1, cache_bytes=0), ROWS, **sampling).solutions
    for variant in (tight, one_slot):
        assert [ids_of(s) for s in variant] == [ids_of(s) for s in together]
        assert [s.stop for s in variant] == [s.stop for s in together]


def run_by_steps(policy, rows, **sampling):
    solutions, spend, calls = [prefix for _, prefix, _ in rows], [], 0
    while any(s.stop is Stop.OPEN for s in solutions):
        open_rows = [i for i, s in enumerate(solutions) if s.stop is Stop.OPEN]
        reply = extend(policy, [(rows[i][0], solutions[i], rows[i][2]) for i in open_rows], "step", **sampling)
        spend += reply.spend
        calls += 1
        for i, s in zip(open_rows, reply.solutions, strict=True):
            assert s.stop is not Stop.OPEN or len(s.steps) == len(solutions[i].steps) + 1
            assert len(s.steps) in (len(solutions[i].steps), len(solutions[i].steps) + 1)
            solutions[i] = s
    return solutions, spend, calls


@pytest.mark.parametrize("separator", ["\n", "e", "ab"])
def test_step_by_step_equals_to_the_end(policy, separator):
    sampling = {"max_tokens": 60, "separator": separator, "top_k": 20}
    end = extend(policy, ROWS, **sampling).solutions
    steps, _, calls = run_by_steps(policy, ROWS, **sampling)
    without_cache, _, _ = run_by_steps(other(policy, cache_bytes=0), ROWS, **sampling)
    for variant in (steps, without_cache):
        for a, b in zip(end, variant, strict=True):
            assert [(s.text, s.tokens) for s in a.steps] == [(s.text, s.tokens) for s in b.steps]
            assert a.stop == b.stop
    if separator == "e":
        assert calls > 1


def test_problems_together_cost_and_say_what_they_do_alone(llama):
    def search(problems):
        policy = llama.remembering()
        rows = [(p, ROOT, 100 * int(p.id[1:]) + s) for p in problems for s in range(4)]
        seen = []
        for _ in range(4):
            reply = extend(policy, rows, "step", separator="e", max_tokens=80, top_k=30)
            seen += [(p.id, s, c) for (p, _, _), s, c in zip(rows, reply.solutions, reply.spend, strict=True)]
            # Keep two of the open rows of each problem, and branch each.
            kept = {
                p.id: [r for r, s in zip(rows, reply.solutions, strict=True) if r[0] is p and s.stop is Stop.OPEN][:2]
                for p in problems
            }
            solution = dict(zip([id(r) for r in rows], reply.solutions, strict=True))
            rows = [(p, solution[id(r)], r[2] * 7 + s) for p in problems for r in kept[p.id] for s in range(2)]
            if not rows:
                break
        return seen

    together = search(PROBLEMS)
    alone = [x for p in PROBLEMS for x in search([p])]
    assert len(together) > 20

    def key(seen):
        return sorted((name, [(s.text, s.tokens) for s in sol.steps], sol.stop, repr(cost)) for name, sol, cost in seen)

    assert key(together) == key(alone)


def test_a_state_is_computed_once_and_a_step_costs_its_new_tokens(llama):
    problem, n = PROBLEMS[1], 4
    prompt = len(TOKENIZER(problem.prompt)["input_ids"])
    flops = llama.price.flops
    policy = llama.remembering()
    reply = extend(policy, [(problem, ROOT, s) for s in range(n)], "step", separator="e", top_k=30)
    first, *rest = reply.spend
    assert (first.prompt_tokens, first.cached_prompt_tokens) == (prompt, 0)
    assert all((s.prompt_tokens, s.cached_prompt_tokens) == (0, prompt) for s in rest)
    assert all(c.sampled_tokens == s.token_count for c, s in zip(reply.spend, reply.solutions, strict=True))
    assert (first.policy_flops, first.prompt_flops) == (
        flops((0, prompt + first.sampled_tokens - 1)),
        flops((0, prompt)),
    )
    assert rest[0].policy_flops == flops((prompt, prompt + rest[0].sampled_tokens - 1))
    assert rest[0].prompt_flops == 0

    prefix = next(s for s in reply.solutions if s.stop is Stop.OPEN)
    again = extend(policy, [(problem, prefix, 50 + s) for s in range(3)], "step", separator="e", top_k=30)
    size = prompt + prefix.token_count
    assert [(s.prompt_tokens, s.cached_prompt_tokens) for s in again.spend] == [(1, size - 1), (0, size), (0, size)]
    anew = extend(llama, [(problem, prefix, 50 + s) for s in range(3)], "step", separator="e", top_k=30)
    assert [(s.prompt_tokens, s.cached_prompt_tokens) for s in anew.spend] == [(size, 0), (0, size), (0, size)]
    assert [ids_of(s) for s in anew.solutions] == [ids_of(s) for s in again.solutions]


def test_only_a_policy_that_remembers_has_its_cost_depend_on_earlier_calls(llama):
    rows = [(PROBLEMS[0], ROOT, s) for s in range(3)]
    policy = llama.remembering()
    first, again = (extend(policy, rows, max_tokens=9) for _ in range(2))
    assert first.spend[0].prompt_tokens == 4
    assert again.spend[0].prompt_tokens == 1  # for the logits behind it
    for other in (llama, llama.remembering(), policy.remembering()):
        assert extend(other, rows, max_tokens=9) == first
    assert [ids_of(s) for s in again.solutions] == [ids_of(s) for s in first.solutions]


def test_what_a_broken_call_computed_is_not_remembered(llama, monkeypatch):
    rows = [(p, ROOT, 10 + s) for p in PROBLEMS for s in range(2)]
    policy = llama.remembering()
    reply = extend(policy, rows, "step", separator="e", max_tokens=80)
    grown = [(p, s, seed) for (p, _, seed), s in zip(rows, reply.solutions, strict=True) if s.stop is Stop.OPEN]
    unbroken = llama.remembering()
    extend(unbroken, rows, "step", separator="e", max_tokens=80)
    advance, passes = Slots.advance, iter(range(3))

    def breaks(slots):
        if next(passes, None) is None:
            raise MemoryError
        advance(slots)

    monkeypatch.setattr(Slots, "advance", breaks)
    with pytest.raises(MemoryError):
        extend(policy, grown, "step", separator="e", max_tokens=80)
    monkeypatch.undo()
    expected = extend(unbroken, grown, "step", separator="e", max_tokens=80)
    assert extend(policy, grown, "step", separator="e", max_tokens=80) == expected


def test_flops_count_the_head_once_and_no_table():
    for kind in ("llama", "llama tied", "gpt2"):
        model = build(kind)
        policy = Transformers(model, TOKENIZER)
        names = {
            n: p.numel()
            for n, p in model.named_parameters()
            if "embed_tokens" not in n and "wte" not in n and "wpe" not in n and "lm_head" not in n
        }
        assert policy.price.parameters == sum(names.values()) + V * 32


def test_length_stops_are_not_finished_and_count_the_prefix(llama):
    prefix = Solution((Step("1+1=2\n", tuple(TOKENIZER("1+1=2\n")["input_ids"]), (0.0,) * 6),))
    cut = extend(llama, [(PROBLEMS[0], prefix, s) for s in range(8)], max_tokens=9)
    for s in cut.solutions:
        assert s.stop is Stop.EOS or (s.stop is Stop.LENGTH and s.token_count == 9)
    assert Stop.LENGTH in {s.stop for s in cut.solutions}
    full = extend(llama, [(PROBLEMS[0], prefix, 0)], max_tokens=6)
    assert full.solutions[0] == Solution(prefix.steps, Stop.LENGTH)
    assert full.spend[0].flops == 0


def test_the_context_is_a_length_stop_and_a_longer_prompt_fails_its_row_only(llama):
    long, fits = Problem("long", "1" * 97), Problem("fits", "1" * 90)
    reply = extend(llama, [(long, ROOT, 0), (fits, ROOT, 1), (PROBLEMS[0], ROOT, 2)])
    assert reply.solutions[0].stop is Stop.FAILED
    assert reply.solutions[0].reason == "problem 'long': the prompt has 97 tokens and the model's context 96"
    assert reply.solutions[1].stop is Stop.EOS or reply.solutions[1].token_count == 6
    assert extend(llama, [(Problem("brim", "1" * 96), ROOT, 0)]).solutions[0] == Solution((), Stop.LENGTH)
    assert reply.solutions[2].token_count > 0


@pytest.mark.parametrize("slots", [1, 2, 9])
def test_logits_that_are_not_finite_fail_their_row_only(slots):
    model = build("llama")
    poison = TOKENIZER("Z")["input_ids"][0]
    with torch.no_grad():
        model.model.embed_tokens.weight[poison] = math.nan
    never = torch.zeros(V)
    never[poison] = -1e4
    model.lm_head.bias = torch.nn.Parameter(never)
    # With few slots, a slot that has seen NaN is used again.
    per_row = 40 * Transformers(model, TOKENIZER).runner.shape.bytes_per_token + 24 * V
    policy = Transformers(model, TOKENIZER, batch_bytes=slots * per_row)
    bad = Problem("bad", "Z+1234567=")
    good = [(PROBLEMS[2], ROOT, 1), (PROBLEMS[1], ROOT, 2), (PROBLEMS[0], ROOT, 3), (PROBLEMS[2], ROOT, 4)]
    rows = [good[0], (bad, ROOT, 0), *good[1:], (bad, ROOT, 5)]
    reply = extend(policy, rows, max_tokens=20)
    for i in (1, 5):
        assert reply.solutions[i].stop is Stop.FAILED
        assert "problem 'bad': the model's logits are not finite at token 0" in reply.solutions[i].reason
    clean = extend(policy, good, max_tokens=20)
    assert [ids_of(s) for s in (reply.solutions[0], *reply.solutions[2:5])] == [ids_of(s) for s in clean.solutions]
    assert all(s.stop is not Stop.FAILED for s in clean.solutions)


def test_every_declared_end_of_sequence_ends_a_solution():
    model = build("llama")
    model.generation_config.eos_token_id = [0, 7]
    policy = Transformers(model, TOKENIZER)
    assert np.flatnonzero(policy.eos).tolist() == [0, 7]
    solutions = extend(policy, [(PROBLEMS[0], ROOT, s) for s in range(60)], max_tokens=80).solutions
    last = {ids_of(s)[-1] for s in solutions if s.finished}
    assert last == {0, 7}
    assert all(7 not in ids_of(s)[:-1] for s in solutions)
    # The id has no text, whether or not the tokenizer calls it special.
    assert all(s.text == TOKENIZER.decode(ids_of(s)[:-1], skip_special_tokens=True) for s in solutions if s.finished)


def force_tokens(model, sequence):
    """Let the model say the sequence after a prompt of four tokens, whatever it reads."""

    wrapped = model.forward

    def forward(input_ids, position_ids, **options):
        out = wrapped(input_ids=input_ids, position_ids=position_ids, **options)
        at = (position_ids[:, -1] - 3).clamp(0, len(sequence) - 1)
        out.logits = torch.nn.functional.one_hot(torch.tensor(sequence)[at], V).float()[:, None] * 50
        return out

    model.forward = forward
    return model


@pytest.mark.parametrize(
    ("said", "steps", "stop"),
    [
        ("ab\ncd\n<eos>", ["ab\n", "cd\n"], Stop.EOS),
        ("ab\n\n\ncd<eos>", ["ab\n", "\n\ncd"], Stop.EOS),
        ("\n\nab\n\n<eos>", ["\n\nab\n\n"], Stop.EOS),
        ("ab\n\n\n<eos>", ["ab\n\n\n"], Stop.EOS),
        ("<eos>", [""], Stop.EOS),
        ("\n<eos>", ["\n"], Stop.EOS),
        ("ab\nabcdefg", ["ab\n", "abcde"], Stop.LENGTH),
        ("ab\nabcd\n\n\n", ["ab\n", "abcd\n"], Stop.LENGTH),
    ],
)
def test_where_steps_end(said, steps, stop):
    policy = Transformers(build("llama"), TOKENIZER)
    characters = list(said.removesuffix("<eos>"))
    sequence = TOKENIZER.convert_tokens_to_ids(characters) + [0] * said.endswith("<eos>")
    force_tokens(policy.model, sequence)
    row = (PROBLEMS[0], ROOT, 0)
    end = extend(policy, [row], max_tokens=8).solutions[0]
    stepped, _, _ = run_by_steps(policy, [row], max_tokens=8)
    assert [s.text for s in end.steps] == steps
    assert end.stop is stop
    assert ids_of(end) == sequence[:8]
    assert stepped[0] == end


def test_a_prefix_without_tokens_is_tokenised_once(llama):
    bare = Solution((Step("1+1=2\n"),))
    tokens = tuple(TOKENIZER("1+1=2\n")["input_ids"])
    given = Solution((Step("1+1=2\n", tokens, (0.0,) * 6),))
    a, b = extend(llama, [(PROBLEMS[0], bare, 3), (PROBLEMS[0], given, 3)], max_tokens=40).solutions
    assert a.steps[0] == bare.steps[0]
    assert [(s.text, s.tokens) for s in a.steps[1:]] == [(s.text, s.tokens) for s in b.steps[1:]]
    for one, other in zip(a.steps[1:], b.steps[1:], strict=True):
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-4)
    assert len(b.steps) > 1


def byte_tokenizer():
    """Byte-level, without merges: every character outside ASCII takes several tokens."""
    vocabulary = {c: i for i, c in enumerate(["<eos>", *sorted(pre_tokenizers.ByteLevel.alphabet())])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<eos>")


@pytest.mark.parametrize("separator", ["\n", " ", "é"])
def test_texts_are_lossless_for_characters_split_over_tokens(separator):
    tokenizer = byte_tokenizer()
    torch.manual_seed(0)
    config = LlamaConfig(**SHAPE, **(COMMON | {"vocab_size": len(tokenizer), "max_position_embeddings": 256}))
    policy = Transformers(LlamaForCausalLM(config), tokenizer)
    # Bytes that make up whole characters and fragments of them.
    wanted = {*"añé 漢字\n🎉".encode()} | {0xE2, 0xF0}
    table = {c: b for b, c in _byte_alphabet().items()}
    allowed = [i for c, i in tokenizer.get_vocab().items() if table.get(c) in wanted] + [0]
    bias = torch.full((len(tokenizer),), -1e4)
    bias[allowed] = 0
    bias[[i for c, i in tokenizer.get_vocab().items() if table.get(c) in {*"é".encode()}]] = 2
    policy.model.lm_head.bias = torch.nn.Parameter(bias)
    rows = [(PROBLEMS[0], ROOT, s) for s in range(12)]
    end = extend(policy, rows, separator=separator, max_tokens=80).solutions
    for solution in end:
        assert solution.text == tokenizer.decode(ids_of(solution), skip_special_tokens=True)
    assert any(len(s.steps) > 2 for s in end)
    stepped, _, _ = run_by_steps(policy, rows, separator=separator, max_tokens=80)
    assert [[(x.text, x.tokens) for x in s.steps] for s in stepped] == [
        [(x.text, x.tokens) for x in s.steps] for s in end
    ]


def _byte_alphabet():
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {b: chr(b) for b in kept}
    table |= {b: chr(256 + i) for i, b in enumerate(b for b in range(256) if b not in kept)}
    return table


def test_training_mode_and_attention_come_back(llama):
    llama.model.train()
    before = llama.model.config._attn_implementation
    extend(llama, [(PROBLEMS[0], ROOT, 0)], max_tokens=3)
    assert llama.model.training
    assert llama.model.config._attn_implementation == before == "sdpa"
    llama.model.eval()


def test_attention_is_counted_in_every_layer_as_far_as_its_window_reaches():
    """4 FLOPs for each pair of tokens, layer and dimension of the heads: queries times keys, weights times values."""
    for kind, window in (("llama", None), ("gpt2", None), ("mistral sliding", 7)):
        price = Transformers(build(kind), TOKENIZER).price
        for begin, end in ((0, 1), (0, 20), (5, 9), (12, 12)):
            attended = sum(min(at, window or at) for at in range(begin + 1, end + 1))
            assert price.flops((begin, end)) == 2 * price.parameters * (end - begin) + 4 * 2 * 32 * attended
