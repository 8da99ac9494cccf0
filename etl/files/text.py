"""What does a text file say, in UTF-8, by the line or by the block?

Both ways move on through the same bytes, so a reader may change from one to the other anywhere.
"""

from __future__ import annotations

import codecs
from typing import BinaryIO

_CHUNK = 1 << 20
# Encodings of files whose bytes are their text's.
UTF8 = ("utf-8", "utf-8-sig")


class Text:
    """A file's text from where one stands, as UTF-8 without its byte order mark.

    ``passed`` counts the bytes behind, ``ended`` tells that all there is was read. Raises
    UnicodeError for what the encoding does not allow.
    """

    def __init__(self, unpacked: BinaryIO, encoding: str) -> None:
        self._file = unpacked
        # What is UTF-8 is passed on as it is: whoever makes text of it looks at every byte.
        self._decoder = (
            None if encoding in UTF8 else codecs.getincrementaldecoder(encoding)("strict")
        )
        self._held = b""
        self._at = 0
        self.ended = False
        self.passed = 0
        mark = codecs.BOM_UTF8
        if encoding == "utf-8-sig" and self.peek(len(mark))[: len(mark)] == mark:
            self.advance(len(mark))

    def peek(self, size: int) -> memoryview:
        """Return what follows, without moving on: at least ``size`` bytes unless the file ends."""
        while len(self._held) - self._at < size and not self.ended:
            self._read(size)
        return memoryview(self._held)[self._at :]

    def advance(self, size: int) -> None:
        """Move on over ``size`` bytes that were peeked at."""
        self._at += size
        self.passed += size

    def readline(self, limit: int) -> str:
        """Return the next line with its ending, LF, CR or CRLF; about ``limit`` bytes at most."""
        searched = 0
        while (end := self._line_end(self._at + searched)) is None:
            held = len(self._held) - self._at
            if self.ended or held >= limit:
                end = len(self._held)
                break
            # A CR at the end is looked at again.
            searched = max(0, held - 1)
            self._read(_CHUNK)
        end = min(end, self._at + limit)
        # A character is never cut.
        while end < len(self._held) and self._held[end] & 0xC0 == 0x80:
            end += 1
        line = self._held[self._at : end].decode()
        self.advance(end - self._at)
        return line

    def _line_end(self, start: int) -> int | None:
        """Return where the next line begins, None if that is not known yet."""
        feed = self._held.find(b"\n", start)
        returned = self._held.find(b"\r", start, feed if feed >= 0 else len(self._held))
        if returned < 0:
            return feed + 1 if feed >= 0 else None
        if returned + 1 == feed:
            return feed + 1
        # A CR at the very end may have its LF in what was not read yet.
        if returned + 1 == len(self._held) and not self.ended:
            return None
        return returned + 1

    def _read(self, size: int) -> None:
        chunk = self._file.read(max(size, _CHUNK))
        self.ended = not chunk
        if self._decoder is not None:
            chunk = self._decoder.decode(chunk, final=self.ended).encode()
        self._held = self._held[self._at :] + chunk
        self._at = 0

    def close(self) -> None:
        """Close the file."""
        self._file.close()
