"""What must hold of options, formats, images and limits at every place: sent, told to be dropped, or refused by us."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared_core import (
    AudioPart,
    BackendError,
    ContextLengthError,
    FilePart,
    Grammar,
    ImagePart,
    InvalidRequestError,
    JsonObject,
    JsonSchema,
    Message,
    Part,
    StreamInterruptedError,
    ToolResultPart,
    UnsupportedError,
)
from tests.places.instances import Json
from tests.places.under_check import SCHEMA, WEATHER, Check, UnderCheck, ask, drops

OPTIONS: dict[str, tuple[Any, ...]] = {
    "temperature": (0.0, 0.5, 2.0),
    "top_p": (0.5, 1.0),
    "top_k": (5,),
    "min_p": (0.25,),
    "max_tokens": (50,),
    "seed": (7,),
    "frequency_penalty": (0.5,),
    "presence_penalty": (0.5,),
    "repetition_penalty": (1.25,),
    "reasoning_effort": ("low",),
    "user": ("user-1",),
    "stop": (["zzz"], ["zzz", "yyy"]),
}
"""Each option that tunes an answer, with values that are in every place's documentation if the option is."""


def _option(name: str) -> Check:
    def check(at: UnderCheck) -> None:
        for value in OPTIONS[name]:
            _one_option(at, name, value)

    check.__name__ = f"option_{name}"
    return check


def _one_option(at: UnderCheck, name: str, value: object, **more: Any) -> None:
    with drops() as said:
        bodies = at.sent(ask(**{name: value}, **more))
    takes = at.sim.takes(name)
    if takes is not None:
        assert [at.sim.carries(body, name, value) for body in bodies] == [takes] * 2, (name, bodies)
        assert [name in text for text in said] == ([] if takes else [True]), (name, said)


def parallel_tool_calls(at: UnderCheck) -> None:
    for value in (True, False):
        _one_option(at, "parallel_tool_calls", value, tools=(WEATHER,))


def options_all_at_once(at: UnderCheck) -> None:
    with drops() as said:
        at.both(ask(**{name: values[0] for name, values in OPTIONS.items()}))
    assert len(said) <= 1


def logprobs(at: UnderCheck) -> None:
    """Asked for their effect: they come, or they are refused before the call."""
    for given in ({"logprobs": True}, {"logprobs": True, "top_logprobs": 2}):
        takes = at.sim.takes("logprobs")
        if takes is None:
            continue
        if takes:
            for response, said in at.both(ask(**given)):
                assert [entry.token for entry in response.logprobs or ()] == said.tokens
                assert {entry.logprob for entry in response.logprobs or ()} == {-0.25}
        else:
            _refused_by_us(at, **given)


def logprobs_of_a_call(at: UnderCheck) -> None:
    if at.sim.takes("logprobs"):
        for response in at.answers(ask("Paris", tools=(WEATHER,), logprobs=True)):
            assert [call.name for call in response.tool_calls] == ["get_weather"]
            assert json.loads(response.tool_calls[0].arguments) == {"city": "Paris"}


def _refused_by_us(at: UnderCheck, *parts: Any, **given: Any) -> None:
    before = len(at.sim.received)
    for call in (at.half.chat, at.half.events):
        with pytest.raises(UnsupportedError):
            call(at.backend(), ask(*parts, **given))
    assert len(at.sim.received) == before


def the_bound_is_kept(at: UnderCheck) -> None:
    for response, _ in at.both(ask(max_tokens=2)):
        assert (response.text, response.finish.reason) == ("You said:", "length")


def stop_sequences(at: UnderCheck) -> None:
    for response, _ in at.both(ask(stop="Thank")):
        assert (response.text, response.finish.reason) == ("You said: Hi ", "stop")


def extras_go_out_untouched(at: UnderCheck) -> None:
    """And a place that is strict says what it does not know: nothing of the caller's is left out in silence."""
    request = ask(extra={"no_such_option": 1})
    for call in (at.half.chat, at.half.events):
        if at.sim.rules.strict:
            with pytest.raises(InvalidRequestError, match="no_such_option"):
                call(at.backend(), request)
        else:
            call(at.backend(), request)
        assert at.sim.last["no_such_option"] == 1


# --- formats -------------------------------------------------------------------------------------------------------


def json_object(at: UnderCheck) -> None:
    for response, _ in at.both(ask("As JSON, with 'city'.", response_format=JsonObject())):
        assert isinstance(json.loads(response.text), dict)


def json_schema(at: UnderCheck) -> None:
    for strict in (None, True):
        format_ = JsonSchema(SCHEMA, name="city", strict=strict)
        for response, _ in at.both(ask("As JSON: 'Paris' has 2 million people.", response_format=format_)):
            assert json.loads(response.text) == {"city": "Paris", "population": 2}


