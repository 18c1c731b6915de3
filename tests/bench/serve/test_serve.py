"""The server: answers, streams, limits, hung-up clients, and requests that are none."""

import asyncio
import json
import runpy
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
import uvicorn
from openai import APIStatusError, AsyncOpenAI, OpenAI

import policies
import search
import verifiers
from bench.commands.cli import main
from bench.serve.app import Service, make_app
from bench.serve.limits import Limits
from bench.serve.server import check_listens
from bench.serve.strategies import read_own_strategy, read_strategy
from bench.tasks.tasks import load_task
from tests.search.streaming_policy import Streaming
from tests.served import Served, serving
from tests.waiting import LONGEST, until
from verifiers import EXACT, Problem, Solution, Step, Stop, failed
from verifiers.interface.errors import BadArgument


def answer(problem: Problem, prefix: Solution, seed: int) -> str:
    """Two steps; the prompt is a part of the answer, so that a mixed-up one shows."""
    return f"I am asked {problem.prompt}\nso it is {problem.prompt}/{seed % 3}"[len(prefix.text) :]


SCORERS = {
    "two": verifiers.from_function(lambda problem, solution: float(solution.text.endswith("2"))),
    "steps": verifiers.from_steps(lambda problem, solution: [float(len(s.text)) for s in solution.steps]),
}


@contextmanager
def served(policy: Any = None, *, grace: float = 2.0, **options: Any) -> Iterator[str]:
    """A server on a port of its own; its address."""
    session = search.Session(policy or policies.Scripted(answer), answers=EXACT)
    options.setdefault("strategy", read_strategy("best_of_n:two,n=8", SCORERS, Limits()))
    service = Service(session, "tiny", scorers=SCORERS, **options)
    config = uvicorn.Config(make_app(service), log_level="error", timeout_graceful_shutdown=grace)  # type: ignore[arg-type]
    with socket.socket() as place:  # held from here on, or another process might take its port
        place.bind(("127.0.0.1", 0))
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([place],))
        thread.start()
        try:
            until(lambda: server.started)
            yield f"http://127.0.0.1:{place.getsockname()[1]}/v1"
        finally:
            server.should_exit = True
            thread.join()
    with pytest.raises(RuntimeError, match="closed"):
        session.sample(Problem("late", "?"), n=1)


def metrics_of(address: str) -> str:
    return httpx.get(address.removesuffix("/v1") + "/metrics").text


def hang_up(address: str, body: dict[str, Any], when: Callable[[], bool]) -> None:
    """Ask, and close the connection when this holds."""

    async def asking() -> None:
        async with httpx.AsyncClient(timeout=LONGEST) as http:
            task = asyncio.create_task(http.post(url_of(address), json=body))
            await asyncio.to_thread(until, when)
            assert not task.done()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(asking())


def client(address: str, key: str = "none") -> OpenAI:
    return OpenAI(base_url=address, api_key=key, max_retries=0)


def asked(text: str = "A", **options: Any) -> dict[str, Any]:
    return {"model": "tiny", "messages": [{"role": "user", "content": text}], **options}


def test_an_answer_is_the_search_s_with_all_that_was_spent() -> None:
    with served() as address:
        reply = client(address).chat.completions.create(**asked(seed=1))
        again = client(address).chat.completions.create(**asked(seed=1))
        assert [m.id for m in client(address).models.list()] == ["tiny"]
    assert reply.choices[0].message.content == "I am asked A\nso it is A/2"
    assert (reply.choices[0].finish_reason, reply.choices[0].index, reply.model) == ("stop", 0, "tiny")
    said = reply.model_extra["stepbeam"]
    assert said["answer"] == "so it is A/2"
    assert reply.usage.completion_tokens == said["spend"]["sampled_tokens"] > 8 * 20
    assert said["spend"]["scorer_calls"] == said["spend"]["policy_calls"] == 8
    assert again.choices == reply.choices
    assert again.id != reply.id


