"""The only module that draws words: each is for training or for evaluation by its hash, never for both."""

# ruff: noqa: SIM905  -- lists of words read best as running text

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

NOUNS = """account address airport album alarm animal answer apple archive arm article artist asset auction author
balance ball bank banner barrel basket battery beach bear bell bicycle bill bird blanket board boat body bone book
border
bottle bowl box branch bread bridge brush bucket budget building bus button cabin cable cake calendar camera camp candle
canvas car card carpet castle cat chain chair channel chapter chart cheese chest chicken church circle city class client
clock cloud club coach coat code coffee coin collection college color column comment company computer concert contact
contract cookie copper corner cottage cotton country course cousin cover crane cream crew crop crowd crown cup curtain
customer cycle dance data deck deer delivery desert design desk device diary dinner dish doctor document dog door dragon
drawer dress drink driver drum duck editor egg elephant email engine entry event expert export factory fan farm feather
fence ferry field file film filter finger fire fish flag flight floor flower folder food forest fork form forum fountain
fox frame friend fruit game garage garden gate gift giraffe glass glove goal goat gold group guard guest guide guitar
hammer hand harbor hat hill horse hospital hotel house index insect invoice iron island item jacket jar job journal
journey juice key kitchen kite knife ladder lake lamp language lantern lawyer leader leaf lesson letter library light
line lion list loan lock log machine magazine mailbox manager map market mask meal medal meeting melon member memory
menu message metal meter milk mirror mission model money monkey month moon motor mountain mouse museum music needle
nest network news note notebook number nurse oak ocean office oil onion orange orchestra order oven owl package page
paint palace panel paper parcel park parrot partner party passage password path patient payment peach pear pen pencil
people pepper person phone photo piano picture pig pilot pin pipe plan planet plant plate player playlist pocket poem
poet point police policy pond pool port post poster potato price printer prize product profile project purse queen
question quilt rabbit radio rain ranch record region reminder rent report request reservation restaurant review ribbon
rice ring river road robot rocket role roof room rope rose route rule salad sample sauce schedule school score screen
sea season seat seed sensor sequence server session shadow sheep shelf ship shirt shoe shop shovel signal silver singer
skill sky smoke snake snow soap sock sofa song soup spider spoon spring square stable staff stage stamp star station
statue status step stick stock stone store storm story street string student studio subject sugar suit summary sun
supplier survey table tailor task taxi tea teacher team temple tent theater thread ticket tiger tile timer title tomato
tool tooth topic tower town toy track trade train transfer tree trip truck trumpet tunnel turtle umbrella uncle unit
user valley value van vase vehicle video village violin visitor voice volume wagon wall wallet warehouse watch water
wave weather website wheel whistle window wine winter wire wolf word worker writer yard zebra zone""".split()

VERBS = """accept add adjust allow apply approve archive arrange assign attach bake block book borrow build buy
calculate
call cancel change charge check choose clean clear close collect combine compare compute confirm connect convert copy
count create decode delete deliver describe design detect disable draw drop edit email enable encode estimate evaluate
export extract fetch fill filter find fix follow format forward generate get give grant hide import increase insert
inspect install invite join label launch list load locate lock log look make mark measure merge move multiply notify
open order pack paint pause pay pick place plan play post predict prepare print process publish pull push query rank
read rebuild receive record reduce refresh register release remove rename rent repair repeat replace reply report
request reserve reset resize resolve restart restore resume retrieve return reverse review rotate run save scan
schedule search select sell send set share ship show shuffle sign sort split start stop store submit subscribe
summarize switch tag take test toggle track transfer translate trigger trim update upload validate verify view visit
watch withdraw wrap write""".split()

ADJECTIVES = """active amber ancient annual basic big black blue bold brave bright broad broken brown busy calm cheap
clean clever cold common crimson curious daily dark deep dry early eager easy empty extra fair famous fancy fast final
fine first flat free fresh full gentle giant glad golden good grand gray great green happy hard heavy hidden high hollow
honest huge humble icy inner jolly kind large last late lazy light little local long loud lucky magic main major modern
narrow new next nice noble northern odd old open orange outer pale perfect pink plain polite poor pretty primary private
proud public purple quick quiet rapid rare ready red regular rich rough round royal rusty sad safe scarlet secret sharp
shiny short shy silent silver simple single slim slow small smart smooth soft solid southern special square steady steep
still strange strong sunny sweet swift tall tender thick thin tidy tiny tough turquoise upper useful violet vivid warm
weak weekly western wet white wide wild wise yellow young""".split()

