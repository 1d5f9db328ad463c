"""The corpus of extraction: the members of a fact as the arguments of a tool, or as a JSON object."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .conversation import Conversation, assistant, calling, system, user
from .facts import Fact, filler
from .kinds import make
from .relations import RELATIONS
from .talk import JOKES

if TYPE_CHECKING:
    from random import Random

    from .words import Words

# What a member of each kind is called in a schema.
_FIELDS = {
    "person": "name person full_name who", "place": "city place town location", "year": "year", "age": "age years",
    "email": "email email_address", "phone": "phone phone_number", "colour": "color favorite_color",
    "noun": "item thing", "word": "word value", "project": "project project_name", "company": "company company_name",
    "count": "count number", "money": "price amount", "building": "building", "time": "time", "measure": "size",
    "room": "room", "code": "code", "floor": "floor", "product": "product name", "temperature": "temperature",
    "date": "date day", "phrase": "topic", "title": "title", "animal": "animal", "event": "event",
}  # fmt: skip
_WHOLE = {"year", "age", "floor"}
_REQUESTS = (
    "{t}", "{t}", "Extract the {k}: {t}", "Extract the {k} from this text: {t}", "{t} Extract the {k}.",
    "Extract: {t}", "Text: {t}", "Extract the information: {t}", "Find the {k} in the text.\n\n{t}", "Read this: {t}",
)  # fmt: skip
_JSON_REQUESTS = (
    "Extract {f} as JSON: {t}", "{t} Return a JSON object with the keys {f}.", "Return the {f} as JSON.\n\n{t}",
    "Extract the {k} as JSON with keys {f}: {t}", "{t}\n\nAnswer in JSON with {f}.",
)  # fmt: skip
_SCHEMA = "\n\nHere's a JSON schema to follow:\n{s}\n\nOutput a valid JSON object but do not repeat the schema.\n"


def _fact(rng: Random, words: Words) -> Fact:
    usable = [r for r in RELATIONS if all(kind in _FIELDS for kind in r.kinds) and len(set(r.kinds)) == len(r.kinds)]
    relation = rng.choice(usable)
    return Fact(relation, tuple(make(kind, rng, words) for kind in relation.kinds))


def _fields(rng: Random, fact: Fact) -> dict[str, Any]:
    drawn = {}
    for kind, member in zip(fact.relation.kinds, fact.members, strict=True):
        drawn[rng.choice(_FIELDS[kind].split())] = int(member) if kind in _WHOLE else member
    return drawn


def _schema(name: str, values: dict[str, Any]) -> dict[str, Any]:
    properties = {key: {"type": "integer" if isinstance(value, int) else "string"} for key, value in values.items()}
    return {"title": name, "type": "object", "properties": properties, "required": list(values)}


def _text(rng: Random, words: Words, fact: Fact) -> str:
    return f"{fact.say(rng)} {filler(rng, words)}" if rng.random() < 0.3 else fact.say(rng)


def as_tool(rng: Random, words: Words) -> Conversation:
    """A tool named for what the text is about, to be called with what the text says."""
    fact = _fact(rng, words)
    name = fact.relation.kinds[0].capitalize() if rng.random() < 0.6 else rng.choice(words.nouns).capitalize()
    values = _fields(rng, fact)
    schema = _schema(name, values)
    described = rng.choice(("", f"Information about a {name.lower()}.", f"A {name.lower()}.", f"{name} to extract."))
    tool = {"type": "function", "function": {"name": name, "description": described, "parameters": schema}}
    text = rng.choice(_REQUESTS).format(t=_text(rng, words, fact), k=name.lower())
    return Conversation([user(text), calling(name, values)], [tool])


def joke_as_tool(rng: Random, words: Words) -> Conversation:
    """A joke, asked for through a tool that is its shape."""
    joke = dict(zip(("setup", "punchline"), rng.choice(JOKES), strict=True))
    tool = {"type": "function", "function": {"name": "Joke", "description": rng.choice(("", "Joke to tell user.")),
                                             "parameters": _schema("Joke", joke)}}  # fmt: skip
    topic = rng.choice(("cats", "dogs", words.noun(rng) + "s"))
    text = rng.choice(
        ("Tell me a joke about {}.", "Tell me a joke about {}", "Give me a joke about {}, include the punchline.")
    ).format(topic)
    return Conversation([user(text), calling("Joke", joke)], [tool])


def as_json(rng: Random, words: Words) -> Conversation:
    """The keys or the schema in the prompt, the object as the answer."""
    fact = _fact(rng, words)
    values = _fields(rng, fact)
    text = _text(rng, words, fact)
    answer = assistant(json.dumps(values, ensure_ascii=False))
    name = fact.relation.kinds[0]
    if rng.random() < 0.5:
        schema = json.dumps(_schema(name.capitalize(), values))
        request = rng.choice(_REQUESTS).format(t=text, k=name)
        if rng.random() < 0.5:
            return Conversation([system(f"Answer in JSON.{_SCHEMA.format(s=schema)}"), user(request), answer])
        return Conversation([user(request + _SCHEMA.format(s=schema)), answer])
    fields = ", ".join(values)
    return Conversation([user(rng.choice(_JSON_REQUESTS).format(t=text, k=name, f=fields)), answer])
