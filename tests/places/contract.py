"""All the checks that every place must stand, in every one of its variants."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from tests.places import chat_checks, option_checks, other_checks, row_checks
from tests.places.under_check import Check, UnderCheck

CONTRACT: tuple[Check, ...] = (
    *chat_checks.CHECKS,
    *option_checks.CHECKS,
    *other_checks.CHECKS,
    *row_checks.CHECKS,
)


def run(at: UnderCheck, check: Check) -> None:
    """Run a check; what a server lacks must be told by the error that it should be."""
    error = at.sim.lacks.get(check.__name__)
    with pytest.raises(error) if error else nullcontext():
        check(at)
