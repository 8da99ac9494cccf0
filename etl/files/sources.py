"""Which files does an import read, and how is each of them written?

Everything about a file is decided here, before any row of it is read: what it is by its first
bytes, how it is packed, its encoding, delimiter and columns. What cannot be read as it stands is
refused. Files are only ever opened for reading.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import shutil
import stat
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Literal, NamedTuple

from etl import config
from etl.customers.cells import for_screen
from etl.errors import ConfigError, SourceError
from etl.files import csv, encoding, escape, parquet, remote
from etl.files.atomic import replacing
from etl.files.compression import Compression, compression_of, open_unpacked
from etl.files.exported import Exported, exported, manifest_of

# The rejects and the review file of a run carry both; no other system's export does.
OUR_COLUMNS = frozenset({"_line", "_codes"})

_NO_EXPORT = Exported(named=False, escaped=False)

_HEAD = 4096
_CHUNK = 1 << 20
_RENAME = "or name all columns with [source] header"


@dataclass(frozen=True, slots=True)
class Source:
    """One file of customers, and how it is read."""

    path: Path  # where the bytes are: of stdin and of an address, those of the copy
    name: str  # as the user named it, "-" for stdin
    kind: Literal["csv", "parquet"]
    compression: Compression | None
    size: int  # bytes on disk
    sha256: str  # of the bytes on disk
    encoding: str  # "" for Parquet
    delimiter: str  # "" for Parquet
    columns: tuple[str, ...]  # the original headers
    ours: bool  # rejects.csv or review.csv of an earlier run
    # Cells carry our formula escape and are un-escaped while reading; None: nothing tells.
    escaped: bool | None
    exported: bool = False  # an export of ours, whose columns are called as the fields are
    notes: tuple[str, ...] = ()  # what was decided, for the operator to read
    # column -> why its text is not what a person wrote; such a column suits no text field
    not_text: Mapping[str, str] = field(default_factory=dict)


class _Fingerprint(NamedTuple):
    size: int
    sha256: str


def open_sources(
    arguments: Sequence[str],
    settings: config.Source,
    spool: Path,
    stdin: BinaryIO | None = None,
    meanwhile: Callable[[], None] = lambda: None,
) -> list[Source]:
    """Return the files the arguments name, in their order, globs expanded and sorted.

    ``-`` is standard input: that, and whatever has an address, is copied into the folder ``spool``
    and read from there. ``meanwhile`` is done for each while its bytes are gone through. Raises
    SourceError for whatever cannot be read as it stands, ConfigError for a wrong dialect or
    address.
    """
    _check(settings)
    names = [name for argument in arguments for name in _expanded(argument)]
    _refuse_odd(names)
    afar = Counter(name for name in names if name == "-" or remote.is_url(name))
    if repeated := [name for name, times in afar.items() if times > 1]:
        raise SourceError(f"{repeated[0]}: is the same file as {repeated[0]}: name it once")
    paths = [(name, _here(name, at, spool, stdin)) for at, name in enumerate(names)]
    _refuse_twice(paths)
    return [_inspected(path, name, settings, meanwhile) for name, path in paths]


def verify_unchanged(source: Source) -> None:
    """Raise SourceError if the file is not, byte for byte, the one that was opened."""
    now = _fingerprint(source.path, source.name)
    if now != (source.size, source.sha256):
        raise SourceError(
            f"{source.name}: has changed since the run read it (then {source.size} bytes, sha256 "
            f"{source.sha256[:12]}…; now {now.size} bytes, sha256 {now.sha256[:12]}…). "
            "Put the old file back, or start a new run"
        )


def dialect(settings: config.Source, ours: bool) -> config.Source:
    """Return the settings that apply to a file: our own files need and heed none."""
    return config.Source(escaped=settings.escaped) if ours else settings


@contextmanager
def open_lines(source: Source, settings: config.Source) -> Iterator[csv.Lines]:
    """Open a CSV source at the first record after its header."""
    unpacked = open_unpacked(source.path, source.name, source.compression)
    with closing(csv.Lines(unpacked, source.encoding, source.name)) as lines:
        lines.skip(dialect(settings, source.ours).skip_lines)
        csv.read_header(lines, source.delimiter)
        yield lines


def _check(settings: config.Source) -> None:
    if settings.delimiter is not None and settings.delimiter in '"\r\n\0':
        raise ConfigError("[source] delimiter cannot be a quote, a line end or NUL")
    if settings.header is not None:
        blank, repeated = _faults(settings.header)
        if blank or repeated:
            raise ConfigError("[source] header needs a different name for every column")


def _here(name: str, at: int, spool: Path, stdin: BinaryIO | None) -> Path:
    """Return where the bytes of a source are on this machine, for which they may be copied."""
    if name != "-" and not remote.is_url(name):
        return Path(name)
    spool.mkdir(mode=0o700, exist_ok=True)
    copy = spool / f"{at}{PurePosixPath(name).suffix}"
    if name == "-":
        with replacing(copy) as file:
            shutil.copyfileobj(stdin or sys.stdin.buffer, file, _CHUNK)
    else:
        remote.fetch(name, copy)
        remote.fetch_if_there(f"{name}.manifest.json", manifest_of(copy))
    return copy


def _expanded(argument: str) -> Iterator[str]:
    if remote.is_url(argument):
        yield from remote.expanded(argument)
        return
    # os.path: a name too long, or in a folder that is closed to us, is reported when it is opened.
    # A file may be called "list [old].csv": only what is no file's name is a pattern.
    if argument == "-" or os.path.exists(argument) or not glob.has_magic(argument):
        yield argument
        return
    found = [name for name in glob.glob(argument, recursive=True) if not Path(name).is_dir()]
    if not found:
        raise SourceError(f"{argument}: no file has such a name")
    yield from sorted(found)


def _refuse_odd(names: Sequence[str]) -> None:
    """Raise SourceError for a name that no report can hold."""
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError as error:
            shown = name.encode(errors="backslashreplace").decode()
            raise SourceError(f"{shown}: this name is not UTF-8: rename the file") from error


def _refuse_twice(paths: Sequence[tuple[str, Path]]) -> None:
    seen: dict[tuple[int, int], str] = {}
    for name, path in paths:
        try:
            status = path.stat()
        except (OSError, ValueError) as error:
            raise _unopened(name, error) from error
        inode = (status.st_dev, status.st_ino)
        if inode in seen:
            raise SourceError(f"{name}: is the same file as {seen[inode]}: name it once")
        seen[inode] = name
        if stat.S_ISDIR(status.st_mode):
            raise SourceError(f'{name}: is a folder: name its files, such as "{name}/*.csv"')
        if not stat.S_ISREG(status.st_mode):
            raise SourceError(f"{name}: is not a regular file: send it to standard input, as -")


def _inspected(
    path: Path, name: str, settings: config.Source, meanwhile: Callable[[], None]
) -> Source:
    # Two, as to recognise an export of ours is to wait for the digest.
    with ThreadPoolExecutor(2) as aside:
        digest = aside.submit(_fingerprint, path, name)
        recognised = aside.submit(_recognised, path, name, settings, lambda: digest.result().sha256)
        meanwhile()
        source, found = recognised.result(), digest.result()
    return replace(source, size=found.size, sha256=found.sha256)


def _recognised(
    path: Path, name: str, settings: config.Source, sha256: Callable[[], str]
) -> Source:
    """Return how a file is read, without its fingerprint; ``sha256`` waits for it."""
    with open_unpacked(path, name, None) as file:
        start = file.read(_HEAD)
    if not start:
        raise SourceError(f"{name}: is empty: there is not even a header line")
    compression = compression_of(start)
    with open_unpacked(path, name, compression) as file:
        head = file.read(_CHUNK)
    if not head:
        raise SourceError(f"{name}: is empty once it is unpacked")
    _refuse_foreign(head, name)
    if head.startswith(b"PAR1") or path.suffix.lower() in (".parquet", ".pq"):
        return _recognised_parquet(path, name, compression, settings, sha256)
    return _recognised_csv(path, name, compression, head, settings, sha256)


def _recognised_parquet(
    path: Path,
    name: str,
    compression: Compression | None,
    settings: config.Source,
    sha256: Callable[[], str],
) -> Source:
    if compression is not None:
        raise SourceError(f"{name}: is a packed Parquet file: unpack it ({compression} -d)")
    columns, not_text = parquet.read_columns(path, name)
    _refuse_columns(columns, name, "Name every column once and write the file again")
    export = _export(path, name, columns, settings, sha256)
    return Source(
        path=path,
        name=name,
        kind="parquet",
        compression=None,
        size=0,
        sha256="",
        encoding="",
        delimiter="",
        columns=columns,
        ours=False,
        escaped=False,
        exported=export.named,
        notes=tuple(filter(None, _notes(",", False, export, False))),
        not_text={**not_text, **_masked(export)},
    )


def _recognised_csv(
    path: Path,
    name: str,
    compression: Compression | None,
    head: bytes,
    settings: config.Source,
    sha256: Callable[[], str],
) -> Source:
    ours = OUR_COLUMNS.issubset(
        csv.peek_columns(head.decode(encoding.marked(head) or "utf-8", "replace"))
    )
    settings = dialect(settings, ours)

    def unpacked() -> BinaryIO:
        return open_unpacked(path, name, compression)

    decided = encoding.decide(unpacked, name, settings.encoding)
    delimiter, in_file = _header(unpacked, decided.encoding, name, settings)
    export = _export(path, name, in_file, settings, sha256)
    escaped = (ours or export.escaped) if settings.escaped is None else settings.escaped
    if escaped:
        in_file = [escape.unescape(column) for column in in_file]
    return Source(
        path=path,
        name=name,
        kind="csv",
        compression=compression,
        size=0,
        sha256="",
        encoding=decided.encoding,
        delimiter=delimiter,
        columns=_columns(in_file, name, settings.header),
        ours=ours,
        escaped=escaped,
        exported=export.named and settings.header is None,
        notes=tuple(filter(None, [decided.note, *_notes(delimiter, ours, export, escaped)])),
        not_text=_masked(export),
    )


def _notes(delimiter: str, ours: bool, export: Exported, escaped: bool | None) -> Iterator[str]:
    if delimiter != ",":
        yield f"columns are separated by {'tabs' if delimiter == chr(9) else delimiter}"
    if ours:
        yield "written by an earlier run: [source] is not applied"
    elif export.named:
        yield "exported by square-etl: its columns are read by their names"
    yield export.note
    if escaped:
        yield "the apostrophes that guard formulas are taken away"


def _masked(export: Exported) -> dict[str, str]:
    return dict.fromkeys(sorted(export.masked), "masked")


def _header(
    unpacked: Callable[[], BinaryIO], encoded: str, name: str, settings: config.Source
) -> tuple[str, list[str]]:
    """Return the delimiter and the names in the header line."""
    with closing(csv.Lines(unpacked(), encoded, name)) as lines:
        lines.skip(settings.skip_lines)
        delimiter = csv.choose_delimiter(lines, settings.delimiter)
    with closing(csv.Lines(unpacked(), encoded, name)) as lines:
        lines.skip(settings.skip_lines)
        header = csv.read_header(lines, delimiter)
    if not header:
        after = f" after {settings.skip_lines} skipped lines" if settings.skip_lines else ""
        raise SourceError(f"{name}: has no header line{after}")
    if any("\0" in column for column in header):
        raise SourceError(
            f"{name} line {lines.first}: a column name holds a NUL character, so this is not text "
            'as it was read; if it is UTF-16, set [source] encoding = "utf-16-le"'
        )
    return delimiter, header


def _columns(
    in_file: Sequence[str], name: str, replacement: Sequence[str] | None
) -> tuple[str, ...]:
    if replacement is None:
        _refuse_columns(in_file, name, f"Correct the header line, {_RENAME}")
        return tuple(in_file)
    if len(replacement) != len(in_file):
        raise SourceError(
            f"{name}: [source] header names {len(replacement)} columns, but the header line has "
            f"{len(in_file)}: name every column"
        )
    return tuple(replacement)


def _faults(columns: Sequence[str]) -> tuple[list[int], dict[str, list[int]]]:
    """Return the positions, from 1, of blank names, and those of each repeated name."""
    blank = [at for at, column in enumerate(columns, 1) if not column.strip()]
    repeated = {
        column: [at for at, other in enumerate(columns, 1) if other == column]
        for column, times in Counter(columns).items()
        if times > 1 and column.strip()
    }
    return blank, repeated


def _refuse_columns(columns: Sequence[str], name: str, remedy: str) -> None:
    blank, repeated = _faults(columns)
    said = [f"column {at} has no name" for at in blank]
    said += [
        f"columns {' and '.join(map(str, positions))} are all called {for_screen([column])!r}"
        for column, positions in repeated.items()
    ]
    if said:
        raise SourceError(f"{name}: {'; '.join(said)}. {remedy}")


def _export(
    path: Path,
    name: str,
    headers: Sequence[str],
    settings: config.Source,
    sha256: Callable[[], str],
) -> Exported:
    try:
        return exported(path, name, headers, sha256) or _NO_EXPORT
    except SourceError:
        if settings.escaped is None:
            raise
        return _NO_EXPORT


def _refuse_foreign(head: bytes, name: str) -> None:
    """Refuse what is known not to be a table of text, with the way out."""
    start = head[:_HEAD].lstrip().lower()
    workbook = b"[Content_Types].xml" in head or b"oasis.opendocument" in head[:_HEAD]
    if head.startswith(b"\xd0\xcf\x11\xe0") or (head.startswith(b"PK\x03\x04") and workbook):
        raise SourceError(f"{name}: is a spreadsheet: open it and save it as CSV UTF-8")
    if start.startswith((b"<html", b"<!doctype html", b"<table", b"<?xml")):
        raise SourceError(
            f"{name}: is a web page or XML, whatever its name says: open it in a spreadsheet and "
            "save it as CSV UTF-8"
        )
    if _is_json(head):
        raise SourceError(f"{name}: holds JSON lines, which are not read: export CSV or Parquet")
    archives = (b"PK\x03\x04", b"PK\x05\x06", b"BZh", b"\xfd7zXZ\0", b"7z\xbc\xaf\x27\x1c", b"Rar!")
    packed = head.startswith(archives) or compression_of(head) or head[257:262] == b"ustar"
    if packed:
        raise SourceError(f"{name}: is an archive: unpack it, and import the files inside")


def _is_json(head: bytes) -> bool:
    """Tell whether a file consists of JSON lines, as far as its first one shows."""
    first, _, _ = head.removeprefix(b"\xef\xbb\xbf").lstrip().partition(b"\n")
    try:
        return isinstance(json.loads(first), dict)
    except ValueError:
        return False


def _fingerprint(path: Path, name: str) -> _Fingerprint:
    digest = hashlib.sha256()
    size = 0
    with open_unpacked(path, name, None) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return _Fingerprint(size, digest.hexdigest())


def _unopened(name: str, error: Exception) -> SourceError:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return SourceError(f"{name}: cannot be opened: {reason}")
