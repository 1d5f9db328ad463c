"""LangChain: ChatOpenAI with `with_fallbacks`, and no retries, as its documentation says for fallbacks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

from langchain_openai import ChatOpenAI


class Chain:
    """A model with fallbacks."""

    def __init__(self, runnable: Any) -> None:  # noqa: ANN401 - a Runnable
        self._runnable = runnable

    def chat(self, prompt: str) -> str:
        """A whole answer."""
        return str(self._runnable.invoke(prompt).content)

    def stream(self, prompt: str) -> Iterator[str]:
        """Its pieces."""
        return (str(chunk.content) for chunk in self._runnable.stream(prompt))

    async def achat(self, prompt: str) -> str:
        """A whole answer."""
        return str((await self._runnable.ainvoke(prompt)).content)

    async def astream(self, prompt: str) -> AsyncIterator[str]:
        """Its pieces."""
        async for chunk in self._runnable.astream(prompt):
            yield str(chunk.content)


def chain(targets: Sequence[str], *, timeout: float, pooled: bool, ollama: bool) -> Chain:
    """The first with the others as its fallbacks; there are no pools."""
    del pooled, ollama
    first, *others = [
        ChatOpenAI(
            model="m",
            base_url=url,
            api_key="sk-test",
            timeout=timeout,
            stream_chunk_timeout=timeout,
            max_retries=0,
        )
        for url in targets
    ]
    return Chain(first.with_fallbacks(others))
