"""Names of models, and files that are none."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from shared_core.errors import ModelFileError
from shared_core.local import connect_local
from shared_core.local.files import DEMO_MODEL, DIRECTORY_VARIABLE, find_model
from shared_core.local.gguf import read_header
from shared_core.types import ChatRequest, Message
from tests.halves import Half
from tests.local.tiny import write_model

ASK = ChatRequest(messages=(Message(role="user", content="Hi"),), max_tokens=2)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    for name in ("llama-3-8b-q4.gguf", "qwen.GGUF", "deep/er/phi.gguf", "one/same.gguf", "two/same.gguf"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"GGUF")
    return tmp_path


# --- names ---------------------------------------------------------------------------------------------------------


def test_no_name_is_the_bundled_model() -> None:
    assert find_model(None) == DEMO_MODEL
    assert connect_local().model == "demo_model"


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("llama-3-8b-q4", "llama-3-8b-q4.gguf"),
        ("llama-3-8b-q4.gguf", "llama-3-8b-q4.gguf"),
        ("qwen.GGUF", "qwen.GGUF"),
        ("phi", "deep/er/phi.gguf"),
        ("deep/er/phi", "deep/er/phi.gguf"),
        ("one/same.gguf", "one/same.gguf"),
    ],
)
def test_a_name_is_looked_up_in_the_model_directory(
    models: Path, monkeypatch: pytest.MonkeyPatch, name: str, file: str
) -> None:
    assert find_model(name, models) == models / file
    assert find_model(name, str(models)) == models / file
    monkeypatch.setenv(DIRECTORY_VARIABLE, str(models))
    assert find_model(name) == models / file


def test_the_default_directory_is_in_the_home(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(models))
    (models / "llama_models").mkdir()
    (models / "llama_models" / "mine.gguf").touch()
    assert find_model("mine") == find_model("~/llama_models/mine") == models / "llama_models" / "mine.gguf"


def test_an_absolute_path_needs_no_directory(models: Path) -> None:
    assert find_model(str(models / "llama-3-8b-q4")) == models / "llama-3-8b-q4.gguf"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("llama-3-8b-q5", "looked for .*llama-3-8b-q5, .*llama-3-8b-q5.gguf. Near names there: .*llama-3-8b-q4.gguf"),
        ("zzz", "has: .*phi.gguf"),
        ("same", "several models.*one/same.gguf, .*two/same.gguf"),
        ("deep", "is a directory.*phi.gguf"),
    ],
)
def test_a_wrong_name_is_told_what_is_there(models: Path, name: str, message: str) -> None:
    with pytest.raises(ModelFileError, match=message):
        find_model(name, models)


def test_a_long_list_is_cut(models: Path) -> None:
    for number in range(9):
        (models / f"model-{number}.gguf").touch()
    with pytest.raises(ModelFileError, match="and 6 more"):
        find_model("zzz", models)


def test_an_empty_or_missing_directory_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=f"{tmp_path} has no models"):
        find_model("x", tmp_path)
    with pytest.raises(ModelFileError, match=f"nowhere does not exist: set {DIRECTORY_VARIABLE}"):
        find_model("x", tmp_path / "nowhere")
    with pytest.raises(ModelFileError, match=r"looked for /nowhere/x, /nowhere/x.gguf"):
        find_model("/nowhere/x")


# --- contents ------------------------------------------------------------------------------------------------------


def refused(path: Path, message: str, half: Half) -> None:
    backend = connect_local(str(path))
    for call in (lambda: backend.capabilities, lambda: half.chat(backend, ASK)):
        with pytest.raises(ModelFileError, match=message):
            call()


@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.02, 0.05, 0.5, 0.99999])
def test_a_truncated_file_is_refused(tiny_path: Path, tmp_path: Path, half: Half, share: float) -> None:
    whole = tiny_path.read_bytes()
    (tmp_path / "cut.gguf").write_bytes(whole[: int(len(whole) * share)])
    refused(tmp_path / "cut.gguf", "not a GGUF file|damaged or not whole", half)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"GGUF\x03", b"GGUF\x09", "version 9"),
        (b"GGUF\x03", b"GGML\x03", "not a GGUF file"),
        (b"general.architecture", b"general.architectura", "names no architecture"),
        (b"llama.block_count\x04\x00\x00\x00\x02", b"llama.block_count\x04\x00\x00\x00\x00", "0 layers"),
        (b"llama.block_count\x04\x00\x00\x00\x02\x00", b"llama.block_count\x04\x00\x00\x00\x02\x02", "514 layers"),
        (b"llama.block_count\x04", b"llama.block_count\x63", "unknown metadata type 99"),
        (b"epsilon\x06\x00\x00\x00\xac\xc5\x27\x37", b"epsilon\x06\x00\x00\x00\xac\xc5\x27\xb7", "epsilon is -"),
        (b"ggml.merges\x09\x00\x00\x00\x08", b"ggml.merges\x09\x00\x00\x00\x63", "unknown array type 99"),
        (b"\x01\x00\x00\x00\x00\x00\x00\x00a\x01", b"\x01\x00\x00\x00\x00\x00\x00\x00b\x01", "stands twice"),
        (b"output.weight\x02", b"output.weight\x09", "has 9 dimensions"),
        (b"tokenizer.ggml.pre", b"tokenizer.ggml.pr\xff", "utf-8"),
    ],
)
def test_a_damaged_file_is_refused(
    tiny_path: Path, tmp_path: Path, half: Half, old: bytes, new: bytes, message: str
) -> None:
    data = tiny_path.read_bytes()
    assert data.count(old) >= 1
    (tmp_path / "bad.gguf").write_bytes(data.replace(old, new, 1))
    refused(tmp_path / "bad.gguf", message, half)


def test_what_only_llama_cpp_can_see_is_told_in_its_words(tiny_path: Path, tmp_path: Path, half: Half) -> None:
    data = tiny_path.read_bytes()
    for name, old, new, message in (
        (
            "strange",
            b"\x05\x00\x00\x00\x00\x00\x00\x00llama\x14",
            b"\x05\x00\x00\x00\x00\x00\x00\x00lhama\x14",
            "lhama",
        ),
        ("missing", b"output_norm.weight", b"output_morn.weight", "output_norm"),
    ):
        assert data.count(old) == 1
        path = tmp_path / f"{name}.gguf"
        path.write_bytes(data.replace(old, new))
        with pytest.raises(ModelFileError, match=f"cannot load .*{message}"):
            half.chat(connect_local(str(path)), ASK)


def test_the_process_lives_on_after_bad_files(tiny_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "late.gguf"
    path.write_bytes(tiny_path.read_bytes()[:1000])
    backend = connect_local(str(path))
    with pytest.raises(ModelFileError):
        backend.chat(ASK)
    write_model(path)  # downloaded again
    assert backend.chat(ASK).usage.output == 2


def test_a_file_that_has_gone_is_told(tmp_path: Path, half: Half) -> None:
    path = write_model(tmp_path / "gone.gguf")
    backend = connect_local(str(path))
    path.unlink()
    with pytest.raises(ModelFileError, match=r"gone.gguf does not exist"):
        half.chat(backend, ASK)
    path.mkdir()
    with pytest.raises(ModelFileError, match=r"gone.gguf is a directory"):
        half.chat(backend, ASK)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "not-a-directory").touch()
    with pytest.raises(ModelFileError, match="cannot be read: Not a directory"):
        read_header(tmp_path / "not-a-directory" / "x.gguf")


def test_the_header_is_read_anew_when_the_file_changes(tmp_path: Path) -> None:
    path = write_model(tmp_path / "changes.gguf", window=100)
    assert read_header(path).training_window == 100
    write_model(path, window=300)
    assert read_header(path).training_window == 300


def test_odd_headers_are_read(tmp_path: Path) -> None:
    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value)) + value.encode()

    path = tmp_path / "odd.gguf"
    entries = [
        text("general.architecture") + struct.pack("<I", 8) + text("odd"),
        text("odd.flag") + struct.pack("<I?", 7, True),
        text("odd.numbers") + struct.pack("<IIQ3H", 9, 2, 3, 1, 2, 3),
    ]
    tensor = text("t") + struct.pack("<IQIQ", 1, 64, 99, 0)  # a type we do not know
    path.write_bytes(struct.pack("<4sIQQ", b"GGUF", 3, 1, len(entries)) + b"".join(entries) + tensor)
    path.write_bytes(path.read_bytes().ljust(256, b"\0"))
    header = read_header(path)
    assert header.metadata == {"general.architecture": "odd", "odd.flag": True}
    assert (header.training_window, header.chat_template, header.embeds_only) == (512, None, False)
