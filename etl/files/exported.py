"""Is a file an export of ours, and how was it written?

The manifest that lies beside it says so, as long as it is about this file: by the digest, or, where
the file was edited since, by its columns. Without a manifest the columns tell that only an export
of a whole directory has. An export is read by the exact names of its columns: its ``id`` is the
customer's in Square.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from etl.errors import SourceError
from etl.files.escape import unescape

# What a manifest of ours has for a member, and which form of it this is.
OURS = "square_etl"
FORMAT = 1
# In a folder the manifest lies among the files, or above the folders of years.
IN_FOLDER = "_manifest.json"
YEAR = "created_year="

# No other system's file has all of them.
COLUMNS = frozenset({"id", "created_at", "version", "creation_source"})


class Exported(NamedTuple):
    """What is known of an export.

    ``named``: its columns are called as Square calls the fields, not as another system does;
    ``escaped``: cells carry our formula escape, None where nothing tells; ``masked`` are the
    columns whose values are tokens.
    """

    named: bool
    escaped: bool | None
    note: str = ""
    masked: frozenset[str] = frozenset()


def manifest_of(path: Path) -> Path:
    """Return where the manifest of a file lies that is no folder's."""
    return path.with_name(f"{path.name}.manifest.json")


class _Manifest(NamedTuple):
    escaped: bool
    digests: frozenset[str]
    # What each column is called, and which of the table it is: another system's may be none.
    columns: dict[str, str | None]
    masked: frozenset[str]

    @property
    def named(self) -> bool:
        return all(header == column for header, column in self.columns.items())


def exported(
    path: Path, name: str, headers: Sequence[str], sha256: Callable[[], str]
) -> Exported | None:
    """Return how an export was written, or None for another file.

    ``headers`` are as they stand in the file, ``sha256`` reckons the digest of its bytes. Raises
    SourceError for a manifest that cannot be read.
    """
    named = COLUMNS.issubset(headers)
    place = None if name == "-" else _manifest(path)
    manifest = None if place is None else _read(place, name)
    if place is None or manifest is None:
        said = "its columns are those of an export, and no manifest says more"
        return Exported(True, None, said) if named else None
    plain = list(map(unescape, headers)) if manifest.escaped else headers
    known = sum(header in manifest.columns for header in plain)
    edited = sha256() not in manifest.digests
    if edited and not named and known * 2 <= len(headers):
        return Exported(False, False, f"{place.name} is about another file")
    said = f"edited since it was exported: {place.name} has another digest" if edited else ""
    return Exported(named or manifest.named, manifest.escaped, said, manifest.masked)


def _manifest(path: Path) -> Path | None:
    above = [path.parent / IN_FOLDER]
    if path.parent.name.startswith(YEAR):
        above.append(path.parent.parent / IN_FOLDER)
    return next((one for one in (manifest_of(path), *above) if one.exists()), None)


def _read(place: Path, name: str) -> _Manifest | None:
    """Return what a manifest says, None if it is not one of ours."""
    try:
        said = json.loads(place.read_bytes())
        if not isinstance(said, dict) or OURS not in said:
            return None
        told, files, columns = said[OURS], said.get("files", []), said.get("schema", [])
        version = told["format"]
        found = _Manifest(
            told.get("escaped") is True,
            frozenset(file["sha256"] for file in files),
            {column["name"]: column["field"] for column in columns},
            frozenset(column["name"] for column in columns if column.get("masked")),
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise SourceError(
            f"{name}: its manifest {place.name} cannot be read: {error}. "
            "Put it back, or set [source] escaped"
        ) from error
    if version != FORMAT:
        raise SourceError(
            f"{name}: its manifest {place.name} is of another version of square-etl (format "
            f"{version}): use that one, or set [source] escaped"
        )
    return found
