"""What a model is loaded with; equal options share one loaded model."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from shared_core.errors import ConfigurationError
from shared_core.local.gguf import Header, read_header

Pooling: TypeAlias = Literal["mean", "cls", "last"]

N_CTX_VARIABLE = "LLAMA_CPP_N_CTX"
N_GPU_LAYERS_VARIABLE = "LLAMA_CPP_N_GPU_LAYERS"
N_THREADS_VARIABLE = "LLAMA_CPP_N_THREADS"
LARGEST_DEFAULT_WINDOW = 8192
_LINUX_TOPOLOGY = Path("/sys/devices/system/cpu")


@dataclass(frozen=True)
class LoadOptions:
    """A model file and how to load it. `n_ctx` of `None` is the training window, at most 8192 tokens."""

    path: Path
    n_ctx: int | None
    n_gpu_layers: int
    n_threads: int
    pooling: Pooling | None = None

    @property
    def header(self) -> Header:
        """The head of the file. Raises `ModelFileError`."""
        return read_header(self.path)

    @property
    def window(self) -> int:
        """Tokens that prompt and answer together may have. Raises `ModelFileError`."""
        return self.n_ctx or min(self.header.training_window, LARGEST_DEFAULT_WINDOW)


def load_options(
    path: Path, n_ctx: int | None, n_gpu_layers: int | None, n_threads: int | None, pooling: Pooling | None
) -> LoadOptions:
    """Options from arguments, else from the LLAMA_CPP_* variables. Raises `ConfigurationError`."""
    return LoadOptions(
        path=path,
        n_ctx=_whole_number("n_ctx", n_ctx, N_CTX_VARIABLE, least=1),
        n_gpu_layers=_whole_number("n_gpu_layers", n_gpu_layers, N_GPU_LAYERS_VARIABLE, least=-1) or 0,
        n_threads=_whole_number("n_threads", n_threads, N_THREADS_VARIABLE, least=1) or physical_cores(),
        pooling=pooling,
    )


def _whole_number(name: str, given: int | None, variable: str, least: int) -> int | None:
    text = os.environ.get(variable, "").strip()
    if given is None and not text:
        return None
    source = name if given is not None else variable
    try:
        number = int(text) if given is None else given
    except ValueError:
        raise ConfigurationError(f"{variable} must be a whole number, not {text!r}") from None
    if number < least:
        raise ConfigurationError(f"{source} must be at least {least}, not {number}")
    return number


def physical_cores(topology: Path = _LINUX_TOPOLOGY) -> int:
    """Cores this process may use; two hardware threads of one core count once, where the system tells.

    llama.cpp is slower with a thread per hardware thread.
    """
    usable = _usable_cpus()
    siblings = {_siblings(topology / f"cpu{cpu}") or str(cpu) for cpu in usable}
    return max(1, len(siblings))


def _usable_cpus() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def _siblings(cpu: Path) -> str | None:
    try:
        return (cpu / "topology" / "thread_siblings_list").read_text().strip()
    except OSError:
        return None
