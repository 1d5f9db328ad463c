"""A place's embeddings: what it takes, and in which shape and order vectors come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tests.places.brain import RefusedError, count
from tests.places.instances import Json
from tests.places.vectors import in_base64, vector

FEW_DIMENSIONS = "few-dimensions"
"""A model with short vectors, for many texts."""
FEW = 8


@dataclass(frozen=True)
class Embedding:
    """What a place takes to embed. `models` have vectors of so many dimensions, any other `usual` ones.

    `most` texts go into one call, where that is known; `kinds` are the values of an `input_type` that must be given, and means another vector for the same text.
    `form` is the most compact `encoding_format` that it documents, `None` that there is no such field. `dimensions`
    says whether vectors may be asked for in fewer, `None` that nobody knows. `scale` is the length of the vectors.
    """

    models: Mapping[str, int]
    usual: int | None = None
    most: int | None = None
    longest: int = 8192
    base64: bool = True
    form: str | None = "float"
    dimensions: bool | None = None
    kinds: tuple[str, ...] = ()
    fields: frozenset[str] = frozenset({"model", "input", "encoding_format", "user"})
    strict: bool = True
    status: int = 400
    usage: bool = True
    scale: float = 1.0

    def size(self, model: str) -> int:
        """The dimensions of a model's vectors. Raises `RefusedError` if there is no such model."""
        size = FEW if model == FEW_DIMENSIONS else self.models.get(model, self.usual)
        if size is None:
            raise RefusedError(f"The model `{model}` does not exist.", 404, "model_not_found")
        return size

    def said(self, text: str, model: str, kind: str | None = None, size: int | None = None) -> list[float]:
        """The vector of a text."""
        values = vector(f"{kind} {text}" if kind else text, size or self.size(model))
        return [value * self.scale for value in values]


def embed(body: Json, embedding: Embedding) -> Json:
    """The answer to a request for vectors, in no particular order."""
    model, texts = str(body.get("model")), _texts(body, embedding)
    _check(body, texts, embedding)
    vectors = [embedding.said(text, model, body.get("input_type"), body.get("dimensions")) for text in texts]
    as_text = body.get("encoding_format") == "base64" and embedding.base64
    rows = [
        {"object": "embedding", "index": number, "embedding": in_base64(values) if as_text else values}
        for number, values in enumerate(vectors)
    ]
    spent = sum(count(text) for text in texts)
    usage = {"usage": {"prompt_tokens": spent, "total_tokens": spent}} if embedding.usage else {}
    return {"object": "list", "model": model, "data": rows[::-1], **usage}


def _texts(body: Json, embedding: Embedding) -> list[str]:
    texts = body.get("input")
    texts = [texts] if isinstance(texts, str) else texts
    if not texts or not all(isinstance(text, str) and text for text in texts):
        raise RefusedError("'$.input' is invalid", embedding.status)
    if embedding.most is not None and len(texts) > embedding.most:
        raise RefusedError(f"at most {embedding.most} inputs, and {len(texts)} were given", embedding.status)
    return list(texts)


def _check(body: Json, texts: list[str], embedding: Embedding) -> None:
    known = embedding.fields | (set() if embedding.dimensions is False else {"dimensions"})
    known |= {"input_type"} if embedding.kinds else set()
    if embedding.strict and (unknown := sorted(body.keys() - known)):
        raise RefusedError(f"Unrecognized request argument supplied: {unknown[0]}", embedding.status, param=unknown[0])
    if embedding.kinds and body.get("input_type") not in embedding.kinds:
        raise RefusedError(f"'input_type' must be one of {embedding.kinds}", embedding.status, param="input_type")
    if (longest := max(map(count, texts))) > embedding.longest:
        raise RefusedError(
            f"This model's maximum context length is {embedding.longest} tokens, however you requested {longest} tokens.",
            embedding.status,
        )
