from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import build_llama_cpp
from build_llama_cpp import cache_folder, find_wheel, read_cpuinfo, wheel_key

SCRIPT = Path(build_llama_cpp.__file__)
WHEEL = "llama_cpp_python-0.0.0-py3-none-any.whl"
CPUINFO = """\
processor\t: 0
vendor_id\t: AuthenticAMD
model name\t: AMD EPYC
cpu MHz\t\t: 2596.098
flags\t\t: fpu avx2
bugs\t\t: spectre_v1

processor\t: 1
vendor_id\t: AuthenticAMD
"""


def build(cache: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    given = {**os.environ, "XDG_CACHE_HOME": str(cache), **environment}
    return subprocess.run([sys.executable, SCRIPT], env=given, capture_output=True, text=True, check=False)


def test_a_kept_wheel_is_used_again(tmp_path: Path) -> None:
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    folder = cache_folder(environment) / wheel_key(environment)
    folder.mkdir(parents=True)
    (folder / WHEEL).touch()
    done = build(tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{folder / WHEEL}\n", "")


def test_without_a_compiler_it_says_so(tmp_path: Path) -> None:
    done = build(tmp_path, PATH=str(tmp_path), CXX="")
    assert (done.returncode, done.stdout) == (1, "")
    assert "no C++ compiler" in done.stderr


def test_a_build_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    nowhere = {"PIP_INDEX_URL": tmp_path.as_uri(), "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path), "CXX": "c++"}
    done = build(tmp_path, **nowhere)
    assert (done.returncode, done.stdout) == (1, "")
    assert "the build failed" in done.stderr
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("arguments", ["-DGGML_CUDA=on", "-DGGML_NATIVE=off"])
def test_other_options_are_another_wheel(arguments: str) -> None:
    assert wheel_key({"CMAKE_ARGS": arguments}) != wheel_key({})
    assert wheel_key({"CMAKE_ARGS": arguments}) == wheel_key({"CMAKE_ARGS": arguments})


def test_the_default_cache_is_the_users() -> None:
    assert cache_folder({}) == Path.home() / ".cache" / "multillm" / "wheels"


def test_only_a_whole_wheel_counts(tmp_path: Path) -> None:
    unfinished = tmp_path / "tmp123"
    unfinished.mkdir()
    (unfinished / WHEEL).touch()
    assert find_wheel(tmp_path) is None
    assert find_wheel(tmp_path / "not there") is None


def test_a_processor_is_what_it_can_do_and_not_how_fast_it_runs_now() -> None:
    assert read_cpuinfo(CPUINFO) == "vendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC\nflags\t\t: fpu avx2"
