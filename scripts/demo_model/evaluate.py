"""The only module that holds the finished model to account: fresh cases, answered by llama.cpp, scored right or wrong.

Held out of training, one in eight by a hash of the word (`words.is_held_out`): invented words, names, places, nouns,
verbs and adjectives, hence tool names, argument names and values, and numbers of three or more digits. The cases here
draw held-out words only. Not split are fixed wordings (prompts, fillers, the nouns of relations), closed lists such
as colours and months, dates, and short numbers; and invented words splice parts of real ones, held out or not.
Capitals have to be learned by heart, so there the phrasings are held out: none of `UNSEEN_QUESTIONS` is trained on.
Needs llama-cpp-python and jinja2, no PyTorch. Run it from the folder `scripts`: `python -m demo_model.evaluate`.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from . import extract, facts, plain_facts, talk, tools
from .conversation import Conversation, assistant, user
from .countries import CAPITALS
from .template import render_prompt
from .words import HELD_OUT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .conversation import Message, Tool
    from .words import Words

MODEL = Path(__file__).resolve().parents[2] / "shared_core" / "local" / "demo_model.gguf"
LONGEST_ANSWER = 200
UNSEEN_QUESTIONS = (
    "Could you tell me the capital of {c}?",
    "What is the capital of {c}, please?",
    "Please give me the capital city of {c}.",
    "Do you happen to know the capital of {c}?",
    "{c} has which capital?",
    "Tell me: what is the capital of {c}?",
    "Which city serves as the capital of {c}?",
    "I would like to know the capital of {c}.",
)


def capitals(rng: Random, _words: Words) -> Conversation:
    """A country's capital, asked in words not trained on."""
    country = rng.choice(list(CAPITALS))
    question = rng.choice(UNSEEN_QUESTIONS).format(c=country)
    return Conversation([user(question), assistant(CAPITALS[country].rstrip("."))])


def unfamiliar_call(rng: Random, words: Words) -> Conversation:
    """A call of one of one to four tools whose names, arguments and values are all new."""
    offered = tools.draw_tools(rng, words, share_familiar=0)
    return tools.call_among(rng, words, offered)


CASES: dict[str, Callable[[Random, Words], Conversation]] = {
    "capitals": capitals,
    "context questions": plain_facts.plain_question,
    "crowded contexts": facts.one_question,
    "tool calls": unfamiliar_call,
    "familiar tool calls": tools.one_call,
    "tool calls in a conversation": tools.calls,
    "answers from tool results": tools.answers,
    "tools not needed": tools.restraint,
    "long contexts": facts.long_questions,
    "sums": talk.sums,
    "echo": talk.echo,
    "small talk": talk.small_talk,
    "extraction by tool": extract.as_tool,
    "extraction as JSON": extract.as_json,
}


@dataclass(frozen=True)
class Outcome:
    """A case, what the model wrote, and whether that is right."""

    case: Conversation
    written: str
    right: bool


def parse_call(written: str) -> tuple[str, dict[str, Any]] | None:
    """The name and arguments of the tool call that is the whole answer, if it is one."""
    body = written.strip()
    if not (body.startswith("<tool_call>") and body.endswith("</tool_call>")):
        return None
    try:
        call = json.loads(body.removeprefix("<tool_call>").removesuffix("</tool_call>"))
        return call["name"], call["arguments"]
    except (ValueError, KeyError, TypeError):
        return None


def is_right(case: Conversation, written: str) -> bool:
    """A call must be exact; an answer must contain the value and none of the wrong ones."""
    if calls := case.answer.get("tool_calls"):
        expected = calls[0]["function"]
        return parse_call(written) == (expected["name"], expected["arguments"])
    # A subject that begins a sentence is capitalised.
    said, value = written.lower(), case.value or case.answer["content"]
    return value.lower() in said and not any(wrong.lower() in said for wrong in case.wrong)


def draw_cases(kind: str, count: int, seed: int) -> list[Conversation]:
    """Fresh cases of a kind."""
    rng = Random(f"{kind}:{seed}")
    return [CASES[kind](rng, HELD_OUT) for _ in range(count)]


def score(cases: Sequence[Conversation], answer: Callable[[list[Message], list[Tool]], str]) -> list[Outcome]:
    """Put every case to `answer`, a function from messages and tools to the text the model writes."""
    written = ((case, answer(case.prompt, case.tools)) for case in cases)
    return [Outcome(case, text, is_right(case, text)) for case, text in written]


def accuracy(outcomes: Sequence[Outcome]) -> float:
    """The share that is right."""
    return sum(outcome.right for outcome in outcomes) / len(outcomes)


def llama_answers(path: Path) -> Callable[[list[Message], list[Tool]], str]:
    """Greedy answers of a GGUF in llama.cpp; an answer that does not end by itself comes back marked, hence wrong."""
    # Here, so that cases can be drawn without it.
    from llama_cpp import Llama

    llama = Llama(str(path), n_ctx=2048, verbose=False)

    def answer(messages: list[Message], offered: list[Tool]) -> str:
        prompt = llama.tokenize(render_prompt(messages, offered).encode(), add_bos=False, special=True)
        tokens: list[int] = []
        for token in llama.generate(prompt, temp=0.0):
            if token == llama.token_eos():
                return llama.detokenize(tokens).decode(errors="replace")
            tokens.append(token)
            if len(tokens) == LONGEST_ANSWER:
                break
        return llama.detokenize(tokens).decode(errors="replace") + " ... (no end)"

    return answer


def main() -> None:
    """Print the accuracy of every kind, and what went wrong if asked."""
    parser = argparse.ArgumentParser(description="Score a demo model on fresh cases.")
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--cases", type=int, default=100, help="cases of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=list(CASES), help="kinds to score")
    parser.add_argument("--show", type=int, default=0, help="how many wrong answers of each kind to print")
    options = parser.parse_args()
    answer = llama_answers(options.model)
    for kind in options.only:
        outcomes = score(draw_cases(kind, options.cases, options.seed), answer)
        print(f"{kind:30} {accuracy(outcomes):6.1%} of {len(outcomes)}", flush=True)
        for outcome in [outcome for outcome in outcomes if not outcome.right][: options.show]:
            print(render_prompt(outcome.case.prompt, outcome.case.tools))
            print(f"--- expected {outcome.case.answer}\n--- written  {outcome.written!r}\n")


if __name__ == "__main__":
    main()
