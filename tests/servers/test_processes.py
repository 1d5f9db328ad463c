"""Servers are watched while they start, and gone when they are no longer needed."""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import psutil
import pytest

from tests.servers.processes import ServerFailedError, clean_environ, free_port, running

SERVER = """
import http.server, sys
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""
STUBBORN = 'import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print("deaf", flush=True); signal.pause()'
PARENT = f"""
import pathlib, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {STUBBORN!r}], stdout=subprocess.PIPE)
child.stdout.readline()
pathlib.Path("child").write_text(str(child.pid))
{SERVER}
"""


def start(code: str, folder: Path, seconds: float = 60.0) -> AbstractContextManager[None]:
    port = free_port()
    command = [sys.executable, "-c", code, str(port)]
    return running(command, port=port, ready="/", folder=folder, environ=clean_environ(folder), seconds=seconds)


def test_one_that_ends_at_once_says_why(tmp_path: Path) -> None:
    with (
        pytest.raises(ServerFailedError, match=r"ended with status 3:\nno such option\n"),
        start("print('no such option'); raise SystemExit(3)", tmp_path),
    ):
        pass


def test_one_that_never_answers_is_ended(tmp_path: Path) -> None:
    before = psutil.Process().children()
    with (
        pytest.raises(ServerFailedError, match=r"does not answer GET / at port \d+"),
        start("import time; time.sleep(600)", tmp_path, seconds=0.3),
    ):
        pass
    assert psutil.Process().children() == before


def test_its_children_end_with_it(tmp_path: Path) -> None:
    with start(PARENT, tmp_path):
        child = psutil.Process(int((tmp_path / "child").read_text()))
        assert child.is_running()
    _, left = psutil.wait_procs([child], timeout=10)
    assert all(process.status() == psutil.STATUS_ZOMBIE for process in left)


def test_it_sees_nothing_of_whoever_runs_the_tests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-mine")
    environ = clean_environ(tmp_path, LOUD="1")
    assert environ["PATH"] == os.environ["PATH"]
    assert (environ["HOME"], environ["LOUD"]) == (str(tmp_path), "1")
    assert "OPENAI_API_KEY" not in environ


def test_ports_are_not_those_that_the_system_gives_out() -> None:
    assert all(20_000 <= free_port() < 32_000 for _ in range(20))
