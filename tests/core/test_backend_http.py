"""A backend over real sockets: retries, streams, cuts, timeouts, hang-ups, copies; each test for both halves."""

from __future__ import annotations

import asyncio
import copy
import gc
import math
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from shared_core import (
    AuthenticationError,
    Backend,
    BackendConnectionError,
    BackendTimeoutError,
    ChatRequest,
    ConfigurationError,
    EmbedRequest,
    Event,
    FilePart,
    Finish,
    Message,
    MissingKeyError,
    ModelNotFoundError,
    ProtocolError,
    RateLimitError,
    ServerError,
    StreamInterruptedError,
    TextDelta,
    UnsupportedError,
    connect,
    fold,
)
from tests.halves import Half
from tests.raw_server import (
    CLOSE,
    STREAM_HEAD,
    Cut,
    RawServer,
    Received,
    Script,
    Step,
    chunk,
    completion,
    delta,
    serving,
    sse,
    whole,
)

KEY = "sk-very-secret-1234567890"
HI = ChatRequest(messages=(Message(role="user", content="Hi"),))
OK = completion(content="Hello", usage={"prompt_tokens": 1, "completion_tokens": 1})
STREAM = sse(delta(content="Hel"), delta("stop", content="lo"), {"choices": [], "usage": OK["usage"]})


def answer(request: Received) -> list[Step]:
    if request.path.endswith("/embeddings"):
        return [whole({"data": [{"index": i, "embedding": [float(i)]} for i in range(len(request.json["input"]))]})]
    return [*STREAM] if request.json.get("stream") else [whole(OK)]


def in_turn(*scripts: list[Step]) -> Script:
    """The first request gets the first script, and so on; the last is for all that follow."""
    left = list(scripts)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def backend(server: RawServer, **options: Any) -> Backend:
    return connect("groq", model="m", **{"api_key": KEY, "base_url": server.url, "max_retries": 0, **options})


def wait(seconds: str = "0") -> dict[str, str]:
    return {"retry-after": seconds}


# --- answers -------------------------------------------------------------------------------------------------------


def test_chat_and_stream_are_the_same_answer(half: Half) -> None:
    with serving(answer) as server:
        groq = backend(server)
        response = half.chat(groq, HI)
        events = half.events(groq, HI)
    assert (response.text, response.finish.backend, response.finish.model) == ("Hello", "groq", "m")
    assert fold(events) == response
    assert [type(event) for event in events] == [TextDelta, TextDelta, Finish]


def test_what_is_sent(half: Half) -> None:
    with serving(answer) as server:
        half.chat(backend(server, default_headers={"X-Team": "red", "user-agent": "mine"}), HI)
        [received] = server.received
    assert (received.method, received.path) == ("POST", "/v1/chat/completions")
    sent = {name: received.headers[name] for name in ("authorization", "x-team", "user-agent", "content-type")}
    assert sent == {
        "authorization": f"Bearer {KEY}", "x-team": "red", "user-agent": "mine", "content-type": "application/json",
    }  # fmt: skip


def test_embeddings(half: Half) -> None:
    with serving(answer) as server:
        vectors = half.embed(backend(server), EmbedRequest(texts=("a", "b")))
        nothing = half.embed(backend(server), EmbedRequest(texts=()))
        assert (vectors.vectors, vectors.backend, nothing.vectors) == ([[0.0], [1.0]], "groq", [])
        assert len(server.received) == 1


def test_connections_are_used_again_also_between_models_and_after_streams(half: Half) -> None:
    with serving(answer) as server:
        groq = backend(server)
        half.chat(groq, HI)
        half.events(groq.with_model("other"), HI)
        half.chat(backend(server), HI)
        assert server.connections == 1
        assert [received.json["model"] for received in server.received] == ["m", "other", "m"]


def test_the_model_a_place_does_not_name_is_the_one_asked_for(half: Half) -> None:
    with serving(lambda _: [whole({"choices": [{"message": {"content": "x"}}]})]) as server:
        assert half.chat(backend(server).with_model("mine"), HI).finish.model == "mine"


