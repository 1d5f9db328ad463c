"""The shapes a fact can take: who or what it is about, its values, how it is said and how it is asked.

One paragraph each: subject and value kinds, statements, then questions for value 1, 2 or the subject (0).
"""

# ruff: noqa: E501  -- a paragraph of the table is read as lines

from __future__ import annotations

from dataclasses import dataclass

_TABLE = """
person place
{0} lives in {1}. / {0} has lived in {1} for years. / {0} moved to {1} last year. / {0}'s home is in {1}.
1 Where does {0} live? / Which town does {0} live in? / In which city does {0} live? / Where is {0}'s home? / What city does {0} live in?
0 Who lives in {1}? / Name the person who lives in {1}.

person place year
{0} was born in {1} in {2}. / {0}, born in {2} in {1}, is well known. / In {2}, {0} was born in {1}.
1 Where was {0} born? / What is {0}'s birthplace? / In which town was {0} born? / Which city was {0} born in?
2 When was {0} born? / In which year was {0} born? / What year was {0} born? / What is the birth year of {0}?
0 Who was born in {1}? / Who was born in {2}?

person word
{0} works as a {1}. / {0} is a {1}. / {0} has been a {1} for ten years. / {0}'s job is {1}. / The profession of {0} is {1}.
1 What is {0}'s job? / What does {0} do? / What does {0} work as? / What is the profession of {0}? / What does {0} do for a living?
0 Who works as a {1}? / Who is a {1}?

person age
{0} is {1} years old. / {0}'s age is {1}. / {0} turned {1} last week. / At {1}, {0} is still active.
1 How old is {0}? / What is {0}'s age? / What is the age of {0}? / How many years old is {0}?
0 Who is {1} years old?

person email
{0}'s email address is {1}. / You can reach {0} at {1}. / Write to {0} at {1}. / {0}: {1}. / Email of {0}: {1}.
1 What is {0}'s email? / What is the email address of {0}? / How can I reach {0}? / Which email address does {0} have? / How do I contact {0}?
0 Whose email address is {1}?

person phone
{0}'s phone number is {1}. / Call {0} at {1}. / The phone number of {0} is {1}. / {0} can be called at {1}.
1 What is {0}'s phone number? / What is the phone number of {0}? / Which number do I call to reach {0}? / What number does {0} have?

person colour
{0}'s favorite color is {1}. / The favourite colour of {0} is {1}. / {0} likes {1} best. / {0} loves the color {1}.
1 What is {0}'s favorite color? / Which color does {0} like best? / What is the favourite colour of {0}? / What color does {0} love?
0 Who likes {1}? / Whose favorite color is {1}?

person noun
{0} likes {1}. / {0}'s favorite food is {1}. / {0} eats {1} every day. / {0} loves {1}.
1 What does {0} like? / What is {0}'s favorite food? / What does {0} eat? / What does {0} love?
0 Who likes {1}? / Who eats {1}? / Who loves {1}?

person project
{0} leads {1}. / {1} is led by {0}. / The head of {1} is {0}. / {0} is in charge of {1}. / {0} manages {1}. / {1} is managed by {0}.
1 What does {0} lead? / Which project does {0} lead? / What is {0} in charge of? / What does {0} manage?
0 Who leads {1}? / Who is the head of {1}? / Who is in charge of {1}? / Who manages {1}? / Who runs {1}? / Who is the leader of {1}?

person company
{0} works for {1}. / {0} works at {1}. / {0} joined {1} in spring. / {0} is employed by {1}. / {1} hired {0}.
1 Where does {0} work? / Who does {0} work for? / Which company does {0} work for? / What company employs {0}? / What is {0}'s employer?
0 Who works at {1}? / Who works for {1}? / Who did {1} hire?

company person year
{0} was founded by {1} in {2}. / {1} founded {0} in {2}. / In {2}, {1} started {0}. / {0} was established in {2} by {1}.
1 Who founded {0}? / Who started {0}? / Who is the founder of {0}? / Who established {0}? / By whom was {0} founded?
2 When was {0} founded? / In which year was {0} founded? / What year was {0} started? / When was {0} established?
0 What did {1} found? / Which company was founded in {2}? / Which company did {1} start?

company place
{0} is based in {1}. / {0} has its headquarters in {1}. / The headquarters of {0} are in {1}. / {0} is located in {1}. / The main office of {0} is in {1}.
1 Where is {0} based? / Where are the headquarters of {0}? / In which city is {0} based? / Where is {0} located? / Where is the main office of {0}?
0 Which company is based in {1}? / What company is located in {1}?

company count noun
{0} has {1} employees and sells {2}. / {0} makes {2} with {1} people. / {0} employs {1} people and produces {2}. / With {1} employees, {0} sells {2}.
1 How many employees does {0} have? / How many people work at {0}? / How many people does {0} employ?
2 What does {0} sell? / What does {0} make? / What does {0} produce? / What is the product of {0}?

company money
{0} earned {1} last year. / The revenue of {0} was {1}. / {0} has a revenue of {1}. / {0}'s revenue was {1}.
1 How much did {0} earn? / What was the revenue of {0}? / What is {0}'s revenue? / How much money did {0} make last year?

building year person
{0} was built in {1} by {2}. / {2} built {0} in {1}. / In {1}, {2} built {0}. / {0} was built by {2} in {1}. / Built in {1}, {0} is the work of {2}.
1 When was {0} built? / In which year was {0} built? / What year was {0} built? / In what year did {2} build {0}?
2 Who built {0}? / By whom was {0} built? / Who was the builder of {0}? / Who constructed {0}?
0 What was built in {1}? / What did {2} build?

building person
{0} was designed by {1}. / {1} designed {0}. / The architect of {0} was {1}. / {0} is a design by {1}. / {1} is the architect of {0}.
1 Who designed {0}? / Who was the architect of {0}? / Who is the architect of {0}? / By whom was {0} designed?
0 What did {1} design?

building time
{0} opens at {1}. / {0} is open from {1}. / The doors of {0} open at {1}. / Opening time of {0}: {1}.
1 When does {0} open? / What time does {0} open? / At what time does {0} open? / From when is {0} open? / What is the opening time of {0}?
0 What opens at {1}?

building time
{0} closes at {1}. / {0} is closed after {1}. / The doors of {0} close at {1}. / {0} shuts at {1}.
1 When does {0} close? / What time does {0} close? / At what time does {0} close? / What is the closing time of {0}?

building measure
{0} is {1} tall. / The height of {0} is {1}. / {0} has a height of {1}. / {0} rises {1}. / {0} stands {1} high.
1 How tall is {0}? / What is the height of {0}? / How high is {0}? / What is {0}'s height?
0 What is {1} tall?

building place
{0} is in {1}. / {0} stands in {1}. / {0} is located in {1}. / You find {0} in {1}. / In {1} there is {0}.
1 Where is {0}? / In which town is {0}? / Where is {0} located? / Where can I find {0}? / Where does {0} stand?
0 What is in {1}? / What stands in {1}?

building colour
{0} is painted {1}. / The walls of {0} are {1}. / {0} is {1}. / The color of {0} is {1}.
1 What color is {0}? / Which colour is {0}? / What is the color of {0}? / Which color is {0} painted?
0 What is {1}? / What is painted {1}?

room code
The access code of {0} is {1}. / The code for {0} is {1}. / {0} has the access code {1}. / To enter {0}, type {1}. / {0} opens with the code {1}. / The password of {0} is {1}.
1 What is the access code of {0}? / What is the code for {0}? / Which code opens {0}? / How do I enter {0}? / What is the password of {0}? / Tell me the code of {0}.
0 What does the code {1} open?

room count
{0} has {1} seats. / There are {1} seats in {0}. / {0} seats {1} people. / {0} can hold {1} people. / The capacity of {0} is {1}.
1 How many seats does {0} have? / How many people can {0} hold? / What is the capacity of {0}? / How many people fit in {0}?

room floor person
{0} is on floor {1} and belongs to {2}. / {2} works in {0} on floor {1}. / On floor {1} is {0}, used by {2}.
1 Which floor is {0} on? / On which floor is {0}? / What floor is {0} on?
2 Who works in {0}? / Who uses {0}? / Whose room is {0}? / Who does {0} belong to?

product money
{0} costs {1}. / The price of {0} is {1}. / {0} is sold for {1}. / You can buy {0} for {1}. / {0} is {1}.
1 How much does {0} cost? / What is the price of {0}? / What does {0} cost? / How much is {0}? / For how much is {0} sold?
0 What costs {1}? / Which product costs {1}?

product measure
{0} weighs {1}. / The weight of {0} is {1}. / {0} has a weight of {1}. / {0}'s weight is {1}.
1 How much does {0} weigh? / What is the weight of {0}? / How heavy is {0}? / What is {0}'s weight?

product noun
{0} is made of {1}. / {0} consists of {1}. / They make {0} from {1}. / The material of {0} is {1}. / {0} is built from {1}.
1 What is {0} made of? / What does {0} consist of? / Which material is {0} made of? / What is the material of {0}?
0 What is made of {1}?

product person year
{0} was invented by {1} in {2}. / {1} invented {0} in {2}. / In {2} {1} discovered {0}. / {0} was discovered in {2} by {1}.
1 Who invented {0}? / Who discovered {0}? / Who is the inventor of {0}? / By whom was {0} discovered?
2 When was {0} invented? / In which year was {0} discovered? / When was {0} discovered? / What year was {0} invented?
0 What did {1} invent? / What was invented in {2}? / What did {1} discover?

product temperature
{0}'s melting point is {1}. / The melting point of {0} is {1}. / {0} melts at {1}. / {0} boils at {1}. / The temperature of {0} is {1}.
1 What is {0}'s melting point? / At what temperature does {0} melt? / What is the melting point of {0}? / What is the temperature of {0}? / When does {0} melt?

product code
The serial number of {0} is {1}. / {0} has the serial number {1}. / {0} carries number {1}. / The id of {0} is {1}. / {0} has id {1}.
1 What is the serial number of {0}? / Which serial number does {0} have? / What number does {0} have? / What is the id of {0}?

project date
{0} starts on {1}. / {0} begins on {1}. / The start of {0} is {1}. / {0} was launched on {1}. / The launch date of {0} is {1}.
1 When does {0} start? / When does {0} begin? / What is the start date of {0}? / When was {0} launched? / What is the launch date of {0}?
0 What starts on {1}?

project date
{0} ends on {1}. / The deadline of {0} is {1}. / {0} is due on {1}. / {0} must be finished by {1}.
1 When does {0} end? / What is the deadline of {0}? / When is {0} due? / By when must {0} be finished?

project money
The budget of {0} is {1}. / {0} has a budget of {1}. / {0}'s budget is {1}. / {0} may spend {1}.
1 What is the budget of {0}? / How much money does {0} have? / What is {0}'s budget? / How large is the budget of {0}?

project phrase
The goal of {0} is {1}. / {0} is about {1}. / The topic of {0} is {1}. / {0} studies {1}. / {0} deals with {1}.
1 What is the goal of {0}? / What is {0} about? / What does {0} study? / What is the topic of {0}?

place count
{0} has {1} inhabitants. / The population of {0} is {1}. / {1} people live in {0}. / {0} has a population of {1}.
1 How many people live in {0}? / What is the population of {0}? / How many inhabitants does {0} have? / What is {0}'s population?

place person
The mayor of {0} is {1}. / {1} is the mayor of {0}. / {0}'s mayor is {1}. / {0} elected {1} as mayor. / {1} governs {0}.
1 Who is the mayor of {0}? / Who is {0}'s mayor? / Who governs {0}? / What is the name of the mayor of {0}?
0 Which town has {1} as mayor? / Where is {1} mayor?

place title
The capital of {0} is {1}. / {1} is the capital of {0}. / {0}'s capital is {1}.
1 What is the capital of {0}? / Which city is the capital of {0}? / What is {0}'s capital? / Name the capital of {0}.

place title
The river in {0} is called {1}. / {0} lies on the river {1}. / The river {1} flows through {0}.
1 Which river flows through {0}? / What is the river in {0} called? / On which river does {0} lie?
0 What town lies on the river {1}?

animal noun
{0} eats {1}. / {0} feeds on {1}. / The food of {0} is {1}. / {0} lives on {1}.
1 What does {0} eat? / What is the food of {0}? / What does {0} feed on?
0 What eats {1}? / Who eats {1}?

animal person
{0} belongs to {1}. / {1} owns {0}. / The owner of {0} is {1}. / {1} is the owner of {0}. / {1} has {0}.
1 Who owns {0}? / Who is the owner of {0}? / Who does {0} belong to? / Whose is {0}?
0 What does {1} own? / What belongs to {1}?

event date place
{0} takes place on {1} in {2}. / {0} is held in {2} on {1}. / On {1}, {0} happens in {2}. / {0} is on {1} in {2}.
1 When is {0}? / When does {0} take place? / On which day is {0}? / What is the date of {0}?
2 Where is {0}? / Where does {0} take place? / Where is {0} held? / In which town is {0}?

event person
{0} was won by {1}. / {1} won {0}. / The winner of {0} was {1}. / {1} is the winner of {0}. / First place in {0} went to {1}.
1 Who won {0}? / Who was the winner of {0}? / Who is the winner of {0}? / Who came first in {0}?
0 What did {1} win?

event time
{0} starts at {1}. / {0} begins at {1}. / The start of {0} is at {1}. / {0} is at {1}.
1 When does {0} start? / At what time does {0} begin? / What time does {0} start? / When is {0}?

any attribute value
The {1} of {0} is {2}. / {0}'s {1} is {2}. / {0} has the {1} {2}. / {1} of {0}: {2}. / {0}: {1} {2}. / For {0}, the {1} is {2}. / {2} is the {1} of {0}. / {0} has {2} as its {1}.
2 What is the {1} of {0}? / What is {0}'s {1}? / Which {1} does {0} have? / What {1} does {0} have? / {0} {1}? / Tell me the {1} of {0}. / Give the {1} for {0}. / {1} of {0}? / What's the {1} for {0}?

any deed value
{0} {1}s {2}. / {0} will {1} {2}. / {2} is what {0} will {1}. / {0} can {1} {2}. / {0} likes to {1} {2}.
2 What does {0} {1}? / What will {0} {1}? / What can {0} {1}? / {0} {1}s what?
0 Who {1}s {2}? / Who will {1} {2}?

any done year person
{0} was {1} in {2} by {3}. / {3} {1} {0} in {2}. / In {2}, {0} was {1} by {3}. / {0} was {1} by {3} in {2}.
2 When was {0} {1}? / In which year was {0} {1}? / What year was {0} {1}?
3 Who {1} {0}? / By whom was {0} {1}? / Who was it that {1} {0}? / Who has {1} {0}?
0 What was {1} in {2}? / What was {1} by {3}?

any done date
{0} was {1} on {2}. / On {2}, {0} was {1}. / {0} has been {1} since {2}. / {0} will be {1} on {2}.
2 When was {0} {1}? / On which day was {0} {1}? / What day was {0} {1}? / Since when is {0} {1}? / When will {0} be {1}?

any deed count things
{0} {1}s {2} {3}. / {0} can {1} {2} {3}. / There are {2} {3} to {1} for {0}. / Every year {0} {1}s about {2} {3}.
2 How many {3} does {0} {1}? / How many {3} can {0} {1}? / What number of {3} does {0} {1}?

any count things
{0} has {1} {2}. / There are {1} {2} in {0}. / {0} holds {1} {2}. / {0} is home to {1} {2}. / {0} lasts {1} {2}. / {0} comes with {1} {2}.
1 How many {2} does {0} have? / How many {2} are there in {0}? / How many {2} are in {0}? / How many {2} does {0} hold? / How many {2} does {0} last?

any quality date
{0} is {1} on {2}. / On {2}, {0} is {1}. / {0} will be {1} until {2}. / {0} is always {1} on {2}.
2 When is {0} {1}? / On which day is {0} {1}? / On what day is {0} {1}? / Until when is {0} {1}?

person relative name
{0}'s {1} is called {2}. / The {1} of {0} is {2}. / {0} has a {1} named {2}. / {2} is the {1} of {0}. / {0}'s {1} is {2}.
2 Who is {0}'s {1}? / What is the name of {0}'s {1}? / What is {0}'s {1} called? / Who is the {1} of {0}? / How is {0}'s {1} called?
0 Whose {1} is {2}?

any placing place
{0} {1} in {2}. / In {2}, {0} {1}. / {0} {1} in {2} every year.
2 Where does {0} {1}? / In which town does {0} {1}? / Where can {0} {1}?
"""


@dataclass(frozen=True)
class Relation:
    """A fact's shape: kinds of its members (the subject first), statements, and questions by the member they ask for."""

    kinds: tuple[str, ...]
    statements: tuple[str, ...]
    questions: dict[int, tuple[str, ...]]


def _read(paragraph: str) -> Relation:
    kinds, statements, *asked = paragraph.split("\n")
    questions = {int(line[0]): tuple(line[2:].split(" / ")) for line in asked}
    return Relation(tuple(kinds.split()), tuple(statements.split(" / ")), questions)


RELATIONS = tuple(_read(paragraph) for paragraph in _TABLE.strip().split("\n\n"))
