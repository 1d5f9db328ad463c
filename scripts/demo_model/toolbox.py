"""The tools a corpus offers: their names, parameters, and how a user asks for them.

A familiar tool is a paragraph of the table: names, parameters (spellings, kind), then requests. An unfamiliar one is
made of drawn words.
"""

# ruff: noqa: E501, SIM905  -- a paragraph of the table is read as lines

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .kinds import make

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from .conversation import Tool, Value
    from .words import Words

_TABLE = """
get_weather weather get_current_weather check_weather weather_lookup fetch_forecast getWeather
location/city/place/town:city
What is the weather like in {0}? / What's the weather in {0}? / What is the weather in {0}? / weather in {0} / How is the weather in {0} today? / Is it raining in {0}? / What's the weather like in {0} today? / Tell me the weather for {0}. / Check the weather in {0} / I am going to {0}. How is the weather there?

get_weather weather forecast get_current_temperature
location/city:city unit/units/scale:unit
What is the weather in {0} in {1}? / Give me the temperature in {0} in {1}. / Weather for {0}, in {1} please. / How warm is it in {0}? Use {1}.

send_email email mail_sender sendEmail send_mail
to/recipient/address:email subject/title:phrase
Send an email to {0} with subject {1}. / Send an email to {0} with the subject '{1}'. / Email {0} about {1}. / Write an email to {0}, subject: {1} / Mail {0} with subject "{1}"

send_message message_user send_sms text_message notify
recipient/name/to/user:name text/message/body:phrase
Send {0} the message '{1}'. / Tell {0}: {1} / Send a message to {0} saying "{1}". / Text {0} that {1}. / Message {0}: '{1}' / Send '{1}' to {0}.

add adder my_adder_tool add_numbers sum plus calculator_add
a/x/first/left:small b/y/second/right:small
What is {0} + {1}? / What is {0} + {1} / Add {0} and {1}. / Add {0} and {1} using the tool. / What is {0} plus {1}? / Compute {0} + {1}. / Sum {0} and {1}. / How much is {0}+{1}? / {0} + {1} = ? / Calculate the sum of {0} and {1}.

multiply multiplier times product multiply_numbers
a/x/first/left:small b/y/second/right:small
What is {0} * {1}? / Multiply {0} by {1}. / What is {0} times {1}? / Compute {0} * {1}. / How much is {0} times {1}? / Multiply {0} and {1} with the tool.

subtract minus difference
a/x/first:small b/y/second:small
What is {0} - {1}? / What is {0} minus {1}? / Compute {0} - {1}. / What is the difference of {0} and {1}?

square double factorial square_root magic_function negate is_prime
input/x/n/number/value:whole
What is the value of {f}({0})? Use the tool. / What is {f}({0})? / Compute {f} of {0}. / Apply {f} to {0}. / Use {f} on {0} / Call {f} with {0}. / What does {f} give for {0}?

search web_search search_web google lookup search_documents query_engine search_wiki
query/q/text/search_query:phrase
Search for {0}. / Search the web for {0}. / Look up {0}. / Find information about {0} / Search for '{0}' / Google {0} / Please search: {0} / What can you find about {0}?

get_time current_time get_current_time time_in
city/timezone/location:city
What time is it in {0}? / What is the time in {0}? / Current time in {0}? / Tell me the time in {0}.

get_current_time now clock get_date today random_number roll_dice ping get_status list_users magic_function_no_args
-
What is the value of {f}()? Use the tool. / Call {f}. / Use {f}. / Please run {f}. / Use the {f} tool. / Run {f} now / What does {f} return?

translate translate_text translator
text/phrase/content:phrase target/language/target_language/to:language
Translate '{0}' to {1}. / Translate "{0}" into {1}. / How do you say '{0}' in {1}? / Translate {0} to {1}

create_event schedule_meeting add_event calendar create_appointment
title/name/event:phrase date/day/when:date
Create an event '{0}' on {1}. / Schedule '{0}' for {1}. / Add {0} to my calendar on {1}. / Put "{0}" in the calendar for {1}. / Plan {0} on {1}

set_reminder remind add_reminder create_reminder
text/message/task:phrase time/at/when:time
Remind me to {0} at {1}. / Set a reminder for {1}: {0} / Set a reminder '{0}' at {1}. / At {1}, remind me of {0}

get_stock_price stock_price get_quote price_of
symbol/ticker/company/product/item:title
What is the stock price of {0}? / What is the price of {0}? / How much is {0}? / Price of {0}? / Get me the price of {0}.

create_customer unicode_customer add_customer new_client register_user
customer_name/name/full_name/client:anyname description/note/details:phrase
Create a customer named '{0}' - a {1} / Create a customer named {0}, description: {1}. / Register '{0}' ({1}). / Add a customer called "{0}" with the description "{1}". / Create a customer named '{0}' ({w} Group) - a {1} / Create a customer named '{0}' ({w}) - {1}

create_customer add_user create_user new_contact add_person
name/customer_name/username/full_name:anyname
Create a customer named '{0}'. / Create a customer named '{0}' - use the tool. / Add {0}. / Create the user {0}. / Add a person called {0}. / Create a new customer: {0} / Please create "{0}".

greeting_generator generate_greeting greet greeting say_hello
style/answer_style/tone:style
Using the tool, generate a {0} greeting. / Generate a {0} greeting. / Greet in a {0} style. / Make a {0} greeting / Give me a greeting in {0} style.

greet generate_greeting greeter say_hello welcome
name/person/user:name style/tone/manner:style
Generate a greeting for '{0}' in a {1} style. / Greet {0} in {1} style. / Say hello to {0}, {1} style. / Welcome {0} in a {1} tone.

get_user find_user lookup_customer get_person user_info
user_id/id/customer_id/number:whole
Who is user {0}? / Find the user with id {0}. / Look up customer {0}. / Get user {0}. / Show me user number {0}.

get_order order_status track_order find_order track_package
order_id/order/id/tracking_number:code
Where is my order {0}? / What is the status of order {0}? / Track order {0}. / Check order {0} / Find order {0} please.

convert_currency exchange convert
amount/value:decimal source/from_currency/from:currency target/to_currency/to:currency
Convert {0} {1} to {2}. / How much is {0} {1} in {2}? / Change {0} {1} into {2}. / What are {0} {1} in {2}?

set_temperature set_thermostat heat
room/place:room degrees/temperature/value:whole
Set the {0} to {1} degrees. / Make the {0} {1} degrees warm. / Heat the {0} to {1}. / Set the temperature in the {0} to {1}.

switch_light set_light light lamp
room/where:room on/state/enabled:onoff
Turn {1} the light in the {0}. / Switch {1} the {0} light. / Turn the light in the {0} {1}. / Light {1} in the {0}.

book_flight find_flights search_flights flight
origin/from_city/departure:place destination/to_city/arrival:place
Book a flight from {0} to {1}. / Find flights from {0} to {1}. / I want to fly from {0} to {1}. / Is there a flight from {0} to {1}?

book_table reserve_table make_reservation book_restaurant
restaurant/place/name:title people/guests/party_size:few time/at:time
Book a table at {0} for {1} people at {2}. / Reserve a table for {1} at {0}, {2}. / Table for {1} at {0} at {2} please. / I need a table at {0} at {2} for {1}.

play_music play_song play music_player
song/title/track:phrase artist/singer/by:name
Play {0} by {1}. / Play '{0}' by {1}. / I want to hear "{0}" by {1}.

order_food add_to_cart buy order_item purchase
item/product/article:noun quantity/count/amount:few
Order {1} {0}. / Buy {1} {0}. / Add {1} {0} to the cart. / I want {1} {0}. / Please order {1} of {0}.

read_file open_file load_document delete_file
path/filename/file:path
Read the file {0}. / Open {0}. / Show me {0} / What is in {0}? / Load '{0}'. / Please open the file "{0}".

add_tags label_item tag create_list make_list
items/tags/labels/names:list
Make a list of {0}. / Add the tags {0}. / Tag it with {0}. / Create a list with {0}. / Label: {0}

color_picker set_color favorite_color paint
color/fav_color/colour:colour
My favorite color is {0}. / Set the color to {0}. / Pick {0}. / Paint it {0}. / I like the color {0}. / Use {0} as the color.

get_capital capital_of country_info
country/name:country
What is the capital of {0}? Use the tool. / Use the tool to find the capital of {0}. / Look up the capital of {0} with the tool.
"""

