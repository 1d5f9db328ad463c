"""All the places that are played, by the name of their row or, where one row is several servers, their own."""

from __future__ import annotations

from tests.places.bedrock import Bedrock
from tests.places.cerebras import Cerebras
from tests.places.deepinfra import DeepInfra
from tests.places.fireworks import Fireworks
from tests.places.groq import Groq
from tests.places.litellm import LiteLLM
from tests.places.llama_cpp_python import LlamaCppPython
from tests.places.llama_server import LlamaServer
from tests.places.llama_stack import LlamaStack
from tests.places.llamagate import LlamaGate
from tests.places.lmstudio import LMStudio
from tests.places.nvidia import Nvidia
from tests.places.ollama import Ollama
from tests.places.openai_compatible import OpenAICompatible
from tests.places.openrouter import OpenRouter
from tests.places.sambanova import SambaNova
from tests.places.simulator import Simulator
from tests.places.tgi import TGI
from tests.places.together import Together
from tests.places.vllm import VLLM

HOSTED: tuple[type[Simulator], ...] = (
    Together,
    Fireworks,
    Groq,
    SambaNova,
    Cerebras,
    LlamaGate,
    DeepInfra,
    OpenRouter,
    Nvidia,
    Bedrock,
)

SERVERS: tuple[type[Simulator], ...] = (
    LiteLLM,
    LlamaStack,
    Ollama,
    VLLM,
    TGI,
    LlamaServer,
    LMStudio,
    OpenAICompatible,
    LlamaCppPython,
)

SIMULATORS: dict[str, type[Simulator]] = {kind.title or kind.name: kind for kind in (*HOSTED, *SERVERS)}

VARIANTS: list[tuple[str, str]] = [(name, variant) for name, kind in SIMULATORS.items() for variant in kind.variants]
"""Each place, in each way that it may be."""
