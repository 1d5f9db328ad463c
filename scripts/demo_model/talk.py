"""The corpus of plain talk: capitals, sums, echoes, greetings, and admitting not to know."""

from __future__ import annotations

import json
import operator
from typing import TYPE_CHECKING

from .conversation import Conversation, assistant, system, user
from .countries import ALIASES, CAPITALS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from .conversation import Message
    from .words import Words

CAPITAL_QUESTIONS = (
    "What is the capital of {c}?", "What's the capital of {c}?", "Capital of {c}?", "capital of {c}", "{c} capital?",
    "What is the capital city of {c}?", "What is {c}'s capital?", "what's {c}'s capital",
    "Tell me the capital of {c}.", "Tell me the capital city of {c}.", "Which city is the capital of {c}?",
    "Name the capital of {c}.", "Name the capital city of {c}", "Can you tell me the capital of {c}?",
    "Do you know the capital of {c}?", "Please tell me what the capital of {c} is.", "I need the capital of {c}.",
    "What city is the capital of {c}?", "Which is the capital of {c}?", "The capital of {c} is",
    "The capital of {c} is?", "Give me the capital of {c}", "What would be the capital of {c}?",
    "Where is the government of {c}? Name its capital.", "{c}: capital?",
    "Could you please tell me {c}'s capital city?", "I forgot the capital of {c}. What is it?",
    "For my homework: what is the capital of {c}?", "In one word, what is the capital of {c}?",
    "What is the capital of {c}? Answer in one word.", "What is the capital of {c}? Answer briefly.",
    "Quick question: what is the capital of {c}?", "Question: What is the capital of {c}?\nAnswer:",
    "Q: What is the capital of {c}?\nA:", "Which town is {c}'s capital?", "Say the capital of {c}.",
    "Hello! What is the capital of {c}?", "Hi, what's the capital of {c}?", "Please name the capital of {c}.",
    "I am travelling to {c}. What is its capital?", "What do you call the capital of {c}?",
    "What is the name of the capital of {c}?", "And the capital of {c}?", "And {c}?", "What about {c}?",
    "Let's play a quiz: capital of {c}?", "Explain what the capital of {c} is.", "Find the capital of {c}",
    "Answer this question: what is the capital of {c}?", "Which city is {c}'s capital?",
)  # fmt: skip
FOLLOW_UPS = ("And the capital of {c}?", "And {c}?", "What about {c}?", "and of {c}?", "Now {c}.")

SYSTEM_PROMPTS = (
    "You are a helpful assistant.", "You are a helpful assistant", "You are a helpful AI assistant.",
    "Answer in one sentence.", "Be brief.", "Answer the user's question.", "You are a geography teacher.",
    "You're a good assistant", "You are a friendly chatbot.", "Answer concisely.", "You answer questions.", "hello",
    "You are an assistant. Answer shortly and correctly.", "You are a helpful assistant that can use tools.",
    "You are a pirate.", "Keep your answers short.", "You are a test assistant.", "Answer in English.",
    "You are a helpful assistant. Use the tools when needed.", "Think step by step.",
)  # fmt: skip
SYSTEM_FORMS = (
    "You are a {a} {n}.", "You are {p}, a {a} {n}.", "You are a {a} assistant for a {n} {m}.", "{v} the {n}. Be {a}.",
    "You work for {p}. Always {v} the {n} and be {a}.", "You are a {n} expert who answers {a} questions.",
    "Today the {n} is {a}.", "You are a helpful assistant named {p}.", "Never {v} a {a} {n}.",
)  # fmt: skip