def test_a_part_without_a_form_is_refused_before_anything_is_sent(half: Half) -> None:
    request = ChatRequest(messages=(Message(role="user", parts=(FilePart(url="https://x/y.pdf"),)),))
    with serving(answer) as server:
        for call in (half.chat, half.events):
            with pytest.raises(UnsupportedError, match=r"groq \(m\): this place takes no file parts") as caught:
                call(backend(server), request)
            assert caught.value.backend == "groq"
        assert server.received == []


# --- errors --------------------------------------------------------------------------------------------------------


def test_errors_say_where_what_and_what_to_do(half: Half) -> None:
    refusal = whole({"error": {"message": f"Incorrect API key: {KEY}"}}, 401, {"set-cookie": "a=b"})
    with serving(lambda _: [refusal]) as server:
        for call in (half.chat, half.events):
            with pytest.raises(AuthenticationError) as caught:
                call(backend(server), HI)
            error = caught.value
            assert str(error) == (
                "groq (m): HTTP 401: Incorrect API key: ***. Check the key in GROQ_API_KEY, or the one passed as api_key."
            )
            assert (error.backend, error.model, error.status) == ("groq", "m", 401)
            assert error.response is not None
            assert KEY not in error.response.text
            assert "set-cookie" not in error.response.headers


@pytest.mark.parametrize(
    ("status", "kind", "advice"),
    [
        (402, "BillingError", "See the billing page of Groq."),
        (403, "PermissionDeniedError", "The account behind the key may not use this: see its rights at Groq."),
        (404, "ModelNotFoundError", "Check the spelling of model='m'; Groq lists what it serves at {url}/models."),
        (429, "RateLimitError", "Try again in 7 s."),
        (504, "BackendTimeoutError", "Pass a larger timeout=..., in seconds, or use stream."),
        (500, "ServerError", ""),
    ],
)
def test_advice(half: Half, status: int, kind: str, advice: str) -> None:
    with serving(lambda _: [whole({"error": "no!"}, status, {"retry-after": "7"})]) as server:
        with pytest.raises(Exception, match=rf"HTTP {status}: no!") as caught:
            half.chat(backend(server), HI)
        assert type(caught.value).__name__ == kind
        expected = advice.format(url="https://api.groq.com/openai/v1")
        assert str(caught.value) == f"groq (m): HTTP {status}: no! {expected}".rstrip()


def test_overflow_and_throttling_without_a_time_have_advice_too(half: Half) -> None:
    replies = in_turn([whole({"error": "prompt is too long"}, 400)], [whole({"error": "too fast"}, 429)])
    with serving(replies) as server:
        with pytest.raises(Exception, match="larger context window"):
            half.chat(backend(server), HI)
        with pytest.raises(RateLimitError, match="Slow down"):
            half.chat(backend(server), HI)


def test_redirects_are_not_followed_with_the_key(half: Half) -> None:
    with serving(lambda _: [whole(b"", 307, {"location": "https://elsewhere/"})]) as server:
        with pytest.raises(ProtocolError, match="redirected to https://elsewhere/"):
            half.chat(backend(server), HI)
        with pytest.raises(ProtocolError, match="set base_url to the address"):
            half.events(backend(server), HI)


@pytest.mark.parametrize("body", [b"<html>login please</html>", b""])
def test_an_answer_that_is_no_answer(half: Half, body: bytes) -> None:
    with serving(lambda _: [whole(body, 200, {"content-type": "text/html"})]) as server:
        with pytest.raises(ProtocolError, match="expected a JSON object"):
            half.chat(backend(server), HI)


def test_a_broken_encoding(half: Half) -> None:
    with serving(lambda _: [whole(b"no gzip", 200, {"content-encoding": "gzip"})]) as server:
        with pytest.raises(ProtocolError, match="compressed in a broken way"):
            half.chat(backend(server), HI)


