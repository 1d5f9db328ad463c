"""Chat and streaming on a model with random weights: what must hold whatever the model says."""

from __future__ import annotations

import math
import pickle
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shared_core.errors import ContextLengthError, InvalidRequestError, ServerError, UnsupportedError
from shared_core.folding import fold
from shared_core.local import LocalBackend, connect_local
from shared_core.models import Price
from shared_core.types import (
    AudioPart,
    ChatRequest,
    FilePart,
    Finish,
    Grammar,
    ImagePart,
    JsonObject,
    JsonSchema,
    Message,
    NamedTool,
    TextDelta,
    TextPart,
    ToolResultPart,
)
from tests.halves import Half
from tests.local.asking import CALL_TOKEN, CLOCK, NO_END, WEATHER, ask, untimed
from tests.local.tiny import write_model

# --- streams -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"temperature": 0},
        {"temperature": 1.5, "top_k": 5, "top_p": 0.5, "min_p": 0.01},
        {"repetition_penalty": 1.3, "frequency_penalty": 0.5, "presence_penalty": 0.5},
        {"logprobs": True, "top_logprobs": 3},
        {"stop": ["e", "\n"]},
        {"response_format": JsonObject()},
        {"tools": [WEATHER, CLOCK], "tool_choice": "required"},
        {"tools": [WEATHER], "extra": {"logit_bias": {CALL_TOKEN: 100}}},
    ],
    ids=str,
)
def test_a_folded_stream_equals_the_whole_answer(tiny: LocalBackend, half: Half, options: dict[str, Any]) -> None:
    request = ask(**options)
    events = half.events(tiny, request)
    assert untimed(fold(events)) == untimed(half.chat(tiny, request))
    assert [event for event in events if isinstance(event, Finish)] == events[-1:]
    assert all(event.text or event.logprobs for event in events if isinstance(event, TextDelta))


def test_both_halves_answer_alike(tiny: LocalBackend) -> None:
    import asyncio

    assert untimed(tiny.chat(ask())) == untimed(asyncio.run(tiny.achat(ask())))


def test_usage_counts_the_rendered_prompt_and_every_generated_token(tiny: LocalBackend, half: Half) -> None:
    request = ask("Hello", max_tokens=9)
    reply = half.chat(tiny, request)
    # Random models of this vocabulary: a token a byte, and one for each of the three control tokens.
    assert reply.usage.input == len("user\nHello\n") + len("assistant\n") + 3 == tiny.count_prompt_tokens(request)
    assert (reply.usage.output, reply.finish.reason) == (9, "length")
    assert (reply.usage.cached, reply.usage.reasoning) == (0, 0)


def test_an_end_token_is_counted_and_stops(tiny: LocalBackend) -> None:
    reply = tiny.chat(ask(extra={"logit_bias": {308: 100}}))
    assert (reply.text, reply.finish.reason, reply.usage.output) == ("", "stop", 1)


def test_finish_tells_where_it_was(tiny: LocalBackend) -> None:
    finish = tiny.chat(ask()).finish
    assert (finish.model, finish.backend) == ("tiny", "llama_cpp")
    assert finish.timings is not None
    assert finish.timings.total is not None
    assert finish.timings.total >= (finish.timings.prompt or 0)


def test_the_window_bounds_the_answer(tiny_path: Path) -> None:
    small = connect_local(str(tiny_path), n_ctx=40)
    reply = small.chat(ask("Hello", max_tokens=None, extra=NO_END))
    assert (reply.usage.total, reply.finish.reason) == (40, "length")


def test_a_prompt_beyond_the_window_is_refused_with_both_numbers(tiny_path: Path, half: Half) -> None:
    small = connect_local(str(tiny_path), n_ctx=40)
    with pytest.raises(ContextLengthError, match=r"119 tokens.*window of tiny.gguf 40") as caught:
        half.chat(small, ask("x" * 100))
    assert (caught.value.prompt_tokens, caught.value.context_window) == (119, 40)
    with pytest.raises(ContextLengthError):
        half.chat(small, ask("x" * 21))  # exactly the window: no room for an answer
    assert half.chat(small, ask("x" * 20, extra=NO_END)).usage.total == 40