def test_a_request_chooses_its_strategy_and_sees_its_pool() -> None:
    with served() as address:
        create = client(address).chat.completions.create
        voted = create(**asked(), extra_body={"strategy": "self_consistency:n=5", "pool": True})
        beam = create(**asked(), extra_body={"strategy": "beam_search:steps,width=1,expand=2,max_steps=4"})
        weighted = create(**asked(seed=1), extra_body={"strategy": "weighted_majority:two,n=8"})
    pool = voted.model_extra["stepbeam"]["pool"]
    assert [row["score"] for row in pool] == [1.0] * 5
    assert {row["stop"] for row in pool} == {"eos"}
    assert all(row["steps"] == [None, 1.0] for row in pool)
    assert beam.model_extra["stepbeam"]["spend"]["policy_calls"] == 4
    assert weighted.choices[0].message.content.endswith("A/2")


def test_a_stream_gives_the_same_answer_step_by_step_behind_signs_of_life() -> None:
    go_on = threading.Event()
    go_on.set()

    class Waits(policies.Scripted):
        def extend(self, *rows: Any, **options: Any) -> policies.Extended:
            go_on.wait(LONGEST)
            return super().extend(*rows, **options)

    with served(Waits(answer), keep_alive=0.05) as address:
        whole = client(address).chat.completions.create(**asked(seed=3))
        events = list(
            client(address).chat.completions.create(
                **asked(seed=3, stream=True, stream_options={"include_usage": True})
            )
        )
        go_on.clear()
        raw = ""
        with httpx.stream("POST", url_of(address), json=asked(stream=True), timeout=LONGEST) as reply:
            for text in reply.iter_text():
                raw += text
                if raw.count(": searching\n\n") >= 2:
                    go_on.set()
    parts = [event.choices[0].delta.content for event in events if event.choices]
    assert [part for part in parts if part] == ["I am asked A\n", whole.choices[0].message.content.split("\n")[1]]
    assert events[-2].choices[0].finish_reason == "stop"
    assert events[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert raw.startswith(": searching\n\n: searching\n\n")
    assert raw.endswith("data: [DONE]\n\n")


def test_many_clients_at_once_each_get_their_own_answer() -> None:
    async def ask_all(address: str) -> list[tuple[str, str]]:
        async with AsyncOpenAI(base_url=address, api_key="none", max_retries=0) as many:

            async def ask(i: int) -> tuple[str, str]:
                reply = await many.chat.completions.create(**asked(f"Q{i}", stream=False))
                return f"Q{i}", reply.choices[0].message.content or ""

            return await asyncio.gather(*[ask(i) for i in range(100)])

    with served() as address:
        pairs = asyncio.run(ask_all(address))
    assert all(said.startswith(f"I am asked {question}\nso it is {question}/") for question, said in pairs)


BAD: dict[str, tuple[dict[str, Any] | bytes, int, str]] = {
    "no json": (b"{", 400, "the body is no JSON"),
    "deep": (b"[" * 100_000, 400, "the body is no JSON"),
    "no object": (b"[]", 400, "no JSON object"),
    "no messages": ({"model": "tiny"}, 400, "messages null: give a list"),
    "empty messages": ({"messages": []}, 400, "messages []: give a list"),
    "no text": ({"messages": [{"role": "user", "content": 3}]}, 400, "messages"),
    "an image": ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, 400, "messages"),
    "an unknown role": (
        {"messages": [{"role": "banana", "content": "A"}]},
        400,
        'messages "banana": this server knows no',
    ),
    "half a letter": (asked("A\ud800"), 400, "half a character; send it as UTF-8"),
    "a cold one": (asked(temperature=1e-300), 400, "temperature 1e-300: it must be 0 (greedy), or 1e-06 or more"),
    "stop as a number": (asked(stop=5), 400, "stop 5: this server does not do it"),
    "another model": (asked() | {"model": "gpt"}, 404, "model \"gpt\": this server has 'tiny'"),
    "many answers": (asked(n=2), 400, "n 2: one answer is given"),
    "stop": (asked(stop=["\n"]), 400, 'stop ["\\n"]: this server does not do it'),
    "tools": (asked(tools=[{}]), 400, "tools [{}]: this server does not do it"),
    "temperature": (asked(temperature=-1), 400, "temperature -1.0: it must be 0"),
    "temperature text": (asked(temperature="hot"), 400, 'temperature "hot": it must be a number'),
    "infinite": (b'{"messages":[{"role":"user","content":"A"}],"temperature":Infinity}', 400, "temperature"),
    "tokens": (asked(max_tokens=10**6), 400, "max_tokens 1000000: this server allows 4096"),
    "half a token": (asked(max_tokens=5.5), 400, "max_tokens 5.5: it must be a whole number"),
    "no tokens": (asked(max_tokens=0), 400, "max_tokens 0: it must be 1"),
    "seed": (asked(seed="x"), 400, 'seed "x": it must be a whole number'),
    "stream": (asked(stream="yes"), 400, "stream"),
    "strategy": (asked(strategy="best_of"), 400, "unknown method 'best_of'"),
    "strategy number": (asked(strategy=3), 400, "strategy 3"),
    "too many": (asked(strategy="best_of_n:two,n=65"), 400, "it draws 65 samples at a time; this server allows 64"),
    "too wide": (asked(strategy="beam_search:steps,width=9,expand=9"), 400, "it draws 81 samples"),
    "no scorer": (asked(strategy="best_of_n:orm"), 400, "no scorer 'orm' is loaded; there are two, steps"),
    "which scorer": (asked(strategy="best_of_n:n=4"), 400, "as in best_of_n:NAME; there are two, steps"),
    "option": (asked(strategy="best_of_n:two,m=3"), 400, "best_of_n has no m; it has n"),
    "no count": (asked(strategy="best_of_n:two,n=x"), 400, "use a whole number"),
    "two scorers": (asked(strategy="best_of_n:two,steps"), 400, "it names 2 scorers"),
    "a vote with one": (asked(strategy="self_consistency:two"), 400, "votes without a scorer"),
    "half a character": (asked(strategy="\ud800"), 400, "unknown method"),
    "a long number": (
        b'{"messages":[{"role":"user","content":"A"}],"temperature":1' + b"0" * 400 + b"}",
        400,
        "usual size",
    ),
    "a slip": (asked(stratgy="self_consistency"), 400, 'stratgy "self_consistency": this server does not know it'),
    "a penalty": (asked(repetition_penalty=1.1), 400, "repetition_penalty 1.1: this server does not do it"),
    "stream as a number": (asked(stream=1), 400, "stream 1: it must be true or false"),
    "huge": (b" " * 200_000, 413, "the body is over 150000 bytes"),
}


