"""Which cells of a text column hold a byte of some kind?

Answered from the column's own memory, several times faster than by matching every cell, so that
the costly questions are asked of the few cells they may concern.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# A kind of byte: for each of the 256, whether it belongs.
Kind = np.ndarray


def kind(octets: Iterable[int]) -> Kind:
    """Return the kind of byte that has these members."""
    members = np.zeros(256, dtype=bool)
    members[list(octets)] = True
    return members


# To compare with so many bytes is quicker than to look each one up.
_FEW = 8

# What the bytes of composed text are.
_ODD, _ASCII, _LETTER, _INSIDE, _KANA, _HAN = range(6)
_COMPOSED = np.full(256, _ODD, "u1")
_COMPOSED[0x20:0x7F] = _ASCII
_COMPOSED[0x80:0xC0] = _INSIDE
_COMPOSED[0xC3:0xCA] = _LETTER
_COMPOSED[0xE3] = _KANA
_COMPOSED[0xE4:0xEA] = _HAN


class Octets:
    """The bytes of a text column, UTF-8; a null has none."""

    def __init__(self, column: pa.StringArray) -> None:
        self._column = column
        _, ends, data = column.buffers()
        size = len(column)
        offsets = np.zeros(size + 1, "<i4")
        if size and ends is not None:
            offsets = np.frombuffer(ends, "<i4")[column.offset : column.offset + size + 1]
        self._bytes = np.frombuffer(data or b"\0", "u1")
        self._offsets = offsets

    @property
    def size(self) -> int:
        """How many bytes there are in the memory of the cells, those of nulls too."""
        return len(self._all())

    @cached_property
    def lengths(self) -> np.ndarray:
        """How many bytes each cell has."""
        lengths = np.diff(self._offsets)
        if self._column.null_count:
            lengths[~self._valid] = 0
        return lengths

    @cached_property
    def filled(self) -> np.ndarray:
        """Which cells have any bytes."""
        filled: np.ndarray = self.lengths > 0
        return filled

    @cached_property
    def empty(self) -> np.ndarray:
        """Which cells are the empty text."""
        return ~self.filled & self._valid if self._column.null_count else ~self.filled

    @cached_property
    def _valid(self) -> np.ndarray:
        return present(self._column)

    def plain(self) -> np.ndarray:
        """Return which cells hold nothing but printable ASCII characters."""
        # Unsigned bytes below the blank wrap around to the top.
        return ~self._found(self._all() - 0x20 >= 0x5F)

    def composed(self) -> np.ndarray:
        """Return which cells certainly hold printable characters only, in Unicode form NFC.

        Of ASCII, of U+00C0 to U+027F (no two of these side by side: such pairs may be mojibake), of
        U+3040 to U+30FF and U+4000 to U+9FFF. What composes begins at U+0300, and in Japanese
        are the two marks U+3099 and U+309A.
        """
        data = self._all()
        # Most bytes are printable ASCII; unsigned bytes below the blank wrap around to the top.
        places = np.flatnonzero(data - 0x20 >= 0x5F)
        kinds = _COMPOSED[data[places]]
        odd = kinds == _ODD
        beside = places[1:] == places[:-1] + 1
        odd[1:] |= (kinds[1:] == _LETTER) & (kinds[:-1] == _INSIDE) & beside
        kana = np.flatnonzero(kinds == _KANA)
        if len(kana):
            second, third = data[places[kana] + 1], data[places[kana] + 2]
            mark = (second == 0x82) & ((third == 0x99) | (third == 0x9A))
            odd[kana[(second < 0x81) | (second > 0x83) | mark]] = True
        return ~self._with(places[odd])

    def holding(self, wanted: Kind) -> np.ndarray:
        """Return which cells hold at least one byte of a kind."""
        return self._found(self._hits(wanted))

    def holding_inside(self, wanted: Kind) -> np.ndarray:
        """Return which cells hold at least one byte of a kind behind their first."""
        hits = self._hits(wanted)
        hits[self._offsets[:-1][self.filled] - self._offsets[0]] = False
        return self._found(hits)

    def _hits(self, wanted: Kind) -> np.ndarray:
        """Return which of all bytes are of a kind."""
        data, members = self._all(), np.flatnonzero(wanted).tolist()
        if len(members) > _FEW:
            return wanted.take(data)
        hits: np.ndarray = data == members[0]
        for member in members[1:]:
            hits |= data == member
        return hits

    def may_hold(self, text: bytes) -> bool:
        """Tell whether a text is in the memory of the cells; a null cell may have any there."""
        data = self._all()
        return bool((data == text[0]).any()) and text in data.tobytes()

    def replaced(self, rows: np.ndarray, texts: Iterable[str | None]) -> pa.Array:
        """Return the column with other texts, or null, in some rows; these are in order."""
        new = [None if text is None else text.encode() for text in texts]
        data, at = self._bytes.data, int(self._offsets[0])
        pieces: list[bytes | memoryview] = []
        ends = self._offsets[rows + 1].tolist()
        for start, end, cell in zip(self._offsets[rows].tolist(), ends, new, strict=True):
            pieces += [data[at:start], cell or b""]
            at = end
        pieces.append(data[at : int(self._offsets[-1])])
        lengths = np.diff(self._offsets)
        lengths[rows] = [len(cell or b"") for cell in new]
        valid = self._valid.copy() if self._column.null_count else np.ones(len(lengths), dtype=bool)
        valid[rows] = [cell is not None for cell in new]
        return _texts(lengths, b"".join(pieces), valid)

    def inserted(self, before: np.ndarray, texts: Iterable[str]) -> pa.Array:
        """Return the column with further cells before some of its own; it has no nulls.

        Places are in order; the one behind the last cell is its length.
        """
        new = [text.encode() for text in texts]
        data, at = self._bytes.data, int(self._offsets[0])
        pieces: list[bytes | memoryview] = []
        for end, cell in zip(self._offsets[before].tolist(), new, strict=True):
            pieces += [data[at:end], cell]
            at = end
        pieces.append(data[at : int(self._offsets[-1])])
        lengths = np.insert(np.diff(self._offsets), before, [len(cell) for cell in new])
        return _texts(lengths, b"".join(pieces), np.ones(len(lengths), dtype=bool))

    def nth(self, place: int, rows: np.ndarray) -> np.ndarray:
        """Return the byte at a place of some cells, all of which are longer."""
        found: np.ndarray = self._bytes[self._offsets[rows] + place]
        return found

    def stretch(self, start: int, size: int, rows: np.ndarray) -> np.ndarray:
        """Return so many bytes of some cells from a place on, the nth of each in the nth line.

        Behind the end of a cell are those of other cells.
        """
        places = self._offsets[rows] + start + np.arange(size, dtype="<i4")[:, None]
        found: np.ndarray = self._bytes.take(places, mode="clip")
        return found

    def without(self, unwanted: Kind) -> pa.Array:
        """Return the column less all bytes of a kind, which must be ASCII."""
        data = self._all()
        kept = ~self._hits(unwanted)
        before = np.zeros(len(kept) + 1, "<i4")
        np.cumsum(kept, out=before[1:])
        ends = before[self._offsets - self._offsets[0]]
        offsets, texts = pa.py_buffer(ends), pa.py_buffer(data[kept])
        bits = _bits(self._valid) if self._column.null_count else None
        return pa.StringArray.from_buffers(len(self._column), offsets, texts, bits)

    def less(self, unwanted: np.ndarray) -> pa.Array:
        """Return the column with null for the unwanted cells, on the memory it has."""
        valid = ~unwanted & self._valid if self._column.null_count else ~unwanted
        _, ends, data = self._column.buffers()
        if self._column.offset or ends is None:
            return pc.if_else(mask(valid), self._column, None)
        return pa.StringArray.from_buffers(len(valid), ends, data, _bits(valid))

    def joined(self) -> pa.Buffer:
        """Return the bytes of all cells one after another."""
        return pa.py_buffer(self._all())

    def _all(self) -> np.ndarray:
        return self._bytes[self._offsets[0] : self._offsets[-1]]

    def _found(self, hits: np.ndarray) -> np.ndarray:
        return self._with(np.flatnonzero(hits))

    def _with(self, places: np.ndarray) -> np.ndarray:
        """Return which cells have one of these places among all bytes."""
        found = np.zeros(len(self._offsets) - 1, dtype=bool)
        if len(places):
            cells = np.searchsorted(self._offsets, places + self._offsets[0], side="right")
            found[cells - 1] = True
            found &= self.filled
        return found

    def beginning(self, wanted: Kind) -> np.ndarray:
        """Return which cells begin with a byte of a kind."""
        found: np.ndarray = wanted.take(self._first) & self.filled
        return found

    def ending(self, wanted: Kind) -> np.ndarray:
        """Return which cells end with a byte of a kind."""
        found: np.ndarray = wanted.take(self._last) & self.filled
        return found

    @cached_property
    def _first(self) -> np.ndarray:
        return self._bytes.take(self._offsets[:-1], mode="clip")

    @cached_property
    def _last(self) -> np.ndarray:
        return self._bytes.take(self._offsets[1:] - 1, mode="clip")


def validate_utf8(data: pa.Buffer) -> None:
    """Raise ArrowInvalid for bytes that are not UTF-8; they are looked at as one cell."""
    ends = pa.py_buffer(struct.pack("<2i", 0, data.size))
    pa.StringArray.from_buffers(1, ends, data).validate(full=True)


def present(column: pa.Array) -> np.ndarray:
    """Return which rows of a column are not null, several times faster than pyarrow does."""
    bits = column.buffers()[0] if column.null_count else None
    # A column of the type null has no memory.
    return np.full(len(column), not column.null_count) if bits is None else _unpacked(column, bits)


def flags(of: pa.BooleanArray) -> np.ndarray:
    """Return a mask as flags, null as no, several times faster than pyarrow does."""
    valid, bits = of.buffers()
    if not len(of) or bits is None:
        return np.zeros(len(of), dtype=bool)
    found = _unpacked(of, bits)
    return found & _unpacked(of, valid) if of.null_count and valid is not None else found


def _unpacked(column: pa.Array, bits: pa.Buffer) -> np.ndarray:
    end = column.offset + len(column)
    found = np.unpackbits(np.frombuffer(bits, "u1"), count=end, bitorder="little")
    return found[column.offset :].view(bool)


def mask(of: np.ndarray) -> pa.BooleanArray:
    """Return flags as a mask, several times faster than pyarrow does."""
    return pa.BooleanArray.from_buffers(pa.bool_(), len(of), [None, _bits(of)])


def refined(
    column: pa.Array, doubtful: np.ndarray, ask: Callable[[pa.Array], pa.Array]
) -> pa.Array:
    """Return which of the doubtful cells a kernel says yes to; of the others it is not asked.

    ``ask`` returns a mask; null counts as no.
    """
    (answer,) = refined_together([column], [doubtful], ask)
    return answer


def refined_together(
    columns: Sequence[pa.Array],
    doubtful: Sequence[np.ndarray],
    ask: Callable[[pa.Array], pa.Array],
) -> list[pa.Array]:
    """Do as ``refined`` does for each column, and ask but once."""
    rows = [np.flatnonzero(which) for which in doubtful]
    cells = [column.take(pa.array(at)) for column, at in zip(columns, rows, strict=True) if len(at)]
    if not cells:
        return [mask(which) for which in doubtful]
    said = flags(ask(pa.concat_arrays(cells) if len(cells) > 1 else cells[0]))
    answers, start = [], 0
    for which, at in zip(doubtful, rows, strict=True):
        answer = which.copy()
        answer[at] = said[start : start + len(at)]
        answers.append(mask(answer))
        start += len(at)
    return answers


def placed(size: int, rows: np.ndarray, texts: np.ndarray) -> pa.Array:
    """Return a column of ``size`` cells, null but for some rows.

    The cells of those rows, in any order, are the lines of ``texts``: ASCII, as long as each other.
    """
    lengths, valid = np.zeros(size, "<i4"), np.zeros(size, dtype=bool)
    lengths[rows], valid[rows] = texts.shape[1], True
    return _texts(lengths, texts[np.argsort(rows)].tobytes(), valid)


def _texts(lengths: np.ndarray, data: bytes, valid: np.ndarray) -> pa.Array:
    """Return a column of so long cells, one after another in the data."""
    ends = np.zeros(len(lengths) + 1, "<i4")
    np.cumsum(lengths, out=ends[1:])
    return pa.StringArray.from_buffers(
        len(lengths), pa.py_buffer(ends), pa.py_buffer(data), _bits(valid)
    )


def _bits(valid: np.ndarray) -> pa.Buffer:
    return pa.py_buffer(np.packbits(valid, bitorder="little"))
