"""Rows built piece by piece against whole texts: real solutions, tokenizers that learnt to merge on them."""

import dataclasses
import gzip
import json

import pytest
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from prms.format_rows import row_builder
from prms.formats import MATH_SHEPHERD, QWEN_MATH_PRM, RLHFLOW_DEEPSEEK, VERSA_PRM, VERSA_PRM_QWEN
from tests.shared_data import DATA, needs_data
from verifiers import Problem, Solution, Step

pytestmark = needs_data("processbench_gsm8k.json.gz", "math500.jsonl")
WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CHAT = "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}"
OTHERS = [pytest.param(form, marks=pytest.mark.slow) for form in (RLHFLOW_DEEPSEEK, VERSA_PRM, VERSA_PRM_QWEN)]


@pytest.fixture(scope="module")
def cases() -> list[tuple[str, list[str]]]:
    with gzip.open(DATA / "processbench_gsm8k.json.gz") as file:
        found = [(row["problem"].strip(), row["steps"]) for row in json.load(file)]
    for line in (DATA / "math500.jsonl").read_text().splitlines():
        row = json.loads(line)
        for cut in ("\n", ". "):  # steps that hold line breaks, and steps that start anywhere
            found += [(row["problem"].strip(), [step for step in row["solution"].split(cut) if step.strip()])]
    return [(question, [step.strip() for step in steps]) for question, steps in found]


@pytest.fixture(scope="module")
def byte_level(cases) -> PreTrainedTokenizerFast:
    """Llama 3's words, and merges learnt on these very texts."""
    special = ["<bos>", "<|im_start|>", "<|im_end|>", "<extra_0>"]
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    core.decoder = decoders.ByteLevel()
    learn = trainers.BpeTrainer(
        vocab_size=3000,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator([q + " \n\n" + " \n\n\n\n".join(steps) for q, steps in cases], learn)
    return PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token="<bos>", additional_special_tokens=special[1:], chat_template=CHAT
    )


@pytest.fixture(scope="module")
def sentence_piece(cases) -> PreTrainedTokenizerFast:
    """A mark in front of every word, merges within words, and bytes for line breaks."""
    core = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    core.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    core.pre_tokenizer = pre_tokenizers.Split(Regex("(?=▁)|\n"), behavior="isolated")
    special = ["<unk>", "<s>", "</s>"]
    learn = trainers.BpeTrainer(
        vocab_size=3000, special_tokens=[*special, *(f"<0x{b:02X}>" for b in range(256))], show_progress=False
    )
    core.train_from_iterator([" ".join([q, *steps, "ки + -"]) for q, steps in cases], learn)
    entries = json.loads(core.to_str())
    entries["added_tokens"] = entries["added_tokens"][: len(special)]
    entries["pre_tokenizer"] = None
    entries["model"]["vocab"].pop("\n", None)
    core = Tokenizer.from_str(json.dumps(entries))
    return PreTrainedTokenizerFast(tokenizer_object=core, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def whole_text(form, tokenizer, question: str, steps: list[str]) -> str:
    """The text that the model's authors tokenize in one piece."""
    if form.layout == "assistant":
        messages = [("system", form.system), ("user", question), ("assistant", "<extra_0>".join(steps) + "<extra_0>")]
    elif form.layout == "turns":
        asked = [f"{question} {steps[0]}", *steps[1:]]
        messages = [turn for text in asked for turn in (("user", text), ("assistant", "+"))]
    elif form is MATH_SHEPHERD:
        return f"{question} " + "\n".join(f"{step} ки" for step in steps)
    else:
        return f"{question} \n\n" + "".join(f"{step} \n\n\n\n" for step in steps)
    return tokenizer.apply_chat_template([{"role": r, "content": c} for r, c in messages], tokenize=False)


@pytest.mark.parametrize(
    "form",
    [pytest.param(QWEN_MATH_PRM, marks=pytest.mark.slow), pytest.param(MATH_SHEPHERD, marks=pytest.mark.slow), *OTHERS],
    ids=lambda form: form.name,
)
def test_pieces_join_to_the_tokens_of_the_whole_text(request, cases, form):
    tokenizer = request.getfixturevalue("sentence_piece" if form is MATH_SHEPHERD else "byte_level")
    builder = row_builder(tokenizer, dataclasses.replace(form, ids=()))
    problems = [Problem(str(i), question) for i, (question, _) in enumerate(cases)]
    solutions = [Solution(tuple(Step(step) for step in steps)) for _, steps in cases]
    rows = builder.rows(problems, solutions, limit=None)
    bos = [tokenizer.bos_token_id] if form.layout == "text" and form.bos else []
    for (question, steps), row in zip(cases, rows, strict=True):
        ids = bos + tokenizer(whole_text(form, tokenizer, question, steps), add_special_tokens=False).input_ids
        assert not isinstance(row, str)
        assert list(row.ids) == ids[: len(row.ids)]
        assert len(row.ends) == len(steps)
