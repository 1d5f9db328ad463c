"""What must hold of a row's own options, limits and advice."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from typing import Any

import pytest

from shared_core import Backend, BackendError, ImagePart, InvalidRequestError, Price, connect
from shared_core.backends.http import HttpBackend
from tests.places.option_checks import PNG
from tests.places.simulator import KEY
from tests.places.under_check import Check, UnderCheck, ask


def own_options(at: UnderCheck) -> None:
    """Each arrives where the place reads it: in the body, in headers, or in the URL."""
    for name, own in at.sim.own.items():
        if own.url:
            given: dict[str, Any] = {name: own.value}
            backend = connect(at.sim.name, model="m", api_key=KEY, **given)
            assert isinstance(backend, HttpBackend)
            assert own.url in backend.base_url
            continue
        at.half.chat(at.backend(options={name: own.value}), ask())
        for header in own.headers:
            assert at.sim.received[-1].headers[header] == own.arrives
        if own.body:
            assert reduce(lambda body, key: body[key], own.body, at.sim.last) == own.arrives
    assert at.sim.own.keys() == at.place.options.keys()


def limits_of_images_are_told(at: UnderCheck) -> None:
    for name in _faults(at, InvalidRequestError):
        with pytest.raises(InvalidRequestError) as caught:
            at.half.chat(at.backend(name), ask("What is this?", ImagePart(data=PNG, media_type="image/png")))
        assert "The request holds 1 image(s)" in str(caught.value)
        assert (at.sim.image_limits or "") in str(caught.value)
    assert bool(at.sim.image_limits) is bool(at.place.image_limits)


def advice(at: UnderCheck) -> None:
    for kind, text in at.sim.advises.items():
        names = list(_faults(at, kind))
        assert names
        for name in names:
            with pytest.raises(kind) as caught:
                at.half.chat(at.backend(name), ask())
            assert text.format(model=name) in str(caught.value)
    assert at.sim.advises.keys() == at.place.advice.keys()


def what_it_bills(at: UnderCheck) -> None:
    """A server of one's own bills nothing, but what it only passes on may be billed."""
    assert _price(at.backend("some-model-that-nobody-knows")) == (NOTHING if at.sim.bills_nothing else None)
    for url, model in at.sim.billed:
        assert _price(connect(at.sim.name, model=model, api_key=KEY, base_url=url)) is None
    assert bool(at.sim.billed) is bool(at.place.billed_marks)


def _price(backend: Backend) -> Price | None:
    assert isinstance(backend, HttpBackend)
    return backend.price


def _faults(at: UnderCheck, kind: type[BackendError]) -> Iterator[str]:
    """The models whose trouble is an error of this class, at once and not in a stream."""
    return (name for name, fault in at.sim.faults.items() if fault.raises is kind and fault.event is None)


NOTHING = Price(0.0, 0.0)
CHECKS: tuple[Check, ...] = (own_options, limits_of_images_are_told, advice, what_it_bills)
