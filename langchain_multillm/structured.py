"""An answer becomes an object of the schema, or an error that says why it could not."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Literal, TypeAlias

from langchain_core.exceptions import OutputParserException
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage, BaseMessageChunk
from langchain_core.output_parsers import BaseCumulativeTransformOutputParser
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, Generation, GenerationChunk
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.utils.json import parse_partial_json
from langchain_core.utils.pydantic import is_basemodel_subclass
from pydantic import BaseModel

from langchain_multillm.arguments import json_schema
from shared_core import Backend, Capabilities, ConfigurationError, JsonSchema

Method: TypeAlias = Literal["json_schema", "function_calling", "json_mode"]
Schema: TypeAlias = dict[str, Any] | type

_DECODER = json.JSONDecoder(strict=False)


@dataclass(frozen=True, slots=True)
class Plan:
    """How a schema is asked for: tools and arguments of the call, and what reads the answer."""

    parser: ObjectParser
    arguments: dict[str, Any]
    tools: tuple[Any, ...] = ()
    tool_choice: str | None = None


def strongest(can: Capabilities) -> Method:
    """Choose the method that binds the model most: a schema, then a forced tool, then some JSON."""
    if can.json_schema:
        return "json_schema"
    if can.tools and can.tool_choice is not False:
        return "function_calling"
    if can.json_schema is None:  # most servers can and few sources say so
        return "json_schema"
    return "json_mode" if can.json_object else "function_calling"


def strongest_of(backend: Backend) -> Method:
    """Choose the strongest method of all targets of a route; if these share none, the strongest that any has."""
    shared = backend.capabilities
    is_barred = shared.json_schema is False and (shared.tools is False or shared.tool_choice is False)
    if not is_barred:
        return strongest(shared)
    from shared_core import reachable  # here, because it loads the HTTP library

    return strongest(reachable(backend))


def plan(schema: Schema | None, method: Method, *, strict: bool | None) -> Plan:
    """Plan one method. Raises `ConfigurationError` for an unknown one, and for a missing schema."""
    if method == "json_mode":
        return Plan(ObjectParser(target=schema), {"response_format": {"type": "json_object"}} | _traced(schema, method))
    if method not in ("json_schema", "function_calling"):
        raise ConfigurationError(f"method={method!r}; known are 'json_schema', 'function_calling', 'json_mode'")
    if schema is None:
        raise ConfigurationError(f"method={method!r} needs a schema; only 'json_mode' goes without")
    wanted = json_schema(schema, strict=strict)
    parser = ObjectParser(target=schema, tool=wanted.name)
    traced = _traced(schema, method, strict=strict)
    if method == "function_calling":
        return Plan(parser, traced, (_as_tool(wanted),), wanted.name)
    body = {"name": wanted.name, "schema": wanted.schema} | ({} if strict is None else {"strict": strict})
    return Plan(parser, {"response_format": {"type": "json_schema", "json_schema": body}, **traced})


def _as_tool(wanted: JsonSchema) -> dict[str, Any]:
    parameters = {key: value for key, value in wanted.schema.items() if key != "description"}
    about = {"name": wanted.name, "description": wanted.schema.get("description", ""), "parameters": parameters}
    return {"type": "function", "function": about | ({} if wanted.strict is None else {"strict": wanted.strict})}


def _traced(schema: Schema | None, method: Method, **options: Any) -> dict[str, Any]:
    # Core takes this out of the call and writes it into the trace.
    if schema is None:
        return {}
    given = {key: value for key, value in options.items() if value is not None}
    return {"ls_structured_output_format": {"kwargs": {"method": method, **given}, "schema": schema}}


def parsed(
    model: Runnable[LanguageModelInput, AIMessage], parser: ObjectParser, *, include_raw: bool
) -> Runnable[LanguageModelInput, Any]:
    """Chain model and parser; with `include_raw` a failure to parse is data and not raised."""
    if not include_raw:
        return model | parser
    good = RunnablePassthrough.assign(parsed=itemgetter("raw") | parser, parsing_error=lambda _: None)
    bad = RunnablePassthrough.assign(parsed=lambda _: None)
    return RunnableMap(raw=model) | good.with_fallbacks([bad], exception_key="parsing_error")


class ObjectParser(BaseCumulativeTransformOutputParser[Any]):
    """Reads the object from a tool call or from text; while streaming, the object as far as it has come."""

    target: Any = None
    """What is wanted: a pydantic class, or a TypedDict or JSON Schema for a dict, or nothing for any JSON."""

    tool: str | None = None
    """The tool whose arguments are the object."""

    @property
    def OutputType(self) -> Any:  # noqa: ANN401, N802 - core's name
        """The pydantic class, or dict."""
        return self.target if _is_model(self.target) else dict[str, Any]

    def parse(self, text: str) -> Any:  # noqa: ANN401 - an object of the target
        """Parse text that holds the object. Raises `OutputParserException`."""
        return self.parse_result([Generation(text=text)])

    def parse_result(self, result: list[Generation], *, partial: bool = False) -> Any:  # noqa: ANN401 - as `parse`
        """Parse an answer. Raises `OutputParserException`; a `partial` one without an object so far is `None`."""
        answer = result[0]
        if partial:
            return self._so_far(answer)
        fault: Exception | None = None
        for value in self._candidates(answer):
            try:
                return self._checked(value)
            except ValueError as error:
                fault = error
        raise OutputParserException(_explained(answer, fault), llm_output=_said(answer)) from fault

    async def aparse_result(self, result: list[Generation], *, partial: bool = False) -> Any:  # noqa: ANN401 - as `parse`
        """Parse at once: a hop to a thread would cost more than the parsing."""
        return self.parse_result(result, partial=partial)

    def _candidates(self, answer: Generation) -> Iterator[Any]:
        yield from (call["args"] for call in _message(answer).tool_calls if call["name"] == self.tool)
        for value in _json_values(answer_text(answer)):
            yield _unwrapped(value, self.tool)

    def _checked(self, value: Any) -> Any:  # noqa: ANN401 - JSON in, an object of the target out
        if _is_model(self.target):
            modern = issubclass(self.target, BaseModel)
            return self.target.model_validate(value) if modern else self.target.parse_obj(value)
        if not isinstance(value, dict) and _wants_object(self.target):
            raise ValueError(f"the answer is JSON, but not an object: {type(value).__name__}")
        return value

    def _so_far(self, answer: Generation) -> Any:  # noqa: ANN401 - as `parse`
        calls = [call["args"] for call in _message(answer).tool_calls if call["name"] == self.tool]
        text = answer_text(answer)
        try:
            value = calls[0] if calls else parse_partial_json(text[text.index("{") :])
            return self._checked(_unwrapped(value, self.tool)) if value else None
        except ValueError:
            return None

    # --- streams ---------------------------------------------------------------------------------------------------

    def _transform(self, input: Iterator[str | BaseMessage]) -> Iterator[Any]:  # noqa: A002 - core's name
        progress = _Progress(self)
        for piece in input:
            yield from progress.add(piece)
        yield from progress.end()

    async def _atransform(self, input: AsyncIterator[str | BaseMessage]) -> AsyncIterator[Any]:  # noqa: A002 - core's name
        progress = _Progress(self)
        async for piece in input:
            for value in progress.add(piece):
                yield value
        for value in progress.end():
            yield value


@dataclass(slots=True)
class _Progress:
    """An answer that is still coming. Its end is parsed in earnest, so that a stream cannot end in silence."""

    parser: ObjectParser
    whole: Generation | None = None
    last: Any = None

    def add(self, piece: str | BaseMessage) -> Iterator[Any]:
        self.whole = _joined(self.whole, piece)
        yield from self._new(self.parser.parse_result([self.whole], partial=True))

    def end(self) -> Iterator[Any]:
        if self.whole is not None:
            yield from self._new(self.parser.parse_result([self.whole]))

    def _new(self, value: Any) -> Iterator[Any]:  # noqa: ANN401 - as `ObjectParser.parse`
        if value is not None and value != self.last:
            self.last = value
            yield value


def _joined(whole: Generation | None, piece: str | BaseMessage) -> Generation:
    if isinstance(piece, BaseMessage) and not isinstance(piece, BaseMessageChunk):
        return ChatGeneration(message=piece)
    more = GenerationChunk(text=piece) if isinstance(piece, str) else ChatGenerationChunk(message=piece)
    return more if whole is None else whole + more  # type: ignore[operator]


# --- reading an answer ---------------------------------------------------------------------------------------------


def _message(answer: Generation) -> AIMessage:
    message = answer.message if isinstance(answer, ChatGeneration) else None
    return message if isinstance(message, AIMessage) else AIMessage(content=answer.text)


def answer_text(answer: Generation) -> str:
    """Return the text of an answer without its reasoning."""
    return str(_message(answer).text)


def _json_values(text: str) -> Iterator[Any]:
    """Yield the JSON objects and arrays in a text, first those that are all of it, then each where it stands."""
    try:
        yield json.loads(text, strict=False)
    except ValueError:
        yield from _embedded(text)


def _embedded(text: str) -> Iterator[Any]:
    position = 0
    while (position := _opening(text, position)) >= 0:
        try:
            value, position = _DECODER.raw_decode(text, position)
        except ValueError:
            position += 1
        else:
            yield value


def _opening(text: str, position: int) -> int:
    found = [place for mark in "{[" if (place := text.find(mark, position)) >= 0]
    return min(found, default=-1)


def _unwrapped(value: Any, tool: str | None) -> Any:  # noqa: ANN401 - JSON
    """Open a tool call that a model wrote as text: {"name": ..., "arguments": {...}}."""
    if tool is None or not isinstance(value, dict) or value.get("name") != tool:
        return value
    arguments = value.get("arguments", value.get("parameters"))
    return arguments if isinstance(arguments, dict) else value


def _is_model(target: object) -> bool:
    return isinstance(target, type) and is_basemodel_subclass(target)


def _wants_object(target: object) -> bool:
    return not isinstance(target, dict) or target.get("type", "object") == "object"


def _said(answer: Generation) -> str:
    message = _message(answer)
    return answer_text(answer) or json.dumps([*message.tool_calls, *message.invalid_tool_calls], default=str)


def _explained(answer: Generation, fault: Exception | None) -> str:
    """Say why there is no object: cut off, another tool, the wrong shape, or plain text."""
    message = _message(answer)
    said = _said(answer)[:500]
    if message.response_metadata.get("finish_reason") == "length":
        return f"the answer was cut off by max_tokens before its JSON was whole: {said}"
    if fault is not None:
        return f"the answer does not fit the schema: {fault}; it was: {said}"
    calls: Sequence[Any] = [*message.tool_calls, *message.invalid_tool_calls]
    if calls:
        return f"the model called {', '.join(str(call['name']) for call in calls)} with no usable arguments: {said}"
    return f"the model answered in text that holds no JSON of the schema: {said!r}"
