"""What each place takes, under which name, and what is not sent to it; one line for each quirk of a row."""

from __future__ import annotations

import json
import warnings
from typing import Any

import pytest

from shared_core import (
    CATALOG,
    AudioPart,
    ChatRequest,
    DroppedOptionWarning,
    EmbedRequest,
    FilePart,
    Grammar,
    ImagePart,
    InvalidRequestError,
    JsonObject,
    JsonSchema,
    Message,
    NamedTool,
    ReasoningPart,
    TextPart,
    Timings,
    Tool,
    ToolCallPart,
    ToolResultPart,
    UnsupportedError,
    connect,
)
from shared_core.backends.advice import warn_dropped
from tests.halves import Half
from tests.raw_server import completion, serving, whole

F, G = Tool(name="f"), Tool(name="g")
SAMPLING = {"top_k": 5, "min_p": 0.1, "repetition_penalty": 1.1}
PENALTIES = {"frequency_penalty": 0.1, "presence_penalty": 0.2}
ABSENT = object()


def sent(place: str, *, stream: bool = False, role: str = "user", name: str | None = None, **options: Any) -> Any:
    message = Message(role=role, name=name, content="Hi")  # type: ignore[arg-type]
    request = ChatRequest(messages=(message,), **options)
    return json.loads(CATALOG[place].wire.encode_chat(request, "m", stream=stream).body)