@pytest.fixture(scope="module")
def small() -> Iterator[str]:
    with served(limits=Limits(body=150_000)) as address:
        yield address


@pytest.mark.parametrize("name", BAD)
def test_a_request_that_is_none_is_told_why(small: str, name: str) -> None:
    body, status, words = BAD[name]
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    reply = httpx.post(f"{small}/chat/completions", content=content)
    assert reply.status_code == status
    assert words in reply.json()["error"]["message"]
    assert httpx.get(small.removesuffix("/v1") + "/health").json() == {"status": "ok"}


def test_a_key_is_asked_for_and_shown_nowhere() -> None:
    with served(key="sk-secret") as address:
        for key in ("", "none", "sk-secret-and-more"):
            reply = httpx.post(
                f"{address}/chat/completions", json=asked(), headers={"Authorization": f"Bearer {key}"} if key else {}
            )
            assert reply.status_code == 401
            assert "secret" not in reply.text.replace(key, "")
        assert httpx.get(f"{address}/models").status_code == 401
        assert client(address, "sk-secret").chat.completions.create(**asked()).choices
        metrics = httpx.get(address.removesuffix("/v1") + "/metrics").text
    assert 'stepbeam_requests_total{status="401"} 4.0' in metrics
    assert 'stepbeam_requests_total{status="200"} 1.0' in metrics
    assert "secret" not in metrics + repr(Service(search.Session(), "m", None, key="sk-secret"))  # type: ignore[arg-type]