FIRST_NAMES = """Ada Adam Aisha Akira Alan Alice Amara Amir Ana Anders Andre Anna Anton Aria Arjun Astrid Ava Beatrice
Ben Bianca Bob Boris Brigid Bruno Camille Carla Carlos Carmen Caroline Cecilia Chen Chidi Clara Claude Cora Daniel Dara
David Deepa Diana Diego Dmitri Dora Edgar Edith Elena Eli Elif Elisa Emil Emily Emma Enzo Erik Esther Eva Farid Fatima
Felix Fiona Frank Freya Gabriel George Gita Grace Greta Gustav Hana Hannah Harold Hassan Hector Heidi Helen Henry Hilda
Hugo Ian Ibrahim Ida Igor Ilse Ines Ingrid Irene Isaac Isabel Ivan Ivy Jack Jacob Jamal James Jan Jane Jasmine Javier
Joan John Jonas Jose Julia Juan Kaito Karen Karl Kate Kenji Kofi Lara Laura Leah Lena Leo Leon Liam Lila Lina Linus Lisa
Louis Lucas Lucia Lucy Luis Luna Magnus Maja Malik Marco Maria Marie Mark Marta Martin Mary Mateo Max Maya Mei Mia
Michael
Mila Mina Mira Mohamed Mona Nadia Naomi Nia Nikolai Nina Noah Nora Olaf Olga Oliver Olivia Omar Oscar Otto Pablo Paula
Paul Pedro Petra Peter Philip Pia Priya Quentin Rachel Rafael Raj Ravi Rebecca Rita Robert Rosa Ruben Ruth Sam Sandra
Sara Sasha Selma Sergei Simon Sofia Sonja Stella Sven Tara Tariq Thea Theo Thomas Tim Tina Tom Tomas Uma Vera Victor
Viktor Vincent Wanda Wei William Xavier Yara Yasmin Yuki Yusuf Zara Zoe""".split()

LAST_NAMES = """Abbott Adler Ahmed Almeida Andersen Baker Bauer Becker Bell Berg Bianchi Blake Brandt Brown Castillo
Chen
Clark Cohen Cole Costa Cruz Dalton Davis Diaz Dubois Duran Eriksen Evans Farah Fischer Flores Foster Fox Fuchs Garcia
Gomez Gray Green Grove Gupta Haddad Hall Hansen Harper Hayes Hill Hoffman Holt Hughes Ito Ivanov Jackson Jansen Jensen
Johnson Jones Kaur Keller Khan Kim King Klein Kowalski Kumar Lang Larsen Laurent Lee Lehmann Lewis Li Lind Lopez Lund
Maier Marino Marsh Martin Meyer Miller Moore Moreau Morgan Moreno Mori Muller Nakamura Nash Nguyen Nielsen Novak Nunez
Okafor Olsen Ortega Osman Park Parker Patel Pavlov Perez Petrov Pike Popov Quill Ramos Rao Reed Reyes Richter Rivera
Roberts Romano Rossi Roth Russo Sanchez Santos Sato Schmidt Schneider Scott Shah Silva Singh Smith Sokolov Stein Stone
Suzuki Tanaka Taylor Tolland Torres Turner Vargas Vega Vogel Wagner Walker Wang Ward Weber White Williams Wilson Winter
Wolf Wong Wood Wright Yamada Yilmaz Young Zhang Ziegler""".split()

PLACES = """Amsterdam Athens Atlanta Auckland Austin Baltimore Bangkok Barcelona Beijing Berlin Bogota Boston Bristol
Brooklyn Brussels Budapest Cairo Calgary Chicago Cologne Copenhagen Dallas Delhi Denver Detroit Dresden Dubai Dublin
Durban Edinburgh Florence Frankfurt Geneva Glasgow Hamburg Hanoi Havana Helsinki Houston Istanbul Jakarta Kyoto Lagos
Leipzig Lima Lisbon Liverpool London Lyon Madrid Manchester Manila Marseille Melbourne Memphis Miami Milan Montreal
Moscow Mumbai Munich Nairobi Naples Nashville Oakland Orlando Osaka Oslo Ottawa Paris Perth Phoenix Porto Portland
Prague Quebec Quito Rome Rotterdam Sacramento Santiago Seattle Seoul Seville Shanghai Singapore Stockholm Stuttgart
Sydney Taipei Tampa Tokyo Toronto Toulouse Turin Utrecht Valencia Vancouver Venice Vienna Warsaw Zurich""".split()

_KNOWN_LIST = [word.lower() for word in (*NOUNS, *VERBS, *ADJECTIVES, *FIRST_NAMES, *LAST_NAMES, *PLACES)]
_KNOWN = frozenset(_KNOWN_LIST)
_ONSETS = "b br c ch d dr f fl g gl gr h j k kl kr l m n p pl qu r s sk sh st t th tr v w z".split()
_VOWELS = "a e i o u a e i o ai ea ee ia io oo ou y".split()
_CODAS = "b ck d f g k l ll lm ld m n nd ng nt p r rd rk rn rt s sh ss st t th x z".split()
_SCRIPTS = ((0x4E00, 0x9FA5), (0x3041, 0x3093), (0x30A1, 0x30F6), (0xAC00, 0xD7A3), (0x0430, 0x044F),
            (0x03B1, 0x03C9), (0x0627, 0x064A), (0x00E0, 0x00FF), (0x0905, 0x0939), (0x1F600, 0x1F64F))  # fmt: skip