QUIRKS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    *((place, {"max_tokens": 9}, {"max_completion_tokens": 9, "max_tokens": ABSENT}) for place in ("groq", "cerebras")),
    *(
        (place, {"max_tokens": 9}, {"max_tokens": 9, "max_completion_tokens": ABSENT})
        for place in CATALOG if place not in ("groq", "cerebras", "ollama")
    ),
    *(
        (place, {"repetition_penalty": 1.1}, {"repeat_penalty": 1.1, "repetition_penalty": ABSENT})
        for place in ("llama_server", "lmstudio")
    ),
    *(
        (place, SAMPLING, dict.fromkeys(SAMPLING, ABSENT))
        for place in ("groq", "cerebras", "llamagate", "nvidia")
    ),
    *((place, SAMPLING, SAMPLING) for place in ("together", "fireworks", "openrouter", "vllm", "deepinfra")),
    *((place, PENALTIES, dict.fromkeys(PENALTIES, ABSENT)) for place in ("groq", "cerebras", "sambanova")),
    *((place, PENALTIES, PENALTIES) for place in ("together", "fireworks", "vllm")),
    (
        "ollama",
        {"max_tokens": 9, "temperature": 0, "top_p": 0.5, "seed": 3, "stop": "X", **SAMPLING, **PENALTIES},
        {
            "options": {
                "num_ctx": 8192, "num_predict": 9, "temperature": 0.0, "top_p": 0.5, "seed": 3, "stop": ["X"],
                "top_k": 5, "min_p": 0.1, "repeat_penalty": 1.1,
                **PENALTIES,
            },
            **dict.fromkeys(("max_tokens", "temperature", "top_k", "repetition_penalty"), ABSENT),
        },
    ),
    ("ollama", {}, {"stream": False, "truncate": False, "shift": False, "options": {"num_ctx": 8192}, "think": ABSENT}),
    ("ollama", {"stream": True}, {"stream": True, "stream_options": ABSENT}),
    ("ollama", {"name": "Ann", "role": "developer"}, {"messages": [{"role": "system", "content": "Hi"}]}),
    ("sambanova", SAMPLING, {"top_k": 5, "min_p": ABSENT, "repetition_penalty": 1.1}),
    ("cerebras", {"tools": (F,), "parallel_tool_calls": False}, {"parallel_tool_calls": ABSENT}),
    ("ollama", {"tools": (F,), "parallel_tool_calls": False, "user": "u"}, {"parallel_tool_calls": ABSENT, "user": ABSENT}),
    ("fireworks", {}, {"context_length_exceeded_behavior": "error"}),
    ("fireworks", {"extra": {"context_length_exceeded_behavior": "truncate"}}, {"context_length_exceeded_behavior": "truncate"}),
    ("fireworks", {"response_format": Grammar("g")}, {"response_format": {"type": "grammar", "grammar": "g"}}),
    ("llama_server", {"response_format": Grammar("g")}, {"grammar": "g"}),
    ("llama_server", {"tools": (F, G), "tool_choice": NamedTool(name="g")}, {"tool_choice": "required"}),
    ("groq", {"stream": True, "response_format": JsonSchema({})}, {"stream": ABSENT}),
    ("groq", {"stream": True}, {"stream": True, "stream_options": ABSENT}),
    *((place, {"stream": True}, {"stream_options": ABSENT}) for place in ("together", "fireworks", "cerebras")),
    *((place, {"stream": True}, {"stream_options": {"include_usage": True}}) for place in ("vllm", "sambanova")),
    *((place, {"role": "developer"}, {"messages": [{"role": "system", "content": "Hi"}]}) for place in ("groq", "vllm", "openai_compatible")),
    *(
        (place, {"role": "developer"}, {"messages": [{"role": "developer", "content": "Hi"}]})
        for place in ("litellm", "openrouter", "llama_stack")
    ),
    ("together", {"top_logprobs": 3}, {"logprobs": 3, "top_logprobs": ABSENT}),
    ("together", {"logprobs": True}, {"logprobs": 1}),
    ("together", {"tools": (F,), "parallel_tool_calls": False, "user": "u"}, {"parallel_tool_calls": ABSENT, "user": ABSENT}),
    ("cerebras", {}, {"max_completion_tokens": 4096}),
    ("tgi", {}, {"max_tokens": 1024}),
    ("tgi", {"temperature": 0, "top_p": 1.0}, {"temperature": 0.001, "top_p": ABSENT}),
    ("tgi", {"temperature": 0.5, "top_p": 0.9}, {"temperature": 0.5, "top_p": 0.9}),
    ("vllm", {"temperature": 0, "top_p": 1.0}, {"temperature": 0.0, "top_p": 1.0}),
    ("llama_server", {"response_format": JsonSchema({"a": 1})}, {"response_format": {"type": "json_object", "schema": {"a": 1}}}),
    ("tgi", {"response_format": JsonSchema({"a": 1})}, {"response_format": {"type": "json_object", "value": {"a": 1}}}),
    ("tgi", {"user": "u", "reasoning_effort": "low", **SAMPLING}, dict.fromkeys(["user", "reasoning_effort", *SAMPLING], ABSENT)),
    ("openrouter", {"response_format": JsonObject()}, {"provider": {"require_parameters": True}}),
    ("openrouter", {}, {"provider": ABSENT}),
    (
        "openrouter",
        {"response_format": JsonObject(), "extra": {"provider": {"order": ["a"]}}},
        {"provider": {"require_parameters": True, "order": ["a"]}},
    ),
    ("llamagate", {"seed": 1, "user": "u", "reasoning_effort": "low"}, dict.fromkeys(("seed", "user", "reasoning_effort"), ABSENT)),
    ("llamagate", {"tools": (F,), "parallel_tool_calls": True}, {"parallel_tool_calls": ABSENT}),
    ("lmstudio", {"tools": (F,), "parallel_tool_calls": True, "user": "u", "min_p": 0.1}, dict.fromkeys(("user", "parallel_tool_calls", "min_p"), ABSENT)),
    *((place, {"user": "u"}, {"user": ABSENT}) for place in ("nvidia", "sambanova")),
    ("groq", {"name": "Ann"}, {"messages": [{"role": "user", "content": "Hi"}]}),
    ("together", {"name": "Ann"}, {"messages": [{"role": "user", "content": "Hi", "name": "Ann"}]}),
]  # fmt: skip


@pytest.mark.parametrize(("place", "options", "expected"), QUIRKS, ids=lambda value: str(value)[:60])
def test_what_goes_out(place: str, options: dict[str, Any], expected: dict[str, Any]) -> None:
    body = sent(place, **options)
    assert {key: body.get(key, ABSENT) for key in expected} == expected


@pytest.mark.parametrize("place", ["llama_server", "lmstudio"])
def test_forcing_one_of_two_tools_where_there_is_no_form_for_it(place: str) -> None:
    body = sent(place, tools=(F, G), tool_choice=NamedTool(name="g"))
    assert [tool["function"]["name"] for tool in body["tools"]] == ["g"]


@pytest.mark.parametrize(("place", "content"), [("groq", None), ("openai_compatible", ""), ("llama_server", "")])
def test_a_turn_of_calls_alone(place: str, content: str | None) -> None:
    turn = Message(role="assistant", parts=(ToolCallPart(id="1", name="f", arguments="{}"),))
    body = json.loads(CATALOG[place].wire.encode_chat(ChatRequest(messages=(turn,)), "m", stream=False).body)
    assert body["messages"][0]["content"] == content


