"""One call through `ChatLlama`: what goes out, and what comes back in every mode."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler, UsageMetadataCallbackHandler
from langchain_core.language_models.chat_model_stream import ChatModelStream
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage, trim_messages
from langchain_core.outputs import LLMResult
from langchain_core.rate_limiters import InMemoryRateLimiter
from langchain_tests.utils.stream_lifecycle import assert_valid_event_stream

from langchain_multillm import ChatLlama
from shared_core import InvalidRequestError
from tests.langchain.conftest import KEY
from tests.openai_server import OpenAIServer

pytestmark = pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")  # stream_events v3


def model(server: OpenAIServer, **arguments: Any) -> ChatLlama:
    return ChatLlama(**{"backend": "vllm", "model": "small", "api_key": KEY, "base_url": server.url, **arguments})


def joined(chunks: list[AIMessageChunk]) -> AIMessageChunk:
    return sum(chunks[1:], start=chunks[0])


# --- what goes out -------------------------------------------------------------------------------------------------


def test_the_request_holds_what_was_asked_for_and_nothing_else(server: OpenAIServer) -> None:
    model(server).invoke([SystemMessage("be brief"), HumanMessage("hi")])
    assert server.last == {
        "model": "small",
        "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}],
    }


def test_constructor_arguments_are_defaults_that_a_call_overrides(server: OpenAIServer) -> None:
    configured = model(
        server,
        temperature=0,
        max_tokens=50,
        top_p=0.9,
        top_k=40,
        min_p=0.1,
        stop_sequences=["END"],
        seed=7,
        frequency_penalty=0.1,
        presence_penalty=0.2,
        repetition_penalty=1.1,
        reasoning_effort="low",
        user="ann",
        parallel_tool_calls=False,  # there are no tools: it must not go out
        model_kwargs={"service_tier": "flex", "min_p": 0.2},
        extra_body={"chat_template_kwargs": {"enable_thinking": False}},
    )
    configured.invoke("hi", temperature=0.5, stop=["."], max_completion_tokens=20, extra={"logit_bias": {"5": 1}})
    sent = {key: value for key, value in server.last.items() if key not in {"model", "messages"}}
    assert sent == {
        "temperature": 0.5,
        "max_tokens": 20,
        "top_p": 0.9,
        "top_k": 40,
        "min_p": 0.2,
        "stop": ["."],
        "seed": 7,
        "frequency_penalty": 0.1,
        "presence_penalty": 0.2,
        "repetition_penalty": 1.1,
        "reasoning_effort": "low",
        "user": "ann",
        "service_tier": "flex",
        "chat_template_kwargs": {"enable_thinking": False},
        "logit_bias": {"5": 1},
    }


def test_none_for_a_call_leaves_the_choice_to_the_place(server: OpenAIServer) -> None:
    model(server, temperature=0.3, stop=["x"]).invoke("hi", temperature=None)
    assert "temperature" not in server.last


def test_an_unknown_call_argument_goes_into_the_body(server: OpenAIServer) -> None:
    with pytest.raises(InvalidRequestError, match="nonsense"):
        model(server).invoke("hi", nonsense=1)
    assert server.last["nonsense"] == 1


def test_a_value_no_place_takes_is_refused_before_it_is_sent(server: OpenAIServer) -> None:
    with pytest.raises(InvalidRequestError, match="temperature: Input should be greater than or equal to 0"):
        model(server).invoke("hi", temperature=-1)
    assert not server.seen


def test_model_per_call(server: OpenAIServer) -> None:
    answer = model(server).invoke("hi", model="large")
    assert server.last["model"] == "large"
    assert answer.response_metadata["model_name"] == "large"
    chunk = joined(list(model(server).stream("hi", model="large")))
    assert chunk.response_metadata["model_name"] == "large"


def test_the_key_goes_where_it_belongs_and_headers_with_it(server: OpenAIServer) -> None:
    model(server, default_headers={"X-Team": "blue"}).invoke("hi")
    assert server.seen[-1].headers["authorization"] == f"Bearer {KEY}"
    assert server.seen[-1].headers["x-team"] == "blue"


def test_the_key_is_read_from_the_places_own_variable(server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-somebody-else")
    ChatLlama(backend="vllm", model="small", base_url=server.url).invoke("hi")
    assert server.seen[-1].headers["authorization"] == f"Bearer {KEY}"


# --- what comes back -----------------------------------------------------------------------------------------------


def test_invoke(server: OpenAIServer) -> None:
    answer = model(server).invoke("hi there")
    assert answer.content == "You said: hi there Thank you, I will think about it."
    assert answer.additional_kwargs == {}
    metadata = answer.response_metadata
    assert metadata["model_name"] == "small"
    assert metadata["model_provider"] == "vllm"
    assert metadata["finish_reason"] == "stop"
    assert metadata["id"] == "chatcmpl-1"
    assert metadata["system_fingerprint"] == "fp_loopback"
    assert metadata["request_id"] == "req_loopback"
    usage = answer.usage_metadata
    assert usage is not None
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] > 0
    assert usage["input_token_details"] == {"cache_read": 0}
    assert usage["output_token_details"] == {"reasoning": 0}


@pytest.mark.parametrize("arguments", [{}, {"output_version": "v1"}], ids=["v0", "v1"])
@pytest.mark.parametrize("name", ["small", "reasoning"])
async def test_every_mode_gives_the_same_answer(server: OpenAIServer, arguments: dict[str, Any], name: str) -> None:
    asked = model(server, model=name, **arguments)
    asked.invoke("warm the server's cache")  # so that cached tokens are the same for all
    whole = [
        asked.invoke("warm the server's cache"),
        await asked.ainvoke("warm the server's cache"),
        joined(list(asked.stream("warm the server's cache"))),
        joined([chunk async for chunk in asked.astream("warm the server's cache")]),
        asked.invoke("warm the server's cache", stream=True),
        asked.batch(["warm the server's cache"])[0],
        (await asked.abatch(["warm the server's cache"]))[0],
        model(server, model=name, streaming=True, **arguments).invoke("warm the server's cache"),
        model(server, model=name, disable_streaming=True, **arguments).invoke("warm the server's cache"),
    ]
    metadata = [{k: v for k, v in m.response_metadata.items() if k not in ("token_usage", "id")} for m in whole]
    assert [message.text for message in whole] == [whole[0].text] * len(whole)
    assert [message.usage_metadata for message in whole] == [whole[0].usage_metadata] * len(whole)
    assert metadata == [metadata[0]] * len(whole)
    thoughts = [[b["reasoning"] for b in m.content_blocks if b["type"] == "reasoning"] for m in whole]
    assert thoughts == [["The user wants an answer. I have one."] if name == "reasoning" else []] * len(whole)
    if not arguments and name == "reasoning":
        assert {m.additional_kwargs["reasoning_content"] for m in whole} == {thoughts[0][0]}


def test_a_stream_has_one_last_chunk_with_all_metadata(server: OpenAIServer) -> None:
    chunks = list(model(server).stream("hi"))
    assert len(chunks) > 5
    assert [chunk.chunk_position for chunk in chunks] == [None] * (len(chunks) - 1) + ["last"]
    assert [bool(chunk.usage_metadata) for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert all(chunk.response_metadata == {} and isinstance(chunk.content, str) for chunk in chunks[:-1])


def test_a_v1_stream_keeps_reasoning_text_and_calls_apart(server: OpenAIServer) -> None:
    def weather(city: str) -> str:
        """Tell the weather."""
        return city

    thinking = joined(list(model(server, model="reasoning", output_version="v1").stream("hi")))
    assert [block["type"] for block in thinking.content_blocks] == ["reasoning", "text"]
    asked = model(server, output_version="v1").bind_tools([weather])
    chunks = list(asked.stream("What about Paris?"))
    whole = joined(chunks)  # type: ignore[arg-type]
    (block,) = whole.content_blocks
    assert (block["type"], block["args"]) == ("tool_call", {"city": "Paris"})  # type: ignore[typeddict-item]
    assert whole.tool_calls == asked.invoke("What about Paris?").tool_calls


@pytest.mark.parametrize("place", ["groq", "bedrock"])
def test_core_reads_no_other_providers_dialect_into_ours(server: OpenAIServer, place: str) -> None:
    # Core has translators for "groq" and "bedrock"; the second one drops reasoning.
    asked = model(server, backend=place, model="reasoning")
    for answer in (asked.invoke("hi"), joined(list(asked.stream("hi")))):
        assert [block["type"] for block in answer.content_blocks] == ["reasoning", "text"]
        assert answer.response_metadata["model_provider"] == asked._get_ls_params()["ls_provider"]


def test_logprobs(server: OpenAIServer) -> None:
    asked = model(server, top_logprobs=1)
    whole = asked.invoke("hi").response_metadata["logprobs"]["content"]
    assert whole[0]["token"] == "You"
    assert whole[0]["top_logprobs"][0]["logprob"] == -0.25
    assert server.last["logprobs"] is True
    assert joined(list(asked.stream("hi"))).response_metadata["logprobs"]["content"] == whole


def test_tool_calls_that_are_not_json_are_invalid_calls(server: OpenAIServer) -> None:
    def weather(city: str) -> str:
        """Tell the weather."""
        return city

    answer = model(server, model="bad-arguments").bind_tools([weather]).invoke("hi")
    assert answer.tool_calls == []
    assert answer.invalid_tool_calls[0]["args"] == '{"city": Paris'
    assert "not JSON" in str(answer.invalid_tool_calls[0]["error"])
    assert answer.response_metadata["finish_reason"] == "tool_calls"


# --- callbacks -----------------------------------------------------------------------------------------------------


class _Tokens(BaseCallbackHandler):
    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.ends: list[LLMResult] = []

    def on_llm_new_token(self, token: Any, **kwargs: Any) -> None:
        self.tokens.append(token)

    def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:
        self.ends.append(response)


async def test_each_token_is_called_back_once(server: OpenAIServer) -> None:
    for run in ("stream", "invoke", "v3"):
        handler = _Tokens()
        config: Any = {"callbacks": [handler]}
        if run == "stream":
            list(model(server).stream("hi", config))
        elif run == "invoke":
            model(server, streaming=True).invoke("hi", config)
        else:
            _ = model(server).stream_events("hi", config, version="v3").output
        assert "".join(handler.tokens) == "You said: hi Thank you, I will think about it."
        assert len(handler.ends) == 1
    handler = _Tokens()
    async for _ in model(server).astream("hi", {"callbacks": [handler]}):
        pass
    assert "".join(handler.tokens) == "You said: hi Thank you, I will think about it."


def test_usage_callback_and_generate(server: OpenAIServer) -> None:
    usage = UsageMetadataCallbackHandler()
    asked = model(server)
    asked.invoke("hi", {"callbacks": [usage]})
    list(asked.stream("hi", {"callbacks": [usage]}))
    assert usage.usage_metadata["small"]["input_tokens"] > 0
    result = asked.generate([[HumanMessage("a")], [HumanMessage("b")]])
    assert result.llm_output is not None
    totals = [g[0].message.usage_metadata["total_tokens"] for g in result.generations]  # type: ignore[union-attr]
    assert result.llm_output["token_usage"]["total_tokens"] == sum(totals)


def test_tracing_parameters_follow_overrides(server: OpenAIServer) -> None:
    asked = model(server, temperature=0.2, max_tokens=9, stop="END")
    assert asked._get_ls_params() == {
        "ls_provider": "vllm",
        "ls_model_name": "small",
        "ls_model_type": "chat",
        "ls_temperature": 0.2,
        "ls_max_tokens": 9,
        "ls_stop": ["END"],
    }
    overridden = asked._get_ls_params(stop=["."], model="large", temperature=1, max_tokens=3)
    assert overridden["ls_model_name"] == "large"
    assert (overridden["ls_temperature"], overridden["ls_max_tokens"], overridden["ls_stop"]) == (1, 3, ["."])
    assert asked.metadata is not None
    assert {"multillm-plugins", "langchain-core"} <= asked.metadata["lc_versions"].keys()


def test_the_rate_limiter_is_asked(server: OpenAIServer) -> None:
    class Counting(InMemoryRateLimiter):
        asked = 0

        def acquire(self, *, blocking: bool = True) -> bool:
            self.asked += 1
            return True

    limiter = Counting()
    limited = model(server, rate_limiter=limiter)
    limited.invoke("hi")
    list(limited.stream("hi"))
    assert limiter.asked == 2


# --- event streams -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["small", "reasoning"])
async def test_v3_event_streams_are_valid(server: OpenAIServer, name: str) -> None:
    asked = model(server, model=name)
    stream = asked.stream_events("hi", version="v3")
    assert isinstance(stream, ChatModelStream)
    events = list(stream)
    assert_valid_event_stream(events)
    assert stream.output.text == asked.invoke("hi").text
    assert stream.output.usage_metadata
    assert stream.output.response_metadata["model_name"] == name
    astream = await asked.astream_events("hi", version="v3")
    assert_valid_event_stream([event async for event in astream])


@pytest.mark.parametrize("place", ["vllm", "groq"])
def test_v3_event_streams_with_tool_calls(server: OpenAIServer, place: str) -> None:
    def weather(city: str) -> str:
        """Tell the weather."""
        return city

    bound = model(server, backend=place).bind_tools([weather])
    stream: ChatModelStream = bound.stream_events("What about Paris?", version="v3")  # type: ignore[assignment]
    assert_valid_event_stream(list(stream))
    (call,) = stream.output.tool_calls
    assert (call["name"], call["args"]) == ("weather", {"city": "Paris"})


async def test_v2_event_streams(server: OpenAIServer) -> None:
    events = [event async for event in model(server).astream_events("hi", version="v2")]
    assert [event["event"] for event in (events[0], events[-1])] == ["on_chat_model_start", "on_chat_model_end"]
    pieces = [event["data"]["chunk"].text for event in events if event["event"] == "on_chat_model_stream"]
    assert "".join(pieces) == "You said: hi Thank you, I will think about it."
    assert events[0]["metadata"]["ls_provider"] == "vllm"


# --- async and threads ---------------------------------------------------------------------------------------------


def test_one_model_over_three_event_loops(server: OpenAIServer) -> None:
    asked = model(server, max_retries=0)

    async def ask() -> list[str]:
        answers = await asyncio.gather(*(asked.ainvoke(f"number {n}") for n in range(4)))
        chunks = [chunk.text async for chunk in asked.astream("hi")]
        return [answer.text for answer in answers] + ["".join(chunks)]

    runs = [asyncio.run(ask()) for _ in range(3)]
    assert runs == [runs[0]] * 3
    assert len(server.seen) == 15


def test_one_model_in_many_threads(server: OpenAIServer) -> None:
    answers = model(server).batch([f"number {n}" for n in range(20)], {"max_concurrency": 8})
    assert [answer.text.split(" Thank")[0] for answer in answers] == [f"You said: number {n}" for n in range(20)]


def test_leaving_a_stream_stops_the_server(server: OpenAIServer) -> None:
    stream = model(server, model="endless").stream("hi")
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert server.left.wait(5)


async def test_cancelling_a_stream_stops_the_server(server: OpenAIServer) -> None:
    started = asyncio.Event()

    async def read() -> None:
        async for _ in model(server, model="endless").astream("hi"):
            started.set()

    task = asyncio.create_task(read())
    await asyncio.wait_for(started.wait(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(server.left.wait, 5)


async def test_async_calls_use_no_threads(server: OpenAIServer) -> None:
    asked = model(server)
    await asked.ainvoke("hi")  # core's callbacks may start a pool on the first call
    before = {thread.ident for thread in threading.enumerate()}
    seen: set[int | None] = set()
    async for _ in asked.astream("hi"):
        seen |= {thread.ident for thread in threading.enumerate() if "Thread" not in thread.name}
    assert seen <= before


# --- counting and profile ------------------------------------------------------------------------------------------


def test_tokens_are_counted_without_a_network() -> None:
    asked = ChatLlama(backend="vllm", model="small", base_url="http://127.0.0.1:9")
    assert asked.get_num_tokens("") == 0
    assert asked.get_num_tokens("Four words of English.") == 6
    messages = [HumanMessage("hi"), AIMessage("", tool_calls=[{"name": "f", "args": {"x": 1}, "id": "1"}])]
    plain = asked.get_num_tokens_from_messages(messages)
    tool = {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}}
    assert 0 < plain < asked.get_num_tokens_from_messages(messages, tools=[tool])
    image = HumanMessage([{"type": "image", "url": "https://x/y.png"}])
    assert asked.get_num_tokens_from_messages([image]) > 500
    with pytest.raises(NotImplementedError, match="custom_get_token_ids"):
        asked.get_token_ids("x")
    own = ChatLlama(backend="vllm", model="small", custom_get_token_ids=lambda text: list(range(len(text))))
    assert (own.get_num_tokens("abc"), own.get_token_ids("abc")) == (3, [0, 1, 2])


def test_messages_are_trimmed_by_our_count() -> None:
    asked = ChatLlama(backend="vllm", model="small", base_url="http://127.0.0.1:9")
    messages = [HumanMessage(f"message number {n}") for n in range(10)]
    one = asked.get_num_tokens_from_messages(messages[:1])
    kept = trim_messages(messages, max_tokens=3 * one, token_counter=asked, strategy="last")
    assert kept == messages[-3:]


def test_the_profile_says_what_works_together_with_tools() -> None:
    groq = ChatLlama(model="groq/gpt-oss-20b", api_key=KEY).profile
    assert groq is not None
    assert groq["tool_calling"] is True
    assert groq["max_input_tokens"] > 100_000
    assert not groq.get("structured_output")  # Groq refuses a response format beside tools
    own = ChatLlama(model="groq/gpt-oss-20b", api_key=KEY, profile={"max_input_tokens": 5}).profile
    assert own == {"max_input_tokens": 5}


def test_json_dumps_of_a_dump_has_everything_but_secrets(server: OpenAIServer) -> None:
    asked = model(server, temperature=0.5)
    description = asked.asdict()
    assert description["backend"] == "vllm"
    assert description["base_url"] == server.url
    assert description["model"] == "small"
    assert description["temperature"] == 0.5
    assert description["_type"] == asked._llm_type
    assert KEY not in json.dumps(description)
