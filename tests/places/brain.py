"""Decides what a played model says, from the request alone.

A forced or first tool is called with arguments made from its JSON Schema and the prompt, a response format is filled
the same way, anything else gets a sentence. The model's name may ask for a mood:

    reasoning       thinks before it answers
    parallel        calls every tool it is offered, in one turn
    plain-text      answers in text whatever was asked for
    fenced          answers in text with a JSON code block
    bad-arguments   calls tools with arguments that are not JSON
    short           stops for length
    filtered        stops for its content filter
    truncated       a stream that ends without a finish reason or [DONE]
    cut             a stream whose connection is lost
    endless         a stream that goes on until the client leaves
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from tests.places.instances import Json, instance

MOODS = frozenset(
    [
        *("reasoning", "parallel", "plain-text", "fenced", "bad-arguments", "short", "filtered"),
        *("truncated", "cut", "endless"),
    ]
)
_THOUGHT = "The user wants an answer. I have one."


class RefusedError(Exception):
    """The request is not one that the place takes; how it says so is up to the place."""

    def __init__(
        self, message: str, status: int = 400, code: str | None = None, param: str | None = None, **more: object
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.param = param
        self.more = more
        """What the place's envelope has beside these: `type`, `failed_generation`, `raw`, ..."""


@dataclass
class Answer:
    """What the model says, before it is put on the wire."""

    text: str = ""
    reasoning: str = ""
    calls: list[tuple[str, str]] = field(default_factory=list)
    finish: str = "stop"


def answer_for(body: Json, *, begun: str = "") -> Answer:
    """Decide what to say, or what comes after the beginning of that."""
    model = str(body["model"])
    if model == "endless":
        return Answer(text="on and on")
    if model == "plain-text":
        return Answer(text="I would rather chat.")
    answer = _answer(body, model)
    answer.text = answer.text.removeprefix(begun)
    answer.reasoning = _THOUGHT if model == "reasoning" else ""
    return answer


def _answer(body: Json, model: str) -> Answer:
    prompt = _last_text(body["messages"], "user")
    wanted = _wanted_tools(body)
    if wanted and model != "fenced":
        return _called(body, wanted, prompt)
    text = _formatted(body, prompt) or _spoken(body["messages"], prompt)
    if model == "fenced":
        schema = wanted[0]["parameters"] if wanted else {"type": "object"}
        text = f"Sure!\n```json\n{json.dumps(instance(schema, prompt))}\n```"
    text, finish = _bounded(body, text)
    return Answer(text=text, finish={"short": "length", "filtered": "content_filter"}.get(model, finish))


def _wanted_tools(body: Json) -> list[Json]:
    """The tools to call: the named one, the first not yet called if some must be, the first after a user's turn."""
    functions = [tool["function"] for tool in body.get("tools") or ()]
    choice = body.get("tool_choice") or "auto"
    if isinstance(choice, dict):
        return [function for function in functions if function["name"] == choice["function"]["name"]]
    count = len(functions) if body["model"] == "parallel" else 1
    called = {call["function"]["name"] for turn in body["messages"] for call in turn.get("tool_calls") or ()}
    if choice in {"required", "any"}:
        return ([function for function in functions if function["name"] not in called] or functions)[:count]
    last = body["messages"][-1]["role"]
    return functions[:count] if choice == "auto" and last == "user" else []


def _called(body: Json, wanted: list[Json], prompt: str) -> Answer:
    if body["model"] == "bad-arguments":
        return Answer(calls=[(wanted[0]["name"], '{"city": Paris')], finish="tool_calls")
    calls = [
        (function["name"], json.dumps(instance(function.get("parameters", {}), prompt), ensure_ascii=False))
        for function in wanted
    ]
    return Answer(calls=calls, finish="tool_calls")


def _formatted(body: Json, prompt: str) -> str | None:
    format_ = body.get("response_format") or {"type": "text"}
    match format_["type"]:
        case "json_schema" if format_["json_schema"]["schema"] != {"type": "object"}:
            return json.dumps(instance(format_["json_schema"]["schema"], prompt), ensure_ascii=False)
        case "json_schema":
            return _some_object(prompt)
        case "json_object":
            if "json" not in json.dumps(body["messages"]).lower():
                raise RefusedError(
                    "'messages' must contain the word 'json' to use 'response_format' of type 'json_object'."
                )
            return _some_object(prompt)
        case "grammar":
            return json.dumps({"grammar": format_["grammar"]})
        case _:
            return json.dumps({"grammar": body["grammar"]}) if "grammar" in body else None


def _some_object(prompt: str) -> str:
    """A JSON object with the keys that the prompt quotes."""
    names = re.findall(r"'(\w+)'", prompt) or ["answer"]
    return json.dumps({name: f"some {name}" for name in names})


def _spoken(messages: list[Json], prompt: str) -> str:
    if messages[-1]["role"] == "tool":
        return f"The tool says: {text_of(messages[-1])}"
    return f"You said: {prompt or '...'} Thank you, I will think about it."


def _bounded(body: Json, text: str) -> tuple[str, str]:
    stops = body.get("stop") or []
    for stop in [stops] if isinstance(stops, str) else stops:
        text = text.split(stop, 1)[0]
    limit = body.get("max_tokens") or body.get("max_completion_tokens")
    found = pieces(text)
    return ("".join(found[:limit]), "length") if limit and len(found) > limit else (text, "stop")


def _last_text(messages: list[Json], role: str) -> str:
    return next((text_of(message) for message in reversed(messages) if message["role"] == role), "")


def text_of(message: Json) -> str:
    """The text of one message."""
    content = message.get("content") or ""
    return content if isinstance(content, str) else " ".join(part.get("text", "") for part in content)


def pieces(text: str) -> list[str]:
    """The played tokenizer: words with the blanks in front of them."""
    return re.findall(r"\s*\S+|\s+", text)


def count(text: str) -> int:
    """Tokens, as usage tells them."""
    return len(re.findall(r"\w+|[^\w\s]", text))
