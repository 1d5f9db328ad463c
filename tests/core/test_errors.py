from __future__ import annotations

import inspect
import pickle

import pytest

import shared_core
from shared_core import (
    BackendError,
    ConfigurationError,
    ContextLengthError,
    ErrorResponse,
    MissingDependencyError,
    MultillmError,
    RateLimitError,
    errors,
)

ALL = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, MultillmError)]


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_every_error_is_public_and_stands_in_the_tree_of_the_docstring(kind: type[MultillmError]) -> None:
    assert kind.__name__ in shared_core.__all__
    assert errors.__doc__ is not None
    line = next(line for line in errors.__doc__.splitlines() if f" {kind.__name__}" in f" {line.lstrip('│├└─ ')}")
    if issubclass(kind, BackendError) and kind is not BackendError:
        marks = line.split()[-2:]
        assert marks == ["x" if kind.retry else "-", "x" if kind.failover else "-"]


@pytest.mark.parametrize("kind", [k for k in ALL if issubclass(k, BackendError)], ids=lambda kind: kind.__name__)
def test_call_errors_survive_pickling_whole(kind: type[BackendError]) -> None:
    error = kind("it broke", backend="groq", model="m", response=ErrorResponse(429, {"a": "b"}, '{"x": 1}'), code="c",
                 request_id="r", retry_after=2.0)  # fmt: skip
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert type(copy) is kind
    assert (str(copy), copy.__dict__) == (str(error), error.__dict__)
    assert copy.status == 429
    assert copy.response is not None
    assert copy.response.json() == {"x": 1}


def test_errors_without_a_reply_have_no_status() -> None:
    assert RateLimitError("x").status is None


def test_overflow_numbers_survive() -> None:
    error = pickle.loads(pickle.dumps(ContextLengthError("x", prompt_tokens=5, context_window=4, backend="b")))  # noqa: S301
    assert (error.prompt_tokens, error.context_window, error.backend) == (5, 4, "b")


def test_configuration_errors_are_the_builtin_kinds_too() -> None:
    assert issubclass(ConfigurationError, ValueError)
    assert issubclass(MissingDependencyError, ImportError)
    assert str(pickle.loads(pickle.dumps(MissingDependencyError("install it")))) == "install it"  # noqa: S301
