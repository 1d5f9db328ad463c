"""How a place's OpenAI API differs from the others', as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Dialect:
    """What two places or more do in different ways; the defaults are what most do.

    `names` are body keys that differ from the request's field names. Fields in `dropped` are rejected or ignored
    there and only tune an answer: they are left out, and said to be. Fields in `refused` are asked for their effect,
    so a request that has one is an `UnsupportedError`. `defaults` are body entries that the caller's go before.
    """

    names: tuple[tuple[str, str], ...] = ()
    dropped: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()
    defaults: tuple[tuple[str, Any], ...] = ()

    replaced: tuple[tuple[str, Any, Any], ...] = ()
    """Values of fields that are refused there, and the ones that mean the same: `None` is leaving the field out."""

    refused_parts: frozenset[str] = frozenset()
    """Types of message parts ("image", "audio", "file") that the place has no form for."""

    logprobs: Literal["flag", "count"] = "flag"
    """Log-probabilities are asked for with a flag and a number of alternatives, or with that number alone."""

    reasoning_key: str | None = None
    """The key under which reasoning goes back while a model is calling tools; elsewhere it is left out."""

    stream_usage: bool = True
    """Streams are asked for usage; places that send it unasked need no such option."""

    streams_schema: bool = True
    """JSON of a schema may be streamed; otherwise it is asked for whole, and comes as a stream of one piece."""

    message_names: bool = True
    """Messages may have a `name`."""

    developer_role: bool = False
    """There is a role "developer"; elsewhere such messages go out as "system"."""

    named_tool: Literal["object", "only_tool"] = "object"
    """How one tool is forced: by naming it, or, where there is no form for that, as the only tool, "required"."""

    schema_with_tools: Literal["both", "final_tool"] = "both"
    """How JSON of a schema is asked for beside tools: as it is, or, where these exclude each other, as one more tool
    whose arguments are the answer. They come out as text."""

    schema_form: Literal["json_schema", "value", "schema"] = "json_schema"
    """OpenAI's form, or the schema as the `value` or `schema` of the format "json_object"."""

    schema_defaults: tuple[tuple[str, Any], ...] = ()
    """Body entries that go with a format."""

    image_urls: bool = True
    """Images may be given by http(s) URL; data URLs may be everywhere."""

    json_object: Literal["json_object", "json_schema"] | None = "json_object"
    """The format that asks for just any JSON object; some have none."""

    no_content: str | None = None
    """What stands for the text of a turn that has tool calls alone."""

    text_with_calls: bool = True
    """A turn may have text and tool calls; otherwise it goes as two."""

    prefix: tuple[tuple[str, Any], ...] = ()
    """Body entries that ask to go on with the last message, where it is the beginning of the answer."""

    embed_kinds: tuple[tuple[Literal["query", "document"], str], ...] = ()
    """The `input_type` that says whether a text asks or is to be found, where models need to know."""

    embed_encoding: Literal["float", "base64"] | None = "float"
    """How vectors are asked for; they are read either way. `None` is not to say."""

    embed_dimensions: bool = True
    """Vectors of fewer dimensions may be asked for, of models that can."""

    cost_header: str | None = None
    """The response header that tells what a call cost, in USD."""

    metadata_headers: tuple[str, ...] = ()
    """Response headers that go into the answer's metadata."""

    timing_headers: tuple[tuple[str, str], ...] = ()
    """Response headers with seconds, and the field of `Timings` that each of them is."""

    grammar: Literal["response_format", "body"] | None = None
    """Where a GBNF grammar goes."""
