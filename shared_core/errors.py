"""Every error the package raises, each class saying whether to try again here (`retry`) or elsewhere (`failover`).

MultillmError
├── ConfigurationError (ValueError)     what was asked for cannot be built
│   ├── UnknownBackendError             no such place; lists the known ones
│   ├── MissingKeyError                 no API key; names the variable and what would work right now
│   ├── ModelFileError                  no such model file, or one that cannot be loaded
│   └── MissingDependencyError          an optional package is not installed; gives the line that installs it
└── BackendError                        a call failed                        retry  failover
    ├── AuthenticationError             401, the key is not accepted            -       x
    ├── PermissionDeniedError           403                                     -       x
    ├── BillingError                    402, no money or quota left             -       x
    ├── InvalidRequestError             400, 422: no place would take it        -       -
    │   ├── ContextLengthError          prompt longer than the window           -       x
    │   ├── ContentFilteredError        the place's filter let no text through  -       x
    │   ├── UnsupportedError            this place cannot, another one may      -       x
    │   └── ToolCallRefusedError        the place refused its model's own call  -       x
    ├── ModelNotFoundError              404, 410                                -       x
    ├── RateLimitError                  429                                     x       x
    ├── ServerError                     5xx                                     x       x
    ├── BackendConnectionError          no connection, or lost before an answer x       x
    ├── BackendTimeoutError             no answer in time                       x       x
    ├── ProtocolError                   an answer we cannot read                x       x
    ├── StreamInterruptedError          the stream ended before the answer did  x       x
    └── AllBackendsFailedError          no target of a route answered           -       x
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    from shared_core.types import PartialEmbedding, RateLimits


class MultillmError(Exception):
    """The root: catch this to catch everything of ours."""

    def __reduce__(self) -> tuple[Any, ...]:
        # Keyword-only constructors are beyond Exception's own pickling; the arguments and attributes are not.
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(kind: type[MultillmError], args: tuple[Any, ...], state: dict[str, Any]) -> MultillmError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error


# --- before a call -------------------------------------------------------------------------------------------------


class ConfigurationError(MultillmError, ValueError):
    """What was asked for cannot be built."""


class UnknownBackendError(ConfigurationError):
    """No backend has this name."""


class MissingKeyError(ConfigurationError):
    """A place wants an API key and none was given."""


class ModelFileError(ConfigurationError):
    """A local model file is not there, or cannot be loaded."""


class MissingDependencyError(ConfigurationError, ImportError):
    """An optional package is needed and not installed."""


# --- a call --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """The HTTP answer behind an error, without secrets: status, headers, body text."""

    status_code: int
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""

    def json(self) -> Any:  # noqa: ANN401 - the JSON boundary
        """The body as JSON. Raises `ValueError` if it is none."""
        return json.loads(self.text)


class BackendError(MultillmError):
    """A call to one backend failed.

    `retry` says whether the same call may succeed at the same place a little later, `failover` whether another
    place may take it. `retry_after` is in seconds. `partial` is what a failed call for vectors has brought.
    """

    retry: ClassVar[bool] = False
    failover: ClassVar[bool] = False
    partial: PartialEmbedding | None = None

    def __init__(
        self,
        message: str,
        *,
        backend: str | None = None,
        model: str | None = None,
        response: ErrorResponse | None = None,
        code: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        rate_limits: RateLimits | None = None,
    ) -> None:
        super().__init__(message)
        self.backend = backend
        self.model = model
        self.response = response
        self.code = code
        self.request_id = request_id
        self.retry_after = retry_after
        self.rate_limits = rate_limits

    @property
    def status(self) -> int | None:
        """The HTTP status, where there was one."""
        return None if self.response is None else self.response.status_code


class AuthenticationError(BackendError):
    """The key is not accepted."""

    failover = True


class PermissionDeniedError(BackendError):
    """The key is good, but not for this."""

    failover = True


class BillingError(BackendError):
    """The account has no money or no quota left."""

    failover = True


class InvalidRequestError(BackendError):
    """The request is wrong, and would be wrong anywhere."""


class ContextLengthError(InvalidRequestError):
    """The prompt (`prompt_tokens`) is longer than the context window (`context_window`); unknown numbers are `None`."""

    failover = True

    def __init__(
        self,
        message: str,
        *,
        prompt_tokens: int | None = None,
        context_window: int | None = None,
        **details: Any,
    ) -> None:
        super().__init__(message, **details)
        self.prompt_tokens = prompt_tokens
        self.context_window = context_window


class ContentFilteredError(InvalidRequestError):
    """The place's content filter left nothing of the answer; a route with fallbacks for that asks these."""

    failover = True


class UnsupportedError(InvalidRequestError):
    """This model at this place cannot do what the request asks for; another may."""

    failover = True


class ToolCallRefusedError(InvalidRequestError):
    """The place checked the model's tool call against its schema and refused it; `generation` is what it wrote."""

    failover = True

    def __init__(self, message: str, *, generation: str = "", **details: Any) -> None:
        super().__init__(message, **details)
        self.generation = generation


class ModelNotFoundError(BackendError):
    """The place does not serve this model, or does so no longer."""

    failover = True


class RateLimitError(BackendError):
    """Too many requests or tokens; `retry_after` says when to come back, where the place told."""

    retry = True
    failover = True


class ServerError(BackendError):
    """The place failed, or is overloaded."""

    retry = True
    failover = True


class BackendConnectionError(BackendError):
    """No connection, or it was lost before an answer."""

    retry = True
    failover = True


class BackendTimeoutError(BackendError):
    """No answer in time."""

    retry = True
    failover = True


class ProtocolError(BackendError):
    """The place answered something we cannot read."""

    retry = True
    failover = True


class StreamInterruptedError(BackendError):
    """The stream ended before the answer did: no finish reason, no end mark."""

    retry = True
    failover = True


class AllBackendsFailedError(BackendError):
    """No target of a route answered; `errors` says why, one for each attempt, in order."""

    failover = True

    def __init__(self, message: str, *, errors: Sequence[BackendError] = (), **details: Any) -> None:
        super().__init__(message, **details)
        self.errors = list(errors)

    @classmethod
    def of(cls, errors: Sequence[BackendError], targets: Sequence[str], why: str = "") -> Self:
        """The error for these attempts at these targets; `why` there was none after them."""
        tried = "; ".join(
            f"{target}: {type(error).__name__}: {error}" for target, error in zip(targets, errors, strict=True)
        )
        return cls(f"all {len(errors)} attempts of the route failed{f', {why}' if why else ''}: {tried}", errors=errors)


_BY_STATUS: dict[int, type[BackendError]] = {
    202: BackendTimeoutError,  # NVIDIA: the place still works on it, and hands the answer out elsewhere
    400: InvalidRequestError,
    401: AuthenticationError,
    402: BillingError,
    403: PermissionDeniedError,
    404: ModelNotFoundError,
    408: BackendTimeoutError,
    409: ServerError,
    410: ModelNotFoundError,
    412: BillingError,  # Fireworks: the account is suspended
    413: InvalidRequestError,
    422: InvalidRequestError,
    424: ServerError,
    425: ServerError,
    429: RateLimitError,
    498: RateLimitError,
    501: UnsupportedError,
    504: BackendTimeoutError,
}
_SERVER_ERRORS = 500


def error_class(status: int) -> type[BackendError]:
    """The class an HTTP status stands for when the body says nothing better."""
    return _BY_STATUS.get(status, ServerError if status >= _SERVER_ERRORS else InvalidRequestError)
