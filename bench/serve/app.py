"""The server's routes: each completion is a search of one session, ended when its client hangs up."""

import asyncio
import contextlib
import hmac
import json
import logging
import math
import secrets
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from bench.serve.limits import Limits
from bench.serve.metrics import Metrics
from bench.serve.replies import chunks, completion, error, event
from bench.serve.requests import Asked, UnknownModelError, read_request
from bench.serve.strategies import ServedStrategy, start
from policies.policy import Sampling
from search import Budget, Pending, SearchResult, Session
from verifiers.interface.errors import BadArgument, BadInput, NoOpinionError
from verifiers.interface.scoring import Scorer
from verifiers.interface.solution import Refusal, Stop

_KEEP_ALIVE = 5.0  # seconds between signs of life while an answer is searched for
_HUNG_UP = 499
_LOGGED = 200  # characters of a reason in the log
_FOR_GOOD = {"x_should_retry": "false"}  # OpenAI's client would ask twice more, for what failed for good
_ROUTES = "POST /v1/chat/completions, GET /v1/models, /health and /metrics"
_ENDING = "the server is ending; ask again in a while, or another one"
_LOG = logging.getLogger("stepbeam.serve")


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
    since: int = field(default_factory=lambda: int(time.time()))

    def answered(self, status: int, began: float, refused: "_Refused | None" = None) -> None:
        """Count a request and log it: why it failed, and of what nobody foresaw the traceback."""
        seconds = time.monotonic() - began
        self.metrics.answered(status, seconds)
        level = logging.ERROR if status >= 500 else logging.INFO
        why = "" if refused is None else f": {' '.join(refused.logged.split())[:_LOGGED]}"
        _LOG.log(level, "%d in %.2f s%s", status, seconds, why, exc_info=refused and refused.__cause__)

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

    def __init__(
        self, status: int, message: str, *, param: str | None = None, logged: str | None = None, **headers: str
    ) -> None:
        super().__init__(message)
        self.logged = message if logged is None else logged  # without what a client wrote, be it a key or a forged line
        kind = "server_error" if status >= 500 else "rate_limit_error" if status == 429 else "invalid_request_error"
        self.status, self.headers = status, headers
        self.content = error(message, kind=kind, param=param)

    def reply(self) -> "Reply":
        return Reply(self.content, self.status, {name.replace("_", "-"): v for name, v in self.headers.items()})


