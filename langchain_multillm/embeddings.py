"""Every backend that embeds is one LangChain embeddings class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from langchain_core.embeddings import Embeddings
from pydantic import Field

from langchain_multillm.connection import Connected
from langchain_multillm.errors import langchain_errors
from shared_core import EmbedBackend, EmbedOptions, EmbedRequest, embedder

Vectors = list[list[float]]


class LlamaEmbeddings(Connected, Embeddings):
    """Embeddings from any place: `LlamaEmbeddings(backend="together")`, `LlamaEmbeddings(model="ollama/bge-m3")`.

    Raises `shared_core` errors that are LangChain's `ModelError`s too; `partial` of an error has the vectors that came
    before it, and says which texts failed.
    """

    dimensions: int | None = Field(default=None, ge=1)
    """Length of the vectors, for models that can shorten them."""

    chunk_size: int = Field(default=64, ge=1)
    """Texts in one request; fewer where the place is known to take no more."""

    max_concurrency: int = Field(default=4, ge=1)
    """Requests at once."""

    prefixes: Literal["auto"] | tuple[str, str] | None = None
    """What goes before queries and before documents: a pair, or "auto" for what the model's card asks for."""

    normalize: bool | None = None
    """Bring vectors to length 1; without it they are as the place gives them."""

    purpose: ClassVar[Literal["chat", "embedding"]] = "embedding"

    synonyms: ClassVar[Mapping[str, str]] = {**Connected.synonyms, "batch_size": "chunk_size"}

    def embed_documents(self, texts: list[str]) -> Vectors:
        """Embed texts to be found; vectors come in the order of the texts, none for none."""
        with langchain_errors():
            return self._embedder().embed(self._request(texts, "document")).vectors

    def embed_query(self, text: str) -> list[float]:
        """Embed a question, for models that embed it otherwise than its answers."""
        with langchain_errors():
            return self._embedder().embed(self._request([text], "query")).vectors[0]

    async def aembed_documents(self, texts: list[str]) -> Vectors:
        """Embed texts to be found; vectors come in the order of the texts, none for none."""
        with langchain_errors():
            return (await self._embedder().aembed(self._request(texts, "document"))).vectors

    async def aembed_query(self, text: str) -> list[float]:
        """Embed a question, for models that embed it otherwise than its answers."""
        with langchain_errors():
            return (await self._embedder().aembed(self._request([text], "query"))).vectors[0]

    def _embedder(self) -> EmbedBackend:
        said = self.model_fields_set  # a backend that came built has its own, for what is not
        options = EmbedOptions(
            batch_size=self.chunk_size if "chunk_size" in said else None,
            max_concurrency=self.max_concurrency if "max_concurrency" in said else None,
            prefixes=self.prefixes,
            normalize=self.normalize,
        )
        return embedder(self.connection, options)

    def _request(self, texts: list[str], kind: Literal["query", "document"]) -> EmbedRequest:
        return EmbedRequest(texts=tuple(texts), kind=kind, dimensions=self.dimensions, timeout=self.call_timeout)
