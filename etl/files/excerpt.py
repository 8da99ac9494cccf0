"""How are row groups of a Parquet file read where the file is not?

By the bytes of these groups, and by what the end of the file says of where they lie.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

# Readers look so far beyond a column of parquet-mr before 1.2.9, which wrote its length too short
# (PARQUET-816).
_BEYOND = 100


class Excerpt(NamedTuple):
    """Spans of a file of ``size`` bytes, each with the place where it begins."""

    metadata: pq.FileMetaData
    size: int
    spans: tuple[tuple[int, pa.Buffer], ...]

    def opened(self) -> pa.PythonFile:
        """Return a file that has only these spans."""
        return pa.PythonFile(_Spans(self), mode="r")


def excerpt(path: Path, metadata: pq.FileMetaData, groups: Sequence[int]) -> Excerpt:
    """Return what of a file is needed to read some row groups."""
    spans = [_span(metadata.row_group(group)) for group in groups]
    held: list[tuple[int, pa.Buffer]] = []
    with path.open("rb") as file:
        size = file.seek(0, io.SEEK_END)
        for start, stop in _merged(spans):
            file.seek(start)
            held.append((start, pa.py_buffer(file.read(stop - start))))
    return Excerpt(metadata, size, tuple(held))


def _span(group: pq.RowGroupMetaData) -> tuple[int, int]:
    """Return from where to where the columns of a row group lie."""
    starts, stops = [], []
    for column in map(group.column, range(group.num_columns)):
        start = column.data_page_offset
        if column.has_dictionary_page and column.dictionary_page_offset:
            start = min(start, column.dictionary_page_offset)
        starts.append(start)
        stops.append(start + column.total_compressed_size + _BEYOND)
    return min(starts), max(stops)


def _merged(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join spans that touch each other."""
    joined: list[tuple[int, int]] = []
    for start, stop in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
        else:
            joined.append((start, stop))
    return joined


class _Spans(io.RawIOBase):
    """A file of which only some spans are there."""

    def __init__(self, excerpt: Excerpt) -> None:
        self._excerpt = excerpt
        self._at = 0

    def readable(self) -> bool:
        """Say that this can be read."""
        return True

    def seekable(self) -> bool:
        """Say that every place can be gone to."""
        return True

    def tell(self) -> int:
        """Return where the next read begins."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._excerpt.size}
        self._at = base[whence] + offset
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Return bytes from here on; raises OSError where they are not there."""
        stop = self._excerpt.size if size < 0 else min(self._at + size, self._excerpt.size)
        for start, held in self._excerpt.spans:
            if start <= self._at and stop <= start + held.size:
                found: bytes = held.slice(self._at - start, stop - self._at).to_pybytes()
                self._at = stop
                return found
        raise OSError(f"bytes {self._at} to {stop} were not sent along")