class Reply(JSONResponse):
    """JSON in ASCII: an answer may hold half a character, which no other encoding takes."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, allow_nan=False).encode("ascii")


def make_app(service: Service) -> FastAPI:
    """The application, for uvicorn or a test's client; its end cancels what is under way and closes the session."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(service.session.close, cancel=True)

    app = FastAPI(title="stepbeam", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    turns = _Turns(service)
    service.metrics.running.set_function(lambda: service.session.under_way)

    @app.post("/v1/chat/completions")
    async def complete(request: Request) -> Response:
        began = time.monotonic()
        try:
            _check_key(request, service.key)
            asked = await _asked(request, service)
            searching = turns.begin(asked)
        except ClientDisconnect:
            service.answered(_HUNG_UP, began)
            return Response(status_code=_HUNG_UP)
        except asyncio.CancelledError:  # the server ends, and the body is not all there
            return _refused(service, began, _ended())
        except _Refused as refused:
            return _refused(service, began, refused)
        name = f"chatcmpl-{secrets.token_hex(12)}"
        if asked.stream:
            return _Events(service, searching, asked, name, began)
        return await _whole(request, service, searching, asked, name, began)

    @app.get("/v1/models")
    @app.get("/v1/models/{name:path}")
    async def models(request: Request, name: str | None = None) -> Response:
        began = time.monotonic()
        try:
            _check_key(request, service.key)
            if name not in (None, service.model):
                raise _Refused(404, f"model {name!r}: this server has {service.model!r}", param="model", logged="model")
        except _Refused as refused:
            return _refused(service, began, refused)
        about = {"id": service.model, "object": "model", "created": service.since, "owned_by": "stepbeam"}
        return Reply({"object": "list", "data": [about]} if name is None else about)

    @app.get("/health")
    async def health() -> Response:
        return Reply({"status": "ok"})

    @app.get("/metrics")
    async def metrics() -> Response:
        return PlainTextResponse(service.metrics.text(), media_type="text/plain; version=0.0.4")

    @app.exception_handler(HTTPException)
    async def nowhere(request: Request, complaint: HTTPException) -> Response:
        said = f"{request.method} {request.url.path}: {complaint.detail}; this server has {_ROUTES}"
        refused = _Refused(complaint.status_code, said, logged=complaint.detail, **(complaint.headers or {}))
        return _refused(service, time.monotonic(), refused)

    return app


class _Turns:
    """Requests at work and in line; used by the event loop alone."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._free = asyncio.Semaphore(service.limits.running)
        self._taken = self._running = 0
        self._seconds = 1.0  # of a search, as a running mean

    def begin(self, asked: Asked) -> "asyncio.Task[SearchResult]":
        """Take a place for a request's search, which ends with its task; raises _Refused where none is left."""
        limits = self.service.limits
        if self._taken >= limits.running + limits.waiting:
            after = max(1, math.ceil(self._seconds * limits.waiting / limits.running))
            raise _Refused(429, "too many requests are waiting; try again later", Retry_After=str(after))
        self._taken += 1
        searching = asyncio.ensure_future(_guarded(self._search(asked), self._chosen_by(asked)))
        searching.add_done_callback(self._leave)  # which comes, even where the task never ran
        self._note()
        return searching

    def _chosen_by(self, asked: Asked) -> str | None:
        """The field of a request that chose what others do not have, None where it is as plain as can be."""
        if asked.how is not self.service.strategy:
            return "strategy"
        return None if isinstance(asked.problem.prompt, str) else "messages"

    def _leave(self, _: object) -> None:
        self._taken -= 1
        self._note()

    def _note(self) -> None:
        self.service.metrics.waiting.set(self._taken - self._running)

    async def _search(self, asked: Asked) -> SearchResult:
        async with self._free:
            began = time.monotonic()
            self._running += 1
            self._note()
            try:
                result = await self.service.begin(asked)
            finally:
                self._running -= 1
        self._seconds += 0.1 * (time.monotonic() - began - self._seconds)
        self.service.metrics.spent(result.spend)
        if all(solution.stop is Stop.FAILED for solution in result.pool):  # or there is none
            drawn = result.pool or [node.solution for node in result.tree]
            _refuse([solution.reason for solution in drawn])
            raise _Refused(502, f"no solution could be sampled: {result.reason}")
        if result.solution is None and any(solution.finished for solution in result.pool):
            pool = zip(result.pool, result.scores.reasons, strict=True)
            _refuse([reason for solution, reason in pool if solution.finished])
            raise _Refused(502, f"no solution could be chosen: {result.reason}", **_FOR_GOOD)
        return result


class _Events(StreamingResponse):
    """The answer's events, behind signs of life; the search ends with them, also where their client goes before."""

    def __init__(
        self, service: Service, searching: "asyncio.Task[SearchResult]", asked: Asked, name: str, began: float
    ) -> None:
        super().__init__(self._events(), media_type="text/event-stream", headers={"Cache-Control": "no-cache"})
        self._service, self._searching, self._asked, self._name, self._began = service, searching, asked, name, began
        self._status = _HUNG_UP  # unless it comes to more
        self._why: _Refused | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        except asyncio.CancelledError:  # the server ends; a client that hangs up cancels the events alone
            last = event(self._failed(_ended())).encode()
            await send({"type": "http.response.body", "body": last, "more_body": False})
        finally:
            self._searching.cancel()
            self._service.answered(self._status, self._began, self._why)

    async def _events(self) -> AsyncIterator[str]:
        service, asked = self._service, self._asked
        try:
            while not (await asyncio.wait({self._searching}, timeout=service.keep_alive))[0]:
                yield ": searching\n\n"
            result = self._searching.result()
            self._status = 200
            for part in chunks(self._name, service.model, result, pool=asked.pool, with_usage=asked.usage_in_stream):
                yield part
        except _Refused as refused:
            yield event(self._failed(refused))  # the status line has been sent already

    def _failed(self, refused: _Refused) -> Any:
        self._status, self._why = refused.status, refused
        return refused.content


async def _whole(
    request: Request,
    service: Service,
    searching: "asyncio.Task[SearchResult]",
    asked: Asked,
    name: str,
    began: float,
) -> Response:
    gone = asyncio.ensure_future(request.receive())  # behind the body comes nothing but the end of the connection
    try:
        await asyncio.wait({searching, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not searching.done():
            service.answered(_HUNG_UP, began)
            return Response(status_code=_HUNG_UP)
        reply = Reply(completion(name, service.model, searching.result(), pool=asked.pool))
        service.answered(reply.status_code, began)
    except asyncio.CancelledError:  # the server ends, and has waited as long as it may
        reply = _refused(service, began, _ended())
    except _Refused as refused:
        reply = _refused(service, began, refused)
    finally:
        searching.cancel()
        gone.cancel()
    return reply


def _ended() -> _Refused:
    return _Refused(503, _ENDING, Retry_After="1")


def _refused(service: Service, began: float, refused: _Refused) -> Reply:
    service.answered(refused.status, began, refused)
    return refused.reply()


def _refuse(reasons: Sequence[str | None]) -> None:
    """Raise _Refused where nothing came of any row for what the request is."""
    if reasons and all(isinstance(reason, Refusal) for reason in reasons):
        raise _Refused(400, str(reasons[0]), param="messages", logged="messages")


async def _guarded(search: Any, chosen_by: str | None) -> SearchResult:
    """What a search gives; whatever it raises is an answer that says so.

    What cannot be done as it was asked for is the request's fault where a field of its own (`chosen_by`) asked for it:
    a scorer without an opinion is that of who chose the strategy, whatever the messages are.
    """
    try:
        result: SearchResult = await search
    except _Refused:
        raise
    except Exception as problem:
        is_silent = chosen_by == "strategy" and isinstance(problem, NoOpinionError)
        if chosen_by and (is_silent or isinstance(problem, BadInput)):
            raise _Refused(400, str(problem), param=chosen_by, logged=chosen_by) from None
        raise _Refused(500, f"{type(problem).__name__}: {problem}", **_FOR_GOOD) from problem
    return result


def _check_key(request: Request, key: str | None) -> None:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    given = given.strip() if scheme.lower() == "bearer" else ""
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
        raise _Refused(404, str(complaint), param="model", logged="model") from None
    except BadArgument as complaint:
        param = str(complaint.args[0])
        raise _Refused(400, str(complaint), param=param, logged=param) from None
    except BadInput as complaint:
        raise _Refused(400, str(complaint)) from None
