"""Token counts without a network: the model's own tokenizer, or a stated estimate."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.utils.function_calling import convert_to_openai_tool

from langchain_multillm.arguments import chat_request
from langchain_multillm.blocks import blocks
from shared_core import Backend, CountsTokens, targets

_BYTES_PER_TOKEN = 4  # of UTF-8; what Llama's and Qwen's vocabularies reach on English prose
_TOKENS_PER_TURN = 4  # the marks around a message
_TOKENS_PER_MEDIUM = 1000  # an image, as Llama 3.2 and Qwen VL count one of medium size


def count(backend: Backend, text: str) -> int:
    """Count by the backend's tokenizer if it has one, else one token for each four bytes of UTF-8.

    Of a route it is the most that a target would count.
    """
    if inner := targets(backend):
        return max(count(target, text) for target in inner)
    if isinstance(backend, CountsTokens):
        return backend.count_tokens(text)
    return -(-len(text.encode()) // _BYTES_PER_TOKEN)


def count_prompt(backend: Backend, messages: Sequence[BaseMessage], tools: Sequence[Any]) -> int | None:
    """Count a prompt exactly, in the model's own chat template; `None` if the backend cannot, as no route can."""
    counter = getattr(backend, "count_prompt_tokens", None)
    return None if counter is None else int(counter(chat_request(messages, {"tools": tools or None})))


def count_messages(counter: Callable[[str], int], messages: Iterable[BaseMessage], tools: Iterable[Any]) -> int:
    """Estimate a prompt by the texts in it."""
    turns = sum(_TOKENS_PER_TURN + sum(_costs(counter, message)) for message in messages)
    return turns + sum(counter(json.dumps(convert_to_openai_tool(tool))) for tool in tools)


def _costs(counter: Callable[[str], int], message: BaseMessage) -> Iterator[int]:
    for block in blocks(message.content):
        text = block.get("text") or block.get("reasoning") or block.get("thinking")
        if isinstance(text, str):
            yield counter(text)
        elif block.get("type") in {"image", "image_url", "audio", "input_audio", "file", "document"}:
            yield _TOKENS_PER_MEDIUM
    if isinstance(message, AIMessage):
        yield from (counter(json.dumps([call["name"], call["args"]])) for call in message.tool_calls)
