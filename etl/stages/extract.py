"""What does each source row say, in its own words, and on which line?

Text in, text out: nothing is trimmed, mapped or judged here. A row whose cells cannot be told
apart becomes a problem; a file that cannot be read as it stands raises SourceError.
"""

from __future__ import annotations

import csv as standard_csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl import config
from etl.customers import octets
from etl.customers.octets import Octets
from etl.customers.problems import PROBLEMS, Problem, problem_table
from etl.engines import USUAL, Cut, Where
from etl.errors import SourceError
from etl.files import csv, escape, parquet
from etl.files.blocks import Block, Piece, Place, parsed, pieces, read_again
from etl.files.compression import refuse_bomb
from etl.files.parquet import Groups
from etl.files.sources import Source, open_lines
from etl.files.text import UTF8
from etl.files.version import Version, version_of

CELL_LIMIT = 1 << 20  # bytes of UTF-8
ROWS_PER_BATCH = USUAL.rows
# Of what is held at a time while it is checked.
_MOST_BYTES = 48 << 20


@dataclass(frozen=True, slots=True)
class Records:
    """A batch of rows as the file has them."""

    lines: pa.Array  # int64: physical line where each record starts (Parquet: row number from 1)
    # The original columns as text, unchanged. From CSV never null; a row with too few or too many
    # cells is filled up with "" or cut.
    cells: pa.RecordBatch
    problems: pa.Table  # PROBLEMS: rows that cannot be imported as they stand


class Standing(NamedTuple):
    """Records to be read from a file where they stand, in the version that was cut."""

    place: Place
    version: Version


# What a source is cut into: to be made into records anywhere, in any order.
Part: TypeAlias = Piece | Standing | Block | Groups


def extract(
    source: Source, settings: config.Source, rows_per_batch: int = ROWS_PER_BATCH
) -> Iterator[Records]:
    """Yield the rows of a source in batches; how they are cut changes nothing but memory."""
    delivered = 0
    for part in parts(source, settings, Cut(rows_per_batch)):
        for found in records(part, source, rows_per_batch):
            delivered += found.cells.nbytes
            refuse_swollen(source, delivered)
            yield found


def refuse_swollen(source: Source, delivered: int) -> None:
    """Raise SourceError when a file has become more bytes of cells than any honest one would."""
    if source.kind == "parquet":
        refuse_bomb(source.name, source.size, delivered)


def parts(
    source: Source, settings: config.Source, cut: Cut = USUAL, where: Where = "process"
) -> Iterator[Part]:
    """Yield what a source consists of, in order.

    ``where`` they are made into records decides what goes there: text or the bytes of row groups,
    or their place in the file. Raises SourceError when the file is gone.
    """
    if source.kind == "parquet":
        excerpts = where == "elsewhere"
        yield from parquet.groups(source.path, source.name, cut.rows, excerpts=excerpts)
        return
    # To read them again is cheaper than to send them.
    in_place = where == "machine" and source.compression is None and source.encoding in UTF8
    version = version_of(source.path, source.name) if in_place else None
    with open_lines(source, settings) as lines:
        for part in pieces(lines, source.delimiter, len(source.columns), cut.size):
            if version is not None and isinstance(part, Piece):
                yield Standing(part.place, version)
            else:
                yield part


