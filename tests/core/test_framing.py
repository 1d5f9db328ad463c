from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_core import ProtocolError
from shared_core.wire.framing import JSONLinesDecoder, LineSplitter, ServerSentEvent, SSEDecoder


def split_all(splitter: LineSplitter, chunks: list[bytes]) -> list[bytes]:
    return [line for chunk in chunks for line in splitter.feed(chunk)] + splitter.close()


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


@given(st.lists(st.binary().map(lambda b: b.replace(b"\n", b"").replace(b"\r", b""))), st.lists(st.integers(0, 500)))
def test_lines_do_not_depend_on_where_the_chunks_break(lines: list[bytes], cuts: list[int]) -> None:
    data = b"".join(line + b"\n" for line in lines)
    assert split_all(LineSplitter(), pieces(data, cuts)) == lines


def test_only_a_line_feed_ends_a_line() -> None:
    text = "data: a\u2028b\u2029c\u0085d\x0be\x0cf\r\n".encode()
    assert split_all(LineSplitter(), [text]) == [text.removesuffix(b"\r\n")]


def test_what_has_no_line_end_is_the_last_line() -> None:
    assert split_all(LineSplitter(), [b"a\nb", b"c\r"]) == [b"a", b"bc"]


def test_an_endless_line_is_an_error_and_not_endless_memory() -> None:
    splitter = LineSplitter(limit=10)
    splitter.feed(b"12345")
    with pytest.raises(ProtocolError, match="longer than 10 bytes"):
        splitter.feed(b"678901")


def test_the_limit_counts_one_line_and_not_the_stream() -> None:
    splitter = LineSplitter(limit=10)
    for _ in range(5):
        assert splitter.feed(b"12345678\n") == [b"12345678"]


def test_a_long_line_that_comes_at_once_is_an_error_too() -> None:
    with pytest.raises(ProtocolError, match="longer than 10 bytes"):
        LineSplitter(limit=10).feed(b"12345678901\n")


def test_an_event_of_endlessly_many_lines_is_an_error() -> None:
    decoder = SSEDecoder(limit=12)
    decoder.feed(b"data: 12345\n\ndata: 1234\n")
    decoder.feed(b"data: 5678\n")
    with pytest.raises(ProtocolError, match="longer than 12 bytes"):
        decoder.feed(b"data: 90\n")


def decode(*chunks: bytes) -> list[ServerSentEvent]:
    decoder = SSEDecoder()
    return [event for chunk in chunks for event in decoder.feed(chunk)] + decoder.close()


STREAM = b": hello\n\nevent: error\ndata: one\ndata:two\nid: 7\nretry: 3\n\ndata: {}\r\n\r\n\ndata\n\ndata: last"


@given(st.lists(st.integers(0, 200)))
def test_events_do_not_depend_on_where_the_chunks_break(cuts: list[int]) -> None:
    assert decode(*pieces(STREAM, cuts)) == [
        ServerSentEvent("error", b"one\ntwo"),
        ServerSentEvent("message", b"{}"),
        ServerSentEvent("message", b""),
        ServerSentEvent("message", b"last"),
    ]


def test_an_error_in_a_field_of_its_own() -> None:
    events = [ServerSentEvent("error", b'{"code": 500}'), ServerSentEvent("message", b"x")]
    assert decode(b'error: {"code": 500}\n\ndata: x\n\n') == events


def test_a_byte_order_mark_is_no_part_of_the_first_field() -> None:
    assert decode(b"\xef\xbb\xbfdata: x\n\n") == [ServerSentEvent("message", b"x")]


def test_an_event_type_without_data_does_not_stick_to_the_next_event() -> None:
    assert decode(b"event: ping\n\ndata: x\n\n") == [ServerSentEvent("message", b"x")]


@given(st.lists(st.integers(0, 60)))
def test_lines_of_json(cuts: list[int]) -> None:
    data = '{"a": "x\u2028y"}\r\n\n  \n{"b": 1}\n{"c": 2}'.encode()
    decoder = JSONLinesDecoder()
    found = [line for piece in pieces(data, cuts) for line in decoder.feed(piece)] + decoder.close()
    assert found == ['{"a": "x\u2028y"}'.encode(), b'{"b": 1}', b'{"c": 2}']


def test_a_line_of_json_is_bounded() -> None:
    decoder = JSONLinesDecoder(limit=4)
    assert decoder.feed(b"1234\n \n") == [b"1234"]
    assert decoder.close() == []
    with pytest.raises(ProtocolError, match="longer than 4 bytes"):
        decoder.feed(b"12345")