def test_beyond_the_limits_a_client_is_told_to_come_again() -> None:
    held = Streaming(policies.Scripted(answer), holds=lambda problem: problem.prompt == "hold")
    with served(held, limits=Limits(running=1, waiting=1)) as address:

        async def crowd() -> tuple[int, str, str]:
            async with httpx.AsyncClient(timeout=LONGEST) as http:
                first, second = (
                    asyncio.create_task(http.post(url, json=asked("hold"))) for url in [url_of(address)] * 2
                )
                await asyncio.to_thread(until, lambda: "stepbeam_waiting 1.0" in metrics_of(address))
                refused = await http.post(url_of(address), json=asked("B"))
                for task in (first, second):
                    task.cancel()
                await asyncio.gather(first, second, return_exceptions=True)
                await asyncio.to_thread(until, lambda: 'status="499"} 2.0' in metrics_of(address))
                after = await http.post(url_of(address), json=asked("B"))
                return (
                    refused.status_code,
                    refused.headers["retry-after"],
                    after.json()["choices"][0]["message"]["content"],
                )

        status, seconds, text = asyncio.run(crowd())
    assert (status, int(seconds) >= 1) == (429, True)
    assert text.startswith("I am asked B")


def url_of(address: str) -> str:
    return f"{address}/chat/completions"


# Within a second, where the machine has the time.
@pytest.mark.parametrize("seconds", [LONGEST, pytest.param(1.0, marks=pytest.mark.alone)])
@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_hangs_up_ends_its_search_within_a_second(stream: bool, seconds: float) -> None:
    held = Streaming(policies.Scripted(answer), holds=lambda problem: problem.prompt == "hold")
    with served(held) as address:
        hang_up(address, asked("hold", stream=stream), lambda: held.held == 8)
        until(lambda: len(held.cancelled) == 8, seconds)
        until(lambda: 'status="499"} 1.0' in metrics_of(address))


def test_a_search_is_running_as_long_as_the_policy_is_busy_with_it() -> None:
    begun, free = threading.Event(), threading.Event()

    class Busy(policies.Scripted):
        def extend(self, *rows: Any, **options: Any) -> policies.Extended:
            begun.set()
            free.wait(LONGEST)
            return super().extend(*rows, **options)

    with served(Busy(answer)) as address:
        hang_up(address, asked(), begun.is_set)
        until(lambda: 'status="499"} 1.0' in metrics_of(address))
        assert "stepbeam_running 1.0" in metrics_of(address)
        free.set()
        until(lambda: "stepbeam_running 0.0" in metrics_of(address))


def test_a_time_limit_gives_the_best_so_far() -> None:
    class HoldsHalf(Streaming):
        def stream(self) -> Any:
            rows = super().stream()
            add = rows.add

            def hold_half(*row: Any, **options: Any) -> list[int]:
                numbers = add(*row, **options)
                for number in numbers[4:]:
                    rows.held[number] = "held"
                rows.ready = [ready for ready in rows.ready if ready[0] not in numbers[4:]]
                return numbers

            rows.add = hold_half  # type: ignore[method-assign]
            return rows

    with served(HoldsHalf(policies.Scripted(answer)), limits=Limits(seconds=0.3)) as address:
        reply = client(address).chat.completions.create(**asked())
    assert reply.model_extra["stepbeam"]["reason"] == "the budget of 0.3 seconds ended the search"
    assert reply.choices[0].message.content.startswith("I am asked A")


def test_what_fails_is_an_error_with_its_reason() -> None:
    broken = policies.Scripted(lambda problem, prefix, seed: failed("the engine is down"))
    with served(broken) as address:
        with pytest.raises(APIStatusError, match="the engine is down") as error:
            client(address).chat.completions.create(**asked())
        assert error.value.status_code == 502
        assert "x-should-retry" not in error.value.response.headers  # what a server behind lacks may be there again
        raw = httpx.post(url_of(address), json=asked(stream=True)).text
    assert "the engine is down" in raw
    assert "[DONE]" not in raw


