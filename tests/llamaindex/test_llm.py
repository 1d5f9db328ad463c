"""The eight calls over a backend that answers from a script."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, CompletionResponse
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.prompts import PromptTemplate
from llama_index.core.rate_limiter import BaseRateLimiter

from llamaindex_multillm import LlamaLLM
from shared_core import Capabilities, ChatRequest, Event, RateLimitError, ReasoningDelta, TextDelta
from tests.llamaindex.events import Counted, recorded
from tests.llamaindex.scripted import Scripted, says, until

USER = [ChatMessage(content="hi")]

Answer = ChatResponse | CompletionResponse
Caller = Callable[..., Any]


async def run(llm: LlamaLLM, call: str, **kwargs: Any) -> Answer:
    """The last answer of any of the eight calls."""
    given: Any = "hi" if "complete" in call else USER
    answer = getattr(llm, call)(given, **kwargs)
    if call.startswith("a"):
        answer = await answer
    if isinstance(answer, Generator):
        answer = list(answer)[-1]
    if isinstance(answer, AsyncGenerator):
        answer = [chunk async for chunk in answer][-1]
    assert isinstance(answer, ChatResponse | CompletionResponse)
    return answer


CALLS = ["chat", "stream_chat", "complete", "stream_complete"]
ALL_CALLS = pytest.mark.parametrize("call", [*CALLS, *(f"a{call}" for call in CALLS)])
STREAMS = pytest.mark.parametrize("call", ["stream_chat", "stream_complete", "astream_chat", "astream_complete"])


def words(answer: Answer) -> str:
    return answer.text if isinstance(answer, CompletionResponse) else answer.message.content or ""


@ALL_CALLS
async def test_every_call_answers(call: str) -> None:
    answer = await run(LlamaLLM(backend=Scripted()), call)
    assert words(answer) == "Hello there"
    assert answer.raw["usage"] == {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}  # type: ignore[index]


@ALL_CALLS
async def test_every_call_is_one_event_and_counts_its_tokens_once(call: str) -> None:
    """Ollama.complete makes two events and counts 14 tokens for 7."""
    counted, tokens = Counted(), TokenCountingHandler()
    llm = LlamaLLM(backend=Scripted(), callback_manager=CallbackManager([counted, tokens]))
    with recorded() as recorder:
        await run(llm, call)
    kind = "LLMCompletion" if "complete" in call else "LLMChat"
    assert recorder.kinds[f"{kind}StartEvent"] == recorder.kinds[f"{kind}EndEvent"] == 1
    assert recorder.kinds[f"{kind}InProgressEvent"] == (3 if "stream" in call else 0)
    assert sum(count for name, count in recorder.kinds.items() if name.startswith("LLM") and kind not in name) == 0
    assert (counted.started, len(counted.ended)) == (1, 1)
    assert (tokens.prompt_llm_token_count, tokens.completion_llm_token_count) == (7, 3)


@STREAMS
async def test_streams_are_real_generators_that_close_their_backend(call: str) -> None:
    backend = Scripted()
    llm = LlamaLLM(backend=backend)
    stream = getattr(llm, call)("hi" if "complete" in call else USER)
    if call.startswith("a"):
        stream = await stream
        assert isinstance(stream, AsyncGenerator)
        first = await anext(stream)
        await stream.aclose()
        await until(lambda: bool(backend.closed))
    else:
        assert isinstance(stream, Generator)
        first = next(stream)
        stream.close()
    assert first.delta == "Hello "
    assert backend.closed == [True]


@STREAMS
async def test_a_stream_grows(call: str) -> None:
    llm = LlamaLLM(backend=Scripted())
    stream = getattr(llm, call)("hi" if "complete" in call else USER)
    chunks = [chunk async for chunk in await stream] if call.startswith("a") else list(stream)
    assert [chunk.delta for chunk in chunks] == ["Hello ", "there", ""]
    assert [words(chunk) for chunk in chunks] == ["Hello ", "Hello there", "Hello there"]


@ALL_CALLS
async def test_options_of_a_call_go_before_those_of_the_object(call: str) -> None:
    """OpenAI's class ignores the max_tokens of a call when the object has one; Ollama's and LlamaCPP's ignore all."""
    backend = Scripted()
    llm = LlamaLLM(backend=backend, temperature=0.1, max_tokens=5, seed=1, additional_kwargs={"top_k": 3, "seed": 2})
    await run(llm, call, max_tokens=99, stop=["END"], temperature=None, min_p=0.1, service_tier="flex")
    (request,) = backend.requests
    assert (request.max_tokens, request.stop, request.temperature) == (99, ("END",), None)
    assert (request.top_k, request.seed, request.min_p, request.extra) == (3, 2, 0.1, {"service_tier": "flex"})