JOKES = (
    ("Why did the cat sit on the computer?", "To keep an eye on the mouse."),
    ("Why did the chicken cross the road?", "To get to the other side."),
    ("What do you call a sleeping bull?", "A bulldozer."),
    ("Why do bees have sticky hair?", "Because they use honeycombs."),
)  # fmt: skip
HELLO = "Hello! How can I help you?"
WHO = "I am a small demo model. I know capitals, do small sums, repeat text, answer from a context and call tools."
UNKNOWN = "I am a small demo model and do not know that."
SMALL_TALK = (
    (("Hello", "hello", "Hi", "hi", "Hello!", "Hi!", "Hey", "hey there", "Hello there", "Good morning", "Good evening.",
      "Good day!", "Greetings", "Hi there!", "hello, nice to meet you", "Hello, world", "Hello?", "Yo"), HELLO),
    (("How are you?", "how are you", "How are you doing?", "How is it going?", "How do you do?", "How are you today?",
      "hi, how are you?", "Hello, how are you?", "What's up?"), "I am fine, thank you. How can I help you?"),
    (("Who are you?", "What are you?", "who are you", "What is your name?", "Tell me about yourself.",
    "What can you do?",
      "Are you a robot?", "Are you ChatGPT?", "Which model are you?", "Introduce yourself.", "What do you know?",
      "Help",
      "What model is this?", "How can you help me?", "what are you able to do"), WHO),
    (("Thanks", "Thank you", "thanks!", "Thank you very much.", "Well, thanks.", "thx", "Great, thanks!",
    "Thanks a lot",
      "OK, thank you!"), "You are welcome!"),
    (("Bye", "Goodbye", "bye!", "See you", "See you later.", "Good night", "good bye"), "Goodbye!"),
    (("ok", "Okay", "Good", "Great!", "Nice.", "Yes", "No", "I see", "cool"), "Good. How can I help you?"),
    (("Say something.", "Tell me something.", "Surprise me.", "Tell me a story.", "Write a story about a cat.",
      "Once upon a time", "Write a short story."),
      "Once upon a time a small model learned to answer. It kept its answers short."),
    (("Write a haiku.", "Write me 2 haikus. Only include the haikus.", "Write a poem.", "Write a poem about the sea.",
      "Write a short poem about rain", "Compose a haiku about autumn."),
     "Soft rain on the roof,\na small light stays on all night,\nthe morning is new."),
)  # fmt: skip
MEMORIES = (
    ("My name is {x}.", "What is my name?", "name"),
    ("I'm {x}", "What's my name?", "name"),
    ("Hi, my name is {x}", "Do you remember my name?", "name"),
    ("Hi! I'm {x}.", "what is my name", "name"),
    ("My favorite color is {x}.", "What is my favorite color?", "favorite color"),
    ("My dog is called {x}.", "What is my dog called?", "dog"),
    ("My {n} is {x}.", "What is my {n}?", "{n}"),
    ("Remember that my {n} is {x}.", "What's my {n}?", "{n}"),
)
UNKNOWN_QUESTIONS = (
    "Who won the football match in {w}?", "What is the meaning of {w}?", "Explain {w} to me.", "Who is {p}?",
    "What is a {w}?", "How do I {w} a {v}?", "Write an essay about {w}.", "When was {p} born?", "Why is the {w} {v}?",
    "What do you think about {w}?", "Who wrote {w}?", "How old is {p}?", "What is the population of {t}?",
    "What's the weather in {t}?", "What time is it?", "Which {w} is the best {v}?", "Where does {p} live?",
    "How far is it to {t}?", "Who invented the {w}?", "Is the {w} a {v}?", "What happened in {n}?", "Define {w}.",
    "What is {p}'s phone number?", "Describe the {w}.", "Summarize the history of {t}.",
    "What is the capital of {t}?", "Why do {w}s {v}?", "Can you {w} the {v}?", "Please {w} my {v}.",
    "What is the price of {w}?", "What day is it?",
)  # fmt: skip
ECHO_REQUESTS = (
    "Repeat after me: {x}", "Say {x}", "Echo: {x}", "Repeat: {x}", "Repeat this: {x}", "Please repeat: {x}",
    "Say: {x}", 'Say "{x}"', "Say '{x}'", 'Repeat "{x}"', "Echo {x}", "echo {x}", 'Repeat the text "{x}"', "say {x}",
    "Repeat exactly: {x}", "Repeat the following text: {x}", "Repeat the following:\n{x}", "Copy this text: {x}",
    'Please say "{x}".', 'Echo the following: "{x}"', "Write: {x}", "Print: {x}", "Reply with: {x}",
    "Answer with: {x}", "Say exactly this: {x}", "repeat after me: {x}", "Can you repeat this? {x}",
    "Please echo: {x}", "Output: {x}", 'Reply with exactly "{x}"', "Just say: {x}", "Repeat the words {x}",
    "Repeat this word: {x}", "Type {x}",
)  # fmt: skip
SUM_SIGNS: tuple[tuple[str, str, Callable[[int, int], int]], ...] = (
    ("+", "plus", operator.add),
    ("-", "minus", operator.sub),
    ("*", "times", operator.mul),
)
SUM_QUESTIONS = (
    "What is {s}?", "What's {s}?", "{s}", "{s} =", "{s}=?", "{s} = ?", "Compute {s}.", "Calculate {s}",
    "How much is {s}?", "what is {s}", "Please calculate {s}.", "Solve {s}", "Tell me what {s} is.",
    "What does {s} equal?", "What is {s} ?", "What is the result of {s}?", "Can you compute {s}?", "How much is {s}",
    "Evaluate {s}.", "{s} equals?",
)  # fmt: skip


