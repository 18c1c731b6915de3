"""Public PRMs: tiny random models of each architecture, from a folder, against references from the definitions."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

import prms
from bench.tiny import weights_folder
from prms.formats import (
    MATH_SHEPHERD,
    QWEN_MATH_PRM,
    RLHFLOW_DEEPSEEK,
    RLHFLOW_MISTRAL,
    SKYWORK,
    VERSA_PRM,
    VERSA_PRM_QWEN,
    PRMFormat,
)
from prms.public import PublicErrorPRM, PublicPRM
from verifiers import Message, Problem, Solution, Step, Stop, ValueScorer, check_scorer, failed

QWEN_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
)
LLAMA3 = (
    "{{ bos_token }}{{ '<|start_header_id|>system<|end_header_id|>\n\nToday Date: 26 Jul 2024\n\n<|eot_id|>' }}"
    "{% for m in messages %}{{ '<|start_header_id|>' + m['role'] + '<|end_header_id|>\n\n' }}"
    "{{ m['content'] | trim + '<|eot_id|>' }}{% endfor %}"
)
INST = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}{{ '[INST]' + m['content'] + '[/INST]' }}"
    "{% else %}{{ m['content'] + eos_token + '\n' }}{% endif %}{% endfor %}"
)


def byte_letters() -> list[str]:
    """The 256 byte tokens in the order of their ids in GPT-2's, Llama 3's and Qwen's vocabularies."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    return [chr(b) for b in printable] + [chr(256 + i) for i in range(len(others))]


def byte_level(special: dict[str, int], *, tag: int | None = None, **tokens: str | None) -> PreTrainedTokenizerFast:
    """Byte-level BPE as Qwen's and Llama 3's: ids as published, with holes where nothing is needed."""
    vocabulary = {letter: i for i, letter in enumerate(byte_letters())}
    merges = [("Ċ", "Ċ"), ("ĊĊ", "ĊĊ"), (".", "Ċ"), ("?", "Ċ"), ("Ġ", "="), ("Ġ", "ĊĊ")]
    if tag is not None:
        merges.append(("Ġ", "ĊĊĊĊ"))
    for i, (left, right) in enumerate(merges):
        vocabulary[left + right] = 300 + i
    if tag is not None:
        vocabulary["ĠĊĊĊĊ"] = tag
    vocabulary |= special
    core = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN_WORDS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    core.decoder = decoders.ByteLevel()
    if bos := tokens.get("bos_token"):  # as Llama 3's: text gets a BOS unless it is told not to
        core.post_processor = processors.TemplateProcessing(single=f"{bos} $A", special_tokens=[(bos, special[bos])])
    return PreTrainedTokenizerFast(tokenizer_object=core, additional_special_tokens=list(special), **tokens)


def sentence_piece() -> PreTrainedTokenizerFast:
    """As Mistral 7B's: a mark in front of every text, bytes for what has no letter, the published ids."""
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-=*/?!.,:()<>|_[]{}\\'\"ки▁"
    vocabulary = {"<unk>": 0, "<s>": 1, "</s>": 2} | {f"<0x{b:02X}>": 3 + b for b in range(256)}
    vocabulary |= {letter: 1000 + i for i, letter in enumerate(letters)}
    vocabulary |= {"▁ки": 12902, "▁+": 648, "▁-": 387, "ки": 700, "▁S": 300, "St": 301, "▁St": 302}
    merges = [("к", "и"), ("▁", "ки"), ("▁", "+"), ("▁", "-"), ("▁", "S"), ("▁S", "t"), ("S", "t")]
    core = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, unk_token="<unk>", byte_fallback=True))
    core.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    core.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=core, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


QWEN_SPECIAL = {"<|endoftext|>": 400, "<|im_start|>": 401, "<|im_end|>": 402}
LLAMA_SPECIAL = {
    "<|begin_of_text|>": 400,
    "<|start_header_id|>": 401,
    "<|end_header_id|>": 402,
    "<|eot_id|>": 403,
}


