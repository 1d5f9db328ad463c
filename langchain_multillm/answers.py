"""Responses and stream events become LangChain messages, in its v0 and in its v1 content."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, InvalidToolCall
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata
from langchain_core.messages.tool import ToolCall as LangChainToolCall
from langchain_core.messages.tool import invalid_tool_call as make_invalid_tool_call
from langchain_core.messages.tool import tool_call as make_tool_call
from langchain_core.messages.tool import tool_call_chunk as make_tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from shared_core import (
    ChatResponse,
    Event,
    Finish,
    ReasoningDelta,
    TextDelta,
    TokenLogprob,
    ToolCall,
    ToolCallDelta,
    Usage,
)

_V1 = {"output_version": "v1"}


def provider(backend: str) -> str:
    """Name the provider of a place. Core reads the messages of "bedrock" as Anthropic's, which ours are not."""
    return "amazon_bedrock" if backend == "bedrock" else backend


def chat_result(response: ChatResponse, *, v1: bool = False) -> ChatResult:
    """Convert a whole answer."""
    message = ai_message(response, v1=v1)
    generation = ChatGeneration(message=message, generation_info={"finish_reason": response.finish.reason})
    return ChatResult(generations=[generation], llm_output=_llm_output(response))


def ai_message(response: ChatResponse, *, v1: bool = False) -> AIMessage:
    """Convert a whole answer; with `v1` its content is a list of standard blocks."""
    calls, invalid = _calls(response.tool_calls)
    metadata = _metadata(response.finish)
    if response.logprobs is not None:
        metadata["logprobs"] = {"content": [_logprob(item) for item in response.logprobs]}
    return AIMessage(
        content=_blocks(response, calls, invalid) if v1 else response.text,
        additional_kwargs={"reasoning_content": response.reasoning} if response.reasoning and not v1 else {},
        tool_calls=calls,
        invalid_tool_calls=invalid,
        usage_metadata=usage_metadata(response.usage),
        response_metadata={**metadata, **_V1} if v1 else metadata,
    )


def _blocks(response: ChatResponse, calls: list[Any], invalid: list[Any]) -> list[str | dict[str, Any]]:
    reasoning = [{"type": "reasoning", "reasoning": response.reasoning}] if response.reasoning else []
    text = [{"type": "text", "text": response.text}] if response.text else []
    return [*reasoning, *text, *map(dict, calls), *map(dict, invalid)]


def _calls(calls: list[ToolCall]) -> tuple[list[LangChainToolCall], list[InvalidToolCall]]:
    valid: list[LangChainToolCall] = []
    invalid: list[InvalidToolCall] = []
    for call in calls:
        arguments, error = _arguments(call.arguments)
        if error is None:
            valid.append(make_tool_call(name=call.name, args=arguments, id=call.id))
        else:
            invalid.append(make_invalid_tool_call(name=call.name, args=call.arguments, id=call.id, error=error))
    return valid, invalid


def _arguments(text: str) -> tuple[dict[str, Any], str | None]:
    """Parse arguments: the object, and why it is none. No arguments at all is an empty object."""
    try:
        value = json.loads(text or "{}", strict=False)
    except ValueError as error:
        return {}, f"the arguments are not JSON: {error}"
    return (value, None) if isinstance(value, dict) else ({}, "the arguments are not a JSON object")


# --- what is known of a call ---------------------------------------------------------------------------------------


def usage_metadata(usage: Usage) -> UsageMetadata | None:
    """Convert token counts; unknown stays unknown, since LangChain would add up zeros."""
    if usage.input is None or usage.output is None:
        return None
    counted = UsageMetadata(
        input_tokens=usage.input, output_tokens=usage.output, total_tokens=usage.input + usage.output
    )
    if usage.cached is not None:
        counted["input_token_details"] = InputTokenDetails(cache_read=usage.cached)
    if usage.reasoning is not None:
        counted["output_token_details"] = OutputTokenDetails(reasoning=usage.reasoning)
    return counted


