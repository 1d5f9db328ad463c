"""The LLM class: eight calls, tools and metadata over one backend."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import aclosing, closing
from typing import Any, TypeVar, cast

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseAsyncGen,
    CompletionResponseGen,
    LLMMetadata,
    MessageRole,
)
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from pydantic import Field

from llamaindex_multillm.messages import to_messages
from llamaindex_multillm.requests import merge, to_request
from llamaindex_multillm.responses import Stream, to_chat_response, to_completion_response
from llamaindex_multillm.routes import askable
from llamaindex_multillm.structured import StructuredPrediction
from shared_core import AsyncStream as AsyncEvents
from shared_core import ChatBackend, ChatRequest, Event, ReasoningEffort
from shared_core import Stream as Events

_F = TypeVar("_F", bound=Callable[..., Any])
_T = TypeVar("_T")

_DEFAULT_CONTEXT_WINDOW = 8192
_REQUEST_FIELDS = (
    "temperature", "top_p", "top_k", "min_p", "max_tokens", "stop", "seed", "frequency_penalty", "presence_penalty",
    "repetition_penalty", "logprobs", "top_logprobs", "reasoning_effort", "parallel_tool_calls", "user", "strict",
)  # fmt: skip


def _chat_events(method: _F) -> _F:
    return cast("_F", llm_chat_callback()(method))  # core types its decorators as Callable; callers deserve more


def _completion_events(method: _F) -> _F:
    return cast("_F", llm_completion_callback()(method))


class LlamaLLM(StructuredPrediction):
    """Any open model anywhere, as a LlamaIndex LLM: `LlamaLLM(model="groq/gpt-oss-120b")`.

    `LlamaLLM(backend=["groq", "fireworks"], model="gpt-oss-20b")` answers as long as one of the places does.

    What is `None` is left to the place. Keyword arguments of a call (`temperature`, `max_tokens`, `stop`, `model`,
    `tools`, `response_format`, ...) go before these fields; those that we do not know go into the request body.
    Calls raise the `BackendError`s of `shared_core`.
    """

    temperature: float | None = Field(default=None, ge=0)
    top_p: float | None = Field(default=None, ge=0, le=1)
    top_k: int | None = Field(default=None, ge=0)
    min_p: float | None = Field(default=None, ge=0, le=1)
    max_tokens: int | None = Field(default=None, gt=0, description="The longest answer, in tokens.")
    stop: list[str] | str | None = None
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    repetition_penalty: float | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    reasoning_effort: ReasoningEffort | None = None
    parallel_tool_calls: bool | None = Field(default=None, description="Only sent where it is set.")
    user: str | None = Field(default=None, description="The end user, for places that watch for abuse.")
    additional_kwargs: dict[str, Any] = Field(default_factory=dict, description="Options of every call.")
    context_window: int | None = Field(default=None, gt=0, description="In tokens, where the backend is not right.")
    is_chat_model: bool = True
    is_function_calling_model: bool | None = Field(default=None, description="Where the backend is not right.")

    @classmethod
    def class_name(cls) -> str:
        """The unique name in serialised data."""
        return "multillm_llm"

    @property
    def metadata(self) -> LLMMetadata:
        """What the model can do; data, no network."""
        place = self._place
        known = place.capabilities
        tools = self.is_function_calling_model
        return LLMMetadata(
            context_window=self.context_window or known.context_window or _DEFAULT_CONTEXT_WINDOW,
            num_output=self.max_tokens or -1,  # unknown: core then keeps a small reserve of its own
            is_chat_model=self.is_chat_model,
            is_function_calling_model=askable(place).tools is not False if tools is None else tools,
            model_name=place.model,
        )

    def to_payload(self) -> dict[str, Any]:
        """What events and traces tell of this object: nothing secret."""
        options = {name: getattr(self, name) for name in _REQUEST_FIELDS}
        told = {name: value for name, value in options.items() if value is not None}
        return {**super().to_payload(), "backend": self._place.name, **told}

    # --- the eight calls: each is one event, over private calls that make none -------------------------------------

    @_chat_events
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """Answer, whole."""
        return self._chat(messages, kwargs)

    @_chat_events
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """Answer, as it comes."""
        return _drive(self._events(messages, kwargs), Stream().chunk)

    @_chat_events
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """Answer, whole, without blocking the event loop."""
        return await self._achat(messages, kwargs)

    @_chat_events
    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        """Answer, as it comes, without blocking the event loop."""
        return _adrive(self._aevents(messages, kwargs), Stream().chunk)

    @_completion_events
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:  # noqa: FBT001, FBT002
        """Answer a prompt, sent as one user message."""
        return to_completion_response(self._chat(self._prompt_messages(prompt, formatted=formatted), kwargs))

    @_completion_events
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:  # noqa: FBT001, FBT002
        """Answer a prompt, as it comes."""
        return _drive(self._events(self._prompt_messages(prompt, formatted=formatted), kwargs), _completions())

    @_completion_events
    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:  # noqa: FBT001, FBT002
        """Answer a prompt without blocking the event loop."""
        return to_completion_response(await self._achat(self._prompt_messages(prompt, formatted=formatted), kwargs))

    @_completion_events
    async def astream_complete(
        self,
        prompt: str,
        formatted: bool = False,  # noqa: FBT001, FBT002
        **kwargs: Any,
    ) -> CompletionResponseAsyncGen:
        """Answer a prompt, as it comes, without blocking the event loop."""
        return _adrive(self._aevents(self._prompt_messages(prompt, formatted=formatted), kwargs), _completions())

    def _chat(self, messages: Sequence[ChatMessage], options: dict[str, Any]) -> ChatResponse:
        place, request = self._prepare(messages, options)
        return to_chat_response(place.chat(request))

    async def _achat(self, messages: Sequence[ChatMessage], options: dict[str, Any]) -> ChatResponse:
        place, request = self._prepare(messages, options)
        return to_chat_response(await place.achat(request))

    def _events(self, messages: Sequence[ChatMessage], options: dict[str, Any]) -> Events:
        place, request = self._prepare(messages, options)
        return place.stream(request)

    def _aevents(self, messages: Sequence[ChatMessage], options: dict[str, Any]) -> AsyncEvents:
        place, request = self._prepare(messages, options)
        return place.astream(request)

    def _prepare(self, messages: Sequence[ChatMessage], options: dict[str, Any]) -> tuple[ChatBackend, ChatRequest]:
        own = {name: getattr(self, name) for name in _REQUEST_FIELDS}
        merged = merge(own, self.additional_kwargs, options)
        model = merged.pop("model", None)
        place = self._place.with_model(model) if model else self._place
        return place, to_request(to_messages(messages), merged)

    def _prompt_messages(self, prompt: str, *, formatted: bool) -> list[ChatMessage]:
        to_prompt = self.completion_to_prompt
        text = prompt if formatted or to_prompt is None else to_prompt(prompt)
        return [ChatMessage(role=MessageRole.USER, content=text)]


def _completions() -> Callable[[Event], CompletionResponse]:
    stream = Stream()
    return lambda event: to_completion_response(stream.chunk(event))


def _drive(events: Events, read: Callable[[Event], _T]) -> Generator[_T, None, None]:
    with closing(events):
        for event in events:
            yield read(event)


async def _adrive(events: AsyncEvents, read: Callable[[Event], _T]) -> AsyncGenerator[_T, None]:
    async with aclosing(events):
        async for event in events:
            yield read(event)