def is_held_out(word: str) -> bool:
    """Whether a word is kept from training: one in eight is, whatever its case."""
    return zlib.crc32(word.lower().encode()) % 8 == 0


def _syllables(rng: Random) -> str:
    word = "".join(rng.choice(_ONSETS) + rng.choice(_VOWELS) for _ in range(rng.choice((1, 2, 2, 2, 3))))
    return word[rng.choice((0, 0, 0, 1)) :] + rng.choice(_CODAS) * rng.choice((0, 1, 1))


def _spliced(rng: Random) -> str:
    # Parts of real words, also of held-out ones: their tokens have to be learned, though not the words.
    first, second = rng.choice(_KNOWN_LIST), rng.choice(_KNOWN_LIST)
    cut, other = rng.randint(2, len(first)), rng.randint(1, max(1, len(second) - 2))
    return rng.choice(
        (first[:cut] + second[other:], first + rng.choice(_VOWELS), first + second[:2], second[-2:] + first)
    )


@dataclass(frozen=True)
class Words:
    """A source of words, names and values; `held_out` says which half of the split it draws from."""

    held_out: bool

    def allows(self, word: str) -> bool:
        """Whether a word is on this side of the split."""
        return is_held_out(word) == self.held_out

    def _side(self, words: Sequence[str]) -> list[str]:
        return [word for word in words if self.allows(word)]

    @cached_property
    def nouns(self) -> list[str]:
        """Common nouns."""
        return self._side(NOUNS)

    @cached_property
    def verbs(self) -> list[str]:
        """Verbs in the imperative."""
        return self._side(VERBS)

    @cached_property
    def adjectives(self) -> list[str]:
        """Adjectives."""
        return self._side(ADJECTIVES)

    @cached_property
    def first_names(self) -> list[str]:
        """Given names."""
        return self._side(FIRST_NAMES)

    @cached_property
    def last_names(self) -> list[str]:
        """Family names."""
        return self._side(LAST_NAMES)

    @cached_property
    def places(self) -> list[str]:
        """Real cities."""
        return self._side(PLACES)

    def invented(self, rng: Random) -> str:
        """A lower-case word that no dictionary has."""
        while True:
            word = _spliced(rng) if rng.random() < 0.45 else _syllables(rng)
            if len(word) > 2 and word not in _KNOWN and self.allows(word):
                return word

    def title(self, rng: Random) -> str:
        """An invented proper name of one word."""
        return self.invented(rng).capitalize()

    def noun(self, rng: Random) -> str:
        """A common noun, now and then an invented one."""
        return self.invented(rng) if rng.random() < 0.2 else rng.choice(self.nouns)

    def word(self, rng: Random) -> str:
        """Any word."""
        lists = (self.nouns, self.verbs, self.adjectives)
        return self.invented(rng) if rng.random() < 0.4 else rng.choice(rng.choice(lists))

    def first_name(self, rng: Random) -> str:
        """A given name, real or invented."""
        return self.title(rng) if rng.random() < 0.4 else rng.choice(self.first_names)

    def last_name(self, rng: Random) -> str:
        """A family name, real or invented."""
        return self.title(rng) if rng.random() < 0.5 else rng.choice(self.last_names)

    def person(self, rng: Random) -> str:
        """A given and a family name."""
        return f"{self.first_name(rng)} {self.last_name(rng)}"

    def place(self, rng: Random) -> str:
        """A town, real or invented, of one or two words."""
        town = self.title(rng) if rng.random() < 0.6 else rng.choice(self.places)
        if rng.random() < 0.15:
            return f"{rng.choice(('San', 'New', 'Port', 'Lake', 'North', 'Fort', 'Saint'))} {town}"
        return town

    def number(self, rng: Random, digits: int) -> str:
        """A number of at most `digits` digits; the long ones keep to their side of the split."""
        while True:
            text = str(rng.randrange(10 ** rng.randint(1, digits)))
            if len(text) < 3 or self.allows(text):
                return text

    def foreign(self, rng: Random) -> str:
        """A word in another script, or accented."""
        while True:
            low, high = rng.choice(_SCRIPTS)
            word = "".join(chr(rng.randint(low, high)) for _ in range(rng.randint(1, 5)))
            if self.allows(word):
                return word


TRAINING = Words(held_out=False)
HELD_OUT = Words(held_out=True)
