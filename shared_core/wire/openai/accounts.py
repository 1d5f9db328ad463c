"""Reads what an answer took, in tokens, seconds and dollars, from wherever a place says it."""

from __future__ import annotations

from shared_core.types import Finish, Timings, Usage
from shared_core.wire.base import Json

# Groq in its usage, Cerebras in `time_info`; SambaNova's two are the total and the wait for the first token.
_SECONDS = {
    "queue_time": "queue",
    "prompt_time": "prompt",
    "completion_time": "completion",
    "total_time": "total",
    "total_latency": "total",
    "time_to_first_token": "first_token",
}
_MILLISECONDS = {"prompt_ms": "prompt", "predicted_ms": "completion"}  # llama-server


def note_accounts(finish: Finish, body: Json) -> None:
    """Keep what one body of the answer says of it.

    The last usage seen, in any of its places, is the usage: places that repeat it must not be summed.
    """
    _note_usage(finish, body.get("usage"))
    _note_groq(finish, body.get("x_groq"))
    _note_seconds(finish, body.get("time_info"))
    if timings := body.get("timings"):
        _note_timings(finish, {name: timings[key] / 1000 for key, name in _MILLISECONDS.items() if key in timings})
        if finish.usage.cached is None:
            finish.usage.cached = timings.get("cache_n")
    if body.get("perf_metrics"):
        finish.metadata["perf_metrics"] = body["perf_metrics"]


def note_choice(finish: Finish, choice: Json) -> None:
    """Keep what a choice says: one of Together's engines has the usage there."""
    _note_usage(finish, choice.get("usage"))


def _note_groq(finish: Finish, said: Json | None) -> None:
    if not said:
        return
    _note_usage(finish, said.get("usage"))
    finish.request_id = finish.request_id or said.get("id")
    if said.get("error"):
        finish.metadata["error"] = said["error"]


def _note_usage(finish: Finish, usage: Json | None) -> None:
    if not usage:
        return
    finish.usage = Usage(
        input=known_count(usage.get("prompt_tokens")),
        output=known_count(usage.get("completion_tokens")),
        cached=_detail(usage, "prompt_tokens_details", "cached_tokens"),
        reasoning=_detail(usage, "completion_tokens_details", "reasoning_tokens"),
    )
    finish.cost = usage.get("cost", usage.get("estimated_cost", finish.cost))
    _note_seconds(finish, usage)


def known_count(count: int | None) -> int | None:
    """A number of tokens; Llama Stack has -1 for one it does not know."""
    return None if count is None or count < 0 else count


def _detail(usage: Json, group: str, name: str) -> int | None:
    """OpenAI's place for it, or beside the other counts, as some engines have it."""
    return (usage.get(group) or {}).get(name, usage.get(name))


def _note_seconds(finish: Finish, said: Json | None) -> None:
    if said:
        _note_timings(finish, {name: said[key] for key, name in _SECONDS.items() if said.get(key) is not None})


def _note_timings(finish: Finish, known: dict[str, float]) -> None:
    if known:
        finish.timings = Timings(**known)
