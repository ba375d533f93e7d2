"""Blocks side by side are one ordinary gzip member, with either library."""

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from isal import isal_zlib

from exporter.packing import NOTHING, ZLIB, Codec, Member, combined_crc, fastest

CODECS = pytest.mark.parametrize("codec", [ZLIB, fastest()], ids=["zlib", "fastest"])


def member(codec: Codec, texts: list[bytes]) -> bytes:
    whole = Member(codec)
    for text in texts:
        whole.add(codec.pack(text))
    return b"".join(whole.close())


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_checksums_combine(first: bytes, second: bytes) -> None:
    assert combined_crc(zlib.crc32(first), zlib.crc32(second), len(second)) == zlib.crc32(first + second)


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**40))
def test_checksums_combine_as_isal_does_it(first: int, second: int, size: int) -> None:
    assert combined_crc(first, second, size) == isal_zlib.crc32_combine(first, second, size)


@CODECS
@given(st.lists(st.binary(max_size=200)))
def test_blocks_make_one_member(codec: Codec, texts: list[bytes]) -> None:
    data, whole = member(codec, texts), b"".join(texts)
    assert gzip.decompress(data) == whole
    reader = zlib.decompressobj(wbits=31)
    assert reader.decompress(data) == whole
    assert (reader.eof, reader.unused_data) == (True, b"")  # one member, and nothing after it


@CODECS
def test_a_block_refers_to_nothing_before_it(codec: Codec) -> None:
    text = b"the same text\n" * 100
    assert member(codec, [text, b"other\n", text]) != member(codec, [text, text])
    first, second = codec.pack(text), codec.pack(text)
    assert first == second
    assert zlib.decompress(second.data + b"\x03\x00", wbits=-15) == text
    assert codec.pack(b"") is NOTHING


@CODECS
def test_a_small_page_is_compressed_at_once(codec: Codec) -> None:
    text = b"the same text\n" * 1000
    assert gzip.decompress(codec.member(text)) == text
    assert len(codec.member(text)) < len(text) / 10
    assert codec.member(text) == codec.member(text)
