"""Environments are made whole or not at all, and what failed is told."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.servers.environments import (
    CACHE_VARIABLE,
    CannotInstallError,
    Environment,
    cache_folder,
    checked,
    find_python,
    last_lines,
    python_of,
)

HERE = (sys.executable,)
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


PROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
BACKEND = """
import zipfile

def build_wheel(folder, config_settings=None, metadata_directory=None):
    with zipfile.ZipFile(folder + "/hello-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("hello.py", "print('hello')")
        wheel.writestr("hello-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: hello\\nVersion: 1\\n")
        wheel.writestr("hello-1.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("hello-1.dist-info/RECORD", "hello.py,,\\n")
    return "hello-1-py3-none-any.whl"
"""


def write_package(folder: Path) -> None:
    """A package to install without an index, which says hello."""
    folder.mkdir()
    (folder / "backend.py").write_text(BACKEND)
    (folder / "pyproject.toml").write_text(PROJECT)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "source"


@pytest.fixture
def hello(source: Path) -> Environment:
    return Environment("hello", "1", (str(source),), HERE)


def test_made_whole_or_not_at_all_and_then_found(hello: Environment, source: Path, cache: Path) -> None:
    with pytest.raises(CannotInstallError, match=r"pip install .*source: exit status 1: .*source") as caught:
        python_of(hello)
    assert "\n" not in str(caught.value)
    write_package(source)
    python = python_of(hello)
    assert subprocess.run([python, "-m", "hello"], capture_output=True, text=True, check=True).stdout == "hello\n"
    shutil.rmtree(source)  # it could not be made again
    assert python_of(hello) == python
    assert python.is_relative_to(cache)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert python.parts[-3].startswith(f"hello-1-py{version}-")


def test_versions_that_an_index_lacks_do_not_keep_it_from_being_made(hello: Environment, source: Path) -> None:
    write_package(source)
    pins = source / "pins.txt"
    pins.write_text("hello==99")
    subprocess.run([python_of(replace(hello, pins=pins)), "-m", "hello"], check=True)


def test_only_one_run_makes_it(source: Path) -> None:
    write_package(source)
    code = (
        "import sys; from tests.servers.environments import *;"
        f"print(python_of(Environment('hello', '1', ({str(source)!r},), (sys.executable,))))"
    )
    command = [sys.executable, "-c", code]
    runs = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    first, second = (run.communicate()[0].strip() for run in runs)
    assert first == second
    subprocess.run([first, "-m", "hello"], check=True)


def test_no_interpreter() -> None:
    with pytest.raises(CannotInstallError, match=r"no usable python3\.99 or python3\.98 on this machine"):
        find_python(["python3.99", "python3.98"])


def test_an_interpreter_that_is_here() -> None:
    assert find_python(["python3.99", sys.executable]) == Path(sys.executable)


def test_where_they_are_kept() -> None:
    assert cache_folder({CACHE_VARIABLE: "/a"}) == Path("/a")
    assert cache_folder({"XDG_CACHE_HOME": "/b"}) == Path("/b/multillm/servers")
    assert cache_folder({}) == Path.home() / ".cache" / "multillm" / "servers"


def test_a_command_that_does_not_end() -> None:
    with pytest.raises(CannotInstallError, match=r"making: .*timed out"):
        checked("making", [sys.executable, "-c", "import time; time.sleep(60)"], seconds=0.2)


def test_the_end_of_an_output() -> None:
    assert last_lines("WARNING: Location 'x' is ignored\n one \n\ntwo\n") == "one | two"
    assert last_lines("\n".join(map(str, range(20)))) == " | ".join(map(str, range(12, 20)))
    assert last_lines("") == "no output"
