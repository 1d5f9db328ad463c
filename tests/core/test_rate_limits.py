"""Rate-limit headers in the formats of the places."""

from __future__ import annotations

import time

import pytest

from shared_core import RateLimit, RateLimits
from shared_core.wire.rate_limits import read_rate_limits


def test_groq() -> None:
    headers = {
        "x-ratelimit-limit-requests": "14400", "x-ratelimit-remaining-requests": "14370", "x-ratelimit-reset-requests": "2m59.56s",
        "x-ratelimit-limit-tokens": "18000", "x-ratelimit-remaining-tokens": "17997", "x-ratelimit-reset-tokens": "7.66s",
    }  # fmt: skip
    assert read_rate_limits(headers) == RateLimits(RateLimit(14_400, 14_370, 179.56), RateLimit(18_000, 17_997, 7.66))


def test_cerebras_and_the_window_closest_to_its_end() -> None:
    headers = {
        "x-ratelimit-limit-requests-day": "1000", "x-ratelimit-remaining-requests-day": "10",
        "x-ratelimit-reset-requests-day": "33011.382867097855",
        "x-ratelimit-limit-requests-minute": "30", "x-ratelimit-remaining-requests-minute": "29",
        "x-ratelimit-limit-tokens-minute": "60000", "x-ratelimit-remaining-tokens-minute": "0",
        "x-ratelimit-reset-tokens-minute": "11.38",
    }  # fmt: skip
    assert read_rate_limits(headers) == RateLimits(RateLimit(1000, 10, 33011.382867097855), RateLimit(60_000, 0, 11.38))


def test_together() -> None:
    headers = {
        "x-ratelimit-limit": "10",
        "x-ratelimit-remaining": "9.5",
        "x-ratelimit-reset": "1",
        "x-tokenlimit-limit": "3000",
    }
    assert read_rate_limits(headers) == RateLimits(RateLimit(10, 9, 1.0), RateLimit(3000))


def test_fireworks() -> None:
    headers = {
        "x-ratelimit-limit-tokens-prompt": "60000", "x-ratelimit-remaining-tokens-prompt": "100",
        "x-ratelimit-limit-tokens-generated": "36000", "x-ratelimit-remaining-tokens-generated": "36000",
        "x-ratelimit-over-limit": "no",
    }  # fmt: skip
    assert read_rate_limits(headers) == RateLimits(None, RateLimit(60_000, 100))


@pytest.mark.parametrize("factor", [1, 1000], ids=["seconds", "milliseconds"])
def test_moments(factor: int) -> None:
    moment = str(int((time.time() + 60) * factor))
    limits = read_rate_limits({"x-ratelimit-limit": "20", "x-ratelimit-remaining": "0", "x-ratelimit-reset": moment})
    assert limits is not None
    assert limits.requests is not None
    assert limits.requests.reset_s == pytest.approx(60, abs=3)


def test_what_is_not_there_or_no_number_is_unknown() -> None:
    assert read_rate_limits({"content-type": "x"}) is None
    assert (
        read_rate_limits({"x-ratelimit-limit-requests": "many", "x-ratelimit-reset-requests": "soon"}) == RateLimits()
    )
    assert read_rate_limits({"x-ratelimit-remaining": "inf"}) == RateLimits()
    assert read_rate_limits({"x-ratelimit-remaining": "3"}) == RateLimits(RateLimit(None, 3))


def test_limits_of_a_virtual_key_beside_those_of_the_place() -> None:
    headers = {
        "x-ratelimit-limit-requests": "100",
        "x-ratelimit-remaining-requests": "90",
        "x-ratelimit-api_key-limit-requests": "10",
        "x-ratelimit-api_key-remaining-requests": "1",
    }
    limits = read_rate_limits(headers)
    assert limits is not None
    assert limits.requests == RateLimit(10, 1)
