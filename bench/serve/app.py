"""The server's routes: each completion is a search of one session, ended when its client hangs up."""

import asyncio
import contextlib
import hmac
import math
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from bench.serve.limits import Limits
from bench.serve.metrics import Metrics
from bench.serve.replies import chunks, completion, error, event
from bench.serve.requests import Asked, UnknownModelError, read_request
from bench.serve.strategies import ServedStrategy, start
from policies.policy import Sampling
from search import Budget, Pending, SearchResult, Session
from verifiers.interface.errors import BadArgument, BadInput
from verifiers.interface.scoring import Scorer
from verifiers.interface.solution import Stop

_KEEP_ALIVE = 5.0  # seconds between signs of life while an answer is searched for
_HUNG_UP = 499


@dataclass(slots=True)
class Service:
    """What answers requests: a session, its scorers by name, the strategy where a request names none, and limits."""

    session: Session
    model: str
    strategy: ServedStrategy
    scorers: Mapping[str, Scorer] = field(default_factory=dict)
    sampling: Sampling = field(default_factory=Sampling)
    limits: Limits = field(default_factory=Limits)
    key: str | None = field(default=None, repr=False)
    keep_alive: float = _KEEP_ALIVE
    metrics: Metrics = field(default_factory=Metrics)

    def begin(self, asked: Asked) -> Pending:
        """Start the search that a request asks for."""
        budget = Budget(seconds=self.limits.seconds)
        return start(
            self.session,
            asked.how,
            self.scorers,
            asked.problem,
            sampling=asked.sampling,
            budget=budget,
            seed=asked.seed,
        )


class _Refused(Exception):  # noqa: N818  (an answer, not an error of ours)
    """A request that is not searched for, and the answer to it."""

    def __init__(self, status: int, message: str, *, param: str | None = None, **headers: str) -> None:
        super().__init__(message)
        kind = "server_error" if status >= 500 else "rate_limit_error" if status == 429 else "invalid_request_error"
        self.status, self.headers = status, headers
        self.content = error(message, kind=kind, param=param)

    def reply(self) -> JSONResponse:
        return JSONResponse(self.content, self.status, {name.replace("_", "-"): v for name, v in self.headers.items()})


def make_app(service: Service) -> FastAPI:
    """The application, for uvicorn or a test's client; its end cancels what is under way and closes the session."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(service.session.close, cancel=True)

    app = FastAPI(title="stepbeam", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    turns = _Turns(service)

    @app.post("/v1/chat/completions")
    async def complete(request: Request) -> Response:
        began = time.monotonic()
        try:
            _check_key(request, service.key)
            asked = await _asked(request, service)
            turns.check_room()
        except _Refused as refused:
            service.metrics.answered(refused.status, time.monotonic() - began)
            return refused.reply()
        name = f"chatcmpl-{secrets.token_hex(12)}"
        if asked.stream:
            events = _events(turns, asked, name, began)
            return StreamingResponse(events, media_type="text/event-stream", headers={"Cache-Control": "no-cache"})
        return await _whole(request, turns, asked, name, began)

    @app.get("/v1/models")
    async def models(request: Request) -> Response:
        try:
            _check_key(request, service.key)
        except _Refused as refused:
            return refused.reply()
        about = {"id": service.model, "object": "model", "created": 0, "owned_by": "stepbeam"}
        return JSONResponse({"object": "list", "data": [about]})

    @app.get("/health")
    async def health() -> Response:
        return JSONResponse({"status": "ok"})

    @app.get("/metrics")
    async def metrics() -> Response:
        return PlainTextResponse(service.metrics.text(), media_type="text/plain; version=0.0.4")

    return app


class _Turns:
    """Requests at work and in line; used by the event loop alone."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._free = asyncio.Semaphore(service.limits.running)
        self._running = self._waiting = 0
        self._seconds = 1.0  # of a search, as a running mean

    def check_room(self) -> None:
        """Refuse a request where too many wait."""
        if self._running >= self.service.limits.running and self._waiting >= self.service.limits.waiting:
            after = max(1, math.ceil(self._seconds * self._waiting / self.service.limits.running))
            raise _Refused(429, "too many requests are waiting; try again later", Retry_After=str(after))

    async def search(self, asked: Asked) -> SearchResult:
        """The result of a request's search, once it is its turn; cancelling the task cancels the search."""
        metrics = self.service.metrics
        self._waiting += 1
        metrics.waiting.set(self._waiting)
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1
            metrics.waiting.set(self._waiting)
        began = time.monotonic()
        self._running += 1
        metrics.running.set(self._running)
        try:
            result = await self.service.begin(asked)
        finally:
            self._running -= 1
            metrics.running.set(self._running)
            self._free.release()
        self._seconds += 0.1 * (time.monotonic() - began - self._seconds)
        metrics.spent(result.spend)
        if result.pool and all(solution.stop is Stop.FAILED for solution in result.pool):
            raise _Refused(502, f"no solution could be sampled: {result.reason}")
        return result


