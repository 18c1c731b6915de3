"""`stepbeam serve`: a server of OpenAI's chat protocol that answers each request by a search."""

import argparse
import os
import sys
from contextlib import AbstractContextManager, ExitStack
from typing import Any

from bench.commands.options import add_answers, add_thinking, positive, separator
from bench.inputs.specs import load_answers, load_policy, load_scorer, named_scorers
from bench.serve.limits import Limits
from policies.models.engine_options import without_resources
from verifiers.interface.errors import BadArgument, BadInput, NoOpinionError
from verifiers.interface.spec_parts import shown


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `stepbeam serve`."""
    limits = Limits()
    what = parser.add_argument_group("what answers")
    what.add_argument(
        "--policy",
        required=True,
        metavar="SPEC",
        help="tiny:policy, transformers:MODEL, vllm:MODEL, openai:MODEL,..., or module:name of your own",
    )
    what.add_argument(
        "--scorer",
        action="append",
        default=[],
        metavar="[NAME=]SPEC",
        help="tiny:NAME, orm:, prm:, genrm: or judge:FOLDER_OR_NAME, pav:BASE,PROVER,alpha=A, or module:name of your "
        "own; may be repeated",
    )
    what.add_argument(
        "--strategy",
        default="self_consistency:n=16",
        metavar="METHOD[:SCORER][,n=N]",
        help="what answers a request that names none: best_of_n:SCORER,n=16, weighted_majority:SCORER,n=16, "
        "self_consistency:n=16, beam_search:SCORER,width=4,expand=4,max_steps=64, or module:name:SCORER,n=16 of your "
        "own",
    )
    what.add_argument(
        "--name",
        help="what requests call the model; default: the policy's spec, without what says how it is reached or started",
    )
    add_answers(what, "math")
    add_thinking(what)
    what.add_argument("--dtype", default="auto", choices=("auto", "float32", "bfloat16"), help="of the policy")
    sampling = parser.add_argument_group("sampling")
    sampling.add_argument(
        "--temperature", type=float, default=0.8, metavar="T", help="where a request says none; 0 is greedy"
    )
    sampling.add_argument(
        "--top-p",
        type=float,
        default=1.0,
        metavar="P",
        help="of the likeliest tokens, where a request says none; 1 is all",
    )
    sampling.add_argument(
        "--top-k", type=int, default=0, metavar="K", help="so many tokens at most, where a request says none; 0 is all"
    )
    sampling.add_argument(
        "--max-tokens", type=positive, default=1024, metavar="T", help="of a solution, where a request says none"
    )
    sampling.add_argument("--separator", type=separator, metavar="TEXT", default="\n\n", help="what ends a step")
    place = parser.add_argument_group("where")
    place.add_argument("--host", default="127.0.0.1", help="0.0.0.0 is open to others: set a key")
    place.add_argument("--port", type=_port, default=8000, help="from 1 to 65535")
    place.add_argument(
        "--key-env",
        metavar="NAME",
        help="the environment variable with the key that requests must have; default: STEPBEAM_API_KEY, if set",
    )
    most = parser.add_argument_group("what a request may ask for")
    most.add_argument("--most-n", type=positive, default=limits.n, metavar="N", help="samples of a request")
    most.add_argument("--most-tokens", type=positive, default=limits.tokens, metavar="T", help="of a solution")
    most.add_argument("--most-body", type=positive, default=limits.body, metavar="BYTES", help="of a request")
    most.add_argument(
        "--most-seconds",
        type=float,
        default=limits.seconds,
        metavar="S",
        help="of a search; its best so far is given, at once if the policy streams, else when it has sampled",
    )
    most.add_argument(
        "--most-running", type=positive, default=limits.running, metavar="R", help="requests searched for at once"
    )
    most.add_argument(
        "--most-waiting", type=positive, default=limits.waiting, metavar="W", help="requests in line behind them"
    )
    parser.add_argument(
        "--log-requests",
        action="store_true",
        help="write a line for each request to the standard error, not only of those that fail here",
    )


def run(options: argparse.Namespace) -> None:
    """Serve until a signal ends it: then no request is taken, those under way have ten seconds to end."""
    try:
        from bench.serve.app import Service, make_app
        from bench.serve.server import check_listens, is_own, logged_to_stderr, serve
    except ImportError as error:
        raise BadInput(f"serve needs FastAPI and uvicorn ({error}): pip install 'stepbeam[serve]'") from None
    from bench.serve.strategies import read_any_strategy
    from policies.policy import Sampling
    from search import Session
    from search.strategies.beam_search import check_steers
    from verifiers.grading.answers import with_thinking

    try:
        limits = Limits(
            options.most_n,
            options.most_tokens,
            options.most_body,
            options.most_seconds,
            options.most_running,
            options.most_waiting,
        )
        sampling = Sampling(
            temperature=options.temperature,
            top_p=options.top_p,
            top_k=options.top_k,
            max_tokens=options.max_tokens,
            separator=options.separator,
        )
    except ValueError as error:
        raise BadInput(f"serve: {error}") from None
    if not options.host:
        raise BadArgument("host", "''", "it names no address; 0.0.0.0 is every one of this machine")
    if options.name == "":
        raise BadArgument("name", "''", "requests could not name the model; leave it out for the policy's spec")
    key = os.environ.get(options.key_env or "STEPBEAM_API_KEY", "").strip() or None
    if options.key_env and not key:
        raise BadArgument("key_env", options.key_env, "this environment variable holds no key; set it, or leave it out")
    specs = named_scorers(options.scorer)
    # Known before anything is loaded: a mistake here should not cost the minutes of a large model.
    check_listens(options.host, options.port)
    known: dict[str, Any] = dict.fromkeys(specs)
    strategy = read_any_strategy(options.strategy, known, limits)
    answers = with_thinking(load_answers(options.answers), options.thinking)
    with ExitStack() as stack:
        policy = load_policy(options.policy, dtype=options.dtype)
        if isinstance(policy, AbstractContextManager):
            stack.enter_context(policy)
        scorers = {name: load_scorer(spec) for name, spec in specs.items()}
        if strategy.method == "beam_search" and strategy.scorer is not None:
            try:
                check_steers(scorers[strategy.scorer])
            except NoOpinionError as error:
                raise BadArgument("strategy", options.strategy, str(error)) from None
        session = stack.enter_context(Session(policy, answers=answers, sampling=sampling))
        name = options.name or without_resources(shown(options.policy))
        service = Service(session, name, strategy, scorers, sampling, limits, key)
        where = f"http://{options.host}:{options.port}/v1"
        stack.enter_context(logged_to_stderr(requests=options.log_requests))
        if not (key or is_own(options.host)):
            print(
                f"stepbeam: --host {options.host}: whoever reaches this machine may ask; set a key in STEPBEAM_API_KEY",
                file=sys.stderr,
            )
        told = f"{name} answers by {options.strategy} at {where} ({'with' if key else 'without'} a key)"
        serve(make_app(service), host=options.host, port=options.port, told=told)


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 1 << 16:
        raise argparse.ArgumentTypeError(f"{text!r}: it must be from 1 to 65535")
    return int(text)
