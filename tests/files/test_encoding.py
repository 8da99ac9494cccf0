"""Encodings: one per file, found or given, and never a guess that hides a fault."""

from __future__ import annotations

import codecs
import contextlib
import encodings
import io
import pkgutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.errors import ConfigError, SourceError
from etl.files.encoding import Decided, checked, decide, marked

TEXT = "Name;Ort\r\nZoë;Köln\r\n"


def _decide(data: bytes, wanted: str | None = None) -> Decided:
    return decide(lambda: io.BytesIO(data), "people.csv", wanted)


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (TEXT.encode(), "utf-8"),
        (b"plain", "utf-8"),
        (TEXT.encode("utf-8-sig"), "utf-8-sig"),
        (codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"), "utf-16"),
        (codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), "utf-16"),
        (codecs.BOM_UTF32_LE + TEXT.encode("utf-32-le"), "utf-32"),
        (codecs.BOM_UTF32_BE + TEXT.encode("utf-32-be"), "utf-32"),
    ],
)
def test_marks_and_utf8_need_no_note(data: bytes, encoding: str) -> None:
    """A byte order mark decides; without one a file that is all UTF-8 is UTF-8."""
    decided = _decide(data)

    assert decided == Decided(encoding)
    assert data.decode(decided.encoding).removeprefix("\ufeff") in (TEXT, "plain")


def test_cp1252_is_noticed() -> None:
    """A file that is not UTF-8 is read as cp1252, and the operator is told why."""
    assert _decide(TEXT.encode("cp1252")) == Decided(
        "cp1252", "read as cp1252: byte 0xEB at line 2 is not UTF-8"
    )


def test_one_stray_byte_at_the_end_decides_for_all() -> None:
    """The whole file is looked at: one byte far behind the first chunk makes it all cp1252."""
    data = b"a\r\n" * 1_000_000 + b"\xe9\r\n"

    assert _decide(data) == Decided(
        "cp1252", "read as cp1252: byte 0xE9 at line 1000001 is not UTF-8"
    )


def test_damaged_utf8_is_refused() -> None:
    """A file of UTF-8 with one broken byte is refused: as cp1252 every accent would be wrong."""
    data = "Zoë\nJosé\n".encode() + b"Ren\xe9\n"

    with pytest.raises(SourceError) as caught:
        _decide(data)

    assert str(caught.value) == (
        "people.csv: byte 0xE9 at line 3 (byte offset 14) is not UTF-8, though most of the file "
        "is. Save the file again as UTF-8, or say what it is, such as "
        '[source] encoding = "cp1252"'
    )
    assert _decide(data, "cp1252") == Decided("cp1252")


def test_neither_utf8_nor_cp1252_is_refused() -> None:
    """The message names the first byte that fits neither, and what to try."""
    with pytest.raises(SourceError) as caught:
        _decide(b"a\r\n\xe9\r\n\x81\r\n")

    assert "byte 0xE9 at line 2 (byte offset 3) is not UTF-8" in str(caught.value)
    assert "byte 0x81 at line 3 (byte offset 6) is not cp1252" in str(caught.value)
    assert "cp1250" in str(caught.value)


def test_the_given_encoding_is_used() -> None:
    """The operator's encoding comes before any guess, by whatever name Python knows it."""
    assert _decide("Köln".encode("mac_roman"), "macintosh") == Decided("mac-roman")
    assert _decide(TEXT.encode("utf-16-le"), "UTF-16LE") == Decided("utf-16-le")
    assert _decide(TEXT.encode(), "latin-1").encoding == "iso8859-1"


def test_the_mark_wins_over_the_given_encoding() -> None:
    """A byte order mark is believed rather than the option, and that is said."""
    assert _decide(codecs.BOM_UTF8 + b"x", "cp1252") == Decided(
        "utf-8-sig", "read as utf-8-sig: its byte order mark wins over encoding cp1252"
    )
    assert _decide(codecs.BOM_UTF8 + b"x", "utf-8").note == ""
    assert _decide("x".encode("utf-16"), "utf-16").note == ""