def sizes(vocabulary: int) -> dict[str, int | float | str | bool]:
    return {
        "vocab_size": vocabulary,
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "max_position_embeddings": 400,
        "initializer_range": 0.4,
        "tie_word_embeddings": False,
        "bos_token_id": None,
        "eos_token_id": None,
    }


def save(folder: Path, model, tokenizer, *, extra=None, architecture=None, tokenizer_class=None) -> None:
    """A folder as its publisher's: their key names, their architecture, code that must not be run."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    weights = load_file(folder / "model.safetensors")
    save_file(weights | (extra or {}), folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    if architecture:
        auto = {"AutoConfig": "modeling_own.Config", "AutoModel": f"modeling_own.{architecture}"}
        config |= {"architectures": [architecture], "auto_map": auto}
        (folder / "modeling_own.py").write_text("raise RuntimeError('code of the repository was run')\n")
    (folder / "config.json").write_text(json.dumps(config))
    if tokenizer_class:
        entries = json.loads((folder / "tokenizer_config.json").read_text())
        (folder / "tokenizer_config.json").write_text(json.dumps(entries | {"tokenizer_class": tokenizer_class}))


def qwen_folder(folder: Path) -> None:
    tokenizer = byte_level(QWEN_SPECIAL | {"<extra_0>": 151651}, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    tokenizer.chat_template = CHATML
    head = {"score.0.weight": (16, 16), "score.0.bias": (16,), "score.2.weight": (2, 16), "score.2.bias": (2,)}
    save(
        folder,
        Qwen2ForCausalLM(Qwen2Config(**sizes(151652))),
        tokenizer,
        extra={name: torch.randn(shape) / 4 for name, shape in head.items()},
        architecture="Qwen2ForProcessRewardModel",
        tokenizer_class="Qwen2Tokenizer",
    )


def shepherd_folder(folder: Path) -> None:
    save(folder, MistralForCausalLM(MistralConfig(**sizes(12903))), sentence_piece(), tokenizer_class="LlamaTokenizer")


def rlhflow_llama_folder(folder: Path) -> None:
    tokenizer = byte_level(LLAMA_SPECIAL, bos_token="<|begin_of_text|>", eos_token="<|eot_id|>")
    tokenizer.chat_template = LLAMA3
    save(folder, LlamaForCausalLM(LlamaConfig(**sizes(410))), tokenizer)


def rlhflow_mistral_folder(folder: Path) -> None:
    special = {"<s>": 400, "</s>": 401, "[INST]": 402, "[/INST]": 403}
    tokenizer = byte_level(special, bos_token="<s>", eos_token="</s>")
    tokenizer.chat_template = INST
    save(folder, MistralForCausalLM(MistralConfig(**sizes(410))), tokenizer)


def skywork_folder(folder: Path) -> None:
    tokenizer = byte_level(QWEN_SPECIAL, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    tokenizer.bos_token = "<|endoftext|>"  # named, but not written by the tokenizer
    save(
        folder,
        Qwen2ForCausalLM(Qwen2Config(**sizes(410))),
        tokenizer,
        extra={"v_head.summary.weight": torch.randn(1, 16), "v_head.summary.bias": torch.randn(1)},
        architecture="Qwen2ForPrmModel",
    )


def versa_folder(folder: Path) -> None:
    tokenizer = byte_level(LLAMA_SPECIAL, tag=23535, bos_token="<|begin_of_text|>", eos_token="<|eot_id|>")
    tokenizer.chat_template = LLAMA3
    save(folder, LlamaForCausalLM(LlamaConfig(**sizes(23536))), tokenizer)


def versa_qwen_folder(folder: Path) -> None:
    tokenizer = byte_level(QWEN_SPECIAL, tag=22701, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    tokenizer.chat_template = CHATML
    save(folder, Qwen2ForCausalLM(Qwen2Config(**sizes(22702))), tokenizer)


def hidden_states(folder: Path, ids: list[int]) -> torch.Tensor:
    with torch.inference_mode():
        out = AutoModelForCausalLM.from_pretrained(folder)(torch.tensor([ids]), output_hidden_states=True)
    return out.hidden_states[-1][0]


def logits(folder: Path, ids: list[int]) -> torch.Tensor:
    with torch.inference_mode():
        return AutoModelForCausalLM.from_pretrained(folder)(torch.tensor([ids])).logits[0]


def qwen_reference(folder: Path, question: str, steps: list[str]) -> list[float]:
    tokenizer, weights = AutoTokenizer.from_pretrained(folder), load_file(folder / "model.safetensors")
    messages = [
        {"role": "system", "content": "Please reason step by step, and put your final answer within \\boxed{}."},
        {"role": "user", "content": question},
        {"role": "assistant", "content": "<extra_0>".join(steps) + "<extra_0>"},
    ]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=False)
    ids = tokenizer.encode(text, add_special_tokens=False)
    hidden = hidden_states(folder, ids)
    hidden = torch.relu(hidden @ weights["score.0.weight"].T + weights["score.0.bias"])
    probabilities = torch.softmax(hidden @ weights["score.2.weight"].T + weights["score.2.bias"], dim=-1)
    return [float(p) for p, i in zip(probabilities[:, 1], ids, strict=True) if i == 151651]


def shepherd_reference(folder: Path, question: str, steps: list[str]) -> list[float]:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer.encode(f"{question} " + "\n".join(f"{step} ки" for step in steps))
    assert tokenizer.encode("+ -")[1:] == [648, 387]
    good = torch.softmax(logits(folder, ids)[:, [648, 387]], dim=-1)[:, 0]
    return [float(p) for p, i in zip(good, ids, strict=True) if i == 12902]


def rlhflow_reference(folder: Path, question: str, steps: list[str]) -> list[float]:
    """One forward a step, of the conversation so far; the answer's own place is found, not counted from the end."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    plus, minus = tokenizer.encode("+")[-1], tokenizer.encode("-")[-1]
    conversation, scores = [], []
    for k, step in enumerate(steps):
        conversation.append({"role": "user", "content": step if k else f"{question} {step}"})
        conversation.append({"role": "assistant", "content": "+"})
        text = tokenizer.apply_chat_template(conversation, tokenize=False)
        ids = tokenizer.encode(text, add_special_tokens=False)
        answer = len(ids) - 1 - ids[::-1].index(plus)
        scores.append(float(torch.softmax(logits(folder, ids)[answer - 1, [plus, minus]], dim=-1)[0]))
    return scores


