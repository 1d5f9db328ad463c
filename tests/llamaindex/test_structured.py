"""Structured prediction by every method, over a backend that answers from a script."""

from __future__ import annotations

import json
from typing import Any

import pytest
from llama_index.core.llms import ChatMessage
from llama_index.core.program.utils import FlexibleModel
from llama_index.core.prompts import ChatPromptTemplate, PromptTemplate
from llama_index.core.types import PydanticProgramMode
from pydantic import BaseModel, Field, field_validator

from llamaindex_multillm import LlamaLLM, StructuredOutputError
from shared_core import (
    Capabilities,
    Event,
    Finish,
    JsonObject,
    JsonSchema,
    MultillmError,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
)
from tests.llamaindex.events import recorded
from tests.llamaindex.scripted import Scripted, says


class Song(BaseModel):
    """A song."""

    name: str
    year: int
    artists: list[str] = Field(default_factory=list)


PROMPT = PromptTemplate("A song about {what}")
TEXT = '{"name": "Yellow", "year": 2000, "artists": ["Coldplay"]}'
SONG = Song(name="Yellow", year=2000, artists=["Coldplay"])

WORDS: list[Event] = [*(TextDelta(char) for char in TEXT), Finish("stop")]
CALL: list[Event] = [
    ToolCallDelta(0, id="a", name="Song"),
    *(ToolCallDelta(0, arguments=char) for char in TEXT),
    Finish("tool_calls"),
]
SCHEMA = Capabilities(json_schema=True, tools=True)
TOOLS = Capabilities(tools=True)
JSON_MODE = Capabilities(tools=False, json_object=True)
NOTHING = Capabilities(tools=False)
METHODS = pytest.mark.parametrize(
    ("able", "answer"),
    [(SCHEMA, WORDS), (TOOLS, CALL), (JSON_MODE, WORDS), (NOTHING, WORDS)],
    ids=["json_schema", "tools", "json_object", "text"],
)


def made(able: Capabilities, answer: list[Event], **options: Any) -> tuple[LlamaLLM, Scripted]:
    backend = Scripted([answer], capabilities=able)
    return LlamaLLM(backend=backend, system_prompt="Be brief.", **options), backend


async def predicted(llm: LlamaLLM, call: str, **kwargs: Any) -> list[Any]:
    answer = getattr(llm, call)(Song, PROMPT, what="stars", **kwargs)
    if call == "structured_predict":
        return [answer]
    if call == "astructured_predict":
        return [await answer]
    return list(answer) if call == "stream_structured_predict" else [part async for part in await answer]


CALLS = pytest.mark.parametrize(
    "call",
    ["structured_predict", "astructured_predict", "stream_structured_predict", "astream_structured_predict"],
)


@CALLS
@METHODS
async def test_every_call_by_every_method(call: str, able: Capabilities, answer: list[Event]) -> None:
    llm, backend = made(able, answer)
    assert (await predicted(llm, call))[-1] == SONG
    assert len(backend.requests) == 1


@CALLS
@METHODS
async def test_the_system_prompt_is_sent(call: str, able: Capabilities, answer: list[Event]) -> None:
    """Core's FunctionCallingProgram.acall and Ollama's structured_predict lose it."""
    llm, backend = made(able, answer)
    await predicted(llm, call)
    roles = [message.role for message in backend.requests[0].messages]
    assert roles == ["system", "user"]
    assert backend.requests[0].messages[1].text.startswith("A song about stars")


@CALLS
async def test_the_request_of_each_method(call: str) -> None:
    """Core's streamed programs let the model choose whether to call the tool."""
    llm, backend = made(SCHEMA, WORDS)
    await predicted(llm, call)
    assert backend.requests[0].response_format == JsonSchema(Song.model_json_schema(), "Song")
    assert backend.requests[0].tools == ()
    llm, backend = made(TOOLS, CALL)
    await predicted(llm, call)
    assert (backend.requests[0].tool_choice, backend.requests[0].tools[0].name) == ("required", "Song")
    assert backend.requests[0].response_format is None
    llm, backend = made(JSON_MODE, WORDS)
    await predicted(llm, call)
    assert backend.requests[0].response_format == JsonObject()
    assert '"properties"' in backend.requests[0].messages[1].text


@pytest.mark.parametrize(
    ("able", "options", "method"),
    [
        (SCHEMA, {"should_use_structured_outputs": False}, "tools"),
        (TOOLS, {"should_use_structured_outputs": True}, "schema"),
        (SCHEMA, {"pydantic_program_mode": PydanticProgramMode.FUNCTION}, "tools"),
        (SCHEMA, {"pydantic_program_mode": PydanticProgramMode.LLM}, "text"),
        (Capabilities(tools=True, tool_choice=False), {}, "text"),
        (Capabilities(), {}, "tools"),
        (TOOLS, {"is_function_calling_model": False}, "text"),
    ],
)
def test_the_method_can_be_chosen(able: Capabilities, options: dict[str, Any], method: str) -> None:
    llm, backend = made(able, CALL if method == "tools" else WORDS, **options)
    assert llm.structured_predict(Song, PROMPT, what="stars") == SONG
    (request,) = backend.requests
    used = "tools" if request.tools else "schema" if isinstance(request.response_format, JsonSchema) else "text"
    assert used == method


@CALLS
async def test_program_modes_of_other_packages_are_left_to_core(call: str) -> None:
    llm, _ = made(SCHEMA, WORDS, pydantic_program_mode=PydanticProgramMode.LM_FORMAT_ENFORCER)
    with pytest.raises(ImportError, match="lmformatenforcer"):
        await predicted(llm, call)


