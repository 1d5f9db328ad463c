"""What embedding models want before a text, by whether it asks or is to be found."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

from shared_core.errors import ConfigurationError

Kind: TypeAlias = Literal["query", "document"]
Prefixes: TypeAlias = Literal["auto"] | tuple[str, str] | None
"""What goes before queries and before documents: nothing, this, or what the model's card asks for."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What the models with such names want. A text that has one of the beginnings `own` has been given its own.

    Names are searched in ids of all places, file names included, in lower case and with hyphens; `card` is the source.
    """

    names: re.Pattern[str]
    query: str
    document: str
    own: tuple[str, ...]
    card: str


_PASSAGES = "Represent this sentence for searching relevant passages: "
_TASK = "Instruct: Given a web search query, retrieve relevant passages that answer the query\n"

# The first row that fits.
_TABLE = (
    _Wanted(
        re.compile("nomic-embed-text"),
        "search_query: ",
        "search_document: ",
        ("search_query:", "search_document:", "clustering:", "classification:"),
        "https://huggingface.co/nomic-ai/nomic-embed-text-v1.5",
    ),
    _Wanted(
        re.compile("nomic-embed-code"),
        "Represent this query for searching relevant code: ",
        "",
        ("Represent this query",),
        "https://huggingface.co/nomic-ai/nomic-embed-code",
    ),
    _Wanted(
        re.compile("e5-mistral|e5-large-instruct|sfr-embedding|gte-qwen"),
        _TASK + "Query: ",
        "",
        ("Instruct:",),
        "https://huggingface.co/intfloat/e5-mistral-7b-instruct",
    ),
    _Wanted(
        re.compile("qwen3-embedding"),
        _TASK + "Query:",
        "",
        ("Instruct:",),
        "https://huggingface.co/Qwen/Qwen3-Embedding-8B",
    ),
    _Wanted(
        re.compile("e5-(?:small|base|large)"),
        "query: ",
        "passage: ",
        ("query:", "passage:"),
        "https://huggingface.co/intfloat/multilingual-e5-large",
    ),
    _Wanted(
        re.compile("bge-(?:small|base|large)-zh"),
        "\u4e3a\u8fd9\u4e2a\u53e5\u5b50\u751f\u6210\u8868\u793a\u4ee5\u7528\u4e8e\u68c0\u7d22\u76f8\u5173\u6587\u7ae0\uff1a",
        "",
        ("\u4e3a\u8fd9\u4e2a\u53e5\u5b50\u751f\u6210\u8868\u793a",),
        "https://huggingface.co/BAAI/bge-large-zh-v1.5",
    ),
    _Wanted(
        re.compile("arctic-embed2|arctic-embed-[a-z]+-v2"),
        "query: ",
        "",
        ("query:",),
        "https://huggingface.co/Snowflake/snowflake-arctic-embed-l-v2.0",
    ),
    _Wanted(
        re.compile("bge-(?:small|base|large)|mxbai-embed-large|uae-large|arctic-embed"),
        _PASSAGES,
        "",
        ("Represent this sentence",),
        "https://huggingface.co/BAAI/bge-large-en-v1.5",
    ),
    _Wanted(
        re.compile("embeddinggemma|embedding-gemma"),
        "task: search result | query: ",
        "title: none | text: ",
        ("task:", "title:"),
        "https://huggingface.co/google/embeddinggemma-300m",
    ),
)


def prefixed(texts: tuple[str, ...], kind: Kind, prefixes: Prefixes, model: str) -> tuple[str, ...]:
    """The texts, each with what goes before it; one that has its prefix already is left as it is."""
    if prefixes is None:
        return texts
    prefix, own = _wanted(kind, prefixes, model)
    return tuple(text if text.startswith(own) else prefix + text for text in texts) if prefix else texts


def _wanted(kind: Kind, prefixes: Literal["auto"] | tuple[str, str], model: str) -> tuple[str, tuple[str, ...]]:
    if prefixes != "auto":
        prefix = prefixes[0] if kind == "query" else prefixes[1]
        return prefix, (prefix,)
    row = _row(model)
    if row is None:
        return "", ()
    return (row.query if kind == "query" else row.document), row.own


@lru_cache(maxsize=256)
def _row(model: str) -> _Wanted | None:
    name = model.lower().replace("_", "-")
    return next((row for row in _TABLE if row.names.search(name)), None)


def check_prefixes(prefixes: object) -> None:
    """Raise `ConfigurationError` for what are no prefixes."""
    match prefixes:
        case None | "auto" | (str(), str()):
            return
        case _:
            raise ConfigurationError(
                f'prefixes={prefixes!r} must be "auto" or a pair: what goes before a query, and before a document'
            )
