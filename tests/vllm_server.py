"""vLLM's own server of a small model, as a process beside the tests."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

KEY = "sk-of-a-small-model"
_LONGEST_START = 400.0


@contextmanager
def vllm_serving(model: Path, folder: Path, *arguments: str) -> Iterator[str]:
    """The address of a server of a model in a folder; its log is in `folder`, its key is KEY, and it is stopped."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(model)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--dtype", "float32", "--enforce-eager"]
    # By itself it would take nine tenths of the machine, or refuse to start.
    command += ["--block-size", "32", "--kv-cache-memory-bytes", str(1 << 28), "--gpu-memory-utilization", "0.1"]
    command += arguments
    settings = {**os.environ, "VLLM_API_KEY": KEY}
    for theirs in ("VLLM_ENABLE_V1_MULTIPROCESSING", "VLLM_CPU_KVCACHE_SPACE"):  # which would override what is said
        settings.pop(theirs, None)
    log = folder / "log.txt"
    with log.open("wb") as out:
        server = subprocess.Popen(command, stdout=out, stderr=out, env=settings, start_new_session=True)
    try:
        until = time.monotonic() + _LONGEST_START
        while not _answers(f"http://127.0.0.1:{port}/health"):
            assert server.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < until, log.read_text()[-2000:]
            time.sleep(1)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(60)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:
        return False
