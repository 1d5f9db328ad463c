"""Any number of texts over a backend of anybody's own, which takes some at a time."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import pytest

from shared_core import (
    AuthenticationError,
    BackendError,
    ConfigurationError,
    EmbedBackend,
    EmbedOptions,
    EmbedRequest,
    EmbedResponse,
    ErrorResponse,
    InvalidRequestError,
    PartialEmbedding,
    ProtocolError,
    Usage,
    connect,
    embedder,
)
from tests.halves import Half
from tests.raw_server import Received, Step, serving, whole

REPOSITORY = Path(__file__).parents[2]


def lengths(request: EmbedRequest) -> EmbedResponse:
    return EmbedResponse([[float(len(text))] for text in request.texts], Usage(input=len(request.texts)))


@dataclass
class Own:
    """A backend of somebody's own."""

    answer: Callable[[EmbedRequest], EmbedResponse] = lengths
    name: str = "own"
    model: str = "m"
    seen: list[EmbedRequest] = field(default_factory=list)

    def with_model(self, model: str) -> Self:
        return replace(self, model=model)

    def embed(self, request: EmbedRequest) -> EmbedResponse:
        self.seen.append(request)
        return self.answer(request)

    async def aembed(self, request: EmbedRequest) -> EmbedResponse:
        await asyncio.sleep(0)
        return self.embed(request)


def asked(count: int) -> EmbedRequest:
    return EmbedRequest(texts=tuple("x" * number for number in range(1, count + 1)), kind="query", timeout=3)


def test_it_is_a_backend_that_takes_any_number(half: Half) -> None:
    own = Own()
    many = embedder(own, EmbedOptions(batch_size=3))
    response = half.embed(many, asked(8))
    assert isinstance(many, EmbedBackend)
    assert response == EmbedResponse([[float(n)] for n in range(1, 9)], Usage(input=8), "m", "own")
    assert sorted(len(request.texts) for request in own.seen) == [2, 3, 3]
    assert {(request.kind, request.timeout) for request in own.seen} == {("query", 3)}


def test_another_model_and_other_options(half: Half) -> None:
    own = Own()
    other = embedder(own, EmbedOptions(batch_size=3, normalize=True)).with_model("n")
    finer = embedder(other, EmbedOptions(batch_size=1))
    assert (finer.name, finer.model) == ("own", "n")
    assert half.embed(finer, asked(2)).vectors == [[1.0], [1.0]]
    assert [len(request.texts) for request in own.seen] == [1, 1]


def test_threads_see_the_context_of_the_caller() -> None:
    trace = ContextVar("trace", default="none")
    seen: list[str] = []

    def answer(request: EmbedRequest) -> EmbedResponse:
        seen.append(trace.get())
        return lengths(request)

    token = trace.set("mine")
    embedder(Own(answer), EmbedOptions(batch_size=1)).embed(asked(3))
    trace.reset(token)
    assert seen == ["mine"] * 3


# --- errors --------------------------------------------------------------------------------------------------------


def test_what_is_no_error_of_ours_is_raised_as_it_is(half: Half) -> None:
    def answer(request: EmbedRequest) -> EmbedResponse:
        raise ZeroDivisionError

    own = Own(answer)
    with pytest.raises(ZeroDivisionError):
        half.embed(embedder(own, EmbedOptions(batch_size=1, max_concurrency=2)), asked(9))
    assert len(own.seen) <= 2


def test_vectors_are_counted(half: Half) -> None:
    with pytest.raises(ProtocolError, match=r"1 vectors came for 3 texts\. Failed: texts\[0:3\] of 3"):
        half.embed(embedder(Own(lambda _: EmbedResponse([[1.0]])), EmbedOptions()), asked(3))


def too_large(message: str = "too large") -> BackendError:
    return InvalidRequestError(message, response=ErrorResponse(413))


async def test_after_an_error_nothing_is_tried_in_halves() -> None:
    failed = asyncio.Event()

    class Two(Own):
        async def aembed(self, request: EmbedRequest) -> EmbedResponse:
            self.seen.append(request)
            if request.texts[0] == "xxx":
                failed.set()
                raise AuthenticationError("wrong key")
            await failed.wait()
            raise too_large()

    two = Two()
    with pytest.raises(AuthenticationError, match=r"wrong key\. Failed: texts\[0:4\] of 9, .* 0 have") as caught:
        await embedder(two, EmbedOptions(batch_size=2, max_concurrency=2)).aembed(asked(9))
    assert caught.value.partial == PartialEmbedding([None] * 9, [0, 1, 2, 3])
    assert len(two.seen) == 2


def test_of_errors_in_several_places_all_spans_are_told(half: Half) -> None:
    def answer(request: EmbedRequest) -> EmbedResponse:
        error = BackendError("some failed")
        error.partial = PartialEmbedding([[1.0], None, [3.0], None, None], [1, 3, 4], Usage(input=2))
        raise error

    own = Own(answer)
    with pytest.raises(BackendError, match=r"Failed: texts\[1, 3:5\] of 9, beginning with 'xx'; 2 have") as caught:
        half.embed(embedder(own, EmbedOptions(batch_size=5, max_concurrency=1)), asked(9))
    assert caught.value.partial == PartialEmbedding([[1.0], None, [3.0], *[None] * 6], [1, 3, 4], Usage(input=2))


