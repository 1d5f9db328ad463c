"""The embedding class: queries and texts over one backend, a batch in one request."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar, Literal
from weakref import WeakKeyDictionary

from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding
from pydantic import Field, PrivateAttr

from llamaindex_multillm.connected import Connected
from shared_core import EmbedBackend, EmbedOptions, EmbedRequest, embedder

_CONCURRENT_REQUESTS = 8
_BATCH = 100


class LlamaEmbedding(Connected, BaseEmbedding):
    """Any embedding model anywhere: `LlamaEmbedding(backend="together")`.

    Queries and texts are told apart for the models that embed them differently; `query_instruction` and
    `text_instruction` are put before them for those that want it in words, or, with `prefixes="auto"`, what the
    model's card asks for. Async calls share `num_workers` requests at a time (8 unless set). Vectors come in the order
    of the texts. Calls raise `shared_core`'s `BackendError`s.
    """

    embed_batch_size: int = Field(default=_BATCH, gt=0, le=2048, description="Texts in one request.")
    num_workers: int | None = Field(default=None, gt=0, description="Async requests at a time.")
    dimensions: int | None = Field(default=None, gt=0, description="Shorter vectors, where the model can.")
    query_instruction: str = Field(default="", description="Put before every query.")
    text_instruction: str = Field(default="", description="Put before every text.")
    prefixes: Literal["auto"] | tuple[str, str] | None = Field(
        default=None, description='Put before queries and texts that have no instruction: a pair, or "auto".'
    )
    normalize: bool | None = Field(default=None, description="Bring vectors to length 1.")

    _purpose: ClassVar[Literal["chat", "embedding"]] = "embedding"
    _limits: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = PrivateAttr(
        default_factory=WeakKeyDictionary
    )

    if not TYPE_CHECKING:

        def __init__(self, model: str | None = None, *, model_name: str | None = None, **options: object) -> None:
            super().__init__(model or model_name, **options)
            self.model_name = self._place.model

    @classmethod
    def class_name(cls) -> str:
        """The unique name in serialised data."""
        return "multillm_embedding"

    def _get_query_embedding(self, query: str) -> Embedding:
        return self._embedder().embed(self._request([query], "query")).vectors[0]

    async def _aget_query_embedding(self, query: str) -> Embedding:
        return (await self._aembed([query], "query"))[0]

    def _get_text_embedding(self, text: str) -> Embedding:
        return self._get_text_embeddings([text])[0]

    async def _aget_text_embedding(self, text: str) -> Embedding:
        return (await self._aget_text_embeddings([text]))[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        return self._embedder().embed(self._request(texts, "document")).vectors

    async def _aget_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        return await self._aembed(texts, "document")

    async def _aembed(self, texts: list[str], kind: Literal["query", "document"]) -> list[Embedding]:
        async with self._limit():
            return (await self._embedder().aembed(self._request(texts, kind))).vectors

    def _embedder(self) -> EmbedBackend:
        # Core makes the batches and runs them at once; those that are too large for a place follow one another.
        own = (self.query_instruction, self.text_instruction)
        options = EmbedOptions(
            batch_size=self.embed_batch_size,
            max_concurrency=1,
            prefixes=own if any(own) else self.prefixes,
            normalize=self.normalize,
        )
        return embedder(self._place, options)

    def _request(self, texts: list[str], kind: Literal["query", "document"]) -> EmbedRequest:
        return EmbedRequest(texts=tuple(texts), kind=kind, dimensions=self.dimensions)

    def _limit(self) -> asyncio.Semaphore:
        # Core sends all batches of a document set at once; a semaphore belongs to the loop that it first waits in.
        loop = asyncio.get_running_loop()
        return self._limits.setdefault(loop, asyncio.Semaphore(self.num_workers or _CONCURRENT_REQUESTS))