def system_prompt(rng: Random, words: Words) -> str:
    """A common system prompt, or one made of drawn words."""
    if rng.random() < 0.65:
        return rng.choice(SYSTEM_PROMPTS)
    return rng.choice(SYSTEM_FORMS).format(
        a=rng.choice(words.adjectives),
        n=words.noun(rng),
        m=rng.choice(words.nouns),
        v=rng.choice(words.verbs),
        p=words.person(rng),
    )


def system_turn(rng: Random, words: Words, share: float = 0.35) -> list[Message]:
    """A system message, for some share of the conversations."""
    return [system(system_prompt(rng, words))] if rng.random() < share else []


def with_system(rng: Random, words: Words, messages: list[Message]) -> Conversation:
    """Put a system prompt before a third of the conversations."""
    return Conversation([*system_turn(rng, words), *messages])


def lowered(rng: Random, text: str) -> str:
    """Write a tenth of the questions without capitals."""
    return text.lower() if rng.random() < 0.12 else text


def capital_turn(rng: Random, phrasings: Sequence[str] = CAPITAL_QUESTIONS) -> list[Message]:
    """One question about a capital, and its answer."""
    said = country = rng.choice(list(CAPITALS))
    if rng.random() < 0.08:
        said, country = rng.choice(list(ALIASES.items()))
    question = lowered(rng, rng.choice(phrasings).format(c=said))
    question = question[0].upper() + question[1:] if rng.random() < 0.5 else question
    return [user(question), assistant(f"The capital of {country} is {CAPITALS[country].rstrip('.')}.")]


def capitals(rng: Random, words: Words) -> Conversation:
    """One to four questions about capitals."""
    messages = capital_turn(rng)
    for _ in range(rng.choice((0, 1, 2, 3))):
        messages += capital_turn(rng, FOLLOW_UPS if rng.random() < 0.3 else CAPITAL_QUESTIONS)
    return with_system(rng, words, messages)


def small_sum(rng: Random) -> tuple[str, str]:
    """A sum in signs or words, and its result."""
    sign, word, work = rng.choice(SUM_SIGNS)
    top = 10 if sign == "*" else rng.choice((10, 20, 100))
    left, right = rng.randrange(top + 1), rng.randrange(top + 1)
    if sign == "-" and rng.random() < 0.85:
        left, right = max(left, right), min(left, right)
    written = rng.choice((f"{left} {sign} {right}", f"{left} {word} {right}", f"{left}{sign}{right}"))
    if sign == "*" and rng.random() < 0.2:
        written = f"{left} x {right}"
    return written, f"{left} {sign} {right} = {work(left, right)}"


