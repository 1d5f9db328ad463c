"""LangChain messages become ours, whoever wrote them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from langchain_multillm.blocks import (
    CALLS,
    Block,
    answer_parts,
    blocks,
    prompt_parts,
    rejected,
    result_parts,
)
from shared_core import Message, Part, ReasoningPart, Role, ToolCallPart, ToolResultPart

_ROLES: dict[str, Role] = {
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "ai": "assistant",
    "system": "system",
    "developer": "developer",
}


def to_messages(messages: Iterable[BaseMessage]) -> tuple[Message, ...]:
    """Convert a conversation. Raises our `InvalidRequestError` for content that no place could be sent."""
    return tuple(ours for message in messages for ours in _turns(message))


def _turns(message: BaseMessage) -> Iterator[Message]:
    if isinstance(message, HumanMessage):
        yield from _user(message)
    elif isinstance(message, AIMessage):
        yield _assistant(message)
    elif isinstance(message, ToolMessage):
        yield _tool(message)
    elif isinstance(message, SystemMessage):
        # langchain-openai's mark for a system message that goes out as a developer's.
        developer = message.additional_kwargs.get("__openai_role__") == "developer"
        yield _prompt("developer" if developer else "system", message)
    elif isinstance(message, ChatMessage) and message.role.lower() in _ROLES:
        yield _prompt(_ROLES[message.role.lower()], message)
    else:
        raise rejected(_unknown(message))


def _unknown(message: BaseMessage) -> str:
    if isinstance(message, FunctionMessage):
        return "FunctionMessage is obsolete and has no call id; answer a tool call with a ToolMessage"
    if isinstance(message, ChatMessage):
        return f"ChatMessage has the role {message.role!r}; known are {', '.join(_ROLES)}"
    return f"{type(message).__name__} is not a turn of a conversation"


def _prompt(role: Role, message: BaseMessage) -> Message:
    return Message(role=role, parts=tuple(prompt_parts(blocks(message.content), role)), name=message.name)


def _user(message: HumanMessage) -> Iterator[Message]:
    """Yield the user's turn, after Anthropic's tool results, which are turns of their own everywhere else."""
    said: list[Block] = []
    results: list[Block] = []
    for block in blocks(message.content):
        (results if block.get("type") == "tool_result" else said).append(block)
    yield from map(_tool_result, results)
    if said or not results:
        yield Message(role="user", parts=tuple(prompt_parts(said, "user")), name=message.name)


def _tool_result(block: Block) -> Message:
    return _result(block["tool_use_id"], block.get("content") or "", is_error=bool(block.get("is_error")))


def _tool(message: ToolMessage) -> Message:
    return _result(message.tool_call_id, message.content, name=message.name, is_error=message.status == "error")


def _result(call_id: str, content: Any, *, name: str | None = None, is_error: bool) -> Message:  # noqa: ANN401 - JSON
    result = ToolResultPart(call_id=call_id, content=tuple(result_parts(content)), name=name, is_error=is_error)
    return Message(role="tool", parts=(result,))


# --- assistant turns -----------------------------------------------------------------------------------------------


def _assistant(message: AIMessage) -> Message:
    content = list(blocks(message.content))
    said = list(answer_parts(content))
    parts = [*_kept_reasoning(message, said), *said, *_calls(message, content)]
    return Message(role="assistant", parts=tuple(parts), name=message.name)


def _kept_reasoning(message: AIMessage, said: Sequence[Part]) -> Iterator[ReasoningPart]:
    """Yield the reasoning that is beside the content: in ours and DeepSeek's place, or in Cerebras'."""
    beside = message.additional_kwargs
    text = beside.get("reasoning_content") or beside.get("reasoning")
    if isinstance(text, str) and text and not any(isinstance(part, ReasoningPart) for part in said):
        yield ReasoningPart(text=text)


def _calls(message: AIMessage, content: Iterable[Block]) -> Iterator[ToolCallPart]:
    seen: set[str | None] = set()
    for number, call in enumerate([*message.tool_calls, *message.invalid_tool_calls, *_calls_in(content)]):
        if call["id"] is not None and call["id"] in seen:
            continue
        seen.add(call["id"])
        yield ToolCallPart(
            id=call["id"] or f"call_{number}", name=call["name"] or "", arguments=_arguments(call["args"])
        )


def _calls_in(content: Iterable[Block]) -> Iterator[Any]:
    """Yield the calls written as content. They are repetitions, except in a history that was written by hand."""
    for block in content:
        if block.get("type") in CALLS and (name := block.get("name")):
            arguments = block.get("args", block.get("input", block.get("arguments")))
            yield {"id": block.get("call_id") or block.get("id"), "name": name, "args": arguments}


def _arguments(value: object) -> str:
    """Arguments as the JSON text that they were; what is text already stays, valid or not."""
    return value if isinstance(value, str) and value else json.dumps(value or {}, ensure_ascii=False)
