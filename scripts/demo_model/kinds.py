"""The only module that knows what each kind of fact's member looks like: a person, a place, a price, a date."""

# ruff: noqa: E501, SIM905  -- one line a kind

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from .words import Words

_MONTHS = """January February March April May June July August September October November December""".split()
_COLOURS = """red green blue yellow orange purple pink brown black white gray silver golden crimson violet turquoise
amber teal olive scarlet""".split()
_BUILDINGS = """lighthouse tower bridge castle museum library office school hospital hotel church palace station theater
temple mill harbor cottage factory warehouse restaurant shop bakery garden observatory""".split()
_ROOMS = """room office gate locker door vault hall lab safe building cabin garage""".split()
_PROJECTS = "project team program mission study initiative department group plan expedition".split()
_EVENTS = "festival race match conference tournament concert meeting workshop fair contest marathon party".split()
_FIRMS = ("Labs", "Ltd", "Inc", "Group", "Works", "Systems", "Brothers", "Foods", "Energy", "& Sons", "Bank", "Motors")
_UNITS = """meters kg km feet grams tons miles liters cm pounds hours days minutes percent""".split()
_ANIMALS = "cat dog horse parrot turtle snake rabbit dragon fox owl bear cow goat monkey tiger whale".split()


_RELATIVES = """sister brother mother father wife husband boss teacher friend dog cat horse son daughter doctor uncle
neighbor assistant boat house company""".split()


def _past(verb: str) -> str:
    if verb.endswith("e"):
        return verb + "d"
    return verb[:-1] + "ied" if verb.endswith("y") and verb[-2] not in "aeiou" else verb + "ed"


def _phone(rng: Random, words: Words) -> str:
    return rng.choice(("555-{}", "+49 {}", "+1 555 {}", "0{}")).format(words.number(rng, 6))


def _money(rng: Random, words: Words) -> str:
    amount = words.number(rng, 4)
    return rng.choice(
        (
            "${}",
            "{} dollars",
            "{} euros",
            "{} EUR",
            "${}.50",
            "{}.99 euros",
            "{} million dollars",
            "€{}",
            "{}.2 million euros",
        )
    ).format(amount)


def _date(rng: Random, _words: Words) -> str:
    month, day, year = rng.choice(_MONTHS), rng.randint(1, 28), rng.randint(1900, 2040)
    return rng.choice((f"{month} {day}", f"{day} {month}", f"{month} {day}, {year}", f"{day} {month} {year}",
                       f"{year}-{rng.randint(1, 12):02}-{day:02}", f"{month} {year}", rng.choice(("Monday", "Tuesday", "Friday", "Sunday"))))  # fmt: skip


def _time(rng: Random, _words: Words) -> str:
    hour, minute = rng.randint(1, 12), rng.choice((0, 15, 30, 45, rng.randint(0, 59)))
    return rng.choice(
        (f"{hour}:{minute:02}", f"{hour + 11}:{minute:02}", f"{hour} am", f"{hour} pm", f"{hour}:{minute:02} pm")
    )


def _email(rng: Random, words: Words) -> str:
    name = rng.choice((words.first_name(rng), words.word(rng), f"{words.first_name(rng)}.{words.last_name(rng)}"))
    return f"{name}@{words.word(rng)}.{rng.choice(('com', 'org', 'net', 'example', 'de', 'io'))}".lower()


def _code(rng: Random, words: Words) -> str:
    letters = "".join(rng.choice("ABCDEFGHKLMNPQRSTUVWXYZ") for _ in range(rng.randint(1, 3)))
    digits = words.number(rng, 5)
    return rng.choice((digits, digits, f"{letters}-{digits}", f"{letters}{digits}", words.invented(rng)))


def _named(rng: Random, words: Words, kinds: list[str]) -> str:
    kind = rng.choice(kinds)
    if rng.random() < 0.2:
        return f"the {rng.choice(words.adjectives)} {kind}"
    name = rng.choice((words.title(rng), words.title(rng), rng.choice(words.nouns).capitalize()))
    return rng.choice(
        (f"the {kind} of {name}", f"the {name} {kind}", f"the {kind} in {name}", f"{name} {kind.capitalize()}")
    )


