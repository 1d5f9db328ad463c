"""Every place, in every variant, over real sockets, sync and async, against the whole contract."""

from __future__ import annotations

import pytest

from tests.places.contract import CONTRACT, run
from tests.places.under_check import Check, UnderCheck


@pytest.mark.parametrize("check", CONTRACT, ids=lambda check: check.__name__)
def test_the_contract(at: UnderCheck, check: Check) -> None:
    run(at, check)
