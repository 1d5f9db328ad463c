"""Our answers as LlamaIndex's: the one mapping for whole and streamed, chat and completion."""

from __future__ import annotations

from typing import Any

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    LogProb,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)

from llamaindex_multillm.tool_calls import Call, whole_object
from shared_core import (
    ChatResponse as Answer,
)
from shared_core import (
    Event,
    Finish,
    Fold,
    ReasoningDelta,
    TextDelta,
    TokenLogprob,
    ToolCall,
    ToolCallDelta,
    Usage,
)


def to_chat_response(answer: Answer) -> ChatResponse:
    """The whole answer: usage in `raw["usage"]` and `additional_kwargs`, tool calls as blocks and as plain dicts."""
    usage = _usage(answer.usage)
    return ChatResponse(
        message=_message(answer.text, answer.reasoning, answer.tool_calls, answer.usage.reasoning),
        raw=_raw(answer.finish, usage),
        logprobs=_logprobs(answer.logprobs),
        additional_kwargs={
            **{name: count for name, count in usage.items() if isinstance(count, int)},
            "finish_reason": answer.finish.reason,
        },
    )


def to_completion_response(response: ChatResponse) -> CompletionResponse:
    """The same answer, or the same piece of a stream, as a completion."""
    return CompletionResponse(
        text=response.message.content or "",
        delta=response.delta,
        raw=response.raw,
        logprobs=response.logprobs,
        additional_kwargs=response.additional_kwargs,
    )


class Stream:
    """Turns stream events into chunks, each with its `delta` and the message so far.

    The last chunk is the whole answer as `to_chat_response` gives it, with an empty `delta`.
    """

    def __init__(self) -> None:
        self._fold = Fold()
        self._text = ""
        self._reasoning = ""
        self._calls: list[ToolCall] = []

    def chunk(self, event: Event) -> ChatResponse:
        """The chunk for the next event."""
        self._fold.add(event)
        match event:
            case TextDelta():
                self._text += event.text
                return self._so_far(delta=event.text, logprobs=_logprobs(event.logprobs))
            case ReasoningDelta():
                self._reasoning += event.text
                return self._so_far(additional_kwargs={"thinking_delta": event.text})
            case ToolCallDelta():
                self._calls = self._fold.tool_calls
                return self._so_far()
            case Finish():
                return to_chat_response(self._fold.response()).model_copy(update={"delta": ""})

    def _so_far(self, *, delta: str = "", **fields: Any) -> ChatResponse:
        return ChatResponse(message=_message(self._text, self._reasoning, self._calls), delta=delta, **fields)


def _message(text: str, reasoning: str, calls: list[ToolCall], reasoning_tokens: int | None = None) -> ChatMessage:
    blocks: list[ThinkingBlock | TextBlock | ToolCallBlock] = []
    if reasoning:
        blocks.append(ThinkingBlock(content=reasoning, num_tokens=reasoning_tokens))
    if text or not calls:
        blocks.append(TextBlock(text=text))
    blocks += [_call_block(call) for call in calls]
    # Core's streamed programs and many users read only the dicts, newer code only the blocks.
    extras = {"tool_calls": [Call(call.id, call.name, call.arguments).as_openai() for call in calls]} if calls else {}
    return ChatMessage(role=MessageRole.ASSISTANT, blocks=blocks, additional_kwargs=extras)


def _call_block(call: ToolCall) -> ToolCallBlock:
    arguments = whole_object(call.arguments)
    return ToolCallBlock(
        tool_call_id=call.id, tool_name=call.name, tool_kwargs=call.arguments if arguments is None else arguments
    )


# --- numbers -------------------------------------------------------------------------------------------------------


def _raw(finish: Finish, usage: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": finish.id,
        "model": finish.model,
        "backend": finish.backend,
        "request_id": finish.request_id,
        "finish_reason": finish.reason,
        "usage": usage or None,  # None makes core's token counter look elsewhere; zeros would make it count nothing
        **({} if finish.cost is None else {"cost": finish.cost}),
        **({"metadata": finish.metadata} if finish.metadata else {}),
    }


def _usage(usage: Usage) -> dict[str, Any]:
    counts = {"prompt_tokens": usage.input, "completion_tokens": usage.output, "total_tokens": usage.total}
    known: dict[str, Any] = {name: count for name, count in counts.items() if count is not None}
    if usage.cached is not None:
        known["prompt_tokens_details"] = {"cached_tokens": usage.cached}
    if usage.reasoning is not None:
        known["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning}
    return known


def _logprobs(tokens: list[TokenLogprob] | None) -> list[list[LogProb]] | None:
    """Per token: the one that was chosen first, then the others that were likely."""
    if tokens is None:
        return None
    return [
        [_logprob(token), *(_logprob(other) for other in token.top if other.token != token.token)] for token in tokens
    ]


def _logprob(token: TokenLogprob) -> LogProb:
    return LogProb(token=token.token, logprob=token.logprob, bytes=token.bytes or [])
