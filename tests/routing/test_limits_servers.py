"""A thousand calls over real sockets, by threads and by tasks at once, to servers that count requests and tokens."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from shared_core import ChatRequest, Message, Router, connect
from tests.raw_server import Received, Script, Step, completion, delta, serving, sse, whole
from tests.routing.quotas import Bucket, Fixed, Headers, Limited, like_cerebras, like_groq, like_openrouter

CALLS = 1000
WORDS, ANSWER = 40, 10
ASKED = ChatRequest(messages=(Message(role="user", parts="word" * WORDS),), max_tokens=ANSWER)


@dataclass
class Counting:
    """The place behind the sockets, which counts under a lock and answers at once."""

    place: Limited
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, request: Received) -> list[Step]:
        with self.lock:
            fits, headers, wait = self.place.receive(time.time(), WORDS + ANSWER)
        if not fits:
            return [whole({"error": {"message": "too many"}}, 429, {**headers, "retry-after": f"{wait:.3f}"})]
        usage = {"prompt_tokens": WORDS, "completion_tokens": ANSWER, "total_tokens": WORDS + ANSWER}
        if request.json.get("stream"):
            return _streamed(usage, headers)
        return [whole(completion(content="yes", usage=usage), headers=headers)]


def _streamed(usage: dict[str, int], headers: Headers) -> list[Step]:
    last = {"id": "c1", "model": "m", "choices": [], "usage": usage}
    head, *rest = sse(delta(content="yes"), delta("stop"), last)
    assert isinstance(head, bytes)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()
    return [head.removesuffix(b"\r\n") + lines + b"\r\n", *rest]


def by_threads(route: Router, calls: int) -> list[str]:
    with ThreadPoolExecutor(50) as pool:
        return list(pool.map(lambda _: route.chat(ASKED).text, range(calls)))


async def by_tasks(route: Router, calls: int) -> list[str]:
    async def call(number: int) -> str:
        if number % 2:
            return (await route.achat(ASKED)).text
        return "".join([event.text async for event in route.astream(ASKED) if hasattr(event, "text")])

    return await asyncio.gather(*(call(number) for number in range(calls)))


# Two seconds stand for a minute, which has room for 300 calls.
PLACES: dict[str, tuple[str, Callable[[], Limited]]] = {
    "groq": ("groq", lambda: Limited(Bucket(400, 2), Bucket(300 * (WORDS + ANSWER), 2), like_groq)),
    "cerebras": ("cerebras", lambda: Limited(Fixed(400, 2), Fixed(300 * (WORDS + ANSWER), 2), like_cerebras)),
    "openrouter": ("openrouter", lambda: Limited(Fixed(300, 2), Fixed(1e9, 2), like_openrouter)),
}


@pytest.mark.parametrize("name", PLACES)
async def test_a_thousand_calls_are_hardly_ever_refused(name: str) -> None:
    place, make = PLACES[name]
    server = Counting(make())
    script: Script = server.answer
    with serving(script) as raw:
        route = Router([connect(f"{place}/m", base_url=raw.url, api_key="k")])
        threads = asyncio.create_task(asyncio.to_thread(by_threads, route, CALLS // 2))
        answers = [*await by_tasks(route, CALLS // 2), *await threads]
    assert answers == ["yes"] * CALLS
    assert server.place.answered == CALLS
    assert server.place.refused <= CALLS // 100
