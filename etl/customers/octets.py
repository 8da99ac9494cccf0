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


class Octets:
    """The bytes of a text column, UTF-8; a null has none.

    ``lengths`` counts the bytes of each cell, ``filled`` tells which have any.
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

    def plain(self) -> np.ndarray:
        """Return which cells hold nothing but printable ASCII characters."""
        # Unsigned bytes below the blank wrap around to the top.
        return ~self._found(self._all() - 0x20 >= 0x5F)

    def latin(self) -> np.ndarray:
        """Return which cells hold nothing but printable ASCII and letters of U+00C0 to U+027F.

        No two of these letters follow each other. Such a text is in NFC: what composes begins at
        U+0300.
        """
        data = self._all()
        ascii_ = data - 0x20 < 0x5F
        letter = (data >= 0xC3) & (data <= 0xC9)
        inside = (data & 0xC0) == 0x80
        bad = ~(ascii_ | letter | inside)
        bad[1:] |= letter[1:] & inside[:-1]
        return ~self._found(bad)

    def holding(self, wanted: Kind) -> np.ndarray:
        """Return which cells hold at least one byte of a kind."""
        return self._found(wanted[self._all()])

    def nth(self, place: int, rows: np.ndarray) -> np.ndarray:
        """Return the byte at a place of some cells, all of which are longer."""
        found: np.ndarray = self._bytes[self._offsets[rows] + place]
        return found

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
