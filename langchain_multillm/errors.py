"""Every error leaves as one exception that is ours and LangChain's at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from langchain_core import exceptions as langchain

from shared_core import (
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


_TWINS: dict[type[MultillmError], type[MultillmError]] = {}


def _both(kind: type[MultillmError]) -> type[MultillmError]:
    """Look up the class of `kind` in both trees; subclasses that others define get one too."""
    return _TWINS.get(kind) or _TWINS.setdefault(kind, _twin(kind))


def _twin(kind: type[MultillmError]) -> type[MultillmError]:
    theirs = next(_THEIRS[base] for base in kind.__mro__ if base in _THEIRS)
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
    both = _both(kind)
    error = both.__new__(both)
    error.args = args
    error.__dict__.update(state)
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
