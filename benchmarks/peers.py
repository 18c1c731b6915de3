"""Other libraries' searches beside ours, on one vLLM engine: Best-of-16, and beam search of width 4 and expand 4.

    pip install --no-deps its_hub==1.2.0
    python benchmarks/peers.py --problems 32

Problems of `chain`, the embedded policy, ORM and PRM. `its_hub` at unlimited concurrency (all problems at once, and one
at a time) asks an engine that a thread steps, as a server does; the beam search of search-and-learn is written here
from its published code's description: one problem at a time, a fixed number of beams however many have ended, whole
prefixes scored anew at each step. Theirs asks for neither seeds nor log-probabilities. Seconds, tokens and accuracy of
each, in turns, prefix caches emptied before each; the ratio of theirs to ours. Needs vLLM (the extra `vllm`).

On two cores OpenMP lets threads wait less actively once two of them compute, so that its_hub's thread slows all that is
in the process: `--only ours` and `--only its_hub` give each a process of its own, and seconds.
"""

import argparse
import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from statistics import median
from typing import Any

from its_hub.api import AbstractLanguageModel, AbstractOutcomeRewardModel, AbstractProcessRewardModel
from its_hub.core.algorithms.beam_search import BeamSearch
from its_hub.core.algorithms.bon import BestOfN
from its_hub.core.lms.step_generation import StepGeneration
from its_hub.core.orchestrator import LMOrchestrator

import prms
import search
import verifiers
from bench.inputs.task import Task
from bench.tiny import load_task, weights_folder
from policies import EngineOptions
from policies.backends.vllm import VLLM
from policies.backends.vllm_engine import Request, reply_of
from policies.policy import Sampling
from verifiers import Problem, Scorer, Solution, Stop, split_steps

_END = "<end>"  # what a text has behind it where the model has ended it: its_hub looks for such a mark
_WIDTH, _EXPAND, _N = 4, 4, 16


@dataclass
class Texts:
    """The engine for callers that have texts: prompt and answer so far go in, a continuation comes out."""

    policy: VLLM
    sampling: Sampling
    tokens: int = 0

    def __post_init__(self) -> None:
        self._futures: dict[str, Future[str]] = {}
        self._arrived = threading.Condition()
        self._queue: list[tuple[Request, Future[str]]] = []
        self._open = True
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def request(self, prompt: str, said: str, stop: str | None) -> Request:
        """A request for what comes next."""
        ids = (*self.policy.prompt_ids(Problem("p", prompt)), *self.policy.encode(said))
        room = max(1, self.sampling.max_tokens - len(self.policy.encode(said)))
        ends = tuple(sorted(self.policy._ends))
        return Request(ids, room, temperature=self.sampling.temperature, stop=stop, ends=ends, logprobs=False)

    def text_of(self, output: Any) -> str:
        """What the engine has written, with the mark of an end."""
        ids = reply_of(output).ids
        self.tokens += len(ids)
        ended = ids[-1] in self.policy._ends or output.outputs[0].finish_reason == "length"
        return self.policy.cutter.decode(ids) + (_END if ended else "")

    def submit(self, request: Request) -> Future[str]:
        """As a server takes a request."""
        future: Future[str] = Future()
        with self._arrived:
            self._queue.append((request, future))
            self._arrived.notify()
        return future

    def _serve(self) -> None:
        engine = self.policy.engine
        while True:
            with self._arrived:
                while self._open and not self._queue and not self._futures:
                    self._arrived.wait()
                if not self._open:
                    return
                queue, self._queue = self._queue, []
            names = engine.start([request for request, _ in queue])
            self._futures.update(zip(names, [future for _, future in queue], strict=True))
            engine.step()
            for name, output in engine.ended(self._futures.keys()).items():
                self._futures.pop(name).set_result(self.text_of(output))

    def close(self) -> None:
        """End the thread."""
        with self._arrived:
            self._open = False
            self._arrived.notify()
        self._thread.join()