def test_a_given_encoding_that_does_not_fit_is_refused() -> None:
    """The place is named, and what else to try."""
    with pytest.raises(SourceError, match=r"byte 0xEB at line 2 .* is not utf-8, as \[source\]"):
        _decide(TEXT.encode("cp1252"), "utf-8")


def test_utf16_without_a_mark_needs_its_byte_order() -> None:
    """ "utf-16" alone does not say which byte comes first."""
    with pytest.raises(SourceError, match=r"BOM.*utf-16-le"):
        _decide(TEXT.encode("utf-16-le"), "utf-16")


def test_half_a_character_at_the_end_is_refused() -> None:
    """A file cut inside a character is not decoded up to there and used."""
    with pytest.raises(SourceError, match="byte order mark says"):
        _decide(TEXT.encode("utf-16")[:-1])


@pytest.mark.parametrize("wanted", ["latin-99", "hex", "rot13", "idna", "utf-7", "unicode_escape"])
def test_unusable_encodings_are_settings_errors(wanted: str) -> None:
    """What is no encoding of text files is refused by name."""
    with pytest.raises(ConfigError, match=r"\[source\] encoding"):
        _decide(b"x", wanted)


def _is_usable(name: str) -> bool:
    try:
        checked(name)
    except ConfigError:
        return False
    return True


# All of Python's codecs, except those that are refused by name.
ENCODINGS = sorted(
    module.name for module in pkgutil.iter_modules(encodings.__path__) if _is_usable(module.name)
)


@given(st.sampled_from(ENCODINGS), st.binary(max_size=40))
@settings(derandomize=True, deadline=None, max_examples=400)
def test_any_bytes_are_decoded_or_refused(encoding: str, data: bytes) -> None:
    """Whatever the encoding, bytes become text without lone surrogates, or are refused."""
    try:
        decided = _decide(data, encoding)
    except SourceError:
        return

    text = data.decode(decided.encoding)
    assert text.encode("utf-8").decode("utf-8") == text


@given(st.text(), st.sampled_from(["\n", "\r", "\r\n"]), st.integers(0, 5))
@settings(derandomize=True, deadline=None)
def test_the_line_of_a_bad_byte_is_exact(text: str, newline: str, lines: int) -> None:
    """The line named is the one an editor shows, whatever ends lines."""
    before = (newline * lines + text).encode()
    expected = len(before.decode().replace("\r\n", "\n").replace("\r", "\n").split("\n"))

    with pytest.raises(SourceError, match=f"byte 0xFF at line {expected} "):
        _decide(before + b"\xff", "utf-8")


def test_no_mark_no_encoding() -> None:
    """A file without a byte order mark names no encoding."""
    assert marked(b"name") is None


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.binary(max_size=6), st.integers(0, 6), st.booleans())
def test_characters_between_chunks_count(middle: bytes, before: int, more: bool) -> None:
    """A file is read a MiB at a time; what lies across the border is judged as one."""
    data = b"a" * ((1 << 20) - before) + middle + b"z" * more
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        with contextlib.suppress(SourceError):
            assert _decide(data).encoding != "utf-8"
    else:
        assert _decide(data) == Decided(marked(data[:4]) or "utf-8")


@pytest.mark.parametrize("character", ["é", "€", "😀"])
@pytest.mark.parametrize("before", range(5))
def test_every_cut_of_a_character(character: str, before: int) -> None:
    """Wherever the border cuts a character, the file is UTF-8, and is not when it ends there."""
    start = b"a" * ((1 << 20) - before)
    written = character.encode()
    assert _decide(start + written).encoding == "utf-8"
    with contextlib.suppress(SourceError):
        assert _decide(start + written[:-1]).encoding != "utf-8"
