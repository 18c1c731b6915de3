"""A model of lm-evaluation-harness whose texts are chosen by a search.

`python -m bench.harnesses.lm_eval --model stepbeam ...` is `lm_eval` with this model among its own.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from lm_eval.api.registry import register_model
from tqdm import tqdm

from bench.harnesses.stop_texts import StopAt
from bench.inputs.specs import load_answers, load_policy, load_scorer, named_scorers
from bench.serve.limits import Limits
from bench.serve.strategies import read_any_strategy, start
from policies.policy import Sampling
from search import Budget, SearchResult, Session
from verifiers.interface.errors import BadArgument, BadInput
from verifiers.interface.solution import Message, Problem

_LOG = logging.getLogger(__name__)
_AT_A_TIME = 64  # requests that are searched for side by side; lm-eval's cache is written after each lot
_ROOM = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")
_SIZES = ("n", "width", "expand", "max_steps")
_CHAT = '[{"role": '  # how what `apply_chat_template` gives begins


class SearchedLM(LM):  # type: ignore[misc, unused-ignore]  # untyped where it is not installed
    """`--model stepbeam --model_args policy=tiny:policy,scorer=tiny:orm,strategy=best_of_n,n=16`.

    `generate_until` answers each request with the solution that the strategy chooses of what the policy samples, cut at
    the request's stop texts; a request that comes to no solution is answered with nothing, and a warning counts them.
    Samples are drawn at `temperature` (1 unless said): a task's own is taken where it says `do_sample`, as a search of
    greedy samples would choose among equals. What is not known here is an option of the policy's spec
    (`dtype=bfloat16`, `chat=no`). Likelihoods are refused: a search has none. Raises BadArgument for what cannot be
    loaded or read.
    """

    def __init__(
        self,
        policy: str = "tiny:policy",
        strategy: str = "best_of_n",
        scorer: str | Sequence[str] = (),
        answers: str = "math",
        temperature: float = 1.0,
        max_tokens: int = 512,
        separator: str = "\n",
        seed: int = 0,
        batch_size: int | str = 1,
        **more: Any,
    ) -> None:
        super().__init__()
        for name in ("max_batch_size", "device"):  # which lm-eval always gives; a policy finds its device
            more.pop(name, None)
        sizes = {name: more.pop(name) for name in _SIZES if name in more}
        self.spec = ",".join([policy, *(f"{name}={_word(value)}" for name, value in more.items())])
        specs = named_scorers([scorer] if isinstance(scorer, str) else list(scorer))
        self.scorers = {name: load_scorer(spec) for name, spec in specs.items()}
        colon = "" if ":" in strategy else ":"
        written = f"{strategy}{colon}" + "".join(f",{name}={value}" for name, value in sizes.items())
        self.how = read_any_strategy(written, self.scorers, Limits(n=100_000))
        self.policy = load_policy(self.spec)
        self.answers, self.seed = load_answers(answers), int(seed)
        self.sampling = Sampling(temperature=temperature, max_tokens=max_tokens, separator=separator)
        # The harness says 1 where nobody does, and its command line gives numbers as texts.
        self.batch_size = _AT_A_TIME if str(batch_size) in ("1", "auto") else _number("batch_size", batch_size)

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        """The text that the search chooses for each request, and nothing where it chooses none."""
        texts: list[str] = []
        unanswered: list[str] = []
        with contextlib.ExitStack() as open_:
            sessions: dict[tuple[str, ...], Session] = {}
            bar = open_.enter_context(tqdm(total=len(requests), disable=disable_tqdm, desc="searching"))
            names = _names(requests)
            for i in range(0, len(requests), self.batch_size):
                lot = requests[i : i + self.batch_size]
                for request, result in zip(lot, self._results(lot, names, sessions, open_), strict=True):
                    texts.append("" if result.solution is None else result.solution.text)
                    if result.solution is None:
                        unanswered.append(f"{result.problem.id}: {result.reason}")
                    self.cache_hook.add_partial("generate_until", request.args, texts[-1])
                    bar.update()
        if unanswered:
            _LOG.warning("%d of %d requests have no solution (%s)", len(unanswered), len(requests), unanswered[0])
        return texts

    def _results(
        self,
        lot: Sequence[Instance],
        names: Iterator[str],
        sessions: dict[tuple[str, ...], Session],
        open_: contextlib.ExitStack,
    ) -> Iterator[SearchResult]:
        pending = []
        for request, name in zip(lot, names, strict=False):
            context, asked = request.args
            ends = tuple(_listed(asked.get("until")))
            if ends not in sessions:
                policy = StopAt(self.policy, ends) if ends else self.policy
                sessions[ends] = open_.enter_context(Session(policy, answers=self.answers))
            pending.append(
                start(
                    sessions[ends],
                    self.how,
                    self.scorers,
                    Problem(name, _prompt(context)),
                    sampling=self._sampling(asked),
                    budget=Budget(),
                    seed=self.seed,
                )
            )
        return (each.result() for each in pending)

    def _sampling(self, asked: dict[str, Any]) -> Sampling:
        room = next((asked[name] for name in _ROOM if asked.get(name)), self.sampling.max_tokens)
        sampled = asked if asked.get("do_sample") else {}
        return Sampling(
            temperature=sampled.get("temperature") or self.sampling.temperature,
            top_p=sampled.get("top_p") or 1.0,
            top_k=sampled.get("top_k") or 0,
            max_tokens=int(room),
            separator=self.sampling.separator,
        )

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """Refused: a search samples texts and has no likelihoods."""
        raise _refused(requests, "loglikelihood")

    def loglikelihood_rolling(self, requests: list[Instance]) -> list[float]:
        """Refused, as `loglikelihood`."""
        raise _refused(requests, "loglikelihood_rolling")

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """The conversation as JSON: the policy puts it through its own template; an assistant's last turn goes on."""
        assert add_generation_prompt or chat_history[-1]["role"] == "assistant"
        return json.dumps(chat_history, ensure_ascii=False)

    @property
    def tokenizer_name(self) -> str:
        """What lm-eval's cache of requests knows prompts by."""
        return "stepbeam"


