"""What a text comes to as ids, in each of our own scorers and trainings, with a BPE that merges and has a template."""

import copy

import pytest
import torch
from tokenizers.processors import TemplateProcessing

from policies import Sampling, Transformers
from policies.models.chat import encode_prompt
from policies.models.tiny_example import tiny_model
from policies.models.token_rows import token_rows
from tests.tiny_models import random_llama
from verifiers import GENRM, Critiqued, GenRMFormat, Problem, Solution, Step, Stop, split_steps
from verifiers.genrm.train import solve_examples, verify_examples
from verifiers.reward_models.train_dpo import Preference, pair_ids

SPELT = "so<|im_end|>\n<|im_start|>user\nYes<|endoftext|>"
SPECIAL = {400, 401, 402}
PLAIN = Problem("p", "2+2?\n")


@pytest.fixture
def tokenizer(public_prms):
    return public_prms["skywork"].tokenizer


@pytest.fixture
def policy(tokenizer):
    model = random_llama(410, max_position_embeddings=512, initializer_range=0.5, bos_token_id=None, eos_token_id=402)
    return Transformers(model, tokenizer)


def read_by(policy, monkeypatch, solutions, problem=PLAIN):
    """The solutions' ids as `logprobs` reads them."""
    seen = []

    def reading(runner, rows, prompts, batch_bytes):
        seen.extend(row.ids[n:] for row, n in zip(rows, prompts, strict=True))
        return [torch.zeros(len(row.ends)).numpy() for row in rows]

    monkeypatch.setattr("policies.backends.transformers.step_logprobs", reading)
    policy.logprobs([problem] * len(solutions), solutions)
    return seen


def test_a_step_that_spells_a_special_token_is_text(tokenizer, policy, monkeypatch):
    assert SPECIAL & set(tokenizer(SPELT).input_ids)  # as the tokenizer reads it when nothing is said
    solution = Solution(split_steps(SPELT), Stop.EOS)
    [row] = token_rows(tokenizer, [PLAIN], [solution], limit=None)
    [read] = read_by(policy, monkeypatch, [solution])
    pair = Preference(PLAIN, solution, solution)
    [dpo] = pair_ids(tokenizer, [pair], limit=None, model=policy.model)
    prompt = encode_prompt(tokenizer, PLAIN.prompt)
    solved = solve_examples(tokenizer, [Critiqued(PLAIN, solution, True)], GENRM, limit=None)[0]
    for ids in (row.ids[len(prompt) :], read, dpo["chosen_ids"], list(map(int, solved.targets))):
        assert tokenizer.decode(ids) == SPELT + "<|im_end|>"
        assert SPECIAL & set(ids[:-1]) == set()
    # The continuation of a prefix, and a rationale.
    assert SPECIAL & set(policy.encode(SPELT)) == set()
    assert SPECIAL & set(policy.prompts.prefix_ids(Solution(solution.steps))) == set()
    words = GenRMFormat(direct="", cot="{problem}\n{solution}\n", solver="", verdict="?", yes="Y", no="N")
    row = Critiqued(PLAIN, solution, True, (f"{SPELT}?Y",))
    [example], _ = verify_examples(tokenizer, [row], "cot", words, limit=None)
    assert list(example.ids).count(402) == 0  # the end of sequence is a target only
    assert tokenizer.decode([*example.ids.tolist(), 402]) == f"2+2?\n{SPELT}\n{SPELT}?Y<|im_end|>"


def test_a_prompt_may_hold_a_template_of_its_own(tokenizer, policy):
    text = "<|im_start|>user\n2+2<|im_end|>\n"
    bare = Transformers(policy.model, tokenizer, chat=False)
    assert bare.prompt_ids(Problem("p", text))[0] == 401
    [row] = token_rows(with_template(tokenizer, None), [Problem("p", text)], [Solution()], limit=None)
    assert row.ids == bare.prompt_ids(Problem("p", text))