def test_text_and_calls_of_one_turn_go_apart_where_only_one_is_read() -> None:
    call = ToolCallPart(id="1", name="f", arguments="{}")
    turns = [
        Message(role="assistant", parts=parts)
        for parts in ((TextPart(text="Hm"), call), (call,), (TextPart(text="x"),))
    ]
    wire = CATALOG["tgi"].wire
    body = json.loads(wire.encode_chat(ChatRequest(messages=tuple(turns)), "m", stream=False).body)
    assert [(turn["content"], "tool_calls" in turn) for turn in body["messages"]] == [
        ("Hm", False), (None, True), (None, True), ("x", False)
    ]  # fmt: skip


def test_just_any_json_where_a_schema_must_name_properties() -> None:
    with pytest.raises(UnsupportedError, match="no form for just any JSON object: pass a JsonSchema"):
        sent("tgi", response_format=JsonObject())


def test_just_any_json_at_lm_studio() -> None:
    assert sent("lmstudio", response_format=JsonObject())["response_format"]["type"] == "json_schema"
    assert sent("vllm", response_format=JsonObject())["response_format"] == {"type": "json_object"}


@pytest.mark.parametrize("place", ["groq", "llamagate", "lmstudio"])
@pytest.mark.parametrize("options", [{"logprobs": True}, {"top_logprobs": 2}])
def test_what_is_asked_for_its_effect_is_refused_and_not_dropped(place: str, options: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedError, match=r"has no .*logprobs.*: leave it out"):
        sent(place, **options)


AUDIO, FILE = AudioPart(data=b"RIFF", media_type="audio/wav"), FilePart(data=b"%PDF", media_type="application/pdf")


@pytest.mark.parametrize(
    ("place", "part"),
    [
        ("together", FILE),
        ("llama_server", FILE),
        *((place, part) for place in ("groq", "cerebras", "fireworks", "ollama", "tgi") for part in (AUDIO, FILE)),
    ],
)
def test_parts_that_a_place_has_no_form_for(place: str, part: AudioPart | FilePart) -> None:
    request = ChatRequest(messages=(Message(role="user", content=("Look", part)),))
    with pytest.raises(UnsupportedError, match=f"takes no {part.type} parts: leave it out, or ask a backend that does"):
        CATALOG[place].wire.encode_chat(request, "m", stream=False)
    CATALOG["vllm"].wire.encode_chat(request, "m", stream=False)


@pytest.mark.parametrize(
    ("place", "key"),
    [
        ("groq", "reasoning"),
        ("cerebras", "reasoning"),
        ("openrouter", "reasoning"),
        ("fireworks", "reasoning_content"),
        ("ollama", "thinking"),
    ],
)
def test_reasoning_goes_back_while_the_model_is_at_work(place: str, key: str) -> None:
    def turn(thought: str, question: str) -> list[Message]:
        call = ToolCallPart(id="1", name="f", arguments="{}")
        return [
            Message(role="user", content=question),
            Message(role="assistant", parts=(ReasoningPart(text=thought), call)),
            Message(role="tool", parts=(ToolResultPart(call_id="1", content="4"),)),
        ]

    def thoughts(place: str) -> list[dict[str, Any]]:
        request = ChatRequest(messages=(*turn("old", "a"), *turn("new", "b")))
        body = json.loads(CATALOG[place].wire.encode_chat(request, "m", stream=False).body)
        return [{name: message.get(name) for name in ("reasoning", "reasoning_content", "thinking") if name in message}
                for message in body["messages"] if message["role"] == "assistant"]  # fmt: skip

    assert thoughts(place) == [{}, {key: "new"}]
    assert thoughts("vllm") == [{}, {}]


IMAGES = (
    ImagePart(data=b"x" * 500_000),
    ImagePart(url="data:image/png;base64," + "A" * 200_000),
    ImagePart(url="https://x/y"),
)


