"""Was last night right? ``report.html``: one page that needs nothing but itself.

A pure function of the report and its details. Everything is escaped, what cannot be seen is named,
and the page's own policy lets in nothing but its style: no script, no network.
"""

from __future__ import annotations

import functools
import hashlib
import re
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, cast

from etl.config import Limits
from etl.customers import codes
from etl.customers.cells import for_screen
from etl.reports import advice, charts
from etl.reports.details import REASONS, Details
from etl.reports.outcomes import MEANING, UNDONE, share
from etl.reports.schema import Report

if TYPE_CHECKING:
    from jinja2 import Environment, Template
    from markupsafe import Markup

_TEMPLATES = Path(__file__).parent / "templates"
_LONGEST = 200
# More than anybody reads; report.json has them all.
_MOST = {
    "reasons": REASONS,
    "repairs": 60,
    "sources": 30,
    "columns": 12,
    "notes": 10,
    "endpoints": 60,
    "runs": 20,
    # More than these are folded away.
    "first": 10,
    "first_sources": 4,
}
# One of them, or a run of the same: control and direction characters, and what takes no room.
_UNSEEN = re.compile(
    r"([\x00-\x1f\x7f-\xa0\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff])\1*"
)


_STAGES = (
    ("read", "reading rows"),
    ("check", "checking rows"),
    ("plan", "finding who is who"),
    ("load", "writing profiles"),
    ("attach", "groups, attributes"),
    ("detach", "taking back"),
    ("verify", "reading back"),
)


class Verdict(NamedTuple):
    """Whether it was right: how it looks, in a few words, and in a sentence."""

    tone: Literal["good", "warn", "bad", "quiet"]
    words: str
    sentence: str


class Share(NamedTuple):
    """One outcome: its meaning, how many rows, and where its part of the bar is, in percent."""

    outcome: str
    meaning: str
    rows: int
    begin: float
    width: float


class Brake(NamedTuple):
    """One limit of the operator's: what it counts, how far it was reached."""

    name: str
    told: str
    limit: str | None
    reached: int


def page(report: Report, details: Details) -> bytes:
    """Return the bytes of ``report.html``."""
    rows = cast(dict[str, int], report["rows"])
    meanings = UNDONE if report["undoes"] else MEANING
    folder = details.state_dir / "runs" / report["run_id"]
    html = load_template().render(
        report=report,
        details=details,
        rows=rows,
        verdict=_verdict(report, rows, details),
        seconds=sum(report["seconds"].values()),
        shares=list(_shares(report, rows)),
        flow=charts.flow(details.names, details.flows, list(meanings)),
        lanes=charts.lanes(details.told),
        reasons=details.reasons[:REASONS],
        repairs=_counted(report),
        stages=[(told, report["seconds"][at]) for at, told in _STAGES if at in report["seconds"]],
        steps=list(advice.steps(report, folder, details.state_dir)),
        taking_back=advice.taking_back(report, details.state_dir),
        brakes=list(_brakes(report, rows, details.limits)),
        most=_MOST,
    )
    return f"{html}\n".encode()


def _verdict(report: Report, rows: dict[str, int], details: Details) -> Verdict:
    status, code = report["status"], report["exit_code"]
    if not report["balanced"]:
        return Verdict("bad", "The sum is wrong", "Do not rely on this run: please report it.")
    if status == "braked":
        return Verdict("bad", "Stopped by a brake", "Nothing is lost, and nothing more was sent.")
    if status == "undone":
        return Verdict("quiet", "Taken back", "This run was undone before it was finished.")
    if code == 4:
        left = rows.get("pending", 0) + rows.get("unknown", 0)
        waiting = f"{left:,} rows wait. " if left else ""
        return Verdict("bad", "Not finished", f"{waiting}Nothing is lost: it can be gone on with.")
    if code == 3:
        words, sentence = _attention(report, rows)
        apart = sum(rows.get(each, 0) for each in ("rejected", "failed", "review"))
        if apart == rows["read"] and not report["undoes"]:
            return Verdict("bad", "No row got through", sentence)
        return Verdict("warn", words, sentence)
    spared = _listed(rows, ("rejected", "failed", "review"))
    if spared and not report["undoes"]:
        limit = details.limits.tolerate
        return Verdict(
            "good", "Good enough", f"Tolerated: {spared}, of {limit} that may be. All else is well."
        )
    if not rows["read"]:
        return Verdict("quiet", "Nothing to do", "The source holds no rows.")
    usual = ("All good", "Every row is loaded, or deliberately left alone.")
    told = {
        "undo": ("Taken back", "Everything is as it was before the run."),
        "undo-plan": ("Can be taken back", "Nothing was written yet."),
        "plan": ("Planned", "Nothing was written to Square yet."),
        "validate": ("All good", "Square would take every row."),
    }
    return Verdict("good", *told.get(report["command"], usual))


