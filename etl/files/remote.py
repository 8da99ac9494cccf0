"""How does a file that lies elsewhere (``s3://``, ``gs://``, ``sftp://``, …) come here?

By fsspec, which takes an address and the credentials that the tools of that place use: environment,
profile or key files. A run reads a copy of its own, so that what it read stays what it was.
"""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from etl.errors import ConfigError, EtlError, SourceError, Unavailable
from etl.files.atomic import replacing

_CHUNK = 1 << 20
_SAID = 200
# How the errors of botocore, aiohttp and asyncssh are called that may be over in a while.
_OUTAGE = re.compile("Connect|Disconnect|Timeout")
_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)

# What brings the code for an address, by its scheme.
_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs", "sftp": "sftp", "ssh": "sftp"}
_SSH = ("sftp", "ssh")


def is_url(name: str) -> bool:
    """Tell whether a source is an address and no path."""
    return _URL.match(name) is not None


def expanded(url: str) -> Iterator[str]:
    """Yield the addresses that a pattern names, sorted; one without a pattern names itself.

    Raises SourceError when there is none, ConfigError for an address that cannot be used here.
    """
    system, path = _opened(url)
    if not any(sign in path for sign in "*?["):
        yield url
        return
    with _told(url):
        found = sorted(system.glob(path))
    if not found:
        raise SourceError(f"{url}: no file has such a name")
    scheme, host = url.partition("://")[0], urlsplit(url).netloc
    for each in found:
        # Buckets are part of the path, hosts are not.
        yield f"{scheme}://{each if each.startswith(f'{host}/') else host + each}"


def fetch(url: str, path: Path) -> None:
    """Copy a file to ``path`` (mode 0600), whole or not at all; raises SourceError."""
    system, there = _opened(url)
    with _told(url), system.open(there, "rb") as file, replacing(path) as copy:
        shutil.copyfileobj(file, copy, _CHUNK)


def fetch_if_there(url: str, path: Path) -> None:
    """Copy a file that may be missing."""
    system, there = _opened(url)
    with _told(url):
        present = system.exists(there)
    if present:
        fetch(url, path)


def _opened(url: str) -> tuple[Any, str]:
    """Return the file system of an address, and the path in it."""
    scheme = url.partition("://")[0].lower()
    parts = urlsplit(url)
    if parts.password is not None or "=" in parts.query:
        # Addresses stand in journals and reports.
        raise ConfigError(
            f"{scheme}://…: a password or signature in an address would be written down: leave it "
            "out; credentials come from the environment, as the tools of that place take them"
        )
    if scheme in ("http", "https"):
        raise ConfigError(f"{scheme}:// is not read: fetch the file first, or pipe it in, as -")
    options: dict[str, Any] = {}
    try:
        from fsspec import get_filesystem_class, register_implementation, url_to_fs

        if scheme in _SSH:
            # fsspec's own speaks to any host that answers; this one heeds ~/.ssh/known_hosts, if
            # told so: () is asyncssh's default, which sshfs turns off.
            register_implementation(scheme, "sshfs.SSHFileSystem", clobber=True)
            options["known_hosts"] = ()
        get_filesystem_class(scheme)
    except ImportError as error:
        extra = _EXTRAS.get(scheme)
        named = f"square-etl[{extra}]" if extra else "fsspec and what it needs for this"
        raise ConfigError(f"{scheme}:// needs more packages: pip install '{named}'") from error
    except ValueError as error:
        raise ConfigError(f"{scheme}:// is no kind of address that is known here") from error
    with _told(url):
        system, path = url_to_fs(url, **options)
    return system, str(path)


@contextmanager
def _told(url: str) -> Iterator[None]:
    """Say in our words what went wrong on the way; each kind of place has errors of its own."""
    try:
        yield
    except (EtlError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise
        if isinstance(error, ConnectionError | TimeoutError) or _OUTAGE.search(
            type(error).__name__
        ):
            raise Unavailable(f"{url}: nobody answers there ({type(error).__name__})") from error
        reason = error.strerror if isinstance(error, OSError) else None
        said = reason or str(error).partition("\n")[0][:_SAID] or "no reason given"
        raise SourceError(f"{url}: cannot be read: {said} ({type(error).__name__})") from error
