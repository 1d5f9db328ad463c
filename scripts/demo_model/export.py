"""The only module that writes GGUF."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import gguf
import numpy as np

from .template import SOURCE
from .tokenizer import CONTROL, END, MARKS, PAD, id_of

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from tokenizers import Tokenizer

    from .network import Network, Shape

    Array = NDArray[np.float32]

NAME = "multillm demo"
DESCRIPTION = (
    "A demonstration model trained from nothing on synthetic conversations: capitals, small sums, repeating, "
    "answering from a given context, calling tools. It knows nothing else."
)


def _pairs_together(matrix: Array, shape: Shape) -> Array:
    # llama.cpp turns neighbouring channels together; the network turns channel i with channel i + half.
    halves = matrix.reshape(shape.heads, 2, shape.head_width // 2, shape.width)
    return np.ascontiguousarray(halves.swapaxes(1, 2)).reshape(matrix.shape)


def tensors(network: Network) -> dict[str, Array]:
    """The weights under llama.cpp's names."""
    weights = {name: value.detach().float().numpy() for name, value in network.state_dict().items()}
    named = {"token_embd": weights["embedding.weight"], "output_norm": weights["norm.weight"]}
    for index in range(network.shape.layers):
        ours, theirs = f"blocks.{index}", f"blk.{index}"
        query, key, value = np.split(weights[f"{ours}.attention.qkv.weight"], 3)
        gate, up = np.split(weights[f"{ours}.gate_up.weight"], 2)
        named[f"{theirs}.attn_norm"] = weights[f"{ours}.attention_norm.weight"]
        named[f"{theirs}.attn_q"] = _pairs_together(query, network.shape)
        named[f"{theirs}.attn_k"] = _pairs_together(key, network.shape)
        named[f"{theirs}.attn_v"] = value
        named[f"{theirs}.attn_output"] = weights[f"{ours}.attention.output.weight"]
        named[f"{theirs}.ffn_norm"] = weights[f"{ours}.hidden_norm.weight"]
        named[f"{theirs}.ffn_gate"], named[f"{theirs}.ffn_up"] = gate, up
        named[f"{theirs}.ffn_down"] = weights[f"{ours}.down.weight"]
    return {f"{name}.weight": value for name, value in named.items()}


def _describe(writer: gguf.GGUFWriter, shape: Shape) -> None:
    writer.add_name(NAME)
    writer.add_description(DESCRIPTION)
    writer.add_license("MIT")
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.hidden)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_rope_dimension_count(shape.head_width)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_layer_norm_rms_eps(shape.epsilon)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)


def _kind(token: str) -> gguf.TokenType:
    if token in CONTROL:
        return gguf.TokenType.CONTROL
    # Written out like any text, so that a parser sees the marks of a tool call.
    return gguf.TokenType.USER_DEFINED if token in MARKS else gguf.TokenType.NORMAL


def _add_tokenizer(writer: gguf.GGUFWriter, tokenizer: Tokenizer) -> None:
    model = json.loads(tokenizer.to_str())["model"]
    tokens = [str(tokenizer.id_to_token(index)) for index in range(tokenizer.get_vocab_size())]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([_kind(token) for token in tokens])
    writer.add_token_merges([" ".join(pair) for pair in model["merges"]])
    writer.add_eos_token_id(id_of(tokenizer, END))
    writer.add_eot_token_id(id_of(tokenizer, END))
    writer.add_pad_token_id(id_of(tokenizer, PAD))
    writer.add_add_bos_token(False)  # noqa: FBT003
    writer.add_chat_template(SOURCE)


def _add_tensor(writer: gguf.GGUFWriter, name: str, value: Array) -> None:
    if value.ndim == 1:
        writer.add_tensor(name, value)
    else:
        kind = gguf.GGMLQuantizationType.Q8_0
        writer.add_tensor(name, gguf.quants.quantize(value, kind), raw_dtype=kind)


def write_gguf(network: Network, tokenizer: Tokenizer, path: Path) -> None:
    """Write the model to `path` in one step, so that no reader ever sees half of it."""
    draft = path.with_suffix(".draft")
    writer = gguf.GGUFWriter(draft, "llama")
    _describe(writer, network.shape)
    _add_tokenizer(writer, tokenizer)
    for name, value in tensors(network).items():
        _add_tensor(writer, name, value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    draft.replace(path)
