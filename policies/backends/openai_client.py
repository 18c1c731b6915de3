"""Servers that speak OpenAI's protocol: addresses, keys, and requests that are tried again."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, TypeAlias, TypeVar
from urllib.parse import urlsplit

from verifiers.interface.errors import BadInput, EngineStoppedError, check_least

T = TypeVar("T")
Json: TypeAlias = Mapping[str, Any]

OFFICIAL = "https://api.openai.com/v1"
_AGAIN = (408, 409, 425, 429)  # and all from 500 on: what another try may mend
_NEVER = (401, 403, 404)  # what every request will be answered with, if one is
_BESIDE = ("/pooling",)  # what vLLM's server has beside /v1
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 30.0  # seconds
_LONGEST_ASKED_WAIT = 300.0  # that a server may ask for with Retry-After


class BadReplyError(ValueError):
    """A reply that is no answer: half of it, no choices, another model's."""


class NoAnswerError(RuntimeError):
    """A request that was not answered, and why; `status` is the server's, where it gave one."""

    def __init__(self, why: str, status: int | None = None) -> None:
        super().__init__(why)
        self.status = status


@dataclass(slots=True, eq=False)
class _Address:
    url: str
    client: Any
    in_flight: int = 0
    failures: int = 0  # since it last answered
    rests_until: float = 0.0


@dataclass(frozen=True, slots=True)
class _Failure:
    said: str
    status: int | None = None
    again: bool = False  # whether another try may be answered
    never: bool = False  # whether no request will be
    wait: float = 0.0  # seconds that the server asked for


