"""The wordings in which the frameworks, and people, put a context and a question to a model."""

# ruff: noqa: E501  -- the wordings are quoted as they are

from __future__ import annotations

LLAMA_INDEX_SYSTEM = """You are an expert Q&A system that is trusted around the world.
Always answer the query using the provided context information, and not prior knowledge.
Some rules to follow:
1. Never directly reference the given context in your answer.
2. Avoid statements like 'Based on the context, ...' or 'The context information ...' or anything along those lines."""
LLAMA_INDEX = (
    """Context information is below.
---------------------
{c}
---------------------
Given the context information and not prior knowledge, answer the query.
Query: {q}
Answer: """,
    """Context information is below.
---------------------
{c}

---------------------
Given the context information and not prior knowledge, answer the query.
Query: {q}
Answer:""",
    """Context information from multiple sources is below.
---------------------
{c}
---------------------
Given the information from multiple sources and not prior knowledge, answer the query.
Query: {q}
Answer: """,
)
_LANGCHAIN_RAG = (
    "You are an assistant for question-answering tasks. Use the following pieces of retrieved context to answer the question. If you "
    "don't know the answer, just say that you don't know. Use three sentences maximum and keep the answer concise."
)
QUESTIONS = (
    "Use the following pieces of context to answer the question at the end. If you don't know the answer, just say that you don't know, don't try to make up an answer.\n\n{c}\n\nQuestion: {q}\nHelpful Answer:",
    _LANGCHAIN_RAG + "\nQuestion: {q} \nContext: {c} \nAnswer:",
    "Answer the question based only on the following context:\n{c}\n\nQuestion: {q}",
    "Answer the question based only on the following context:\n\n{c}\n\nQuestion: {q}\n",
    "Answer the question using this context:\n{c}\nQuestion: {q}",
    "Context: {c}\n\nQuestion: {q}\n\nAnswer:",
    "Context:\n{c}\n\nQuestion: {q}\nAnswer:",
    "{c}\n\n{q}",
    "{c} {q}",
    "{c}\n{q}",
    "{q}\n\nContext:\n{c}",
    "{q}\n\n{c}",
    "Question: {q}\nContext: {c}",
    "Read the text and answer.\n\n{c}\n\n{q}",
    "Given this context:\n{c}\n\nAnswer: {q}",
    "Use this context to answer.\n<context>\n{c}\n</context>\nQuestion: {q}",
    "Text: {c}\nQuestion: {q}",
    "Here are some facts.\n{c}\nNow answer: {q}",
    "I know that: {c} So, {q}",
    "Based on the documents below, {q}\n\n{c}",
)
SYSTEM_CONTEXTS = (
    "Use the given context to answer the question. If you don't know the answer, say you don't know. Use three sentence maximum and keep the answer concise. Context: {c}",
    _LANGCHAIN_RAG + "\n\n{c}",
    _LANGCHAIN_RAG + "\n\nContext: {c}",
    "Answer the user's questions based on the below context:\n\n{c}",
    "Answer any use questions based solely on the context below:\n\n<context>\n{c}\n</context>",
    "Answer using this context:\n{c}",
    "You are a helpful assistant. Here is what you know:\n{c}",
    "You are a helpful assistant. Use the following context in your response:\n\n{c}",
    """
  The following is a friendly conversation between a user and an AI assistant.
  The assistant is talkative and provides lots of specific details from its context.
  If the assistant does not know the answer to a question, it truthfully says it
  does not know.

  Here are the relevant documents for the context:

  {c}

  Instruction: Based on the above documents, provide a detailed answer for the user question below.
  Answer "don't know" if not present in the document.
  """,
    "Use the context information below to assist the user.\n--------------------\n{c}\n--------------------\n",
)
_REFINE_RULES = """You are an expert Q&A system that strictly operates in two modes when refining existing answers:
1. **Rewrite** an original answer using the new context.
2. **Repeat** the original answer if the new context isn't useful.
Never reference the original answer or context directly in your answer.
When in doubt, just repeat the original answer."""
REFINE = (
    ("", """The original query is as follows: {q}
We have provided an existing answer: {a}
We have the opportunity to refine the existing answer (only if needed) with some more context below.
------------
{c}
------------
Given the new context, refine the original answer to better answer the query. If the context isn't useful, return the original answer.
Refined Answer: """),
    (_REFINE_RULES, "New Context:\n---------------------\n{c}\n\n---------------------\nQuery: {q}\nOriginal Answer: {a}\nNew Answer:"),
    ("", _REFINE_RULES + "\nNew Context: {c}\nQuery: {q}\nOriginal Answer: {a}\nNew Answer: "),
)  # fmt: skip
CONDENSE = (
    """
  Given the following conversation between a user and an AI assistant and a follow up question from user,
  rephrase the follow up question to be a standalone question.

  Chat History:
  {h}
  Follow Up Input: {q}
  Standalone question:""",
    """Given a conversation (between Human and Assistant) and a follow up message from Human, rewrite the message to be a standalone question that captures all relevant context from the conversation.

<Chat History>
{h}

<Follow Up Message>
{q}

<Standalone question>
""",
    """Given the following conversation and a follow up question, rephrase the follow up question to be a standalone question, in its original language.

Chat History:
{h}
Follow Up Input: {q}
Standalone question:""",
)
PLAIN_SENTENCES = tuple(
    """Plants turn sunlight into energy and release oxygen.
Water freezes when it becomes very cold.
The city council discussed the new bus routes for several hours.
Most visitors arrive by train and walk to the old town.
The company has grown quickly and now sells its products all over the world.
Please contact our support team if you have any questions.
Our return policy covers all items that are sent back in their original box.
The software is written in Python and runs on Linux, Windows and macOS.
Volunteers planted trees along the river during the weekend.
Reading before bed helps many people to sleep better.
The recipe needs flour, butter, sugar and a little salt.
A large language model predicts the next word of a text.
Employees may work from home after talking to their manager.
The train was late because of heavy snow in the mountains.
Scientists are still looking for an explanation.
It is one of the best known sights of the region.
The restaurant serves fresh fish and vegetables from local farms.
Bees and butterflies carry pollen from flower to flower.
The museum shows paintings and furniture from three centuries.
He studied mathematics before he became interested in music.
She wrote several books about travel and history.
The engine uses less fuel than the older version.
All rooms have a balcony, a desk and a view of the garden.
The meeting was moved because too few members were present.
Its walls are made of stone and its roof is made of wood.
The new version fixes many errors and adds dark mode.
Children enter for free and students pay half the price.
The bridge was closed for repairs, so drivers had to take another road.
They met at university and have worked together ever since.
Keep the medicine in a cool and dry place.
The orchestra will play pieces by Mozart and Bach.
Light travels much faster than sound.
The award is given to researchers who have made important discoveries.
Customers said that the delivery was fast and friendly.
In summer the lake is warm enough for swimming.
The database stores every order together with its customer.
To reset the device, hold the button until the lamp is green.
Dolphins are mammals and have to come up for air.
The first results were better than anybody had expected.
Rain is likely in the north, while the south stays dry.""".splitlines()
)