def skywork_reference(folder: Path, question: str, steps: list[str]) -> list[float]:
    tokenizer, weights = AutoTokenizer.from_pretrained(folder), load_file(folder / "model.safetensors")
    ids = tokenizer.encode(tokenizer.bos_token + question + "\n", add_special_tokens=False)
    flagged = []
    for step in steps:
        ids += tokenizer.encode(step, add_special_tokens=False)
        ids += [tokenizer.encode("\n", add_special_tokens=False)[-1]]
        flagged.append(len(ids) - 1)
    value = hidden_states(folder, ids) @ weights["v_head.summary.weight"].T + weights["v_head.summary.bias"]
    return torch.sigmoid(value[flagged, 0]).tolist()


def versa_reference(folder: Path, question: str, steps: list[str], tag: int = 23535) -> list[float]:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer.encode(question + " \n\n" + " \n\n\n\n".join(steps) + " \n\n\n\n")
    good = torch.softmax(logits(folder, ids)[:, [12, 10]], dim=-1)[:, 1]
    return [float(p) for p, i in zip(good, ids, strict=True) if i == tag]


def versa_qwen_reference(folder: Path, question: str, steps: list[str]) -> list[float]:
    return versa_reference(folder, question, steps, tag=22701)


@dataclass(frozen=True)
class Kind:
    form: PRMFormat
    name: str
    build: object
    reference: object


