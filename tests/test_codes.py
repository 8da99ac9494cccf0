"""The one table of codes: complete, and used."""

from __future__ import annotations

import re
from pathlib import Path

from etl.customers import codes

PACKAGE = Path(__file__).parent.parent / "etl"
CODE = re.compile(r'"([A-Z]{2,}(?:_[A-Z]+)+)"')

# Categories and words for whole requests; no row is ever given one of these.
NOT_OF_ROWS = {
    *("API_ERROR", "INVALID_REQUEST_ERROR", "RATE_LIMIT_ERROR", "VERSION_MISMATCH"),
    # Who sees a custom attribute.
    *("VISIBILITY_READ_ONLY", "VISIBILITY_READ_WRITE_VALUES"),
    # What a token may do.
    *("GIFTCARDS_READ", "GIFTCARDS_WRITE"),
}


def sources() -> list[str]:
    """Return the text of every module that finds something in rows."""
    return [
        path.read_text(encoding="utf-8")
        for room in ("customers", "stages", "reports")
        for path in (PACKAGE / room).rglob("*.py")
        if path.name != "codes.py"
    ]


def test_every_code_is_explained() -> None:
    """Whatever code a row can get stands in the table."""
    found = {word for text in sources() for word in CODE.findall(text)}
    assert found - NOT_OF_ROWS <= set(codes.BY_NAME)


def test_every_explained_code_is_given() -> None:
    """The table lists no code that no row can get; Square's own may only come from Square."""
    texts = " ".join(sources())
    ours = {code.name for code in codes.CODES if code.origin == "square-etl"}
    assert {name for name in ours if f'"{name}"' not in texts} == set()


def test_every_refusal_names_a_remedy() -> None:
    """A code that keeps a row out says what helps."""
    for code in codes.CODES:
        assert code.meaning
        if code.origin == "Square":
            assert code.remedy, code.name
