"""Reads the head of a GGUF file: its metadata, and whether the file is whole."""

from __future__ import annotations

import math
import mmap
import struct
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

from shared_core.errors import ModelFileError

Scalar: TypeAlias = int | float | bool | str

# https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_STRING, _ARRAY = 8, 9
_MOST_DIMENSIONS = 4
_MOST_LAYERS = 512  # llama.cpp's LLAMA_MAX_LAYERS: more ends the process
_ALIGNMENT = 32
_TOKENS = "tokenizer.ggml.tokens"
# Bytes that a block of so many weights takes, by ggml type; a type not named here is left to llama.cpp to judge.
_BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 36),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292),
    16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82),
    23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2),
    34: (256, 54), 35: (256, 66), 39: (32, 17),
}  # fmt: skip
# Architectures without a next token: they embed, classify or rank.
_ENCODERS = frozenset({
    "bert", "modern-bert", "nomic-bert", "nomic-bert-moe", "neo-bert", "jina-bert-v2", "jina-bert-v3", "eurobert",
    "gemma-embedding", "llama-embed", "t5encoder", "wavtokenizer-dec",
})  # fmt: skip


@dataclass(frozen=True)
class Header:
    """What a model file says about itself: the scalar entries of its metadata."""

    metadata: dict[str, Scalar] = field(default_factory=dict)

    @property
    def architecture(self) -> str:
        """The family, such as "llama" or "bert"."""
        return str(self.metadata.get("general.architecture", ""))

    def number(self, name: str) -> int | None:
        """The architecture's own number `name`, such as "context_length"."""
        value = self.metadata.get(f"{self.architecture}.{name}")
        return int(value) if isinstance(value, int) else None

    @property
    def training_window(self) -> int:
        """Tokens the model was trained to look back on; llama.cpp's 512 where the file does not say."""
        return self.number("context_length") or 512

    @property
    def embeds_only(self) -> bool:
        """Whether the model gives vectors and no text."""
        causal = self.metadata.get(f"{self.architecture}.attention.causal", True)
        return self.architecture in _ENCODERS or not causal or bool(self.number("pooling_type"))

    @property
    def chat_template(self) -> str | None:
        """The model's own Jinja chat template."""
        template = self.metadata.get("tokenizer.chat_template")
        return None if template is None else str(template)


def read_header(path: Path) -> Header:
    """Read and check the head of the file at `path`, without loading it. Raises `ModelFileError`."""
    try:
        stat = path.stat()
        return _read(path, stat.st_mtime_ns, stat.st_size)
    except FileNotFoundError as error:
        raise ModelFileError(f"the model file {path} does not exist") from error
    except IsADirectoryError as error:
        raise ModelFileError(f"{path} is a directory; name a .gguf file in it") from error
    except OSError as error:
        raise ModelFileError(f"the model file {path} cannot be read: {error.strerror or error}") from error


@lru_cache(maxsize=64)
def _read(path: Path, _changed: int, size: int) -> Header:
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise ModelFileError(
                f"{path} is not a GGUF file: it does not begin with {_MAGIC.decode()!r}. "
                "Models in other formats must be converted with llama.cpp's convert_hf_to_gguf.py"
            )
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                return _Reader(data).header(size)
            except (struct.error, IndexError, UnicodeDecodeError, ValueError, OverflowError) as error:
                raise ModelFileError(
                    f"the model file {path} is damaged or not whole ({size:,} bytes): {error}. Download it again"
                ) from error


class _Reader:
    """A cursor over the bytes of a GGUF file."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._at = len(_MAGIC)

    def header(self, size: int) -> Header:
        version = self._number("<I")
        if version not in _VERSIONS:
            raise ValueError(f"GGUF version {version} is not one of {_VERSIONS}")
        tensors, entries = self._number("<Q"), self._number("<Q")
        header = Header(dict(self._entries(entries)))
        needed = self._tensors_end(tensors, int(header.metadata.get("general.alignment", _ALIGNMENT)))
        if needed > size:
            raise ValueError(f"its weights end at byte {needed:,}")
        _check(header)
        return header

    def _entries(self, count: int) -> Iterator[tuple[str, Scalar]]:
        for _ in range(count):
            key, kind = self._text(), self._number("<I")
            if kind == _ARRAY:
                self._array(key)
            else:
                yield key, self._text() if kind == _STRING else self._scalar(kind)

    def _scalar(self, kind: int) -> Scalar:
        if kind not in _SCALARS:
            raise ValueError(f"unknown metadata type {kind}")
        (value,) = self._unpack(_SCALARS[kind])
        return value  # type: ignore[no-any-return]

    def _array(self, key: str) -> None:
        kind, count = self._number("<I"), self._number("<Q")
        if kind in _SCALARS:
            self._move(count * struct.calcsize(_SCALARS[kind]))
        elif kind != _STRING:
            raise ValueError(f"unknown array type {kind}")
        elif key == _TOKENS:
            _check_tokens(list(self._strings(count)))
        else:
            deque(self._strings(count), maxlen=0)

    def _strings(self, count: int) -> Iterator[bytes]:
        data, length_at = self._data, struct.Struct("<Q").unpack_from
        for _ in range(count):  # half a million times in a large vocabulary
            start = self._at + 8
            self._at = start + length_at(data, self._at)[0]
            yield data[start : self._at]

    def _tensors_end(self, count: int, alignment: int) -> int:
        end = max((self._tensor_end() for _ in range(count)), default=0)
        return -(-self._at // alignment) * alignment + end

    def _tensor_end(self) -> int:
        name, dimensions = self._text(), self._number("<I")
        if dimensions > _MOST_DIMENSIONS:
            raise ValueError(f"the tensor {name!r} has {dimensions} dimensions")
        weights = math.prod(self._number("<Q") for _ in range(dimensions))
        kind, offset = self._number("<I"), self._number("<Q")
        block, size = _BLOCKS.get(kind, (1, 0))
        return offset + weights // block * size

    def _text(self) -> str:
        (text,) = self._strings(1)
        return text.decode()

    def _number(self, layout: str) -> int:
        (value,) = self._unpack(layout)
        return int(value)

    def _unpack(self, layout: str) -> tuple[Any, ...]:
        values = struct.unpack_from(layout, self._data, self._at)
        self._move(struct.calcsize(layout))
        return values

    def _move(self, count: int) -> None:
        self._at += count


# What llama.cpp asserts, and so ends the process over, instead of refusing the file.


def _check(header: Header) -> None:
    if not header.architecture:
        raise ValueError("it names no architecture")
    layers = header.number("block_count")
    if layers is not None and not 0 < layers <= _MOST_LAYERS:
        raise ValueError(f"it has {layers} layers")
    for key, value in header.metadata.items():
        if key.endswith("epsilon") and not (isinstance(value, float) and value >= 0):
            raise ValueError(f"{key} is {value}")


def _check_tokens(tokens: list[bytes]) -> None:
    if len(set(tokens)) < len(tokens):
        raise ValueError("a token stands twice in its vocabulary")