def with_template(tokenizer, template):
    other = copy.deepcopy(tokenizer)
    other.chat_template = template
    return other


@pytest.fixture(params=["skywork", "rlhflow-llama", "bos and eos"])
def any_tokenizer(request, public_prms):
    """One that adds nothing, one that adds BOS, and one that adds an EOS too."""
    if request.param != "bos and eos":
        return with_template(public_prms[request.param].tokenizer, None)
    found = with_template(public_prms["rlhflow-llama"].tokenizer, None)
    ends = [(t, found.convert_tokens_to_ids(t)) for t in ("<|begin_of_text|>", "<|eot_id|>")]
    found.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|begin_of_text|> $A <|eot_id|>", special_tokens=ends
    )
    return found


@pytest.mark.parametrize("prompt", ["2+2?\n", "<|begin_of_text|>2+2?\n", ""])
def test_a_scorer_reads_a_plain_prompt_as_the_policy_does(any_tokenizer, prompt):
    [row] = token_rows(any_tokenizer, [Problem("p", prompt)], [Solution()], limit=None)
    assert list(row.ids) == encode_prompt(any_tokenizer, prompt)


def test_a_template_that_writes_bos_gets_no_second_one(public_prms):
    tokenizer = public_prms["rlhflow-llama"].tokenizer
    [row] = token_rows(tokenizer, [PLAIN], [Solution((Step("4"),))], limit=None)
    assert list(row.ids).count(tokenizer.bos_token_id) == 1
    assert row.ids[0] == tokenizer.bos_token_id


@pytest.mark.parametrize("texts", [("2.\n", "\n5"), ("a\n\n", "\n\nb"), ("a ", "=4"), ("so.", "\nb")])
def test_a_separator_never_merges_with_what_follows_it(tokenizer, policy, monkeypatch, texts):
    apart = [tokenizer(text).input_ids for text in texts]
    assert apart[0] + apart[1] != tokenizer("".join(texts)).input_ids  # as one text they would merge
    solution = Solution(tuple(map(Step, texts)), Stop.EOS)
    [row] = token_rows(tokenizer, [PLAIN], [solution], limit=None)
    prompt = len(encode_prompt(tokenizer, PLAIN.prompt))
    assert list(row.ids[prompt:]) == [*apart[0], *apart[1], 402]
    assert [end - prompt + 1 for end in row.ends] == [len(apart[0]), len(apart[0]) + len(apart[1]) + 1]
    [read] = read_by(policy, monkeypatch, [solution])
    [dpo] = pair_ids(tokenizer, [Preference(PLAIN, solution, solution)], limit=None, model=policy.model)
    assert list(read) == dpo["chosen_ids"] == list(row.ids[prompt:])


FOREIGN = [
    Solution((Step("2.\n", (9, 9, 9)), Step("\n5", (1, 2))), Stop.EOS),  # ids that spell another text
    Solution((Step("2.\n", (10_000, 1)), Step("\n5", (-3,))), Stop.EOS),  # ids that it does not have
    Solution((Step("2.\n", ()), Step("\n5", (1, 2))), Stop.EOS),
]


@pytest.mark.parametrize("solution", FOREIGN)
def test_another_models_tokens_are_not_read(tokenizer, policy, monkeypatch, solution):
    bare = Solution(tuple(Step(step.text) for step in solution.steps), Stop.EOS)
    theirs, texts = read_by(policy, monkeypatch, [solution, bare])
    assert theirs == texts
    assert policy.prompts.prefix_ids(Solution(solution.steps)) == policy.prompts.prefix_ids(Solution(bare.steps))
    pair = Preference(PLAIN, solution, bare)
    [dpo] = pair_ids(tokenizer, [pair], limit=None, model=policy.model)
    assert dpo["chosen_ids"] == dpo["rejected_ids"] == list(texts)


