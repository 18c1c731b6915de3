"""One grammar of specs: every package's `load` takes it as far as its floor reaches, and sends the rest on."""

from pathlib import Path

import pytest
import torch

import policies
import prms
import verifiers
from bench.tiny import weights_folder
from prms import PAV, PRM
from verifiers import ORM, GenRM, ImplicitReward
from verifiers.interface.spec_parts import spec_parts


def test_the_parts_of_a_spec() -> None:
    spec = spec_parts("pav:tiny:prm,orm:a/b,alpha=0.5,k=4,eager=yes")
    assert (spec.kind, spec.names) == ("pav", ("tiny:prm", "orm:a/b"))
    assert (spec.number("alpha"), spec.count("k"), spec.word("eager", "yes", "no")) == (0.5, 4, "yes")
    assert (spec.number("beta"), spec.count("votes"), spec.dtype()) == (None, None, None)
    assert spec.has(2, "alpha", "k", "eager")
    assert not spec.has(2, "alpha")
    assert not spec.has(1, "alpha", "k", "eager")
    assert [spec_parts(text).kind for text in ("owner/name", "C:\\models", "")] == ["", "", ""]


def test_embedded_models_by_name() -> None:
    policy = policies.load("tiny:policy")
    assert policy.model.dtype is torch.float32  # type: ignore[attr-defined]
    assert policies.load("tiny:policy,dtype=bfloat16").model.dtype is torch.bfloat16  # type: ignore[attr-defined]
    assert isinstance(verifiers.load("tiny:orm"), ORM)
    judge = prms.load("tiny:genrm_cot,votes=4")
    assert isinstance(judge, GenRM)
    assert judge.votes == 4
    assert isinstance(prms.load("tiny:orm,dtype=bfloat16"), ORM)
    for load in (policies.load, verifiers.load, prms.load):
        with pytest.raises(ValueError, match="no tiny model named 'nope': there are base, drilled"):
            load("tiny:nope")


def test_a_policys_arithmetic_in_its_spec() -> None:
    spec = f"transformers:{weights_folder('policy')}"
    assert policies.load(spec).model.dtype is torch.bfloat16  # type: ignore[attr-defined]
    for loaded in (policies.load(spec, dtype="float32"), policies.load(f"{spec},dtype=float32", dtype="bfloat16")):
        assert loaded.model.dtype is torch.float32  # type: ignore[attr-defined]


def test_prms_load_takes_every_scorer() -> None:
    folder = weights_folder("prm")
    for name in (folder, str(folder), f"prm:{folder}", "tiny:prm"):
        assert isinstance(prms.load(name), PRM)
    assert prms.load(f"prm:{folder},dtype=bfloat16").model.dtype is torch.bfloat16  # type: ignore[attr-defined]
    pav = prms.load("pav:tiny:prm,tiny:prover,alpha=0.25")
    assert isinstance(pav, PAV)
    assert (pav.alpha, pav.name) == (0.25, "pav(base=prm(prm), prover=prm(prover), alpha=0.25)")
    assert isinstance(best_of_k := prms.load(f"pav:prm:{folder},k=3"), PAV)
    assert (best_of_k.alpha, best_of_k.prover.k) == (0.5, 3)  # type: ignore[attr-defined]
    policy = weights_folder("policy")
    assert isinstance(prms.load(f"implicit:{policy},{policy},beta=0.1"), ImplicitReward)


@pytest.mark.parametrize(
    ("load", "spec", "kind", "instead"),
    [
        (policies.load, "tiny:orm", "orm", verifiers.load),
        (policies.load, "pav:tiny:prm,k=4", "pav", prms.load),
        (verifiers.load, "tiny:prm", "prm", prms.load),
        (verifiers.load, "prm:model", "prm", prms.load),
        (verifiers.load, "vllm:model", "vllm", policies.load),
        (prms.load, "tiny:policy", "transformers", policies.load),
    ],
)
def test_what_another_package_loads_is_said_with_its_name(load, spec: str, kind: str, instead) -> None:
    here, there = (f"{function.__module__.split('.')[0]}.load" for function in (load, instead))
    with pytest.raises(ValueError, match=f"{here} takes no '{kind}', as in '{spec}': give it to {there}"):
        load(spec)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("magic:x", "unknown scorer 'magic:x': use prm:MODEL.*pav:BASE.*orm:MODEL.*package.module:name"),
        ("owner/name:split", "unknown scorer 'owner/name:split'"),
        ("pav:tiny:prm", "unknown scorer .*: use prm:MODEL.*pav:BASE,PROVER,alpha=A, pav:BASE,k=K,alpha=A"),
        ("pav:tiny:prm,k=4,alpah=0.5", "pav takes no alpah=, but alpha="),
        ("prm:m,dtyp=float32", "prm takes no dtyp=, but dtype="),
        ("prm:m,chat.x=1", "prm takes no chat.x=, but"),
        ("prm:", "unknown scorer 'prm:': it names no model"),
        ("pav:tiny:prm,k=0", "k=0: use a whole number of 1 or more"),
        ("pav:tiny:prm,k=2,alpha=much", "alpha=much is not a number"),
        ("implicit:a,b", "unknown verifier 'implicit:a,b'"),
    ],
)
def test_a_scorer_that_nobody_loads(spec: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        prms.load(spec)


def test_a_spec_refuses_the_keywords_of_one_prm() -> None:
    for spec in ("tiny:prm", "prm:model", "orm:model", "pav:tiny:prm,k=4"):
        with pytest.raises(ValueError, match="are for a folder or a hub name, not for a spec"):
            prms.load(spec, dtype="bfloat16")


def test_a_prover_without_root_values_is_refused() -> None:
    with pytest.raises(TypeError, match="root_values"):
        prms.load("pav:tiny:prm,tiny:orm")


def test_objects_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_parts").mkdir()
    (tmp_path / "my_parts" / "things.py").write_text(
        "import policies, verifiers\n"
        "policy = policies.Scripted(lambda problem, prefix, seed: 'x')\n"
        "scorer = verifiers.from_function(lambda problem, solution: 1.0)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert policies.load("my_parts.things:policy").extend
    assert verifiers.load("my_parts.things:scorer") is prms.load("my_parts.things:scorer")
    for load, name in ((policies.load, "scorer"), (verifiers.load, "policy"), (prms.load, "policy")):
        with pytest.raises(ValueError, match=rf"my_parts.things:{name}' is a .*the method"):
            load(f"my_parts.things:{name}")
    with pytest.raises(ValueError, match="cannot import it"):
        prms.load("my_parts.nothing:scorer")
