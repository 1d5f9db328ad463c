"""One row for each place that is reached over HTTP; README's table and the contract tests read it."""

from __future__ import annotations

from shared_core.backends.place import Option, Place
from shared_core.errors import ContextLengthError, ModelNotFoundError
from shared_core.types import Capabilities
from shared_core.wire.ollama import OllamaWire
from shared_core.wire.openai import OpenAIWire

_COMPLETION_TOKENS = (("max_tokens", "max_completion_tokens"),)
_REPEAT_PENALTY = (("repetition_penalty", "repeat_penalty"),)
# Knobs of samplers beyond OpenAI's own.
_SAMPLING = frozenset({"top_k", "min_p", "repetition_penalty"})
_PENALTIES = frozenset({"frequency_penalty", "presence_penalty"})
_LOGPROBS = frozenset({"logprobs"})
_NO_SOUND_NO_FILES = frozenset({"audio", "file"})

PLACES: tuple[Place, ...] = (
    Place(
        "together",
        "Together AI",
        "https://api.together.ai/v1",
        key="TOGETHER_API_KEY",
        chat_model="openai/gpt-oss-120b",
        embedding_model="BAAI/bge-base-en-v1.5",
        aliases=("together_ai", "togetherai"),
        wire=OpenAIWire(
            stream_usage=False,
            logprobs="count",
            dropped=frozenset({"parallel_tool_calls", "user"}),
            refused_parts=frozenset({"file"}),
            embed_encoding=None,  # it is no field of its API's description, though it has been taken
            embed_dimensions=False,
        ),
    ),
    Place(
        "fireworks",
        "Fireworks AI",
        "https://api.fireworks.ai/inference/v1",
        key="FIREWORKS_API_KEY",
        chat_model="accounts/fireworks/models/deepseek-v4p1-flash",
        embedding_model="nomic-ai/nomic-embed-text-v1.5",
        aliases=("fireworks_ai",),
        capabilities=Capabilities(json_schema=True, json_schema_with_tools=False),
        image_limits="30 images, 10 MB of base64 in all, 5 MB for an image by URL",
        wire=OpenAIWire(
            stream_usage=False,
            grammar="response_format",
            defaults=(("context_length_exceeded_behavior", "error"),),  # its own is to lower max_tokens silently
            schema_with_tools="final_tool",
            refused_parts=_NO_SOUND_NO_FILES,
            reasoning_key="reasoning_content",
            timing_headers=(
                ("fireworks-server-time-to-first-token", "first_token"),
                ("fireworks-server-processing-time", "total"),
            ),
            embed_encoding="base64",
        ),
    ),
    Place(
        "groq",
        "Groq",
        "https://api.groq.com/openai/v1",
        key="GROQ_API_KEY",
        chat_model="openai/gpt-oss-120b",
        capabilities=Capabilities(json_schema_with_tools=False, prefill=True),
        image_limits="4 MB of base64, 20 MB for an image by URL, 33 megapixels, 3 to 5 images by model",
        wire=OpenAIWire(
            names=_COMPLETION_TOKENS,
            stream_usage=False,
            streams_schema=False,
            message_names=False,
            dropped=_SAMPLING | _PENALTIES,
            refused=_LOGPROBS,
            refused_parts=_NO_SOUND_NO_FILES,
            schema_with_tools="final_tool",
            reasoning_key="reasoning",
        ),
    ),
    Place(
        "sambanova",
        "SambaNova",
        "https://api.sambanova.ai/v1",
        key="SAMBANOVA_API_KEY",
        chat_model="Meta-Llama-3.3-70B-Instruct",
        embedding_model="E5-Mistral-7B-Instruct",
        aliases=("samba_nova",),
        capabilities=Capabilities(image_urls=False),
        wire=OpenAIWire(
            image_urls=False,
            dropped=frozenset({"min_p", "user"}) | _PENALTIES,
            embed_encoding="base64",
            embed_dimensions=False,
        ),
    ),
    Place(
        "cerebras",
        "Cerebras",
        "https://api.cerebras.ai/v1",
        key="CEREBRAS_API_KEY",
        chat_model="gpt-oss-120b",
        capabilities=Capabilities(json_schema_with_tools=False, image_urls=False),
        wire=OpenAIWire(
            names=_COMPLETION_TOKENS,
            stream_usage=False,
            image_urls=False,
            dropped=_SAMPLING | _PENALTIES | {"parallel_tool_calls"},
            # The quota is charged before the call with the whole context window if no bound is sent.
            defaults=(("max_completion_tokens", 4096),),
            refused_parts=_NO_SOUND_NO_FILES,
            schema_with_tools="final_tool",
            reasoning_key="reasoning",
        ),
    ),
    Place(
        "llamagate",
        "LlamaGate",
        "https://api.llamagate.dev/v1",
        key="LLAMAGATE_API_KEY",
        chat_model="llama-3.1-8b",
        embedding_model="nomic-embed-text",
        aliases=("llama_gate",),
        wire=OpenAIWire(
            dropped=_SAMPLING | {"seed", "user", "parallel_tool_calls", "reasoning_effort"}, refused=_LOGPROBS
        ),
    ),
    Place(
        "deepinfra",
        "DeepInfra",
        "https://api.deepinfra.com/v1/openai",
        key="DEEPINFRA_API_KEY",
        chat_model="meta-llama/Llama-3.3-70B-Instruct",
        embedding_model="BAAI/bge-m3",
        aliases=("deep_infra",),
        embed_batch=1024,
        wire=OpenAIWire(embed_encoding="base64"),
    ),
    Place(
        "openrouter",
        "OpenRouter",
        "https://openrouter.ai/api/v1",
        key="OPENROUTER_API_KEY",
        chat_model="meta-llama/llama-3.3-70b-instruct",
        embedding_model="qwen/qwen3-embedding-8b",
        aliases=("open_router",),
        options={
            "provider": Option(body=("provider",)),
            "site_url": Option(headers=("http-referer",)),
            "app_name": Option(headers=("x-title",)),
        },
        wire=OpenAIWire(
            developer_role=True,
            reasoning_key="reasoning",
            # Else providers that know no formats are asked too, and the format is dropped.
            schema_defaults=(("provider", {"require_parameters": True}),),
        ),
    ),
    Place(
        "nvidia",
        "NVIDIA NIM",
        "https://integrate.api.nvidia.com/v1",
        key="NVIDIA_API_KEY",
        chat_model="meta/llama-3.3-70b-instruct",
        embedding_model="nvidia/llama-3.2-nv-embedqa-1b-v2",
        aliases=("nvidia_nim", "nim"),
        url_variable="NVIDIA_BASE_URL",
        image_limits="180 KB for an inline image",
        embed_batch=50,
        wire=OpenAIWire(
            dropped=_SAMPLING | {"user"},
            embed_kinds=(("query", "query"), ("document", "passage")),
            embed_encoding="base64",
        ),
    ),
    Place(
        "bedrock",
        "Amazon Bedrock (OpenAI API)",
        "https://bedrock-mantle.{region}.api.aws/v1",
        key="AWS_BEARER_TOKEN_BEDROCK",
        chat_model="openai.gpt-oss-120b",
        aliases=("bedrock_openai", "amazon_bedrock", "aws_bedrock"),
        options={"region": Option(url="region")},
    ),
    Place(
        "litellm",
        "LiteLLM proxy",
        "http://localhost:4000/v1",
        key="LITELLM_API_KEY",
        key_required=False,
        chat_model="gpt-4o",
        embedding_model="text-embedding-3-small",
        aliases=("litellm_proxy", "lite_llm"),
        url_variable="LITELLM_BASE_URL",
        server=True,
        options={"metadata": Option(body=("metadata",)), "tags": Option(body=("metadata", "tags"))},
        wire=OpenAIWire(
            developer_role=True,
            cost_header="x-litellm-response-cost",
            metadata_headers=(
                "x-litellm-call-id",
                "x-litellm-model-id",
                "x-litellm-model-group",
                "x-litellm-model-api-base",
                "x-litellm-response-duration-ms",
                "x-litellm-overhead-duration-ms",
                "x-litellm-key-spend",
                "x-litellm-attempted-retries",
                "x-litellm-attempted-fallbacks",
            ),
        ),
    ),
    Place(
        "llama_stack",
        "Llama Stack (OGX)",
        "http://localhost:8321/v1",
        key="LLAMA_STACK_API_KEY",
        key_required=False,
        aliases=("llamastack", "ogx"),
        url_variable="LLAMA_STACK_BASE_URL",
        server=True,
        # Keys for the providers behind the server; the second name is read since OGX 0.8.
        options={"provider_data": Option(headers=("x-llamastack-provider-data", "x-ogx-provider-data"))},
        roots=("", "/openai/v1"),  # the second before 0.4
        wire=OpenAIWire(developer_role=True),
    ),
    Place(
        "ollama",
        "Ollama",
        "http://localhost:11434",
        key="OLLAMA_API_KEY",
        key_required=False,
        chat_model="llama3.1:8b",
        embedding_model="nomic-embed-text",
        url_variable="OLLAMA_HOST",
        server=True,
        free=True,
        billed_marks=("ollama.com", "-cloud", ":cloud"),
        # It ignores `tool_choice`, but not a format with the form of a call; nor does it take tools beside a format:
        # both are asked for in another way, see its wire.
        capabilities=Capabilities(
            tool_choice=True, json_schema=True, json_schema_with_tools=False, image_urls=False, prefill=True
        ),
        options={
            "num_ctx": Option(body=("options", "num_ctx"), window=True),
            "n_ctx": Option(body=("options", "num_ctx"), window=True),
            "keep_alive": Option(body=("keep_alive",), none=-1),
            "think": Option(body=("think",)),
        },
        advice={
            ModelNotFoundError: "Get it with: ollama pull {model}. What is there already: ollama list.",
            ContextLengthError: "Shorten the conversation, pass a larger num_ctx, or take a model with a larger one.",
        },
        wire=OllamaWire(),
    ),
    Place(
        "vllm",
        "vLLM",
        "http://localhost:8000/v1",
        key="VLLM_API_KEY",
        key_required=False,
        aliases=("hosted_vllm",),
        url_variable="VLLM_BASE_URL",
        server=True,
        free=True,
        capabilities=Capabilities(json_schema=True, prefill=True),
        wire=OpenAIWire(prefix=(("continue_final_message", True), ("add_generation_prompt", False))),
    ),
    Place(
        "tgi",
        "Text Generation Inference",
        "http://localhost:8080/v1",
        key="HF_TOKEN",
        key_required=False,
        chat_model="tgi",
        aliases=("text_generation_inference",),
        url_variable="TGI_BASE_URL",
        server=True,
        free=True,
        embed_batch=32,  # of text-embeddings-inference, its sibling
        capabilities=Capabilities(json_schema_with_tools=False),
        wire=OpenAIWire(
            dropped=_SAMPLING | {"user", "parallel_tool_calls", "reasoning_effort"},
            # A temperature must be above 0 and a top_p below 1; the first means "always the likeliest" as well.
            replaced=(("temperature", 0.0, 0.001), ("top_p", 1.0, None)),
            defaults=(("max_tokens", 1024),),  # versions differ in theirs, from 20 on
            refused_parts=_NO_SOUND_NO_FILES,
            schema_form="value",
            schema_with_tools="final_tool",
            json_object=None,  # a schema must name properties
            text_with_calls=False,  # of both it reads the text alone
        ),
    ),
    Place(
        "llama_server",
        "llama.cpp server",
        "http://localhost:8080/v1",
        key="LLAMA_API_KEY",
        key_required=False,
        chat_model="default",
        embedding_model="default",
        aliases=("llama_cpp_server",),
        url_variable="LLAMA_SERVER_BASE_URL",
        server=True,
        free=True,
        capabilities=Capabilities(json_schema=True, prefill=True),
        # The forms that llama-cpp-python's server takes too, which many have running instead.
        wire=OpenAIWire(
            names=_REPEAT_PENALTY,
            grammar="body",
            named_tool="only_tool",
            refused_parts=frozenset({"file"}),
            no_content="",
            schema_form="schema",
        ),
    ),
    Place(
        "lmstudio",
        "LM Studio",
        "http://localhost:1234/v1",
        key="LM_STUDIO_API_KEY",
        key_required=False,
        chat_model="openai/gpt-oss-20b",
        embedding_model="text-embedding-nomic-embed-text-v1.5",
        aliases=("lm_studio",),
        url_variable="LM_STUDIO_BASE_URL",
        server=True,
        free=True,
        capabilities=Capabilities(json_schema=True),
        wire=OpenAIWire(
            names=_REPEAT_PENALTY,
            named_tool="only_tool",
            json_object="json_schema",
            image_urls=False,
            dropped=frozenset({"min_p", "user", "parallel_tool_calls"}),
            refused=_LOGPROBS,
        ),
    ),
    Place(
        "openai_compatible",
        "Any OpenAI-compatible server",
        "http://localhost:8000/v1",
        key="OPENAI_COMPATIBLE_API_KEY",
        key_required=False,
        aliases=("openai_like", "generic"),
        url_variable="OPENAI_COMPATIBLE_BASE_URL",
        server=True,
        wire=OpenAIWire(no_content=""),  # llama-cpp-python's server refuses null, and nobody refuses this
    ),
)

CATALOG: dict[str, Place] = {place.name: place for place in PLACES}
"""By name. A row added here is a backend, with all that the package can do."""
