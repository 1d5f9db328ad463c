"""Writes small GGUF files with random weights: real architecture, real tokenizer, nonsense answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np

CHATML = (
    "{% if tools %}<|im_start|>system\n"
    "{% for tool in tools %}{{ tool | tojson }}\n{% endfor %}<|im_end|>\n{% endif %}"
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}"
    "{% for call in message.tool_calls or [] %}<tool_call>\n"
    '{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}'
    "\n</tool_call>{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
MARKERS = ("<tool_call>", "</tool_call>", "<think>", "</think>", "[TOOL_CALLS]", "[ARGS]")
EXTRA = (" the", " a", "ing", "tion", '{"', '":', "    ", " " * 40)


def byte_alphabet() -> list[str]:
    """GPT-2's printable stand-in of each byte."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {byte: chr(byte) for byte in printable}
    for byte in range(256):
        table.setdefault(byte, chr(256 + len(table) - len(printable)))
    return [table[byte] for byte in range(256)]


def vocabulary(markers: tuple[str, ...] = MARKERS) -> tuple[list[str], list[int], list[str]]:
    """Tokens, their types and merges of a byte-level BPE with a few longer pieces."""
    alphabet = byte_alphabet()
    pieces = ["".join(alphabet[byte] for byte in text.encode()) for text in EXTRA]
    tokens, merges = list(alphabet), []
    for piece in pieces:
        for end in range(2, len(piece) + 1):
            if piece[:end] not in tokens:
                tokens.append(piece[:end])
                merges.append(f"{piece[: end - 1]} {piece[end - 1]}")
    types: list[int] = [gguf.TokenType.NORMAL] * len(tokens)
    tokens += [*CONTROL, *markers]
    types += [gguf.TokenType.CONTROL] * len(CONTROL) + [gguf.TokenType.USER_DEFINED] * len(markers)
    return tokens, types, merges


def write_model(
    path: Path,
    *,
    width: int = 32,
    layers: int = 2,
    heads: int = 2,
    hidden: int = 64,
    window: int = 2048,
    template: str | None = CHATML,
    markers: tuple[str, ...] = MARKERS,
    seed: int = 0,
    scale: float = 0.4,
    add_start: bool = False,
    metadata: dict[str, Any] | None = None,
) -> Path:
    """A Llama-architecture model at `path`; `scale` is the spread of its weights."""
    draw = np.random.default_rng(seed)
    tokens, types, merges = vocabulary(markers)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(window)
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(hidden)
    writer.add_head_count(heads)
    writer.add_head_count_kv(heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(width // heads)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(tokens.index("<|endoftext|>"))
    writer.add_eos_token_id(tokens.index("<|im_end|>"))
    writer.add_add_bos_token(add_start)
    if template is not None:
        writer.add_chat_template(template)
    for key, value in (metadata or {}).items():
        writer.add_string(key, value) if isinstance(value, str) else writer.add_uint32(key, value)

    def weight(name: str, *shape: int) -> None:
        values = draw.standard_normal(shape, dtype=np.float32) * (scale / np.sqrt(shape[-1] / 32))
        writer.add_tensor(name, values.astype(np.float32))

    def ones(name: str) -> None:
        writer.add_tensor(name, np.ones(width, dtype=np.float32))

    weight("token_embd.weight", len(tokens), width)
    for block in range(layers):
        for part, shape in {
            "attn_q": (width, width),
            "attn_k": (width, width),
            "attn_v": (width, width),
            "attn_output": (width, width),
            "ffn_gate": (hidden, width),
            "ffn_up": (hidden, width),
            "ffn_down": (width, hidden),
        }.items():
            weight(f"blk.{block}.{part}.weight", *shape)
        ones(f"blk.{block}.attn_norm.weight")
        ones(f"blk.{block}.ffn_norm.weight")
    ones("output_norm.weight")
    weight("output.weight", len(tokens), width)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
