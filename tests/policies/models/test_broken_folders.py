"""Models whose folder is broken: one line that names it and says what to do, from every loader."""

import json
import os
import shutil
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

import policies
import prms
import verifiers
from bench.commands.cli import main
from policies.models.embedded import weights_folder
from policies.training.config import TrainConfig
from verifiers import Problem, Solution, Step, Stop, with_outcome
from verifiers.interface.errors import BadInput

WEIGHTS, INDEX, SHARD = "model.safetensors", "model.safetensors.index.json", "model-1.safetensors"
DEEP = "[" * 100_000 + "]" * 100_000
Break = Callable[[Path], object]


def settings(file: str = "config.json", **changes: Any) -> Break:
    def change(folder: Path) -> None:
        whole = json.loads((folder / file).read_text()) if (folder / file).exists() else {}
        (folder / file).write_text(json.dumps(whole | changes))

    return change


def holding(file: str, content: bytes | str) -> Break:
    return lambda folder: (folder / file).write_bytes(content if isinstance(content, bytes) else content.encode())


def weights(change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> Break:
    return lambda folder: save_file(change(load_file(folder / WEIGHTS)), folder / WEIGHTS, {"format": "pt"})


def header(change: Callable[[dict[str, Any]], object]) -> Break:
    def rewrite(folder: Path) -> None:
        data = (folder / WEIGHTS).read_bytes()
        end = 8 + struct.unpack("<Q", data[:8])[0]
        entries = json.loads(data[8:end])
        change(entries["model.norm.weight"])
        text = json.dumps(entries).encode()
        (folder / WEIGHTS).write_bytes(struct.pack("<Q", len(text)) + text + data[end:])

    return rewrite


def cut(length: int) -> Break:
    return lambda folder: (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:length])


def without(file: str) -> Break:
    return lambda folder: (folder / file).unlink()


def a_folder(file: str) -> Break:
    def replace(folder: Path) -> None:
        (folder / file).unlink(missing_ok=True)
        (folder / file).mkdir()

    return replace


def a_dangling_link(file: str) -> Break:
    def replace(folder: Path) -> None:
        (folder / file).unlink(missing_ok=True)
        (folder / file).symlink_to("/nowhere/at/all")

    return replace


def index(content: Any) -> Break:
    def split(folder: Path) -> None:
        (folder / WEIGHTS).rename(folder / SHARD)
        (folder / INDEX).write_text(json.dumps(content))

    return split


def index_of(file: Any) -> Break:
    return index({"metadata": {}, "weight_map": {"model.norm.weight": file}})


def tokenizer(**changes: Any) -> Break:
    def change(folder: Path) -> None:
        whole = json.loads((folder / "tokenizer.json").read_text())
        whole["model"] |= changes
        (folder / "tokenizer.json").write_text(json.dumps(whole))

    return change


def template(text: bytes | str) -> Break:
    return holding("chat_template.jinja", text)


def adapter(base: Any, *, file: str = "adapter_model.bin") -> Break:
    def write(folder: Path) -> None:
        entries = {"base_model_name_or_path": base, "peft_type": "LORA", "r": 2, "target_modules": ["q_proj"]}
        (folder / "adapter_config.json").write_text(json.dumps(entries))
        shutil.copy(folder / WEIGHTS, folder / file)

    return write


