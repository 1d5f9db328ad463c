"""Turns a request's messages and tools into what chat templates expect."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from shared_core.errors import UnsupportedError
from shared_core.local.tool_syntax import HERMES
from shared_core.types import (
    AudioPart,
    FilePart,
    ImagePart,
    Message,
    Part,
    ReasoningPart,
    Tool,
    ToolCallPart,
    ToolResultPart,
)

Turn: TypeAlias = dict[str, object]

_TOOL_INSTRUCTIONS = (
    "You may call one or more functions to assist with the user query.\n\n"
    "The functions, one JSON object per line, are within <tools></tools>:\n<tools>\n{tools}\n</tools>\n\n"
    "To call a function, answer with a JSON object with its name and arguments within "
    '<tool_call></tool_call>:\n<tool_call>\n{{"name": <function name>, "arguments": <arguments object>}}\n</tool_call>'
)


def tool_turns(tools: Sequence[Tool]) -> list[Turn]:
    """Tools in the shape that chat templates expect."""
    return [
        {
            "type": "function",
            "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
        }
        for tool in tools
    ]


def native_turns(messages: Sequence[Message], model: str) -> list[Turn]:
    """Messages for a template that knows tools. Raises `UnsupportedError` for a part that is no text."""
    _refuse_media(messages, model)
    names = _call_names(messages)
    return [turn for message in messages for turn in _native(message, names)]


def plain_turns(messages: Sequence[Message], tools: Sequence[Tool], model: str) -> list[Turn]:
    """Messages for a template that knows no tools: tools, calls and results as text, in Hermes' form."""
    _refuse_media(messages, model)
    turns = [turn for message in messages for turn in _plain(message)]
    if not tools:
        return turns
    instructions = _TOOL_INSTRUCTIONS.format(tools="\n".join(_json(tool) for tool in tool_turns(tools)))
    if turns[0]["role"] == "system":
        return [{**turns[0], "content": f"{turns[0]['content']}\n\n{instructions}"}, *turns[1:]]
    return [{"role": "system", "content": instructions}, *turns]


def without_system(turns: Sequence[Turn]) -> list[Turn]:
    """The turns for a template that takes no system message: what it says begins the user's first one."""
    instructions = [str(turn["content"]) for turn in turns if turn["role"] == "system"]
    others = [turn for turn in turns if turn["role"] != "system"]
    if not instructions:
        return others
    first = next((number for number, turn in enumerate(others) if turn["role"] == "user"), None)
    if first is None:
        return [{"role": "user", "content": "\n\n".join(instructions)}, *others]
    content = "\n\n".join([*instructions, str(others[first]["content"])])
    return [*others[:first], {**others[first], "content": content}, *others[first + 1 :]]


def _native(message: Message, names: dict[str, str]) -> Iterator[Turn]:
    for part in message.parts:
        if isinstance(part, ToolResultPart):
            name = part.name or names.get(part.call_id, "")
            yield {"role": "tool", "tool_call_id": part.call_id, "name": name, "content": part.text}
    spoken = [part for part in message.parts if not isinstance(part, ToolResultPart)]
    if not spoken and message.parts:
        return
    turn = _turn(message)
    reasoning = "".join(part.text for part in spoken if isinstance(part, ReasoningPart))
    calls = [_native_call(part) for part in spoken if isinstance(part, ToolCallPart)]
    yield turn | ({"reasoning_content": reasoning} if reasoning else {}) | ({"tool_calls": calls} if calls else {})


def _native_call(call: ToolCallPart) -> Turn:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": _arguments(call)}}


def _arguments(call: ToolCallPart) -> object:
    """An object, because templates write strings as strings, with quotes within quotes."""
    try:
        return json.loads(call.arguments or "{}")
    except ValueError:
        return call.arguments


def _plain(message: Message) -> Iterator[Turn]:
    results = [part for part in message.parts if isinstance(part, ToolResultPart)]
    if results:
        text = "\n".join(f"<tool_response>\n{part.text}\n</tool_response>" for part in results)
        yield {"role": "user", "content": text}
    calls = [_plain_call(part) for part in message.parts if isinstance(part, ToolCallPart)]
    if message.text or calls or not results:
        turn = _turn(message)
        yield {**turn, "content": "\n".join(filter(None, [message.text, *calls]))}


def _plain_call(call: ToolCallPart) -> str:
    body = _json({"name": call.name, "arguments": _arguments(call)})
    return f"{HERMES.begin}\n{body}\n{HERMES.end}"


def _turn(message: Message) -> Turn:
    role = "system" if message.role == "developer" else message.role
    turn: Turn = {"role": role, "content": message.text}
    return turn | ({"name": message.name} if message.name else {})


def _call_names(messages: Sequence[Message]) -> dict[str, str]:
    return {part.id: part.name for message in messages for part in message.parts if isinstance(part, ToolCallPart)}


def _refuse_media(messages: Sequence[Message], model: str) -> None:
    for number, message in enumerate(messages):
        for part in _parts(message):
            if isinstance(part, ImagePart | AudioPart | FilePart):
                raise UnsupportedError(
                    f"llama_cpp cannot take the {part.type} in message {number} ({message.role}): the model {model} "
                    "runs in process, on text only. A multimodal model at a server or a hosted backend can, such as "
                    f"{_TAKERS[part.type]}; or leave the {part.type} out"
                )


_TAKERS = {
    "image": '"ollama/llama3.2-vision", "vllm/..." or "together/..."',
    "audio": '"openrouter/..." or "vllm/..."',
    "file": '"openrouter/..."',
}


def _parts(message: Message) -> Iterator[Part]:
    for part in message.parts:
        yield part
        if isinstance(part, ToolResultPart):
            yield from part.content


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
