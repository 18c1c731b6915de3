"""The public formats as data, and which model is of which; nothing is loaded and no network asked."""

import dataclasses
import subprocess
import sys

import pytest

from prms import formats
from prms.formats import format_named, format_of

PUBLISHED = {
    "Qwen/Qwen2.5-Math-PRM-7B": formats.QWEN_MATH_PRM,
    "Qwen/Qwen2.5-Math-PRM-72B": formats.QWEN_MATH_PRM,
    "Qwen/Qwen2.5-Math-7B-PRM800K": formats.QWEN_MATH_PRM,
    "peiyi9979/math-shepherd-mistral-7b-prm": formats.MATH_SHEPHERD,
    "RLHFlow/Llama3.1-8B-PRM-Deepseek-Data": formats.RLHFLOW_DEEPSEEK,
    "RLHFlow/Llama3.1-8B-PRM-Mistral-Data": formats.RLHFLOW_MISTRAL,
    "Skywork/Skywork-o1-Open-PRM-Qwen-2.5-1.5B": formats.SKYWORK,
    "Skywork/Skywork-o1-Open-PRM-Qwen-2.5-7B": formats.SKYWORK,
    "UW-Madison-Lee-Lab/VersaPRM": formats.VERSA_PRM,
    "UW-Madison-Lee-Lab/Llama-PRM800K": formats.VERSA_PRM,
    "UW-Madison-Lee-Lab/Qwen-PRM800K": formats.VERSA_PRM_QWEN,
}


@pytest.mark.parametrize(("name", "form"), PUBLISHED.items(), ids=str)
def test_a_published_name_has_its_format(name, form):
    owner, _, model = name.partition("/")
    hub_folder = f"/home/me/.cache/huggingface/hub/models--{owner}--{model}/snapshots/0123abcd"
    for spelled in (name, name.lower(), model, f"models/{model}", f"./{model}/", hub_folder):
        assert format_named(spelled) is form
    assert format_of("models/run-7", {"_name_or_path": name}) is form


@pytest.mark.parametrize("name", ["", ".", "/", "mine", "Qwen/Qwen2.5-Math-7B-Instruct", "models/prm", "other/Skywork"])
def test_another_name_has_none(name):
    assert format_named(name) is None


def test_an_architecture_of_its_own_tells_the_format_whatever_the_name():
    assert format_of("models/VersaPRM", {"architectures": ["Qwen2ForProcessRewardModel"]}) is formats.QWEN_MATH_PRM
    assert format_of("models/mine", {"architectures": ["Qwen2ForPrmModel"]}) is formats.SKYWORK
    for config in ({"architectures": ["MistralForCausalLM"]}, {"architectures": None}, {}):
        assert format_of("models/mine", config) is None


def test_names_are_unique_and_every_model_has_one_format():
    names = [form.name for form in formats.FORMATS]
    models = [model for form in formats.FORMATS for model in form.models]
    assert len(set(names)) == len(names)
    assert len(set(models)) == len(models)
    assert {format_named(name) for name in names} == set(formats.FORMATS)


def test_a_format_is_frozen_data():
    with pytest.raises(dataclasses.FrozenInstanceError):
        formats.MATH_SHEPHERD.tag = "x"  # type: ignore[misc]
    assert hash(dataclasses.replace(formats.MATH_SHEPHERD, ids=())) != hash(formats.MATH_SHEPHERD)


def test_trap_5_the_backslash_of_boxed_is_a_backslash():
    assert formats.QWEN_MATH_PRM.system == "Please reason step by step, and put your final answer within \\boxed{}."
    assert "\b" not in formats.QWEN_MATH_PRM.system


@pytest.mark.parametrize("form", formats.FORMATS, ids=lambda form: form.name)
def test_a_format_is_whole(form):
    assert form.separator
    assert "{problem}" in form.problem
    assert "{step}" in form.first_step
    assert "{step}" in form.next_step
    assert (form.tag is None) == (form.layout == "turns")
    assert (form.good is None) == (form.bad is None) == (form.head != "tokens")
    assert {token for token, _ in form.ids} == {t for t in (form.tag, form.good, form.bad) if t}


WHAT_THEY_SAY = {
    "qwen2.5-math-prm": ("error", 4096, "last", "\n\n"),
    "math-shepherd": ("value", None, "min", "\n"),
    "rlhflow-deepseek": ("value", None, "last", "\n\n"),
    "rlhflow-mistral": ("value", None, "last", "\n"),
    "skywork-o1-open-prm": (None, None, "last", "\n"),
    "versaprm": ("error", None, "last", "\n\n"),
    "versaprm-qwen": ("error", None, "last", "\n\n"),
}


def test_targets_bounds_and_reducers_are_the_published_ones():
    assert {f.name: (f.target, f.max_tokens, f.reduce, f.separator) for f in formats.FORMATS} == WHAT_THEY_SAY


def test_the_formats_need_neither_torch_nor_transformers():
    code = "import sys, prms.formats, prms.load; print('torch' in sys.modules, 'transformers' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
