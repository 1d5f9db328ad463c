"""What happens to a whole process: its end, Ctrl-C, a fork, a missing package. Each runs in one of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PRELUDE = """
import os, sys, threading, time
from shared_core.local import connect_local
from shared_core.types import ChatRequest, Message

backend = connect_local(sys.argv[1])

def ask(**options):
    return ChatRequest(messages=(Message(role="user", content="Hello"),), **options)

def watch():
    try:
        list(backend.stream(endless))
    except Exception as error:
        print(type(error).__name__, flush=True)

endless = ask(extra={"logit_bias": {306: -100, 308: -100}})
"""
ROOT = Path(__file__).parents[2]


def run(script: str, model: Path, *, patience: float = 60) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PRELUDE + script, str(model)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=patience,
        check=False,
    )


@pytest.mark.parametrize(
    "script",
    [
        "backend.chat(ask(max_tokens=3))",
        "stream = backend.stream(endless); next(stream)",
        "import asyncio\nasyncio.run(anext(backend.astream(endless)))",
        "threading.Thread(target=watch, daemon=True).start(); time.sleep(0.5)",
        "threading.Thread(target=backend.chat, args=[ask(max_tokens=3)]).start()",
    ],
)
def test_a_process_ends_well(tiny_path: Path, script: str) -> None:
    done = run(script, tiny_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_ctrl_c_stops_a_stream_and_the_process_goes_on(tiny_path: Path) -> None:
    script = """
count = 0
try:
    for event in backend.stream(endless):
        if not count:
            print("streaming", flush=True)
        count += 1
        time.sleep(0.01)
except KeyboardInterrupt:
    print("interrupted", backend.chat(ask(max_tokens=1)).usage.output, flush=True)
"""
    # Not measured by coverage, whose tracer now and then swallows the interrupt that arrives while it works.
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    with subprocess.Popen(
        [sys.executable, "-c", PRELUDE + script, str(tiny_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=plain,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "streaming\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "interrupted 1\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_process_loads_its_own_model(tiny_path: Path) -> None:
    script = """
import warnings
backend = connect_local(sys.argv[1], n_threads=2)
warnings.simplefilter("ignore")
expected = backend.chat(ask(max_tokens=8, seed=1)).text
running = backend.stream(endless.model_copy(update={"max_tokens": 100}))
next(running)
child = os.fork()
if child == 0:
    from shared_core.errors import StreamInterruptedError
    try:
        list(running)
    except StreamInterruptedError as error:
        good = "forked" in str(error)
    good = good and backend.chat(ask(max_tokens=8, seed=1)).text == expected
    backend.unload()
    os._exit(0 if good else 1)
_, status = os.waitpid(child, 0)
print(os.waitstatus_to_exitcode(status))
running.close()
print(backend.chat(ask(max_tokens=8, seed=1)).text == expected)
"""
    done = run(script, tiny_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "0\nTrue\n", "")


def test_importing_and_connecting_is_light(tiny_path: Path) -> None:
    script = """
assert backend.capabilities.context_window == 2048
print([name for name in ("llama_cpp", "llguidance", "numpy", "jinja2") if name in sys.modules])
"""
    assert run(script, tiny_path).stdout == "[]\n"


def test_llama_cpp_writes_to_logging_only(tiny_path: Path) -> None:
    script = """
import logging
lines = []
class Collect(logging.Handler):
    def emit(self, record):
        lines.append(record)
logger = logging.getLogger("shared_core.local.llama_cpp")
logger.addHandler(Collect())
logger.setLevel(logging.DEBUG)
backend.chat(ask(max_tokens=1))
print(len(lines) > 20, {record.name for record in lines})
"""
    done = run(script, tiny_path)
    assert (done.stdout, done.stderr) == ("True {'shared_core.local.llama_cpp'}\n", "")
