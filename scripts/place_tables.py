"""Makes the tables of docs/places.md: what a place's calls look like, asked of the wire that makes them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from shared_core import (
    CATALOG,
    AudioPart,
    ChatRequest,
    EmbedRequest,
    FilePart,
    Grammar,
    ImagePart,
    JsonObject,
    JsonSchema,
    Message,
    NamedTool,
    Part,
    Place,
    ReasoningPart,
    TextPart,
    Tool,
    ToolCallPart,
    ToolResultPart,
    UnsupportedError,
)
from shared_core.backends.embed_job import DEFAULT_BATCH
from shared_core.backends.place import Option
from shared_core.wire import Call
from shared_core.wire.final_tool import FINAL_TOOL

PAGE = Path(__file__).resolve().parents[1] / "docs" / "places.md"
Json: TypeAlias = dict[str, Any]
Row: TypeAlias = tuple[str, ...]

_SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
_TOOL = Tool(name="look_up", parameters={"type": "object", "properties": {"word": {"type": "string"}}})
_TUNING: Json = {
    "temperature": 0.5,
    "top_p": 0.5,
    "top_k": 5,
    "min_p": 0.1,
    "max_tokens": 50,
    "seed": 1,
    "frequency_penalty": 0.1,
    "presence_penalty": 0.1,
    "repetition_penalty": 1.1,
    "reasoning_effort": "low",
    "user": "u",
    "stop": ["x"],
    "tools": (_TOOL,),
    "parallel_tool_calls": True,
}
_LIMIT = 77
_THOUGHT = "hm"
_TURNS = (
    Message(role="developer", content="Be brief."),
    Message(role="user", content="Hi"),
    Message(
        role="assistant", parts=(ReasoningPart(text=_THOUGHT), ToolCallPart(id="c", name="look_up", arguments="{}"))
    ),
    Message(role="tool", parts=(ToolResultPart(call_id="c", content=(TextPart(text="x"),)),)),
)
_LINK = ImagePart(url="https://a.example/cat.png")
_PARTS: Mapping[str, Part] = {"audio": AudioPart(data=b"x"), "files": FilePart(data=b"x")}


def tables() -> dict[str, str]:
    """The tables by name, each in markdown with a row for every place."""
    places = CATALOG.values()
    return {
        "keys": _table(
            ("Name", "Key variable", "Default chat model", "Default embedding model", "Options of its own"),
            map(_keys, places),
        ),
        "requests": _table(
            ("Name", "Left out, with a warning", "Refused", "Sent unasked", "Images by URL", "Known limits of images"),
            map(_requests, places),
        ),
        "formats": _table(
            ("Name", "A schema goes as", "Beside tools", "Streamed", "Any JSON object", "GBNF grammar"),
            map(_formats, places),
        ),
        "turns": _table(
            (
                "Name",
                "`max_tokens` goes as",
                "Role of developer messages",
                "Reasoning goes back as",
                "A tool is forced",
            ),
            map(_turns, places),
        ),
        "embeddings": _table(
            ("Name", "Asked for as", "`dimensions`", "Texts in a call", "Told whether a text asks"),
            (_embeddings(place) for place in places if place.embedding_model or place.server),
        ),
    }


def _keys(place: Place) -> Row:
    return (
        code(place.name),
        code(place.key) + ("" if place.key_required else " (optional)"),
        code(place.chat_model),
        code(place.embedding_model),
        _listed(f"`{name}` ({_goes(option)})" for name, option in place.options.items()),
    )


def _goes(option: Option) -> str:
    if option.url:
        return "into the URL"
    return f"header{'s' * (len(option.headers) > 1)} {_codes(option.headers)}" if option.headers else _path(option.body)


def _requests(place: Place) -> Row:
    named = Message(role="user", content="Hi", name="ann")
    dropped = _call(place, ChatRequest(messages=(named,), **_TUNING)).dropped
    return (
        code(place.name),
        _listed(code(name) if name.isidentifier() else name for name in dropped),
        _listed(_refused(place)),
        _listed(f"`{name}: {json.dumps(value)}`" for name, value in _leaves(_unasked(place))),
        "no, bytes only" if _refuses(place, _asked(_LINK)) else "yes",
        place.image_limits or "-",
    )


def _refused(place: Place) -> Iterator[str]:
    if _refuses(place, _asked(logprobs=True)):
        yield "log-probabilities"
    yield from (name for name, part in _PARTS.items() if _refuses(place, _asked(part)))


def _unasked(place: Place) -> Json:
    body = _body(place, _asked())
    return {name: value for name, value in body.items() if name not in ("model", "messages", "stream")}


def _formats(place: Place) -> Row:
    schema = _asked(response_format=JsonSchema(_SCHEMA))
    both = json.dumps(_body(place, schema.model_copy(update={"tools": (_TOOL,)})))
    return (
        code(place.name),
        _format(place, schema) + _and(place, schema),
        "the final-answer tool" if FINAL_TOOL in both else "both are sent",
        "yes" if _body(place, schema, stream=True).get("stream") else "asked for whole",
        _format(place, _asked(response_format=JsonObject())),
        _format(place, _asked(response_format=Grammar('root ::= "x"'))),
    )


def _format(place: Place, request: ChatRequest) -> str:
    """Where a format stands in the body: its type, or the field that holds it."""
    if _refuses(place, request):
        return "refused"
    body = _body(place, request)
    form = body.get("response_format")
    if form is None:
        return code(next(name for name in ("format", "grammar") if name in body))
    return code(form["type"]) + "".join(f" with the schema as `{name}`" for name in form if form[name] == _SCHEMA)


def _and(place: Place, request: ChatRequest) -> str:
    plain, body = _unasked(place), _body(place, request)
    more = {name: body[name] for name in body.keys() - plain.keys() - _FORMATS}
    return "".join(f", with `{name}: {json.dumps(value)}`" for name, value in _leaves(more))


_FORMATS = frozenset({"model", "messages", "stream", "response_format", "format", "grammar"})


def _turns(place: Place) -> Row:
    limited = _body(place, _asked(max_tokens=_LIMIT))
    first, _, worked, *_ = _body(place, ChatRequest(messages=_TURNS))["messages"]
    thought = next((name for name, value in worked.items() if value == _THOUGHT), None)
    limit = next(name for name, value in _leaves(limited) if value == _LIMIT)
    return code(place.name), code(limit), first["role"], code(thought), _forced(place)


def _forced(place: Place) -> str:
    other = _TOOL.model_copy(update={"name": "other"})
    body = _body(place, _asked(tools=(_TOOL, other), tool_choice=NamedTool(name=_TOOL.name)))
    if isinstance(body.get("tool_choice"), dict):
        return "by its name"
    return "as the only tool" if len(body.get("tools", ())) == 1 else "by the format of the answer"


def _embeddings(place: Place) -> Row:
    body = _embedded(place)
    asks, found = _embedded(place, kind="query"), _embedded(place, kind="document")
    told = _listed(f"`{name}`: {asks[name]}, {found[name]}" for name in asks if asks[name] != found[name])
    try:
        dimensions = "sent" if _embedded(place, dimensions=8) != body else "-"
    except UnsupportedError:
        dimensions = "refused"
    most = place.embed_batch or DEFAULT_BATCH
    batch = str(min(DEFAULT_BATCH, most)) + (f", at most {most}" if place.embed_batch else "")
    return code(place.name), code(body.get("encoding_format")), dimensions, batch, told


# --- asking a wire -------------------------------------------------------------------------------------------------


def _asked(*parts: Part, **options: Any) -> ChatRequest:
    message = Message(role="user", parts=(TextPart(text="Hi"), *parts))
    return ChatRequest(messages=(message,), **options)


def _call(place: Place, request: ChatRequest, *, stream: bool = False) -> Call:
    return place.wire.encode_chat(request, "m", stream=stream)


def _body(place: Place, request: ChatRequest, *, stream: bool = False) -> Json:
    body: Json = json.loads(_call(place, request, stream=stream).body)
    return body


def _refuses(place: Place, request: ChatRequest) -> bool:
    try:
        _call(place, request)
    except UnsupportedError:
        return True
    return False


def _embedded(place: Place, **options: Any) -> Json:
    body: Json = json.loads(place.wire.encode_embed(EmbedRequest(texts=("a",), **options), "m").body)
    return body


# --- markdown ------------------------------------------------------------------------------------------------------


def code(text: str | None) -> str:
    """A word of code."""
    return f"`{text}`" if text else "-"


def _leaves(body: Json, *above: str) -> Iterator[tuple[str, object]]:
    for name, value in body.items():
        if isinstance(value, dict):
            yield from _leaves(value, *above, name)
        else:
            yield ".".join((*above, name)), value


def _path(steps: Row) -> str:
    return code(".".join(steps))


def _codes(names: Row) -> str:
    return " and ".join(map(code, names))


def _listed(items: Iterator[str]) -> str:
    return ", ".join(items) or "-"


def _table(head: Row, rows: Iterator[Row]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, ("---",) * len(head), *rows))


def replace_tables(page: str) -> str:
    """The page with the tables of today. Raises `ValueError` without the marks around one."""
    for name, table in tables().items():
        begin, end = f"<!-- {name}: written by scripts/backend_table.py -->\n", f"<!-- end of {name} -->\n"
        head, mark, rest = page.partition(begin)
        _, closed, tail = rest.partition(end)
        if not mark or not closed:
            raise ValueError(f"{PAGE.name} lacks the lines {begin!r} and {end!r}")
        page = f"{head}{begin}{table}{end}{tail}"
    return page
