"""Every error leaves as one exception that is ours and LangChain's at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from langchain_core import exceptions as langchain

from shared_core import (
    AllBackendsFailedError,
    AuthenticationError,
    BackendConnectionError,
    BackendError,
    BackendTimeoutError,
    BillingError,
    ConfigurationError,
    ContextLengthError,
    InvalidRequestError,
    MissingKeyError,
    ModelFileError,
    ModelNotFoundError,
    MultillmError,
    PermissionDeniedError,
    RateLimitError,
)

_THEIRS: dict[type[MultillmError], type[langchain.ModelError]] = {
    MultillmError: langchain.ModelError,
    ConfigurationError: langchain.ModelInvalidRequestError,
    MissingKeyError: langchain.ModelAuthenticationError,
    ModelFileError: langchain.ModelNotFoundError,
    BackendError: langchain.ModelAPIError,
    AuthenticationError: langchain.ModelAuthenticationError,
    PermissionDeniedError: langchain.ModelPermissionDeniedError,
    BillingError: langchain.ModelPermissionDeniedError,
    InvalidRequestError: langchain.ModelInvalidRequestError,
    ContextLengthError: langchain.ContextOverflowError,
    ModelNotFoundError: langchain.ModelNotFoundError,
    RateLimitError: langchain.ModelRateLimitError,
    BackendConnectionError: langchain.ModelConnectionError,
    BackendTimeoutError: langchain.ModelTimeoutError,
}


_Kinds = tuple[type[MultillmError], type[langchain.ModelError]]
_TWINS: dict[_Kinds, type[MultillmError]] = {}


def _both(kinds: _Kinds) -> type[MultillmError]:
    """Look up the class in both trees; subclasses that others define get one too."""
    return _TWINS.get(kinds) or _TWINS.setdefault(kinds, _twin(*kinds))


def _theirs(kind: type[MultillmError], state: dict[str, Any]) -> type[langchain.ModelError]:
    """Find LangChain's class; for a route that failed, the one that is true of all its attempts, where there is one."""
    attempts = {_theirs(type(error), error.__dict__) for error in state.get("errors", ())}
    if issubclass(kind, AllBackendsFailedError) and len(attempts) == 1:
        return attempts.pop()
    return next(_THEIRS[base] for base in kind.__mro__ if base in _THEIRS)


def _twin(kind: type[MultillmError], theirs: type[langchain.ModelError]) -> type[MultillmError]:
    body = {
        "__doc__": kind.__doc__,
        "__module__": kind.__module__,
        "__reduce__": _reduce,
        # LangChain's name for our flag: what its retrying middleware asks. A property stays one.
        "is_retryable": getattr(kind, "retry", False),
    }
    return type(kind.__name__, (kind, theirs), body)


def _reduce(error: MultillmError) -> tuple[Any, ...]:
    kind = type(error).__mro__[1]
    return _rebuild, (kind, error.args, error.__dict__)


def _rebuild(kind: type[MultillmError], args: tuple[Any, ...], state: dict[str, Any]) -> MultillmError:
    both = _both((kind, _theirs(kind, state)))
    error = both.__new__(both)
    error.args = args
    error.__dict__.update(state)
    if isinstance(error, AllBackendsFailedError):
        error.errors = [cast("BackendError", in_both_trees(one)) for one in error.errors]
    return error


def in_both_trees(error: MultillmError) -> MultillmError:
    """Return the same error as an instance of its own class and of LangChain's `ModelError` tree; picklable."""
    if isinstance(error, langchain.ModelError):
        return error
    twin = _rebuild(type(error), error.args, error.__dict__)
    return twin.with_traceback(error.__traceback__)


@contextmanager
def langchain_errors() -> Iterator[None]:
    """Turn what is raised inside into errors of both trees. The cause stays; the twin replaces the original."""
    try:
        yield
    except MultillmError as error:
        raise in_both_trees(error) from error.__cause__