def _attention(report: Report, rows: dict[str, int]) -> tuple[str, str]:
    """Return what needs somebody: few words, and a sentence."""
    if report["undoes"]:
        left = _listed(rows, ("conflict", "failed"))
        return "Taken back in part", f"Left as they are: {left or 'see the codes below'}."
    waiting = _listed(rows, ("rejected", "failed", "review"))
    wrong = _mismatched(report)
    apart = f"{wrong:,} did not read back as written" if wrong else ""
    sentence = f"{', '.join(filter(None, [waiting, apart]))}."
    words = {"validate": "Some rows would be refused", "plan": "Planned, with rows left out"}
    return words.get(report["command"], "Done, but some rows need you"), sentence


def _mismatched(report: Report) -> int:
    """Return how much did not read back as written: profiles, and what is beside them."""
    beside = report["beside"]
    checked = (
        report["verified"],
        *(beside["groups"], beside["custom_attributes"], beside["gift_cards"]),
    )
    return sum(counts["mismatched"] for counts in checked)


def _listed(rows: dict[str, int], outcomes: tuple[str, ...]) -> str:
    told = {"review": "in review", "conflict": "changed since"}
    found = [f"{rows[each]:,} {told.get(each, each)}" for each in outcomes if rows.get(each)]
    return ", ".join(found)


def _shares(report: Report, rows: dict[str, int]) -> Iterator[Share]:
    meanings = UNDONE if report["undoes"] else MEANING
    begin, total = 0.0, max(rows["read"], 1)
    for outcome, meaning in meanings.items():
        if outcome == "pending":
            meaning = {
                "validate": "acceptable to Square",
                "plan": "would be written",
                "undo-plan": "to be put back, or deleted",
            }.get(report["command"], meaning)
        width = 100 * rows[outcome] / total
        yield Share(outcome, meaning, rows[outcome], begin, width)
        begin += width


def _counted(report: Report) -> list[tuple[str, str, int]]:
    found = [
        (code, field, rows)
        for code, by_field in report["repairs"].items()
        for field, rows in by_field.items()
    ]
    return sorted(found, key=lambda one: (-one[2], one[0], one[1]))


def _brakes(report: Report, rows: dict[str, int], limits: Limits) -> Iterator[Brake]:
    if report["command"] not in ("import", "plan"):
        return
    planned = report["planned"]
    counts = {
        "max_rejected": ("rows rejected", rows["rejected"]),
        "max_created": ("profiles to create", planned["creates"]),
        "max_cleared": ("fields to clear", planned["fields_cleared"]),
        "max_failed": ("rows refused by Square", rows["failed"]),
        "max_mismatched": ("not read back as written", _mismatched(report)),
    }
    for name, (told, count) in counts.items():
        limit = getattr(limits, name)
        yield Brake(name, told, None if limit is None else str(limit), count)


@functools.cache
def load_template() -> Template:
    """Return the template of a page, which takes a tenth of a second once."""
    return _environment().get_template("report.html")


def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "visible": visible,
        "ending": ending,
        # Markup is text already: only between tags are slashes that do not close one.
        "breaking": lambda html: Markup(re.sub(r"(?<!<)/", "/<wbr>", html)),
        "heading": lambda header: for_screen([header]),
        "begun": lambda text: f"{text[:1].upper()}{text[1:]}",
        "time": lambda text: text.replace("T", " ").replace("Z", " UTC"),
        "short": lambda seconds: f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.0f} ms",
        "number": lambda number: f"{number:,}",
        "share": share,
        "rate": rate,
        "duration": duration,
        "moment": charts.moment,
        "place": lambda at: f"{at:.2f}",
    }
    style = (_TEMPLATES / "report.css").read_text(encoding="utf-8")
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    environment.globals |= {
        "style": Markup(style),
        "policy": Markup(
            f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
        ),
        "known": codes.BY_NAME,
    }
    return environment


def visible(text: object, longest: int = _LONGEST) -> Markup:
    """Return a text as HTML that shows what is in it, and reads apart from what is around it.

    What cannot be seen is named, what is too long is cut.
    """
    from markupsafe import Markup, escape

    whole = str(text)
    cut = f"{whole[:longest]}… ({len(whole):,} characters)" if len(whole) > longest else whole
    named = _UNSEEN.sub(
        lambda found: (
            f'<span class="unseen">U+{ord(found[1]):04X}'
            f"{f' ×{len(found[0])}' if len(found[0]) > 1 else ''}</span>"
        ),
        str(escape(cut)),
    )
    return Markup(f"<bdi>{named}</bdi>")


def ending(text: str, longest: int) -> str:
    """Return the end of a path or name, where files differ; for a label, so nothing is marked."""
    plain = _UNSEEN.sub("�", text)
    return plain if len(plain) <= longest else f"…{plain[1 - longest :]}"


def rate(per_second: float) -> str:
    """Return how much is done in a second."""
    return f"{per_second:,.0f}" if per_second >= 10 else f"{per_second:.2g}"


def duration(seconds: float) -> str:
    """Return how long something took."""
    return f"{seconds:.1f} s" if seconds < 60 else charts.moment(seconds)
