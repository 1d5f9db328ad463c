"""What a user is told about a call: errors completed with place, model and advice, and what was left out."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache

from shared_core.backends.place import Place
from shared_core.errors import (
    AuthenticationError,
    BackendConnectionError,
    BackendError,
    BackendTimeoutError,
    BillingError,
    ContextLengthError,
    ErrorResponse,
    InvalidRequestError,
    ModelNotFoundError,
    PermissionDeniedError,
    RateLimitError,
)
from shared_core.types import ChatRequest, ImagePart

_HIDDEN = "***"


class DroppedOptionWarning(UserWarning):
    """A place does not take an option, which was left out of the call."""


@cache
def warn_dropped(place: str, dropped: tuple[str, ...]) -> None:
    """Say so, once in the life of the process for each place and set of options."""
    warnings.warn(
        f"{place} does not take {', '.join(dropped)}: left out of the calls there.", DroppedOptionWarning, stacklevel=4
    )


def explain(error: BackendError, place: Place, model: str, secrets: Sequence[str]) -> None:
    """Put backend and model into the error, an advice into its message, and take the secrets out of all of it."""
    if error.backend is not None:
        return  # told again by an outer call
    error.backend, error.model = place.name, model
    own = next((text.format(model=model) for kind, text in place.advice.items() if isinstance(error, kind)), "")
    advice = own or next((say(error, place, model) for kind, say in _ADVICE if isinstance(error, kind)), "")
    where = f"{place.name} ({model})" if model else place.name
    message = f"{where}: {_sentence(str(error.args[0]))} {advice}".rstrip()
    error.args = (_without(message, secrets), *error.args[1:])
    if error.response is not None:
        error.response = _clean(error.response, secrets)


@contextmanager
def images_explained(place: Place, request: ChatRequest) -> Iterator[None]:
    """Put into a place's refusal how many images were sent, and what the place is known to take."""
    try:
        yield
    except InvalidRequestError as error:
        images = [part for message in request.messages for part in message.parts if isinstance(part, ImagePart)]
        if images and error.response is not None:
            error.args = (f"{error.args[0]} {_sent(images)}{_limits(place)}", *error.args[1:])
        raise


def _sent(images: Sequence[ImagePart]) -> str:
    inline = sum(len(part.data or b"") or len(part.url or "") * 3 // 4 for part in images if not _is_link(part))
    return f"The request holds {len(images)} image(s), {inline / 1e6:.1f} MB of them inline."


def _limits(place: Place) -> str:
    return f" {place.title} takes at most {place.image_limits}." if place.image_limits else ""


def _is_link(part: ImagePart) -> bool:
    return part.url is not None and not part.url.startswith("data:")


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _without(text: str, secrets: Sequence[str]) -> str:
    """Some places quote the key they refuse."""
    for secret in secrets:
        text = text.replace(secret, _HIDDEN)
    return text


def _clean(response: ErrorResponse, secrets: Sequence[str]) -> ErrorResponse:
    headers = {name: _without(value, secrets) for name, value in response.headers.items() if name != "set-cookie"}
    return replace(response, headers=headers, text=_without(response.text, secrets))


def _key(_error: BackendError, place: Place, _model: str) -> str:
    return f"Check the key in {place.key}, or the one passed as api_key." if place.key else ""


def _permission(_error: BackendError, place: Place, _model: str) -> str:
    return f"The account behind the key may not use this: see its rights at {place.title}."


def _model(_error: BackendError, place: Place, model: str) -> str:
    return f"Check the spelling of model={model!r}; {place.title} lists what it serves at {place.base_url}/models."


def _wait(error: BackendError, _place: Place, _model: str) -> str:
    return "Slow down, or raise the limit." if error.retry_after is None else f"Try again in {error.retry_after:g} s."


def _connection(_error: BackendError, place: Place, _model: str) -> str:
    if place.server:
        return f"Is {place.title} running there? If it is elsewhere, pass base_url or set {place.url_variable}."
    return "Check the network, the proxy settings and base_url."


def _slow(_error: BackendError, _place: Place, _model: str) -> str:
    return "Pass a larger timeout=..., in seconds, or use stream."


def _money(_error: BackendError, place: Place, _model: str) -> str:
    return f"See the billing page of {place.title}."


def _window(_error: BackendError, _place: Place, _model: str) -> str:
    return "Shorten the prompt, or take a model with a larger context window."


_ADVICE: tuple[tuple[type[BackendError], Callable[[BackendError, Place, str], str]], ...] = (
    (AuthenticationError, _key),
    (PermissionDeniedError, _permission),
    (BillingError, _money),
    (ContextLengthError, _window),
    (ModelNotFoundError, _model),
    (RateLimitError, _wait),
    (BackendTimeoutError, _slow),
    (BackendConnectionError, _connection),
)