# --- seeds and sampling --------------------------------------------------------------------------------------------


def test_a_seed_repeats_the_answer_and_another_does_not(tiny: LocalBackend) -> None:
    first, again, other = (tiny.chat(ask(seed=seed)) for seed in (1, 1, 2))
    assert first.text == again.text != other.text
    assert first.finish.metadata["seed"] == 1


def test_without_a_seed_one_is_drawn_and_reported(tiny: LocalBackend) -> None:
    first, second = tiny.chat(ask(seed=None)), tiny.chat(ask(seed=None))
    assert first.finish.metadata["seed"] != second.finish.metadata["seed"]
    assert tiny.chat(ask(seed=first.finish.metadata["seed"])).text == first.text


@pytest.mark.parametrize("seed", [-1, 2**32 - 1, 2**80])
def test_any_whole_number_is_a_seed(tiny: LocalBackend, seed: int) -> None:
    assert tiny.chat(ask(seed=seed)).text == tiny.chat(ask(seed=seed)).text


def test_the_backend_has_a_temperature_for_requests_without_one(tiny: LocalBackend) -> None:
    cold = replace(tiny, temperature=0.0)
    assert tiny.temperature == 0.7
    assert cold.chat(ask(seed=1)).text == cold.chat(ask(seed=2)).text == tiny.chat(ask(temperature=0)).text
    assert cold.chat(ask(seed=1, temperature=1.0)).text != cold.chat(ask(seed=2, temperature=1.0)).text


def test_the_backend_has_a_limit_for_requests_without_one(tiny: LocalBackend) -> None:
    assert replace(tiny, max_tokens=3).chat(ask(max_tokens=None)).usage.output == 3


@pytest.mark.parametrize("narrow", [{"top_k": 1}, {"top_p": 0.0}, {"min_p": 1.0}, {"extra": {"typical_p": 0.0}}])
def test_truncation_to_one_token_leaves_no_chance(tiny: LocalBackend, narrow: dict[str, Any]) -> None:
    hot = [tiny.chat(ask(temperature=2.0, seed=seed, **narrow)).text for seed in range(3)]
    assert len(set(hot)) == 1


def test_penalties_forbid_repetition(tiny: LocalBackend) -> None:
    reply = tiny.chat(
        ask(temperature=0, frequency_penalty=2.0, presence_penalty=1e6, logprobs=True, max_tokens=60, extra=NO_END)
    )
    assert reply.logprobs is not None
    spellings = [tuple(entry.bytes or ()) for entry in reply.logprobs]
    assert len(set(spellings)) == len(spellings) == 60
    short = tiny.chat(ask(temperature=0, presence_penalty=1e6, max_tokens=60, extra={"repeat_last_n": 1}))
    assert len(set(short.text)) < 60