def _metadata(finish: Finish) -> dict[str, Any]:
    known = {
        "model_name": finish.model,
        "model_provider": finish.backend and provider(finish.backend),
        "finish_reason": finish.reason,
        "id": finish.id,
        "request_id": finish.request_id,
        "timings": _timings(finish),
        "cost": finish.cost,
    }
    return finish.metadata | {key: value for key, value in known.items() if value is not None}


def _timings(finish: Finish) -> dict[str, float] | None:
    if finish.timings is None:
        return None
    return {name: value for name, value in asdict(finish.timings).items() if value is not None} or None


def _logprob(item: TokenLogprob) -> dict[str, Any]:
    """Write a log-probability as OpenAI does, which is where LangChain's users look for it."""
    plain = {"token": item.token, "logprob": item.logprob, "bytes": item.bytes}
    return {**plain, "top_logprobs": [_logprob(other) for other in item.top]} if item.top else plain


def _llm_output(response: ChatResponse) -> dict[str, Any]:
    usage = response.usage
    counted = {"prompt_tokens": usage.input, "completion_tokens": usage.output, "total_tokens": usage.total}
    known = {key: value for key, value in counted.items() if value is not None}
    return {"model_name": response.finish.model, "token_usage": known}


def summed_usage(outputs: list[dict[str, Any] | None]) -> dict[str, Any]:
    """Add up the `llm_output` of several calls."""
    known = [output for output in outputs if output]
    total: dict[str, int] = {}
    for output in known:
        for key, value in output["token_usage"].items():
            total[key] = total.get(key, 0) + value
    return {"model_name": known[0]["model_name"], "token_usage": total} if known else {}


# --- streams -------------------------------------------------------------------------------------------------------


def chunk(event: Event, *, v1: bool = False) -> ChatGenerationChunk:
    """Convert one event. Every string of metadata is on the last chunk, because merging chunks joins strings.

    With `v1` each kind of block has its own index: core merges blocks of equal index, whatever their type.
    """
    message = _v1_chunk(event) if v1 else _v0_chunk(event)
    info = {"finish_reason": event.reason} if isinstance(event, Finish) else None
    return ChatGenerationChunk(message=message, generation_info=info)


def _v0_chunk(event: Event) -> AIMessageChunk:
    match event:
        case TextDelta():
            return AIMessageChunk(content=event.text, response_metadata=_delta_metadata(event))
        case ReasoningDelta():
            return AIMessageChunk(content="", additional_kwargs={"reasoning_content": event.text})
        case ToolCallDelta():
            return AIMessageChunk(content="", tool_call_chunks=[_call_chunk(event)])
        case Finish():
            return AIMessageChunk(
                content="",
                usage_metadata=usage_metadata(event.usage),
                response_metadata=_metadata(event),
                chunk_position="last",
            )


def _v1_chunk(event: Event) -> AIMessageChunk:
    match event:
        case TextDelta():
            block = {"type": "text", "text": event.text, "index": "lc_text"}
            return AIMessageChunk(content=[block], response_metadata={**_delta_metadata(event), **_V1})
        case ReasoningDelta():
            block = {"type": "reasoning", "reasoning": event.text, "index": "lc_reasoning"}
            return AIMessageChunk(content=[block], response_metadata=_V1)
        case ToolCallDelta():
            call = _call_chunk(event)
            block = {**call, "type": "tool_call_chunk", "index": f"lc_tool_call_{event.index}"}
            return AIMessageChunk(content=[block], tool_call_chunks=[call], response_metadata=_V1)
        case Finish():
            last = _v0_chunk(event)
            return last.model_copy(update={"content": [], "response_metadata": {**last.response_metadata, **_V1}})


def _delta_metadata(event: TextDelta) -> dict[str, Any]:
    if event.logprobs is None:
        return {}
    return {"logprobs": {"content": [_logprob(item) for item in event.logprobs]}}


def _call_chunk(event: ToolCallDelta) -> Any:  # noqa: ANN401 - LangChain's TypedDict
    return make_tool_call_chunk(name=event.name, args=event.arguments, id=event.id, index=event.index)
