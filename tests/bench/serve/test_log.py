"""What the server logs: a line for a request, which a client can neither write in nor leave a secret in."""

import json
import logging
import socket
from typing import Any

import httpx2 as httpx
import pytest

import policies
from tests.bench.serve.test_serve import answer, asked, served, until, url_of
from verifiers import failed

FORGED = "x\n2026-11-29 00:00:00,000 200 in 0.01 s: forged"
SECRET: dict[str, tuple[dict[str, Any], str]] = {
    "a key": (asked(api_key="sk-word"), "api_key"),
    "a long name": (asked(**{"word\n" + "a" * 100: 1}), '"word'),
    "a prompt": (asked() | {"messages": [{"role": "user", "content": {"word": 1}}]}, "messages"),
    "a format": (asked(response_format={"type": "word"}), "response_format"),
    "a model": (asked() | {"model": "word"}, "model"),
    "a strategy": (asked(strategy=FORGED), "strategy"),
    "a scorer": (asked(strategy="best_of_n:word"), "strategy"),
}


@pytest.mark.parametrize("name", SECRET)
def test_a_refused_request_is_logged_by_the_name_of_its_field_alone(name: str, caplog: Any) -> None:
    body, field = SECRET[name]
    with caplog.at_level(logging.INFO, "stepbeam.serve"), served() as address:
        assert httpx.post(url_of(address), json=body).status_code in (400, 404)
    [line] = lines(caplog)
    assert line.startswith("40")
    assert line.partition(": ")[2].startswith(field.strip('"'))
    assert len(line) < 100
    assert "\n" not in line
    assert "forged" not in line
    assert name == "a long name" or "word" not in line


def lines(caplog: Any) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "stepbeam.serve"]


def test_what_no_route_takes_is_logged_without_its_path(caplog: Any) -> None:
    with caplog.at_level(logging.INFO, "stepbeam.serve"), served(key="sk-1") as address:
        httpx.get(f"{address}/word%0Aforged")
        httpx.get(url_of(address))
        httpx.get(f"{address}/models/word")
    said = [line.partition(": ")[2] for line in lines(caplog)]
    assert said == ["Not Found", "Method Not Allowed", "the API key is missing or wrong"]


def test_a_reason_is_one_line_that_is_not_long(caplog: Any) -> None:
    broken = policies.Scripted(lambda problem, prefix, seed: failed(f"HTTP 400 ({FORGED}{'z' * 1000})"))
    with served(broken) as address:
        httpx.post(url_of(address), json=asked())
    [line] = lines(caplog)
    assert "\n" not in line
    assert len(line) < 250


@pytest.mark.parametrize("strategy", ["best_of_n:two,n=" + "9" * 5000, "best_of_n:" + "x" * 5000, "x" * 5000])
def test_a_long_strategy_is_not_echoed_whole(strategy: str) -> None:
    with served() as address:
        reply = httpx.post(url_of(address), json=asked(strategy=strategy))
    assert reply.status_code == 400
    assert len(reply.text) < 300


def test_a_body_that_is_still_coming_when_the_server_ends_is_told_so(caplog: Any) -> None:
    body = json.dumps(asked()).encode()
    with served(policies.Scripted(answer), grace=0.2) as address:
        host, _, port = address.removeprefix("http://").removesuffix("/v1").partition(":")
        coming = socket.create_connection((host, int(port)), timeout=10)
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        coming.sendall(head.encode() + body[:5])
        until(lambda: httpx.get(address.removesuffix("/v1") + "/health").status_code == 200)
    reply = coming.makefile("rb").read().decode()
    coming.close()
    assert reply.startswith("HTTP/1.1 503")
    assert "retry-after: 1" in reply
    assert "the server is ending" in json.loads(reply.partition("\r\n\r\n")[2])["error"]["message"]
    assert [line.startswith("503") for line in lines(caplog)] == [True]
    assert not any(record.exc_info for record in caplog.records)
