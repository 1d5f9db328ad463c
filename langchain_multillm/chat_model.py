"""Every backend is one LangChain chat model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, closing, suppress
from typing import Any, ClassVar, Literal, Self

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput, ModelProfile
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from pydantic import Field, model_validator

from langchain_multillm import structured, tokens
from langchain_multillm.answers import chat_result, chunk, provider, summed_usage
from langchain_multillm.arguments import chat_request
from langchain_multillm.connection import Connected
from langchain_multillm.errors import langchain_errors
from langchain_multillm.profiles import ResolvedProfile, profile_of
from langchain_multillm.routes import provider_of
from langchain_multillm.tools import bound_tools
from shared_core import (
    Backend,
    ChatRequest,
    ConfigurationError,
    ReasoningEffort,
    __version__,
    harmless,
)

_PER_CALL = (
    "temperature", "max_tokens", "top_p", "top_k", "min_p", "stop", "seed", "frequency_penalty", "presence_penalty",
    "repetition_penalty", "logprobs", "top_logprobs", "reasoning_effort", "parallel_tool_calls", "user",
)  # fmt: skip


class ChatLlama(Connected, BaseChatModel):
    """A chat model at any place: hosted, a server of yours, or in this process.

    `ChatLlama(model="groq/gpt-oss-20b")` picks the place by prefix, `ChatLlama(backend="llama_cpp")` answers with the
    bundled demo model. `ChatLlama(backend=["groq", "fireworks"], model="gpt-oss-20b")` answers as long as one of them
    does. Everything that is `None` is left to the place. Every field but the place can also be given
    per call, as can `model`; what is no field goes into the request body.

    Raises `shared_core` errors that are LangChain's `ModelError`s too: `ConfigurationError` when it is built,
    `BackendError` when it is called.
    """

    temperature: float | None = Field(default=None, ge=0)
    max_tokens: int | None = Field(default=None, ge=1)
    """The most tokens an answer may have."""
    top_p: float | None = Field(default=None, ge=0, le=1)
    top_k: int | None = Field(default=None, ge=0)
    min_p: float | None = Field(default=None, ge=0, le=1)
    stop: list[str] | str | None = None
    """Where an answer ends; the stop string is not part of it."""
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    repetition_penalty: float | None = None
    logprobs: bool | None = None
    """Whether log-probabilities come back, in `response_metadata["logprobs"]`, as OpenAI writes them."""
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    reasoning_effort: ReasoningEffort | None = None
    parallel_tool_calls: bool | None = None
    user: str | None = None
    """The end user, for places that watch for abuse."""
    streaming: bool | None = None
    """Whether `invoke` streams underneath, so that callbacks see tokens; `stream` needs no flag."""
    model_kwargs: dict[str, Any] = Field(default_factory=dict)
    """Arguments of every call, as `invoke` takes them."""
    extra: dict[str, Any] = Field(default_factory=dict)
    """Fields of the request body, sent untouched."""

    synonyms: ClassVar[Mapping[str, str]] = {
        **Connected.synonyms,
        "stop_sequences": "stop",
        "max_completion_tokens": "max_tokens",
        "extra_body": "extra",
    }

    @model_validator(mode="before")
    @classmethod
    def _forget_resolved_profile(cls, values: Any) -> Any:  # noqa: ANN401 - whatever pydantic was given
        # configurable_fields rebuilds a model from its attributes; the old model's profile must not outlive it.
        if isinstance(values, dict) and isinstance(values.get("profile"), ResolvedProfile):
            return {key: value for key, value in values.items() if key != "profile"}
        return values

    @model_validator(mode="after")
    def _set_multillm_version(self) -> Self:
        self._add_version("multillm-plugins", __version__)
        return self

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Copy; what was derived from an argument in `update` is derived again."""
        copied = super().model_copy(update=update, deep=deep)
        copied.__dict__.pop("_serialized", None)
        if isinstance(copied.profile, ResolvedProfile) and "profile" not in (update or {}):
            with suppress(ConfigurationError):  # as core does: a profile is never why a model cannot be had
                copied.profile = profile_of(copied.connection.capabilities)
        return copied

    # --- calls -----------------------------------------------------------------------------------------------------

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002 - core fires its callbacks
        **kwargs: Any,
    ) -> ChatResult:
        with langchain_errors():
            backend, request = self._call(messages, stop, kwargs)
            return chat_result(backend.chat(request), v1=self._v1)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002 - core fires its callbacks
        **kwargs: Any,
    ) -> ChatResult:
        with langchain_errors():
            backend, request = self._call(messages, stop, kwargs)
            return chat_result(await backend.achat(request), v1=self._v1)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        with langchain_errors():
            backend, request = self._call(messages, stop, kwargs)
            with closing(backend.stream(request)) as events:
                for event in events:
                    piece = chunk(event, v1=self._v1)
                    if run_manager:
                        run_manager.on_llm_new_token(piece.text, chunk=piece)
                    yield piece

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        with langchain_errors():
            backend, request = self._call(messages, stop, kwargs)
            async with aclosing(backend.astream(request)) as events:
                async for event in events:
                    piece = chunk(event, v1=self._v1)
                    if run_manager:
                        await run_manager.on_llm_new_token(piece.text, chunk=piece)
                    yield piece

    def _call(
        self, messages: Sequence[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any]
    ) -> tuple[Backend, ChatRequest]:
        """Put a call together; its own arguments win over the model's, `extra` is joined key by key."""
        arguments = {"timeout": self.call_timeout} | self._defaults() | self.model_kwargs | kwargs
        if stop is not None:
            arguments["stop"] = stop
        if self.extra:
            arguments["extra"] = {**self.extra, **(kwargs.get("extra") or {})}
        model = kwargs.get("model")
        backend = self.connection if model is None else self.connection.with_model(model)
        return backend, chat_request(messages, arguments)

    def _defaults(self) -> dict[str, Any]:
        fields = self.__dict__
        return {name: fields[name] for name in _PER_CALL if fields[name] is not None}

    @property
    def _v1(self) -> bool:
        return self.output_version == "v1"

    # --- tools and structure ---------------------------------------------------------------------------------------

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: dict[str, Any] | str | bool | None = None,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Give the model tools.

        `tool_choice` is a tool's name, "auto", "none", "any" or "required" (or True), or a provider's JSON for one of
        these; `strict` holds the arguments to the tools' schemas, where the place can. Other arguments, such as
        `parallel_tool_calls` and `response_format`, are bound to the call.
        Raises `ConfigurationError` if `tool_choice` names no tool of `tools`.
        """
        with langchain_errors():
            return self.bind(**bound_tools(tools, tool_choice, strict=strict), **kwargs)

    def with_structured_output(
        self,
        schema: dict[str, Any] | type | None = None,
        *,
        method: Literal["json_schema", "function_calling", "json_mode"] | None = None,
        include_raw: bool = False,
        strict: bool | None = None,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool] = (),
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """Answer with objects of `schema`: instances of a pydantic class, dicts for a TypedDict or a JSON Schema.

        `method` is by default the strongest one that the model has at its place. "json_mode" only promises some JSON
        object, so the prompt must describe it, and `schema` may be left out. With `include_raw` the result is a dict
        of "raw", "parsed" and "parsing_error". `tools` may be called instead of an answer, with `include_raw`.

        An answer in text that holds the object is accepted; any other raises `OutputParserException`, never `None`.
        """
        with langchain_errors():
            chosen = method or structured.strongest_of(self.connection)
            plan = structured.plan(schema, chosen, strict=strict)
            bound = bound_tools([*plan.tools, *tools], plan.tool_choice, strict=strict) if plan.tools or tools else {}
            model = self.bind(**bound, **plan.arguments, **kwargs)
        return structured.parsed(model, plan.parser, include_raw=include_raw)

    # --- what core asks --------------------------------------------------------------------------------------------

    @property
    def _llm_type(self) -> str:
        return "multillm-chat"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        """What tells two models apart: in traces, and in the key of LangChain's cache."""
        own = {
            "model_kwargs": self.model_kwargs,
            "extra": self.extra,
            "output_version": self.output_version,
            "backend_options": harmless(self.backend_options),
        }
        return {**self.place(), **self._defaults(), **{name: value for name, value in own.items() if value}}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        call = {**self._defaults(), **self.model_kwargs, **kwargs}
        backend = self.connection
        params = LangSmithParams(
            ls_provider=provider(provider_of(backend)),
            ls_model_name=call.get("model") or backend.model,
            ls_model_type="chat",
        )
        if call.get("temperature") is not None:
            params["ls_temperature"] = call["temperature"]
        if (limit := call.get("max_tokens") or call.get("max_completion_tokens")) is not None:
            params["ls_max_tokens"] = limit
        if stopped := stop or call.get("stop"):
            params["ls_stop"] = [stopped] if isinstance(stopped, str) else stopped
        return params

    def _combine_llm_outputs(self, llm_outputs: list[dict[str, Any] | None], /) -> dict[str, Any]:
        return summed_usage(llm_outputs)

    def _resolve_model_profile(self) -> ModelProfile | None:
        return profile_of(self.connection.capabilities)

    # --- counting --------------------------------------------------------------------------------------------------

    def get_num_tokens(self, text: str) -> int:
        """Count tokens, offline: by the model's own tokenizer where it is at hand, else an estimate from above."""
        if self.custom_get_token_ids is not None:
            return len(self.custom_get_token_ids(text))
        with langchain_errors():
            return tokens.count(self.connection, text)

    def get_token_ids(self, text: str) -> list[int]:
        """Tokenize with `custom_get_token_ids`. Raises `NotImplementedError` without: no other tokenizer has ids."""
        if self.custom_get_token_ids is None:
            raise NotImplementedError("token ids need `custom_get_token_ids`; `get_num_tokens` counts without them")
        return self.custom_get_token_ids(text)

    def get_num_tokens_from_messages(
        self,
        messages: Sequence[BaseMessage],
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool] | None = None,
    ) -> int:
        """Count what messages and tools take of the context window, offline; exact where the model is local."""
        with langchain_errors():
            exact = None if self.custom_get_token_ids else tokens.count_prompt(self.connection, messages, tools or ())
            return tokens.count_messages(self.get_num_tokens, messages, tools or ()) if exact is None else exact
