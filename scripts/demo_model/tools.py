"""The corpus of tool use: calling the tool a request is for, and answering from what it gave back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from .conversation import Conversation, assistant, calling, result, system, user
from .facts import filler
from .kinds import make
from .talk import capital_turn, small_talk_turn, sum_turn, system_prompt, text_to_echo, unknown_turn
from .toolbox import Signature, familiar, unfamiliar

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from .conversation import Message, Value
    from .words import Words

AGENT_PROMPTS = (
    "You are a helpful assistant that can use tools.", "You are a helpful assistant.", "Use the tools to answer.",
    "You are an agent. Call one of the tools, then answer.",
    "You are a helpful assistant that can multiply and add numbers.",
    "You are a helpful assistant that uses the tools it is given.", "You are a calculator.",
    "You are a weather assistant.", "Always use a tool.", "You have access to tools. Use them.",
)  # fmt: skip
TAILS = (
    "", "", "", "", " Use the tool.", " - use the tool.", " Use a tool.", " Please use the tool.", " using the tool",
    " Call the tool.",
)  # fmt: skip
LEADS = (
    "",
    "",
    "",
    "",
    "Please ",
    "Can you ",
    "I want you to ",
    "Could you ",
    "Hi, ",
    "Now ",
    "I need to ",
    "I would like to ",
)
# {v} is the tool's verb, {n} its noun, {f} its name, {x} the values.
SUBJECTS = (
    "{v} the {n}", "{v} a {n}", "{v} {n}", "use {f}", "call {f}", "run {f}", "use the tool {f}", "use the {f} tool",
    "{v} this {n}",
)  # fmt: skip
POSITIONAL = (
    "{v} {x}", "{v} the {n} {x}", "{v} {n} {x}", "{v} a {n} named {x}", "{v} a {n} for {x}", "use {f} with {x}",
    "{f} {x}", "{v} the {n} of {x}", "call {f} with {x}", "{v} {x} with the {n}", "use {f} for {x}",
    "{v} a {n} called {x}", "{v} the {n}: {x}",
)  # fmt: skip
NATURAL_QUESTIONS = (
    "What is the {n} of {x}?", "What is the {n} for {x}?", "Show me the {n} of {x}", "What's the {n} in {x}?",
    "What {n} does {x} have?", "Tell me the {n} of {x}.", "What is {x}'s {n}?", "Which {n} has {x}?",
    "I need the {n} for {x}", "How is the {n} in {x}?",
)  # fmt: skip
AS_CODE = (
    "What is the value of {}? Use the tool.", "Call {}.", "{}", "Run {}", "What is {}?", "Please call {}",
    "Execute {}.",
)  # fmt: skip
LABELS = (
    (" ", " and "), (" ", ", "), ("=", ", "), (": ", ", "), (" is ", " and "), (" = ", ", "), (" set to ", " and "),
    (" of ", " and "),
)  # fmt: skip
PREPOSITIONS = (
    "in", "for", "to", "from", "at", "on", "with", "by", "of", "named", "called", "titled", "about", "and", "as",
    "until", ",",
)  # fmt: skip
# What tools say: {x} is an argument, {w} a word, {n} a noun, {t} a title, {p} a person, {d} a number.
RESULTS = (
    "It's {w}.", "It is {d} degrees and {w} in {x}.", "Created {n}: {x} - {w}", "The {n} of {x} is {w}.",
    "The weather in {x} is {w}.", "Done: {x}.", "That's a {w} {n}!", "{t} {w} {n} {x}", "{p} has {d} {n}s.",
    "Error: the {n} is {w}.", "Error: Missing required argument '{n}'.", "It is {w} in {x} and the {n} is {d}.",
    "{x}: {w}, {d}C", "{n} {x} was {w}.",
)  # fmt: skip


def spoken(value: Value) -> str:
    """A value as a user writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"{', '.join(value[:-1])} and {value[-1]}"
    return str(value)


def _quoted(rng: Random, value: Value) -> str:
    text = spoken(value)
    return rng.choice((text, text, text, f"'{text}'", f'"{text}"')) if isinstance(value, str) else text


