"""Packed files: whole ones are read, cut and damaged ones are refused."""

from __future__ import annotations

import gzip
import io
import random
from pathlib import Path

import pyarrow as pa
import pytest

from etl.errors import SourceError
from etl.files.compression import Compression, compression_of, open_unpacked

TEXT = "".join(f"Zoë {n},zoe{n}@example.com\n" for n in range(500)).encode()


def _zstd(data: bytes) -> bytes:
    packed: bytes = pa.compress(data, codec="zstd", asbytes=True)
    return packed


PACKERS = {"gzip": gzip.compress, "zstd": _zstd}
KINDS: tuple[Compression, ...] = ("gzip", "zstd")


def _read(path: Path, data: bytes, kind: Compression | None) -> bytes:
    path.write_bytes(data)
    with open_unpacked(path, "people", kind) as file:
        return file.read()


@pytest.mark.parametrize("kind", KINDS)
def test_packed_bytes_come_back(tmp_path: Path, kind: Compression) -> None:
    """A whole file is unpacked exactly, and recognised by its first bytes."""
    packed = PACKERS[kind](TEXT)

    assert compression_of(packed) == kind
    assert _read(tmp_path / "x", packed, kind) == TEXT


@pytest.mark.parametrize("kind", KINDS)
def test_several_members_follow_each_other(tmp_path: Path, kind: Compression) -> None:
    """Packed files joined end to end are read to the last."""
    packed = PACKERS[kind](TEXT) + PACKERS[kind](b"the end")

    assert _read(tmp_path / "x", packed, kind) == TEXT + b"the end"


def test_skippable_frames_are_zstd_too(tmp_path: Path) -> None:
    """A zstd file that starts with a skippable frame, as parallel packers write, is recognised."""
    packed = b"\x50\x2a\x4d\x18\x04\x00\x00\x00skip" + _zstd(TEXT)

    assert compression_of(packed) == "zstd"
    assert _read(tmp_path / "x", packed, "zstd") == TEXT


@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_stream_is_refused_wherever_it_is_cut(tmp_path: Path, kind: Compression) -> None:
    """No proper beginning of a packed file passes for a whole one."""
    packed = PACKERS[kind](TEXT)

    for end in range(1, len(packed), 7 if kind == "gzip" else 5):
        with pytest.raises(SourceError, match=r"^people: .*copy"):
            _read(tmp_path / "x", packed[:end], kind)
    with pytest.raises(SourceError, match="copy"):
        _read(tmp_path / "x", packed[:-1], kind)


def test_cuts_at_block_ends_are_refused(tmp_path: Path) -> None:
    """A zstd stream cut exactly between two of its blocks is refused as well."""
    # Random bytes are stored, so blocks of 128 KiB are found at known places.
    packed = _zstd(random.Random(1).randbytes(300_000))

    for end in range(131072, 131072 + 24):
        with pytest.raises(SourceError, match="copy"):
            _read(tmp_path / "x", packed[:end], "zstd")


def test_gzip_says_that_it_ends_early(tmp_path: Path) -> None:
    """The message of a cut gzip file says what happened to it."""
    with pytest.raises(SourceError) as caught:
        _read(tmp_path / "x", gzip.compress(TEXT)[:-4], "gzip")

    assert str(caught.value) == ("people: the file ends before its gzip stream does: copy it again")


def test_a_changed_byte_is_refused(tmp_path: Path) -> None:
    """gzip's checksum is held against what was unpacked."""
    packed = bytearray(gzip.compress(TEXT))
    packed[-6] ^= 1

    with pytest.raises(SourceError, match="damaged"):
        _read(tmp_path / "x", bytes(packed), "gzip")


@pytest.mark.parametrize("kind", KINDS)
def test_what_follows_the_stream_is_refused(tmp_path: Path, kind: Compression) -> None:
    """Bytes after the stream that are no stream mean that something is wrong."""
    with pytest.raises(SourceError, match="damaged"):
        _read(tmp_path / "x", PACKERS[kind](TEXT) + b"and more", kind)


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    """A few kilobytes that unpack to more than a gibibyte are not unpacked to the end."""
    (tmp_path / "x").write_bytes(_zstd(bytes(1 << 26)) * 40)

    with open_unpacked(tmp_path / "x", "people", "zstd") as file:
        for _ in range(1 << 10):
            assert len(file.read(1 << 20)) == 1 << 20
        with pytest.raises(SourceError, match="no customer file"):
            file.read(1 << 21)


@pytest.mark.parametrize("head", [b"", b"\x1f", b"PAR1", b"name,phone", b"\xff\xfen\0"])
def test_text_is_not_packed(head: bytes) -> None:
    """What has no packer's signature is taken as it is."""
    assert compression_of(head) is None


def test_plain_files_are_read_as_they_are(tmp_path: Path) -> None:
    """A file that is not packed is read byte for byte."""
    assert _read(tmp_path / "x", TEXT, None) == TEXT


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """A file that is not there is a SourceError that names it."""
    with pytest.raises(SourceError, match=r"^people: cannot be opened: No such file"):
        open_unpacked(tmp_path / "x", "people", None)


def test_unpacking_streams(tmp_path: Path) -> None:
    """A little of a large file can be read without unpacking all of it."""
    (tmp_path / "x").write_bytes(gzip.compress(bytes(1 << 24)))

    with open_unpacked(tmp_path / "x", "people", "gzip") as file:
        assert file.read(10) == bytes(10)
        assert isinstance(file, io.BufferedReader)
