"""The played places refuse what the real ones refuse, in their words: else they would prove nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.places.instances import Json
from tests.places.registry import SIMULATORS
from tests.places.simulator import KEY
from tests.raw_server import Received

HI = {"role": "user", "content": "Hi"}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object", "properties": {}}}}
CALLED = {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}  # fmt: skip
RESULT = {"role": "tool", "tool_call_id": "c", "content": "1"}
FORCED = {"type": "function", "function": {"name": "f"}}
PICTURE = {"type": "image_url", "image_url": {"url": "https://example.org/cat.png"}}
INLINE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}


def with_picture(part: Json) -> Json:
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": "?"}, part]}]}


REFUSED: list[tuple[str, str, Json, int, str]] = [
    ("groq", "2026", {"min_p": 0.1}, 400, "property 'min_p' is unsupported"),
    ("groq", "2026", {"logprobs": True}, 400, "property 'logprobs' is unsupported"),
    ("groq", "2026", {"messages": [{**HI, "name": "Ann"}]}, 400, "'messages.0' : for 'role:user' the following must be"),
    ("groq", "2026", {"messages": [HI, {**CALLED, "reasoning_content": "x"}]}, 400, "property 'reasoning_content' is unsupported"),
    ("groq", "2026", {"n": 2}, 400, "at most 1"),
    ("groq", "2026", {"stop": list("abcde")}, 400, "at most 4"),
    ("groq", "2026", {"response_format": SCHEMA, "tools": [TOOL]}, 400, "cannot be used together"),
    ("groq", "2026", {"response_format": SCHEMA, "stream": True}, 400, "streaming is not supported"),
    ("groq", "2026", with_picture(INLINE), 400, "content must be a string"),
    ("groq", "2026", {"model": "llama-3.3-70b-versatile"}, 404, "does not exist or you do not have access to it"),
    ("groq", "penalties-refused", {"frequency_penalty": 0.5}, 400, "property 'frequency_penalty' is unsupported"),
    ("cerebras", "strict", {"min_p": 0.1}, 400, "body.min_p: property 'body.min_p' is unsupported"),
    ("cerebras", "strict", {"parallel_tool_calls": True, "tools": [TOOL]}, 400, "body.parallel_tool_calls"),
    ("cerebras", "strict", {"disable_reasoning": True}, 400, "disable_reasoning"),
    ("cerebras", "strict", {"response_format": SCHEMA, "tools": [TOOL]}, 400, "cannot be used together"),
    ("cerebras", "newest", with_picture(PICTURE), 400, "only base64 encoded images"),
    ("cerebras", "strict", {"messages": [HI, {**CALLED, "reasoning_content": "x"}]}, 400, "reasoning_content"),
    ("together", "usage-in-the-choice", {"logprobs": True}, 422, "expected an integer"),
    ("together", "usage-in-the-choice", {"stop": "x"}, 400, "array of strings"),
    ("together", "usage-in-the-choice", {"model": "gpt-4o"}, 404, "Unable to access model gpt-4o"),
    ("fireworks", "lenient", {"max_tokens": 1, "max_completion_tokens": 1}, 400, "cannot both be set"),
    ("fireworks", "lenient", {"thinking": {"type": "enabled"}, "reasoning_effort": "low"}, 400, "cannot both be set"),
    ("fireworks", "strict", {"enable_thinking": True}, 400, "Extra inputs are not permitted, field: 'enable_thinking'"),
    ("fireworks", "lenient", {"top_k": 101}, 400, "between 0 and 100"),
    ("fireworks", "lenient", {"top_logprobs": 6, "logprobs": True}, 400, "between 0 and 5"),
    ("sambanova", "2026", {"top_p": 100}, 400, "Expected a value between 0 and 1, but got 100 instead."),
    ("sambanova", "2026", {"response_format": {"type": "text"}}, 400, "'text' is not supported"),
    ("sambanova", "2026", {"stream_options": {"include_usage": True}}, 400, "only allowed when stream is enabled"),
    ("sambanova", "2026", with_picture(PICTURE), 400, "only base64 encoded images"),
    ("sambanova", "2026", {"model": "gpt-4o"}, 400, "model_not_found"),
    ("sambanova", "text-only-lists", with_picture({"type": "text", "text": "!"}), 400, "expected a string"),
    ("nvidia", "detail", {"min_p": 0.1}, 422, "Extra inputs are not permitted"),
    ("deepinfra", "only-auto", {"tools": [TOOL], "tool_choice": "required"}, 422, "Supported are ['auto', 'none']"),
    ("deepinfra", "lenient", {"messages": [HI, CALLED, {"role": "tool", "tool_call_id": "c", "content": [INLINE]}]}, 422, "Invalid content type"),
    ("bedrock", "strict", with_picture(INLINE), 400, "does not take image input"),
    ("bedrock", "lenient", {"n": 2}, 400, "n must be 1"),
    ("llamagate", "strict", {"seed": 1}, 400, "seed"),
    ("litellm", "database", {"nonsense": 1}, 400, "litellm.BadRequestError: OpenAIException - Unrecognized request argument"),
    ("litellm", "database", {"model": "gpt-9"}, 400, "There are no healthy deployments for this model"),
    ("llama_stack", "ogx-1.5", {"model": "small"}, 404, "Model 'small' not found"),
    ("llama_stack", "0.3", {"temperature": 3}, 400, "temperature must be between"),
    ("vllm", "2026", {"model": "gpt-4o"}, 404, "The model `gpt-4o` does not exist."),
    ("vllm", "2024", {"model": "gpt-4o"}, 404, '"object": "error"'),
    ("vllm", "deaf", {"tools": [TOOL]}, 400, "--enable-auto-tool-choice and --tool-call-parser"),
    ("tgi", "2", {"temperature": 0}, 422, "`temperature` must be strictly positive"),
    ("tgi", "3", {"top_p": 1.0}, 422, "`top_p` must be > 0.0 and < 1.0"),
    ("tgi", "3", {"stop": list("abcde")}, 422, "supports up to 4 stop sequences. Given: 5"),
    ("tgi", "3", {"stop": "x"}, 422, "array of strings"),
    ("tgi", "3", {"response_format": SCHEMA}, 422, "Failed to deserialize the JSON body"),
    ("tgi", "3", {"response_format": {"type": "json_object", "value": {}}}, 422, "Grammar must have a 'properties' field"),
    ("tgi", "3", {"response_format": {"type": "json", "value": {"properties": {}}}, "tools": [TOOL]}, 422, "mutually exclusive"),
    ("llama_server", "2026", {"tools": [TOOL], "grammar": "root"}, 400, "Cannot use custom grammar constraints with tools."),
    ("llama_server", "2026", {"tools": [TOOL], "tool_choice": FORCED}, 400, "is not supported"),
    ("llama_server", "2026", {"tools": [TOOL], "stream": True, "logprobs": True}, 400, "not supported with tools + stream"),
    ("lmstudio", "think", {"response_format": {"type": "json_object"}}, 400, "must be 'json_schema' or 'text'"),
    ("lmstudio", "reasoning", {"tools": [TOOL], "tool_choice": FORCED}, 400, "Invalid tool_choice type: 'object'"),
    ("lmstudio", "reasoning", with_picture(PICTURE), 400, "only base64 encoded images"),
    ("llama_cpp_python", "functionary", {"response_format": SCHEMA}, 500, "Input should be 'text' or 'json_object'"),
    ("llama_cpp_python", "functionary", {"messages": [HI, CALLED, RESULT]}, 500, "Input should be a valid string"),
    ("llama_cpp_python", "functionary", {"messages": [{**HI, "role": "developer"}]}, 500, "1 validation error"),
    ("llama_cpp_python", "chatml-function-calling", {"tools": [TOOL], "tool_choice": "required"}, 500, '"message": ""'),
    *(
        (name, SIMULATORS[name].variants[0], {"messages": [HI, CALLED, HI]}, SIMULATORS[name].rules.status, "without an answer")
        for name in ("together", "fireworks", "groq", "sambanova", "cerebras", "llamagate", "deepinfra", "openrouter")
    ),
]  # fmt: skip
"""A place, its variant, what makes a request one that it does not take, the status, and what it says."""


@pytest.mark.parametrize(("name", "variant", "change", "status", "text"), REFUSED, ids=str)
def test_a_refusal(name: str, variant: str, change: Json, status: int, text: str) -> None:
    sim = SIMULATORS[name](variant)
    body = {"model": sim.models[0].id, "messages": [HI], **change}
    request = Received("POST", f"{sim.prefix}/chat/completions", {"authorization": f"Bearer {KEY}"}, _json(body))
    sent = sim.answer(request)
    said = b"".join(piece for piece in sent.pieces if isinstance(piece, bytes)).decode()
    assert (sent.status, text in said) == (status, True), said
    without = {key: value for key, value in body.items() if key not in change}
    fine = sim.answer(
        Received("POST", request.path, request.headers, _json({**without, "model": sim.models[0].id, "messages": [HI]}))
    )
    assert fine.status == 200


@pytest.mark.parametrize("name", SIMULATORS)
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/chat/completionz"), ("GET", "/chat/completions"), ("POST", "/models")]
)
def test_another_path(name: str, method: str, path: str) -> None:
    sim = SIMULATORS[name]()
    sent = sim.answer(Received(method, sim.prefix + path, {"authorization": f"Bearer {KEY}"}, b"{}"))
    assert sent.status in {404, 405}


def _json(body: Any) -> bytes:
    return json.dumps(body).encode()
