"""What is said of a failure, and with which exit status does a command end?"""

from __future__ import annotations

import errno
import os
import sqlite3
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click

from etl import errors
from etl.journal.database import is_full
from etl.reports.advice import resume_command

EXIT_BUG, EXIT_USAGE, EXIT_INCOMPLETE, EXIT_LOCKED, EXIT_BRAKE = 1, 2, 4, 5, 6

_CODES: tuple[tuple[type[errors.EtlError], int], ...] = (
    (errors.LockedError, EXIT_LOCKED),
    (errors.BrakeError, EXIT_BRAKE),
    (errors.Unauthorized, EXIT_USAGE),
    (errors.Unavailable, EXIT_INCOMPLETE),
    (errors.Interrupted, EXIT_INCOMPLETE),
    (errors.EtlError, EXIT_USAGE),
)

_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)

# What these say is about code. Others may quote a cell, an answer or a header.
_OF_CODE = (TypeError, AttributeError, NameError, ImportError, NotImplementedError, RecursionError)


class Failure(NamedTuple):
    """An exit status, the words for it, and where in the code it was if that is a bug."""

    status: int
    words: str
    trace: str = ""


def failure(error: Exception) -> Failure:
    """Judge what a command raised."""
    if isinstance(error, errors.EtlError):
        status = next(code for kind, code in _CODES if isinstance(error, kind))
        words = str(error)
        if isinstance(error, errors.Unavailable | errors.Interrupted):
            words += "\nno run was begun: give the same command again."
        return Failure(status, words)
    if _disk_full(error):
        words = f"the disk is full ({error}). Nothing is lost: make room, then {_way_on()}"
        return Failure(EXIT_INCOMPLETE, words)
    if isinstance(error, MemoryError):
        words = f"the memory is used up. Nothing is lost: make room, then {_way_on()}"
        return Failure(EXIT_INCOMPLETE, words)
    if isinstance(error, OSError) and error.filename and error.errno in _DENIED:
        words = (
            f"{error.filename}: {error.strerror}. Let this user read and write it, then {_way_on()}"
        )
        return Failure(EXIT_INCOMPLETE if _leaves_a_run() else EXIT_USAGE, words)
    if isinstance(error, sqlite3.DatabaseError):
        words = (
            f"a file of the state folder is damaged ({error}). Restore the folder from a copy, or "
            "name another one with --state-dir."
        )
        return Failure(EXIT_USAGE, words)
    words = "this is a bug in square-etl; please report it."
    return Failure(EXIT_BUG, words, "".join(_trace(error)))


def _trace(error: BaseException) -> Iterator[str]:
    """Yield a traceback as Python prints it, but for messages that may quote somebody's data."""
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None:
        yield from _trace(before)
        yield "\nwhich led to:\n\n"
    yield "Traceback (most recent call last):\n"
    yield from traceback.format_tb(error.__traceback__)
    said = str(error) if isinstance(error, _OF_CODE) else "(withheld: it may quote data)"
    yield f"{type(error).__module__}.{type(error).__qualname__}: {said}\n"


def _way_on() -> str:
    state_dir = click.get_current_context().params.get("state_dir")
    if state_dir is None or not _leaves_a_run():
        return "give the same command again."
    return resume_command(Path(str(state_dir)))


def _leaves_a_run() -> bool:
    """Tell whether there may be a run to resume: exports, and the local Square, make none."""
    context = click.get_current_context()
    group = context.parent
    return context.command.name != "export" and not (group and group.command.name == "sandbox")


def _disk_full(error: BaseException | None) -> bool:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return True
    if isinstance(error, sqlite3.OperationalError) and is_full(error):
        return True
    # DuckDB tells it in words, under several kinds of error.
    return error is not None and os.strerror(errno.ENOSPC) in str(error)
