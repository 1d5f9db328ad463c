"""The OpenAI chat completions and embeddings API, as the many places that copy it speak it."""

from shared_core.wire.openai.wire import OpenAIWire

__all__ = ["OpenAIWire"]
