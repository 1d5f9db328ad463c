"""Every place an open model can run, as one LangChain chat model and one embeddings class.

What is imported here is loaded on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from langchain_multillm.chat_model import ChatLlama
    from langchain_multillm.embeddings import LlamaEmbeddings

__all__ = ["ChatLlama", "LlamaEmbeddings"]

_HOMES = {"ChatLlama": "chat_model", "LlamaEmbeddings": "embeddings"}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
