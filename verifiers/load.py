"""Verifiers by a short spec, such as a command line takes."""

from __future__ import annotations

from dataclasses import replace

from policies.models.engine_options import ENGINE_OPTIONS, SERVER_OPTIONS, engine_of
from policies.policy import Sampling, TokenPolicy
from verifiers.interface.own import object_named
from verifiers.interface.scoring import Scorer

FORMS = (
    "orm:MODEL, genrm:MODEL[,votes=K][,max_tokens=T], judge:MODEL[,votes=K][,max_tokens=T] or "
    "implicit:MODEL,REFERENCE,beta=B, each with ,dtype=bfloat16 or float32, and all but implicit: with ,engine=vllm, "
    "a judge on a server with ,base_url=ADDRESS, tiny:orm"
)

_ON = {"dtype", "engine", *ENGINE_OPTIONS}
TAKES = {
    "orm": _ON,
    "genrm": {"votes", "max_tokens", *_ON},
    "judge": {"votes", "max_tokens", "chat", *SERVER_OPTIONS, *_ON},
    "implicit": {"beta", "dtype"},
}


def load(spec: str) -> Scorer:
    """The verifier that `spec` names; MODEL is a folder or a hub name.

    `orm:MODEL`; `genrm:MODEL` and, for the number of rationales, `genrm:MODEL,votes=8`; `judge:MODEL`, a model
    that was never taught to verify (votes=32); `implicit:MODEL,REFERENCE,beta=0.1`, the implicit reward of
    a tuned policy over its reference. `max_tokens=500` bounds a solution with its rationale, which else have the
    room that the model was trained for (a judge: 1024). `dtype=bfloat16` or `dtype=float32` says how to compute;
    an ORM is float32 without it, and the others are as the model was saved. `engine=vllm` computes an ORM, a
    GenRM or a judge on vLLM's engine, with the options that `policies.load` knows (`engine=vllm,share=0.4`), and a
    judge's chat template is given `chat.enable_thinking=false`. `judge:MODEL,base_url=http://localhost:8000/v1` asks a
    server, with the options that `policies.load` knows of `openai:`.
    `tiny:NAME` is an embedded verifier, and `module:name` an object of your own with a method `score`, or a
    class of such.

    >>> type(load("tiny:orm")).__name__
    'ORM'

    Raises ValueError for an unknown kind or option, FileNotFoundError where there is no such model.
    """
    # `policies` stands on the interface, and importing that imports this file.
    from policies.backends.load import load_policy, load_served
    from policies.models.embedded import read_spec
    from policies.models.engine_options import chat_of, chat_options

    scorer: Scorer | None = object_named(spec, "score")
    if scorer is not None:
        return scorer
    parts = read_spec(spec)
    if parts.kind == "orm" and parts.has(1, *_ON):
        from verifiers.reward_models.orm import ORM

        return ORM.load(parts.names[0], dtype=parts.dtype() or "float32", engine=engine_of(parts))
    for_judge = [*chat_options(parts), *SERVER_OPTIONS] if parts.kind == "judge" else ()
    if parts.kind in ("genrm", "judge") and parts.has(1, "votes", "max_tokens", *for_judge, *_ON):
        votes, room = parts.count("votes"), parts.count("max_tokens")
        dtype, engine = parts.dtype() or "auto", engine_of(parts)
        if parts.kind == "genrm":
            from verifiers.genrm.judge import GenRM

            sampling = None if room is None else Sampling(max_tokens=room)
            return GenRM.load(parts.names[0], votes=votes, sampling=sampling, dtype=dtype, engine=engine)
        from verifiers.genrm.llm_judge import LLMJudge

        if served := sorted(SERVER_OPTIONS & parts.options.keys()):
            if "base_url" not in served or _ON & parts.options.keys():
                raise ValueError(
                    f"{parts.text!r}: {', '.join(served)} is for a server: give its base_url, and no engine"
                )
            policy: TokenPolicy = load_served(parts)
        else:
            policy = load_policy(parts.names[0], dtype=dtype, engine=engine, chat=chat_of(parts))
        judge = LLMJudge(policy, votes=votes or 32)
        return judge if room is None else replace(judge, sampling=replace(judge.sampling, max_tokens=room))
    beta = parts.number("beta")
    if parts.kind == "implicit" and parts.has(2, "beta", "dtype") and beta is not None:
        from verifiers.reward_models.implicit_reward import ImplicitReward

        return ImplicitReward.load(*parts.names, beta=beta, dtype=parts.dtype() or "auto")
    raise parts.refused("verifiers.load", "verifier", FORMS, TAKES)
