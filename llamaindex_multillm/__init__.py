"""LlamaIndex over every place that an open model can run."""

from llamaindex_multillm.embedding import LlamaEmbedding
from llamaindex_multillm.llm import LlamaLLM
from llamaindex_multillm.structured import StructuredOutputError

__all__ = ["LlamaEmbedding", "LlamaLLM", "StructuredOutputError"]
