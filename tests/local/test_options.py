"""What a model is loaded with: arguments, else variables, else defaults."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from shared_core.errors import ConfigurationError, MissingDependencyError
from shared_core.local import connect_local
from shared_core.local.library import SYMBOLS, library
from shared_core.local.options import physical_cores


def test_defaults(tiny_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LLAMA_CPP_N_THREADS")
    options = connect_local(str(tiny_path)).options
    assert (options.n_ctx, options.n_gpu_layers, options.n_threads) == (None, 0, physical_cores())
    assert options.window == 2048


def test_variables_go_before_defaults_and_arguments_before_variables(
    tiny_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLAMA_CPP_N_CTX", "77")
    monkeypatch.setenv("LLAMA_CPP_N_GPU_LAYERS", "-1")
    monkeypatch.setenv("LLAMA_CPP_N_THREADS", " 3 ")
    options = connect_local(str(tiny_path)).options
    assert (options.n_ctx, options.window, options.n_gpu_layers, options.n_threads) == (77, 77, -1, 3)
    options = connect_local(str(tiny_path), n_ctx=5, n_gpu_layers=0, n_threads=1).options
    assert (options.n_ctx, options.n_gpu_layers, options.n_threads) == (5, 0, 1)


@pytest.mark.parametrize("variable", ["LLAMA_CPP_N_CTX", "LLAMA_CPP_N_GPU_LAYERS", "LLAMA_CPP_N_THREADS"])
@pytest.mark.parametrize(("value", "message"), [("many", "whole number, not 'many'"), ("-2", "at least .*, not -2")])
def test_a_wrong_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, tiny_path: Path, variable: str, value: str, message: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=f"{variable} must be (a )?{message}"):
        connect_local(str(tiny_path))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_ctx": 0}, "n_ctx must be at least 1, not 0"),
        ({"keep_alive": -1}, "keep_alive must be at least 0"),
        ({"timeout": math.nan}, "timeout must be at least 0, not nan"),
        ({"temperature": -0.1}, "temperature"),
        ({"max_tokens": 0}, "max_tokens must be at least 1"),
        ({"n_batch": 7}, "no option named n_batch. It takes: model_dir, n_ctx"),
    ],
)
def test_a_wrong_argument_is_named(tiny_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        connect_local(str(tiny_path), **options)


def test_for_ever_may_be_written_as_infinity(tiny_path: Path) -> None:
    assert connect_local(str(tiny_path), keep_alive=math.inf).keep_alive is None


# --- cores ---------------------------------------------------------------------------------------------------------


def test_two_hardware_threads_are_one_core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cpus = sorted(os.sched_getaffinity(0))
    for cpu in cpus:
        place = tmp_path / f"cpu{cpu}" / "topology"
        place.mkdir(parents=True)
        (place / "thread_siblings_list").write_text("0-999\n")
    assert physical_cores(tmp_path) == 1
    assert physical_cores(tmp_path / "unknown") == len(cpus)
    monkeypatch.delattr(os, "sched_getaffinity")
    assert physical_cores(tmp_path / "unknown") == os.cpu_count()


# --- the packages --------------------------------------------------------------------------------------------------


def test_missing_packages_are_told_with_the_lines_that_install_them(
    tiny_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "llama_cpp", None)
    with pytest.raises(MissingDependencyError) as caught:
        connect_local(str(tiny_path))
    message = str(caught.value)
    assert "need llama-cpp-python, not installed" in message
    assert 'pip install "multillm-plugins[local]"' in message
    assert 'CMAKE_ARGS="-DGGML_METAL=on"' in message
    assert 'CMAKE_ARGS="-DGGML_CUDA=on"' in message


@pytest.fixture
def another_llama_cpp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty package of that name, found before the real one."""
    for module in [name for name in sys.modules if name.partition(".")[0] == "llama_cpp"]:
        monkeypatch.delitem(sys.modules, module)
    (tmp_path / "llama_cpp").mkdir()
    (tmp_path / "llama_cpp" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path / "llama_cpp" / "llama_cpp.py"


def test_another_version_is_told_with_the_tested_ones(another_llama_cpp: Path) -> None:
    another_llama_cpp.write_text("".join(f"{name} = None\n" for name in SYMBOLS if name != "llama_memory_clear"))
    with pytest.raises(
        MissingDependencyError, match=r"has no llama_memory_clear; versions >=0.3.36,<0.4 are tested: pip"
    ):
        library.__wrapped__()


def test_a_package_that_does_not_load_is_told(another_llama_cpp: Path) -> None:
    another_llama_cpp.write_text("raise RuntimeError('Failed to load shared library')")
    with pytest.raises(MissingDependencyError, match="does not load: Failed to load shared library"):
        library.__wrapped__()


def test_every_function_that_is_used_is_checked() -> None:
    import re

    import shared_core.local

    source = "".join(path.read_text() for path in Path(shared_core.local.__path__[0]).glob("*.py"))
    used = set(re.findall(r"llama\.((?:llama|ggml|LLAMA)_\w+)", source)) | set(
        re.findall(r'"(LLAMA_\w+_TYPE_\w+)"', source)
    )
    assert used == set(SYMBOLS)


def test_a_module_without_functions_is_no_library() -> None:
    from shared_core.local.library import _check_symbols

    with pytest.raises(MissingDependencyError, match="ggml_abort_callback"):
        _check_symbols(ModuleType("nothing"))
