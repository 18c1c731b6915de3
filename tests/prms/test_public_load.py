"""Loading public PRMs: what is recognised, what is refused, and by what words."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

import prms
from bench.tiny import weights_folder
from prms.public import PublicPRM
from verifiers import Problem, Solution, Step

PROBLEM = Problem("p", "What is 2 + 3 * 4?")
SOLUTION = Solution(tuple(map(Step, ("Step 1: 3 * 4 = 12.", "2 + 12 = 14 - and no more", "16"))))
FORM_OF = {
    "qwen": prms.QWEN_MATH_PRM,
    "shepherd": prms.MATH_SHEPHERD,
    "rlhflow-llama": prms.RLHFLOW_DEEPSEEK,
    "rlhflow-mistral": prms.RLHFLOW_MISTRAL,
    "skywork": prms.SKYWORK,
    "versa": prms.VERSA_PRM,
    "versa-qwen": prms.VERSA_PRM_QWEN,
}


def test_a_folder_is_recognised(public_prms, kind):
    prm = public_prms[kind]
    assert prm.format is FORM_OF[kind]
    assert (prm.target, prm.separator) == (FORM_OF[kind].target, FORM_OF[kind].separator)


def test_weights_in_shards_are_found(public_folders, tmp_path):
    for kind in ("qwen", "skywork"):
        target = shutil.copytree(public_folders[kind], tmp_path / kind)
        weights = load_file(target / "model.safetensors")
        (target / "model.safetensors").unlink()
        names = sorted(weights)
        where = {n: f"model-0000{1 + (i % 2)}-of-00002.safetensors" for i, n in enumerate(names)}
        for shard in set(where.values()):
            save_file({n: weights[n] for n in names if where[n] == shard}, target / shard, metadata={"format": "pt"})
        index = {"metadata": {"total_size": 0}, "weight_map": where}
        (target / "model.safetensors.index.json").write_text(json.dumps(index))
        prm, whole = prms.load(target), prms.load(public_folders[kind])
        np.testing.assert_array_equal(
            prm.score([PROBLEM], [SOLUTION]).steps[0], whole.score([PROBLEM], [SOLUTION]).steps[0]
        )


def test_an_adapter_on_a_base_model_is_loaded_whole(public_folders, tmp_path):
    peft = pytest.importorskip("peft", reason="a LoRA adapter needs peft")
    base = AutoModelForCausalLM.from_pretrained(public_folders["versa"])
    torch.manual_seed(5)
    adapted = peft.get_peft_model(
        base, peft.LoraConfig(r=2, target_modules=["q_proj", "down_proj", "lm_head"], init_lora_weights=False)
    )
    adapter, merged = tmp_path / "adapter" / "VersaPRM", tmp_path / "merged" / "VersaPRM"
    adapted.peft_config["default"].base_model_name_or_path = str(public_folders["versa"])
    adapted.save_pretrained(adapter, save_embedding_layers=False)
    tokenizer = AutoTokenizer.from_pretrained(public_folders["versa"])
    tokenizer.save_pretrained(adapter)
    adapted.merge_and_unload().save_pretrained(merged)
    tokenizer.save_pretrained(merged)
    scores = [
        prms.load(folder).score([PROBLEM], [SOLUTION]).steps[0] for folder in (adapter, merged, public_folders["versa"])
    ]
    np.testing.assert_allclose(scores[0], scores[1], atol=2e-6)
    assert np.abs(scores[0] - scores[2]).max() > 1e-3


def test_a_named_format_is_taken_for_a_folder_that_does_not_tell(public_folders, tmp_path):
    folder = shutil.copytree(public_folders["shepherd"], tmp_path / "run-7")
    with pytest.raises(ValueError, match=r"run-7.*MistralForCausalLM.*give format=\.\.\., one of qwen2\.5-math-prm"):
        prms.load(str(folder))
    for spec, form in [
        (str(folder), "math-shepherd"),
        (str(folder), prms.MATH_SHEPHERD),
        (f"math-shepherd:{folder}", None),
    ]:
        assert prms.load(spec, format=form).format is prms.MATH_SHEPHERD
    with pytest.raises(ValueError, match="unknown format 'shepherd' of a PRM: use one of"):
        prms.load(str(folder), format="shepherd")


@pytest.mark.parametrize(
    ("form", "kind"),
    [
        (prms.MATH_SHEPHERD, "versa"),
        (prms.MATH_SHEPHERD, "rlhflow-llama"),
        (prms.VERSA_PRM, "shepherd"),
        (prms.VERSA_PRM, "versa-qwen"),
        (prms.VERSA_PRM_QWEN, "versa"),
        (prms.VERSA_PRM, "rlhflow-llama"),
        (prms.RLHFLOW_DEEPSEEK, "shepherd"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_the_wrong_tokenizer_is_refused_by_name(public_folders, form, kind):
    with pytest.raises(ValueError, match=f"not (the|a) tokenizer (of|for) the format {form.name!r}: "):
        prms.load(public_folders[kind], format=form)


def test_a_tokenizer_whose_tag_has_another_id_is_refused(public_folders):
    remapped = dataclasses.replace(prms.MATH_SHEPHERD, ids=(("▁ки", 12903),))
    with pytest.raises(ValueError, match="its token '▁ки' has the id 12902, the published one's 12903"):
        prms.load(public_folders["shepherd"], format=remapped)


def test_a_tokenizer_that_cuts_the_whole_text_elsewhere_is_refused(public_folders):
    # Without the space in front, the full stop and the line break are one token in the whole text.
    glued = dataclasses.replace(prms.VERSA_PRM, tag="Ċ", tag_text="\n", ids=())
    with pytest.raises(ValueError, match=r"format 'versaprm': token \d+ and on of a plain text read \['\.Ċ'"):
        prms.load(public_folders["versa"], format=glued)


def test_a_template_that_looks_ahead_is_refused(public_folders):
    tokenizer = AutoTokenizer.from_pretrained(public_folders["rlhflow-llama"])
    tokenizer.chat_template = tokenizer.chat_template.replace(
        "{{ m['content'] | trim", "{{ 'x' * loop.revindex }}{{ m['content'] | trim"
    )
    prm = prms.load(public_folders["rlhflow-llama"])
    with pytest.raises(ValueError, match="depends on the turns that follow"):
        dataclasses.replace(prm, tokenizer=tokenizer)


@pytest.mark.parametrize(
    ("kind", "form", "missing"), [("versa", prms.SKYWORK, "v_head.summary"), ("versa", prms.QWEN_MATH_PRM, "score.0")]
)
def test_a_model_without_the_head_is_refused(public_folders, kind, form, missing):
    with pytest.raises(ValueError, match=f"is no {form.name!r} model: its weights lack {missing}"):
        prms.load(public_folders[kind], format=form)


def test_what_is_not_there_is_named(public_folders, tmp_path):
    with pytest.raises(FileNotFoundError, match=r": no config\.json"):
        prms.load(tmp_path, format=prms.SKYWORK)
    pickled = tmp_path / "VersaPRM"
    pickled.mkdir()
    (pickled / "config.json").write_bytes((public_folders["versa"] / "config.json").read_bytes())
    (pickled / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(FileNotFoundError, match=r"VersaPRM: no weights \(\*\.safetensors\)"):
        prms.load(pickled)
    with pytest.raises(ValueError, match="unknown dtype 'int3'"):
        prms.load(public_folders["versa"], dtype="int3")


def test_ours_stay_ours():
    prm = prms.load(weights_folder("prm"))
    assert not isinstance(prm, PublicPRM)
    assert prm.target == "value"


def test_half_precision_is_close(public_folders, kind):
    prm = prms.load(public_folders[kind], dtype="bfloat16", device="cpu")
    assert prm.backbone.dtype is torch.bfloat16
    [scores] = prm.score([PROBLEM], [SOLUTION]).steps
    assert ((scores >= 0) & (scores <= 1)).all()