@ALL_CALLS
async def test_the_model_of_a_call(call: str) -> None:
    backend = Scripted()
    await run(LlamaLLM(backend=backend), call, model="other")
    assert backend.models == ["other"]
    assert "model" not in backend.requests[0].extra


def test_the_options_of_the_object_are_sent() -> None:
    options: dict[str, Any] = {
        "temperature": 0.1, "top_p": 0.5, "top_k": 4, "min_p": 0.1, "max_tokens": 5, "seed": 1, "logprobs": True,
        "frequency_penalty": 0.1, "presence_penalty": 0.2, "repetition_penalty": 1.1, "top_logprobs": 2,
        "reasoning_effort": "low", "user": "ann",
    }  # fmt: skip
    backend = Scripted()
    LlamaLLM(backend=backend, stop="x", **options).complete("hi")
    assert backend.requests[0].model_dump(include=set(options)) == options
    assert backend.requests[0].stop == ("x",)


def test_a_prompt_is_one_user_message_and_formatted_once() -> None:
    backend = Scripted()
    llm = LlamaLLM(backend=backend, completion_to_prompt=lambda prompt: f"<{prompt}>", system_prompt="Be brief.")
    llm.complete("hi")
    llm.complete("hi", formatted=True)
    assert [[(message.role, message.text) for message in request.messages] for request in backend.requests] == [
        [("user", "<hi>")],
        [("user", "hi")],
    ]


async def test_predict_sends_the_system_prompt_once() -> None:
    backend = Scripted()
    llm = LlamaLLM(backend=backend, system_prompt="Be brief.")
    assert llm.predict(PromptTemplate("About {what}"), what="cats") == "Hello there"
    assert await llm.apredict(PromptTemplate("About {what}"), what="cats") == "Hello there"
    assert "".join(llm.stream(PromptTemplate("About {what}"), what="cats")) == "Hello there"
    for request in backend.requests:
        assert [(message.role, message.text) for message in request.messages] == [
            ("system", "Be brief."),
            ("user", "About cats"),
        ]


def test_a_model_that_does_not_chat_gets_the_formatted_prompt() -> None:
    backend = Scripted()
    llm = LlamaLLM(backend=backend, is_chat_model=False, messages_to_prompt=lambda messages: "unused")
    llm.predict(PromptTemplate("About {what}"), what="cats")
    assert [message.text for message in backend.requests[0].messages] == ["About cats"]


def test_a_bad_message_is_reported_at_the_call_not_at_the_first_chunk() -> None:
    with pytest.raises(ValueError, match="temperature"):
        LlamaLLM(backend=Scripted()).stream_chat(USER, temperature=-1)


@ALL_CALLS
async def test_errors_come_as_they_are_and_end_the_event(call: str) -> None:
    counted = Counted()
    failure = RateLimitError("groq has enough of you", retry_after=3.0)
    llm = LlamaLLM(backend=Scripted([failure]), callback_manager=CallbackManager([counted]))
    with pytest.raises(RateLimitError) as caught:
        await run(llm, call)
    assert caught.value is failure
    assert [list(payload) for payload in counted.ended] == [["exception"]]


