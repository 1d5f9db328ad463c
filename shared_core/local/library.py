"""The only import of llama_cpp: on first use, checked, and with its log lines sent to `logging`."""

from __future__ import annotations

import ctypes
import importlib
import logging
import threading
from functools import cache
from importlib.util import find_spec
from types import ModuleType

from shared_core.errors import MissingDependencyError

TESTED_VERSIONS = ">=0.3.36,<0.4"
INSTALL = (
    "Install it:\n"
    '  CPU:           pip install "multillm-plugins[local]"\n'
    '  Apple (Metal): CMAKE_ARGS="-DGGML_METAL=on" pip install "multillm-plugins[local]"\n'
    '  NVIDIA (CUDA): CMAKE_ARGS="-DGGML_CUDA=on" pip install "multillm-plugins[local]"'
)
_PACKAGES = {"llama_cpp": "llama-cpp-python", "llguidance": "llguidance", "jinja2": "jinja2", "numpy": "numpy"}
# Everything that this package takes from llama_cpp.llama_cpp; llama.cpp renames and drops functions as it goes.
SYMBOLS = (
    "LLAMA_POOLING_TYPE_CLS",
    "LLAMA_POOLING_TYPE_LAST",
    "LLAMA_POOLING_TYPE_MEAN",
    "LLAMA_POOLING_TYPE_RANK",
    "LLAMA_TOKEN_NULL",
    "ggml_abort_callback",
    "llama_backend_init",
    "llama_batch_free",
    "llama_batch_get_one",
    "llama_batch_init",
    "llama_context_default_params",
    "llama_decode",
    "llama_free",
    "llama_get_embeddings_seq",
    "llama_get_logits_ith",
    "llama_get_memory",
    "llama_init_from_model",
    "llama_log_callback",
    "llama_log_set",
    "llama_logit_bias",
    "llama_memory_clear",
    "llama_model_default_params",
    "llama_model_free",
    "llama_model_get_vocab",
    "llama_model_has_encoder",
    "llama_model_is_diffusion",
    "llama_model_load_from_file",
    "llama_model_n_embd_out",
    "llama_progress_callback",
    "llama_sampler_accept",
    "llama_sampler_apply",
    "llama_sampler_chain_add",
    "llama_sampler_chain_default_params",
    "llama_sampler_chain_init",
    "llama_sampler_free",
    "llama_sampler_init_dist",
    "llama_sampler_init_grammar",
    "llama_sampler_init_greedy",
    "llama_sampler_init_logit_bias",
    "llama_sampler_init_min_p",
    "llama_sampler_init_penalties",
    "llama_sampler_init_temp",
    "llama_sampler_init_top_k",
    "llama_sampler_init_top_p",
    "llama_sampler_init_typical",
    "llama_set_abort_callback",
    "llama_token_data_array",
    "llama_token_to_piece",
    "llama_tokenize",
    "llama_vocab_bos",
    "llama_vocab_eos",
    "llama_vocab_get_add_bos",
    "llama_vocab_is_control",
    "llama_vocab_is_eog",
    "llama_vocab_n_tokens",
)

_log = logging.getLogger("shared_core.local.llama_cpp")
_log.addHandler(logging.NullHandler())
_LEVELS = {
    1: logging.DEBUG,
    2: logging.DEBUG,
    3: logging.WARNING,
    4: logging.ERROR,
}  # ggml_log_level; 5 continues a line
_last_lines = threading.local()


def require_packages() -> None:
    """Raise `MissingDependencyError` if a package that local models need is not installed; imports nothing."""
    missing = [name for module, name in _PACKAGES.items() if find_spec(module) is None]
    if missing:
        raise MissingDependencyError(f"local models need {', '.join(missing)}, not installed here. {INSTALL}")


@cache
def library() -> ModuleType:
    """The functions of llama.cpp, ready to use. Raises `MissingDependencyError`."""
    require_packages()
    try:
        llama = importlib.import_module("llama_cpp.llama_cpp")
    except (ImportError, OSError, RuntimeError) as error:
        raise MissingDependencyError(f"llama-cpp-python is installed but does not load: {error}. {INSTALL}") from error
    _check_symbols(llama)
    llama.llama_log_set(_log_callback(llama), ctypes.c_void_p(0))
    llama.llama_backend_init()
    return llama


def _check_symbols(llama: ModuleType) -> None:
    absent = [name for name in SYMBOLS if not hasattr(llama, name)]
    if absent:
        raise MissingDependencyError(
            f"llama-cpp-python {_installed_version()} has no {', '.join(absent)}; versions {TESTED_VERSIONS} are "
            f'tested: pip install "llama-cpp-python{TESTED_VERSIONS}"'
        )


def _installed_version() -> str:
    return str(getattr(importlib.import_module("llama_cpp"), "__version__", "(of unknown version)"))


@cache  # llama.cpp keeps the pointer, so somebody must keep the object
def _log_callback(llama: ModuleType) -> object:
    return llama.llama_log_callback(_on_line)


def _on_line(level: int, text: bytes, _user_data: object) -> None:
    line = text.decode(errors="replace").rstrip()
    number = _LEVELS.get(level, logging.DEBUG)
    if number >= logging.WARNING:
        recorded_problems().append(line)
    _log.log(number, "%s", line)


def recorded_problems() -> list[str]:
    """The warnings and errors that llama.cpp has logged on this thread since the list was last cleared."""
    if not hasattr(_last_lines, "lines"):
        _last_lines.lines = []
    lines: list[str] = _last_lines.lines
    return lines