class EngineLM(AbstractLanguageModel):  # type: ignore[misc]
    """The engine as its_hub asks a language model."""

    def __init__(self, texts: Texts) -> None:
        self.texts = texts

    async def agenerate(self, messages: Any, stop: Any = None, **options: Any) -> Any:
        """One conversation or many at once."""
        if not isinstance(messages[0], list):
            return await self.agenerate_single(messages, stop, **options)
        return await asyncio.gather(*[self.agenerate_single(m, stop, **options) for m in messages])

    async def agenerate_single(self, messages: Any, stop: Any = None, **options: Any) -> dict[str, str]:
        """One continuation."""
        said = messages[-1].content if messages[-1].role == "assistant" else ""
        text = await asyncio.wrap_future(self.texts.submit(self.texts.request(messages[0].content, said, stop)))
        return {"role": "assistant", "content": text}


class Orm(AbstractOutcomeRewardModel):  # type: ignore[misc]
    """Our ORM as its_hub asks one."""

    def __init__(self, scorer: Scorer) -> None:
        self.scorer = scorer

    def score(self, messages: Any, **options: Any) -> list[float]:
        """Conversations, the last message of each the solution."""
        problems = [Problem("p", m[0].content) for m in messages]
        return values(self.scorer, problems, [m[-1].content for m in messages])

    async def ascore(self, messages: Any, orchestrator: Any = None, **options: Any) -> list[float]:
        """As `score`."""
        return self.score(messages)


class Prm(AbstractProcessRewardModel):  # type: ignore[misc]
    """Our PRM as its_hub asks one: whole prefixes."""

    def __init__(self, scorer: Scorer) -> None:
        self.scorer = scorer

    def score(self, prompt: Any, steps: list[str]) -> list[float]:
        """The last step's score of each text."""
        return values(self.scorer, [Problem("p", prompt)] * len(steps), steps)

    async def ascore(self, prompt: Any, steps: list[str]) -> list[float]:
        """As `score`."""
        return self.score(prompt, steps)


def values(scorer: Scorer, problems: Sequence[Problem], texts: Sequence[str]) -> list[float]:
    """One number a text."""
    solutions = [as_solution(text) for text in texts]
    return [float(v) if v == v else -1.0 for v in scorer.score(problems, solutions).values()]


def as_solution(text: str) -> Solution:
    """A text as a solution of steps."""
    ended = text.endswith(_END)
    return Solution(split_steps(text.removesuffix(_END)), Stop.EOS if ended else Stop.OPEN)


def its_hub(texts: Texts, task: Task, algorithm: Any, *, together: bool) -> list[str]:
    """Its answers' texts, all problems at once or one by one."""
    lm = EngineLM(texts)

    async def solve() -> list[str]:
        calls = [algorithm.ainfer(lm, str(p.prompt), _N) for p in task.problems]
        replies = await asyncio.gather(*calls) if together else [await call for call in calls]
        return [reply["content"].removesuffix(_END) for reply in replies]

    return asyncio.run(solve())