def grammar(at: UnderCheck) -> None:
    if "grammar" in at.sim.rules.formats | at.sim.rules.fields:
        for response, _ in at.both(ask(response_format=Grammar('root ::= "x"'))):
            assert json.loads(response.text) == {"grammar": 'root ::= "x"'}
    else:
        _refused_by_us(at, response_format=Grammar('root ::= "x"'))


def tools_and_a_format(at: UnderCheck) -> None:
    """First the tools are called, then the answer comes as JSON; also where a place does not take the two together."""
    request = ask("As JSON: 'Paris', 2", tools=(WEATHER,), response_format=JsonSchema(SCHEMA, name="city"))
    for response in at.answers(request):
        assert [call.name for call in response.tool_calls] == ["get_weather"]
        result = ToolResultPart(call_id=response.tool_calls[0].id, content="2 of 'Paris'")
        turns = (*request.messages, response.message, Message(role="tool", parts=(result,)))
        for answer in at.answers(request.model_copy(update={"messages": turns})):
            assert json.loads(answer.text) == {"city": "Paris", "population": 2}
            assert (answer.tool_calls, answer.finish.reason) == ([], "stop")


def a_format_and_no_tools_to_call(at: UnderCheck) -> None:
    format_ = JsonSchema(SCHEMA, name="city")
    for response in at.answers(ask("JSON: 'Paris', 2", tools=(WEATHER,), tool_choice="none", response_format=format_)):
        assert json.loads(response.text) == {"city": "Paris", "population": 2}


# --- images --------------------------------------------------------------------------------------------------------

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 24


def images(at: UnderCheck) -> None:
    model = at.sim.vision_model
    if model is None:
        return
    image = ImagePart(data=PNG, media_type="image/png")
    for _, said in at.both(ask("What is this?", image, image), model):
        urls = [part["image_url"]["url"] for part in said.body["messages"][0]["content"][1:]]
        assert all(url.startswith("data:image/png;base64,iVBORw0KGgo") for url in urls)
        assert len(urls) == 2


def images_by_url(at: UnderCheck) -> None:
    model = at.sim.vision_model
    image = ImagePart(url="https://example.org/cat.png")
    if model is None:
        return
    if at.sim.rules.image_urls:
        for _, said in at.both(ask("What is this?", image), model):
            assert said.body["messages"][0]["content"][1]["image_url"]["url"] == "https://example.org/cat.png"
    else:
        _refused_by_us(at, "What is this?", image)


def sounds(at: UnderCheck) -> None:
    sound = AudioPart(data=b"RIFF\x00\x00\x00\x00WAVE", media_type="audio/wav")
    _media(at, "input_audio", sound, {"data": "UklGRgAAAABXQVZF", "format": "wav"})


def documents(at: UnderCheck) -> None:
    document = FilePart(data=b"%PDF-1.7", media_type="application/pdf", name="a.pdf")
    _media(at, "file", document, {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0xLjc="})


def _media(at: UnderCheck, kind: str, part: Part, sent: Json) -> None:
    """Sent, or refused before the call; but never left out."""
    if kind in at.sim.rules.unclear:
        return
    if kind in at.sim.rules.parts["user"]:
        for body in at.sent(ask("What is this?", part)):
            assert body["messages"][0]["content"][1] == {"type": kind, kind: sent}
    else:
        _refused_by_us(at, "What is this?", part)


# --- the window ----------------------------------------------------------------------------------------------------


def too_long_a_prompt(at: UnderCheck) -> None:
    streamed = StreamInterruptedError if at.sim.silent else ContextLengthError
    for call, error in ((at.half.chat, ContextLengthError), (at.half.events, streamed)):
        with pytest.raises(error):
            call(at.backend("small-window"), ask("word " * 9000))


def too_much_asked_for(at: UnderCheck) -> None:
    """More than the window holds, prompt and answer together, is an error and not a shorter answer, where it can be."""
    if at.sim.caps_answers:
        at.both(ask("word " * 4000, max_tokens=5000), "small-window")
        return
    for call in (at.half.chat, at.half.events):
        with pytest.raises(BackendError) as caught:
            call(at.backend("small-window"), ask("word " * 4000, max_tokens=5000))
        assert isinstance(caught.value, ContextLengthError), caught.value


CHECKS: tuple[Check, ...] = (
    *map(_option, OPTIONS),
    parallel_tool_calls,
    options_all_at_once,
    logprobs,
    logprobs_of_a_call,
    the_bound_is_kept,
    stop_sequences,
    extras_go_out_untouched,
    json_object,
    json_schema,
    grammar,
    tools_and_a_format,
    a_format_and_no_tools_to_call,
    images,
    images_by_url,
    sounds,
    documents,
    too_long_a_prompt,
    too_much_asked_for,
)
