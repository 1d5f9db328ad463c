"""How texts become vectors, as far as the caller decides."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Self

from shared_core.errors import ConfigurationError
from shared_core.models.prefixes import Prefixes, check_prefixes


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedOptions:
    """How texts become vectors; `None` is not said.

    `batch_size` texts go in one call: 64 unless it is said, and never more than the place is known to take.
    `max_concurrency` calls run at once: 4. `prefixes` are put before queries and documents: a pair, or "auto" for
    what the model's card asks for, where that is known and the place does not do it by itself; a text that has its
    prefix keeps it. `normalize` brings vectors to length 1; without it they are as the place gives them.

    Raises `ConfigurationError`.
    """

    batch_size: int | None = None
    max_concurrency: int | None = None
    prefixes: Prefixes = None
    normalize: bool | None = None

    def __post_init__(self) -> None:
        for name in ("batch_size", "max_concurrency"):
            number = getattr(self, name)
            if number is not None and number < 1:
                raise ConfigurationError(f"{name} must be at least 1, not {number!r}")
        check_prefixes(self.prefixes)

    @classmethod
    def taken_from(cls, options: dict[str, Any]) -> Self:
        """Take out of `options` what is meant for here. Raises `ConfigurationError`."""
        return cls(**{field.name: options.pop(field.name) for field in fields(cls) if field.name in options})

    def over(self, below: EmbedOptions) -> EmbedOptions:
        """Give `below`, with what is said here instead."""
        said = {field.name: value for field in fields(self) if (value := getattr(self, field.name)) is not None}
        return replace(below, **said)
