"""Writes the tables of backends, README's and those of docs/places.md: python scripts/backend_table.py."""

from __future__ import annotations

from pathlib import Path

from place_tables import PAGE, code, replace_tables
from shared_core import CATALOG, Place

README = Path(__file__).resolve().parents[1] / "README.md"
BEGIN = "<!-- backends: written by scripts/backend_table.py -->\n"
END = "<!-- end of backends -->\n"
_HEAD = ("Name", "Place", "URL", "Key variable", "Default chat model", "Default embedding model", "Also called")
_LOCAL = ("`llama_cpp`", "llama.cpp in this process", "-", "-", "the bundled demo model", "-", "`llama-cpp`")


def render() -> str:
    """The table, a row for each backend, in markdown."""
    rows = [_HEAD, ("---",) * len(_HEAD), _LOCAL, *(_row(place) for place in CATALOG.values())]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _row(place: Place) -> tuple[str, ...]:
    return (
        f"`{place.name}`",
        place.title,
        code(place.base_url) + (f", or `{place.url_variable}`" if place.url_variable else ""),
        code(place.key) + ("" if place.key_required else " (optional)"),
        code(place.chat_model),
        code(place.embedding_model),
        ", ".join(map(code, place.aliases)) or "-",
    )


def replace_table(readme: str) -> str:
    """The README with the table of today. Raises `ValueError` without the marks around it."""
    head, _, rest = readme.partition(BEGIN)
    _, mark, tail = rest.partition(END)
    if not mark:
        raise ValueError(f"{README.name} lacks the lines {BEGIN!r} and {END!r}")
    return f"{head}{BEGIN}{render()}{END}{tail}"


if __name__ == "__main__":
    PAGE.write_text(replace_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    README.write_text(replace_table(README.read_text(encoding="utf-8")), encoding="utf-8")
