"""Function calling: tools into a call, tool calls out of an answer."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing, closing
from typing import Any

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    MessageRole,
    ToolCallBlock,
)
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.tools.types import BaseTool

from llamaindex_multillm.requests import tool_dict
from llamaindex_multillm.tool_calls import Call, partial_object, raw_calls, read_call, whole_object

# ruff: noqa: FBT001, FBT002 - the signatures are core's


class ToolCalling(FunctionCallingLLM):
    """What `FunctionCallingLLM` leaves to its subclasses."""

    def _prepare_chat_with_tools(
        self,
        tools: Sequence[BaseTool],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        verbose: bool = False,  # noqa: ARG002
        allow_parallel_tool_calls: bool = False,  # noqa: ARG002 - a second call is dropped when it comes, see below
        tool_required: bool = False,
        tool_choice: str | dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        messages = list(chat_history or ())
        if user_msg is not None:
            messages.append(_user_message(user_msg))
        if not tools:
            return {"messages": messages, **kwargs}
        choice = tool_choice or ("required" if tool_required else "auto")
        return {"messages": messages, "tools": [tool_dict(tool) for tool in tools], "tool_choice": choice, **kwargs}

    def _validate_chat_with_tools_response(
        self,
        response: ChatResponse,
        tools: Sequence[BaseTool],  # noqa: ARG002
        allow_parallel_tool_calls: bool = False,
        **kwargs: Any,  # noqa: ARG002
    ) -> ChatResponse:
        # Here and not by `parallel_tool_calls` in the request, which some places refuse whatever its value.
        return response if allow_parallel_tool_calls else _with_first_call_only(response)

    def stream_chat_with_tools(
        self,
        tools: Sequence[BaseTool],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        verbose: bool = False,
        allow_parallel_tool_calls: bool = False,
        tool_required: bool = False,
        **kwargs: Any,
    ) -> ChatResponseGen:
        """Stream an answer or tool calls; without `allow_parallel_tool_calls` only the first call."""
        chunks = super().stream_chat_with_tools(
            tools, user_msg, chat_history, verbose, allow_parallel_tool_calls, tool_required, **kwargs
        )
        return chunks if allow_parallel_tool_calls else _first_calls(chunks)

    async def astream_chat_with_tools(
        self,
        tools: Sequence[BaseTool],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        verbose: bool = False,
        allow_parallel_tool_calls: bool = False,
        tool_required: bool = False,
        **kwargs: Any,
    ) -> ChatResponseAsyncGen:
        """Stream an answer or tool calls; without `allow_parallel_tool_calls` only the first call."""
        chunks = await super().astream_chat_with_tools(
            tools, user_msg, chat_history, verbose, allow_parallel_tool_calls, tool_required, **kwargs
        )
        return chunks if allow_parallel_tool_calls else _afirst_calls(chunks)

    def get_tool_calls_from_response(
        self,
        response: ChatResponse,
        error_on_no_tool_call: bool = True,
        **kwargs: Any,  # noqa: ARG002
    ) -> list[ToolSelection]:
        """The calls in an answer, or in a chunk of a stream, whose arguments are then as far as they have come.

        A whole answer whose arguments are no JSON object gives none: half of them must not run a tool.
        Raises `ValueError` if there is no call and `error_on_no_tool_call`.
        """
        calls = calls_in(response)
        if not calls and error_on_no_tool_call:
            raise ValueError(f"expected a tool call, but the model answered: {response.message.content!r}")
        read = whole_object if "finish_reason" in response.additional_kwargs else partial_object
        return [
            ToolSelection(tool_id=call.id or call.name, tool_name=call.name, tool_kwargs=read(call.arguments) or {})
            for call in calls
        ]


def calls_in(response: ChatResponse) -> list[Call]:
    """The calls of a message, from its blocks, or else from its `additional_kwargs`."""
    blocks = [block for block in response.message.blocks if isinstance(block, ToolCallBlock)]
    return [read_call(call) for call in blocks or raw_calls(response.message.additional_kwargs)]


def _user_message(content: str | ChatMessage) -> ChatMessage:
    return content if isinstance(content, ChatMessage) else ChatMessage(role=MessageRole.USER, content=content)


def _first_calls(chunks: ChatResponseGen) -> ChatResponseGen:
    with closing(chunks):
        for chunk in chunks:
            yield _with_first_call_only(chunk)


async def _afirst_calls(chunks: ChatResponseAsyncGen) -> ChatResponseAsyncGen:
    async with aclosing(chunks):
        async for chunk in chunks:
            yield _with_first_call_only(chunk)


def _with_first_call_only(response: ChatResponse) -> ChatResponse:
    calls = calls_in(response)
    if len(calls) <= 1:
        return response
    message = response.message
    later = [block for block in message.blocks if isinstance(block, ToolCallBlock)][1:]
    blocks = [block for block in message.blocks if not any(block is other for other in later)]
    extras = {**message.additional_kwargs, "tool_calls": raw_calls(message.additional_kwargs)[:1]}
    kept = ChatMessage(role=message.role, blocks=blocks, additional_kwargs=extras)
    return response.model_copy(update={"message": kept})