def test_refused_images_are_counted_and_the_places_limits_told(half: Half) -> None:
    request = ChatRequest(messages=(Message(role="user", parts=IMAGES),))
    with serving(lambda _: [whole({"error": {"message": "request entity too large"}}, 413)]) as server:
        groq, vllm = (connect(name, model="m", api_key="k", base_url=server.url) for name in ("groq", "vllm"))
        for call in (half.chat, half.events):
            with pytest.raises(InvalidRequestError) as caught:
                call(groq, request)
            assert "The request holds 3 image(s), 0.7 MB of them inline. Groq takes at most 4 MB" in str(caught.value)
            with pytest.raises(InvalidRequestError, match=r"0\.7 MB of them inline\.$"):
                call(vllm, request)
            with pytest.raises(InvalidRequestError, match=r"too large\.$"):
                call(vllm, ChatRequest(messages=(Message(role="user", content="Hi"),)))


def test_seconds_that_fireworks_says_in_headers(half: Half) -> None:
    times = {"fireworks-server-time-to-first-token": "0.25", "fireworks-server-processing-time": "1.5"}
    request = ChatRequest(messages=(Message(role="user", content="Hi"),))
    with serving(lambda _: [whole(completion(content="x"), 200, times)]) as server:
        finish = half.chat(connect("fireworks", model="m", api_key="k", base_url=server.url), request).finish
    assert finish.timings == Timings(first_token=0.25, total=1.5)


@pytest.mark.parametrize("place", ["sambanova", "cerebras", "ollama", "lmstudio"])
def test_places_that_take_images_as_bytes_only(place: str) -> None:
    def encode(image: ImagePart) -> None:
        request = ChatRequest(messages=(Message(role="user", parts=(image,)),))
        CATALOG[place].wire.encode_chat(request, "m", stream=False)

    encode(ImagePart(data=b"png"))
    encode(ImagePart(url="data:image/png;base64,cG5n"))
    with pytest.raises(UnsupportedError, match="taken as bytes only: download it"):
        encode(ImagePart(url="https://x/y.png"))
    assert CATALOG[place].capabilities.image_urls is not True


@pytest.mark.parametrize(("kind", "said"), [("query", "query"), ("document", "passage")])
def test_nvidia_must_know_who_asks(kind: Any, said: str) -> None:
    def body(place: str) -> Any:
        return json.loads(CATALOG[place].wire.encode_embed(EmbedRequest(texts=("a",), kind=kind), "m").body)

    assert body("nvidia")["input_type"] == said
    assert "input_type" not in body("together")


def test_dropped_options_are_told_of_once(half: Half) -> None:
    warn_dropped.cache_clear()
    request = ChatRequest(messages=(Message(role="user", name="Ann", content="Hi"),), min_p=0.5)
    with serving(lambda _: [whole(completion(content="x"))]) as server:
        groq = connect("groq", model="m", api_key="k", base_url=server.url)
        with pytest.warns(DroppedOptionWarning, match="groq does not take min_p, names of messages: left out"):
            half.chat(groq, request)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            half.chat(groq, request)


def test_a_schema_that_cannot_be_streamed_comes_as_a_stream_of_one_piece(half: Half) -> None:
    request = ChatRequest(
        messages=(Message(role="user", content="Hi"),),
        response_format=JsonSchema({"type": "object"}),
    )
    with serving(lambda _: [whole(completion(content="{}"))]) as server:
        events = half.events(connect("groq", model="m", api_key="k", base_url=server.url), request)
        assert [getattr(event, "text", "") for event in events] == ["{}", ""]


def test_what_litellm_says_in_headers(half: Half) -> None:
    headers = {"x-litellm-response-cost": "3.5e-05", "x-litellm-call-id": "c-1", "x-litellm-model-id": "gpu-2"}
    reply = whole(completion(content="x"), 200, headers)
    request = ChatRequest(messages=(Message(role="user", content="Hi"),))
    with serving(lambda _: [reply]) as server:
        litellm = connect("litellm", base_url=server.url)
        for finish in (half.chat(litellm, request).finish, half.events(litellm, request)[-1]):
            assert finish.cost == 3.5e-05  # type: ignore[union-attr]
            assert finish.request_id == "c-1"  # type: ignore[union-attr]
            assert finish.metadata == {"x-litellm-call-id": "c-1", "x-litellm-model-id": "gpu-2"}  # type: ignore[union-attr]


def test_a_cost_that_is_no_number_is_unknown(half: Half) -> None:
    reply = whole(completion(content="x"), 200, {"x-litellm-response-cost": "None"})
    request = ChatRequest(messages=(Message(role="user", content="Hi"),))
    with serving(lambda _: [reply]) as server:
        assert half.chat(connect("litellm", base_url=server.url), request).finish.cost is None
