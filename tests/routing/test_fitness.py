"""What a request needs, and who is known not to have it."""

from __future__ import annotations

from typing import Any

import pytest

from shared_core import (
    AudioPart,
    Capabilities,
    ChatRequest,
    EmbedRequest,
    FilePart,
    ImagePart,
    JsonObject,
    JsonSchema,
    Message,
    NamedTool,
    TextPart,
    Tool,
    ToolCallPart,
    ToolResultPart,
)
from shared_core.routing.fitness import Needs, prompt_tokens

TOOL = Tool(name="f")
PNG = ImagePart(data=b"png", media_type="image/png")
LINKED = ImagePart(url="https://images.example/cat.png")
INLINE = ImagePart(url="data:image/png;base64,cG5n")
SOUND = AudioPart(data=b"wav", media_type="audio/wav")
NONE = Capabilities(
    tools=False, tool_choice=False, json_schema=False, images=False, image_urls=False, audio=False, context_window=50
)


def ask(*parts: Any, **options: Any) -> ChatRequest:
    return ChatRequest(messages=(Message(role="user", parts=parts or ("Hi",)),), **options)


@pytest.mark.parametrize(
    ("request_", "lacks", "reason"),
    [
        (ask(tools=(TOOL,)), {"tools": False}, "it has no tools"),
        (ask(tools=(TOOL,), tool_choice="required"), {"tool_choice": False}, "it cannot be made to call a tool"),
        (ask(tools=(TOOL,), tool_choice=NamedTool(name="f")), {"tool_choice": False}, "it cannot be made to call"),
        (ask(response_format=JsonSchema({})), {"json_schema": False}, "it takes no JSON schema"),
        (ask(PNG), {"images": False}, "it takes no images"),
        (ask(ToolResultPart(call_id="1", content=(PNG,))), {"images": False}, "it takes no images"),
        (ask(LINKED), {"image_urls": False}, "it takes no images by URL"),
        (ask(SOUND), {"audio": False}, "it takes no audio"),
        (ask("x" * 4000), {"context_window": 1000}, "its window has 1,000 tokens, and the request needs about 1,004"),
        (ask("x", max_tokens=2000), {"context_window": 1000}, "its window has 1,000 tokens"),
    ],
)
def test_what_is_known_to_be_lacking_is_said(request_: ChatRequest, lacks: dict[str, Any], reason: str) -> None:
    said = Needs.of(request_).unmet_by(Capabilities(**lacks))
    assert said is not None
    assert said.startswith(reason)


@pytest.mark.parametrize(
    "request_",
    [
        ask(tools=(TOOL,), tool_choice="required"),
        ask(PNG, LINKED, SOUND),
        ask(response_format=JsonSchema({})),
        ask("x" * 99_999),
    ],
)
def test_what_is_not_known_speaks_against_nobody(request_: ChatRequest) -> None:
    assert Needs.of(request_).unmet_by(Capabilities()) is None


@pytest.mark.parametrize(
    "request_",
    [
        ask(),
        ask(tools=(TOOL,), tool_choice="none"),
        ask(tool_choice="required"),
        ask(response_format=JsonObject()),
        ask(FilePart(data=b"%PDF", media_type="application/pdf")),
    ],
)
def test_what_is_not_asked_for_need_not_be_there(request_: ChatRequest) -> None:
    assert Needs.of(request_).unmet_by(NONE) is None


@pytest.mark.parametrize("choice", [None, "auto"])
def test_a_tool_that_need_not_be_called_is_not_forced(choice: Any) -> None:
    can = Capabilities(tools=True, tool_choice=False)
    assert Needs.of(ask(tools=(TOOL,), tool_choice=choice)).unmet_by(can) is None


def test_an_image_in_the_request_itself_needs_no_urls() -> None:
    can = Capabilities(images=True, image_urls=False)
    assert Needs.of(ask(PNG, INLINE)).unmet_by(can) is None
    assert Needs.of(ask(PNG, LINKED)).unmet_by(can) is not None


def test_a_prompt_is_estimated_by_its_bytes() -> None:
    assert prompt_tokens(ask("x" * 400)) == 104
    assert prompt_tokens(ask("字" * 400)) == 304
    assert prompt_tokens(ask("x" * 400, PNG)) == 604
    assert prompt_tokens(EmbedRequest(texts=("x" * 40, "y" * 40))) == 20


def test_calls_results_and_tools_count_too() -> None:
    plain = prompt_tokens(ask("Hi"))
    call = ToolCallPart(id="1", name="f", arguments='{"x": "' + "x" * 400 + '"}')
    result = ToolResultPart(call_id="1", content=(TextPart(text="y" * 400), PNG))
    assert prompt_tokens(ask("Hi", call)) >= plain + 100
    assert prompt_tokens(ask("Hi", result)) >= plain + 600
    assert prompt_tokens(ask("Hi", tools=(Tool(name="f", description="z" * 400),))) >= plain + 100


def test_a_doubtful_window_counts_as_larger() -> None:
    needs = Needs.of(ask("x" * 4800))
    can = Capabilities(context_window=1000)
    assert needs.unmet_by(can) is not None
    assert needs.unmet_by(can, doubt=1.5) is None