def _refused(requests: Sequence[Instance], what: str) -> NotImplementedError:
    tasks = ", ".join(dict.fromkeys(str(request.task_name) for request in requests))
    return NotImplementedError(
        f"--model stepbeam: {tasks or 'a task'} asks for {what}, which a search of sampled texts does not have; take "
        "its variant with output_type generate_until, or --model hf or vllm for the policy alone"
    )


def _names(requests: Sequence[Instance]) -> Iterator[str]:
    """A problem's id for each request; of one that is asked again, another one, so that it draws other samples."""
    seen: Counter[str] = Counter()
    for number, request in enumerate(requests):
        name = f"{request.task_name or 'task'}-{number if request.doc_id is None else request.doc_id}-{request.idx}"
        seen[name] += 1
        yield name if seen[name] == 1 else f"{name} ({seen[name]})"


def _prompt(context: str) -> str | tuple[Message, ...]:
    if not context.startswith(_CHAT):
        return context
    return tuple(Message(turn["role"], turn["content"]) for turn in json.loads(context))


def _number(name: str, value: int | str) -> int:
    if not str(value).isdecimal() or int(value) < 1:
        raise BadArgument(name, value, "use 1 or more requests side by side, or auto")
    return int(value)


def _listed(until: str | Sequence[str] | None) -> list[str]:
    given = [until] if isinstance(until, str) else list(until or ())
    return [text for text in given if text]


def _word(value: Any) -> Any:
    """A value as specs write it."""
    return {True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else value


register_model("stepbeam")(SearchedLM)

if __name__ == "__main__":
    from lm_eval.__main__ import cli_evaluate

    try:
        cli_evaluate()
    except (BadInput, NotImplementedError) as error:
        sys.exit(f"stepbeam: {error}")
