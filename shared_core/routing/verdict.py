"""Says what a failure tells of the target that it came from."""

from __future__ import annotations

from shared_core.errors import (
    AllBackendsFailedError,
    AuthenticationError,
    BackendConnectionError,
    BackendError,
    BackendTimeoutError,
    BillingError,
    InvalidRequestError,
    ModelNotFoundError,
    PermissionDeniedError,
    RateLimitError,
)
from shared_core.routing.target import Target

_PAUSE = 5.0
"""Seconds a target is left alone after a 429 that names none."""
_CLOSED = 600.0
"""Seconds a target is left alone whose key, account or model is refused: only somebody's doing can mend that."""
_SOMEBODYS_DOING = (AuthenticationError, BillingError, ModelNotFoundError, PermissionDeniedError)
_DEAD = (BackendConnectionError, BackendTimeoutError)


def judge(target: Target, who: object, error: BackendError, now: float) -> bool:
    """Keep what the error of the call `who` tells of the target's health. Whether its breaker opened."""
    if is_all(error, InvalidRequestError):
        return False
    if is_all(error, RateLimitError):
        pause = _PAUSE if error.retry_after is None else error.retry_after
        target.is_limited = True
        target.paused_until = max(target.paused_until, now + pause)
        return False
    if is_all(error, _SOMEBODYS_DOING):
        return target.breaker.open(_CLOSED)
    return target.breaker.fail(who, at_once=is_all(error, _DEAD))


def is_all(error: BackendError, kinds: type[BackendError] | tuple[type[BackendError], ...]) -> bool:
    """Whether the error is of these kinds; that of a route is if all its attempts ended so."""
    if isinstance(error, AllBackendsFailedError):
        return bool(error.errors) and all(is_all(one, kinds) for one in error.errors)
    return isinstance(error, kinds)


def may_pass(error: BackendError) -> bool:
    """Whether the same target may answer when it is asked again."""
    if isinstance(error, AllBackendsFailedError):
        return any(may_pass(one) for one in error.errors)
    return error.retry


def told(target: Target, seconds: float, error: BackendError | None) -> dict[str, object]:
    """One attempt, as a response tells of it."""
    said = None if error is None else f"{type(error).__name__}: {error}"
    return {"target": target.name, "seconds": round(seconds, 6), "error": said}