@dataclass
class Route:
    """A backend made of another one."""

    inner: EmbedBackend
    name: str = "route"
    model: str = "m"

    def with_model(self, model: str) -> Route:
        return Route(self.inner.with_model(model), self.name, model)

    def embed(self, request: EmbedRequest) -> EmbedResponse:
        return self.inner.embed(request)

    async def aembed(self, request: EmbedRequest) -> EmbedResponse:
        return await self.inner.aembed(request)


def test_a_backend_in_a_backend_tells_of_all_the_texts(half: Half) -> None:
    def answer(request: EmbedRequest) -> EmbedResponse:
        if "xxxxxx" in request.texts:
            raise too_large()
        return lengths(request)

    inner = embedder(Own(answer), EmbedOptions(batch_size=4, max_concurrency=1))
    outer = embedder(Route(inner), EmbedOptions(batch_size=8, max_concurrency=1))
    with pytest.raises(InvalidRequestError) as caught:
        half.embed(outer, asked(20))
    assert str(caught.value) == "too large. Failed: texts[5] of 20, beginning with 'xxxxxx'; 5 have vectors."
    assert caught.value.partial == PartialEmbedding(
        [*([float(n)] for n in range(1, 6)), *[None] * 15], [5], Usage(input=5)
    )


@pytest.mark.parametrize("partial", [PartialEmbedding([None], [0]), PartialEmbedding([None, None, None], [])])
def test_an_account_of_other_texts_is_not_believed(half: Half, partial: PartialEmbedding) -> None:
    def answer(request: EmbedRequest) -> EmbedResponse:
        error = BackendError("no")
        error.partial = partial
        raise error

    with pytest.raises(BackendError) as caught:
        half.embed(embedder(Own(answer), EmbedOptions(batch_size=3, max_concurrency=1)), asked(9))
    assert caught.value.partial == PartialEmbedding([None] * 9, [0, 1, 2])


async def test_cancelling_ends_all_calls() -> None:
    started = asyncio.Event()
    cancelled: list[str] = []

    class Slow(Own):
        async def aembed(self, request: EmbedRequest) -> EmbedResponse:
            self.seen.append(request)
            if len(self.seen) == 3:
                started.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.extend(request.texts)
                raise
            raise AssertionError

    slow = Slow()
    task = asyncio.create_task(embedder(slow, EmbedOptions(batch_size=1, max_concurrency=3)).aembed(asked(9)))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sorted(cancelled) == ["x", "xx", "xxx"]
    assert len(slow.seen) == 3
    assert len(asyncio.all_tasks()) == 1


INTERRUPTED = """
import threading
from shared_core import EmbedOptions, EmbedRequest, EmbedResponse, embedder

released = threading.Event()

class Slow:
    name, model = "slow", "m"

    def embed(self, request):
        print(len(request.texts), flush=True)
        released.wait()
        return EmbedResponse([[1.0]])

try:
    embedder(Slow(), EmbedOptions(batch_size=1, max_concurrency=2)).embed(EmbedRequest(texts=["a"] * 9))
except KeyboardInterrupt:
    print("interrupted", flush=True)
released.set()
"""


def test_ctrl_c_waits_for_no_call_and_lets_none_start() -> None:
    # Not measured by coverage, whose tracer now and then swallows the interrupt that arrives while it works.
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    command = [sys.executable, "-c", INTERRUPTED]
    with subprocess.Popen(command, cwd=REPOSITORY, env=plain, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert [process.stdout.readline() for _ in range(2)] == ["1\n"] * 2
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, out) == (0, "interrupted\n")


# --- options -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"batch_size": 0}, "batch_size must be at least 1, not 0"),
        ({"max_concurrency": -1}, "max_concurrency must be at least 1"),
        ({"prefixes": "query: "}, 'must be "auto" or a pair'),
        ({"prefixes": ("a", 1)}, 'must be "auto" or a pair'),
    ],
)
def test_options_that_make_no_sense(wrong: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigurationError, match=match):
        EmbedOptions(**wrong)
    with pytest.raises(ConfigurationError, match=match):
        connect("vllm", model="m", **wrong)


def test_options_of_a_backend_that_is_connected_already(half: Half) -> None:
    def answer(request: Received) -> list[Step]:
        return [whole({"data": [{"embedding": [3, 4]} for _ in request.json["input"]]})]

    with serving(answer) as server:
        first = connect("vllm", model="m", base_url=server.url, batch_size=2, prefixes=("q: ", "d: "))
        second = embedder(first, EmbedOptions(normalize=True, prefixes=("Q: ", "")))
        assert half.embed(second, asked(2)).vectors == [[0.6, 0.8]] * 2
        half.embed(first, asked(1))
    assert [request.json["input"] for request in server.received] == [["Q: x", "Q: xx"], ["q: x"]]
    assert second.with_model("n").model == "n"