def _product(rng: Random, words: Words) -> str:
    title = words.title(rng)
    return rng.choice((title, f"{title}-{rng.randint(1, 99)}", f"the {title} {rng.choice(words.nouns)}", f"{title} {rng.randint(1, 999)}",
                       f"the {rng.choice(words.adjectives)} {rng.choice(words.nouns)}", f"the {rng.choice(words.nouns)}"))  # fmt: skip


def _project(rng: Random, words: Words) -> str:
    kind, name = rng.choice(_PROJECTS), rng.choice((words.title(rng), rng.choice(words.nouns).capitalize()))
    return rng.choice((f"the {name} {kind}", f"the {name} {kind}", f"{kind} {name}", f"{kind.capitalize()} {name}"))


def _attribute(rng: Random, words: Words) -> str:
    return rng.choice((words.noun(rng), words.noun(rng), f"{rng.choice(words.adjectives)} {words.noun(rng)}",
                       f"{words.noun(rng)} {rng.choice(words.nouns)}"))  # fmt: skip


def _any(rng: Random, words: Words) -> str:
    kinds = ("person", "company", "building", "product", "project", "place", "animal", "room", "event")
    return make(rng.choice(kinds), rng, words)


def _value(rng: Random, words: Words) -> str:
    kinds = (
        "word",
        "noun",
        "count",
        "code",
        "person",
        "place",
        "title",
        "money",
        "date",
        "time",
        "measure",
        "phrase",
        "email",
        "foreign",
    )
    return make(rng.choice(kinds), rng, words)


_MAKERS: dict[str, Callable[[Random, Words], str]] = {
    "person": lambda r, w: w.person(r) if r.random() < 0.75 else w.first_name(r),
    "place": lambda r, w: w.place(r),
    "title": lambda r, w: w.title(r),
    "noun": lambda r, w: w.noun(r) if r.random() < 0.7 else f"{r.choice(w.adjectives)} {w.noun(r)}",
    "word": lambda r, w: w.word(r),
    "phrase": lambda r, w: " ".join((r.choice(w.adjectives), w.noun(r), r.choice(("and", "of", "for", "with", "in")), w.noun(r))),
    "foreign": lambda r, w: w.foreign(r),
    "colour": lambda r, w: r.choice(_COLOURS) if r.random() < 0.7 else w.word(r),
    "done": lambda r, w: _past(r.choice(w.verbs)),
    "quality": lambda r, w: r.choice(w.adjectives) if r.random() < 0.5 else _past(r.choice(w.verbs)),
    "things": lambda r, w: w.noun(r) + "s",
    "relative": lambda r, _: r.choice(_RELATIVES),
    "name": lambda r, w: w.first_name(r),
    "deed": lambda r, w: r.choice(w.verbs),
    "placing": lambda r, w: r.choice(w.verbs),
    "year": lambda r, _: str(r.randint(1200, 2039)),
    "age": lambda r, _: str(r.randint(1, 120)),
    "floor": lambda r, _: str(r.randint(1, 60)),
    "count": lambda r, w: w.number(r, 6) if r.random() < 0.8 else f"{r.randint(1, 99)},{r.randint(0, 999):03}",
    "measure": lambda r, w: f"{w.number(r, 4)}{r.choice(('', '', '.5'))} {r.choice(_UNITS)}",
    "temperature": lambda r, w: f"{w.number(r, 4)} {r.choice(('degrees', 'degrees Celsius', 'K', 'degrees Fahrenheit'))}",
    "phone": _phone, "money": _money, "date": _date, "time": _time, "email": _email, "code": _code,
    "company": lambda r, w: f"{w.title(r)} {r.choice(_FIRMS)}" if r.random() < 0.7 else w.title(r),
    "building": lambda r, w: _named(r, w, _BUILDINGS),
    "event": lambda r, w: _named(r, w, _EVENTS),
    "animal": lambda r, w: f"the {w.noun(r)} {r.choice(_ANIMALS)}" if r.random() < 0.5 else f"{w.title(r)} the {r.choice(_ANIMALS)}",
    "room": lambda r, w: f"{r.choice(('', '', 'the '))}{r.choice(_ROOMS)} {r.choice((w.number(r, 3), w.title(r), r.choice('ABCDEFG')))}",
    "product": _product, "project": _project, "attribute": _attribute, "any": _any, "value": _value,
}  # fmt: skip


def make(kind: str, rng: Random, words: Words) -> str:
    """Draw a member of a fact."""
    return _MAKERS[kind](rng, words)
