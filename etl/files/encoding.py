"""In which encoding is a text file written?

Its byte order mark says so; else the operator; else it is UTF-8 if all of it is; else cp1252. The
whole file is decoded once before any of it is used, so no file is read half in one encoding.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

import pyarrow as pa

from etl.customers import octets
from etl.errors import ConfigError, SourceError

# UTF-32 first: its little-endian mark starts with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

# Python can decode these, but no file is written in them, and some yield lone surrogates, which
# cannot be stored or sent.
_NOT_FOR_FILES = frozenset(
    {
        "idna",
        "mbcs",
        "oem",
        "punycode",
        "raw-unicode-escape",
        "undefined",
        "unicode-escape",
        "utf-7",
    }
)

_CHUNK = 1 << 20


class Decided(NamedTuple):
    """The encoding of a file, and what the operator should know about it (or "")."""

    encoding: str
    note: str = ""


class _Undecodable(NamedTuple):
    offset: int
    byte: int | None
    reason: str


def marked(head: bytes) -> str | None:
    """Return the encoding a byte order mark names."""
    return next((name for mark, name in _MARKS if head.startswith(mark)), None)


def decide(unpacked: Callable[[], BinaryIO], name: str, wanted: str | None) -> Decided:
    """Return the encoding that decodes the whole file.

    ``unpacked`` opens the file's bytes from the start; ``wanted`` is ``[source] encoding``.
    Raises SourceError with line and byte offset when the encoding does not fit.
    """
    with unpacked() as file:
        mark = marked(file.read(4))
    wanted = checked(wanted)
    if mark is not None or wanted is not None:
        return _as_told(unpacked, name, mark, wanted)
    # Arrow looks many times faster than the decoder, which also says where.
    not_utf8 = None if _is_utf8(unpacked) else _undecodable(unpacked, "utf-8")
    if not_utf8 is None:
        return Decided("utf-8")
    where = f"{_hex(not_utf8)} at line {_line_at(unpacked, 'utf-8', not_utf8.offset)}"
    if _is_mostly_utf8(unpacked):
        raise SourceError(
            f"{name}: {where} (byte offset {not_utf8.offset}) is not UTF-8, though most of the "
            "file is. Save the file again as UTF-8, or say what it is, such as "
            '[source] encoding = "cp1252"'
        )
    not_cp1252 = _undecodable(unpacked, "cp1252")
    if not_cp1252 is not None:
        line = _line_at(unpacked, "cp1252", not_cp1252.offset)
        raise SourceError(
            f"{name}: {where} (byte offset {not_utf8.offset}) is not UTF-8, and "
            f"{_hex(not_cp1252)} at line {line} (byte offset {not_cp1252.offset}) is not cp1252. "
            "Set [source] encoding: cp1250 for Central Europe, cp1251 for Cyrillic, mac_roman for "
            "old Macs, shift_jis for Japan, utf-16-le for Excel's Unicode text"
        )
    return Decided("cp1252", f"read as cp1252: {where} is not UTF-8")


def _as_told(
    unpacked: Callable[[], BinaryIO], name: str, mark: str | None, wanted: str | None
) -> Decided:
    encoding = mark or wanted or "utf-8"
    wrong = _undecodable(unpacked, encoding)
    if wrong is not None:
        line = _line_at(unpacked, encoding, wrong.offset)
        told = "its byte order mark says" if mark else "[source] encoding says"
        raise SourceError(
            f"{name}: {_hex(wrong)} at line {line} (byte offset {wrong.offset}) is not {encoding}, "
            f"as {told}: {wrong.reason}. "
            + (
                "Save the file again as UTF-8"
                if mark
                else "Try without the option, or utf-8, cp1252, mac_roman, utf-16-le"
            )
        )
    if mark and wanted and not _agree(mark, wanted):
        return Decided(mark, f"read as {mark}: its byte order mark wins over encoding {wanted}")
    return Decided(encoding)


def checked(wanted: str | None) -> str | None:
    """Return the canonical name of an encoding the operator chose."""
    if wanted is None:
        return None
    try:
        found = codecs.lookup(wanted)
        "".encode(wanted)  # refuses codecs from bytes to bytes, such as hex
    except (LookupError, ValueError) as error:
        raise ConfigError(
            f'[source] encoding = "{wanted}" is not known; try utf-8, cp1252, utf-16-le'
        ) from error
    if found.name.replace("_", "-") in _NOT_FOR_FILES:
        raise ConfigError(f'[source] encoding = "{wanted}" is not an encoding of text files')
    return found.name


def _agree(mark: str, wanted: str) -> bool:
    return wanted.startswith(mark.removesuffix("-sig"))


def _hex(wrong: _Undecodable) -> str:
    return "the end" if wrong.byte is None else f"byte 0x{wrong.byte:02X}"


def _undecodable(unpacked: Callable[[], BinaryIO], encoding: str) -> _Undecodable | None:
    """Return the first place that cannot be decoded."""
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    fed = 0
    with unpacked() as file:
        try:
            while chunk := file.read(_CHUNK):
                fed += len(chunk)
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            # A decoder keeps the start of a character between chunks: what it complains about
            # ends where the bytes fed so far end.
            offset = fed - len(error.object) + error.start
            byte = error.object[error.start] if error.start < len(error.object) else None
            return _Undecodable(offset, byte, error.reason)
        except UnicodeError as error:
            return _Undecodable(0, None, str(error))
    return None


def _is_utf8(unpacked: Callable[[], BinaryIO]) -> bool:
    begun = b""  # a character that goes on in the next chunk
    with unpacked() as file:
        while chunk := begun + file.read(_CHUNK):
            complete = len(chunk) if chunk == begun else _complete(chunk)
            text, begun = chunk[:complete], chunk[complete:]
            try:
                octets.validate_utf8(pa.py_buffer(text))
            except pa.ArrowInvalid:
                return False
    return True


def _complete(chunk: bytes) -> int:
    """Return how many bytes of a stretch of UTF-8 there are before a character it cuts."""
    for place in range(len(chunk) - 1, max(len(chunk) - 4, -1), -1):
        if chunk[place] >= 0xC0:
            size = 2 if chunk[place] < 0xE0 else 3 if chunk[place] < 0xF0 else 4
            return place if place + size > len(chunk) else len(chunk)
    return len(chunk)


def _texts(
    unpacked: Callable[[], BinaryIO], encoding: str, end: int | None = None
) -> Iterator[str]:
    """Yield the text of the first ``end`` bytes, with U+FFFD for what cannot be decoded."""
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    left = end
    with unpacked() as file:
        while chunk := file.read(_CHUNK if left is None else min(_CHUNK, left)):
            left = None if left is None else left - len(chunk)
            yield decoder.decode(chunk)


def _line_at(unpacked: Callable[[], BinaryIO], encoding: str, offset: int) -> int:
    line = 1
    after_return = False
    for text in _texts(unpacked, encoding, offset):
        line += text.count("\n") + text.count("\r") - text.count("\r\n")
        line -= after_return and text.startswith("\n")
        after_return = text.endswith("\r")
    return line


def _is_mostly_utf8(unpacked: Callable[[], BinaryIO]) -> bool:
    """Return whether more characters than not are UTF-8 beyond ASCII.

    One damaged byte in a file of UTF-8 must not turn every other accent into two wrong letters.
    """
    right = wrong = 0
    for text in _texts(unpacked, "utf-8"):
        if not text.isascii():
            replaced = text.count("\ufffd")
            wrong += replaced
            right += len(text) - len(text.encode("ascii", "ignore")) - replaced
    return right > wrong