async def _whole(request: Request, turns: _Turns, asked: Asked, name: str, began: float) -> Response:
    service = turns.service
    searching = asyncio.ensure_future(_guarded(turns.search(asked)))
    gone = asyncio.ensure_future(request.receive())  # behind the body comes nothing but the end of the connection
    try:
        await asyncio.wait({searching, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not searching.done():
            service.metrics.answered(_HUNG_UP, time.monotonic() - began)
            return Response(status_code=_HUNG_UP)
        result = searching.result()
        reply = JSONResponse(completion(name, service.model, result, pool=asked.pool))
    except _Refused as refused:
        reply = refused.reply()
    finally:
        searching.cancel()
        gone.cancel()
    service.metrics.answered(reply.status_code, time.monotonic() - began)
    return reply


async def _events(turns: _Turns, asked: Asked, name: str, began: float) -> AsyncIterator[str]:
    """The answer's events, behind signs of life; closing it, as a client's hanging up does, cancels the search."""
    service = turns.service
    searching = asyncio.ensure_future(_guarded(turns.search(asked)))
    status = _HUNG_UP
    try:
        while not (await asyncio.wait({searching}, timeout=service.keep_alive))[0]:
            yield ": searching\n\n"
        result = searching.result()
        status = 200
        for part in chunks(name, service.model, result, pool=asked.pool, with_usage=asked.usage_in_stream):
            yield part
    except _Refused as refused:
        status = refused.status
        yield event(refused.content)  # the status line has been sent already
    finally:
        searching.cancel()
        service.metrics.answered(status, time.monotonic() - began)


async def _guarded(search: Any) -> SearchResult:
    """What a search gives; whatever it raises is an answer that says so."""
    try:
        result: SearchResult = await search
    except _Refused:
        raise
    except Exception as problem:
        raise _Refused(500, f"{type(problem).__name__}: {problem}") from problem
    return result


def _check_key(request: Request, key: str | None) -> None:
    given = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
    if key is not None and not hmac.compare_digest(given.encode(), key.encode()):
        raise _Refused(401, "the API key is missing or wrong", WWW_Authenticate="Bearer")


async def _asked(request: Request, service: Service) -> Asked:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > service.limits.body:
            raise _Refused(413, f"the body is over {service.limits.body} bytes, which is what this server reads")
    try:
        return read_request(
            bytes(body),
            model=service.model,
            default=service.strategy,
            scorers=service.scorers,
            sampling=service.sampling,
            limits=service.limits,
        )
    except UnknownModelError as complaint:
        raise _Refused(404, str(complaint), param="model") from None
    except BadArgument as complaint:
        raise _Refused(400, str(complaint), param=str(complaint.args[0])) from None
    except BadInput as complaint:
        raise _Refused(400, str(complaint)) from None
