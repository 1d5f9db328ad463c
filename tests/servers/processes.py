"""Runs a server as a process of its own, from the moment it answers until the end of its `with`."""

from __future__ import annotations

import http.client
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from http import HTTPStatus
from pathlib import Path

READY_SECONDS = 90.0
POLL_SECONDS = 0.1
END_SECONDS = 10.0
LOG_CHARACTERS = 4_000

# Below the ports that systems hand out by themselves: a server that takes seconds to start must find its port free.
_PORTS = range(20_000, 32_000)


class ServerFailedError(Exception):
    """A server did not come up; quotes the end of its log."""


def free_port() -> int:
    """A port of the loopback interface that nobody listens at."""
    while True:
        port = random.choice(_PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def clean_environ(home: Path, **more: str) -> dict[str, str]:
    """For a server: none of the keys, addresses and settings of whoever runs the tests, and a home of its own."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LD_LIBRARY_PATH", "TMPDIR") if name in os.environ}
    return {**kept, "HOME": str(home), "NO_PROXY": "*", "PYTHONUNBUFFERED": "1", **more}


@contextmanager
def running(
    command: Sequence[str],
    *,
    port: int,
    ready: str,
    folder: Path,
    environ: Mapping[str, str],
    seconds: float = READY_SECONDS,
) -> Iterator[None]:
    """The command's process, which answers at `port`; it and its children are killed at the end.

    `folder` is where it works and keeps its log. Raises `ServerFailedError` if it ends, or does not answer a GET of
    the path `ready` within that many seconds.
    """
    log = folder / "log.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _await_answer(process, port, ready, time.monotonic() + seconds, log)
        yield
    finally:
        _end(process)


def _await_answer(process: subprocess.Popen[bytes], port: int, ready: str, deadline: float, log: Path) -> None:
    while not _answers(port, ready):
        if process.poll() is not None:
            raise ServerFailedError(f"the server ended with status {process.returncode}:\n{_end_of(log)}")
        if time.monotonic() > deadline:
            raise ServerFailedError(f"the server does not answer GET {ready} at port {port}:\n{_end_of(log)}")
        time.sleep(POLL_SECONDS)


def _answers(port: int, path: str) -> bool:
    """Whether anything but a failure comes back; that it wants a key is an answer too."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status < HTTPStatus.INTERNAL_SERVER_ERROR
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    _signal(process, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(END_SECONDS)
    _signal(process, signal.SIGKILL)  # and whatever children outlived it
    process.wait(END_SECONDS)


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _end_of(log: Path) -> str:
    return log.read_bytes()[-LOG_CHARACTERS:].decode("utf-8", "replace")
