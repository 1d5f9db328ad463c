"""Reads the spans of time that places write in headers and messages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_SAYS_WAIT = re.compile(r"(?:try again|retry) (?:in|after) (?P<duration>(?:[\d.]+\s?(?:ms|[hms]))+)", re.IGNORECASE)
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_duration(text: str) -> float | None:
    """Seconds in a duration such as "2m59.56s", "250ms" or "7.66"; `None` if it is none."""
    text = text.strip().lower()
    if re.fullmatch(r"\d+(?:\.\d+)?", text):
        return float(text)
    pieces = re.findall(r"(\d+(?:\.\d+)?)\s?(ms|[hms])", text)
    if not pieces or re.sub(r"(\d+(?:\.\d+)?)\s?(ms|[hms])", "", text).strip():
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in pieces)


def retry_after(headers: Mapping[str, str], message: str = "") -> float | None:
    """Seconds to wait: `retry-after-ms`, `retry-after` (seconds or a date), else what the message says.

    LiteLLM passes on the header of the place behind it under a name of its own.
    """
    milliseconds = parse_duration(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    header = headers.get("retry-after") or headers.get("llm_provider-retry-after", "")
    seconds = parse_duration(header)
    if seconds is not None or not header:
        said = _SAYS_WAIT.search(message)
        return seconds if seconds is not None or said is None else parse_duration(said["duration"])
    return _until(header)


def _until(date: str) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
