"""Structured prediction: a pydantic object out of the strongest method that the backend has."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, closing
from dataclasses import dataclass
from typing import Any, Generic

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    TextBlock,
)
from llama_index.core.instrumentation import get_dispatcher  # type: ignore[attr-defined]  # core does not say so
from llama_index.core.instrumentation.events.llm import LLMStructuredPredictEndEvent, LLMStructuredPredictStartEvent
from llama_index.core.output_parsers import PydanticOutputParser
from llama_index.core.program.function_program import get_function_tool
from llama_index.core.program.utils import FlexibleModel, create_flexible_model
from llama_index.core.prompts import BasePromptTemplate, PromptTemplate
from llama_index.core.types import Model, PydanticProgramMode
from pydantic import Field, ValidationError

from llamaindex_multillm.connected import Connected
from llamaindex_multillm.requests import tool_dict
from llamaindex_multillm.routes import shared_or_any
from llamaindex_multillm.tool_calls import partial_object
from llamaindex_multillm.tools import ToolCalling, calls_in
from shared_core import MultillmError

_dispatcher = get_dispatcher(__name__)
_OURS = {PydanticProgramMode.DEFAULT, PydanticProgramMode.FUNCTION, PydanticProgramMode.LLM}
_NOT_FOR_THE_CALL = {"tool_required", "tool_choice", "allow_parallel_tool_calls"}


class StructuredOutputError(MultillmError, ValueError):
    """The model's answer (`text`) is not the object that was asked for."""

    def __init__(self, message: str, text: str = "") -> None:
        super().__init__(message)
        self.text = text


class StructuredPrediction(Connected, ToolCalling):
    """`structured_predict` and its kin: by JSON Schema where the place can, else by a tool call, else by text."""

    should_use_structured_outputs: bool | None = Field(
        default=None, description="JSON Schema as response format: yes, no, or `None` for where the backend has it."
    )
    strict: bool | None = Field(default=None, description="Ask for strict schemas, where the place knows them.")

    def structured_predict(
        self,
        output_cls: type[Model],
        prompt: BasePromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **values: Any,
    ) -> Model:
        """An `output_cls` for the prompt. Raises `StructuredOutputError` if the model gives none."""
        if self.pydantic_program_mode not in _OURS:
            by_core: Model = super().structured_predict(output_cls, prompt, llm_kwargs, **values)
            return by_core
        _started(output_cls, prompt, values)
        call = self._call(output_cls, llm_kwargs)
        return _ended(call.read(self.chat(call.messages(self, prompt, values), **call.options)))

    async def astructured_predict(
        self,
        output_cls: type[Model],
        prompt: BasePromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **values: Any,
    ) -> Model:
        """An `output_cls` for the prompt. Raises `StructuredOutputError` if the model gives none."""
        if self.pydantic_program_mode not in _OURS:
            by_core: Model = await super().astructured_predict(output_cls, prompt, llm_kwargs, **values)
            return by_core
        _started(output_cls, prompt, values)
        call = self._call(output_cls, llm_kwargs)
        return _ended(call.read(await self.achat(call.messages(self, prompt, values), **call.options)))

    def _structured_stream_call(
        self,
        output_cls: type[Model],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **values: Any,
    ) -> Generator[Model | list[Model] | FlexibleModel | list[FlexibleModel], None, None]:
        if self.pydantic_program_mode not in _OURS:
            return super()._structured_stream_call(output_cls, prompt, llm_kwargs, **values)
        call = self._call(output_cls, llm_kwargs)
        return _objects(call, self.stream_chat(call.messages(self, prompt, values), **call.options))

    async def _structured_astream_call(
        self,
        output_cls: type[Model],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **values: Any,
    ) -> AsyncGenerator[Model | list[Model] | FlexibleModel | list[FlexibleModel], None]:
        if self.pydantic_program_mode not in _OURS:
            return await super()._structured_astream_call(output_cls, prompt, llm_kwargs, **values)
        call = self._call(output_cls, llm_kwargs)
        return _aobjects(call, await self.astream_chat(call.messages(self, prompt, values), **call.options))

    def _call(self, output_cls: type[Model], llm_kwargs: dict[str, Any] | None) -> _ObjectCall[Model]:
        options = {name: value for name, value in (llm_kwargs or {}).items() if name not in _NOT_FOR_THE_CALL}
        if self._speaks_schema:
            return _ObjectCall(output_cls, {**_schema_options(output_cls, strict=self.strict), **options})
        if self._can_be_made_to_call:
            tool = tool_dict(get_function_tool(output_cls))
            return _ObjectCall(output_cls, {"tools": [tool], "tool_choice": "required", **options})
        json_mode = {"response_format": {"type": "json_object"}} if self._place.capabilities.json_object else {}
        return _ObjectCall(output_cls, {**json_mode, **options}, instructions=_instructions(output_cls))

    @property
    def _speaks_schema(self) -> bool:
        wanted = self.should_use_structured_outputs
        able = shared_or_any(self._place).json_schema is True if wanted is None else wanted
        return able and self.pydantic_program_mode is PydanticProgramMode.DEFAULT

    @property
    def _can_be_made_to_call(self) -> bool:
        if self.pydantic_program_mode is PydanticProgramMode.LLM:
            return False
        able = self.metadata.is_function_calling_model and shared_or_any(self._place).tool_choice is not False
        return able or self.pydantic_program_mode is PydanticProgramMode.FUNCTION


