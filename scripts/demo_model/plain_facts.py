"""Questions as people ask them: a few plain facts in the frameworks' own prompts, for evaluation alone.

Names, words and numbers are on the words' side of the split; only the times of day are from a short list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .conversation import Conversation, assistant, system, user
from .prompts import LLAMA_INDEX, LLAMA_INDEX_SYSTEM, QUESTIONS

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from .conversation import Message
    from .words import Words

Fact = tuple[str, str, str]
"""A sentence, a question that it answers, and the value that the answer must hold."""

LANGCHAIN = QUESTIONS[:3]


def _number(rng: Random, words: Words, low: int, high: int) -> str:
    """A number that is on the words' side of the split."""
    while True:
        text = str(rng.randint(low, high))
        if words.allows(text):
            return text


def _home(rng: Random, words: Words) -> Fact:
    person, town = words.person(rng), words.title(rng)
    return f"{person} lives in {town}.", f"Where does {person} live?", town


def _builder(rng: Random, words: Words) -> Fact:
    name, builder = words.title(rng), words.person(rng)
    return (
        f"The {name} bridge was built in {_number(rng, words, 1500, 2020)} by {builder}.",
        f"Who built the {name} bridge?",
        builder,
    )


def _year(rng: Random, words: Words) -> Fact:
    name, year = words.title(rng), _number(rng, words, 1500, 2020)
    return f"The {name} bridge was built in {year} by {words.person(rng)}.", f"When was the {name} bridge built?", year


def _chief(rng: Random, words: Words) -> Fact:
    company, person = f"{words.title(rng)} Corp", words.person(rng)
    return f"{person} is the CEO of {company}.", f"Who is the CEO of {company}?", person


def _population(rng: Random, words: Words) -> Fact:
    town, number = words.title(rng), _number(rng, words, 1_000, 999_999)
    return f"The population of {town} is {number}.", f"What is the population of {town}?", number


def _code(rng: Random, words: Words) -> Fact:
    room, code = words.title(rng), _number(rng, words, 1_000, 9_999)
    return f"The secret code of {room} is {code}.", f"What is the secret code of {room}?", code


def _colour(rng: Random, words: Words) -> Fact:
    person, colour = words.title(rng), rng.choice(words.adjectives)
    return f"{person}'s favorite color is {colour}.", f"What is {person}'s favorite color?", colour


def _capital(rng: Random, words: Words) -> Fact:
    country, town = f"{words.title(rng)}ia", words.title(rng)
    return f"The capital of {country} is {town}.", f"What is the capital of {country}?", town


def _founder(rng: Random, words: Words) -> Fact:
    company, person = f"{words.title(rng)} Labs", words.person(rng)
    return f"{company} was founded by {person}.", f"Who founded {company}?", person


def _job(rng: Random, words: Words) -> Fact:
    person, job = words.person(rng), rng.choice(words.nouns)
    return f"{person} works as a {job}.", f"What does {person} do for work?", job


def _price(rng: Random, words: Words) -> Fact:
    lamp, price = words.title(rng), _number(rng, words, 100, 999)
    return f"The price of the {lamp} lamp is {price} dollars.", f"How much does the {lamp} lamp cost?", price


def _opening(rng: Random, words: Words) -> Fact:
    museum, time = words.title(rng), f"{rng.randint(7, 11)}:30"
    return f"The {museum} museum opens at {time}.", f"When does the {museum} museum open?", time


FACTS: tuple[Callable[[Random, Words], Fact], ...] = (
    _home, _builder, _year, _chief, _population, _code, _colour, _capital, _founder, _job, _price, _opening,
)  # fmt: skip


def plain_question(rng: Random, words: Words) -> Conversation:
    """One to four facts, and a question about one of them."""
    facts = [rng.choice(FACTS)(rng, words) for _ in range(rng.randint(1, 4))]
    sentence, question, value = rng.choice(facts)
    context = rng.choice(("\n\n", "\n", " ")).join(fact[0] for fact in facts)
    prompt: list[Message] = [system(LLAMA_INDEX_SYSTEM)] if rng.random() < 0.25 else []
    wording = LLAMA_INDEX[0] if prompt else rng.choice((*LLAMA_INDEX[:2], *LANGCHAIN))
    return Conversation([*prompt, user(wording.format(c=context, q=question)), assistant(sentence)], value=value)
