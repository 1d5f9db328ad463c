"""The corpus of questions about a given context: the answer is the sentence of the context that says it.

A whole sentence, because it mostly begins with what the question names: a small model copies on from there far more
surely than it jumps to a bare value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .conversation import Conversation, assistant, system, user
from .kinds import make
from .prompts import (
    CONDENSE,
    LLAMA_INDEX,
    LLAMA_INDEX_SYSTEM,
    PLAIN_SENTENCES,
    QUESTIONS,
    REFINE,
    SYSTEM_CONTEXTS,
)
from .relations import RELATIONS, Relation
from .talk import system_turn

if TYPE_CHECKING:
    from random import Random

    from .conversation import Message
    from .words import Words

_POLITE = ("Please tell me: ", "I want to know: ", "According to the text, ", "Can you tell me: ", "Hey, ", "Tell me, ")
LEADS = (*[""] * len(_POLITE), *_POLITE)
FILLERS = (
    "The {n} near the {m} is {a}.", "Many {n}s are {a} in winter.", "{p} likes to {v} the {n}.",
    "There is a {a} {n} behind the {m}.", "Nobody knows why the {n} is {a}.", "Please {v} the {n} before noon.",
    "A {a} {n} is better than a {b} {m}.", "{t} is a {a} place with a {n}.", "In {t} they {v} every {n}.",
    "The {a} {n} and the {b} {m} are for sale.", "{p} saw the {n} last week.", "It was a {a} day.",
    "Visitors often {v} the {m} and admire its {a} {n}.", "The {n} needs a {a} {m}.", "More {n}s will follow soon.",
    "Chapter {d}: the {n}.", "Some say that {t} has {d} {n}s, but they are {a}.",
    "The {m} can {v} and {w} the {n} without any {b} help.",
)  # fmt: skip
# All subjects of a context share these, so that only the subject tells its facts apart.
SHARED_KINDS = ("attribute", "deed", "placing", "done", "quality", "things", "relative")
SUBJECT_FIRST = 0.75
DONT_KNOW = "I don't know."


@dataclass(frozen=True)
class Fact:
    """One row of a relation."""

    relation: Relation
    members: tuple[str, ...]

    def say(self, rng: Random) -> str:
        """State it in one sentence."""
        forms = self.relation.statements
        # As in most prose, the subject usually comes first.
        if rng.random() < SUBJECT_FIRST:
            forms = tuple(form for form in forms if form.startswith("{0}")) or forms
        return sentence(rng.choice(forms).format(*self.members))

    def say_again(self, rng: Random) -> str:
        """State it after its subject was named, by a pronoun."""
        he, his = rng.choice((("He", "His"), ("She", "Her"))) if self.relation.kinds[0] == "person" else ("It", "Its")
        if self.relation.kinds[0] == "any" or rng.random() < 0.8:
            return self.say(rng)
        text = rng.choice([text for text in self.relation.statements if text.startswith(("{0} ", "{0}'s"))])
        text = text.replace("{0}'s", his, 1).replace("{0}", he, 1)
        return text.format(*self.members)


def sentence(text: str) -> str:
    """Begin with a capital."""
    return text[0].upper() + text[1:]


def called(rng: Random, subject: str, others: list[str]) -> str:
    """A shorter or turned name of a subject, if that still tells it from the others."""
    words = subject.split()
    names = [subject, subject]
    if len(words) == 4 and words[0] == "the":
        _, kind, _, name = words
        names = [f"the {kind} in {name}", f"the {name} {kind}", f"{name}'s {kind}", f"the {kind} of {name}"]
    elif len(words) == 3 and words[0] == "the":
        names = [f"{words[1]} {words[2]}", f"the {words[2]} {words[1]}", subject]
    elif len(words) == 2 and subject.istitle():
        names = [*words, subject]
    name = rng.choice(names)
    distinct = not any(word in other for word in name.split() if word.istitle() for other in others)
    return name if distinct else subject


def _rows(rng: Random, words: Words, relation: Relation, subjects: list[str]) -> list[Fact]:
    shared = {kind: make(kind, rng, words) for kind in SHARED_KINDS}
    facts = []
    for subject in subjects:
        values = [shared.get(kind) or make(kind, rng, words) for kind in relation.kinds[1:]]
        facts.append(Fact(relation, (subject, *values)))
    return facts


def draw_facts(rng: Random, words: Words) -> list[list[Fact]]:
    """One to five subjects of one kind, each with facts in one to three relations."""
    first = rng.choice(RELATIONS)
    kin = [relation for relation in RELATIONS if relation.kinds[0] == first.kinds[0] and relation is not first]
    relations = [first, *rng.sample(kin, min(len(kin), rng.choice((0, 0, 1, 1, 2))))]
    subjects = list(dict.fromkeys(make(first.kinds[0], rng, words) for _ in range(rng.choice((1, 2, 2, 3, 3, 4, 5)))))
    columns = [_rows(rng, words, relation, subjects) for relation in relations]
    return [[column[row] for column in columns] for row in range(len(subjects))]


def filler(rng: Random, words: Words) -> str:
    """A sentence that answers nothing."""
    noun, other = rng.choice(words.nouns), rng.choice(words.nouns)
    if rng.random() < 0.35:
        return rng.choice(PLAIN_SENTENCES)
    return sentence(rng.choice(FILLERS).format(
        n=noun, m=other, a=rng.choice(words.adjectives), b=rng.choice(words.adjectives), v=rng.choice(words.verbs),
        w=rng.choice(words.verbs), p=words.person(rng), t=words.title(rng), d=rng.randint(2, 99)))  # fmt: skip


@dataclass(frozen=True)
class Told:
    """Documents that tell facts, and the sentence in which each fact (by its id) is told."""

    documents: list[str]
    sentences: dict[int, str]


def _joined(rng: Random, row: list[Fact]) -> list[tuple[str, list[Fact]]]:
    first, *others = rng.sample(row, len(row))
    said = [(first.say(rng), [first])]
    for fact in others:
        text, facts = said[-1]
        ends = [form.removeprefix("{0}") for form in fact.relation.statements if form.startswith("{0} ")]
        if ends and text.startswith((sentence(fact.members[0]) + " ", "It ", "He ", "She ")) and rng.random() < 0.3:
            ending = rng.choice((" and", " and", ", and")) + rng.choice(ends).format(*fact.members)
            said[-1] = (text.removesuffix(".") + ending, [*facts, fact])
        else:
            said.append((fact.say_again(rng), [fact]))
    return said


def tell(rng: Random, words: Words, rows: list[list[Fact]], fillers: int) -> Told:
    """One document for each subject, with sentences that answer nothing among them."""
    told = [_joined(rng, row) for row in rows]
    sentences = {id(fact): text for row in told for text, facts in row for fact in facts}
    documents = [[text for text, _ in row] for row in told]
    for _ in range(fillers):
        document = rng.choice(documents)
        document.insert(rng.choice((0, len(document))), filler(rng, words))
    return Told([" ".join(document) for document in rng.sample(documents, len(documents))], sentences)


def _header(rng: Random, words: Words) -> str:
    path = f"/{words.noun(rng)}/{words.noun(rng)}{rng.choice(('.txt', '.md', '.pdf'))}"
    return rng.choice((f"file_path: {path}\n\n", f"file_name: {path[1:]}\n\n",
    f"page_label: {rng.randint(1, 9)}\nfile_path: {path}\n\n",
                       f"source: {words.noun(rng)}\n\n", f"Title: {words.title(rng)}\n"))  # fmt: skip


def context(rng: Random, words: Words, told: Told) -> str:
    """The documents as one text, with or without metadata."""
    documents = told.documents
    if rng.random() < 0.25:
        documents = [_header(rng, words) + text for text in documents]
    bullet = rng.choice(("", "", "", "", "", "- "))
    return rng.choice(("\n\n", "\n\n", "\n\n", "\n", " ")).join(bullet + text for text in documents)


@dataclass(frozen=True)
class Question:
    """A question, the sentence that answers it, the value in that, and the values of rows it is not about."""

    text: str
    answer: str
    value: str
    wrong: tuple[str, ...]


def _fits(fact: Fact, asked: int, rows: list[list[Fact]]) -> bool:
    # A subject can be asked for only by a value that no other row has.
    values = [other.members[1:] for row in rows for other in row if other.relation is fact.relation]
    return asked != 0 or all(sum(value in among for among in values) == 1 for value in fact.members[1:])


def ask(rng: Random, rows: list[list[Fact]], told: Told) -> Question:
    """Ask for one member of one fact."""
    fact = rng.choice(rng.choice(rows))
    options = [asked for asked in fact.relation.questions if _fits(fact, asked, rows)]
    asked = rng.choices(options, [1 if option == 0 else 4 for option in options])[0]
    members = list(fact.members)
    if rng.random() < 0.25:
        members[0] = called(rng, members[0], [row[0].members[0] for row in rows if row[0].members[0] != members[0]])
    text = rng.choice(LEADS) + rng.choice(fact.relation.questions[asked]).format(*members)
    answer, value = told.sentences[id(fact)], fact.members[asked]
    others = {other.members[asked] for row in rows for other in row if other.relation is fact.relation}
    wrong = tuple(other for other in others if other not in answer and value not in other)
    return Question(_careless(rng, text), answer, value, wrong)


def _careless(rng: Random, text: str) -> str:
    text = sentence(text) if rng.random() < 0.8 else text
    return text.rstrip("?.") if rng.random() < 0.1 else text


def _absent(rng: Random, words: Words, rows: list[list[Fact]]) -> Question:
    fact = rows[0][0]
    stranger = (make(fact.relation.kinds[0], rng, words), *fact.members[1:])
    asked = max(fact.relation.questions)
    return Question(rng.choice(fact.relation.questions[asked]).format(*stranger), DONT_KNOW, DONT_KNOW, ())


def _opening(rng: Random, words: Words, documents: str, question: str) -> list[Message]:
    style = rng.random()
    if style < 0.35:
        lead = [system(LLAMA_INDEX_SYSTEM)] if rng.random() < 0.6 else []
        return [*lead, user(rng.choice(LLAMA_INDEX).format(c=documents, q=question))]
    if style < 0.5:
        return [system(rng.choice(SYSTEM_CONTEXTS).format(c=documents)), user(question)]
    return [*system_turn(rng, words, 0.2), user(rng.choice(QUESTIONS).format(c=documents, q=question))]


def _how_many(rng: Random) -> int:
    return rng.choice((0, 0, 1, 2, 3))


def questions(
    rng: Random, words: Words, turns: int | None = None, fillers: int | None = None, plain: float = 0.0
) -> Conversation:
    """One to four questions about one context, the last one scored.

    `plain` is the share of contexts without any prompt around them.
    """
    rows = draw_facts(rng, words)
    told = tell(rng, words, rows, _how_many(rng) if fillers is None else fillers)
    documents = context(rng, words, told)
    drawn = [ask(rng, rows, told) for _ in range(turns or rng.choice((1, 2, 3, 4)))]
    # The same question again would only be copied from above.
    asked = list({question.answer: question for question in drawn}.values())
    if turns is None and rng.random() < 0.06:
        asked[0] = _absent(rng, words, rows)
    opening = _opening(rng, words, documents, asked[0].text)
    if rng.random() < plain:
        opening = [user(f"{documents}\n\n{asked[0].text}")]
    messages = [*opening, assistant(asked[0].answer)]
    for question in asked[1:]:
        messages += [user(question.text), assistant(question.answer)]
    return Conversation(messages, value=asked[-1].value, wrong=asked[-1].wrong)


def one_question(rng: Random, words: Words) -> Conversation:
    """One question about a context, as a query engine asks it."""
    return questions(rng, words, turns=1)


def many_questions(rng: Random, words: Words) -> Conversation:
    """Many questions about one context: most of its tokens are answers, or choose one."""
    return questions(rng, words, turns=rng.randint(5, 12), fillers=rng.choice((0, 0, 1)), plain=0.85)


def long_questions(rng: Random, words: Words) -> Conversation:
    """Questions about a context of up to a thousand tokens."""
    return questions(rng, words, fillers=rng.randint(6, 36))


def refinement(rng: Random, words: Words) -> Conversation:
    """An existing answer and a further context, which does or does not answer."""
    rows = draw_facts(rng, words)
    told = tell(rng, words, rows, fillers=1)
    question = ask(rng, rows, told)
    documents, existing = context(rng, words, told), DONT_KNOW
    if rng.random() < 0.5:
        documents, existing = " ".join(filler(rng, words) for _ in range(4)), question.answer
    rules, form = rng.choice(REFINE)
    lead = [system(rules)] if rules else []
    return Conversation(
        [*lead, user(form.format(q=question.text, a=existing, c=documents)), assistant(question.answer)]
    )


def condensation(rng: Random, words: Words) -> Conversation:
    """A chat engine's request for a standalone question, which the last question already is."""
    rows = draw_facts(rng, words)
    told = tell(rng, words, rows, fillers=0)
    asked = [ask(rng, rows, told) for _ in range(rng.choice((2, 3)))]
    names = rng.choice((("user", "assistant"), ("Human", "Assistant")))
    history = "\n".join(f"{names[0]}: {old.text}\n{names[1]}: {old.answer}" for old in asked[:-1])
    return Conversation([user(rng.choice(CONDENSE).format(h=history, q=asked[-1].text)), assistant(asked[-1].text)])
