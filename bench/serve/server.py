"""uvicorn around the application: what it says when it listens, what it logs, and how it ends."""

import asyncio
import contextlib
import ipaddress
import logging
import signal
import socket
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI

from verifiers.interface.errors import BadArgument

GRACE = 10  # seconds for requests under way, when a signal has come


class _Server(uvicorn.Server):
    """Says that it serves when it does."""

    told = ""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            print(self.told, flush=True)


def serve(app: FastAPI, *, host: str, port: int, told: str) -> None:
    """Serve until a signal ends it, and print what is `told` once it listens.

    Raises BadArgument where nothing can listen there.
    """
    config = uvicorn.Config(
        app, host=host, port=port, log_level="warning", timeout_graceful_shutdown=GRACE, lifespan="on"
    )
    server = _Server(config)
    server.told = told
    # uvicorn ends in good order, and then raises the signal again: for what is to be closed by who called this.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt):
        try:
            server.run()
        except SystemExit:
            if server.started:
                raise
            raise BadArgument("port", port, _taken(host, port)) from None


def check_listens(host: str, port: int) -> None:
    """Raise BadArgument where nothing can listen, before uvicorn says so in lines of its own."""
    if not _listens(host, 0):  # a port of the system's choice
        told = "this machine has no such address; use 127.0.0.1 for itself, 0.0.0.0 for all that reach it"
        raise BadArgument("host", host, told)
    if not _listens(host, port):
        raise BadArgument("port", port, _taken(host, port))


def _taken(host: str, port: int) -> str:
    return f"nothing can be served at http://{host}:{port}/v1; is the port taken?"


def _listens(host: str, port: int) -> bool:
    """Whether something can listen at a host's addresses: asyncio's word, which is what uvicorn goes by."""

    async def listen() -> None:
        (await asyncio.get_running_loop().create_server(asyncio.Protocol, host, port)).close()

    try:
        asyncio.run(listen())
        return True
    except (OSError, UnicodeError):  # a name that no host can have
        return False


@contextlib.contextmanager
def logged_to_stderr(*, requests: bool) -> Iterator[None]:
    """Log to the standard error, a line with the time: what fails here, and on request every request."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    log = logging.getLogger("stepbeam.serve")
    before = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO if requests else logging.ERROR)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)


def is_own(host: str) -> bool:
    """Whether only this machine reaches an address.

    >>> is_own("127.0.0.1"), is_own("localhost"), is_own("0.0.0.0")
    (True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
