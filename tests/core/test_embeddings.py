"""Any number of texts: in batches, some at once, in order; and an error says which of them have no vector."""

from __future__ import annotations

import json
import pickle
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from shared_core import (
    AuthenticationError,
    BackendError,
    ContextLengthError,
    EmbedRequest,
    InvalidRequestError,
    PartialEmbedding,
    ProtocolError,
    RateLimitError,
    UnsupportedError,
    Usage,
    connect,
)
from tests.halves import Half
from tests.raw_server import RawServer, Received, Step, serving, whole

KEY = "sk-embeddings-secret"


def number_of(text: str) -> int:
    return int(text.rpartition(" ")[2])


def texts(count: int) -> tuple[str, ...]:
    return tuple(f"text {number}" for number in range(count))


def vectors(request: Received, **more: Any) -> bytes:
    """The vector of "text 7" is [7.0, 1.0]; they come in another order than the texts."""
    rows = [{"index": i, "embedding": [number_of(text), 1]} for i, text in enumerate(request.json["input"])]
    return whole({"data": rows[::-1], "usage": {"prompt_tokens": len(rows)}, "model": "said", **more})


def answer(request: Received) -> list[Step]:
    return [vectors(request)]


def refusal(status: int, message: str) -> bytes:
    return whole({"error": {"message": message}}, status)


def backend(server: RawServer, place: str = "openai_compatible", **options: Any) -> Any:
    return connect(place, **{"model": "m", "api_key": KEY, "base_url": server.url, "max_retries": 0, **options})


def asked(count: int, **options: Any) -> EmbedRequest:
    return EmbedRequest(texts=texts(count), **options)


def sizes(server: RawServer) -> list[int]:
    return [len(request.json["input"]) for request in server.received]


# --- batches -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "options", "expected"),
    [
        ("openai_compatible", {}, [2, 64, 64]),
        ("openai_compatible", {"batch_size": 100}, [30, 100]),
        ("openai_compatible", {"batch_size": 2048}, [130]),
        ("nvidia", {}, [30, 50, 50]),
        ("nvidia", {"batch_size": 2048}, [30, 50, 50]),
        ("tgi", {}, [2, 32, 32, 32, 32]),
    ],
)
def test_batches_of_what_the_caller_wants_and_the_place_takes(
    half: Half, place: str, options: dict[str, Any], expected: list[int]
) -> None:
    with serving(answer) as server:
        response = half.embed(backend(server, place, **options), asked(130))
    assert response.vectors == [[float(number), 1.0] for number in range(130)]
    assert sorted(sizes(server)) == expected
    assert (response.usage, response.model, response.backend) == (Usage(input=130), "said", place)


def test_a_limit_of_thousands(half: Half) -> None:
    with serving(answer) as server:
        assert len(half.embed(backend(server, "deepinfra", batch_size=2048), asked(1030)).vectors) == 1030
    assert sorted(sizes(server)) == [6, 1024]


def test_no_texts_are_no_call(half: Half) -> None:
    with serving(answer) as server:
        response = half.embed(backend(server), asked(0))
    assert (response.vectors, response.model, response.usage) == ([], "m", Usage())
    assert server.received == []


def test_usage_is_unknown_if_one_call_does_not_tell_it(half: Half) -> None:
    def script(request: Received) -> list[Step]:
        return [vectors(request, **({"usage": None} if request.json["input"][0] == "text 2" else {}))]

    with serving(script) as server:
        assert half.embed(backend(server, batch_size=2), asked(6)).usage == Usage()


@pytest.mark.parametrize(("options", "at_once"), [({}, 4), ({"max_concurrency": 2}, 2), ({"max_concurrency": 1}, 1)])
def test_calls_at_once_are_bounded(half: Half, options: dict[str, Any], at_once: int) -> None:
    together = threading.Barrier(at_once)
    running: list[int] = []
    most: list[int] = []

    def script(request: Received) -> Iterator[Step]:
        running.append(1)
        most.append(len(running))
        together.wait(timeout=20)  # breaks unless as many come at once
        running.pop()
        yield vectors(request)

    with serving(script) as server:
        response = half.embed(backend(server, batch_size=1, **options), asked(4 * at_once))
    assert [vector[0] for vector in response.vectors] == [*range(4 * at_once)]
    assert max(most) == at_once


def test_one_batch_is_tried_again_by_itself(half: Half) -> None:
    failed: list[str] = []

    def script(request: Received) -> list[Step]:
        first = request.json["input"][0]
        if first == "text 2" and not failed:
            failed.append(first)
            return [whole({"error": {"message": "busy"}}, 503, {"retry-after": "0"})]
        return [vectors(request)]

    with serving(script) as server:
        response = half.embed(backend(server, batch_size=2, max_retries=1), asked(6))
    assert len(response.vectors) == 6
    assert sorted(request.json["input"][0] for request in server.received) == ["text 0", "text 2", "text 2", "text 4"]