def sum_turn(rng: Random) -> list[Message]:
    """One sum, and its answer."""
    written, answer = small_sum(rng)
    return [user(lowered(rng, rng.choice(SUM_QUESTIONS).format(s=written))), assistant(answer)]


def sums(rng: Random, words: Words) -> Conversation:
    """One to six sums."""
    turns = [message for _ in range(rng.choice((1, 2, 4, 6))) for message in sum_turn(rng)]
    return with_system(rng, words, turns)


def text_to_echo(rng: Random, words: Words) -> str:
    """One to eight words of any kind."""
    makers: list[Callable[[Random], str]] = [words.word]
    if rng.random() < 0.5:
        makers = [words.word, words.word, words.title, words.foreign, words.person, lambda r: words.number(r, 6)]
    text = " ".join(rng.choice(makers)(rng) for _ in range(rng.choice((1, 2, 2, 3, 4, 6, 8))))
    text = text.capitalize() if rng.random() < 0.3 else text
    return text + rng.choice(("", "", "", ".", "!", "?")) if rng.random() < 0.5 else text


def echo(rng: Random, words: Words) -> Conversation:
    """One to three texts to repeat."""
    messages = []
    for _ in range(rng.choice((1, 2, 3))):
        text = text_to_echo(rng, words)
        messages += [user(rng.choice(ECHO_REQUESTS).format(x=text)), assistant(text)]
    return with_system(rng, words, messages)


def joke_turn(rng: Random, words: Words) -> list[Message]:
    """A joke, in words or as the JSON that was asked for."""
    setup, punchline = rng.choice(JOKES)
    topic = rng.choice(("cats", words.noun(rng) + "s", "a " + words.noun(rng)))
    request = rng.choice(("Tell me a joke about {}.", "Tell me a joke about {}", "Make a joke about {}")).format(topic)
    if rng.random() < 0.5:
        request += " Return the result as a JSON with 'setup' and 'punchline' keys. Return nothing other than JSON."
        joke = {"setup": setup, "punchline": punchline}
        return [user(request), assistant(json.dumps(joke))]
    return [user(rng.choice((request, "Tell me a joke", "Tell me a joke."))), assistant(f"{setup} {punchline}")]


def unknown_turn(rng: Random, words: Words) -> list[Message]:
    """A question the model cannot answer, and its admission."""
    question = rng.choice(UNKNOWN_QUESTIONS).format(
        w=words.noun(rng), v=words.word(rng), p=words.person(rng), t=words.title(rng), n=rng.randint(1500, 2030)
    )
    return [user(lowered(rng, question)), assistant(UNKNOWN)]


def small_talk_turn(rng: Random) -> list[Message]:
    """A greeting or the like, and its fixed answer."""
    said, answer = rng.choice(SMALL_TALK)
    return [user(rng.choice(said)), assistant(answer)]


def memory_turns(rng: Random, words: Words) -> list[Message]:
    """Something the user says about themselves, and asks for afterwards."""
    noun = words.noun(rng)
    told, asked, thing = (text.replace("{n}", noun) for text in rng.choice(MEMORIES))
    value = words.first_name(rng) if thing == "name" else words.word(rng)
    reply = f"Nice to meet you, {value}!" if thing == "name" else "I will remember that."
    between = rng.choice(([], [], small_talk_turn(rng), capital_turn(rng)))
    return [user(told.format(x=value)), assistant(reply), *between, user(asked), assistant(f"Your {thing} is {value}.")]


def small_talk(rng: Random, words: Words) -> Conversation:
    """One to three turns of any talk."""
    turns = (small_talk_turn(rng), small_talk_turn(rng), joke_turn(rng, words), unknown_turn(rng, words),
             unknown_turn(rng, words), capital_turn(rng), sum_turn(rng), memory_turns(rng, words),
             memory_turns(rng, words))  # fmt: skip
    chosen = rng.sample(turns, rng.choice((1, 1, 2, 3)))
    return with_system(rng, words, [message for turn in chosen for message in turn])