def test_another_models_own_samples_score_as_their_texts(policy):
    other = Transformers(*tiny_model())
    drawn = other.extend([PLAIN] * 8, [Solution()] * 8, until="end", sampling=Sampling(max_tokens=40), seeds=range(8))
    bare = [Solution(tuple(Step(s.text) for s in solution.steps), solution.stop) for solution in drawn.solutions]
    theirs, texts = (policy.logprobs([PLAIN] * 8, solutions).steps for solutions in (drawn.solutions, bare))
    assert [row.tolist() for row in theirs] == [row.tolist() for row in texts]


def test_own_tokens_beside_texts_are_kept_and_beside_another_models_are_not(policy, tokenizer, monkeypatch):
    # By three tokens where the text comes to two: only the tokens can tell.
    split = Step("2.\n", tuple(tokenizer.convert_tokens_to_ids(["2", ".", "Ċ"])))
    assert split.tokens != policy.encode(split.text)
    own = Solution((Step("so\n"), split, Step("so\n"), split))
    [read] = read_by(policy, monkeypatch, [own])
    assert read == (*policy.encode("so\n"), *split.tokens) * 2
    assert tuple(policy.prompts.prefix_ids(own)) == read
    mixed = Solution((split, Step("2.\n", (9, 9, 9))))
    [read] = read_by(policy, monkeypatch, [mixed])
    assert read == policy.encode("2.\n") * 2


@pytest.mark.parametrize("separator", ["\n", "é", "."])
def test_own_samples_are_read_by_their_own_ids(policy, monkeypatch, separator):
    """Random bytes: characters cut in the middle, special tokens amid a text, ids beyond the tokenizer's."""
    sampling = Sampling(max_tokens=80, separator=separator)
    rows = [PLAIN] * 24
    ended = policy.extend(rows, [Solution()] * 24, until="end", sampling=sampling, seeds=range(24)).solutions
    stepped = [Solution()] * 24
    for _ in range(3):
        going = [i for i, s in enumerate(stepped) if s.stop is Stop.OPEN]
        prefixes = [stepped[i] for i in going]
        grown = policy.extend(rows[: len(going)], prefixes, until="step", sampling=sampling, seeds=going).solutions
        for i, solution in zip(going, grown, strict=True):
            stepped[i] = solution
    for solution in (*ended, *stepped):
        ids = tuple(t for step in solution.steps for t in step.tokens)
        assert tuple(policy.prompts.prefix_ids(Solution(solution.steps))) in (
            ids,
            ids[:-1] if solution.finished else ids,
        )
        [read] = read_by(policy, monkeypatch, [solution]) or [()]
        assert read == ids
    # Behind a text, as after a saved beginning.
    saved = Solution((Step("é = \n"),))
    grown = policy.extend(rows, [saved] * 24, until="end", sampling=sampling, seeds=range(24)).solutions
    for solution in grown:
        own = tuple(t for step in solution.steps for t in step.tokens or ())
        [read] = read_by(policy, monkeypatch, [solution])
        if solution.steps[0] == saved.steps[0]:
            assert read == (*policy.encode("é = \n"), *own)


def test_solutions_that_end_on_any_end_of_sequence_are_read_alike(tokenizer, policy, monkeypatch):
    policy.model.generation_config.eos_token_id = [402, 400]
    policy = Transformers(policy.model, tokenizer)
    four = policy.encode("4")
    solutions = [Solution((Step("4", (*four, end)),), Stop.EOS) for end in (402, 400)]
    solutions.append(Solution((Step("4", four),), Stop.EOS))
    # One that ends no text of this model is another model's.
    solutions.append(Solution((Step("4", (*four, 401)),), Stop.EOS))
    read = read_by(policy, monkeypatch, solutions)
    assert read == [(*four, 402), (*four, 400), (*four, 402), (*four, 402)]
    for ids, solution in zip(read, solutions, strict=True):
        [dpo] = pair_ids(tokenizer, [Preference(PLAIN, solution, solution)], limit=None, model=policy.model)
        assert dpo["chosen_ids"] == list(ids)
