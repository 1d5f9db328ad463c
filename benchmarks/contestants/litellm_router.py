"""LiteLLM's Router, in process."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

from litellm import Router  # noqa: TID251 - what is compared with; runs in an environment of its own


class Chain:
    """A router over the targets."""

    def __init__(self, router: Any, name: str) -> None:  # noqa: ANN401 - a Router
        self._router = router
        self._name = name

    def chat(self, prompt: str) -> str:
        """A whole answer."""
        return str(self._router.completion(self._name, _messages(prompt)).choices[0].message.content or "")

    def stream(self, prompt: str) -> Iterator[str]:
        """Its pieces."""
        for chunk in self._router.completion(self._name, _messages(prompt), stream=True):
            yield _piece(chunk)

    async def achat(self, prompt: str) -> str:
        """A whole answer."""
        answer = await self._router.acompletion(self._name, _messages(prompt))
        return str(answer.choices[0].message.content or "")

    async def astream(self, prompt: str) -> AsyncIterator[str]:
        """Its pieces."""
        async for chunk in await self._router.acompletion(self._name, _messages(prompt), stream=True):
            yield _piece(chunk)


def _messages(prompt: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": prompt}]


def _piece(chunk: Any) -> str:  # noqa: ANN401 - a ModelResponseStream
    return str(chunk.choices[0].delta.content or "") if chunk.choices else ""


def chain(targets: Sequence[str], *, timeout: float, pooled: bool, ollama: bool) -> Chain:
    """A model group for each target, the others fallbacks of the first; pooled: one group of them all."""
    random.seed(0)  # its default strategy draws deployments at random
    names = ["target" if pooled else f"target-{at}" for at in range(len(targets))]
    deployments = [
        {"model_name": name, "litellm_params": _params(url, timeout, ollama=ollama)}
        for name, url in zip(names, targets, strict=True)
    ]
    fallbacks = [] if pooled else [{names[0]: names[1:]}]
    router = Router(model_list=deployments, fallbacks=fallbacks, num_retries=0, timeout=timeout, stream_timeout=timeout)
    return Chain(router, names[0])


def _params(url: str, timeout: float, *, ollama: bool) -> dict[str, Any]:
    return {
        "model": "ollama_chat/m" if ollama else "openai/m",
        "api_base": url.removesuffix("/v1") if ollama else url,
        "api_key": "sk-test",
        "timeout": timeout,
        "stream_timeout": timeout,
        "max_retries": 0,
    }