def records(part: Part, source: Source, rows_per_batch: int = ROWS_PER_BATCH) -> Iterator[Records]:
    """Yield the rows of one part of a source in batches."""
    if isinstance(part, Groups):
        start = 1 + part.start
        for cells in parquet.read_groups(source.path, source.name, part, rows_per_batch):
            lines = pa.array(np.arange(start, start + len(cells)))
            found = Records(lines, cells, problem_table(_bad_cells(cells)))
            # Cells that are written once for many rows take their place in each of them.
            yield from _cut(found, max(len(cells) * _MOST_BYTES // max(cells.nbytes, 1), 1))
            start += len(cells)
        return
    block, width = part, len(source.columns)
    if isinstance(block, Standing):
        block = read_again(block.place, source.path, source.name, block.version)
    if isinstance(block, Piece):
        block = parsed(block, source.delimiter, width, source.name)
    columns = block.columns
    if source.escaped:
        columns = [escape.unescape_column(column) for column in columns]
    elif source.escaped is None:
        _refuse_unclear(block, source)
    cells = pa.RecordBatch.from_arrays(columns, names=list(source.columns))
    problems = problem_table([*_bad_rows(block.odd, source), *_bad_cells(cells)])
    yield from _cut(Records(pa.array(block.lines), cells, problems), rows_per_batch)


def _cut(records: Records, rows: int) -> Iterator[Records]:
    """Cut a batch into smaller ones."""
    for start in range(0, len(records.lines), rows):
        problems = records.problems
        at = problems.column("row")
        inside = pc.and_(pc.greater_equal(at, start), pc.less(at, start + rows))
        problems = problems.filter(inside)
        problems = problems.set_column(
            0, PROBLEMS.field("row"), pc.subtract(problems.column("row"), start)
        )
        yield Records(records.lines.slice(start, rows), records.cells.slice(start, rows), problems)


def _bad_rows(odd: Sequence[tuple[int, csv.Record]], source: Source) -> Iterator[Problem]:
    """Yield the rows whose cells cannot be told apart."""
    width = len(source.columns)
    for row, record in odd:
        if record.misquoted:
            message = (
                f"a quote inside a quoted cell is not doubled{_extent(record)}: where the cells of "
                "this row end is a guess"
            )
            as_written = f"as written: {record.misquoted}"
            yield Problem(row, "reject", "RAGGED_ROW", "", message, as_written)
        else:
            message = f"the row has {len(record.cells)} cells, the header has {width}"
            surplus = record.cells[width:]
            if source.escaped:
                surplus = [escape.unescape(cell) for cell in surplus]
            left_over = f"cells beyond the header: {_as_csv(surplus)}" if surplus else ""
            yield Problem(row, "reject", "RAGGED_ROW", "", message, left_over)


def _extent(record: csv.Record) -> str:
    """Name the lines of a record that has swallowed others."""
    more = csv.line_breaks(record.misquoted.rstrip("\r\n"))
    return f" in lines {record.line} to {record.line + more}" if more else ""


def _as_csv(cells: Sequence[str]) -> str:
    line = io.StringIO()
    standard_csv.writer(line, lineterminator="").writerow(cells)
    return line.getvalue()


def _refuse_unclear(block: Block, source: Source) -> None:
    """Raise SourceError for a cell that means one thing with our escape and another without.

    The apostrophe before other characters is taken off by cleaning, or is no escape of ours.
    """
    for name, column in zip(source.columns, block.columns, strict=True):
        guarded = Octets(column).beginning(octets.kind(b"'"))
        unclear = octets.refined(column, guarded, _is_unclear)
        if rows := _where(unclear):
            raise SourceError(
                f"{source.name} line {block.lines[rows[0]]}: the cell of column {name!r} begins "
                "with an apostrophe that the export put there, or somebody wrote. Put the manifest "
                "of the export back beside the file, or set [source] escaped = true (false if it "
                "was exported with --raw)"
            )


def _is_unclear(column: pa.Array) -> pa.Array:
    return pc.match_substring_regex(column, r"\A'['\t\r\n]")


def _bad_cells(cells: pa.RecordBatch) -> Iterator[Problem]:
    """Yield the cells that no field could take, whatever they are mapped to."""
    for name, column in zip(cells.schema.names, cells.columns, strict=True):
        held = Octets(column)
        if held.may_hold(b"\0"):
            for row in _where(pc.match_substring(column, "\0")):
                message = f"the cell of column {name!r} holds a NUL character"
                yield Problem(row, "reject", "NUL_CHARACTER", "", message)
        if held.size <= CELL_LIMIT:
            continue
        for row in np.flatnonzero(held.lengths > CELL_LIMIT).tolist():
            message = (
                f"the cell of column {name!r} holds {held.lengths[row]} bytes, "
                f"more than {CELL_LIMIT}"
            )
            yield Problem(row, "reject", "CELL_TOO_LARGE", "", message)


def _where(mask: pa.Array) -> list[int]:
    rows: list[int] = pc.indices_nonzero(pc.fill_null(mask, False)).to_pylist()
    return rows