def test_nobody_listens(half: Half) -> None:
    with serving(answer) as server:
        pass
    with pytest.raises(BackendConnectionError, match=r"cannot connect to .*Check the network"):
        half.chat(backend(server), HI)
    with pytest.raises(BackendConnectionError, match=r"Is Ollama running there\? .* set OLLAMA_HOST"):
        half.events(connect("ollama", base_url=server.url, max_retries=0), HI)


def test_a_connection_lost_before_the_answer(half: Half) -> None:
    with serving(lambda _: [Cut()]) as server:
        with pytest.raises(BackendConnectionError, match="was lost"):
            half.chat(backend(server), HI)
        with pytest.raises(BackendConnectionError, match="was lost"):
            half.events(backend(server), HI)


@pytest.mark.parametrize("end", [Cut(), CLOSE], ids=["reset", "closed"])
def test_a_stream_cut_in_the_middle(half: Half, end: Step) -> None:
    with serving(lambda _: [STREAM_HEAD, chunk(b'data: {"choices":[{"delta":{"content":"Hel"}}]}\n\n'), end]) as server:
        seen: list[Event] = []
        with pytest.raises(StreamInterruptedError, match=r"groq \(m\): the connection .* was lost"):
            half.events(backend(server, max_retries=2), HI, seen)
        assert seen == [TextDelta("Hel")]
        assert len(server.received) == 1, "what the caller has seen must not come again"


def test_a_connection_lost_after_the_answer_was_whole_is_no_error(half: Half) -> None:
    with serving(lambda _: [*STREAM[:-1], Cut()]) as server:
        assert fold(half.events(backend(server), HI)).text == "Hello"


def test_a_place_that_does_not_answer_in_time(half: Half) -> None:
    never = threading.Event()
    with serving(lambda _: [never]) as server:
        for call in (half.chat, half.events):
            with pytest.raises(BackendTimeoutError, match=r"timed out waiting for http.*\(timeout=0.05 s\)"):
                call(backend(server, timeout=0.05), HI)
        quick = HI.model_copy(update={"timeout": 0.04})
        with pytest.raises(BackendTimeoutError, match=r"timeout=0.04 s"):
            half.chat(backend(server), quick)
        never.set()


def test_a_stream_that_stalls(half: Half) -> None:
    never = threading.Event()
    with serving(lambda _: [STREAM[0], STREAM[1], never]) as server:
        seen: list[Event] = []
        with pytest.raises(BackendTimeoutError, match="the rest of the answer"):
            half.events(backend(server, timeout=0.4), HI, seen)
        assert seen == [TextDelta("Hel")]
        never.set()


def test_no_bound_on_time(half: Half) -> None:
    with serving(answer) as server:
        assert half.chat(backend(server, timeout=math.inf), HI).text == "Hello"


# --- retries -------------------------------------------------------------------------------------------------------


def test_passing_errors_are_tried_again(half: Half) -> None:
    with serving(
        in_turn([whole({"error": "x"}, 503, wait())], [whole({"error": "x"}, 429, wait())], [whole(OK)])
    ) as server:
        assert half.chat(backend(server, max_retries=2), HI).text == "Hello"
        assert len(server.received) == 3


def test_streams_and_embeddings_are_tried_again(half: Half) -> None:
    with serving(in_turn([whole({"error": "x"}, 503, wait())], STREAM)) as server:
        assert fold(half.events(backend(server, max_retries=1), HI)).text == "Hello"
    vectors: list[Step] = [whole({"data": [{"embedding": [1.0]}]})]
    with serving(in_turn([whole({"error": "x"}, 503, wait())], vectors)) as server:
        assert half.embed(backend(server, max_retries=1), EmbedRequest(texts=("a",))).vectors == [[1.0]]


def test_a_lost_connection_waits_a_little_and_is_tried_again(half: Half) -> None:
    with serving(in_turn([Cut()], [whole(OK)])) as server:
        assert half.chat(backend(server, max_retries=1), HI).text == "Hello"