def raising(problem: Problem, solution: Solution) -> float:
    raise KeyError("a lost file")


@pytest.mark.parametrize(
    ("scorer", "status", "words"),
    [
        (verifiers.from_function(raising), 500, "KeyError: 'a lost file'"),
        (
            verifiers.from_function(lambda problem, solution: float("nan")),
            502,
            "no solution could be chosen: none of 8",
        ),
    ],
)
def test_what_a_scorer_cannot_do_is_an_error_that_is_logged_and_not_asked_again(
    scorer: Any, status: int, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    with served() as address, pytest.MonkeyPatch.context() as patch:
        patch.setitem(SCORERS, "two", scorer)
        reply = httpx.post(url_of(address), json=asked())
        assert (reply.status_code, reply.headers["x-should-retry"]) == (status, "false")
        assert words in reply.json()["error"]["message"]
        assert httpx.post(url_of(address), json=asked(n=2)).status_code == 400
    [record] = [record for record in caplog.records if record.levelname == "ERROR"]
    assert words in record.getMessage()
    assert (record.exc_info is not None) == (status == 500)


def test_other_routes_and_models_are_told_of_in_the_protocol() -> None:
    with served() as address:
        about = client(address).models.retrieve("tiny")
        assert (about.id, about.created > 10**9) == ("tiny", True)
        with pytest.raises(APIStatusError, match="model 'gpt/4': this server has 'tiny'"):
            client(address).models.retrieve("gpt/4")
        with pytest.raises(APIStatusError, match="POST /v1/completions: Not Found; this server has POST /v1/chat/comp"):
            client(address).completions.create(model="tiny", prompt="A")
        reply = httpx.get(url_of(address))
        metrics = httpx.get(address.removesuffix("/v1") + "/metrics").text
    assert (reply.status_code, "Method Not Allowed" in reply.json()["error"]["message"]) == (405, True)
    assert reply.headers["allow"] == "POST"
    assert 'status="404"} 2.0' in metrics
    assert 'status="405"} 1.0' in metrics


@pytest.mark.parametrize("stream", [False, True])
def test_who_waits_when_the_server_ends_is_told_so(stream: bool, caplog: pytest.LogCaptureFixture) -> None:
    held = Streaming(policies.Scripted(answer), holds=lambda problem: True)
    with ThreadPoolExecutor(1) as pool, served(held, grace=0.2) as address:
        waiting = pool.submit(httpx.post, url_of(address), json=asked(stream=stream), timeout=LONGEST)
        until(lambda: "stepbeam_running 1.0" in metrics_of(address))
    reply = waiting.result()
    assert "the server is ending; ask again" in reply.text
    assert (reply.status_code, reply.headers.get("retry-after")) == ((200, None) if stream else (503, "1"))
    assert not any("Traceback" in (record.exc_text or "") for record in caplog.records)
    [logged] = [record.getMessage() for record in caplog.records if record.name == "stepbeam.serve"]
    assert logged.startswith("503 in ")
    assert logged.endswith(": the server is ending; ask again in a while, or another one")


def test_a_cut_solution_says_length() -> None:
    cut = policies.Scripted(lambda problem, prefix, seed: Solution((Step("I am"),), Stop.LENGTH))
    with served(cut) as address:
        reply = client(address).chat.completions.create(**asked())
    assert (reply.choices[0].message.content, reply.choices[0].finish_reason) == ("", "length")
    assert "none of 8 solutions is finished" in reply.model_extra["stepbeam"]["reason"]


def test_a_strategy_is_read_before_anything_is_loaded() -> None:
    with pytest.raises(BadArgument, match="no scorer 'orm' is loaded; there are none: start the server with --scorer"):
        read_strategy("best_of_n:orm", {}, Limits())
    for wrong in ({"n": 0}, {"seconds": 0.0}, {"waiting": 1.5}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Limits(**wrong)  # type: ignore[arg-type]


VOTE = "search.strategies.self_consistency:self_consistency_strategy"


def test_a_strategy_of_ones_own_answers_and_no_request_names_one() -> None:
    with served(strategy=read_own_strategy(f"{VOTE},n=4", SCORERS, Limits())) as address:
        reply = client(address).chat.completions.create(**asked())
        assert reply.model_extra["stepbeam"]["spend"]["policy_calls"] == 4
        with pytest.raises(APIStatusError, match="unknown method"):
            client(address).chat.completions.create(**asked(), extra_body={"strategy": VOTE})
    assert read_own_strategy("best_of_n:two,n=8", SCORERS, Limits()) is None
    for text, message in (
        (f"{VOTE},width=4", "write search.strategies.self_consistency:self_consistency_strategy, or"),
        (f"{VOTE},n=99", "this server allows 64"),
        (f"{VOTE},n=none", "use a whole number of 1 or more"),
        (f"{VOTE}:orm", "no scorer 'orm' is loaded"),
        ("search.strategies.best_of_n:best_of_n_strategy", "missing a required argument: .answers.; write def NAME"),
    ):
        with pytest.raises(BadArgument, match=message):
            read_own_strategy(text, SCORERS, Limits())


def test_the_load_of_many_clients_tells_a_mixed_up_answer_from_an_error_of_the_model() -> None:
    mixed_up = runpy.run_path(str(Path(__file__).parents[3] / "benchmarks" / "serve_load.py"))["mixed_up"]
    problem = Problem("a", prompt="C 3*3*7*3*3+1-6-6*7\n", answer="0")
    right = "3*3=9\n9*7=3\n3*3=9\n9*3=7\n7+1=8\n8-6=2\n2-6=6\n6*7=2\n=2"
    sampled = "3*1=3\n3*7=1\n1*3=3\n3*3=9\n9+1=0\n0-6=6\n6-6=0\n0*7=0\n=0"  # its first operation is *1, not *3
    other = "1+7=8\n8*7=6\n6*7=9\n9-5=4\n4+3=7\n7*9=3\n3-9=6\n=6"
    half = "+3=3 -3=3 *3=3 *3=3 +1=1 -6=6 *6=6 *7=7"  # with the first two and the last but one another's
    assert [mixed_up(problem, text) for text in (right, sampled, "", other, half)] == [False, False, False, True, True]
    problems = load_task("chain", limit=100).problems
    alike = [a.id for a, b in combinations(problems, 2) if not mixed_up(a, str(b.prompt))]
    assert len(alike) <= 1  # of 4,950 pairs


@pytest.mark.slow
def test_the_command_serves_many_clients_and_ends_in_good_order() -> None:
    script = str(Path(__file__).parents[3] / "benchmarks" / "serve_load.py")
    done = subprocess.run(
        [sys.executable, script, "--clients", "20", "--seconds", "9", "--n", "2"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    told = json.loads(done.stdout)
    assert (told["errors"], told["mixed"], told["exit"]) == (0, 0, 0), done.stderr
    assert told["answers"] > 20


def test_a_port_that_is_taken_and_a_strategy_that_is_none_are_one_line_before_a_model_is_loaded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bench.commands.serve.load_policy", lambda spec, **options: pytest.fail("it was loaded"))
    common = ["serve", "--policy", "tiny:policy", "--scorer", "tiny:orm"]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main([*common, "--port", str(port)]) == 2
    told = capsys.readouterr()
    [line] = told.err.splitlines()
    assert "is the port taken?" in line
    assert "answers by" not in told.out
    for host in ("256.1.1.1", "."):
        assert main([*common, "--host", host]) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert f"--host {host}: this machine has no such address" in line
    assert main([*common, "--name="]) == 2
    assert "--name '': requests could not name the model" in capsys.readouterr().err
    assert main([*common, "--strategy", "best_of_n:prm"]) == 2
    assert "--strategy best_of_n:prm: no scorer 'prm' is loaded; there are orm" in capsys.readouterr().err


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_name_is_listened_at_where_it_has_an_address_of_one_family(
    family: socket.AddressFamily, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = {socket.AF_INET: ("127.0.0.1", 0), socket.AF_INET6: ("::1", 0)}[family]
    try:
        socket.create_server(address, family=family).close()
    except OSError:
        pytest.skip("this machine has no address of this family")
    found = [(family, socket.SOCK_STREAM, 6, "", address)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *asked, **options: found)
    check_listens("one-family", 8000)


def test_a_machine_without_a_family_serves_at_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 0, 0, 0)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0)),
    ]

    class WithoutIPv6(socket.socket):
        def __init__(self, family: int = -1, *options: Any, **named: Any) -> None:
            if family == socket.AF_INET6:
                raise OSError("Address family not supported by protocol")
            super().__init__(family, *options, **named)

    monkeypatch.setattr(socket, "getaddrinfo", lambda *asked, **options: found)
    monkeypatch.setattr(socket, "socket", WithoutIPv6)
    check_listens("localhost", 8000)


def test_no_more_wait_than_may() -> None:
    all_asked = threading.Event()

    def fails_late(problem: Problem, prefix: Solution, seed: int) -> Solution:
        all_asked.wait(LONGEST)
        return failed("the engine is down")

    with served(policies.Scripted(fails_late), limits=Limits(running=1, waiting=2)) as address:

        async def crowd() -> list[int]:
            statuses = []
            async with httpx.AsyncClient(timeout=LONGEST) as http:
                for reply in asyncio.as_completed([http.post(url_of(address), json=asked()) for _ in range(20)]):
                    statuses.append((await reply).status_code)
                    if len(statuses) == 17:
                        all_asked.set()
            return statuses

        statuses = asyncio.run(crowd())
    assert sorted(statuses) == [429] * 17 + [502] * 3


def test_half_a_character_in_an_answer_is_sent_as_it_is() -> None:
    odd = policies.Scripted(lambda problem, prefix, seed: "so it is \ud83d")
    with served(odd) as address:
        reply = httpx.post(url_of(address), json=asked(pool=True))
    assert reply.json()["choices"][0]["message"]["content"] == "so it is \ud83d"


@pytest.mark.parametrize(
    ("strategy", "text", "status", "finish"),
    [
        ("beam_search:steps,width=1,expand=2,max_steps=1", None, 200, "length"),
        ("beam_search:steps,width=1,expand=2,max_steps=4", "the engine is down", 502, None),
    ],
)
def test_what_is_no_answer_says_so(strategy: str, text: str | None, status: int, finish: str | None) -> None:
    policy = policies.Scripted(answer if text is None else lambda problem, prefix, seed: failed(text))
    with served(policy) as address:
        reply = httpx.post(url_of(address), json=asked(strategy=strategy))
    assert reply.status_code == status
    if finish:
        assert reply.json()["choices"][0]["finish_reason"] == finish
    else:
        assert text in reply.json()["error"]["message"]


def test_a_key_that_is_named_must_be_there(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    assert main(["serve", "--policy", "tiny:policy", "--key-env", "NO_SUCH_KEY"]) == 2
    assert "--key-env NO_SUCH_KEY: this environment variable holds no key" in capsys.readouterr().err


def test_a_served_model_is_named_without_its_address_and_an_open_server_is_told_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("STEPBEAM_API_KEY", raising=False)
    given: dict[str, Any] = {}
    monkeypatch.setattr("bench.serve.server.serve", lambda app, **options: given.update(options))
    with serving(Served(lambda prompt, seed: "hi")) as behind:
        policy = f"openai:toy,base_url={behind.url},tries=2,continues=no"
        assert main(["serve", f"--policy={policy}", "--host=0.0.0.0"]) == 0
    assert given["told"].startswith(
        "openai:toy,continues=no answers by self_consistency:n=16 at http://0.0.0.0:8000/v1"
    )
    assert "--host 0.0.0.0: whoever reaches this machine may ask; set a key" in capsys.readouterr().err
