"""A flag that one thread sets to stop another's work, llama.cpp's included."""

from __future__ import annotations

import ctypes


class Cancelled(Exception):  # noqa: N818 - not an error: the caller asked for it
    """The work was stopped because nobody wants its result any more."""


class Cancellation:
    """Set once with `cancel`; `check` raises `Cancelled` from then on."""

    def __init__(self) -> None:
        self._text = ctypes.create_string_buffer(2)

    def cancel(self) -> None:
        """Ask the work to stop. Safe from any thread, any number of times."""
        self._text[0] = b"\x01"

    @property
    def requested(self) -> bool:
        """Whether the work is to stop."""
        return self._text[0] != b"\x00"

    def check(self) -> None:
        """Raise `Cancelled` if the work is to stop."""
        if self.requested:
            raise Cancelled

    @property
    def address(self) -> int:
        """Where llama.cpp's abort callback, C's `strlen`, looks: an empty string until the work is to stop."""
        return ctypes.addressof(self._text)