POLICY = str(weights_folder("policy"))
BROKEN: dict[str, tuple[Break, str]] = {
    # what it holds
    "a tensor is missing": (weights(lambda w: {k: t for k, t in w.items() if "0.mlp.up" not in k}), "its weights lack"),
    "a tensor too many": (weights(lambda w: w | {"model.extra.weight": torch.ones(3)}), "has no place for model.extra"),
    "a value head": (
        weights(lambda w: w | {"v_head.summary.weight": torch.ones(1, 128), "v_head.summary.bias": torch.ones(1)}),
        r"a value head \(v_head.summary.bias, v_head.summary.weight\): of a policy save the part without it",
    ),
    "other names": (weights(lambda w: {f"x.{k}": t for k, t in w.items()}), "its weights lack"),
    "no lm_head": (settings(tie_word_embeddings=False), "lack lm_head.weight"),
    "more layers": (settings(num_hidden_layers=6), "and 15 more"),
    "fewer layers": (settings(num_hidden_layers=2), "has no place for model.layers.2"),
    "fewer tokens": (settings(vocab_size=90), r"has the shape \(100, 128\), and its config.json describes \(90, 128\)"),
    "whole numbers": (weights(lambda w: {k: t.to(torch.int8) for k, t in w.items()}), "are whole numbers"),
    "no numbers": (weights(lambda w: {k: t * float("nan") for k, t in w.items()}), "NaN"),
    # safetensors
    "no bytes": (cut(0), f"{WEIGHTS}: not whole safetensors"),
    "half a length": (cut(4), f"{WEIGHTS}: not whole safetensors"),
    "half a header": (cut(1000), f"{WEIGHTS}: not whole safetensors"),
    "half the numbers": (cut(100_000), f"{WEIGHTS}: not whole safetensors"),
    "a huge header": (holding(WEIGHTS, struct.pack("<Q", 1 << 63) + b"{}"), f"{WEIGHTS}: not whole safetensors"),
    "a header of no JSON": (holding(WEIGHTS, struct.pack("<Q", 4) + b"abcd"), f"{WEIGHTS}: not whole safetensors"),
    "a header that is a list": (holding(WEIGHTS, struct.pack("<Q", 2) + b"[]"), f"{WEIGHTS}: not whole safetensors"),
    "offsets out of range": (header(lambda e: e.update(data_offsets=[0, 1 << 50])), "not whole safetensors"),
    "a shape that is none": (header(lambda e: e.update(shape=[-1, "x"])), "not whole safetensors"),
    # which files
    "pickled by the index": (index_of("pytorch_model.bin"), "only \\*.safetensors are read"),
    "a shard elsewhere": (index_of("../x.safetensors"), "not a file beside it"),
    "a shard by its path": (index_of("/tmp/x.safetensors"), "not a file beside it"),
    "a shard that is not there": (index_of("model-2.safetensors"), "model-2.safetensors: no such file"),
    "a shard that is a number": (index_of(3), "no weight_map"),
    "an index without a map": (index({"metadata": {}}), "no weight_map"),
    "an index that is a list": (index([1]), f"{INDEX}: JSON of the type list"),
    "weights of another name": (settings(transformers_weights="../x.safetensors"), "transformers_weights"),
    "pickled weights alone": (lambda folder: (folder / WEIGHTS).rename(folder / "pytorch_model.bin"), "no weights"),
    "a pickled adapter": (adapter(POLICY), "adapter_model.safetensors"),
    "an adapter of itself": (lambda f: adapter(str(f), file="adapter_model.safetensors")(f), "an adapter too"),
    "an adapter of a number": (adapter(3, file="adapter_model.safetensors"), "base_model_name_or_path is 3"),
    "an adapter's other names": (adapter(POLICY, file="adapter_model.safetensors"), "its weights lack"),
    **{f"{file} is a folder": (a_folder(file), f"{file}: a folder") for file in ("config.json", WEIGHTS)},
    **{f"{file} leads nowhere": (a_dangling_link(file), "leads nowhere") for file in ("tokenizer.json", WEIGHTS)},
    "no config": (without("config.json"), "no config.json"),
    # what they say
    **{
        f"{file} is {name}": (holding(file, content), f"{file}: (not JSON|JSON of the type)")
        for file in ("config.json", "generation_config.json", "tokenizer_config.json")
        for name, content in {
            "a list": "[1]",
            "a number": "3",
            "null": "null",
            "empty": "",
            "torn": '{"a": ',
            "not UTF-8": b'{"a": "\xff"}',
            "deep": DEEP,
            "a number of 5000 digits": '{"a": ' + "1" * 5000 + "}",
        }.items()
    },
    "no model_type": (settings(model_type=None), "its model_type is None"),
    "an unknown model_type": (settings(model_type="no_such"), "transformers could not load it"),
    **{
        f"{key} is {value!r:.20}": (settings(**{key: value}), key)
        for key, values in {
            "hidden_size": ("128", -128, 0, 1.5, [1, "x"], 10**400),
            "num_hidden_layers": ("4", -1, 1 << 30),
            "vocab_size": (1 << 30, -1, True),
            "max_position_embeddings": ("256", -5),
            "num_labels": (1 << 40,),
            "architectures": (3, [3], "x"),
            "dtype": (3, {"a": 1}),
            "stepbeam": (3, [1], {"kind": []}, {"separator": 3}),
            "attention_dropout": ("x", 3, [1]),
            "eos_token_id": ("x", -1, {}, [[2]], 10**400),
        }.items()
        for value in values
    },
    **{
        f"{key} is {value!r}": (settings(**{key: value}), "transformers could not load it")
        for key, value in {
            "num_attention_heads": 7,
            "num_key_value_heads": "x",
            "hidden_act": "no_such",
            "rms_norm_eps": "x",
            "rope_parameters": [1],
            "quantization_config": {"a": 1},
            "dtype": "no_such",
        }.items()
    },
    "another end": (settings("generation_config.json", eos_token_id="x"), "generation_config.json: its eos_token_id"),
    # tokenizers
    "half a tokenizer": (
        lambda f: (f / "tokenizer.json").write_bytes((f / "tokenizer.json").read_bytes()[:500]),
        "its tokenizer",
    ),
    "a tokenizer that is a list": (holding("tokenizer.json", "[1]"), "its tokenizer"),
    "an unknown tokenizer": (tokenizer(type="NoSuch"), "its tokenizer"),
    "a vocabulary of texts": (tokenizer(vocab={"a": "x"}), "its tokenizer"),
    "an end that is a number": (settings("tokenizer_config.json", eos_token=5), "its tokenizer"),
    # chat templates
    **{
        f"the template {text!r:.30}": (template(text), "chat template")
        for text in (
            "{{ 1/0 }}",
            "{% for",
            "{{ a.b.c }}",
            "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
            "{% for i in range(10**9) %}x{% endfor %}",
            "{{ messages[7].content }}",
            "{{ messages + 1 }}",
            "{% include 'x' %}",
        )
    },
    "a template of messages with parts": (
        template("{% for m in messages %}{% for part in m.content %}{{ part.text }}{% endfor %}{% endfor %}"),
        "leaves out what the user says",
    ),
    "several templates": (
        settings(
            "tokenizer_config.json", chat_template=[{"name": "a", "template": "x"}, {"name": "b", "template": "y"}]
        ),
        "chat template",
    ),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(weights_folder("policy"), tmp_path / "broken"))