# --- too much for one call -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (413, "Payload Too Large"),
        (413, "batch size 16 > maximum allowed batch size 3"),
        (400, "Value error, batch size is invalid, it should not be larger than 3.: input.contents"),
        (400, "Invalid 'input': array too long. Expected an array with maximum length 3"),
        (400, "'$.input' is invalid"),
        (422, "Too many inputs. The max number of inputs is 3."),
        (500, "at most 3 texts, please"),
    ],
)
def test_a_limit_that_nobody_knew_is_found(half: Half, status: int, message: str) -> None:
    def script(request: Received) -> list[Step]:
        return [refusal(status, message) if len(request.json["input"]) > 3 else vectors(request)]

    with serving(script) as server:
        response = half.embed(backend(server, batch_size=16, max_concurrency=1), asked(40))
    assert [vector[0] for vector in response.vectors] == [*range(40)]
    found = sizes(server)
    assert found[:3] == [16, 8, 4]
    assert max(found[3:]) == 2  # it is not asked for more again


def long_text(*bad: int) -> Callable[[Received], list[Step]]:
    def script(request: Received) -> list[Step]:
        if any(number_of(text) in bad for text in request.json["input"]):
            return [refusal(400, "This model's maximum context length is 512 tokens, you asked for 9000")]
        return [vectors(request)]

    return script


def test_the_text_that_is_too_long_is_found(half: Half) -> None:
    with serving(long_text(21)) as server, pytest.raises(ContextLengthError) as caught:
        half.embed(backend(server, batch_size=16, max_concurrency=1), asked(40))
    error = caught.value
    assert error.partial is not None
    assert error.partial.failed == [21]
    assert "Failed: texts[21] of 40, beginning with 'text 21'; 21 have vectors." in str(error)
    assert (error.context_window, error.backend) == (512, "openai_compatible")
    assert error.partial.vectors[:22] == [*([float(number), 1.0] for number in range(21)), None]
    assert error.partial.usage == Usage(input=21)


def test_texts_that_are_too_long_together_make_no_other_call_smaller(half: Half) -> None:
    def script(request: Received) -> list[Step]:
        if request.json["input"][:2] == ["text 0", "text 1"]:
            return [refusal(400, "This model's maximum context length is 512 tokens, you asked for 600")]
        return [vectors(request)]

    with serving(script) as server:
        assert len(half.embed(backend(server, batch_size=4, max_concurrency=1), asked(12)).vectors) == 12
    assert sizes(server) == [4, 2, 1, 1, 2, 4, 4]


def test_one_text_for_which_nothing_helps(half: Half) -> None:
    with serving(lambda _: [refusal(413, "Payload Too Large")]) as server, pytest.raises(InvalidRequestError) as caught:
        half.embed(backend(server, batch_size=16, max_concurrency=1), asked(40))
    assert sizes(server) == [16, 8, 4, 2, 1]
    assert caught.value.partial == PartialEmbedding([None] * 40, [0])


def test_a_throttled_call_is_not_taken_for_one_that_is_too_large(half: Half) -> None:
    message = "Request too large for model on tokens per minute (TPM): Limit 6000, Requested 9000"
    with serving(lambda _: [refusal(413, message)]) as server, pytest.raises(RateLimitError):
        half.embed(backend(server), asked(40))
    assert sizes(server) == [40]


def test_what_the_llama_cpp_server_says_of_a_long_text(half: Half) -> None:
    message = "input (3926 tokens) is too large to process. increase the physical batch size (current batch size: 2048)"
    with serving(lambda _: [refusal(500, message)]) as server, pytest.raises(ContextLengthError) as caught:
        half.embed(backend(server, "llama_server", max_retries=5), asked(1))
    assert (caught.value.prompt_tokens, caught.value.context_window, len(server.received)) == (3926, 2048, 1)


# --- failures ------------------------------------------------------------------------------------------------------


def failing(at: int, status: int, message: str) -> Callable[[Received], list[Step]]:
    def script(request: Received) -> list[Step]:
        bad = f"text {at}" in request.json["input"]
        return [refusal(status, message) if bad else vectors(request)]

    return script


@pytest.mark.parametrize(
    ("status", "kind"), [(429, RateLimitError), (401, AuthenticationError), (400, InvalidRequestError)]
)
def test_an_error_says_what_failed_and_keeps_what_came(half: Half, status: int, kind: type[BackendError]) -> None:
    with serving(failing(5, status, f"no: {KEY}")) as server, pytest.raises(kind) as caught:
        half.embed(backend(server, batch_size=2, max_concurrency=1), asked(10))
    error = pickle.loads(pickle.dumps(caught.value))  # noqa: S301
    assert sizes(server) == [2, 2, 2]  # nothing is sent after that
    assert error.partial == PartialEmbedding(
        [*([float(number), 1.0] for number in range(4)), *[None] * 6], [4, 5], Usage(input=4)
    )
    assert "Failed: texts[4:6] of 10, beginning with 'text 4'; 4 have vectors." in str(error)
    assert error.status == status
    assert KEY not in str(error)


