"""Records what LlamaIndex's instrumentation and callbacks see."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llama_index.core.callbacks import CBEventType
from llama_index.core.callbacks.base_handler import BaseCallbackHandler
from llama_index.core.instrumentation import get_dispatcher  # type: ignore[attr-defined]  # core does not say so
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events import BaseEvent
from pydantic import PrivateAttr


class Recorder(BaseEventHandler):
    """Keeps every instrumentation event."""

    _seen: list[BaseEvent] = PrivateAttr(default_factory=list)

    @classmethod
    def class_name(cls) -> str:
        return "recorder"

    def handle(self, event: BaseEvent, **kwargs: Any) -> None:
        self._seen.append(event)

    @property
    def seen(self) -> list[BaseEvent]:
        return self._seen

    @property
    def kinds(self) -> Counter[str]:
        return Counter(type(event).__name__ for event in self._seen)

    @property
    def text(self) -> str:
        return "\n".join(f"{event!r}\n{event.model_dump_json(fallback=repr)}" for event in self._seen)


@contextmanager
def recorded() -> Iterator[Recorder]:
    root = get_dispatcher()
    recorder = Recorder()
    root.add_event_handler(recorder)
    try:
        yield recorder
    finally:
        root.event_handlers.remove(recorder)


class Counted(BaseCallbackHandler):
    """Counts callback events of the LLM and keeps their payloads."""

    def __init__(self) -> None:
        super().__init__([], [])
        self.started = 0
        self.ended: list[dict[str, Any]] = []

    def on_event_start(
        self, event_type: CBEventType, payload: Any = None, event_id: str = "", parent_id: str = "", **kwargs: Any
    ) -> str:
        self.started += event_type == CBEventType.LLM
        return event_id

    def on_event_end(self, event_type: CBEventType, payload: Any = None, event_id: str = "", **kwargs: Any) -> None:
        if event_type == CBEventType.LLM:
            self.ended.append(payload or {})

    def start_trace(self, trace_id: str | None = None) -> None:
        return

    def end_trace(self, trace_id: str | None = None, trace_map: Any = None) -> None:
        return