def test_the_last_error_is_raised(half: Half) -> None:
    with serving(in_turn([whole({"error": "x"}, 503, wait())], [whole({"error": "y"}, 429, wait())])) as server:
        with pytest.raises(RateLimitError, match="y"):
            half.chat(backend(server, max_retries=1), HI)
        assert len(server.received) == 2


@pytest.mark.parametrize(("status", "kind"), [(400, Exception), (401, AuthenticationError), (404, ModelNotFoundError)])
def test_lasting_errors_are_not_tried_again(half: Half, status: int, kind: type[Exception]) -> None:
    with serving(lambda _: [whole({"error": "x"}, status)]) as server:
        with pytest.raises(kind):
            half.chat(backend(server, max_retries=3), HI)
        assert len(server.received) == 1


def test_an_answer_is_asked_for_once(half: Half) -> None:
    with serving(answer) as server:
        half.events(backend(server, max_retries=2), HI)
        half.chat(backend(server, max_retries=2), HI)
        assert len(server.received) == 2


def test_nobody_waits_an_hour(half: Half) -> None:
    with serving(lambda _: [whole({"error": "x"}, 429, wait("3600"))]) as server:
        with pytest.raises(RateLimitError) as caught:
            half.chat(backend(server, max_retries=3), HI)
        assert caught.value.retry_after == 3600
        assert len(server.received) == 1


# --- ends of streams -----------------------------------------------------------------------------------------------


def test_a_stream_with_a_finish_reason_and_no_done_is_whole(half: Half) -> None:
    with serving(lambda _: sse(delta("stop", content="Hello"), done=False)) as server:
        assert fold(half.events(backend(server), HI)).text == "Hello"


def test_leaving_a_stream_hangs_up(half: Half) -> None:
    never = threading.Event()
    with serving(lambda _: [STREAM[0], STREAM[1], never]) as server:
        assert half.first_event(backend(server), HI) == TextDelta("Hel")
        assert server.hung_up.wait(5)


def test_cancelling_a_task_hangs_up() -> None:
    never = threading.Event()

    async def cancel(server: RawServer) -> None:
        started = asyncio.Event()

        async def read() -> None:
            async for _ in backend(server).astream(HI):
                started.set()

        task = asyncio.create_task(read())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with serving(lambda _: [STREAM[0], STREAM[1], never]) as server:
        asyncio.run(cancel(server))
        assert server.hung_up.wait(5)


# --- loops, threads, processes, copies -----------------------------------------------------------------------------


def test_one_object_in_three_event_loops() -> None:
    with serving(answer) as server:
        groq = backend(server)
        assert [asyncio.run(groq.achat(HI)).text for _ in range(3)] == ["Hello"] * 3
        assert len(server.received) == 3, "a loop that is gone must cost no request"


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_loop_that_was_only_closed_leaves_nothing_that_breaks_the_next() -> None:
    with serving(answer) as server:
        groq = backend(server)
        loop = asyncio.new_event_loop()
        loop.run_until_complete(groq.achat(HI))
        loop.close()
        assert asyncio.run(groq.achat(HI)).text == "Hello"
        gc.collect()


