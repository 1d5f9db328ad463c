"""Ollama's own API, which says and takes what its OpenAI-compatible one leaves out."""

from shared_core.wire.ollama.wire import OllamaWire

__all__ = ["OllamaWire"]
