"""Reports as pages are made from: one of a run of any size, and what is in a page's HTML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, cast

from etl.config import Limits
from etl.customers.codes import CODES
from etl.journal.records import OUTCOMES
from etl.journal.timeline import KINDS, POINTS, Attempt, Kind, Told
from etl.reports.details import Details, Reason, Sample
from etl.reports.schema import Calls, ImportRows, Report

# HTML that does not close what it opens.
VOID = {"meta", "wbr", "br", "img", "input", "link", "hr", "source"}


def report(rows: Mapping[str, int], **other: Any) -> Report:
    """Return the report of an import with these outcomes; ``other`` are keys that differ."""
    counted = dict.fromkeys(OUTCOMES, 0) | dict(rows)
    nothing = dict.fromkeys(("planned", "added", "failed", "verified", "mismatched"), 0)
    written = counted["created"] + counted["updated"]
    told: dict[str, Any] = {
        "run_id": "20260820T020000.000Z-beef",
        "command": "import",
        "status": "finished",
        "started_at": "2026-08-20T02:00:00Z",
        "finished_at": "2026-08-20T02:00:09Z",
        "target": "production",
        "merchant_id": "MERCHANT",
        "square_version": "2026-08-19",
        "sources": [],
        "amends": None,
        "amended": {},
        "rows": cast(ImportRows, {"read": sum(counted.values()), **counted}),
        "balanced": True,
        "undoes": None,
        "undone": None,
        "applies": None,
        "replanned": None,
        "planned": {
            **{"creates": counted["created"], "updates": counted["updated"], "fields_cleared": 0},
            "calls": cast(Calls, dict.fromkeys(Calls.__annotations__, 0)),
            "seconds": 0.0,
        },
        "reasons": {},
        "repairs": {},
        "consent": None,
        "lookup": "by a snapshot of 0 profiles in 1 call, 0.0 s (other ways: 3 searches, 0.1 s)",
        "unusual": [],
        "beside": {
            "groups": {**nothing, "created": 0},
            "custom_attributes": {**nothing, "created": 0},
            "gift_cards": nothing,
        },
        "verified": {"checked": written, "matched": written, "mismatched": 0},
        "requests": {},
        "seconds": {"read": 1.0, "load": 8.0},
        "stopped": None,
        "exit_code": 0,
    }
    return cast(Report, told | other)


def details(**other: Any) -> Details:
    """Return the details of a page; ``other`` are those that are there."""
    told: dict[str, Any] = {
        "state_dir": Path("/srv/nightly/.square-etl"),
        "base_url": "https://connect.squareup.com",
        "country": "US",
        "limits": Limits(),
        "names": [],
        "flows": [],
        "reasons": [],
        "samples": {},
        "evidence": [],
        "told": Told(),
    }
    return Details(**{**told, **other})


def million() -> tuple[Report, Details]:
    """Return what is told of a night of a million rows in 200 files with all that can be wrong."""
    parts = {
        **{"created": 412_300, "updated": 301_977, "unchanged": 250_001, "duplicate": 18_222},
        **{"skipped": 9_000, "review": 1_500, "rejected": 6_960, "failed": 40},
    }
    files = 200
    names = [f"customers-of-the-store-in-town-{number:03}.csv" for number in range(files)]
    each = {outcome: rows // files for outcome, rows in parts.items()}
    rest = {outcome: rows - (files - 1) * each[outcome] for outcome, rows in parts.items()}
    codes = [code.name for code in CODES]
    fields = ("email_address", "phone_number", "reference_id", "address.postal_code", "note")
    reasons = [
        (Reason(code, name), 10_000 // (place + 1))
        for place, code in enumerate(codes)
        for name in fields
    ]
    reasons.sort(key=lambda one: (-one[1], one[0]))
    by_code: dict[str, dict[str, int]] = {}
    for reason, rows in reasons:
        by_code.setdefault(reason.code, {})[reason.field] = rows
    made = report(
        parts,
        sources=[
            {"path": f"/srv/{name}", "sha256": "0" * 64, "rows": 5000, "notes": ["UTF-8"] * 3}
            | {"unused_columns": [f"Column {n} of the old CRM" for n in range(500)]}
            for name in names
        ],
        reasons=by_code,
        repairs=by_code,
        exit_code=3,
        requests={
            f"POST /v2/customers/{kind}": {
                "calls": 71_428,
                "retries": 1_201,
                "rate_limited": 998,
                "errors": 1_187,
            }
            for kind in ("bulk-create", "bulk-update", "bulk-retrieve", "search")
        },
        seconds={"read": 9.4, "check": 31.8, "plan": 260.0, "load": 9_800.5, "verify": 2_100.3},
    )
    return made, details(
        names=names,
        flows=[*[each] * (files - 1), rest],
        reasons=reasons,
        samples={
            reason: [Sample(f"{names[0]}:{n // 9}", "a***@e***.com")] * 3 for reason, n in reasons
        },
        evidence=[("reference_id", 402_313), ("email_address", 101_200), ("phone_number", 48_465)],
        told=night(),
    )


def night() -> Told:
    """Return the time line of a night in which Square asked to slow down, and a stop."""
    counts: dict[int, dict[Kind, int]] = {}
    for at in range(POINTS):
        of: dict[Kind, int] = dict.fromkeys(KINDS, 0)
        if at == 0:
            of |= {"read": 1_000_000, "checked": 983_000}
        slow = 40 <= at < 62 or 118 <= at < 124
        if 6 <= at < 196:
            calls = 150 if slow else 700 + 13 * (at % 7)
            of |= {"calls": calls, "written": 64 * calls // 10}
            of |= {"rate_limited": 45 if slow else 0, "errors": 52 if slow else at % 3}
            of["retries"] = of["errors"]
        elif at >= 196:
            of |= {"calls": 900 + at, "read_back": 16_233}
        counts[at] = of
    slowest = [
        Attempt(31.2 - n, "POST /v2/customers/bulk-create", (200, 429, None)[n % 3], n > 4, 900.0)
        for n in range(10)
    ]
    return Told(64.0, counts, [0, 118], slowest)


@dataclass
class Parsed(HTMLParser):
    """All that a page is made of."""

    tags: list[str] = field(default_factory=list)
    attributes: list[tuple[str, str, str]] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    text: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin."""
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take a tag that opens."""
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take a tag of SVG that closes itself."""
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        """Take a tag that closes: it must be the one that is open."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Take a text, but for the style."""
        if "style" not in self.open:
            self.text.append(data)


def parsed(page: bytes | str) -> Parsed:
    """Return what a page is made of; every tag that opens must close."""
    found = Parsed()
    found.feed(page.decode() if isinstance(page, bytes) else page)
    found.close()
    assert found.open == []
    return found


def words(page: bytes | str) -> str:
    """Return all that a page says, with single blanks."""
    return " ".join(" ".join(parsed(page).text).split())