@dataclass(eq=False)
class Servers:
    """One or more addresses of one model, of which each request goes to the one with the fewest in flight.

    A request is tried `tries` times, each at most `seconds` long: again after 408, 409, 425, 429, 5xx, a time-out, a
    broken connection and a reply that is no answer, after a wait that doubles, of random length, or that the server
    asks for. At most `connections` are in flight. Raises BadInput for an address that is none.
    """

    urls: Sequence[str]
    key_env: str = "OPENAI_API_KEY"
    connections: int = 64
    seconds: float = 600.0
    tries: int = 6
    answered: bool = False  # whether any request ever was
    _never: str | None = None  # why none will be
    _addresses: list[_Address] = field(default_factory=list)

    def __post_init__(self) -> None:
        check_least(1, {"connections": self.connections, "tries": self.tries}, who="OpenAI")
        if not 0 < self.seconds < float("inf"):
            raise BadInput(f"OpenAI(seconds={self.seconds!r}): it must be a number of seconds above 0")
        try:
            import openai
        except ImportError as error:
            raise ImportError(f"openai cannot be imported ({error}): pip install 'stepbeam[openai]'") from error
        self._openai = openai
        self._key = os.environ.get(self.key_env, "")
        for url in self.urls:
            _check_url(url)
            if not self._key and url == OFFICIAL:
                raise BadInput(f"{url}: there is no key in the environment: set {self.key_env}")
        self._turn = asyncio.Semaphore(self.connections)
        for url in self.urls:
            client = openai.AsyncOpenAI(api_key=self._key or "EMPTY", base_url=url, max_retries=0, timeout=self.seconds)
            self._addresses.append(_Address(url, client))

    @classmethod
    def at(cls, base_url: str | Sequence[str] | None = None, **options: Any) -> Servers:
        """The servers of one address or several; without one that of OPENAI_BASE_URL, else OpenAI's own."""
        given = base_url or os.environ.get("OPENAI_BASE_URL") or OFFICIAL
        return cls([url.rstrip("/") for url in ([given] if isinstance(given, str) else given)], **options)

    def lost(self) -> str | None:
        """Why no request will ever be answered, None as long as one was or may be."""
        return None if self.answered else self._never

    def check_there(self) -> None:
        """Raise EngineStoppedError where no request will ever be answered: to be asked when a call has ended."""
        if (why := self.lost()) is not None:
            raise EngineStoppedError(why)

    async def listed(self) -> list[Json]:
        """The models that the servers say they have; nothing of one that does not say.

        Raises BadInput where no address can be asked.
        """
        said = await asyncio.gather(*map(self._listed, self._addresses), return_exceptions=True)
        answers = [cards for cards in said if not isinstance(cards, BaseException)]
        if not answers:
            raise next(error for error in said if isinstance(error, BaseException))
        return [card for cards in answers for card in cards]

    async def _listed(self, address: _Address) -> list[Json]:
        for tried in range(3):
            try:
                async with asyncio.timeout(self.seconds):
                    reply = await address.client.get("/models", cast_to=object)
                cards = reply.get("data") if isinstance(reply, dict) else None
                return [card for card in cards or [] if isinstance(card, dict) and isinstance(card.get("id"), str)]
            except Exception as error:  # noqa: BLE001  (sorted out below)
                failure = self._failure(error)
                if failure.status in (404, 405, 501):
                    return []
                if not failure.again or tried == 2:
                    raise BadInput(f"{address.url}: {failure.said}{self._advice(failure)}") from None
                await asyncio.sleep(self._wait(failure, tried))
        raise AssertionError

    async def post(self, path: str, body: Json, read: Callable[[Json], T], *, who: str) -> T:
        """What `read` makes of the reply; it raises BadReplyError where that is no answer. `who` is for messages.

        Raises NoAnswerError after the last try.
        """
        for tried in range(self.tries):
            async with self._turn:
                address = self._chosen()
                address.in_flight += 1
                try:
                    async with asyncio.timeout(self.seconds):
                        url = address.url.removesuffix("/v1") + path if path in _BESIDE else path
                        reply = await address.client.post(url, body=body, cast_to=object)
                    if not isinstance(reply, dict):
                        raise BadReplyError(f"it is {str(reply)[:60]!r}, and no JSON object")
                    answer = read(reply)
                except Exception as error:  # noqa: BLE001  (sorted out below)
                    failure = self._failure(error)
                else:
                    self.answered = True
                    address.failures, address.rests_until = 0, 0.0
                    return answer
                finally:
                    address.in_flight -= 1
            wait = self._wait(failure, tried)
            if failure.again and (now := time.monotonic()) >= address.rests_until:
                # Others are asked meanwhile; where all rest, the one that is through first. What was in flight
                # beside this request and fails too is the same failure.
                address.failures += 1
                address.rests_until = now + self._wait(failure, address.failures)
            if failure.never:
                self._never = f"{address.url}: {failure.said}{self._advice(failure)}"
            if not failure.again or tried + 1 == self.tries:
                times = f" (tried {tried + 1} times)" if tried else ""
                raise NoAnswerError(f"{who}: {address.url}: {failure.said}{times}", failure.status) from None
            await asyncio.sleep(wait)
        raise AssertionError

    async def close(self) -> None:
        """Close every connection."""
        for address in self._addresses:
            await address.client.close()

    def _chosen(self) -> _Address:
        now = time.monotonic()
        return min(self._addresses, key=lambda a: (max(0.0, a.rests_until - now), a.in_flight))

    def _wait(self, failure: _Failure, tried: int) -> float:
        if failure.wait > 0:
            return min(failure.wait, _LONGEST_ASKED_WAIT) * random.uniform(1.0, 1.1)
        return min(_FIRST_WAIT * 2.0 ** min(tried, 30), _LONGEST_WAIT) * random.uniform(0.5, 1.0)

    def _failure(self, error: Exception) -> _Failure:
        openai = self._openai
        if isinstance(error, openai.APITimeoutError | TimeoutError):
            return _Failure(f"no answer within {self.seconds:g} seconds", again=True)
        if isinstance(error, openai.APIConnectionError):
            cause = error.__cause__ or error
            said = self._safe(cause)
            absent = "Connect" in type(cause).__name__  # as httpx calls what kept it from connecting
            return _Failure(f"the connection failed ({said})", again=True, never=absent)
        if isinstance(error, openai.APIStatusError):
            status = error.status_code
            again = (status in _AGAIN or status >= 500) and error.code != "insufficient_quota"
            said = f"HTTP {status} ({self._safe(error)})"
            return _Failure(said, status, again, status in _NEVER, _asked_wait(error.response.headers))
        if isinstance(error, UnicodeError):
            return _Failure(f"the request cannot be written in UTF-8 ({self._safe(error)})")
        if isinstance(error, ValueError):  # ours, and what JSON that is none raises
            return _Failure(f"its reply is no answer ({self._safe(error)})", again=True)
        raise error

    def _safe(self, error: BaseException) -> str:
        """What an error says, in one line and without the key, which some servers repeat."""
        body = getattr(error, "body", None)
        inner = body.get("error", body) if isinstance(body, dict) else None
        message = inner.get("message") if isinstance(inner, dict) else None
        said = message if isinstance(message, str) and message.strip() else str(error)
        line = next((line.strip() for line in said.splitlines() if line.strip()), type(error).__name__)
        return (line.replace(self._key, "***") if self._key else line)[:200]

    def _advice(self, failure: _Failure) -> str:
        if failure.status in (401, 403):
            return f": set {self.key_env} to a key that it takes"
        if failure.status == 404:
            return ": name a model that the server has, and an address that ends as its own does (often in /v1)"
        return ": start the server, or mend base_url"


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadInput(f"base_url {url!r}: it must be an address such as http://localhost:8000/v1")
    if parts.username or parts.password or parts.query:
        host = parts.hostname
        raise BadInput(f"base_url of {host}: keys do not belong into an address, which runs write down: use key_env")


def _asked_wait(headers: Mapping[str, str]) -> float:
    """The seconds that a server asks to be left alone for, 0 where it does not."""
    for name, per_second in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) / per_second
        except ValueError:
            continue
        return seconds if 0 < seconds < float("inf") else 0.0
    try:
        return max(0.0, parsedate_to_datetime(headers.get("retry-after", "")).timestamp() - time.time())
    except (ValueError, TypeError):
        return 0.0
