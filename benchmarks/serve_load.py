"""Many clients at one server: no error, no mixed answer, flat memory, and how many requests a second.

    python benchmarks/serve_load.py --clients 200 --seconds 60

Starts `stepbeam serve` with the embedded policy and ORM in a process of its own; each client of the `openai` package
asks for one problem of `chain` after another. An answer is mixed up where fewer than three quarters of its operations
are its problem's (the model itself begins with a wrong one in about one of 10,000 solutions). Memory is the server's
resident set after a third of the time and at the end. Ends with exit code 1 where something is wrong.
"""

import argparse
import asyncio
import json
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from difflib import SequenceMatcher
from pathlib import Path
from statistics import median

from openai import AsyncOpenAI, OpenAIError

from bench.tasks.tasks import load_task
from verifiers import Problem

_OPERATION = re.compile(r"[-+*]\d")


def main() -> int:
    """Measure, print, and say by the exit code whether all was right."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--n", type=int, default=4)
    options = parser.parse_args()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        *(sys.executable, "-m", "bench.commands.cli", "serve", "--policy", "tiny:policy", "--scorer", "tiny:orm"),
        *("--strategy", f"best_of_n:orm,n={options.n}", "--max-tokens", "64", "--separator", r"\n"),
        *("--answers", "exact", "--port", str(port), "--most-running", "512"),
    ]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603  (our own)
    try:
        wait_for(f"http://127.0.0.1:{port}/health")
        outcome = asyncio.run(load(server.pid, f"http://127.0.0.1:{port}/v1", options.clients, options.seconds))
    finally:
        server.terminate()
        code = server.wait(timeout=30)
    print(json.dumps(outcome | {"exit": code}))
    flat = abs(outcome["grown"]) <= 0.05
    return 0 if flat and not outcome["errors"] and not outcome["mixed"] and outcome["answers"] and code == 0 else 1


async def load(pid: int, address: str, clients: int, seconds: float) -> dict[str, float]:
    """Ask until the time is over."""
    problems = load_task("chain", limit=500).problems
    counts: Counter[str] = Counter()
    taken: list[float] = []
    end = time.monotonic() + seconds
    early = 0.0

    async def ask(client: AsyncOpenAI, first: int) -> None:
        at = first
        while time.monotonic() < end:
            problem: Problem = problems[at % len(problems)]
            at += clients
            began = time.monotonic()
            try:
                reply = await client.chat.completions.create(
                    model="tiny:policy", messages=[{"role": "user", "content": str(problem.prompt)}]
                )
            except OpenAIError as error:
                counts["errors"] += 1
                print(f"{type(error).__name__}: {error}", file=sys.stderr)
                continue
            taken.append(time.monotonic() - began)
            counts["answers"] += 1
            text = reply.choices[0].message.content or ""
            counts["mixed"] += mixed_up(problem, text)
            counts["empty"] += not text

    async with AsyncOpenAI(base_url=address, api_key="none", max_retries=0, timeout=120) as client:
        tasks = [asyncio.create_task(ask(client, i)) for i in range(clients)]
        await asyncio.sleep(seconds / 3)
        early = resident(pid)
        await asyncio.gather(*tasks)
    late = resident(pid)
    return {
        "answers": counts["answers"],
        "errors": counts["errors"],
        "mixed": counts["mixed"],
        "empty": counts["empty"],
        "a_second": round(counts["answers"] / seconds, 1),
        "median_seconds": round(median(taken), 2) if taken else float("nan"),
        "resident_mib": round(late / 2**20),
        "grown": round(late / early - 1, 4),
    }


def mixed_up(problem: Problem, text: str) -> bool:
    """Whether `text` solves another problem of `chain`; a solution that was cut has no text and is not mixed up.

    A problem has 6 to 8 operations. One slip of the model leaves 0.83 or more of them alike; those of another problem
    are hardly ever 0.75 alike.
    """
    asked, worked = _OPERATION.findall(str(problem.prompt)), _OPERATION.findall(text)
    return bool(text) and SequenceMatcher(None, asked, worked, autojunk=False).ratio() < 0.75


def resident(pid: int) -> float:
    """Bytes of memory that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096.0


def wait_for(address: str) -> None:
    """Until the server answers."""
    for _ in range(600):
        try:
            urllib.request.urlopen(address, timeout=1).read()  # noqa: S310  (an address of this machine)
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
        else:
            return
    raise SystemExit("the server did not start within a minute")


if __name__ == "__main__":
    sys.exit(main())