def _labelled(rng: Random, arguments: dict[str, Value]) -> str:
    spaced = rng.random() < 0.5
    link, end = rng.choice(LABELS)
    parts = [
        f"{name.replace('_', ' ') if spaced else name}{link}{_quoted(rng, value)}" for name, value in arguments.items()
    ]
    if end == " and ":
        return ", ".join(parts[:-1]) + end + parts[-1] if len(parts) > 1 else parts[0]
    return end.join(parts)


def _called(rng: Random, tool: Signature, arguments: dict[str, Value]) -> str:
    named = rng.random() < 0.4
    written = {name: json.dumps(v) if isinstance(v, list) else _quoted(rng, v) for name, v in arguments.items()}
    inner = ", ".join(f"{name}={text}" if named else text for name, text in written.items())
    return rng.choice(AS_CODE).format(f"{tool.name}({inner})")


def _in_prose(rng: Random, tool: Signature, arguments: dict[str, Value]) -> str:
    parts = list(arguments.items())
    # Values of different types cannot be mistaken for one another, whatever their order.
    if len({type(value) for value in arguments.values()}) == len(parts):
        rng.shuffle(parts)
    said = [_counted(rng, name, value) for name, value in parts]
    start = rng.choice(("{v} a {n}", "{v} the {n}", "{v} {n}", "{v} one {n}"))
    return start.format(v=tool.verb, n=tool.noun) + "".join(
        f" {rng.choice(PREPOSITIONS)} {text}" for text in said
    ).replace(" ,", ",")


def _counted(rng: Random, name: str, value: Value) -> str:
    named = isinstance(value, int) and not isinstance(value, bool) and rng.random() < 0.5
    return f"{value} {name.replace('_', ' ')}" if named else _quoted(rng, value)


def _asked(rng: Random, tool: Signature, arguments: dict[str, Value]) -> str:
    value = _quoted(rng, next(iter(arguments.values())))
    return rng.choice(NATURAL_QUESTIONS).format(n=tool.noun, x=value)


def _bare(rng: Random, tool: Signature, arguments: dict[str, Value]) -> str:
    if len(arguments) > 1 and rng.random() < 0.6:
        return _in_prose(rng, tool, arguments)
    if all(isinstance(value, str) for value in arguments.values()) and len(arguments) == 1 and rng.random() < 0.3:
        return _asked(rng, tool, arguments)
    values = " and ".join(_quoted(rng, value) for value in arguments.values())
    return rng.choice(POSITIONAL).format(v=tool.verb, n=tool.noun, f=tool.name, x=values)


def _subject(rng: Random, tool: Signature) -> str:
    return rng.choice(SUBJECTS).format(v=tool.verb, n=tool.noun, f=tool.name)


def _unfamiliar_request(rng: Random, tool: Signature, arguments: dict[str, Value]) -> str:
    complete = len(arguments) == len(tool.parameters)
    style = rng.random()
    if complete and style < 0.2:
        return _called(rng, tool, arguments)
    if not arguments:
        return rng.choice(LEADS) + _subject(rng, tool) + rng.choice((".", "", "!", " now."))
    # "a and b and c" does not say where one list ends.
    mixed = len(arguments) > 1 and any(isinstance(value, list) for value in arguments.values())
    if complete and style < 0.6 and len(arguments) <= 3 and not mixed:
        return rng.choice(LEADS) + _bare(rng, tool, arguments) + rng.choice((".", "", ""))
    join = rng.choice((" with ", " with ", " where ", ": ", " using ", " for ", ", ", " (", "\n"))
    end = ")" if join == " (" else rng.choice((".", ""))
    return rng.choice(LEADS) + _subject(rng, tool) + join + _labelled(rng, arguments) + end


def _familiar_request(rng: Random, words: Words, tool: Signature, arguments: dict[str, Value]) -> str:
    values = [("on" if value else "off") if isinstance(value, bool) else spoken(value) for value in arguments.values()]
    return rng.choice(tool.requests).format(*values, w=words.title(rng))


