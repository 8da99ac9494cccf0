"""Does a text look like UTF-8 that somebody read as Windows-1252 (``JosÃ©`` for ``José``)?

Nothing is repaired: a name may really be written so. The finding is a note that suggests the text
it probably was.
"""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from etl.customers.cells import Cell, Finding, shown

# What the bytes 80 to BF, which continue a character of UTF-8, are in Windows-1252. The five it
# leaves undefined are controls to the programs that do not refuse them.
_FOLLOWING = "[\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]"
# Letters of Western and Central Europe begin with C2 to C5. Greek and Cyrillic begin with the
# letters of real names (Ñ, Ð), so only two of them in a row count. The rest: typographic marks,
# emoji, a byte order mark and the replacement character.
_WESTERN = f"[ÂÃÄÅ]{_FOLLOWING}"
_EASTERN = f"(?:[ÎÏÐÑ]{_FOLLOWING}){{2}}"
_MARKS = "â€|â‚¬|â„¢|ðŸ|ï»¿|ï¿½"
_PATTERN = f"{_WESTERN}|{_EASTERN}|{_MARKS}"
_LIKELY = re.compile(_PATTERN)


def may_be_mojibake(column: pa.Array) -> pa.Array:
    """Return which rows ``suspicion`` objects to; null rows are null."""
    return pc.match_substring_regex(column, _PATTERN)


def suspicion(text: str) -> Cell:
    """Note a text that looks read in the wrong encoding, and leave it as it is."""
    if not _LIKELY.search(text):
        return Cell(text)
    message = f"{shown(text)} looks like UTF-8 that was read as cp1252"
    return Cell(text, (Finding("note", "MOJIBAKE_SUSPECTED", message, _meant(text)),))


def _meant(text: str) -> str:
    """Return the text in the encoding it probably had, "" where it is damaged further."""
    try:
        return b"".join(map(_byte, text)).decode("utf-8")
    except UnicodeError:
        return ""


def _byte(character: str) -> bytes:
    if "\u0080" <= character <= "\u009f":
        return character.encode("latin-1")
    return character.encode("cp1252")