# --- one call for one object ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _ObjectCall(Generic[Model]):
    """How to ask for the object, and how to read it from the answer."""

    output_cls: type[Model]
    options: dict[str, Any]
    instructions: str = ""

    def messages(
        self, llm: StructuredPrediction, prompt: BasePromptTemplate, values: dict[str, Any]
    ) -> list[ChatMessage]:
        messages = llm._extend_messages(prompt.format_messages(llm=llm, **values))  # noqa: SLF001 - core's own use
        if not self.instructions:
            return messages
        last = messages[-1]
        told = last.model_copy(update={"blocks": [*last.blocks, TextBlock(text=self.instructions)]})
        return [*messages[:-1], told]

    def read(self, response: ChatResponse) -> Model:
        text = _json_in(response)
        braced = text[text.find("{") : text.rfind("}") + 1]  # out of a code fence, or the prose around it
        for candidate in (text, braced or text):
            try:
                return self.output_cls.model_validate_json(candidate)
            except ValidationError as error:
                failure = error
        cut = response.additional_kwargs.get("finish_reason") == "length"
        reason = "the answer was cut at the token limit, raise max_tokens" if cut else str(failure)
        raise StructuredOutputError(
            f"the model gave no valid {self.output_cls.__name__}: {reason}. It answered: {text[:500]!r}", text
        ) from failure


def _json_in(response: ChatResponse) -> str:
    calls = calls_in(response)
    return calls[0].arguments if calls else response.message.content or ""


def _schema_options(output_cls: type[Model], *, strict: bool | None) -> dict[str, Any]:
    name = tool_dict(get_function_tool(output_cls))["function"]["name"]
    form: dict[str, Any] = {"name": name, "schema": output_cls.model_json_schema()}
    if strict is not None:
        form["strict"] = strict
    return {"response_format": {"type": "json_schema", "json_schema": form}}


def _instructions(output_cls: type[Model]) -> str:
    return PydanticOutputParser(output_cls).get_format_string(escape_json=False)


# --- an object that fills up ---------------------------------------------------------------------------------------


class _Growing(Generic[Model]):
    """The object so far: an `output_cls` as soon as it validates, until then one with all fields optional."""

    def __init__(self, output_cls: type[Model]) -> None:
        self._output_cls = output_cls
        self._flexible = create_flexible_model(output_cls)
        self._seen: dict[str, Any] | None = None

    def grow(self, chunk: ChatResponse) -> Model | FlexibleModel | None:
        """The object, or `None` if the chunk brought nothing new of it."""
        data = partial_object(_json_in(chunk))
        if data is None or data == self._seen:
            return None
        self._seen = data
        try:
            return self._output_cls.model_validate(data)
        except Exception:  # noqa: BLE001 - the class's own validators never met half an object before
            return self._flexible.model_validate(data)


def _objects(call: _ObjectCall[Model], chunks: ChatResponseGen) -> Generator[Any, None, None]:
    growing, chunk = _Growing(call.output_cls), None
    with closing(chunks):
        for chunk in chunks:
            if (part := growing.grow(chunk)) is not None:
                yield part
    if chunk is not None:
        yield call.read(chunk)


async def _aobjects(call: _ObjectCall[Model], chunks: ChatResponseAsyncGen) -> AsyncGenerator[Any, None]:
    growing, chunk = _Growing(call.output_cls), None
    async with aclosing(chunks):
        async for chunk in chunks:
            if (part := growing.grow(chunk)) is not None:
                yield part
    if chunk is not None:
        yield call.read(chunk)


def _started(output_cls: type[Model], prompt: BasePromptTemplate, values: dict[str, Any]) -> None:
    _dispatcher.event(LLMStructuredPredictStartEvent(output_cls=output_cls, template=prompt, template_args=values))


def _ended(output: Model) -> Model:
    _dispatcher.event(LLMStructuredPredictEndEvent(output=output))
    return output