_LANGUAGES = (
    "French German Spanish Italian Japanese Chinese Dutch Polish Russian Arabic Greek Turkish Korean Hindi".split()
)
_CURRENCIES = "USD EUR GBP JPY CHF dollars euros yen pounds INR CAD".split()
_STYLES = "Pirate formal friendly funny Shakespearean polite cheerful casual poetic rude royal".split()
_COUNTRIES = "France Germany Japan Brazil Kenya Norway India Canada Egypt Chile".split()
_STATES = ("CA", "NY", "TX", "WA", "France", "Germany", "UK", "Japan", "Spain", "Ontario")


def _city(rng: Random, words: Words) -> str:
    place = make("place", rng, words)
    return f"{place}, {rng.choice(_STATES)}" if rng.random() < 0.3 else place


def _phrase(rng: Random, words: Words) -> str:
    text = " ".join(words.word(rng) for _ in range(rng.choice((1, 2, 2, 3, 4))))
    text = rng.choice((words.foreign(rng), words.person(rng))) if rng.random() < 0.1 else text
    return text.capitalize() if rng.random() < 0.3 else text


def _any_name(rng: Random, words: Words) -> str:
    return rng.choice((words.person(rng), words.first_name(rng), words.foreign(rng) + words.foreign(rng), words.foreign(rng),
                       make("company", rng, words), words.title(rng)))  # fmt: skip


