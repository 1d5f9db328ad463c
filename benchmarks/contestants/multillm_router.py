"""This project's Router."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence

from shared_core import ChatRequest, Message, Router, TextDelta, connect
from shared_core.routing import in_order


class Chain:
    """A route over the targets."""

    def __init__(self, route: Router) -> None:
        self._route = route

    def chat(self, prompt: str) -> str:
        """A whole answer."""
        return self._route.chat(_request(prompt)).text

    def stream(self, prompt: str) -> Iterator[str]:
        """Its pieces."""
        return (event.text for event in self._route.stream(_request(prompt)) if isinstance(event, TextDelta))

    async def achat(self, prompt: str) -> str:
        """A whole answer."""
        return (await self._route.achat(_request(prompt))).text

    async def astream(self, prompt: str) -> AsyncIterator[str]:
        """Its pieces."""
        async for event in self._route.astream(_request(prompt)):
            if isinstance(event, TextDelta):
                yield event.text


def _request(prompt: str) -> ChatRequest:
    return ChatRequest(messages=(Message(role="user", content=prompt),))


def chain(targets: Sequence[str], *, timeout: float, pooled: bool, ollama: bool) -> Chain:
    """In order, each tried once; pooled: the default policy, and one attempt a call."""
    place = "ollama" if ollama else "openai_compatible"
    backends = [connect(place, model="m", base_url=url, api_key="sk-test", timeout=timeout) for url in targets]
    return Chain(
        Router(
            backends,
            policy=None if pooled else in_order,
            retries=0,
            max_attempts=1 if pooled else None,
            first_token_timeout=timeout,
            chunk_timeout=timeout,
            answer_timeout=timeout,
            deadline=4 * timeout,
        )
    )