def _arguments(rng: Random, words: Words, tool: Signature) -> dict[str, Value]:
    given = [parameter for parameter in tool.parameters if parameter.required or rng.random() < 0.5]
    return {parameter.name: parameter.draw(rng, words) for parameter in given}


def request(rng: Random, words: Words, tool: Signature) -> tuple[str, dict[str, Value]]:
    """What a user says to have a tool called, and the arguments it is to be called with."""
    arguments = _arguments(rng, words, tool)
    if tool.requests:
        text = _familiar_request(rng, words, tool, arguments)
    else:
        text = _unfamiliar_request(rng, tool, arguments)
    text = text[0].upper() + text[1:] if rng.random() < 0.85 else text
    return text + (rng.choice(TAILS) if "tool" not in text else ""), arguments


def _scalar(rng: Random, words: Words) -> str | int:
    return rng.choice((make("value", rng, words), words.word(rng), int(words.number(rng, 5)), rng.randint(0, 100)))


def tool_result(rng: Random, words: Words, arguments: dict[str, Value]) -> tuple[str, str]:
    """What a tool gave back, and the answer it leads to.

    A sentence is the answer; a value becomes "The result is ..."; an object says each of its keys.
    """
    style = rng.random()
    if style < 0.35:
        return _object_result(rng, words)
    if style < 0.6:
        sky = f"{rng.randint(-20, 110)}F and {words.word(rng)}"
        value = rng.choice((make("value", rng, words), words.number(rng, 6), sky))
        return value, f"The result is {value}."
    text = _sentence_result(rng, words, spoken(rng.choice([*arguments.values(), words.word(rng)])))
    return text, text


def _object_result(rng: Random, words: Words) -> tuple[str, str]:
    values = {words.noun(rng): _scalar(rng, words) for _ in range(rng.choice((1, 2, 2, 3)))}
    if rng.random() < 0.4:
        values = {"result": _scalar(rng, words)}
    said = [f"the {key} is {spoken(value)}" for key, value in values.items()]
    text = ", ".join(said[:-1]) + " and " + said[-1] if len(said) > 1 else said[0]
    return json.dumps(values, ensure_ascii=False), f"{text[0].upper()}{text[1:]}."


def _sentence_result(rng: Random, words: Words, value: str) -> str:
    form = rng.choice((*RESULTS, filler(rng, words).replace("{", "").replace("}", "")))
    return form.format(
        x=value, w=words.word(rng), n=words.noun(rng), t=words.title(rng), p=words.person(rng), d=rng.randint(-20, 40)
    )


def draw_tools(rng: Random, words: Words, share_familiar: float = 0.35) -> list[Signature]:
    """One to four tools of different names."""
    makers = [familiar if rng.random() < share_familiar else unfamiliar for _ in range(rng.choice((1, 1, 2, 2, 3, 4)))]
    drawn = {tool.name: tool for tool in (maker(rng, words) for maker in makers)}
    return [tool for tool in drawn.values() if not _overshadowed(tool, drawn)]


def _overshadowed(tool: Signature, drawn: dict[str, Signature]) -> bool:
    # Two tools with the same requests, or the same verb and noun, cannot be told apart.
    earlier = list(drawn.values())[: list(drawn).index(tool.name)]
    return any(_rivals(tool, other) for other in earlier)


def _rivals(tool: Signature, other: Signature) -> bool:
    if tool.requests and other.requests:
        return bool({r.split("{")[0] for r in tool.requests} & {r.split("{")[0] for r in other.requests})
    return bool(tool.verb) and (tool.verb == other.verb or tool.noun == other.noun)


def _used(rng: Random, words: Words, tools: Sequence[Signature]) -> list[Message]:
    tool = rng.choice(tools)
    text, arguments = request(rng, words, tool)
    return [user(text), calling(tool.name, arguments)]