def search_and_learn(texts: Texts, task: Task, prm: Scorer, max_steps: int) -> list[str]:
    """Its beam search: of `_N` beams the best `_WIDTH` go on, copied, until all have ended or the steps are over."""

    def solve(problem: Problem) -> str:
        beams = [""] * _N
        ended: list[tuple[float, str]] = []
        for _ in range(max_steps):
            pending = [texts.submit(texts.request(str(problem.prompt), beam, "\n")) for beam in beams]
            beams = [beam + future.result() for beam, future in zip(beams, pending, strict=True)]
            scores = values(prm, [problem] * len(beams), beams)
            ended += [(score, beam) for score, beam in zip(scores, beams, strict=True) if beam.endswith(_END)]
            going = sorted(
                ((score, beam) for score, beam in zip(scores, beams, strict=True) if not beam.endswith(_END)),
                key=lambda pair: -pair[0],
            )[:_WIDTH]
            if len(ended) >= _N or not going:
                break
            beams = [beam for _, beam in going for _ in range(_N // len(going))]
        return max(ended, default=(0.0, ""))[1].removesuffix(_END)

    return [solve(problem) for problem in task.problems]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problems", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--max-steps", type=int, default=12)
    parser.add_argument("--seeds", choices=("yes", "no"), default="yes", help="whether our rows have seeds")
    parser.add_argument(
        "--only",
        choices=("ours", "its_hub", "search-and-learn"),
        default="",
        help="those ways alone whose names begin so; then there are no ratios",
    )
    options = parser.parse_args()
    task = load_task("chain", count=options.problems)
    orm, prm = verifiers.ORM.load(weights_folder("orm")), prms.PRM.load(weights_folder("prm"))
    engine = EngineOptions(
        dtype="float32", eager=True, memory_bytes=2 << 30, max_rows=128, seeded=options.seeds == "yes"
    )
    with VLLM(weights_folder("policy"), options=engine) as policy:
        texts = Texts(policy, task.sampling)
        steps = StepGeneration(
            max_steps=options.max_steps,
            step_token="\n",  # noqa: S106  (no password)
            stop_token=_END,
            include_stop_str_in_output=True,
        )
        best = BestOfN(Orm(orm), LMOrchestrator(max_concurrency=-1))
        beam = BeamSearch(steps, Prm(prm), beam_width=_WIDTH)
        common = {"answers": task.answers, "sampling": task.sampling}
        ways: dict[str, dict[str, Callable[[], tuple[list[str], float]]]] = {
            "Best-of-16": {
                "ours": lambda: told(search.best_of_n(task.problems, policy, orm, n=_N, **common)),
                "its_hub, together": lambda: counted(texts, lambda: its_hub(texts, task, best, together=True)),
                "its_hub, one by one": lambda: counted(texts, lambda: its_hub(texts, task, best, together=False)),
            },
            "beam 4x4": {
                "ours": lambda: told(
                    search.beam_search(
                        task.problems, policy, prm, width=_WIDTH, expand=_EXPAND, max_steps=options.max_steps, **common
                    )
                ),
                "its_hub, together": lambda: counted(texts, lambda: its_hub(texts, task, beam, together=True)),
                "its_hub, one by one": lambda: counted(texts, lambda: its_hub(texts, task, beam, together=False)),
                "search-and-learn": lambda: counted(
                    texts, lambda: search_and_learn(texts, task, prm, options.max_steps)
                ),
            },
        }
        for method, all_ways in ways.items():
            of_method = {way: solve for way, solve in all_ways.items() if way.startswith(options.only)}
            seconds: dict[str, list[float]] = {way: [] for way in of_method}
            for repeat in range(options.repeats + 1):
                for way, solve in of_method.items():
                    policy.engine.llm.reset_prefix_cache()
                    started = time.perf_counter()
                    said, tokens = solve()
                    took = time.perf_counter() - started
                    if repeat:  # the first warms up
                        seconds[way].append(took)
                    if repeat == options.repeats:
                        right = sum(
                            task.answers.extract(text) == p.answer for text, p in zip(said, task.problems, strict=True)
                        )
                        print(f"{method}, {way}: {took:.2f} s, {tokens:.0f} tokens, {right} of {len(said)} right")
            for way in of_method:
                if options.only:
                    times = seconds[way]
                    print(f"{method}, {way}: {median(times):.2f} s ({min(times):.2f}-{max(times):.2f})")
                    continue
                ratios = [theirs / ours for theirs, ours in zip(seconds[way], seconds["ours"], strict=True)]
                print(f"{method}, {way}: {median(ratios):.2f} times our time ({min(ratios):.2f}-{max(ratios):.2f})")
        texts.close()


def told(results: Sequence[search.SearchResult]) -> tuple[list[str], float]:
    """Texts and sampled tokens of our results."""
    texts = ["" if r.solution is None else r.solution.text for r in results]
    return texts, sum(r.spend.sampled_tokens for r in results)


def counted(texts: Texts, solve: Callable[[], list[str]]) -> tuple[list[str], float]:
    """Texts, and the tokens that the engine sampled for them."""
    before = texts.tokens
    return solve(), texts.tokens - before


if __name__ == "__main__":
    main()