class Gate(BaseRateLimiter):
    def __init__(self) -> None:
        self.passed = 0

    def acquire(self, num_tokens: int = 0) -> None:
        self.passed += 1

    async def async_acquire(self, num_tokens: int = 0) -> None:
        self.passed += 1


@ALL_CALLS
async def test_every_call_passes_the_rate_limiter_once(call: str) -> None:
    gate = Gate()
    await run(LlamaLLM(backend=Scripted(), rate_limiter=gate), call)
    assert gate.passed == 1


async def test_async_calls_run_side_by_side() -> None:
    """CustomLLM's acomplete is its complete: four calls take four times as long and the loop stands still."""
    inside = 0
    most = 0

    class Slow(Scripted):
        async def achat(self, request: ChatRequest) -> Any:
            nonlocal inside, most
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.01)
            inside -= 1
            return await super().achat(request)

    llm = LlamaLLM(backend=Slow())
    await asyncio.gather(*(llm.acomplete("hi") for _ in range(4)))
    assert most == 4


@pytest.mark.parametrize("call", ["stream_chat", "astream_chat"])
async def test_reasoning_is_a_block_and_a_delta_of_its_own(call: str) -> None:
    thinking: list[Event] = [ReasoningDelta("hm "), ReasoningDelta("so"), *says("Yes")]
    llm = LlamaLLM(backend=Scripted([thinking]))
    stream = getattr(llm, call)(USER)
    chunks = [chunk async for chunk in await stream] if call.startswith("a") else list(stream)
    assert [chunk.additional_kwargs.get("thinking_delta") for chunk in chunks] == ["hm ", "so", None, None]
    assert [chunk.delta for chunk in chunks] == ["", "", "Yes", ""]
    assert [block.block_type for block in chunks[-1].message.blocks] == ["thinking", "text"]


# --- metadata ------------------------------------------------------------------------------------------------------


def test_metadata_says_what_the_backend_knows() -> None:
    metadata = LlamaLLM(backend=Scripted(capabilities=Capabilities(tools=False, context_window=131072))).metadata
    assert (metadata.context_window, metadata.num_output, metadata.model_name) == (131072, -1, "scripted-1")
    assert (metadata.is_chat_model, metadata.is_function_calling_model) == (True, False)


def test_metadata_of_an_unknown_model_lets_tools_be_tried() -> None:
    """OpenAILike takes an unknown model for one without tools and with 3900 tokens of context."""
    metadata = LlamaLLM(backend=Scripted()).metadata
    assert metadata.is_function_calling_model
    assert metadata.context_window == 8192


def test_metadata_can_be_corrected() -> None:
    llm = LlamaLLM(
        backend=Scripted(capabilities=Capabilities(tools=True, context_window=10)),
        context_window=4096,
        is_function_calling_model=False,
        is_chat_model=False,
        max_tokens=100,
    )
    assert (llm.metadata.context_window, llm.metadata.num_output) == (4096, 100)
    assert (llm.metadata.is_chat_model, llm.metadata.is_function_calling_model) == (False, False)


def test_an_attribute_can_be_changed() -> None:
    backend, other = Scripted(), Scripted(model="scripted-2")
    llm = LlamaLLM(backend=backend)
    llm.temperature = 0.9
    llm.complete("hi")
    assert backend.requests[0].temperature == 0.9
    llm.backend = other
    llm.complete("hi")
    assert (len(other.requests), llm.metadata.model_name) == (1, "scripted-2")


def test_no_text_is_lost_when_a_delta_is_only_logprobs() -> None:
    llm = LlamaLLM(backend=Scripted([[TextDelta("a"), TextDelta(""), *says("b")]]))
    assert llm.complete("hi").text == "ab"
    assert [chunk.text for chunk in llm.stream_complete("hi")] == ["a", "a", "ab", "ab"]
