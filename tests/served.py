"""A small server of OpenAI's protocol for tests: it says what a function tells it to, and breaks as it is told."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Said = tuple[str, bool]  # a text, and whether it is whole: else it is cut at its length


class Served:
    """What is served: `reply(prompt, seed)` is the whole text behind a prompt, of which a token is a character.

    `fault(body, time)` names what goes wrong with a request that was sent for this time, from 0 on: a status, maybe
    with a text behind it, or another fault. Speaking `like` "vllm" it tells what stopped a text and goes on from an
    assistant's message, like "plain" neither; like "trims" it goes on from that message without the white space round
    it, like "null" it tells at every reply that no text stopped it. What stands in a prompt behind the first `mark` is
    taken for what was said already. `names` are its models'.
    """

    def __init__(
        self,
        reply: Callable[[str, int], str],
        *,
        like: str = "plain",
        fault: Callable[[dict[str, Any], int], str | None] = lambda body, time: None,
        key: str | None = None,
        seconds: float = 0.0,
        likely: Callable[[str], dict[str, float]] | None = None,
        mark: str = "?",
        names: Sequence[str] = ("toy", "other"),
    ) -> None:
        self.reply, self.like, self.fault, self.key = reply, like, fault, key
        self.seconds, self.likely, self.mark, self.names = seconds, likely, mark, names
        self.bodies: list[dict[str, Any]] = []
        self.closed = 0  # requests whose client went away
        self.at_once = self.most_at_once = 0
        self.turn = threading.Lock()
        self.times: Counter[str] = Counter()
        self.url = ""

    def listed(self) -> tuple[int, object]:
        """The list of models, with its status."""
        owner = {"vllm": "vllm"}.get(self.like, "someone")
        return 200, {"data": [{"id": name, "owned_by": owner} for name in self.names]}

    def pooled(self, body: dict[str, Any]) -> dict[str, Any]:
        """What a PRM says of ids: as many tags as `likely` names, with its probabilities of good."""
        good = list((self.likely or (lambda ids: {}))(str(body["input"])).values())
        return {"model": body["model"], "data": [{"index": 0, "data": [[1 - p, p] for p in good]}]}

    def said(self, body: dict[str, Any]) -> dict[str, Any]:
        """The reply to a request, as JSON."""
        chat = "messages" in body
        if chat:
            *turns, last = body["messages"]
            goes_on = last["role"] == "assistant" and body.get("continue_final_message", False)
            shown = [*turns, last] if not goes_on else turns
            prompt = "\n".join(f"{turn['role']}: {turn['content']}" for turn in shown)
            begun = last["content"] if goes_on else ""
            begun = begun.strip() if self.like == "trims" else begun
        else:
            prompt, begun = body["prompt"], ""
            if self.mark:
                problem, mark, begun = prompt.partition(self.mark)
                prompt = problem + mark
        whole = self.reply(prompt, body.get("seed", 0))
        text = whole.removeprefix(begun)
        stopped = None
        for stop in body.get("stop") or ():
            if stop in text:
                text, stopped = text[: text.index(stop)], stop
        cut = len(text) > body["max_tokens"]
        text = text[: body["max_tokens"]]
        choice: dict[str, Any] = {"index": 0, "finish_reason": "length" if cut else "stop"}
        choice |= {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
        if self.like != "plain":
            choice["stop_reason"] = None if cut or self.like == "null" else stopped
        if body.get("logprobs") and self.likely is not None:
            choice["logprobs"] = _logprobs(begun, text, self.likely, chat)
        usage = {"prompt_tokens": len(prompt) + len(begun), "completion_tokens": len(text) + (not cut)}
        usage["prompt_tokens_details"] = {"cached_tokens": len(begun)}
        return {"model": body["model"], "choices": [choice], "usage": usage}


def _logprobs(begun: str, text: str, likely: Callable[[str], dict[str, float]], chat: bool) -> dict[str, Any]:
    """Of tokens that are words with the blank before them."""
    tokens = [word for word in text.replace(" ", "\0 ").replace("\n", "\0\n").split("\0") if word]
    tops, at = [], 0
    for token in tokens:
        tops.append({token: -0.01, **likely(begun + text[:at])})
        at += len(token)
    if chat:
        listed = [[{"token": t, "logprob": p} for t, p in top.items()] for top in tops]
        return {
            "content": [
                {"token": token, "logprob": -0.01, "top_logprobs": top}
                for token, top in zip(tokens, listed, strict=True)
            ]
        }
    return {"tokens": tokens, "token_logprobs": [-0.01] * len(tokens), "top_logprobs": tops}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024  # of five, a busy machine drops the connections that come at once


@contextmanager
def serving(served: Served) -> Iterator[Served]:
    """The server on a free port, as long as this lasts; its address is `served.url`."""

    connections: list[socket.socket] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            connections.append(self.connection)

        def log_message(self, *_: object) -> None: ...

        def do_GET(self) -> None:
            self.answer(*(served.listed() if self.path == "/v1/models" else (404, {"detail": "Not Found"})))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with served.turn:
                served.bodies.append(body)
                served.at_once += 1
                served.most_at_once = max(served.most_at_once, served.at_once)
                key = json.dumps(body)
                time_, served.times[key] = served.times[key], served.times[key] + 1
            try:
                if served.seconds:
                    self.wait(served.seconds)
                self.answer_or_break(body, served.fault(body, time_))
            except (BrokenPipeError, ConnectionResetError):
                served.closed += 1
            finally:
                with served.turn:
                    served.at_once -= 1

        def wait(self, seconds: float) -> None:
            """Wait as long as the client does, which closes its connection when it does not want the answer."""
            until = time.monotonic() + seconds
            self.connection.settimeout(0.01)
            while time.monotonic() < until:
                try:
                    if not self.connection.recv(1, socket.MSG_PEEK):
                        raise BrokenPipeError
                except TimeoutError:
                    continue
            self.connection.settimeout(None)

        def answer_or_break(self, body: dict[str, Any], fault: str | None) -> None:
            if served.key is not None and self.headers["authorization"] != f"Bearer {served.key}":
                self.answer(401, {"error": {"message": f"no such key: {self.headers['authorization']}"}})
            elif fault and fault[:3].isdigit():
                self.answer(int(fault[:3]), fault[4:] or {"error": {"message": "so it is"}})
            elif fault == "later":
                self.answer(429, {"error": {"message": "slow down"}}, {"retry-after": "0.05"})
            elif fault == "echo":
                self.answer(200, f"You sent {self.headers['authorization']}")
            elif fault == "hang":
                self.wait(20)
            elif fault == "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
                self.close_connection = True
            else:
                try:
                    said = served.pooled(body) if self.path == "/pooling" else served.said(body)
                except Exception as error:  # noqa: BLE001  (a test's own mistake, which is not tried again)
                    return self.answer(400, {"error": {"message": f"{type(error).__name__}: {error}"}})
                if fault == "usage":
                    del said["usage"]
                elif fault == "empty":
                    said["choices"] = []
                elif fault == "model":
                    said["model"] = "other"
                self.answer(200, said, half=fault == "half")
            return None

        def answer(self, status: int, said: object, more: Mapping[str, str] | None = None, half: bool = False) -> None:
            data = (said if isinstance(said, str) else json.dumps(said)).encode()
            data = data[: len(data) // 2] if half else data
            self.send_response(status)
            for name, value in {"content-type": "application/json", **(more or {})}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    server = _Server(("127.0.0.1", 0), Handler)
    server.handle_error = lambda request, address: None  # type: ignore[method-assign]  # clients that went away
    served.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        for connection in connections:  # which clients keep open
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        thread.join()
