"""Tiny random public PRMs, in folders as their publishers': shared by the tests of `prms.load` and of the scores."""

import json
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

import prms

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


WIDTH = 16  # of hidden states

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
        "hidden_size": WIDTH,
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
    head = {
        "score.0.weight": (WIDTH, WIDTH),
        "score.0.bias": (WIDTH,),
        "score.2.weight": (2, WIDTH),
        "score.2.bias": (2,),
    }
    save(
        folder,
        transformers.Qwen2ForCausalLM(transformers.Qwen2Config(**sizes(151652))),
        tokenizer,
        extra={name: torch.randn(shape) / 4 for name, shape in head.items()},
        architecture="Qwen2ForProcessRewardModel",
        tokenizer_class="Qwen2Tokenizer",
    )


def shepherd_folder(folder: Path) -> None:
    save(
        folder,
        transformers.MistralForCausalLM(transformers.MistralConfig(**sizes(12903))),
        sentence_piece(),
        tokenizer_class="LlamaTokenizer",
    )


def rlhflow_llama_folder(folder: Path) -> None:
    tokenizer = byte_level(LLAMA_SPECIAL, bos_token="<|begin_of_text|>", eos_token="<|eot_id|>")
    tokenizer.chat_template = LLAMA3
    save(folder, transformers.LlamaForCausalLM(transformers.LlamaConfig(**sizes(410))), tokenizer)


def rlhflow_mistral_folder(folder: Path) -> None:
    special = {"<s>": 400, "</s>": 401, "[INST]": 402, "[/INST]": 403}
    tokenizer = byte_level(special, bos_token="<s>", eos_token="</s>")
    tokenizer.chat_template = INST
    save(folder, transformers.MistralForCausalLM(transformers.MistralConfig(**sizes(410))), tokenizer)


def skywork_folder(folder: Path) -> None:
    tokenizer = byte_level(QWEN_SPECIAL, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    tokenizer.bos_token = "<|endoftext|>"  # named, but not written by the tokenizer
    save(
        folder,
        transformers.Qwen2ForCausalLM(transformers.Qwen2Config(**sizes(410))),
        tokenizer,
        extra={"v_head.summary.weight": torch.randn(1, WIDTH), "v_head.summary.bias": torch.randn(1)},
        architecture="Qwen2ForPrmModel",
    )


def versa_folder(folder: Path) -> None:
    tokenizer = byte_level(LLAMA_SPECIAL, tag=23535, bos_token="<|begin_of_text|>", eos_token="<|eot_id|>")
    tokenizer.chat_template = LLAMA3
    save(folder, transformers.LlamaForCausalLM(transformers.LlamaConfig(**sizes(23536))), tokenizer)


def versa_qwen_folder(folder: Path) -> None:
    tokenizer = byte_level(QWEN_SPECIAL, tag=22701, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    tokenizer.chat_template = CHATML
    save(folder, transformers.Qwen2ForCausalLM(transformers.Qwen2Config(**sizes(22702))), tokenizer)


# Each kind's builder and the name of its folder, which tells the format where the architecture does not.
BUILDERS = {
    "qwen": (qwen_folder, "mine"),
    "shepherd": (shepherd_folder, "math-shepherd-mistral-7b-prm"),
    "rlhflow-llama": (rlhflow_llama_folder, "Llama3.1-8B-PRM-Deepseek-Data"),
    "rlhflow-mistral": (rlhflow_mistral_folder, "Llama3.1-8B-PRM-Mistral-Data"),
    "skywork": (skywork_folder, "mine-too"),
    "versa": (versa_folder, "VersaPRM"),
    "versa-qwen": (versa_qwen_folder, "Qwen-PRM800K"),
}


@pytest.fixture(scope="session")
def public_folders(tmp_path_factory):
    return build_all(tmp_path_factory)


@pytest.fixture(scope="session")
def wide_public_folders(tmp_path_factory):
    """The same with attention heads as wide as vLLM's kernels ask for."""
    global WIDTH
    narrow, WIDTH = WIDTH, 64
    try:
        return build_all(tmp_path_factory)
    finally:
        WIDTH = narrow


def build_all(tmp_path_factory):
    built = {}
    for i, (kind, (build, name)) in enumerate(BUILDERS.items()):
        torch.manual_seed(i)
        built[kind] = tmp_path_factory.mktemp(kind) / name
        build(built[kind])
    return built


@pytest.fixture(scope="session")
def public_prms(public_folders):
    return {kind: prms.load(str(folder)) for kind, folder in public_folders.items()}


@pytest.fixture(params=BUILDERS)
def kind(request):
    return request.param
