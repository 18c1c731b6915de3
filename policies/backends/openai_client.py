"""Servers that speak OpenAI's protocol: addresses, keys, and requests that are tried again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import re
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from math import nan
from typing import Any, TypeVar

from policies.backends.servers.replies import BadReplyError, Json, NoAnswerError, reply_of, sound, spend_of
from policies.backends.servers.start import Card, all_have, cards_of, check_address, instead, key_in, near
from verifiers.interface.arguments import check_kind, check_rows
from verifiers.interface.errors import BadInput, EngineStoppedError, check_finite, check_least
from verifiers.interface.scoring import ZERO, Spend

T = TypeVar("T")

OFFICIAL = "https://api.openai.com/v1"
_KEY_ENV = "OPENAI_API_KEY"
_AGAIN = (408, 409, 425, 429)  # and all from 500 on: what another try may mend
_NEVER = (401, 404)  # what every request will be answered with, if the first ones are; a 403 may be of one prompt
_BESIDE = ("/pooling",)  # what vLLM's server has beside /v1
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 30.0  # seconds
_LONGEST_ASKED_WAIT = 300.0  # that a server may ask for with Retry-After
_LONGEST_START = 30.0  # that a server may take to say what it has
_UNTOLD = Spend(
    prompt_tokens=nan, sampled_tokens=nan, policy_flops=nan, prompt_flops=nan
)  # the cost of what nobody heard the end of


@dataclass(slots=True, eq=False)
class _Address:
    url: str
    client: Any
    lists: str | None = None  # other models, and not the one that is asked for
    under_way: list[int] = field(default_factory=list)  # of each request how many rests had begun when it was sent
    answers: int = 0
    failures: int = 0  # since it last answered
    rests: int = 0
    rests_until: float = 0.0
    busy: bool = False  # it rests because it wants to: it is not asked meanwhile


@dataclass(frozen=True, slots=True)
class _Failure:
    said: str
    status: int | None = None
    again: bool = False  # whether another try may be answered
    never: bool = False  # whether no request will be
    busy: bool = False  # whether the server asks to be left alone
    wait: float = 0.0  # the seconds that it named
    cost: Spend = ZERO
    is_reply: bool = False


@dataclass(eq=False)
class Servers:
    """One or more addresses of one model, of which each request goes to the one with the fewest in flight.

    A request is tried `tries` times, each at most `seconds` long: again after 408, 409, 425, 429, 5xx, a time-out, a
    broken connection and a reply that is no answer, after a wait that doubles, of random length. At most `connections`
    are in flight. An address that fails rests, and others are asked meanwhile: one that refuses a request for good
    (another 4xx) loses it to the next, and one that asks to be left alone (429, Retry-After) is, by all requests: as
    long as it answers others, or works on what it was sent before it rested, tries there are not counted. Raises
    BadInput for an address that is none.
    """

    urls: Sequence[str]
    key_env: str | None = None  # OPENAI_API_KEY, which need not be set
    connections: int = 64
    seconds: float = 600.0
    tries: int = 6
    replied: bool = False  # whether any request ever was, be it by a refusal that says nothing of the others
    _never: str | None = None  # why none will be
    _addresses: list[_Address] = field(default_factory=list)

    def __post_init__(self) -> None:
        check_least(1, {"connections": self.connections, "tries": self.tries}, who="OpenAI")
        check_finite({"seconds": self.seconds}, who="OpenAI")
        if not self.seconds > 0:
            raise BadInput(f"OpenAI(seconds={self.seconds!r}): it must be a number of seconds above 0")
        try:
            import openai
        except ImportError as error:
            raise ImportError(f"openai cannot be imported ({error}): pip install 'stepbeam[openai]'") from error
        self._openai = openai
        check_kind(
            "key_env", self.key_env, str | None, "give the name of the environment's variable that holds the key"
        )
        self._key_env = _KEY_ENV if self.key_env is None else self.key_env
        self._key = key_in(self._key_env)
        if not self._key and self.key_env is not None:
            raise BadInput(f"key_env {self.key_env}: this environment variable holds no key; set it, or leave it out")
        for url in self.urls:
            check_address(url)
            if not self._key and url == OFFICIAL:
                raise BadInput(
                    f"{url}: there is no key in the environment: set {self._key_env}, or name a server of your own "
                    "with base_url="
                )
        self._turn = asyncio.Semaphore(self.connections)
        for url in self.urls:
            try:
                client = openai.AsyncOpenAI(
                    api_key=self._key or "EMPTY", base_url=url, max_retries=0, timeout=self.seconds
                )
            except Exception as error:
                raise BadInput(f"base_url {url!r}: it is no address ({self._safe(error)})") from error
            self._addresses.append(_Address(url, client))

    @classmethod
    def at(cls, base_url: str | Sequence[str] | None = None, **options: Any) -> Servers:
        """The servers of one address or several; without one that of OPENAI_BASE_URL, else OpenAI's own.

        Raises BadInput where one is given and empty: the key would go to another's server.
        """
        given = (os.environ.get("OPENAI_BASE_URL") or OFFICIAL) if base_url is None else base_url
        told = "give an address such as http://localhost:8000/v1, or a list of such"
        urls = [
            url.rstrip("/")
            for url in check_rows([given] if isinstance(given, str) else given, str, told, name="base_url")
        ]
        if not all(urls) or not urls:
            raise BadInput("base_url is empty: give an address such as http://localhost:8000/v1, or leave it out")
        return cls(urls, **options)

    def lost(self) -> str | None:
        """Why no request will ever be answered, None as long as one was or may be."""
        return None if self.replied else self._never

    def check_there(self) -> None:
        """Raise EngineStoppedError where no request will ever be answered: to be asked when a call has ended."""
        if (why := self.lost()) is not None:
            raise EngineStoppedError(why)

    async def listed(self, model: str) -> list[Card]:
        """The models that the servers say they have; nothing of one that does not say.

        Warns of an address that lists other models only. Raises BadInput where none can be asked, one takes no key, or
        one lacks the model that others have.
        """
        said = await asyncio.gather(*map(self._listed, self._addresses))
        rows = list(zip(self._addresses, said, strict=True))
        failures = [(address, failure) for address, failure in rows if isinstance(failure, _Failure)]
        for address, failure in failures:
            if len(failures) == len(rows) or not failure.again:  # else others stand in for it, until it is there
                raise BadInput(f"{address.url}: {failure.said}{self._advice(failure, address)}")
        for address, failure in failures:
            told = f"{address.url}: {failure.said}; others are asked, and it as soon as it answers"
            warnings.warn(told, stacklevel=1)  # the caller is the event loop
        listed = [(address.url, cards) for address, cards in rows if isinstance(cards, list)]
        all_have(model, listed)
        for address, cards in rows:
            if isinstance(cards, list) and (others := instead(model, cards)) is not None:
                address.lists = others
                told = f"{address.url} lists no model {model!r}, but {others}; what it answers may be another model's"
                warnings.warn(told, stacklevel=1)
        return [card for _, cards in listed for card in cards]

    async def _listed(self, address: _Address) -> list[Card] | _Failure:
        seconds = min(self.seconds, _LONGEST_START)
        for tried in range(3):
            try:
                async with asyncio.timeout(seconds):
                    text = await address.client.get("/models", cast_to=str)
                return cards_of(reply_of(text))
            except Exception as error:  # noqa: BLE001  (sorted out below)
                failure = self._failure(error, seconds)
            is_page = failure.is_reply and failure.status is None and tried == 2
            if failure.status in (404, 405, 501) or is_page:
                if (fits := await self._fitting(address, seconds)) is not None:
                    raise BadInput(
                        f"base_url {address.url}: {failure.said} at /models; give {fits}, which lists models"
                    )
                return []
            if not failure.again or tried == 2:
                return failure
            await asyncio.sleep(min(self._wait(failure, tried), _LONGEST_START))
        raise AssertionError

    async def _fitting(self, address: _Address, seconds: float) -> str | None:
        """An address that lists models, of those that may have been meant by one that does not."""
        for url in near(address.url):
            with contextlib.suppress(Exception):  # it was a guess
                async with asyncio.timeout(seconds):
                    if cards_of(reply_of(await address.client.get(f"{url}/models", cast_to=str))):
                        return url
        return None

    async def post(self, path: str, body: Json, read: Callable[[Json], T], *, who: str) -> tuple[T, Spend]:
        """What `read` makes of the reply, and what tries before it cost. `who` is for messages.

        `read` raises BadReplyError where the reply is no answer. Raises NoAnswerError after the last try, and BadInput
        for a body that cannot be sent.
        """
        try:
            json.dumps(body, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise BadInput(f"{who}: what is asked cannot be written as JSON ({error}): mend the arguments") from error
        sent = tried = 0
        answers: dict[_Address, int] = {}  # of addresses that were busy, when this request was last there
        refused: list[_Address] = []
        cost = ZERO
        while True:
            async with self._turn:
                address = await self._chosen(refused)
                mine = address.rests
                address.under_way.append(mine)
                try:
                    answer = await self._sent(address, path, body, read)
                except Exception as error:  # noqa: BLE001  (sorted out below)
                    failure = self._failure(error, self.seconds)
                else:
                    self.replied = True
                    address.answers += 1
                    address.failures = 0
                    if not address.busy:  # what was under way is answered all the same
                        address.rests_until = 0.0
                    return answer, cost
                finally:
                    address.under_way.remove(mine)
            sent += 1
            cost += failure.cost
            self._note(address, failure, path)
            if failure.again:
                works = address.answers > answers.get(address, 0) or min(address.under_way, default=mine) < mine
                tried += not (failure.busy and works)
                answers[address] = address.answers
                ended = tried == self.tries
            else:
                refused.append(address)
                ended = failure.status is None or len(refused) == len(self._addresses)
            if ended:
                times = f" (tried {sent} times)" if sent > 1 else ""
                raise NoAnswerError(f"{who}: {address.url}: {failure.said}{times}", failure.status, cost) from None
            if failure.again and not failure.busy:
                await asyncio.sleep(self._wait(failure, tried - 1))

    async def _sent(self, address: _Address, path: str, body: Json, read: Callable[[Json], T]) -> T:
        async with asyncio.timeout(self.seconds):
            url = address.url.removesuffix("/v1") + path if path in _BESIDE else path
            text = await address.client.post(url, body=body, cast_to=str)
        reply = reply_of(text)
        try:
            return read(reply)
        except BadReplyError as error:
            error.cost = replace(spend_of(reply), policy_calls=0)
            raise

    async def _chosen(self, refused: Sequence[_Address]) -> _Address:
        """The address that rests the least, and of these the one with the fewest in flight, when it may be asked."""
        while True:
            now = time.monotonic()
            able = [address for address in self._addresses if address not in refused]
            address = min(able, key=lambda a: (max(0.0, a.rests_until - now), len(a.under_way)))
            if not address.busy or address.rests_until <= now:
                return address
            await asyncio.sleep(address.rests_until - now)

    def _note(self, address: _Address, failure: _Failure, path: str) -> None:
        """Let an address rest that failed; what was in flight beside this request and fails too is the same failure."""
        now = time.monotonic()
        if now >= address.rests_until and (failure.again or failure.status is not None):
            address.failures += 1
            address.rests += 1
            address.rests_until, address.busy = now + self._wait(failure, address.failures), failure.busy
        elif failure.wait > 0:
            address.rests_until, address.busy = max(address.rests_until, now + self._wait(failure, 0)), True
        if failure.never:
            self._never = f"{address.url}: {failure.said}{self._advice(failure, address, path)}"
        elif failure.is_reply:
            self.replied = True

    async def close(self) -> None:
        """Close every connection."""
        for address in self._addresses:
            await address.client.close()

    def _wait(self, failure: _Failure, tried: int) -> float:
        if failure.wait > 0:
            return min(failure.wait, _LONGEST_ASKED_WAIT) * random.uniform(1.0, 1.1)
        return min(_FIRST_WAIT * 2.0 ** min(tried, 30), _LONGEST_WAIT) * random.uniform(0.5, 1.0)

    def _failure(self, error: Exception, seconds: float) -> _Failure:
        openai = self._openai
        if isinstance(error, openai.APITimeoutError | TimeoutError):
            return _Failure(f"no answer within {seconds:g} seconds", again=True, cost=_UNTOLD)
        if isinstance(error, openai.APIConnectionError):
            cause = error.__cause__ or error
            said = self._safe(cause)
            absent = "Connect" in type(cause).__name__  # as httpx calls what kept it from connecting
            cost = ZERO if absent else _UNTOLD
            return _Failure(f"the connection failed ({said})", again=True, never=absent, cost=cost)
        if isinstance(error, openai.APIStatusError):
            status = error.status_code
            again = (status in _AGAIN or status >= 500) and error.code != "insufficient_quota"
            said, wait = f"HTTP {status} ({self._safe(error)})", _asked_wait(error.response.headers)
            busy = again and (status == 429 or wait > 0)
            return _Failure(said, status, again, status in _NEVER, busy, wait, is_reply=True)
        if isinstance(error, UnicodeError):
            return _Failure(f"the request cannot be written in UTF-8 ({self._safe(error)})")
        if isinstance(error, ValueError):  # ours, and what JSON that is none raises
            known = error if isinstance(error, BadReplyError) else BadReplyError(str(error))
            said = f"its reply is no answer ({self._safe(error)})"
            return _Failure(said, again=known.again, cost=known.cost or _UNTOLD, is_reply=True)
        raise error

    def _safe(self, error: BaseException) -> str:
        """What an error says, in one line and without the key, which some servers repeat."""
        inner = getattr(error, "body", None)  # of a reply's JSON what stands at "error", if anything
        named = [inner.get(name) for name in ("message", "detail", "msg")] if isinstance(inner, dict) else []
        texts = [text for text in named if isinstance(text, str) and text.strip()]
        told = next(filter(None, [*texts, *(other for other in named if not isinstance(other, str)), inner]), "")
        said = (told if isinstance(told, str) else json.dumps(told, ensure_ascii=False)).strip() or str(error)
        if self._key:  # plain or escaped, as JSON does with quotes
            said = re.sub(r"\\*".join(map(re.escape, self._key)), "***", said)
        return sound(" ".join(said.split()) or type(error).__name__)[:200]

    def _advice(self, failure: _Failure, address: _Address, path: str = "") -> str:
        if failure.status in (401, 403):
            return f": set {self._key_env} to a key that it takes"
        if failure.status == 404:
            lacks = "; or leave out chat=no, where the server has no /completions" if path == "/completions" else ""
            has = "" if address.lists is None else f" ({address.lists})"
            ends = "and an address that ends as its own does (often in /v1)"
            return f": name a model that the server has{has}, {ends}{lacks}"
        return ": start the server, or mend base_url"


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
