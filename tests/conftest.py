"""What tests of several areas share."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from convert_minilm import minilm_gguf

# They hold the assertions of the tests in that folder.
for _checks in ("under_check", "chat_checks", "option_checks", "other_checks", "row_checks"):
    pytest.register_assert_rewrite(f"tests.places.{_checks}")

# The same examples every time, and no clock: what these tests find must not depend on how busy the machine is.
settings.register_profile("multillm", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("multillm")


@pytest.fixture(scope="session")
def minilm() -> Path:
    """all-MiniLM-L6-v2 as GGUF: 384 dimensions, a window of 512 tokens."""
    return minilm_gguf()