KINDS = {
    "qwen": Kind(QWEN_MATH_PRM, "mine", qwen_folder, qwen_reference),
    "shepherd": Kind(MATH_SHEPHERD, "math-shepherd-mistral-7b-prm", shepherd_folder, shepherd_reference),
    "rlhflow-llama": Kind(RLHFLOW_DEEPSEEK, "Llama3.1-8B-PRM-Deepseek-Data", rlhflow_llama_folder, rlhflow_reference),
    "rlhflow-mistral": Kind(RLHFLOW_MISTRAL, "Llama3.1-8B-PRM-Mistral-Data", rlhflow_mistral_folder, rlhflow_reference),
    "skywork": Kind(SKYWORK, "mine-too", skywork_folder, skywork_reference),
    "versa": Kind(VERSA_PRM, "VersaPRM", versa_folder, versa_reference),
    "versa-qwen": Kind(VERSA_PRM_QWEN, "Qwen-PRM800K", versa_qwen_folder, versa_qwen_reference),
}
QUESTION = "What is 2 + 3 * 4?"
TEXTS = ["Step 1: 3 * 4 = 12.", "(so far so good)", "2 + 12 = 14 - and no more", "16"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    built = {}
    for i, (kind, how) in enumerate(KINDS.items()):
        torch.manual_seed(i)
        built[kind] = tmp_path_factory.mktemp(kind) / how.name
        how.build(built[kind])
    return built


@pytest.fixture(scope="module")
def loaded(folders):
    return {kind: prms.load(str(folder)) for kind, folder in folders.items()}


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def solved(prm, texts, stop=Stop.EOS) -> Solution:
    """Steps as a policy writes them: each but the last ends with the separator the model knows."""
    steps = [Step(text + prm.separator) for text in texts[:-1]] + [Step(text) for text in texts[-1:]]
    return Solution(tuple(steps), stop)


def ids_of(prm, question: str, texts: list[str]) -> tuple[list[int], tuple[int, ...]]:
    [row] = prm._builder.rows([Problem("p", question)], [Solution(tuple(map(Step, texts)))], limit=None)
    return list(row.ids), row.ends


def test_a_folder_is_recognised(loaded, kind):
    prm = loaded[kind]
    assert prm.format is KINDS[kind].form
    assert (prm.target, prm.separator) == (KINDS[kind].form.target, KINDS[kind].form.separator)


def test_every_score_is_the_reference_of_the_definition(loaded, folders, kind):
    prm = loaded[kind]
    [scores] = prm.score([Problem("p", QUESTION)], [solved(prm, TEXTS)]).steps
    expected = KINDS[kind].reference(folders[kind], QUESTION, TEXTS)
    assert len(expected) == len(TEXTS)
    np.testing.assert_allclose(scores, expected, atol=2e-6)
    assert len({round(float(s), 3) for s in scores}) == len(TEXTS)  # a model that says one thing proves nothing


def test_it_keeps_the_laws_and_is_causal(loaded, kind):
    prm = loaded[kind]
    other = Problem("q", (Message("system", "Be brief."), Message("user", "How many are 5 and 7? ")))
    cases = [(Problem("p", QUESTION), solved(prm, TEXTS[:n])) for n in (1, 2, 4)]
    cases += [(other, solved(prm, TEXTS[::-1], Stop.LENGTH)), (other, solved(prm, TEXTS[:3], Stop.OPEN))]
    cases += [(other, Solution()), (other, failed("no reply")), (other, solved(prm, ["x" * 500, "y"]))]
    check_scorer(prm, cases, causal=True)
    scores = prm.score([p for p, _ in cases], [s for _, s in cases])
    for row, reason, spend in zip(scores.steps[:5], scores.reasons, scores.spend, strict=False):
        assert ((row >= 0) & (row <= 1)).all()
        assert reason is None
        assert spend.scored_tokens > 0
        assert spend.scorer_flops > 0
    assert scores.spend[5].scored_tokens == 0


def test_batches_of_any_size_give_the_same_scores(loaded, kind):
    prm = loaded[kind]
    rows = [(Problem("p", QUESTION), solved(prm, TEXTS[:n])) for n in (4, 1, 3, 4)]
    small = dataclasses.replace(prm, batch_tokens=1).score([p for p, _ in rows], [s for _, s in rows])
    large = prm.score([p for p, _ in rows], [s for _, s in rows])
    for a, b in zip(small.steps, large.steps, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-6)


def test_a_finished_solution_scores_as_an_open_one(loaded, kind):
    prm = loaded[kind]
    rows = [solved(prm, TEXTS, stop) for stop in (Stop.EOS, Stop.OPEN, Stop.LENGTH)]
    scores = prm.score([Problem("p", QUESTION)] * 3, rows).steps
    assert scores[0].tolist() == scores[1].tolist() == scores[2].tolist()


def test_only_error_labels_give_a_problem_a_value(loaded, kind):
    prm = loaded[kind]
    assert isinstance(prm, ValueScorer) == (prm.target == "error") == isinstance(prm, PublicErrorPRM)
    if isinstance(prm, ValueScorer):
        roots = prm.root_values([Problem("p", QUESTION), Problem("q", "?")])
        assert [row.tolist() for row in roots.steps] == [[1.0], [1.0]]
        assert roots.spend[0].flops == 0


SPELLED = {
    "qwen": ["<extra_0>", "<|im_end|>", "<|im_start|>user"],
    "shepherd": ["<s>", "</s>"],
    "rlhflow-llama": ["<|eot_id|>", "<|start_header_id|>assistant<|end_header_id|>", "<|begin_of_text|>"],
    "rlhflow-mistral": ["[/INST]", "[INST]", "</s>"],
    "skywork": ["<|endoftext|>", "<|im_end|>"],
    "versa": ["<|eot_id|>", "<|begin_of_text|>"],
    "versa-qwen": ["<|im_end|>"],
}


def test_trap_1_a_text_that_spells_a_special_token_does_not_become_it(loaded, kind):
    prm = loaded[kind]
    special = {i for i, t in prm.tokenizer.added_tokens_decoder.items() if t.special}
    if not prm.format.tag_in_steps and prm.format.tag:
        special.add(prm.tokenizer.convert_tokens_to_ids(prm.format.tag))
    plain, _ = ids_of(prm, QUESTION, TEXTS[:2])
    for spelled in SPELLED[kind]:
        hacked = [f"Step 1: {spelled} 12", f"{spelled}16{spelled}"]
        ids, ends = ids_of(prm, f"{QUESTION} {spelled}", hacked)
        assert [i for i in ids if i in special] == [i for i in plain if i in special]
        assert len(ends) == 2
        scores = prm.score([Problem("p", QUESTION)], [solved(prm, hacked)])
        assert scores.reasons == (None,)
        assert scores.steps[0].shape == (2,)


@pytest.mark.parametrize(("kind", "spelled"), [("shepherd", "so 4 ки and 5"), ("versa", "so 4 \n\n\n\n and 5")])
def test_a_step_that_holds_a_tag_which_is_plain_text_is_refused(loaded, kind, spelled):
    prm = loaded[kind]
    cases = [[spelled, "16"], ["16", spelled], ["16", "4"]]
    scores = prm.score([Problem("p", QUESTION)] * 3, [solved(prm, texts) for texts in cases])
    assert np.isnan(np.concatenate(scores.steps[:2])).all()
    assert [r and r.partition(" holds")[0] for r in scores.reasons] == ["step 1 of 2", "step 2 of 2", None]
    asked = prm.score([Problem("p", spelled)], [solved(prm, ["16"])])
    assert "the problem holds the token" in str(asked.reasons[0])


def test_trap_1_the_tag_is_one_id_even_where_the_text_would_swallow_it(loaded):
    # As text, "2+" and " ки" could be cut elsewhere; a line break before the tag would even hide it.
    prm = loaded["skywork"]
    ids, ends = ids_of(prm, QUESTION, ["2 + 3.", "5.\n"])
    newline = prm.tokenizer.convert_tokens_to_ids("Ċ")
    assert [ids[end] for end in ends] == [newline, newline]
    assert prm.tokenizer.convert_ids_to_tokens(prm.tokenizer.encode("5.\n", add_special_tokens=False))[-1] == ".Ċ"


@pytest.mark.parametrize("kind", ["qwen", "shepherd", "skywork", "versa", "versa-qwen"])
def test_trap_2_the_score_is_read_at_the_tag(loaded, kind):
    prm = loaded[kind]
    ids, ends = ids_of(prm, QUESTION, TEXTS)
    tag = prm.tokenizer.convert_tokens_to_ids(prm.format.tag)
    assert [ids[end] for end in ends] == [tag] * len(TEXTS)
    assert ends[-1] == len(ids) - 1


@pytest.mark.parametrize("kind", ["rlhflow-llama", "rlhflow-mistral"])
def test_trap_2_and_3_an_answer_is_read_one_before_it_wherever_it_stands(loaded, folders, kind):
    prm = loaded[kind]
    ids, ends = ids_of(prm, QUESTION, [*TEXTS, "1"])
    plus = prm.tokenizer.convert_tokens_to_ids("+")
    assert [ids[end + 1] for end in ends[:-1]] == [plus] * len(TEXTS)
    # The reference code's fixed -3 is the place in Llama's template, and another in the one with a line break.
    text = prm.tokenizer.apply_chat_template(
        [{"role": "user", "content": "1"}, {"role": "assistant", "content": "+"}], tokenize=False
    )
    whole = prm.tokenizer.encode(text, add_special_tokens=False)
    assert (whole.index(plus) - 1 == len(whole) - 3) == (kind == "rlhflow-llama")


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_trap_4_scores_of_exactly_nought_and_one_are_kept(folders, tmp_path, sign):
    for file in folders["qwen"].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = load_file(tmp_path / "model.safetensors")
    weights["score.2.weight"] = torch.zeros(2, 16)
    weights["score.2.bias"] = torch.tensor([-200.0 * sign, 200.0 * sign])
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    prm = prms.load(str(tmp_path))
    [scores] = prm.score([Problem("p", QUESTION)], [solved(prm, TEXTS)]).steps
    assert scores.tolist() == [float(sign > 0)] * len(TEXTS)


def test_trap_9_one_beginning_of_sequence_and_no_more(loaded, kind):
    prm = loaded[kind]
    ids, _ = ids_of(prm, QUESTION, TEXTS)
    bos = prm.tokenizer.bos_token_id
    if kind in ("qwen", "versa-qwen"):
        assert bos is None
    else:
        assert ids.count(bos) == 1
        assert ids[0] == bos


def test_trap_12_a_row_over_the_context_is_refused_and_never_cut(loaded, kind):
    prm = loaded[kind]
    prm.tokenizer.model_max_length, was = 16, prm.tokenizer.model_max_length
    long = solved(prm, ["1 + 1 = 2. " * 40, *TEXTS])
    scores = prm.score([Problem("p", QUESTION)] * 2, [long, solved(prm, TEXTS)])
    prm.tokenizer.model_max_length = was
    assert np.isnan(scores.steps[0]).tolist() == [True] * 5
    assert "over the scorer's context of 400" in str(scores.reasons[0])
    assert scores.spend[0].scored_tokens == 0
    assert not np.isnan(scores.steps[1]).any()


def test_a_format_can_bound_the_row_below_the_model(loaded):
    prm = dataclasses.replace(loaded["qwen"], format=dataclasses.replace(QWEN_MATH_PRM, max_tokens=150))
    scores = prm.score([Problem("p", QUESTION)], [solved(prm, ["1 + 1 = 2. " * 9, *TEXTS])])
    assert "over the scorer's context of 150" in str(scores.reasons[0])


@pytest.mark.parametrize("blank", ["", " \n", "\n\n"])
def test_a_blank_step_is_refused_with_a_reason(loaded, kind, blank):
    prm = loaded[kind]
    scores = prm.score([Problem("p", QUESTION)], [Solution((Step("16"), Step(blank)), Stop.EOS)])
    assert np.isnan(scores.steps[0]).tolist() == [True, True]
    assert "step 2 of 2 is blank" in str(scores.reasons[0])


def test_white_space_around_steps_and_problem_changes_nothing(loaded, kind):
    prm = loaded[kind]
    bare = prm.score([Problem("p", QUESTION)], [Solution(tuple(map(Step, TEXTS)))]).steps[0]
    edge = "\n\n" if kind == "skywork" else " \n\n "
    wide = Solution(tuple(Step(edge + text + edge) for text in TEXTS))
    np.testing.assert_array_equal(prm.score([Problem("p", f"\n {QUESTION}\n")], [wide]).steps[0], bare)


def test_skyworks_lines_keep_their_indentation(loaded):
    prm = loaded["skywork"]
    lines = [ids_of(prm, QUESTION, [text])[0] for text in ("2", "  2", "2\n")]
    assert lines[0] == lines[2] != lines[1]


def test_a_longer_conversation_is_no_question(loaded):
    turns = (Message("user", "2?"), Message("assistant", "2."), Message("user", "3?"))
    with pytest.raises(ValueError, match="problem 'p' is a conversation of user, assistant, user"):
        loaded["qwen"].score([Problem("p", turns)], [Solution()])


def test_weights_in_shards_are_found(folders, tmp_path):
    for kind in ("qwen", "skywork"):
        target = tmp_path / kind
        target.mkdir()
        for file in folders[kind].iterdir():
            (target / file.name).write_bytes(file.read_bytes())
        weights = load_file(target / "model.safetensors")
        (target / "model.safetensors").unlink()
        names = sorted(weights)
        where = {n: f"model-0000{1 + (i % 2)}-of-00002.safetensors" for i, n in enumerate(names)}
        for shard in set(where.values()):
            save_file({n: weights[n] for n in names if where[n] == shard}, target / shard, metadata={"format": "pt"})
        index = {"metadata": {"total_size": 0}, "weight_map": where}
        (target / "model.safetensors.index.json").write_text(json.dumps(index))
        prm, whole = prms.load(target), prms.load(folders[kind])
        problem, solution = Problem("p", QUESTION), solved(prm, TEXTS)
        np.testing.assert_array_equal(
            prm.score([problem], [solution]).steps[0], whole.score([problem], [solution]).steps[0]
        )


def test_an_adapter_on_a_base_model_is_loaded_whole(folders, tmp_path):
    peft = pytest.importorskip("peft", reason="a LoRA adapter needs peft")
    base = AutoModelForCausalLM.from_pretrained(folders["versa"])
    torch.manual_seed(5)
    adapted = peft.get_peft_model(
        base, peft.LoraConfig(r=2, target_modules=["q_proj", "down_proj", "lm_head"], init_lora_weights=False)
    )
    adapter, merged = tmp_path / "adapter" / "VersaPRM", tmp_path / "merged" / "VersaPRM"
    adapted.peft_config["default"].base_model_name_or_path = str(folders["versa"])
    adapted.save_pretrained(adapter, save_embedding_layers=False)
    tokenizer = AutoTokenizer.from_pretrained(folders["versa"])
    tokenizer.save_pretrained(adapter)
    adapted.merge_and_unload().save_pretrained(merged)
    tokenizer.save_pretrained(merged)
    problem, solution = Problem("p", QUESTION), Solution(tuple(map(Step, TEXTS)))
    scores = [prms.load(folder).score([problem], [solution]).steps[0] for folder in (adapter, merged, folders["versa"])]
    np.testing.assert_allclose(scores[0], scores[1], atol=2e-6)
    assert np.abs(scores[0] - scores[2]).max() > 1e-3


def test_a_named_format_is_taken_for_a_folder_that_does_not_tell(folders, tmp_path):
    folder = tmp_path / "run-7"
    folder.mkdir()
    for file in folders["shepherd"].iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    with pytest.raises(ValueError, match=r"run-7.*MistralForCausalLM.*give format=\.\.\., one of qwen2\.5-math-prm"):
        prms.load(str(folder))
    for spec, form in [
        (str(folder), "math-shepherd"),
        (str(folder), MATH_SHEPHERD),
        (f"math-shepherd:{folder}", None),
    ]:
        assert prms.load(spec, format=form).format is MATH_SHEPHERD
    with pytest.raises(ValueError, match="unknown format 'shepherd' of a PRM: use one of"):
        prms.load(str(folder), format="shepherd")


@pytest.mark.parametrize(
    ("form", "kind"),
    [
        (MATH_SHEPHERD, "versa"),
        (MATH_SHEPHERD, "rlhflow-llama"),
        (VERSA_PRM, "shepherd"),
        (VERSA_PRM, "versa-qwen"),
        (VERSA_PRM_QWEN, "versa"),
        (VERSA_PRM, "rlhflow-llama"),
        (RLHFLOW_DEEPSEEK, "shepherd"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_the_wrong_tokenizer_is_refused_by_name(folders, form, kind):
    with pytest.raises(ValueError, match=f"not (the|a) tokenizer (of|for) the format {form.name!r}: "):
        prms.load(folders[kind], format=form)


def test_a_tokenizer_whose_tag_has_another_id_is_refused(folders):
    remapped = dataclasses.replace(MATH_SHEPHERD, ids=(("▁ки", 12903),))
    with pytest.raises(ValueError, match="its token '▁ки' has the id 12902, the published one's 12903"):
        prms.load(folders["shepherd"], format=remapped)


def test_a_tokenizer_that_cuts_the_whole_text_elsewhere_is_refused(folders):
    # Without the space in front, the full stop and the line break are one token in the whole text.
    glued = dataclasses.replace(VERSA_PRM, tag="Ċ", tag_text="\n", ids=())
    with pytest.raises(ValueError, match=r"format 'versaprm': token \d+ and on of a plain text read \['\.Ċ'"):
        prms.load(folders["versa"], format=glued)


def test_a_template_that_looks_ahead_is_refused(folders):
    tokenizer = AutoTokenizer.from_pretrained(folders["rlhflow-llama"])
    tokenizer.chat_template = LLAMA3.replace(
        "{{ m['content'] | trim", "{{ 'x' * loop.revindex }}{{ m['content'] | trim"
    )
    prm = prms.load(folders["rlhflow-llama"])
    with pytest.raises(ValueError, match="depends on the turns that follow"):
        dataclasses.replace(prm, tokenizer=tokenizer)


@pytest.mark.parametrize(
    ("kind", "form", "missing"), [("versa", SKYWORK, "v_head.summary"), ("versa", QWEN_MATH_PRM, "score.0")]
)
def test_a_model_without_the_head_is_refused(folders, kind, form, missing):
    with pytest.raises(ValueError, match=f"is no {form.name!r} model: its weights lack {missing}"):
        prms.load(folders[kind], format=form)


def test_what_is_not_there_is_named(folders, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"it has no weights \(\*\.safetensors\)"):
        prms.load(tmp_path, format=SKYWORK)
    pickled = tmp_path / "VersaPRM"
    pickled.mkdir()
    (pickled / "config.json").write_bytes((folders["versa"] / "config.json").read_bytes())
    (pickled / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(FileNotFoundError, match=r"it has no weights \(\*\.safetensors\)"):
        prms.load(pickled)
    with pytest.raises(ValueError, match="unknown dtype 'int3'"):
        prms.load(folders["versa"], dtype="int3")


def test_ours_stay_ours():
    prm = prms.load(weights_folder("prm"))
    assert not isinstance(prm, PublicPRM)
    assert prm.target == "error"


def test_half_precision_is_close(folders, kind):
    prm = prms.load(folders[kind], dtype="bfloat16", device="cpu")
    assert prm.backbone.dtype is torch.bfloat16
    [scores] = prm.score([Problem("p", QUESTION)], [solved(prm, TEXTS)]).steps
    assert ((scores >= 0) & (scores <= 1)).all()