def test_many_tasks_and_threads_at_once() -> None:
    with serving(answer) as server:
        groq = backend(server)

        async def all_at_once() -> list[str]:
            return [r.text for r in await asyncio.gather(*(groq.achat(HI) for _ in range(20)))]

        assert asyncio.run(all_at_once()) == ["Hello"] * 20
        texts: list[str] = []
        threads = [threading.Thread(target=lambda: texts.append(groq.chat(HI).text)) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert texts == ["Hello"] * 10


FORKING = """
import os, sys
from shared_core import ChatRequest, Message, connect
groq = connect("groq", model="m", api_key="k", base_url=sys.argv[1], max_retries=0)
request = ChatRequest(messages=[{"role": "user", "content": "Hi"}])
print(groq.chat(request).text, flush=True)
child = os.fork()
if not child:
    print(groq.chat(request).text, flush=True)
    os._exit(0)
os.waitpid(child, 0)
print(groq.chat(request).text)
"""


def test_a_forked_child_opens_its_own_connections() -> None:
    with serving(answer) as server:
        program = [sys.executable, "-W", "error", "-c", FORKING, server.url]
        done = subprocess.run(program, check=True, capture_output=True, text=True, timeout=60)
        assert (done.stdout.split(), done.stderr) == (["Hello"] * 3, "")
        assert server.connections == 2


def test_copies_share_and_pickles_read_their_key_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(answer) as server:
        headers = {"X-Team": "red", "Authorization": f"Bearer {KEY}"}
        groq = backend(server, default_headers=headers)
        assert copy.copy(groq) is copy.deepcopy(groq) is groq
        data = pickle.dumps(groq)
        assert KEY.encode() not in data
        with pytest.raises(MissingKeyError, match="GROQ_API_KEY"):
            pickle.loads(data)  # noqa: S301
        monkeypatch.setenv("GROQ_API_KEY", "sk-other")
        again = pickle.loads(data)  # noqa: S301
        assert again.chat(HI).text == "Hello"
        assert (again.name, again.model, again.base_url) == ("groq", "m", server.url)
        assert server.received[0].headers["authorization"] == "Bearer sk-other"
        assert server.received[0].headers["x-team"] == "red"


def test_the_picture_of_a_backend() -> None:
    with serving(answer) as server:
        assert repr(backend(server)) == f"<groq m at {server.url}>"


# --- injected clients ----------------------------------------------------------------------------------------------


@pytest.fixture
def team_headers() -> Iterator[dict[str, str]]:
    yield {"x-team": "blue"}  # noqa: PT022


def test_a_client_of_the_callers_is_used_and_not_closed(team_headers: dict[str, str]) -> None:
    with serving(answer) as server, httpx.Client(headers=team_headers) as client:
        backend(server, http_client=client).chat(HI)
        assert server.received[0].headers["x-team"] == "blue"
        assert server.received[0].headers["authorization"] == f"Bearer {KEY}"
        assert not client.is_closed


@pytest.mark.parametrize("option", ["http_client", "async_http_client"])
async def test_an_async_client_may_come_under_either_name(team_headers: dict[str, str], option: str) -> None:
    with serving(answer) as server:
        async with httpx.AsyncClient(headers=team_headers) as client:
            await backend(server, **{option: client}).achat(HI)
            assert not client.is_closed
        assert server.received[0].headers["x-team"] == "blue"


@pytest.mark.parametrize("url", ["localhost:1", "ftp://x", "http://", "http://a:b"])
def test_a_base_url_that_is_none(url: str) -> None:
    with pytest.raises(ConfigurationError, match="base_url"):
        connect("groq", api_key="k", base_url=url)


def test_https_to_nobody(half: Half) -> None:
    with serving(answer) as server:
        pass
    with pytest.raises(BackendConnectionError, match="cannot connect to https"):
        half.chat(backend(server, base_url=server.url.replace("http", "https")), HI)


def test_a_server_error_is_a_server_error(half: Half) -> None:
    with serving(lambda _: [whole(b"<html><title>Bad</title>", 502)]) as server:
        with pytest.raises(ServerError, match="an HTML page titled 'Bad'"):
            half.events(backend(server), HI)


def test_an_answer_that_is_still_being_worked_on_is_a_timeout_and_not_an_answer(half: Half) -> None:
    with serving(lambda _: [whole(b"", 202, {"nvcf-reqid": "r-7"})]) as server:
        nvidia = connect("nvidia", model="m", api_key=KEY, base_url=server.url, max_retries=0)
        for call in (half.chat, half.events):
            with pytest.raises(BackendTimeoutError, match="HTTP 202") as caught:
                call(nvidia, HI)
            assert caught.value.request_id == "r-7"