def _decimal(rng: Random, words: Words) -> float | int:
    whole = int(words.number(rng, 4))
    return rng.choice((whole, whole + rng.randint(1, 9) / 10, whole + 0.25))


def _list(rng: Random, words: Words) -> list[str]:
    return [words.word(rng) for _ in range(rng.choice((2, 2, 3, 4)))]


_VALUES: dict[str, Callable[[Random, Words], Value]] = {
    "city": _city, "phrase": _phrase, "anyname": _any_name, "decimal": _decimal, "list": _list,
    "name": lambda r, w: w.person(r) if r.random() < 0.4 else w.first_name(r),
    "unit": lambda r, _: r.choice(("celsius", "fahrenheit", "kelvin")),
    "small": lambda r, _: r.randint(0, r.choice((10, 100, 1000))),
    "whole": lambda r, w: int(w.number(r, r.choice((1, 2, 3, 4, 5)))),
    "few": lambda r, _: r.randint(1, 20),
    "language": lambda r, _: r.choice(_LANGUAGES),
    "style": lambda r, w: r.choice(_STYLES) if r.random() < 0.6 else r.choice(w.adjectives),
    "currency": lambda r, _: r.choice(_CURRENCIES),
    "country": lambda r, w: r.choice(_COUNTRIES) if r.random() < 0.5 else w.title(r),
    "room": lambda r, w: r.choice(("kitchen", "bedroom", "living room", "bathroom", "office", w.noun(r), w.noun(r))),
    "onoff": lambda r, _: r.random() < 0.5,
    "truth": lambda r, _: r.random() < 0.5,
    "path": lambda r, w: f"{r.choice(('', '', '/srv/', 'docs/', './'))}{w.noun(r)}.{r.choice(('txt', 'pdf', 'md', 'csv', 'json'))}",
    "choice": lambda r, w: w.word(r),
}  # fmt: skip
_TYPES = {"small": "integer", "whole": "integer", "few": "integer", "decimal": "number", "onoff": "boolean", "truth": "boolean",
          "list": "array"}  # fmt: skip
_UNFAMILIAR_KINDS = ("word", "word", "title", "name", "phrase", "whole", "whole", "decimal", "truth", "list", "choice", "email",
                     "code", "city", "anyname", "date", "time", "path")  # fmt: skip


@dataclass(frozen=True)
class Parameter:
    """A tool's argument: its name, what is drawn for it, and whether it may be left out."""

    name: str
    kind: str
    required: bool = True
    choices: tuple[str, ...] = ()

    @property
    def json_type(self) -> str:
        """JSON Schema's name of its type."""
        return _TYPES.get(self.kind, "string")

    def draw(self, rng: Random, words: Words) -> Value:
        """A value of its kind."""
        if self.choices:
            return rng.choice(self.choices)
        maker = _VALUES.get(self.kind)
        return maker(rng, words) if maker else make(self.kind, rng, words)

    def schema(self) -> dict[str, Any]:
        """Its JSON Schema."""
        if self.choices:
            return {"type": "string", "enum": list(self.choices)}
        items = {"items": {"type": "string"}} if self.kind == "list" else {}
        return {"type": self.json_type, **items}


