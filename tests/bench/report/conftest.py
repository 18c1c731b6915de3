"""Run folders of any shape, and a headless Chromium to open their reports in.

The browser is driven over its debugging pipe, so that nothing but the browser itself is needed.
"""

import base64
import json
import os
import re
import shutil
import subprocess
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.runs.outputs import write_problems, write_results
from bench.stats.contest import Contest
from bench.stats.curves import ANY_RIGHT, GradedPool, Results, pool_outcomes
from verifiers import Problem
from verifiers.interface.files import append_rows
from verifiers.interface.scoring import Spend

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def find_browser() -> str | None:
    """The browser that `$BROWSER_BINARY` names, or one on the path."""
    return os.environ.get("BROWSER_BINARY") or next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One page; `errors` holds what its console complained of."""

    def __init__(self, binary: str, profile: Path) -> None:
        to_read, self._out = os.pipe()
        self._in, to_write = os.pipe()

        def as_three_and_four() -> None:  # where the browser looks for its pipe
            a, b = os.dup(to_read), os.dup(to_write)
            os.dup2(a, 3)
            os.dup2(b, 4)

        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"]
        self._process = subprocess.Popen(
            [binary, *options, f"--user-data-dir={profile}", "--remote-debugging-pipe", "about:blank"],
            preexec_fn=as_three_and_four, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(to_read)
        os.close(to_write)
        self._buffer, self._count, self._session = b"", 0, None
        self.errors: list[str] = []
        pages = [t for t in self.call("Target.getTargets")["targetInfos"] if t["type"] == "page"]
        self._session = self.call("Target.attachToTarget", targetId=pages[0]["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def open(self, path: Path, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Load a file and wait until it says that it is drawn."""
        self.look(width=width, height=height, dark=dark)
        self.call("Page.navigate", url=path.resolve().as_uri())
        self.wait("document.documentElement?.dataset.ready === 'yes'")

    def look(self, *, width: int, height: int = 900, dark: bool = False) -> None:
        mobile = width < 500
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)
        theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[theme])

    def run(self, script: str) -> Any:
        """The value of an expression in the page; promises are awaited."""
        found = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in found:
            raise AssertionError(f"{script}: {found['exceptionDetails']}")
        return found["result"].get("value")

    def wait(self, condition: str, seconds: float = 5.0) -> None:
        end = time.monotonic() + seconds
        while not self.run(f"Boolean({condition})"):
            if time.monotonic() > end:
                raise AssertionError(f"still not so after {seconds} s: {condition} {self.errors}")
            time.sleep(0.05)

    def press(self, key: str) -> None:
        code = {"Tab": 9, "Enter": 13}.get(key, 0)
        text = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **text)

    def paper(self) -> bytes:
        """The page as a PDF, as the browser prints it."""
        return base64.b64decode(self.call("Page.printToPDF", printBackground=True, preferCSSPageSize=True)["data"])

    def point(self, x: float, y: float) -> None:
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def tap(self, x: float, y: float) -> None:
        self.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
        self.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def picture(self, path: Path, *, whole: bool = False) -> None:
        found = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(found["data"]))

    def close(self) -> None:
        try:
            self.call("Browser.close")
        finally:
            self._process.wait(timeout=20)
            os.close(self._out)
            os.close(self._in)

    def call(self, method: str, **params: Any) -> Any:
        """One command of the DevTools protocol and its answer; messages end with a nought byte."""
        self._count += 1
        message: dict[str, Any] = {"id": self._count, "method": method, "params": params}
        if self._session and not method.startswith("Browser."):
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            reply = self._next()
            if reply.get("id") == self._count:
                if "error" in reply:
                    raise AssertionError(f"{method}: {reply['error']}")
                return reply["result"]
            self._note(reply)

    def _next(self) -> Any:
        while b"\0" not in self._buffer:
            part = os.read(self._in, 1 << 20)
            if not part:
                raise AssertionError("the browser ended")
            self._buffer += part
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def _note(self, event: dict[str, Any]) -> None:
        params = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            self.errors.append(params["exceptionDetails"]["exception"].get("description", "an exception"))
        elif event.get("method") == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(params["entry"]["text"])
        elif event.get("method") == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.errors.append(json.dumps(params["args"]))


