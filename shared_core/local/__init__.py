"""llama.cpp in process: a GGUF file as a backend."""

from shared_core.local.backend import LocalBackend, connect_local

__all__ = ["LocalBackend", "connect_local"]