def refusal(load: Callable[[], object]) -> str:
    with pytest.raises(BadInput) as raised:
        load()
    message = str(raised.value)
    assert "\n" not in message
    assert len(message) < 700
    return message


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_policy_is_refused_in_one_line_with_its_folder(folder: Path, name: str) -> None:
    break_it, words = BROKEN[name]
    break_it(folder)
    message = refusal(lambda: policies.load(f"transformers:{folder}"))
    assert str(folder) in message
    with pytest.raises(BadInput, match=words):
        policies.Transformers.load(folder)


OF_EACH_KIND = ["a header that is a list", "pickled by the index", "config.json is a list", "architectures is [3]"]
OF_EACH_KIND += ["half a tokenizer", "hidden_size is '128'", "the template '{{ 1/0 }}'", "more layers", "whole numbers"]
LOADERS: dict[str, tuple[str, Callable[[str], object]]] = {
    "orm": ("orm", verifiers.ORM.load),
    "orm:": ("orm", lambda folder: verifiers.load(f"orm:{folder}")),
    "prm:": ("prm", lambda folder: prms.load(f"prm:{folder}")),
    "prm": ("prm", prms.load),
    "pav:": ("prm", lambda folder: prms.load(f"pav:{folder},k=2,alpha=0.5")),
    "genrm:": ("genrm", lambda folder: verifiers.load(f"genrm:{folder}")),
    "public": ("policy", lambda folder: prms.load(folder, format="math-shepherd")),
    "implicit:": ("policy", lambda folder: verifiers.load(f"implicit:{folder},{folder},beta=0.1")),
}


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize("name", OF_EACH_KIND)
def test_every_loader_refuses_alike(tmp_path: Path, loader: str, name: str) -> None:
    kind, load = LOADERS[loader]
    folder = shutil.copytree(weights_folder(kind), tmp_path / "broken")
    BROKEN[name][0](folder)
    assert (loader == "genrm:" and "template" in name) or str(folder) in refusal(lambda: load(str(folder)))


