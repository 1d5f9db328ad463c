"""Every backend that embeds is one LangChain embeddings class."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar, Literal

from langchain_core.embeddings import Embeddings
from pydantic import Field

from langchain_multillm.connection import Connected
from langchain_multillm.errors import langchain_errors
from shared_core import EmbedRequest

Vectors = list[list[float]]


class LlamaEmbeddings(Connected, Embeddings):
    """Embeddings from any place: `LlamaEmbeddings(backend="together")`, `LlamaEmbeddings(model="ollama/bge-m3")`.

    Raises `shared_core` errors that are LangChain's `ModelError`s too.
    """

    dimensions: int | None = Field(default=None, ge=1)
    """Length of the vectors, for models that can shorten them."""

    chunk_size: int = Field(default=64, ge=1)
    """Texts in one request."""

    max_concurrency: int = Field(default=4, ge=1)
    """Requests at once."""

    purpose: ClassVar[Literal["chat", "embedding"]] = "embedding"

    synonyms: ClassVar[Mapping[str, str]] = {**Connected.synonyms, "batch_size": "chunk_size"}

    def embed_documents(self, texts: list[str]) -> Vectors:
        """Embed texts to be found; vectors come in the order of the texts, none for none."""
        with langchain_errors():
            if len(texts) <= self.chunk_size:
                return self._embed(texts)
            with ThreadPoolExecutor(self.max_concurrency) as pool:
                return [vector for vectors in pool.map(self._embed, self._batches(texts)) for vector in vectors]

    def embed_query(self, text: str) -> list[float]:
        """Embed a question, for models that embed it otherwise than its answers."""
        with langchain_errors():
            return self._embed([text], "query")[0]

    async def aembed_documents(self, texts: list[str]) -> Vectors:
        """Embed texts to be found; vectors come in the order of the texts, none for none."""
        gate = asyncio.Semaphore(self.max_concurrency)

        async def embed(batch: list[str]) -> Vectors:
            async with gate:
                return await self._aembed(batch)

        with langchain_errors():
            return [
                vector for vectors in await _together([embed(b) for b in self._batches(texts)]) for vector in vectors
            ]

    async def aembed_query(self, text: str) -> list[float]:
        """Embed a question, for models that embed it otherwise than its answers."""
        with langchain_errors():
            return (await self._aembed([text], "query"))[0]

    def _batches(self, texts: list[str]) -> Iterator[list[str]]:
        return (texts[start : start + self.chunk_size] for start in range(0, len(texts), self.chunk_size))

    def _request(self, texts: list[str], kind: Literal["query", "document"]) -> EmbedRequest:
        return EmbedRequest(texts=tuple(texts), kind=kind, dimensions=self.dimensions, timeout=self.call_timeout)

    def _embed(self, texts: list[str], kind: Literal["query", "document"] = "document") -> Vectors:
        return self.connection.embed(self._request(texts, kind)).vectors if texts else []

    async def _aembed(self, texts: list[str], kind: Literal["query", "document"] = "document") -> Vectors:
        return (await self.connection.aembed(self._request(texts, kind))).vectors


async def _together(calls: list[Coroutine[Any, Any, Vectors]]) -> list[Vectors]:
    """Run calls at once. If one fails the others are cancelled, and its own error is raised, not a group."""
    tasks = [asyncio.create_task(call) for call in calls]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
