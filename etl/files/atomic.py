"""How does a file come to stand under its final name only when it is complete?"""

from __future__ import annotations

import glob
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

# How temporary files and folders begin.
_PARTIAL = ".partial-"
# The most of a name that a temporary one repeats: names end after 255 bytes.
_NAME = 50


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file that takes the name ``path`` when the block ends without an error.

    The file is readable by its owner only. An error inside the block, or in making the file
    durable, leaves whatever stood under ``path`` before.
    """
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=_unfinished(path))
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
        # A second descriptor: text and Parquet writers close the file they were given.
        _sync(Path(temporary))
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _sync(path.parent)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Make a temporary folder that takes the name ``path`` when the block ends without an error.

    It is for its owner only, as are the files in it, which have to be durable themselves. A folder
    that stood there before is deleted once the new one has taken its place, not before.
    """
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=_unfinished(path)))
    aside = None
    try:
        yield temporary
        for folder, _, _ in os.walk(temporary):
            _sync(Path(folder))
        if path.exists():
            # A folder may take the place of an empty one.
            aside = Path(tempfile.mkdtemp(dir=path.parent, prefix=_unfinished(path)))
            os.rename(path, aside)
        os.rename(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        if aside is not None and not path.exists():
            os.rename(aside, path)
        elif aside is not None:
            aside.rmdir()
        raise
    _sync(path.parent)
    if aside is not None:
        shutil.rmtree(aside)


@contextmanager
def passing_folder(path: Path) -> Iterator[Path]:
    """Make a folder named for ``path`` that is gone after the block, or once the next is made.

    It is for its owner only.
    """
    prefix = _unfinished(path)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=prefix) as folder:
        yield Path(folder)


def _unfinished(path: Path) -> str:
    """Return how a temporary name for ``path`` begins; what killed processes left is removed."""
    return f"{sweep(path)}{os.getpid()}-"


def sweep(path: Path) -> str:
    """Remove what killed processes left of making ``path``; return how such names begin."""
    begin = f"{_PARTIAL}{path.name[:_NAME]}-"
    for left in path.parent.glob(f"{glob.escape(begin)}*"):
        maker = left.name.removeprefix(begin).partition("-")[0]
        if maker.isdigit() and not _lives(int(maker)):
            if left.is_dir():
                shutil.rmtree(left)
            else:
                left.unlink(missing_ok=True)
    return begin


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it lives, and is somebody else's
    return True


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