def test_a_template_that_never_ends(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("policies.models.chat._SECONDS", 0.2)
    template("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}")(folder)
    assert "it takes more than 0.2 seconds" in refusal(lambda: policies.load(f"transformers:{folder}"))
    for thread in threading.enumerate():
        if thread.name == "chat template":
            thread.join(60)
            assert not thread.is_alive()


@pytest.mark.parametrize("kind", ["orm", "prm"])
def test_a_reward_model_is_no_policy(tmp_path: Path, kind: str) -> None:
    message = refusal(lambda: policies.load(f"transformers:{weights_folder(kind)}"))
    assert "has no place for score." in message
    with pytest.raises(BadInput, match="no place for score"):
        verifiers.train_dpo(weights_folder(kind), [], out=tmp_path / "out")


@pytest.mark.parametrize(
    "name", ["a tensor is missing", "fewer layers", "pickled by the index", "no bytes", "what training reads"]
)
def test_a_training_starts_from_no_broken_model(folder: Path, tmp_path: Path, name: str) -> None:
    (BROKEN | {"what training reads": (settings(attention_dropout=None), "")})[name][0](folder)
    row = with_outcome(Problem("p", "C 7-9\n"), Solution((Step("=8"),), Stop.EOS), True)
    config = TrainConfig(max_steps=1, batch_size=1)
    [entry] = [entry for entry in os.scandir(folder.parent) if entry.name == folder.name]  # a path of Python's own
    for base in (folder, entry):
        said = refusal(lambda base=base: verifiers.train_orm(base, [row], out=tmp_path / "out", config=config))
        assert str(folder) in said
        assert "DirEntry" not in said


def test_what_a_sound_model_may_lack_or_have(folder: Path, tmp_path: Path) -> None:
    """A tied head, buffers that older versions saved, weights in shards, a pickled copy beside."""
    weights(lambda w: w | {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(16)})(folder)
    (folder / "pytorch_model.bin").write_bytes(b"not read")
    assert "lm_head.weight" not in load_file(folder / WEIGHTS)
    names = list(load_file(folder / WEIGHTS))
    index({"metadata": {}, "weight_map": dict.fromkeys(names, SHARD)})(folder)
    sampling, rows = policies.Sampling(max_tokens=9), ([Problem("p", "C 7-9\n")], [Solution()])
    drawn = [
        policies.load(spec).extend(*rows, until="end", sampling=sampling, seeds=[3]).solutions
        for spec in ("tiny:policy", f"transformers:{folder},dtype=float32")
    ]
    assert drawn[0] == drawn[1]
    # A reward model that is trained on a policy leaves its head out, and one on a reward model the old one.
    row = with_outcome(rows[0][0], Solution((Step("=8"),), Stop.EOS), True)
    config = TrainConfig(max_steps=1, batch_size=1)
    for base in (folder, weights_folder("prm")):
        verifiers.train_orm(base, [row], out=tmp_path / f"of {base.name}", config=config)


def test_a_head_that_is_not_called_lm_head_is_left_out(folder: Path, tmp_path: Path) -> None:
    tokens = json.loads((folder / "config.json").read_text())["vocab_size"]
    sizes = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    base = tmp_path / "neox"
    GPTNeoXForCausalLM(GPTNeoXConfig(vocab_size=tokens, eos_token_id=0, **sizes)).save_pretrained(base)
    assert "embed_out.weight" in load_file(base / WEIGHTS)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(folder / file, base)
    row = with_outcome(Problem("p", "C 7-9\n"), Solution((Step("=8"),), Stop.EOS), True)
    config = TrainConfig(max_steps=1, batch_size=1)
    trained = verifiers.train_orm(base, [row], out=tmp_path / "orm", config=config)
    assert not np.isnan(trained.score([row.problem], [row.solution]).values()[0])


def test_an_adapter_is_as_whole_as_its_base(folder: Path, tmp_path: Path) -> None:
    """What its base lacks would be random too, and transformers tells only of the adapter's own weights."""
    peft = pytest.importorskip("peft")
    model = policies.Transformers.load(folder).model
    updated = peft.get_peft_model(model, peft.LoraConfig(r=2, target_modules=["q_proj"]))
    where = tmp_path / "adapter"
    updated.save_pretrained(where)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(folder / file, where)
    settings("adapter_config.json", base_model_name_or_path=str(folder))(where)
    policies.load(f"transformers:{where}")
    whole = load_file(where / "adapter_model.safetensors")
    name = min(whole)
    save_file({key: tensor for key, tensor in whole.items() if key != name}, where / "adapter_model.safetensors")
    assert "its weights lack model.layers.0.self_attn.q_proj.lora_A" in refusal(
        lambda: policies.load(f"transformers:{where}")
    )
    save_file(whole, where / "adapter_model.safetensors")
    BROKEN["a tensor is missing"][0](folder)
    assert "its weights lack model.layers.0.mlp.up_proj" in refusal(lambda: policies.load(f"transformers:{where}"))


@pytest.mark.parametrize("path", ["a\0b", "x" * 5000, "x/" * 3000, "gone"])
def test_paths_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("gone").symlink_to("nowhere")
    for load in (policies.Transformers.load, verifiers.ORM.load, prms.load, prms.PRM.load, verifiers.GenRM.load):
        assert "there is no such folder" in (message := refusal(lambda load=load: load(path))) or "nowhere" in message


def test_a_command_ends_with_one_line(folder: Path, tmp_path: Path, monkeypatch, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    BROKEN["a header that is a list"][0](folder)
    Path("p.jsonl").write_text(
        '{"id": "a", "prompt": "?", "answer": "2", "solutions": [{"text": "The answer is 2."}]}\n'
    )
    row = {"problem": "p", "prompt": "?", "steps": ["=8"], "outcome": 1.0, "id": "p", "solution": "=8", "correct": True}
    Path("rows.jsonl").write_text(json.dumps(row) + "\n")
    for command in (
        ("run", "--task=chain", f"--policy=transformers:{folder}", "--n=2", "--limit=1", "--out=out"),
        ("run", "--task=chain", "--policy=tiny:policy", f"--scorer=orm:{folder}", "--n=2", "--limit=1", "--out=out2"),
        ("rerank", "p.jsonl", f"--scorer=prm:{folder}", "--out=out3"),
        ("train", "orm", "rows.jsonl", f"--base={folder}", "--out=out4"),
        ("train", "grpo", "chain", f"--policy=transformers:{folder}", "--out=out5"),
    ):
        assert main(list(command)) == 2
        lines = capsys.readouterr().err.strip().splitlines()
        assert len(lines) == 1
        assert f"{folder}/{WEIGHTS}: not whole safetensors" in lines[0]