@dataclass(frozen=True)
class Signature:
    """A tool: name, description, parameters, and requests with a place for each argument (none if unfamiliar)."""

    name: str
    description: str
    parameters: tuple[Parameter, ...]
    requests: tuple[str, ...] = ()
    verb: str = ""
    noun: str = ""

    def tool(self) -> Tool:
        """The tool in OpenAI's form."""
        properties = {parameter.name: parameter.schema() for parameter in self.parameters}
        required = [parameter.name for parameter in self.parameters if parameter.required]
        schema = {"type": "object", "properties": properties, "required": required}
        function = {"name": self.name, "description": self.description, "parameters": schema}
        return {"type": "function", "function": function}


def _read(paragraph: str) -> tuple[tuple[str, ...], tuple[tuple[tuple[str, ...], str], ...], tuple[str, ...]]:
    names, parameters, requests = paragraph.split("\n")
    slots = () if parameters == "-" else tuple(slot.split(":") for slot in parameters.split())
    return tuple(names.split()), tuple((tuple(s.split("/")), k) for s, k in slots), tuple(requests.split(" / "))


_FAMILIAR = tuple(_read(paragraph) for paragraph in _TABLE.strip().split("\n\n"))


def _python(name: str, parameters: tuple[Parameter, ...]) -> str:
    # LlamaIndex describes a function by its Python signature first.
    types = {"integer": "int", "number": "float", "boolean": "bool", "array": "list[str]", "string": "str"}
    inner = ", ".join(f"{parameter.name}: {types[parameter.json_type]}" for parameter in parameters)
    return f"{name}({inner}) -> str\nThe rest."


def _describe(rng: Random, name: str, parameters: tuple[Parameter, ...]) -> str:
    plain = name.replace("_", " ")
    if rng.random() < 0.15:
        return _python(name, parameters)
    return rng.choice(("", f"{plain.capitalize()}.", f"Tool to {plain}.", plain.capitalize(), f"Tool for {plain}.",
                       f"Use this tool to {plain}.", f"{name.replace('_', ' a ', 1).capitalize()}."))  # fmt: skip


def familiar(rng: Random, _words: Words) -> Signature:
    """A tool of everyday use."""
    names, slots, requests = rng.choice(_FAMILIAR)
    name = rng.choice(names)
    parameters = tuple(Parameter(rng.choice(spellings), kind) for spellings, kind in slots)
    # Two slots can draw the same spelling; the first spellings never collide.
    if len({parameter.name for parameter in parameters}) < len(parameters):
        parameters = tuple(Parameter(spellings[0], kind) for spellings, kind in slots)
    return Signature(
        name, _describe(rng, name, parameters), parameters, tuple(r.replace("{f}", name) for r in requests)
    )


def _parameter_name(rng: Random, words: Words) -> str:
    name = words.noun(rng)
    return rng.choice((name, name, name, f"{name}_{rng.choice(('id', 'name', 'count', 'type', rng.choice(words.nouns)))}",
                       f"{rng.choice(words.adjectives)}_{name}"))  # fmt: skip


def _parameters(rng: Random, words: Words) -> tuple[Parameter, ...]:
    count = rng.choice((0, 1, 1, 1, 2, 2, 2, 3, 3, 4))
    names = dict.fromkeys(_parameter_name(rng, words) for _ in range(count))
    return tuple(_parameter(rng, words, name) for name in names)


def _parameter(rng: Random, words: Words, name: str) -> Parameter:
    kind = rng.choice(_UNFAMILIAR_KINDS)
    choices = tuple(_list(rng, words)) if kind == "choice" else ()
    return Parameter(name, kind, rng.random() < 0.85, choices)


def unfamiliar(rng: Random, words: Words) -> Signature:
    """A tool made of drawn words."""
    verb, noun = rng.choice(words.verbs), words.noun(rng)
    camel = verb + noun.capitalize()
    name = rng.choice(
        (
            f"{verb}_{noun}",
            f"{verb}_{noun}",
            f"{verb}_{noun}",
            camel,
            verb,
            noun,
            words.invented(rng),
            f"{noun}_{words.noun(rng)}",
        )
    )
    parameters = _parameters(rng, words)
    described = rng.choice((f"{verb.capitalize()} a {noun}.", f"{verb.capitalize()}s the {noun}.", f"{verb.capitalize()} {noun}",
                            f"Tool to {verb} a {noun}.", f"{verb.capitalize()} the {noun} with the given arguments."))  # fmt: skip
    hidden = noun not in name or verb not in name
    description = described if hidden or rng.random() < 0.6 else rng.choice(("", _python(name, parameters)))
    return Signature(name, description, parameters, verb=verb, noun=noun)
