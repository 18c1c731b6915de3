"""Steps are parts of their text: their ids are those of the whole, whatever a tokenizer puts in front of a text."""

import pytest
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from policies import Transformers
from policies.models.chat import anchors, encode_text, encode_texts
from policies.models.token_rows import TokenRow, token_rows
from tests.tiny_models import random_llama
from verifiers import GenRM, GenRMFormat, ImplicitReward, Problem, Solution, Step, Stop, split_steps
from verifiers.genrm.format import verdict_ids
from verifiers.interface.errors import BadInput

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-=*/?!.,:()"
MERGES = [("▁", "Y"), ("▁Y", "es"), ("e", "s"), ("▁", "N"), ("▁N", "o"), ("S", "t"), ("▁", "="), ("▁", "4"), ("▁", "b")]
MERGES = [MERGES[2], *MERGES[:2], *MERGES[3:]]
TEXTS = ["2+2 = 4\n", "So it is 4.\n\n", "  Yes, é and 你\n", "The answer is 4.", " = 4\n", "bbb\n"]
PROBLEM = Problem("p", "What is 2+2?\n")


def llama(*, prepend: str) -> PreTrainedTokenizerFast:
    """Pieces and bytes as Llama 2's: a mark in front of every text, by its normalizer or by a pre-tokenizer."""
    vocabulary = {"<unk>": 0, "<s>": 1, "</s>": 2} | {f"<0x{b:02X}>": 3 + b for b in range(256)}
    for piece in (*LETTERS, "▁", *("".join(merge) for merge in MERGES)):
        vocabulary.setdefault(piece, len(vocabulary))
    core = Tokenizer(models.BPE(vocab=vocabulary, merges=MERGES, unk_token="<unk>", byte_fallback=True))
    if prepend == "normalizer":
        core.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    else:
        core.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=prepend, split=False)
    strip = decoders.Strip(" ", 1, 0)
    core.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), strip])
    core.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=core, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def unigram() -> PreTrainedTokenizerFast:
    """Pieces by their probabilities, without bytes: a line break is unknown."""
    pieces = [("<unk>", 0.0), ("<s>", 0.0), ("</s>", 0.0), *((piece, -3.0) for piece in (*LETTERS, "▁"))]
    core = Tokenizer(
        models.Unigram([*pieces, ("▁Yes", -2.0), ("▁No", -2.0), ("▁4", -2.0)], unk_id=0, byte_fallback=False)
    )
    core.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    core.decoder = decoders.Metaspace(prepend_scheme="always")
    return PreTrainedTokenizerFast(tokenizer_object=core, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def byte_level(*, add_prefix_space: bool) -> PreTrainedTokenizerFast:
    """As GPT-2's; with `add_prefix_space` a text that begins with a letter is one that begins with a blank."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [
        ("Ċ", "Ċ"),
        (".", "Ċ"),
        ("Ġ", "="),
        ("Ġ", "4"),
        ("Y", "e"),
        ("Ye", "s"),
        ("Ġ", "Yes"),
        ("N", "o"),
        ("Ġ", "No"),
    ]
    words = ["<s>", "</s>", *letters, *("".join(merge) for merge in merges)]
    core = Tokenizer(models.BPE(vocab={word: i for i, word in enumerate(words)}, merges=merges))
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\s*[\r\n]+| ?[^\s]+|\s+"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    if add_prefix_space:  # whose words end before the last line break of several, where a letter follows
        core.model = models.BPE(vocab=core.get_vocab(), merges=merges[1:])
        core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    core.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=core, bos_token="<s>", eos_token="</s>")


TOKENIZERS = {
    "Llama 2": lambda: llama(prepend="normalizer"),
    "Metaspace, first": lambda: llama(prepend="first"),
    "Metaspace, always": lambda: llama(prepend="always"),
    "Unigram": unigram,
    "bytes": lambda: byte_level(add_prefix_space=False),
    "bytes behind a blank": lambda: byte_level(add_prefix_space=True),
}


@pytest.fixture(scope="module", params=TOKENIZERS)
def tokenizer(request):
    return TOKENIZERS[request.param]()


@pytest.fixture(scope="module")
def policy(tokenizer):
    return Transformers(random_llama(len(tokenizer), max_position_embeddings=512, eos_token_id=2), tokenizer)


def whole(tokenizer, text: str) -> list[int]:
    return list(tokenizer(text).input_ids)


def solution_of(*texts: str, stop: Stop = Stop.EOS) -> Solution:
    return Solution(tuple(map(Step, texts)), stop)


SOLUTIONS = [solution_of(*TEXTS[:3], TEXTS[3]), solution_of(TEXTS[4], TEXTS[5], TEXTS[3]), solution_of(TEXTS[3])]


def test_only_what_marks_a_text_has_anchors(request, tokenizer) -> None:
    assert bool(anchors(tokenizer)) is ("bytes]" not in request.node.name)


@pytest.mark.parametrize("solution", SOLUTIONS)
def test_steps_are_encoded_as_the_whole_is(tokenizer, policy, solution) -> None:
    ids = whole(tokenizer, PROBLEM.prompt + solution.text)
    [row] = token_rows(tokenizer, [PROBLEM], [solution], limit=None)
    assert isinstance(row, TokenRow)
    assert list(row.ids) == [*ids, tokenizer.eos_token_id]
    prefix = policy.prompts.prefix_ids(Solution(solution.steps))
    assert [*policy.prompt_ids(PROBLEM), *prefix] == ids
    [(_, read)] = policy.prompts.whole_rows([PROBLEM], [solution], {tokenizer.eos_token_id})
    assert read.ids == row.ids
    # An open beginning is encoded as it is in the whole.
    [shorter] = token_rows(tokenizer, [PROBLEM], [Solution(solution.steps[:1])], limit=None)
    assert row.ids[: len(shorter.ids)] == shorter.ids


def test_without_an_eos_token_the_end_of_a_solution_cannot_be_read() -> None:
    tokenizer = llama(prepend="normalizer")
    tokenizer.eos_token = None
    policy = Transformers(random_llama(len(tokenizer)), tokenizer)
    assert policy.logprobs([PROBLEM], [Solution(SOLUTIONS[0].steps)]).reasons == (None,)
    with pytest.raises(BadInput, match="has no eos_token: the end of a solution could not be shown"):
        policy.logprobs([PROBLEM], SOLUTIONS[:1])


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_encoded_is_decoded(tokenizer, policy, text: str) -> None:
    if tokenizer.unk_token_id in encode_text(tokenizer, text):
        return
    assert policy.cutter.decode(encode_text(tokenizer, text)) == text
    assert encode_texts(tokenizer, [text, "", text]) == [encode_text(tokenizer, text), [], encode_text(tokenizer, text)]


def test_samples_without_their_tokens_have_the_same_probability(tokenizer, policy) -> None:
    text = encode_text(tokenizer, " 4 = 4\nYes")
    own = Solution(
        (Step(policy.cutter.decode(text[:-4]), tuple(text[:-4])), Step(policy.cutter.decode(text[-4:]), None))
    )
    bare = Solution(tuple(Step(step.text) for step in own.steps))
    told, read = policy.logprobs([PROBLEM] * 2, [own, bare]).steps
    assert told.tolist() == pytest.approx(read.tolist(), abs=1e-4)


def test_a_sampled_blank_is_in_the_text(tokenizer, policy) -> None:
    """Of a solution that begins with a word, as of any other step."""
    sampled = Transformers(policy.model, tokenizer).cutter.extended(
        Solution(), [], 0, encode_text(tokenizer, " Yes"), None, stop=Stop.LENGTH, separator="\n"
    )
    assert sampled.text == " Yes"
    assert tuple(policy.prompts.prefix_ids(Solution((Step(" Yes"),)))) == sampled.steps[0].tokens


def test_a_score_does_not_depend_on_where_a_text_was_cut(policy) -> None:
    lines, at_once = solution_of(*TEXTS[:2], TEXTS[3]), solution_of("".join((*TEXTS[:2], TEXTS[3])))
    other = Transformers(random_llama(policy.runner.vocabulary, initializer_range=0.3), policy.tokenizer)
    told = [policy.logprobs([PROBLEM], [solution]).steps[0].sum() for solution in (lines, at_once)]
    assert told[0] == pytest.approx(told[1], abs=1e-4)
    scores = ImplicitReward(policy, other, 0.1).score([PROBLEM] * 2, [lines, at_once]).values()
    assert scores[0] == pytest.approx(scores[1], abs=1e-4)


def test_a_verdict_is_one_token_behind_its_question(tokenizer, policy) -> None:
    words = GenRMFormat(direct="{problem}\n{solution}\nRight?", cot="", solver="", verdict="?", yes=" Yes", no=" No")
    yes, no = verdict_ids(policy.encode, words)
    text = "What is 2+2?\n4\nRight?"
    assert whole(tokenizer, f"{text} Yes") == [*whole(tokenizer, text), yes]
    assert whole(tokenizer, f"{text} No") == [*whole(tokenizer, text), no]
    read = []

    class Reading(Transformers):
        def _next_token_probs(self, states, tokens):
            read.extend(list(ids) for _, _, ids in states.values())
            return super()._next_token_probs(states, tokens)

    genrm = GenRM(Reading(policy.model, tokenizer), format=words)
    genrm.score([PROBLEM], [Solution(split_steps("4"), Stop.EOS)])
    assert read == [whole(tokenizer, text)]
