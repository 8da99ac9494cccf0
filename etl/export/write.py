"""Where does an export go, and how does it stand there only once it is complete?

Files are written beside their place, made durable and renamed into it, readable by their owner
only; a folder of Parquet files is renamed as a whole, with its manifest. The digest is that of the
bytes on disk, reckoned while they are written.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import chain, groupby
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple, cast

import pyarrow as pa
import pyarrow.compute as pc

from etl.errors import ConfigError
from etl.export.formats import Add, Format, as_csv, as_jsonl, as_parquet
from etl.export.wanted import Wanted
from etl.files.atomic import replacing, replacing_folder
from etl.files.exported import IN_FOLDER, OURS, YEAR, manifest_of

Kind = Literal["csv", "csv.gz", "jsonl", "parquet", "folder", "-"]

CSV: frozenset[Kind] = frozenset({"csv", "csv.gz", "-"})
# Which hold text, times as Square sent them.
TEXT: frozenset[Kind] = CSV | {"jsonl"}
_SUFFIXES: dict[str, Kind] = {
    ".csv": "csv",
    ".csv.gz": "csv.gz",
    ".jsonl": "jsonl",
    ".parquet": "parquet",
}
# File systems end names after 255 bytes, of which what lies beside a file needs some.
_LONGEST = 200
_CREATED_AT = "created_at"
# Hive's word for a partition without a value.
_NO_YEAR = "__HIVE_DEFAULT_PARTITION__"


class Written(NamedTuple):
    """A file that was written; ``path`` is where it lies, seen from its manifest."""

    path: str
    rows: int
    sha256: str


Manifest = Callable[[list[Written]], bytes]


def check_destination(wanted: Wanted) -> Kind:
    """Return what is to be written.

    Raises ConfigError for a destination that cannot be, or that would be overwritten unasked.
    """
    kind = _kind_of(wanted.destination)
    if wanted.bom and kind not in CSV:
        raise ConfigError("--bom is for CSV: only spreadsheets that open CSV ask for it")
    if wanted.raw and kind not in CSV:
        raise ConfigError("--raw is for CSV: in other files no cell is ever escaped")
    if kind == "-":
        return kind
    path = Path(wanted.destination)
    if len(os.fsencode(path.name)) > _LONGEST:
        raise ConfigError(f"the name {path.name[:20]}… is too long: {_LONGEST} bytes at most")
    if not path.parent.is_dir():
        raise ConfigError(f"{path.parent}: there is no such folder: make it first")
    # Read, too: what stands in a folder is durable once the folder is.
    if not os.access(path.parent, os.R_OK | os.W_OK | os.X_OK):
        raise ConfigError(f"{path.parent}: this folder cannot be read and written")
    if kind == "folder":
        _check_folder(path, wanted.overwrite)
        return kind
    beside = [deletions_path(wanted.destination)] if wanted.incremental else []
    for there in (path, manifest_path(wanted.destination, kind), *beside):
        # A link is what would be replaced, wherever it leads to, and be it nowhere.
        if there.exists() and not there.is_file():
            raise ConfigError(f"{there}: is there and is not a file: choose another name")
        if os.path.lexists(there) and not wanted.overwrite:
            raise ConfigError(f"{there}: is there already: --overwrite replaces it")
    return kind


def manifest_path(destination: str, kind: Kind) -> Path:
    """Return where the manifest of an export lies, which must not be standard output."""
    path = Path(destination)
    return path / IN_FOLDER if kind == "folder" else manifest_of(path)


def deletions_path(destination: str) -> Path:
    """Return where an increment lists who is gone: beside its file or folder."""
    path = Path(destination)
    return path.with_name(f"{path.name}.deleted.csv")


def write(
    destination: str,
    kind: Kind,
    batches: Iterable[pa.Table],
    schema: pa.Schema,
    *,
    stdout: BinaryIO | None,
    manifest: Manifest | None = None,
    raw: bool = False,
    bom: bool = False,
) -> list[Written]:
    """Write batches of this schema and return the files, none if nobody reads standard output.

    ``manifest`` is asked what to write beside the files before these take their place; an error
    from it, as any other, leaves what was there before.
    """
    csv = cast(Format, partial(as_csv, raw=raw, bom=bom))
    form = {"jsonl": as_jsonl, "parquet": as_parquet}.get(kind, csv)
    if kind == "-":
        assert stdout is not None
        return _poured(stdout, form, batches, schema)
    path = Path(destination)
    if kind == "folder":
        with replacing_folder(path) as folder:
            written = _partitioned(folder, batches, schema)
            if manifest is not None:
                with replacing(folder / IN_FOLDER) as file:
                    file.write(manifest(written))
        return written
    proof = manifest_path(destination, kind)
    with ExitStack() as stack:
        # The manifest is on disk before the file takes its name, and takes its own after it.
        said = None if manifest is None else stack.enter_context(replacing(proof))
        with replacing(path) as file:
            with _filling(file, form, schema, packed=kind == "csv.gz") as filled:
                for table in batches:
                    filled.add(table)
            written = [filled.written(path.name)]
            if said is not None and manifest is not None:
                said.write(manifest(written))
                said.flush()
            # Nobody finds the manifest of another file beside this one.
            proof.unlink(missing_ok=True)
    return written


# --- destinations -------------------------------------------------------------------------------


def _kind_of(destination: str) -> Kind:
    if destination == "-":
        return "-"
    path = Path(destination)
    for suffix, kind in sorted(_SUFFIXES.items(), key=lambda one: -len(one[0])):
        if path.name.lower().endswith(suffix) and not destination.endswith("/"):
            return kind
    if path.suffix and not destination.endswith("/") and not path.is_dir():
        raise ConfigError(
            f"{destination}: it is not known what {path.suffix} is to be; there are "
            f"{', '.join(_SUFFIXES)}, a folder (a name without a suffix) of Parquet files, and - "
            "for CSV on standard output"
        )
    if not path.name:
        raise ConfigError(f"{destination!r}: is not the name of a file or folder")
    return "folder"


def _check_folder(path: Path, overwrite: bool) -> None:
    if path.is_symlink():
        raise ConfigError(f"{path}: is a link: name the folder itself")
    if not path.exists():
        return
    if not path.is_dir():
        raise ConfigError(f"{path}: is there and is not a folder: choose another name")
    if not any(path.iterdir()):
        return
    if not overwrite:
        raise ConfigError(f"{path}: is there already: --overwrite replaces it")
    others = sorted(_others(path))
    if others:
        raise ConfigError(
            f"{path}: holds {others[0]}, which no export of ours wrote, and would be deleted as a "
            "whole: choose another folder, or take out what is not ours"
        )


def _others(folder: Path) -> Iterator[str]:
    """Yield the files of a folder that are not those of an export."""
    try:
        said = json.loads((folder / IN_FOLDER).read_bytes())
        ours = {IN_FOLDER, *(file["path"] for file in said["files"])} if OURS in said else set()
    except (OSError, ValueError, TypeError, KeyError):
        ours = set()
    for file in folder.rglob("*"):
        name = file.relative_to(folder).as_posix()
        if name not in ours and (file.is_symlink() or not file.is_dir()):
            yield name


# --- files --------------------------------------------------------------------------------------


class _Hashed:
    """A file whose bytes are hashed on their way; whoever writes to it does not close it.

    After an error it is ``given_up``: what a writer still has to say then goes nowhere, for its
    complaints would come at any time later.
    """

    closed = False

    def __init__(self, file: BinaryIO) -> None:
        self.given_up = False
        self._file = file
        self._digest = hashlib.sha256()
        self._size = 0

    def write(self, data: bytes) -> int:
        size = memoryview(data).nbytes
        if self.given_up:
            return size
        try:
            self._file.write(data)
        except BaseException:
            self.given_up = True
            raise
        self._digest.update(data)
        self._size += size
        return size

    def writelines(self, lines: Iterable[bytes]) -> None:
        self.write(b"".join(lines))

    def tell(self) -> int:
        return self._size

    def flush(self) -> None:
        """Leave it to whoever opened the file."""

    def close(self) -> None:
        """Leave it to whoever opened the file."""

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


class _Filled:
    """A file while it is filled, and what it has then."""

    def __init__(self, hashed: _Hashed, add: Add) -> None:
        self._hashed = hashed
        self._add = add
        self._rows = 0

    def add(self, table: pa.Table) -> None:
        self._add(table)
        self._rows += len(table)

    def written(self, path: str) -> Written:
        return Written(path, self._rows, self._hashed.hexdigest())


@contextmanager
def _filling(
    file: BinaryIO, form: Format, schema: pa.Schema, *, packed: bool = False
) -> Iterator[_Filled]:
    hashed = _Hashed(file)
    sink = cast(BinaryIO, hashed)
    with ExitStack() as stack:
        if packed:
            # Neither name nor time: the same rows are the same bytes.
            packing = gzip.GzipFile("", "wb", 6, sink, mtime=0)
            sink = cast(BinaryIO, stack.enter_context(packing))
        add = stack.enter_context(form(sink, schema))
        try:
            yield _Filled(hashed, add)
        except BaseException:
            hashed.given_up = True
            raise


def _poured(
    stdout: BinaryIO, form: Format, batches: Iterable[pa.Table], schema: pa.Schema
) -> list[Written]:
    try:
        with _filling(stdout, form, schema) as filled:
            for table in batches:
                filled.add(table)
        stdout.flush()
    except BrokenPipeError:
        # Whoever read it has seen enough, as `head` has.
        return []
    return [filled.written("-")]


def _partitioned(folder: Path, batches: Iterable[pa.Table], schema: pa.Schema) -> list[Written]:
    """Write a Parquet file for each year of creation; customers come in that order."""
    written: list[Written] = []
    parts = Counter[str]()
    rows = chain.from_iterable(map(_by_year, batches))
    for place, years in groupby(rows, key=itemgetter(0)):
        name = f"{place}part-{parts[place]}.parquet"
        parts[place] += 1
        (folder / name).parent.mkdir(mode=0o700, exist_ok=True)
        with replacing(folder / name) as file, _filling(file, as_parquet, schema) as filled:
            for _, table in years:
                filled.add(table)
        written.append(filled.written(name))
    if not written:
        with (
            replacing(folder / "part-0.parquet") as file,
            _filling(file, as_parquet, schema) as filled,
        ):
            pass
        written.append(filled.written("part-0.parquet"))
    return written


def _by_year(table: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """Yield the rows of each year, with the folder they belong into."""
    if not len(table):
        return
    kind = table.schema.field(_CREATED_AT).type if _CREATED_AT in table.column_names else None
    if kind is None or not pa.types.is_timestamp(kind):
        yield "", table
        return
    years = pc.year(table.column(_CREATED_AT))
    for year in pc.unique(years).to_pylist():
        rows = table.filter(pc.is_null(years) if year is None else pc.equal(years, year))
        yield f"{YEAR}{_NO_YEAR if year is None else year}/", rows
