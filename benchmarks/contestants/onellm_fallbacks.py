"""OneLLM's `fallback_models`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

from onellm import ChatCompletion
from onellm.config import update_provider_config

_PROVIDERS = ("groq", "together", "fireworks")
"""A provider has one address, so each target is another one; all three speak the OpenAI API."""


class Chain:
    """A model and its fallbacks."""

    def __init__(self, models: Sequence[str]) -> None:
        self._options: dict[str, Any] = {"model": models[0], "fallback_models": list(models[1:])}

    def chat(self, prompt: str) -> str:
        """A whole answer."""
        return _text(ChatCompletion.create(messages=_messages(prompt), **self._options))

    def stream(self, prompt: str) -> Iterator[str]:
        """Its pieces."""
        for chunk in ChatCompletion.create(messages=_messages(prompt), stream=True, **self._options):
            yield _piece(chunk)

    async def achat(self, prompt: str) -> str:
        """A whole answer."""
        return _text(await ChatCompletion.acreate(messages=_messages(prompt), **self._options))

    async def astream(self, prompt: str) -> AsyncIterator[str]:
        """Its pieces."""
        async for chunk in await ChatCompletion.acreate(messages=_messages(prompt), stream=True, **self._options):
            yield _piece(chunk)


def _messages(prompt: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": prompt}]


def _text(answer: Any) -> str:  # noqa: ANN401 - a ChatCompletionResponse
    message = answer.choices[0].message
    return str((message["content"] if isinstance(message, dict) else message.content) or "")


def _piece(chunk: Any) -> str:  # noqa: ANN401 - a ChatCompletionChunk
    return str(chunk.choices[0].delta.content or "") if chunk.choices else ""


def chain(targets: Sequence[str], *, timeout: float, pooled: bool, ollama: bool) -> Chain:
    """The first with the others as its fallbacks; there are no pools."""
    del pooled, ollama
    for provider, url in zip(_PROVIDERS, targets, strict=False):
        update_provider_config(provider, api_key="sk-test", api_base=url, timeout=timeout, max_retries=0)
    return Chain([f"{provider}/m" for provider, _ in zip(_PROVIDERS, targets, strict=False)])