def test_strict_is_sent_when_it_is_set() -> None:
    llm, backend = made(SCHEMA, WORDS, strict=True)
    llm.structured_predict(Song, PROMPT, what="stars")
    assert backend.requests[0].response_format == JsonSchema(Song.model_json_schema(), "Song", strict=True)


def test_options_of_the_call_are_kept_and_the_caller_dict_is_left_alone() -> None:
    llm, backend = made(TOOLS, CALL)
    llm_kwargs = {"max_tokens": 9, "tool_choice": "auto", "tool_required": False}
    llm.structured_predict(Song, PROMPT, llm_kwargs, what="stars")
    assert (backend.requests[0].max_tokens, backend.requests[0].tool_choice) == (9, "required")
    assert len(llm_kwargs) == 3


def test_the_prompt_of_the_caller_is_left_alone() -> None:
    """Core's text program writes its output parser into the prompt, for whoever uses that next."""
    prompt = PromptTemplate("A song about {what}")
    llm, _ = made(NOTHING, WORDS)
    llm.structured_predict(Song, prompt, what="stars")
    assert prompt.output_parser is None


@METHODS
def test_objects_fill_up(able: Capabilities, answer: list[Event]) -> None:
    """With OpenAI-like classes that keep no dicts, every part is FlexibleSong(name=None) to the end."""
    llm, _ = made(able, answer)
    parts: list[Any] = list(llm.stream_structured_predict(Song, PROMPT, what="stars"))
    names = [part.name for part in parts if getattr(part, "name", None)]
    assert names[0] == "Y"
    assert names[-1] == "Yellow"
    assert isinstance(parts[0], FlexibleModel)
    assert [part.artists for part in parts if isinstance(part, Song)][-2:] == [["Coldplay"], ["Coldplay"]]
    years = [part.year for part in parts if getattr(part, "year", None)]
    assert years == sorted(years)


async def test_thinking_makes_no_parts() -> None:
    llm, _ = made(SCHEMA, [ReasoningDelta("hm"), ReasoningDelta("so"), *says(TEXT)])
    parts = list(llm.stream_structured_predict(Song, PROMPT, what="stars"))
    assert all(part.model_dump(exclude_none=True, exclude_defaults=True) or part for part in parts)
    assert parts[-1] == SONG


class Careful(BaseModel):
    name: str

    @field_validator("name")
    @classmethod
    def _looks_inside(cls, name: str) -> str:
        return {"Yellow": name}[name]  # a KeyError for half a name


def test_a_validator_that_never_met_half_an_object() -> None:
    llm, _ = made(SCHEMA, [TextDelta('{"name": "Yel'), TextDelta('low"}'), Finish("stop")])
    parts: list[Any] = list(llm.stream_structured_predict(Careful, PROMPT, what="stars"))
    assert [part.name for part in parts] == ["Yel", "Yellow", "Yellow"]


@pytest.mark.parametrize("text", [f"```json\n{TEXT}\n```", f"Sure! {TEXT} Bye."])
def test_an_object_in_prose_is_found(text: str) -> None:
    llm, _ = made(NOTHING, says(text))
    assert llm.structured_predict(Song, PROMPT, what="stars") == SONG
    llm, _ = made(TOOLS, says(text))
    assert llm.structured_predict(Song, PROMPT, what="stars") == SONG


@CALLS
@METHODS
async def test_an_answer_that_is_no_object_is_an_error(call: str, able: Capabilities, answer: list[Event]) -> None:
    llm, _ = made(able, says("I would rather not"))
    with pytest.raises(StructuredOutputError, match="no valid Song") as caught:
        await predicted(llm, call)
    assert caught.value.text == "I would rather not"
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, MultillmError)


def test_an_answer_that_was_cut_says_so() -> None:
    llm, _ = made(SCHEMA, [TextDelta('{"name": "Yel'), Finish("length")])
    with pytest.raises(StructuredOutputError, match="cut at the token limit, raise max_tokens"):
        llm.structured_predict(Song, PROMPT, what="stars")


@pytest.mark.parametrize("call", ["structured_predict", "astructured_predict"])
async def test_events_of_a_prediction(call: str) -> None:
    llm, _ = made(SCHEMA, WORDS)
    with recorded() as recorder:
        await predicted(llm, call)
    kinds = recorder.kinds
    assert kinds["LLMStructuredPredictStartEvent"] == kinds["LLMStructuredPredictEndEvent"] == 1
    assert kinds["LLMChatStartEvent"] == kinds["LLMChatEndEvent"] == 1
    start = next(event for event in recorder.seen if type(event).__name__ == "LLMChatStartEvent")
    json.dumps(start.model_dump()["additional_kwargs"])  # tracers write this down


async def test_as_structured_llm() -> None:
    llm, backend = made(SCHEMA, WORDS)
    structured = llm.as_structured_llm(Song)
    messages = [ChatMessage(content="{not a variable}")]
    assert structured.chat(messages).raw == SONG
    assert (await structured.achat(messages)).raw == SONG
    assert list(structured.stream_chat(messages))[-1].raw == SONG
    assert structured.complete("a song").text == SONG.model_dump_json()
    assert backend.requests[0].messages[-1].text == "{not a variable}"


def test_a_chat_prompt() -> None:
    llm, backend = made(NOTHING, WORDS)
    prompt = ChatPromptTemplate(message_templates=[ChatMessage(role="system", content="x"), ChatMessage(content="y")])
    assert llm.structured_predict(Song, prompt) == SONG
    assert [message.role for message in backend.requests[0].messages] == ["system", "system", "user"]
    assert "JSON schema" in backend.requests[0].messages[-1].text
