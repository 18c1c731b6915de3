"""Folders that are given where something else is taken: the error says what to write."""

import json
from pathlib import Path

import pytest

import policies
import prms
import verifiers
from verifiers import from_function
from verifiers.interface.errors import BadArgument, MissingInput


def folder(tmp_path: Path, kind: str | None) -> str:
    entry = {} if kind is None else {"stepbeam": {"kind": kind}}
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "config.json").write_text(json.dumps(entry))
    return str(tmp_path / "made")


@pytest.mark.parametrize(
    ("load", "kind", "words"),
    [
        (verifiers.load, "orm", r"is a model's folder, without its kind: write 'orm:.*made'$"),
        (verifiers.load, "genrm", r"write 'genrm:.*made'$"),
        (verifiers.load, "prm", r"write 'prm:.*made' and give it to prms.load$"),
        (policies.load, None, r"write 'transformers:.*made'$"),
        (policies.load, "prm", r"write 'prm:.*made' and give it to prms.load$"),
    ],
)
def test_a_folder_without_its_kind_is_told_with_it(tmp_path, load, kind, words):
    with pytest.raises(ValueError, match=words):
        load(folder(tmp_path, kind))


def test_a_folder_of_another_kind_is_told_what_to_write(tmp_path):
    verifiers.load("tiny:orm").model.save_pretrained(tmp_path / "orm")
    verifiers.load("tiny:orm").tokenizer.save_pretrained(tmp_path / "orm")
    with pytest.raises(ValueError, match=r"holds a model of kind 'orm', not 'prm': write 'orm:.*orm' where a spec"):
        prms.load(f"prm:{tmp_path / 'orm'}")


def test_updates_alone_are_told_that_they_are_none_to_load(tmp_path):
    from peft import LoraConfig, get_peft_model

    get_peft_model(policies.load("tiny:policy").model, LoraConfig(r=2)).save_pretrained(tmp_path / "adapter")
    with pytest.raises(MissingInput, match="adapter: low-rank updates alone, without a tokenizer: give the folder of"):
        policies.load(f"transformers:{tmp_path / 'adapter'}")


def test_values_are_collected_of_a_policy_by_a_verifier(tmp_path):
    ours = from_function(lambda problem, solution: 1.0)
    given = {"coverage": 1, "rollouts": 1, "out": tmp_path / "out"}
    problems = [verifiers.Problem("p", "1+1=")]
    with pytest.raises(BadArgument, match="verifier None: a scorer has a method score"):
        prms.collect_values("tiny:policy", problems, None, **given)
    with pytest.raises(BadArgument, match=r"policy .*: it is a scorer"):
        prms.collect_values(ours, problems, ours, **given)
    with pytest.raises(BadArgument, match=r"problems\[0\] \{'prompt': '1\+1='\}: give a verifiers.Problem"):
        prms.collect_values("tiny:policy", [{"prompt": "1+1="}], ours, **given)


def test_rows_of_others_are_no_values(tmp_path):
    with pytest.raises(BadArgument, match=r"rows\[0\] \('prompt', 'labels'\): it is no row of prms.collect_values"):
        prms.labelled([{"prompt": "1+1=", "labels": [1]}])


def test_a_scorers_repr_is_short():
    assert len(repr(prms.load("tiny:prm"))) < 100
