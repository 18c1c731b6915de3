"""Verifiers by a short spec, such as a command line takes."""

import math
from dataclasses import replace
from typing import Literal

from verifiers.scoring import Scorer

_FORMS = (
    "orm:MODEL, genrm:MODEL[,votes=K][,max_tokens=T], judge:MODEL[,votes=K][,max_tokens=T] or "
    "implicit:MODEL,REFERENCE,beta=B, each with ,dtype=bfloat16 or float32, and orm: and genrm: with ,engine=vllm"
)
_DTYPES: dict[str, Literal["auto", "float32", "bfloat16"]] = {"float32": "float32", "bfloat16": "bfloat16"}


def load(spec: str) -> Scorer:
    """The verifier that `spec` names; MODEL is a folder or a hub name.

    `orm:MODEL`; `genrm:MODEL` and, for the number of rationales, `genrm:MODEL,votes=8`; `judge:MODEL`, a model
    that was never taught to verify (votes=32); `implicit:MODEL,REFERENCE,beta=0.1`, the implicit reward of
    a tuned policy over its reference. `max_tokens=500` bounds a solution with its rationale, which else have the
    room that the model was trained for (a judge: 1024). `dtype=bfloat16` or `dtype=float32` says how to compute;
    an ORM is float32 without it, and the others are as the model was saved. `engine=vllm` computes an ORM or a
    GenRM on vLLM's engine.

    >>> from bench.tiny import weights_folder
    >>> type(load(f"orm:{weights_folder('orm')}")).__name__
    'ORM'

    Raises ValueError for an unknown kind or option, FileNotFoundError where there is no such model.
    """
    kind, _, rest = spec.partition(":")
    names, options = parts_of(rest)
    wanted = options.pop("dtype", None)
    dtype = dtype_of(spec, wanted)
    engine = engine_of(spec, options.pop("engine", None)) if kind in ("orm", "genrm") else "transformers"
    if kind == "orm" and len(names) == 1 and not options:
        from verifiers.orm import ORM

        return ORM.load(names[0], dtype=wanted or "float32", engine=engine)
    if kind in ("genrm", "judge") and len(names) == 1 and options.keys() <= {"votes", "max_tokens"}:
        from policies.policy import Sampling

        votes = _count(spec, "votes", options["votes"]) if "votes" in options else None
        room = _count(spec, "max_tokens", options["max_tokens"]) if "max_tokens" in options else None
        if kind == "genrm":
            from verifiers.genrm import GenRM

            sampling = None if room is None else Sampling(max_tokens=room)
            return GenRM.load(names[0], votes=votes, sampling=sampling, dtype=dtype, engine=engine)
        from policies.transformers import Transformers
        from verifiers.llm_judge import LLMJudge

        judge = LLMJudge(Transformers.load(names[0], dtype=dtype), votes=votes or 32)
        return judge if room is None else replace(judge, sampling=replace(judge.sampling, max_tokens=room))
    if kind == "implicit" and len(names) == 2 and options.keys() == {"beta"}:
        from verifiers.implicit_reward import ImplicitReward

        beta = _number(spec, "beta", options["beta"])
        return ImplicitReward.load(*names, beta=beta, dtype=dtype)
    raise ValueError(f"unknown verifier {spec!r}: use {_FORMS}")


def dtype_of(spec: str, wanted: str | None) -> Literal["auto", "float32", "bfloat16"]:
    """A spec's `dtype=`, "auto" where it has none; raises ValueError for another word."""
    if wanted is not None and wanted not in _DTYPES:
        raise ValueError(f"{spec!r}: dtype={wanted}: use bfloat16 or float32")
    return "auto" if wanted is None else _DTYPES[wanted]


def engine_of(spec: str, wanted: str | None) -> Literal["transformers", "vllm"]:
    """A spec's `engine=`, "transformers" where it has none; raises ValueError for another word."""
    if wanted not in (None, "transformers", "vllm"):
        raise ValueError(f"{spec!r}: engine={wanted}: use transformers or vllm")
    return "vllm" if wanted == "vllm" else "transformers"


def parts_of(text: str) -> tuple[list[str], dict[str, str]]:
    """The names and the options of what stands behind a spec's colon.

    >>> parts_of("tiny:prm,tiny:prover,alpha=0.5")
    (['tiny:prm', 'tiny:prover'], {'alpha': '0.5'})
    """
    names: list[str] = []
    options: dict[str, str] = {}
    for part in filter(None, text.split(",")):
        key, equals, value = part.partition("=")
        if equals and key.isidentifier():
            options[key] = value
        else:
            names.append(part)
    return names, options


def _number(spec: str, key: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{spec!r}: {key}={value} is not a number")
    return number


def _count(spec: str, key: str, value: str) -> int:
    if not value.isdecimal() or int(value) < 1:
        raise ValueError(f"{spec!r}: {key}={value}: use a whole number of 1 or more")
    return int(value)
