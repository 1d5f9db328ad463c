"""Runs the main job on the bundled model: no key, no network, no download.

usage: make demo            (or: python scripts/demo.py, where multillm-plugins[dev] is installed)

Every answer is real inference by llama.cpp in this process, and is checked: the exit code is 1 if one is wrong.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool
from llama_index.core import Document, VectorStoreIndex
from pydantic import BaseModel

from convert_minilm import minilm_gguf
from langchain_multillm import ChatLlama
from llamaindex_multillm import LlamaEmbedding, LlamaLLM

if TYPE_CHECKING:
    from llama_index.core.base.response.schema import RESPONSE_TYPE

# Invented, so that no model can know them: an answer can only come from the documents.
FACTS = (
    "The Vellmar lighthouse was built in 1874 by Ines Corvado.",
    "Harbor pilot Tomas Egede lives in Ostrand.",
    "The access code of the boat house is 4719.",
    "The Marlin Cup was won by Kaja Brandt.",
    "Pelagia Foods is based in Torvik and has 62 employees.",
    "The ferry to Skarn leaves at 7:45.",
    "The old fish hall is painted turquoise.",
    "Project Halcyon is led by Yusuf Okafor.",
    "The museum of nets opens at 10:30.",
    "The mayor of Ostrand is Greta Lindqvist.",
)
QUESTIONS = (
    ("Who built the Vellmar lighthouse?", "Ines Corvado"),
    ("What is the access code of the boat house?", "4719"),
    ("Who leads Project Halcyon?", "Yusuf Okafor"),
)


class WrongAnswerError(Exception):
    """An answer is not what it must be."""


class Person(BaseModel):
    """A person and where they live."""

    name: str
    city: str


@tool
def get_temperature(city: str) -> str:
    """Get the current temperature in a city."""
    return {"Torvik": "11 degrees", "Ostrand": "14 degrees"}.get(city, "unknown")


def main() -> int:
    """Run every part; 1 if an answer is wrong."""
    parts: tuple[Callable[[ChatLlama], None], ...] = (chain, stream, tool_call, structured_output, query_engine)
    start = time.monotonic()
    chat = ChatLlama(backend="llama_cpp", temperature=0)
    try:
        for part in parts:
            title(part)
            part(chat)
    except WrongAnswerError as error:
        print(f"\nWRONG: {error}", file=sys.stderr)
        return 1
    print(f"\nAll {len(parts)} parts answered right, in {time.monotonic() - start:.1f} s, in this process.")
    return 0


def title(part: Callable[[ChatLlama], None]) -> None:
    """Print what comes next."""
    print(f"\n--- {part.__doc__}")


def must_hold(answer: str, expected: str) -> None:
    """Raise `WrongAnswerError` unless the answer has what it must."""
    if expected.lower() not in answer.lower():
        raise WrongAnswerError(f"{answer!r} does not hold {expected!r}")


def chain(chat: ChatLlama) -> None:
    """LangChain: prompt | model | parser."""
    capital = ChatPromptTemplate.from_template("What is the capital of {country}?") | chat | StrOutputParser()
    for country, city in (("France", "Paris"), ("Japan", "Tokyo"), ("Kenya", "Nairobi")):
        answer = capital.invoke({"country": country})
        print(f"{country}: {answer}")
        must_hold(answer, city)


def stream(chat: ChatLlama) -> None:
    """LangChain: streaming, token by token."""
    pieces = []
    for piece in chat.stream("What is the capital of Argentina?"):
        pieces.append(piece)
        print(piece.text, end="|" if piece.text else "", flush=True)
    whole = sum(pieces[1:], start=pieces[0])
    print(f"\n{len(pieces)} pieces; tokens: {whole.usage_metadata}")
    must_hold(whole.text, "Buenos Aires")
    if len(pieces) < 3 or not whole.usage_metadata:
        raise WrongAnswerError("it did not come in pieces, or without its usage")


def tool_call(chat: ChatLlama) -> None:
    """LangChain: a tool is called, and its result answered from."""
    question = HumanMessage("What is the temperature in Torvik? Use the tool.")
    asked = chat.bind_tools([get_temperature]).invoke([question])
    if not asked.tool_calls:
        raise WrongAnswerError(f"no tool was called: {asked.text!r}")
    call = asked.tool_calls[0]
    print(f"the model calls {call['name']}({call['args']})")
    must_hold(str(call["args"]), "'city': 'Torvik'")
    result: ToolMessage = get_temperature.invoke(call)
    answer = chat.bind_tools([get_temperature]).invoke([question, asked, result]).text
    print(f"the tool says {result.text!r}; the model answers: {answer}")
    must_hold(answer, "11 degrees")


def structured_output(chat: ChatLlama) -> None:
    """LangChain: an answer that is an object."""
    person = chat.with_structured_output(Person).invoke("Tomas Egede lives in Ostrand.")
    print(repr(person))
    if not isinstance(person, Person):
        raise WrongAnswerError(f"{person!r} is no Person")
    must_hold(person.name, "Tomas Egede")
    must_hold(person.city, "Ostrand")


def query_engine(_chat: ChatLlama) -> None:
    """LlamaIndex: a query engine over ten documents, embedded and answered in this process."""
    embedding = LlamaEmbedding(backend="llama_cpp", model=str(minilm_gguf()))
    index = VectorStoreIndex.from_documents([Document(text=fact) for fact in FACTS], embed_model=embedding)
    engine = index.as_query_engine(llm=LlamaLLM(backend="llama_cpp", temperature=0), similarity_top_k=2)
    for question, expected in QUESTIONS:
        answer: RESPONSE_TYPE = engine.query(question)
        print(f"{question} {answer}")
        must_hold(str(answer), expected)


if __name__ == "__main__":
    sys.exit(main())
