"""Verifiers by a short spec, such as a command line takes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from verifiers.interface.scoring import Scorer
from verifiers.interface.spec_parts import count_of, dtype_of, number_of, parts_of

if TYPE_CHECKING:
    from policies.models.engine_options import EngineChoice

_FORMS = (
    "orm:MODEL, genrm:MODEL[,votes=K][,max_tokens=T], judge:MODEL[,votes=K][,max_tokens=T] or "
    "implicit:MODEL,REFERENCE,beta=B, each with ,dtype=bfloat16 or float32, and orm: and genrm: with ,engine=vllm"
)


def load(spec: str) -> Scorer:
    """The verifier that `spec` names; MODEL is a folder or a hub name.

    `orm:MODEL`; `genrm:MODEL` and, for the number of rationales, `genrm:MODEL,votes=8`; `judge:MODEL`, a model
    that was never taught to verify (votes=32); `implicit:MODEL,REFERENCE,beta=0.1`, the implicit reward of
    a tuned policy over its reference. `max_tokens=500` bounds a solution with its rationale, which else have the
    room that the model was trained for (a judge: 1024). `dtype=bfloat16` or `dtype=float32` says how to compute;
    an ORM is float32 without it, and the others are as the model was saved. `engine=vllm` computes an ORM or a
    GenRM on vLLM's engine, with the options that `policies.load` knows (`engine=vllm,share=0.4`).

    >>> from bench.tiny import weights_folder
    >>> type(load(f"orm:{weights_folder('orm')}")).__name__
    'ORM'

    Raises ValueError for an unknown kind or option, FileNotFoundError where there is no such model.
    """
    kind, _, rest = spec.partition(":")
    names, options = parts_of(rest)
    wanted = options.pop("dtype", None)
    dtype = dtype_of(spec, wanted)
    engine: EngineChoice = "transformers"
    if kind in ("orm", "genrm"):
        from policies.models.engine_options import engine_from

        engine = engine_from(spec, options)
    if kind == "orm" and len(names) == 1 and not options:
        from verifiers.reward_models.orm import ORM

        return ORM.load(names[0], dtype=wanted or "float32", engine=engine)
    if kind in ("genrm", "judge") and len(names) == 1 and options.keys() <= {"votes", "max_tokens"}:
        from policies.policy import Sampling

        votes = count_of(spec, "votes", options["votes"]) if "votes" in options else None
        room = count_of(spec, "max_tokens", options["max_tokens"]) if "max_tokens" in options else None
        if kind == "genrm":
            from verifiers.genrm.judge import GenRM

            sampling = None if room is None else Sampling(max_tokens=room)
            return GenRM.load(names[0], votes=votes, sampling=sampling, dtype=dtype, engine=engine)
        from policies.backends.transformers import Transformers
        from verifiers.genrm.llm_judge import LLMJudge

        judge = LLMJudge(Transformers.load(names[0], dtype=dtype), votes=votes or 32)
        return judge if room is None else replace(judge, sampling=replace(judge.sampling, max_tokens=room))
    if kind == "implicit" and len(names) == 2 and options.keys() == {"beta"}:
        from verifiers.reward_models.implicit_reward import ImplicitReward

        beta = number_of(spec, "beta", options["beta"])
        return ImplicitReward.load(*names, beta=beta, dtype=dtype)
    raise ValueError(f"unknown verifier {spec!r}: use {_FORMS}")
