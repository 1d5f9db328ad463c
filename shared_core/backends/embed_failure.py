"""Says in an error which texts have no vector, and what became of the others."""

from __future__ import annotations

from shared_core.errors import BackendError, InvalidRequestError
from shared_core.types import PartialEmbedding

_FAILED = " Failed: texts"
_QUOTED = 60
_SPANS = 8


def told(error: BackendError, partial: PartialEmbedding, texts: tuple[str, ...]) -> str:
    """The message of `error` with an account of all the texts, in place of one that a call for some of them gave."""
    message = str(error.args[0])
    if error.partial is not None:
        message = message.partition(_FAILED)[0]
    account = _account(partial, texts) if len(texts) > 1 else ""
    if isinstance(error, InvalidRequestError):
        account += _empty(partial, texts)
    return f"{message}{'' if message.endswith(('.', '!', '?')) else '.'}{account}" if account else message


def _account(partial: PartialEmbedding, texts: tuple[str, ...]) -> str:
    first = texts[partial.failed[0]]
    quoted = first if len(first) <= _QUOTED else f"{first[:_QUOTED]}..."
    have = sum(vector is not None for vector in partial.vectors)
    return f"{_FAILED}[{_spans(partial.failed)}] of {len(texts)}, beginning with {quoted!r}; {have} have vectors."


def _empty(partial: PartialEmbedding, texts: tuple[str, ...]) -> str:
    empty = [index for index in partial.failed if not texts[index].strip()]
    return f" Empty, which most models do not take: texts[{_spans(empty)}]." if empty else ""


def _spans(indexes: list[int]) -> str:
    """Rising indexes as those of slices."""
    known = set(indexes)
    starts = [index for index in indexes if index - 1 not in known]
    ends = [index + 1 for index in indexes if index + 1 not in known]
    spans = [f"{start}" if end == start + 1 else f"{start}:{end}" for start, end in zip(starts, ends, strict=True)]
    return ", ".join([*spans[:_SPANS], *(["..."] if len(spans) > _SPANS else [])])
