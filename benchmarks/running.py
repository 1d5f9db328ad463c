"""Runs a library's calls in a process of its own, and ends it when a call does not."""

from __future__ import annotations

import json
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.servers.processes import clean_environ

HERE = Path(__file__).parent
START_SECONDS = 120.0
"""LiteLLM alone takes five to import, more on a busy machine."""


@dataclass(frozen=True)
class Came:
    """What a caller saw of one call, and how long it took; a call that did not end has no text and no error."""

    seconds: float
    ended: bool
    text: str = ""
    error: str | None = None


class WorkerFailedError(Exception):
    """A library's process ended by itself, or never started."""


class Worker:
    """A process with a library in it, started when it is needed; a call gets `patience` seconds."""

    def __init__(self, python: Path, script: Path, folder: Path, patience: float) -> None:
        self._command = [str(python), str(HERE / "worker.py"), str(script)]
        self._log = folder / "log.txt"
        # Neither keys nor proxies of this machine, and no price lists from the internet.
        self._environ = clean_environ(
            folder, PYTHONPATH=str(HERE.parent), LITELLM_LOCAL_MODEL_COST_MAP="True", LANGSMITH_TRACING="false"
        )
        self._patience = patience
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def calls(self, case: Mapping[str, Any], targets: Sequence[str]) -> list[Came]:
        """What came of each call of the case; after one that does not end there is no other."""
        process = self._process = self._process or self._started()
        if process.stdin is None:
            raise WorkerFailedError("it has no standard input")
        process.stdin.write(json.dumps({**case, "targets": list(targets)}).encode() + b"\n")
        process.stdin.flush()
        came: list[Came] = []
        for _ in range(case["calls"]):
            came.append(self._one(process))
            if not came[-1].ended:
                self._end()
                break
        return came

    def _one(self, process: subprocess.Popen[bytes]) -> Came:
        began = time.monotonic()
        said = self._line(process, self._patience)
        seconds = time.monotonic() - began
        return Came(seconds, ended=False) if said is None else Came(seconds, ended=True, **said)

    def _started(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            # Unbuffered: `select` knows nothing of lines that lie in a buffer already.
            process = subprocess.Popen(
                self._command,
                env=self._environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                bufsize=0,
            )
        if self._line(process, START_SECONDS) is None:
            raise WorkerFailedError(f"{self._command} did not start within {START_SECONDS:g} s, see {self._log}")
        return process

    def _line(self, process: subprocess.Popen[bytes], seconds: float) -> dict[str, Any] | None:
        """The next line of answers, or `None` if it does not come in time."""
        if process.stdout is None or not select.select([process.stdout], [], [], seconds)[0]:
            return None
        line = process.stdout.readline()
        if not line:
            raise WorkerFailedError(f"{self._command} ended, see {self._log}:\n{self._log.read_text()[-2000:]}")
        found: dict[str, Any] = json.loads(line)
        return found

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None
