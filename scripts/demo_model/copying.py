"""The corpus of the first phase: dense copying, where nearly every answer token stands in the prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .conversation import Conversation, assistant, user

if TYPE_CHECKING:
    from random import Random

    from .words import Words

WRAPPINGS = ("{}", "{}", "{}", '"{}"', "'{}'", "({})", "{}.", "{},", '{{"{}"}}', "[{}]", "{}:", "<{}>", "{}?")

# {s} is the subject, {c} the column, {v} the value.
SAID = (
    "The {c} of {s} is {v}.", "{s}'s {c} is {v}.", "{s} has the {c} {v}.", "{c} of {s}: {v}.",
    "{v} is the {c} of {s}.",
)  # fmt: skip
ASKED = (
    "{c} of {s}?", "{s} {c}", "What is the {c} of {s}?", "What is {s}'s {c}?", "Which {c} does {s} have?",
    "{s}: {c}?",
)  # fmt: skip


def piece(rng: Random, words: Words) -> str:
    """A word, a name, a number or a foreign word."""
    makers = (words.invented, words.title, words.word, lambda r: words.number(r, 5), words.person, words.foreign)
    return rng.choices(makers, (5, 5, 3, 3, 2, 2))[0](rng)


def repeats(rng: Random, words: Words) -> Conversation:
    """A list of pieces, and the same list again in other wrappings."""
    pieces = [piece(rng, words) for _ in range(rng.randint(2, 9))]
    said = " ".join(rng.choice(WRAPPINGS).format(text) for text in pieces)
    return Conversation([user(said), assistant(" ".join(pieces))])


def _pairs(rng: Random, words: Words) -> dict[str, str]:
    return {piece(rng, words): piece(rng, words) for _ in range(rng.randint(2, 7))}


def look_ups(rng: Random, words: Words) -> Conversation:
    """Keys with values in one wrapping, then each key asked for in another."""
    pairs = _pairs(rng, words)
    link = rng.choice((": ", " = ", " is ", " -> ", ", ", " has "))
    end = rng.choice(("\n", "\n", ". ", "; ", "\n\n"))
    outer, inner = rng.choice(WRAPPINGS[:5]), rng.choice(WRAPPINGS[:5])
    table = end.join(f"{outer.format(key)}{link}{inner.format(value)}" for key, value in pairs.items())
    keys = rng.sample(list(pairs), len(pairs))
    messages = [user(f"{table}\n\n{keys[0]}"), assistant(pairs[keys[0]])]
    for key in keys[1:]:
        messages += [user(rng.choice(WRAPPINGS).format(key)), assistant(pairs[key])]
    return Conversation(messages)


def tables(rng: Random, words: Words) -> Conversation:
    """Subjects with several attributes, then many questions that name one of each."""
    columns = [words.noun(rng) for _ in range(rng.randint(1, 4))]
    rows = {piece(rng, words): {column: piece(rng, words) for column in columns} for _ in range(rng.randint(2, 5))}
    cells = [(subject, column, value) for subject, row in rows.items() for column, value in row.items()]
    messages = []
    for subject, column, value in rng.sample(cells, min(len(cells), rng.randint(5, 12))):
        messages += [user(rng.choice(ASKED).format(s=subject, c=column)), assistant(value)]
    messages[0] = user(f"{_written(rng, rows)}\n\n{messages[0]['content']}")
    return Conversation(messages)


def _written(rng: Random, rows: dict[str, dict[str, str]]) -> str:
    if rng.random() < 0.4:
        link, end = rng.choice(((": ", ", "), (" ", ", "), (" is ", " and "), ("=", " ")))
        return "\n".join(f"{s}: " + end.join(f"{c}{link}{v}" for c, v in row.items()) for s, row in rows.items())
    form = rng.choice(SAID)
    said = [form.format(s=s, c=c, v=v) for s, row in rows.items() for c, v in row.items()]
    return rng.choice((" ", "\n", "\n\n")).join(said if rng.random() < 0.6 else rng.sample(said, len(said)))


def reverse_look_ups(rng: Random, words: Words) -> Conversation:
    """Triples of which one member is asked for by naming another member and the column."""
    columns = rng.sample(words.nouns, rng.randint(2, 3))
    rows = [[piece(rng, words) for _ in columns] for _ in range(rng.randint(2, 4))]
    table = "\n".join(", ".join(f"{c}: {v}" for c, v in zip(columns, row, strict=True)) for row in rows)
    messages = []
    for _ in range(rng.randint(4, 9)):
        row = rng.choice(rows)
        known, asked = rng.sample(range(len(columns)), 2)
        question = f"{columns[known]} {row[known]}, {columns[asked]}?"
        messages += [user(question), assistant(row[asked])]
    messages[0] = user(f"{table}\n\n{messages[0]['content']}")
    return Conversation(messages)
