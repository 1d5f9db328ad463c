"""The only module that decides how much of which conversation is trained on, and when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import copying, extract, facts, talk, tools

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from .conversation import Conversation
    from .words import Words

    Mixture = dict[Callable[[Random, Words], Conversation], int]

COPYING: Mixture = {
    copying.repeats: 4,
    copying.look_ups: 5,
    copying.reverse_look_ups: 3,
    talk.echo: 2,
    facts.questions: 1,
    tools.calls: 1,
}
EVERYTHING: Mixture = {
    copying.repeats: 7,
    copying.look_ups: 2,
    copying.tables: 4,
    copying.reverse_look_ups: 1,
    talk.capitals: 9,
    talk.sums: 6,
    talk.echo: 4,
    talk.small_talk: 3,
    facts.many_questions: 36,
    facts.one_question: 8,
    facts.refinement: 1,
    facts.condensation: 1,
    tools.calls: 8,
    tools.many_calls: 13,
    tools.answers: 2,
    tools.json_answers: 2,
    tools.restraint: 3,
    extract.as_tool: 4,
    extract.as_json: 2,
    extract.joke_as_tool: 1,
}
FINAL: Mixture = {
    copying.repeats: 2,
    copying.tables: 2,
    talk.capitals: 8,
    talk.sums: 6,
    talk.echo: 4,
    talk.small_talk: 5,
    facts.one_question: 18,
    facts.questions: 14,
    facts.many_questions: 14,
    facts.long_questions: 3,
    facts.refinement: 1,
    facts.condensation: 1,
    tools.one_call: 13,
    tools.calls: 9,
    tools.many_calls: 6,
    tools.answers: 5,
    tools.json_answers: 2,
    tools.restraint: 5,
    extract.as_tool: 4,
    extract.as_json: 2,
    extract.joke_as_tool: 1,
}


@dataclass(frozen=True)
class Phase:
    """A stretch of training on one mixture, up to a share of all steps."""

    until: float
    mixture: Mixture
    longest: int


CURRICULUM = (Phase(0.08, COPYING, 192), Phase(0.9, EVERYTHING, 512), Phase(1.0, FINAL, 1216))


def draw(rng: Random, words: Words, phase: Phase) -> Conversation:
    """One conversation of a phase."""
    maker = rng.choices(list(phase.mixture), list(phase.mixture.values()))[0]
    return maker(rng, words)
