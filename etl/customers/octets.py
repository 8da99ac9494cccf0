"""Which cells of a text column hold a byte of some kind?

Answered from the column's own memory, several times faster than by matching every cell, so that
the costly questions are asked of the few cells they may concern.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
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


# What the bytes of composed text are.
_ODD, _ASCII, _LETTER, _INSIDE, _KANA, _HAN = range(6)
_COMPOSED = np.full(256, _ODD, "u1")
_COMPOSED[0x20:0x7F] = _ASCII
_COMPOSED[0x80:0xC0] = _INSIDE
_COMPOSED[0xC3:0xCA] = _LETTER
_COMPOSED[0xE3] = _KANA
_COMPOSED[0xE4:0xEA] = _HAN


class Octets:
    """The bytes of a text column, UTF-8; a null has none.

    ``lengths`` counts the bytes of each cell, ``filled`` tells which have any, ``empty`` which are
    the empty text.
    """

    def __init__(self, column: pa.StringArray) -> None:
        self._column = column
        _, ends, data = column.buffers()
        size = len(column)
        offsets = np.zeros(size + 1, "<i4")
        if size and ends is not None:
            offsets = np.frombuffer(ends, "<i4")[column.offset : column.offset + size + 1]
        self._bytes = np.frombuffer(data or b"\0", "u1")
        self._offsets = offsets
        self.lengths = np.diff(offsets)
        self._valid = column.is_valid()
        if column.null_count:
            self.lengths = np.where(self._valid.to_numpy(zero_copy_only=False), self.lengths, 0)
        self.filled = self.lengths > 0
        self.empty = ~self.filled & self._valid.to_numpy(zero_copy_only=False)

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
        kinds = _COMPOSED[data]
        odd = kinds == _ODD
        odd[1:] |= (kinds[1:] == _LETTER) & (kinds[:-1] == _INSIDE)
        kana = np.flatnonzero(kinds == _KANA)
        if len(kana):
            second, third = data[kana + 1], data[kana + 2]
            mark = (second == 0x82) & ((third == 0x99) | (third == 0x9A))
            odd[kana[(second < 0x81) | (second > 0x83) | mark]] = True
        return ~self._found(odd)

    def holding(self, wanted: Kind) -> np.ndarray:
        """Return which cells hold at least one byte of a kind."""
        return self._found(wanted[self._all()])

    def may_hold_nul(self) -> bool:
        """Tell whether a byte 0 is in the memory of the cells; a null cell may have any there."""
        return not self._all().all()

    def nth(self, place: int, rows: np.ndarray) -> np.ndarray:
        """Return the byte at a place of some cells, all of which are longer."""
        found: np.ndarray = self._bytes[self._offsets[rows] + place]
        return found

    def stretch(self, start: int, size: int, rows: np.ndarray) -> np.ndarray:
        """Return so many bytes of some cells from a place on, the nth of each in the nth line.

        Behind the end of a cell are those of other cells.
        """
        places = self._offsets[rows] + start + np.arange(size, dtype="<i4")[:, None]
        return self._bytes.take(places, mode="clip")

    def without(self, unwanted: Kind) -> pa.Array:
        """Return the column less all bytes of a kind, which must be ASCII."""
        data = self._all()
        kept = ~unwanted[data]
        ends = np.concatenate(([0], np.cumsum(kept)))[self._offsets - self._offsets[0]]
        offsets, texts = pa.py_buffer(ends.astype("<i4")), pa.py_buffer(data[kept])
        bare = pa.StringArray.from_buffers(len(self.lengths), offsets, texts)
        return pc.if_else(self._valid, bare, None)

    def less(self, unwanted: np.ndarray) -> pa.Array:
        """Return the column with null for the unwanted cells, on the memory it has."""
        valid = ~unwanted & self._valid.to_numpy(zero_copy_only=False)
        bits = pa.py_buffer(np.packbits(valid, bitorder="little"))
        _, ends, data = self._column.buffers()
        if self._column.offset or ends is None:
            return pc.if_else(pa.array(valid), self._column, None)
        return pa.StringArray.from_buffers(len(valid), ends, data, bits)

    def joined(self) -> bytes:
        """Return the bytes of all cells one after another."""
        return self._all().tobytes()

    def _all(self) -> np.ndarray:
        return self._bytes[self._offsets[0] : self._offsets[-1]]

    def _found(self, hits: np.ndarray) -> np.ndarray:
        places = np.flatnonzero(hits) + self._offsets[0]
        found = np.zeros(len(self.lengths), dtype=bool)
        found[np.searchsorted(self._offsets, places, side="right") - 1] = True
        return found & self.filled

    def beginning(self, wanted: Kind) -> np.ndarray:
        """Return which cells begin with a byte of a kind."""
        found: np.ndarray = wanted[self._first] & self.filled
        return found

    def ending(self, wanted: Kind) -> np.ndarray:
        """Return which cells end with a byte of a kind."""
        found: np.ndarray = wanted[self._last] & self.filled
        return found

    @cached_property
    def _first(self) -> np.ndarray:
        return self._bytes.take(self._offsets[:-1], mode="clip")

    @cached_property
    def _last(self) -> np.ndarray:
        return self._bytes.take(self._offsets[1:] - 1, mode="clip")


def refined(
    column: pa.Array, doubtful: np.ndarray, ask: Callable[[pa.Array], pa.Array]
) -> pa.Array:
    """Return which of the doubtful cells a kernel says yes to; of the others it is not asked.

    ``ask`` returns a mask; null counts as no.
    """
    answer = doubtful.copy()
    if doubtful.any():
        asked = column.filter(pa.array(doubtful))
        answer[doubtful] = ask(asked).fill_null(False).to_numpy(zero_copy_only=False)
    return pa.array(answer)


def placed(size: int, rows: np.ndarray, texts: np.ndarray) -> pa.Array:
    """Return a column of ``size`` cells, null but for some rows.

    The cells of those rows, in any order, are the lines of ``texts``: ASCII, as long as each other.
    """
    lengths, valid = np.zeros(size, "<i4"), np.zeros(size, dtype=bool)
    lengths[rows], valid[rows] = texts.shape[1], True
    ends = np.concatenate(([0], np.cumsum(lengths))).astype("<i4")
    data = texts[np.argsort(rows)].tobytes()
    bits = np.packbits(valid, bitorder="little")
    return pa.StringArray.from_buffers(size, *map(pa.py_buffer, (ends, data, bits)))