def test_calls_under_way_are_let_finish(half: Half) -> None:
    both = threading.Barrier(2)

    def script(request: Received) -> Iterator[Step]:
        both.wait(timeout=20)
        yield refusal(401, "wrong key") if request.json["input"] == ["text 0"] else vectors(request)

    with serving(script) as server, pytest.raises(AuthenticationError) as caught:
        half.embed(backend(server, batch_size=1, max_concurrency=2), asked(2))
    assert caught.value.partial == PartialEmbedding([None, [1.0, 1.0]], [0], Usage(input=1))


def test_empty_texts_are_pointed_at(half: Half) -> None:
    request = EmbedRequest(texts=("a", "", "b", " \n", "c"))
    with serving(lambda _: [refusal(400, "no")]) as server:
        with pytest.raises(InvalidRequestError, match=r"take: texts\[1, 3\]\."):
            half.embed(backend(server), request)
        with pytest.raises(InvalidRequestError, match=r"no\. Empty, .* texts\[0\]\.$"):
            half.embed(backend(server), EmbedRequest(texts=("",)))
        with pytest.raises(InvalidRequestError, match=r"no\.$"):
            half.embed(backend(server), EmbedRequest(texts=("a",)))


def test_a_long_account_is_cut(half: Half) -> None:
    request = EmbedRequest(texts=tuple("" if number % 2 else "x" * 99 for number in range(40)))
    with serving(lambda _: [refusal(400, "no")]) as server, pytest.raises(InvalidRequestError) as caught:
        half.embed(backend(server), request)
    assert f"beginning with '{'x' * 60}...'" in str(caught.value)
    assert "texts[1, 3, 5, 7, 9, 11, 13, 15, ...]." in str(caught.value)


@pytest.mark.parametrize("count", [1, 3])
def test_another_number_of_vectors_than_of_texts_is_no_answer(half: Half, count: int) -> None:
    rows = [{"index": index, "embedding": [1.0]} for index in range(count)]
    with serving(lambda _: [whole({"data": rows})]) as server:
        with pytest.raises(ProtocolError, match=rf"openai_compatible .*{count} vectors came for 2 texts"):
            half.embed(backend(server), asked(2))


def test_a_server_that_ignores_dimensions_is_found_out(half: Half) -> None:
    with serving(answer) as server:
        assert half.embed(backend(server), asked(2, dimensions=2)).vectors == [[0.0, 1.0], [1.0, 1.0]]
        with pytest.raises(UnsupportedError, match="of 8 dimensions were asked for, and came with 2"):
            half.embed(backend(server), asked(2, dimensions=8))


@pytest.mark.parametrize("place", ["together", "sambanova"])
def test_dimensions_are_refused_where_there_are_none(half: Half, place: str) -> None:
    with serving(answer) as server, pytest.raises(UnsupportedError, match=r"leave out dimensions=8.*Matryoshka"):
        half.embed(backend(server, place), asked(100, dimensions=8))
    assert server.received == []


# --- length --------------------------------------------------------------------------------------------------------


def test_vectors_at_length_one_if_that_is_asked_for(half: Half) -> None:
    rows = [{"index": 0, "embedding": [3, 4]}, {"index": 1, "embedding": [0, 0]}]
    with serving(lambda _: [whole({"data": rows})]) as server:
        assert half.embed(backend(server, normalize=True), asked(2)).vectors == [[0.6, 0.8], [0.0, 0.0]]
        assert half.embed(backend(server, normalize=False), asked(2)).vectors == [[3.0, 4.0], [0.0, 0.0]]
        assert half.embed(backend(server), asked(2)).vectors == [[3.0, 4.0], [0.0, 0.0]]


def test_what_came_before_an_error_has_length_one_too(half: Half) -> None:
    def script(request: Received) -> list[Step]:
        if "text 1" in request.json["input"]:
            return [refusal(400, "no")]
        return [whole({"data": [{"embedding": [3, 4]}]})]

    with serving(script) as server, pytest.raises(InvalidRequestError) as caught:
        half.embed(backend(server, batch_size=1, max_concurrency=1, normalize=True), asked(2))
    assert caught.value.partial is not None
    assert caught.value.partial.vectors == [[0.6, 0.8], None]


def test_the_body_of_a_call(half: Half) -> None:
    with serving(answer) as server:
        half.embed(backend(server, "litellm", tags=["a"]), asked(1, extra={"own": 1}))
    body = json.loads(server.received[0].body)
    assert (body["own"], body["metadata"], body["model"]) == (1, {"tags": ["a"]}, "m")