def make_run(
    path: Path,
    *,
    problems: int = 4,
    n: int = 8,
    scorers: tuple[str, ...] = ("orm", "prm"),
    right: float = 0.4,
    silent: bool = False,
    trees: bool = True,
    cost: float = 1e8,
    scale: float = 1.0,
    text: str = "step {}\n",
    bad: bool = False,
    seed: int = 0,
) -> Path:
    """A run folder as `stepbeam run` leaves it: samples that are right with that chance, and scorers that half know.

    Of `bad` ones the first sample of each problem failed, the second was cut, the third could not be graded, and the
    fourth has no score.
    """
    rng = np.random.default_rng(seed)
    path.mkdir(parents=True)
    (path / "config.toml").write_text('task = "made up"\npolicy = "dice"\nn = 8\nseed = 0\n')
    asked = [Problem(f"problem-{i}", f"What is {i} + {i}?", str(2 * i)) for i in range(problems)]
    write_problems(path, asked)
    contests = [ANY_RIGHT, Contest("self_consistency", None), *(Contest("best_of_n", s) for s in scorers)]
    outcomes, sizes = [], [k for k in (1, 2, 4, 8, 16, 32, 64) if k <= n]
    for problem in asked:
        correct = rng.random(n) < right
        values = {s: scale * (np.where(correct, 0.7, 0.3) + rng.normal(0, 0.15, n).clip(-0.29, 0.29)) for s in scorers}
        if silent:
            values = {s: np.full(n, np.nan) for s in scorers}
        pool = GradedPool(
            problem.id, correct.astype(float), np.ones(n, bool), [0 if c else 1 for c in correct], values,
            Spend(policy_calls=n, sampled_tokens=20 * n, policy_flops=cost * n, policy_seconds=1e-10 * cost * n),
            {s: Spend(scored_tokens=20 * n, scorer_flops=cost * n, scorer_seconds=1e-10 * cost * n) for s in scorers},
        )  # fmt: skip
        outcomes += pool_outcomes(pool, contests, sizes)
        rows = [solution(problem.id, "sample", None, n, i, text, bool(c)) for i, c in enumerate(correct)]
        if bad:
            rows[0] |= {"stop": "failed", "correct": False, "steps": [], "reason": f"no reply to {problem.id} in 3 s"}
            rows[1] |= {"stop": "length", "correct": False}
            rows[2] |= {"correct": None, "reason": "it took too long to compare"}
        append_rows(path / "samples.jsonl", rows)
        for s in scorers:
            judged = [said(row, s, values[s][row["index"]]) for row in rows]
            if bad:
                judged[0] |= {"value": None, "steps": [], "reason": "nothing to score"}
                judged[3] |= {"value": None, "steps": [None, None], "reason": "too long for it"}
            append_rows(path / "scores.jsonl", judged)
        if trees and scorers:
            append_rows(path / "trees.jsonl", tree(problem.id, scorers[-1], text))
            beam = [solution(problem.id, "beam_search", scorers[-1], 2, 0, text, True, chosen=True)]
            append_rows(path / "samples.jsonl", beam)
            append_rows(path / "scores.jsonl", [said(row, scorers[-1], 0.9) for row in beam])
    write_results(path, Results(tuple(outcomes), ()))
    return path


def solution(problem, strategy, scorer, n, index, text, correct, *, chosen=False, stop="eos"):
    return {
        "problem": problem, "strategy": strategy, "scorer": scorer, "n": n, "index": index,
        "steps": [text.format(0), text.format(1)], "tokens": [[1, 2], [3]], "logprob": -1.5, "stop": stop,
        "reason": None, "answer": text.format("answer"), "correct": correct, "chosen": chosen,
    }  # fmt: skip


def said(row, scorer, value):
    number = None if np.isnan(value) else float(value)
    same = {key: row[key] for key in ("problem", "strategy", "n", "index")}
    return {**same, "scorer": scorer, "steps": [None, number], "value": number, "reason": None}


def tree(problem, scorer, text):
    nodes = [(-1, 0, 0, "kept", 0.6), (-1, 0, 9, "pruned", None), (0, 1, 1, "done", 0.9), (0, 1, 8, "cut", 0.2)]
    return [
        {
            "problem": problem, "strategy": "beam_search", "scorer": scorer, "n": 2, "node": place, "parent": parent,
            "depth": depth, "text": text.format(step), "stop": "eos" if fate == "done" else "open", "value": value,
            "fate": fate,
        }
        for place, (parent, depth, step, fate, value) in enumerate(nodes)
    ]  # fmt: skip


def blob(page: str, name: str) -> Any:
    """What a page holds under a name, as its own script would read it."""
    [found] = re.findall(rf'<script type="text/plain" id="{name}">([A-Za-z0-9+/=]*)</script>', page)
    return json.loads(zlib.decompress(base64.b64decode(found)))


def find_axe() -> Path | None:
    """axe-core's script: what `$AXE_CORE` names, or that of an `npm install axe-core` here, above, or for all."""
    if named := os.environ.get("AXE_CORE"):
        return Path(named)
    places = [*Path(__file__).parents, Path.cwd(), Path("/usr/local/lib"), Path("/usr/lib")]
    scripts = (place / "node_modules" / "axe-core" / "axe.min.js" for place in places)
    return next((script for script in scripts if script.is_file()), None)


@pytest.fixture(scope="module")
def axe() -> Callable[[Browser], list[Any]]:
    """What axe-core finds wrong with the page that a browser shows: each rule with an element or two."""
    script = find_axe()
    if script is None:
        pytest.skip("no axe-core; run npm install axe-core, or set AXE_CORE to its axe.min.js")
    text = script.read_text(encoding="utf-8")

    def violations(browser: Browser) -> list[Any]:
        browser.run(f"window.axe ? 0 : ((() => {{ {text} }})(), 0)")
        found = browser.run("""axe.run(document, {resultTypes: ["violations"]}).then((r) => r.violations.map(
            (v) => [v.id, ...v.nodes.slice(0, 2).flatMap((n) => [n.html.slice(0, 200), n.failureSummary])]))""")
        return list(found)

    return violations


@pytest.fixture(name="make_run")
def make_run_fixture() -> Callable[..., Path]:
    return make_run


@pytest.fixture(name="blob")
def blob_fixture() -> Callable[[str, str], Any]:
    return blob


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    binary = find_browser()
    if binary is None:
        pytest.skip(f"no browser to open the report in; install one of {', '.join(NAMES)}, or set BROWSER_BINARY")
    opened = Browser(binary, tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()