def _answered(rng: Random, words: Words, tools: Sequence[Signature]) -> list[Message]:
    asked, called = _used(rng, words, tools)
    given, answer = tool_result(rng, words, called["tool_calls"][0]["function"]["arguments"])
    return [asked, called, result(given), assistant(answer)]


def _unneeded(rng: Random, words: Words, tools: Sequence[Signature]) -> list[Message]:
    adds = any(parameter.kind == "small" for tool in tools for parameter in tool.parameters)
    turns = [capital_turn(rng), capital_turn(rng), small_talk_turn(rng), small_talk_turn(rng), _echoed(rng, words)]
    familiar_tools = any(tool.requests for tool in tools)
    return rng.choice(
        [*turns, *([] if adds else [sum_turn(rng)]), *([] if familiar_tools else [unknown_turn(rng, words)])]
    )


def _echoed(rng: Random, words: Words) -> list[Message]:
    text = text_to_echo(rng, words)
    return [user(f"{rng.choice(('Repeat after me:', 'Say:', 'Echo:'))} {text}"), assistant(text)]


def _with_system(rng: Random, words: Words) -> list[Message]:
    prompt = rng.choice(AGENT_PROMPTS) if rng.random() < 0.4 else system_prompt(rng, words)
    return [system(prompt)] if rng.random() < 0.35 else []


def call_among(rng: Random, words: Words, tools: Sequence[Signature]) -> Conversation:
    """One request for one of these tools."""
    return Conversation([*_with_system(rng, words), *_used(rng, words, tools)], [tool.tool() for tool in tools])


def one_call(rng: Random, words: Words) -> Conversation:
    """One request for one of some tools."""
    return call_among(rng, words, draw_tools(rng, words))


def calls(rng: Random, words: Words) -> Conversation:
    """One to three turns under the same tools, with or without use for them, the last one a call."""
    tools = draw_tools(rng, words)
    turns = [rng.choice((_answered, _answered, _unneeded))(rng, words, tools) for _ in range(rng.choice((0, 1, 1, 2)))]
    before = [message for turn in turns for message in turn]
    return Conversation(
        [*_with_system(rng, words), *before, *_used(rng, words, tools)], [tool.tool() for tool in tools]
    )


def many_calls(rng: Random, words: Words) -> Conversation:
    """Several calls under the same tools, each answered."""
    tools = draw_tools(rng, words)
    turns = [_answered(rng, words, tools) for _ in range(rng.randint(2, 4))]
    return Conversation([message for turn in turns for message in turn], [tool.tool() for tool in tools])


def answers(rng: Random, words: Words) -> Conversation:
    """One or two calls, each answered from what the tool gave back."""
    tools = draw_tools(rng, words)
    turns = [_answered(rng, words, tools) for _ in range(rng.choice((1, 1, 2)))]
    return Conversation(
        [*_with_system(rng, words), *(m for turn in turns for m in turn)], [tool.tool() for tool in tools]
    )


def json_answers(rng: Random, words: Words) -> Conversation:
    """A call answered with the JSON that the system message asks for, as an agent with a response format does."""
    tools = draw_tools(rng, words)
    asked, called = _used(rng, words, tools)
    values = {words.noun(rng): _scalar(rng, words) for _ in range(rng.choice((1, 2, 2, 3)))}
    text = json.dumps(values, ensure_ascii=False)
    schema = json.dumps({"properties": {key: {"type": json_type(value)} for key, value in values.items()}})
    order = rng.choice(
        (f"Answer in JSON with the keys {', '.join(values)}.", "Answer in JSON.", f"Answer in JSON: {schema}")
    )
    messages = [system(order), asked, called, result(text), assistant(text)]
    return Conversation(messages, [tool.tool() for tool in tools])


def json_type(value: Value) -> str:
    """JSON Schema's name for a value that is a word or a whole number."""
    return "integer" if isinstance(value, int) else "string"


def restraint(rng: Random, words: Words) -> Conversation:
    """A turn that needs none of the tools on offer."""
    tools = draw_tools(rng, words)
    return Conversation([*_with_system(rng, words), *_unneeded(rng, words, tools)], [tool.tool() for tool in tools])
