"""Which bytes does a file hold once it is unpacked, and is it whole?"""

from __future__ import annotations

import gzip
import io
import os
import zlib
from pathlib import Path
from typing import IO, Any, Literal

import pyarrow as pa

from etl.errors import SourceError

Compression = Literal["gzip", "zstd"]

# Honest text shrinks perhaps a hundredfold; deflate ends near 1032:1. Small files may do what they
# like: a gibibyte is decoded before anybody is suspected.
_SUSPICIOUS_BYTES = 1 << 30
_SUSPICIOUS_RATIO = 1000

_CHUNK = 1 << 20


def compression_of(head: bytes) -> Compression | None:
    """Return how a file that starts with ``head`` is packed."""
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    # RFC 8878, sections 3.1.1 and 3.1.2; parallel packers start with a skippable frame.
    if head.startswith(b"\x28\xb5\x2f\xfd") or (
        head[1:4] == b"\x2a\x4d\x18" and 0x50 <= head[0] <= 0x5F
    ):
        return "zstd"
    return None


def refuse_bomb(name: str, encoded: int, decoded: int) -> None:
    """Raise SourceError when so few bytes have become more than any honest file's would."""
    if decoded > max(_SUSPICIOUS_BYTES, _SUSPICIOUS_RATIO * encoded):
        raise SourceError(
            f"{name}: {encoded} bytes unpack to more than {decoded} bytes; "
            "that is no customer file. If it is one, unpack it yourself and import the result"
        )


def open_unpacked(path: Path, name: str, compression: Compression | None) -> io.BufferedReader:
    """Open a file for reading its unpacked bytes.

    Reading raises SourceError, naming the file as ``name``, when the packed stream is cut short or
    damaged, and when it unpacks to more than any honest file would.
    """
    try:
        return io.BufferedReader(_Unpacked(path, name, compression), _CHUNK)
    except OSError as error:
        raise SourceError(f"{name}: cannot be opened: {error.strerror}") from error


class _Unpacked(io.RawIOBase):
    """The unpacked bytes of one file, with every failure in the words of SourceError."""

    def __init__(self, path: Path, name: str, compression: Compression | None) -> None:
        self._name = name
        self._compression = compression
        self._decoded = 0
        self._file: IO[bytes] = path.open("rb", buffering=0 if compression is None else -1)
        self._stream: Any = self._file
        if compression == "gzip":
            self._stream = gzip.GzipFile(fileobj=self._file)
        elif compression == "zstd":
            self._stream = pa.CompressedInputStream(self._file, "zstd")
        self._encoded = os.fstat(self._file.fileno()).st_size

    def readable(self) -> bool:
        """Return True, as io.BufferedReader asks."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer as far as the file goes; 0 is the end."""
        try:
            size: int = self._stream.readinto(buffer)
        except EOFError as error:
            raise SourceError(
                f"{self._name}: the file ends before its gzip stream does: copy it again"
            ) from error
        except (OSError, zlib.error) as error:
            raise SourceError(self._damage(error)) from error
        self._decoded += size
        refuse_bomb(self._name, self._encoded, self._decoded)
        return size

    def _damage(self, error: Exception) -> str:
        if self._compression is None:
            return f"{self._name}: cannot be read: {error}"
        return (
            f"{self._name}: the {self._compression} stream is cut short or damaged "
            f"({error}): copy the file again"
        )

    def close(self) -> None:
        """Close the stream and the file below it."""
        if not self.closed:
            try:
                self._stream.close()
            finally:
                self._file.close()
        super().close()
