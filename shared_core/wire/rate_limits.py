"""Reads how much a place will still take, from whichever headers it tells it in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from shared_core.types import RateLimit, RateLimits
from shared_core.wire.durations import parse_duration

# Groq, SambaNova, Fireworks, LiteLLM and OpenAI: x-ratelimit-limit-requests; Cerebras adds a window: -requests-day;
# Fireworks splits tokens: -tokens-prompt, -tokens-generated; Together and OpenRouter: x-ratelimit-limit alone;
# Together's tokens: x-tokenlimit-limit; LiteLLM's virtual keys: x-ratelimit-api_key-limit-requests.
_NAME = re.compile(
    r"x-(?P<family>ratelimit|tokenlimit)-(?P<scope>(?:api_key-)?)(?P<field>limit|remaining|reset)"
    r"(?:-(?P<kind>requests|tokens))?(?P<window>(?:-[a-z-]+)?)$"
)
_EPOCH_SECONDS = 1e9
_EPOCH_MILLISECONDS = 1e12


def read_rate_limits(headers: Mapping[str, str]) -> RateLimits | None:
    """What the headers say, for requests and for tokens the window with the least left; `None` if nothing."""
    windows: dict[tuple[str, str], dict[str, str]] = {}
    for name, value in headers.items():
        match = _NAME.fullmatch(name)
        if match is not None:
            kind = match["kind"] or ("tokens" if match["family"] == "tokenlimit" else "requests")
            windows.setdefault((kind, match["scope"] + match["window"]), {})[match["field"]] = value
    if not windows:
        return None
    return RateLimits(*(_tightest(_windows_of(kind, windows)) for kind in ("requests", "tokens")))


def _windows_of(kind: str, windows: Mapping[tuple[str, str], Mapping[str, str]]) -> Iterable[RateLimit]:
    for (of, _), fields in windows.items():
        limit = RateLimit(_count(fields.get("limit")), _count(fields.get("remaining")), _reset(fields.get("reset")))
        if of == kind and (limit.limit is not None or limit.remaining is not None):
            yield limit


def _tightest(limits: Iterable[RateLimit]) -> RateLimit | None:
    return min(limits, key=_most_that_fits, default=None)


def _most_that_fits(limit: RateLimit) -> float:
    return next(float(count) for count in (limit.remaining, limit.limit) if count is not None)


def _count(text: str | None) -> int | None:
    try:
        return None if text is None else int(float(text))
    except (ValueError, OverflowError):
        return None


def _reset(text: str | None) -> float | None:
    """Seconds from now: a duration, or a moment in epoch seconds or milliseconds."""
    seconds = parse_duration(text or "")
    if seconds is None or seconds < _EPOCH_SECONDS:
        return seconds
    moment = seconds / 1000 if seconds >= _EPOCH_MILLISECONDS else seconds
    return max(0.0, moment - datetime.now(UTC).timestamp())