def test_a_biased_token_is_always_chosen(tiny: LocalBackend) -> None:
    assert tiny.chat(ask(max_tokens=5, extra={"logit_bias": {ord("z"): 100}})).text == "zzzzz"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"extra": {"mirostat": 2}}, "mirostat.*It takes repeat_last_n"),
        ({"extra": {"typical_p": 3}}, "typical_p"),
        ({"extra": {"logit_bias": {99_999: 1}}}, r"\[99999\]; the model has 0 to"),
        ({"repetition_penalty": 0}, "repetition_penalty"),
        ({"presence_penalty": math.inf}, "presence_penalty"),
        ({"stop": [""]}, "stop string is empty"),
        ({"tool_choice": "required"}, "needs tools"),
        ({"tools": [WEATHER], "tool_choice": NamedTool(name="other")}, "'other'.*get_weather"),
        ({"tool_choice": NamedTool(name="other")}, "among the tools: none"),
        ({"response_format": Grammar("root ::= nothing")}, "GBNF grammar is not valid"),
        ({"response_format": Grammar("start ::= 'x'")}, "GBNF grammar is not valid"),
        ({"response_format": JsonSchema({"type": "nonsense"})}, "Invalid type: nonsense"),
    ],
    ids=str,
)
def test_a_wrong_request_is_refused(tiny: LocalBackend, half: Half, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        half.chat(tiny, ask(**options))


def test_damaged_weights_are_told_from_an_answer(tmp_path: Path) -> None:
    broken = connect_local(str(write_model(tmp_path / "broken.gguf", scale=math.nan)))
    with pytest.raises(ServerError, match="weights are damaged"):
        broken.chat(ask())


# --- log-probabilities ---------------------------------------------------------------------------------------------


def test_logprobs_are_those_of_the_model(tiny: LocalBackend, half: Half) -> None:
    reply = half.chat(tiny, ask(logprobs=True, top_logprobs=20, temperature=0, extra=NO_END))
    assert reply.logprobs is not None
    assert len(reply.logprobs) == 24
    for entry in reply.logprobs:
        best = entry.top[0]
        assert (entry.token, entry.logprob, entry.bytes) == (best.token, best.logprob, best.bytes)
        chances = [math.exp(rival.logprob) for rival in entry.top]
        assert chances == sorted(chances, reverse=True)
        assert 0 < sum(chances) <= 1.0001
    assert (
        b"".join(bytes(entry.bytes or ()) for entry in reply.logprobs).decode(errors="replace").startswith(reply.text)
    )


def test_logprobs_without_rivals(tiny: LocalBackend) -> None:
    reply = tiny.chat(ask(logprobs=True))
    assert reply.logprobs is not None
    assert not any(entry.top for entry in reply.logprobs)
    assert tiny.chat(ask()).logprobs is None


# --- what a text model cannot take ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "kind"),
    [
        (ImagePart(url="https://example.com/cat.png"), "image"),
        (AudioPart(data=b"RIFF", media_type="audio/wav"), "audio"),
        (FilePart(data=b"%PDF"), "file"),
        (ToolResultPart(call_id="1", content=(ImagePart(data=b"x"),)), "image"),
    ],
)
def test_media_are_refused_by_name(tiny: LocalBackend, half: Half, part: Any, kind: str) -> None:
    request = ChatRequest(messages=(Message(role="user", content=[TextPart(text="Look:"), part]),))
    with pytest.raises(UnsupportedError, match=f"llama_cpp cannot take the {kind} in message 0.*tiny.*can, such as"):
        half.chat(tiny, request)


# --- descriptions --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("copied", [lambda backend: pickle.loads(pickle.dumps(backend)), deepcopy])  # noqa: S301
def test_a_copy_shares_the_loaded_model(tiny: LocalBackend, copied: Any) -> None:
    twin = copied(tiny)
    assert twin == tiny
    assert untimed(twin.chat(ask())) == untimed(tiny.chat(ask()))


def test_what_is_said_of_a_model_needs_no_loading(tmp_path: Path) -> None:
    backend = connect_local(str(write_model(tmp_path / "said.gguf", window=20_000)))
    assert (backend.name, backend.model, backend.price) == ("llama_cpp", "said", Price(0.0, 0.0))
    assert backend.capabilities.context_window == 8192
    assert backend.capabilities.tools
    assert backend.capabilities.images is False
    assert replace(backend, chat_template="<think>").capabilities.reasoning
    assert backend.capabilities.json_schema_with_tools
    assert not replace(backend, chat_template="<|python_tag|>{{ tools }}").capabilities.json_schema_with_tools


def test_tokens_are_counted_by_the_models_own_tokenizer(tmp_path: Path) -> None:
    backend = connect_local(str(write_model(tmp_path / "counts.gguf")))
    assert [backend.count_tokens("héllo"), backend.count_tokens(" the"), backend.count_tokens("")] == [6, 1, 0]


def test_another_model_of_the_same_place(tiny: LocalBackend, tmp_path: Path) -> None:
    write_model(tmp_path / "other.gguf", seed=1)
    other = replace(tiny, model_dir=tmp_path, max_tokens=3).with_model("other")
    assert (other.model, other.max_tokens) == ("other", 3)
    assert other.chat(ask(temperature=0)).text != tiny.chat(ask(temperature=0, max_tokens=3)).text
