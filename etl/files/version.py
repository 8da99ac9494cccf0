"""Is a file still the one that was opened, when others read of it later?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from etl.errors import SourceError


class Version(NamedTuple):
    """What changes when a file is written to, or another takes its name.

    Not the inode: some file systems of networks make up another whenever they are asked.
    """

    size: int
    changed: int  # nanoseconds


def version_of(path: Path, name: str) -> Version:
    """Return the version of a file called ``name``; raises SourceError when it is gone."""
    try:
        status = path.stat()
    except OSError as error:
        raise SourceError(f"{name}: cannot be read again: {error.strerror}") from error
    return Version(status.st_size, status.st_mtime_ns)


def refuse_other(version: Version, path: Path, name: str) -> None:
    """Raise SourceError when a file is not this version any more."""
    if version_of(path, name) != version:
        raise SourceError(
            f"{name}: the file has changed since it was opened: it was written to, or another took "
            "its place. Run again"
        )


@contextmanager
def unchanged(version: Version, path: Path, name: str) -> Iterator[None]:
    """Read a file in the block; raises SourceError when it is not this version, before or after.

    What goes wrong with a file that has become another is not told as a fault of this one.
    """
    refuse_other(version, path, name)
    try:
        yield
    except Exception:
        refuse_other(version, path, name)
        raise
    refuse_other(version, path, name)
