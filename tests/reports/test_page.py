"""report.html: what it says, that it is made of the journal alone, and that nothing in it acts."""

from __future__ import annotations

import hashlib
import re
import shutil
from base64 import b64encode
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from etl.journal.journal import Journal
from etl.journal.state import JOURNAL
from etl.journal.timeline import Attempt, Told
from etl.reports import charts
from etl.reports.details import Details, Reason, Sample
from etl.reports.page import page, visible
from etl.reports.schema import Report
from etl.stages.reconcile import reconcile
from tests.reports.pages import details, million, night, parsed, report, words
from tests.worlds import (
    World,
    folder_of,
    open_world,
    people,
    run_apply,
    run_import,
    run_plan,
    run_resume,
    run_undo,
)

BROKEN = [
    {"email_address": "nobody at all", "given_name": "Ada"},
    {"email_address": "lin@example.com"},
]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A Square of one's own."""
    return open_world(tmp_path)


def page_of(world: World, made: dict[str, object]) -> str:
    """Return the page of a run."""
    return (folder_of(world, made) / "report.html").read_text(encoding="utf-8")


# -- what it says --------------------------------------------------------------------------------


def test_a_good_night_is_told_first(world: World) -> None:
    """The heading says in words that all is well; exit code, target and merchant stand by it."""
    html = page_of(world, run_import(world, people(3)))
    (heading,) = re.findall(r"<h1[^>]*>(.*?)</h1>", html)
    assert heading == "All good"
    told = words(html)
    head = told[told.index("All good Every row") : told.index("The sum")]
    for fact in ("Exit code 0", "Target sandbox", f"Merchant {world.sandbox.merchant_id}"):
        assert fact in head
    assert "It balances: every row is accounted for, once." in told
    assert "3 of 3 profiles read back as they were written" in told


@pytest.mark.parametrize(
    ("rows", "other", "heading"),
    [
        ({}, {}, "Nothing to do"),
        ({"created": 5, "rejected": 2}, {"exit_code": 3}, "Done, but some rows need you"),
        ({"created": 5, "rejected": 2}, {}, "Good enough"),
        ({"pending": 5}, {"status": "incomplete", "exit_code": 4}, "Not finished"),
        ({"pending": 5}, {"status": "braked", "exit_code": 6}, "Stopped by a brake"),
        ({"pending": 5}, {"command": "plan", "status": "planned"}, "Planned"),
        ({"pending": 5}, {"command": "validate", "status": "validated"}, "All good"),
        ({"created": 5}, {"balanced": False}, "The sum is wrong"),
    ],
)
def test_the_verdict(rows: dict[str, int], other: dict[str, object], heading: str) -> None:
    """Every way a run can end has words of its own."""
    html = page(report(rows, **other), details()).decode()
    assert f">{heading}</h1>" in html


def test_reasons_have_samples_that_name_nobody(world: World) -> None:
    """A reason stands with its meaning, and with rows by file and line whose values are masked."""
    told = words(page_of(world, run_import(world, BROKEN)))
    assert "INVALID_EMAIL_ADDRESS in email_address This is not an email address." in told
    assert "people.csv:2 n*** *** a***" in told
    assert "nobody" not in told
    assert "lin@example.com" not in told


def test_reasons_that_square_gave_have_samples(world: World) -> None:
    """Rows that Square refused are named like those that were refused before."""
    world.faults({"endpoint": "bulk-create", "rate": 1, "do": "status", "status": 400})
    told = words(page_of(world, run_import(world, people(2))))
    assert "failed Square refused them 2" in told
    assert "people.csv:2" in told
    assert "people.csv:3" in told


def test_samples_of_one_reason_come_from_every_file_in_order(world: World) -> None:
    """Three rows are shown of each reason, the first in the order of the sources."""
    rows = [{"Email": f"nobody{n}", "First name": "Ada"} for n in range(9)]
    told = words(page_of(world, run_import(world, rows)))
    assert re.findall(r"people\.csv:(\d+)", told) == ["2", "3", "4"]


def test_commands_can_be_typed_as_they_stand(world: World) -> None:
    """What to do next names the files of this run and a command, from anywhere."""
    made = run_import(world, BROKEN)
    told = words(page_of(world, made))
    run, state = made["run_id"], world.state.folder.resolve()
    command = f"square-etl import {state}/runs/{run}/rejects.csv --amends {run} --state-dir {state}"
    assert command in told
    assert f"square-etl runs undo {run} --dry-run --state-dir {state}" in told


def test_a_run_that_stopped_says_why_and_how_it_goes_on(world: World) -> None:
    """The reason stands under the verdict, the command to resume below."""
    world.faults({"endpoint": "bulk-create", "rate": 1, "do": "status", "status": 503})
    made = run_import(world, people(2))
    told = words(page_of(world, made))
    assert "Why it stopped: POST /v2/customers/bulk-create: gave up" in told
    assert f"square-etl runs resume {made['run_id']} --state-dir" in told


def test_brakes(world: World) -> None:
    """Every brake stands with its limit and what it counted, and the one that stopped the run."""
    made = run_import(world, people(3), {"limits": {"max_created": 2}})
    told = words(page_of(world, made))
    assert "A brake stopped this run." in told
    assert "What to do next Look at why it stopped, above." in told
    assert "profiles to create max_created 3 2" in told
    assert "rows rejected max_rejected 0 not set" in told


def test_a_night_unlike_the_others_says_so_at_the_top() -> None:
    """What is unusual stands under the heading, also when all is well."""
    found = {"measure": "rows", "value": 9.0, "usual": 900.0, "low": 720.0, "high": 1080.0}
    told = "9 rows; in the last 7 imports about 900"
    made = report({"created": 9}, unusual=[{**found, "runs": 7, "told": told}])
    head = words(page(made, details())).partition("The sum")[0]
    assert "All good Every row is loaded, or deliberately left alone. Unusual: 9 rows" in head


def test_requests_over_time(world: World) -> None:
    """429s and retries are lanes of their own, with a table that says the same."""
    busy = {"endpoint": "bulk-create", "nth": 1, "do": "status", "status": 429}
    world.faults(busy)
    made = run_import(world, people(2))
    told = words(page_of(world, made))
    assert "429s: asked to slow down over time" in told
    assert "requests repeated over time" in told
    sent = sum(counts["calls"] for counts in made["requests"].values())
    assert f"requests sent {sent} in all" in told


def test_every_kind_of_run_has_a_page(world: World) -> None:
    """Plan, its application, an import and both undos leave one, each with its own command."""
    planned = run_plan(world, people(2))
    applied = run_apply(world, planned)
    made = [planned, applied, run_undo(world, applied, dry_run=True), run_undo(world, applied)]
    headings = [re.findall(r"<h1[^>]*>(.*?)</h1>", page_of(world, one))[0] for one in made]
    assert headings == ["Planned", "All good", "Can be taken back", "Taken back"]
    assert f"square-etl apply {planned['run_id']}" in words(page_of(world, planned))
    assert f"square-etl runs undo {applied['run_id']}" in words(page_of(world, made[2]))


def test_an_undo_says_what_it_left_alone(world: World) -> None:
    """Customers that were changed since are named by the line they came from, without a value."""
    made = run_import(world, people(2))
    world.update(next(iter(world.alive())), family_name="Another")
    undone = run_undo(world, made)
    told = words(page_of(world, undone))
    assert undone["exit_code"] == 3
    assert "Taken back in part Left as they are: 1 changed since." in told
    assert re.search(r"EDITED_SINCE in family_name .*people\.csv:2", told)


# -- the journal alone ---------------------------------------------------------------------------


def test_a_page_is_made_of_the_journal_alone(world: World, tmp_path: Path) -> None:
    """A copy of the journal anywhere makes the same bytes, of a run that stopped and went on."""
    world.faults({"endpoint": "bulk-create", "rate": 1, "do": "status", "status": 503})
    stopped = run_import(world, [*people(150), *BROKEN])
    world.faults()
    world.time.now += 50_000
    made = run_resume(world, stopped)
    folder = folder_of(world, made)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(folder / JOURNAL, elsewhere)
    for _ in range(2):
        with closing(Journal.open(elsewhere / JOURNAL)) as journal:
            reconcile(journal, elsewhere)
        for name in ("report.html", "report.json"):
            assert (elsewhere / name).read_bytes() == (folder / name).read_bytes()
    assert "dashed: gone on with" in words((elsewhere / "report.html").read_text())


def test_a_page_is_the_same_when_it_is_made_again() -> None:
    """The page is a function: equal reports, equal bytes."""
    assert page(*million()) == page(*million())


# -- nothing in it acts --------------------------------------------------------------------------

EVIL = '"><script>alert(1)</script><img src=x onerror=alert(2)><b>'


def evil_pages(world: World) -> list[str]:
    """Return pages whose every text from outside is HTML: headers, file names, Square's words."""

    def refuse(sent: object) -> httpx.Response | None:
        if getattr(sent, "endpoint", "") != "bulk-create":
            return None
        fault = {"category": "INVALID_REQUEST_ERROR", "code": EVIL, "detail": EVIL, "field": EVIL}
        return httpx.Response(400, json={"errors": [fault]})

    world.before = refuse
    source = f'Email,"{EVIL.replace(chr(34), chr(34) * 2)}"\nada@example.com,x\n<i>no</i>,y\n'
    refused = run_import(world, source, name="<svg onload=alert(3)>\u202egnp.csv")
    return [page_of(world, refused), page(*evil_everywhere()).decode()]


def evil_everywhere() -> tuple[Report, Details]:
    """Return what a page is made of, with HTML in every text there is."""
    rows = {"read": 1, "created": 0}
    reason = Reason(EVIL, EVIL)
    counts = {"calls": 1, "retries": 1, "rate_limited": 1, "errors": 1}
    source = {"path": EVIL, "sha256": EVIL, "rows": 1, "notes": [EVIL], "unused_columns": [EVIL]}
    unusual = {"measure": "rows", "value": 1, "usual": 1, "low": 1, "high": 1, "runs": 3}
    made = report(
        {"rejected": 1, "pending": 1},
        **dict.fromkeys(("run_id", "merchant_id", "square_version", "lookup", "stopped"), EVIL),
        **dict.fromkeys(("started_at", "finished_at", "amends", "applies"), EVIL),
        **{"replanned": 1, "status": "incomplete", "exit_code": 4, "amended": {EVIL: rows}},
        **{"sources": [source], "requests": {EVIL: counts}, "unusual": [{**unusual, "told": EVIL}]},
        **{"reasons": {EVIL: {EVIL: 1}}, "repairs": {EVIL: {EVIL: 1}}},
    )
    return made, details(
        **{"state_dir": Path("/", EVIL), "base_url": EVIL, "country": EVIL, "names": [EVIL]},
        **{"flows": [{"rejected": 1, "pending": 1}], "reasons": [(reason, 1)]},
        **{"samples": {reason: [Sample(EVIL, EVIL)]}, "evidence": [(EVIL, 1)]},
        told=Told(counts={0: {"calls": 1}}, slowest=[Attempt(1.0, EVIL, None, True, 1.0)]),
    )


def test_what_comes_from_outside_is_only_text(world: World) -> None:
    """Tags in headers, file names, codes, fields and error messages are shown, not obeyed."""
    pages = evil_pages(world)
    plain = parsed(page(report({"created": 1}), details()))
    for html in pages:
        found = parsed(html)
        assert not set(found.tags) & {
            "script",
            "img",
            "i",
            "iframe",
            "object",
            "link",
            "form",
        }
        assert "<script>alert(1)</script>" in words(html)
        assert set(found.tags) - set(plain.tags) <= {
            "ol",
            "li",
            "h3",
            "ul",
            "path",
            "details",
            "wbr",
        } | {
            *("line", "b", "strong", "summary", "bdi", "pre", "text", "tspan"),
        }
        for tag, name, value in found.attributes:
            assert not name.startswith("on")
            assert (tag, name) in {("a", "href")} or name not in ("href", "src", "style", "action")
            assert "alert" not in value
    assert "U+202E" in words(pages[0])
    assert "\u202e" not in pages[0]


def test_the_policy_lets_in_the_style_and_nothing_else() -> None:
    """No script, no network, no form: the only thing allowed is the style, by its hash."""
    html = page(report({"created": 1}), details()).decode()
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)
    (style,) = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    assert "http" not in style
    assert "url(" not in style


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u202eb", "U+202E"),
        ("a\x00\x00b", "U+0000 ×2"),
        ("x" * 5000, "(5,000 characters)"),
        ("<&>", "&lt;&amp;&gt;"),
    ],
)
def test_what_cannot_be_seen_is_named(text: str, shown: str) -> None:
    """Hidden characters have names, and a text that has no end has one here."""
    html = visible(text)
    assert shown in html
    assert len(html) < 400


# -- sizes and charts ----------------------------------------------------------------------------


def test_a_million_rows_are_a_page_one_can_open() -> None:
    """With 200 files, every code in five fields and a full time line it stays below 2 MB."""
    html = page(*million())
    assert len(html) < 2_000_000
    told = words(html)
    assert "= read 1,000,000" in told
    assert "194 more files" in told
    assert re.search(r"And \d+ more: see report.json", told)


def test_a_flow_keeps_every_row() -> None:
    """What leaves the sources arrives at the outcomes, and labels do not cover each other."""
    flows = [{"created": 900, "rejected": 1}, {"created": 50, "review": 49}, {"created": 0}]
    drawn = charts.flow(["a", "b", "empty"], flows, ["created", "review", "rejected"])
    assert drawn is not None
    assert [node.name for node in drawn.sources] == ["a", "b"]
    for nodes, end in ((drawn.sources, "source"), (drawn.outcomes, "outcome")):
        for node in nodes:
            rows = sum(one.rows for one in drawn.ribbons if getattr(one, end) == node.name)
            assert rows == node.rows
        labels = [node.label for node in nodes]
        assert all(below - above >= 24 for above, below in pairwise(labels))
        assert all(node.top >= 0 and node.top + node.height <= drawn.height for node in nodes)


def test_nothing_flows_where_nothing_was_read() -> None:
    """Without rows there is no flow, and without a time line there are no lanes."""
    assert charts.flow(["a"], [{}], ["created"]) is None
    assert charts.lanes(details().told) is None


def test_lanes_and_their_table_say_the_same() -> None:
    """The spans of the table add up to what the lanes have in all; a second is the least."""
    told = night()
    drawn = charts.lanes(told)
    assert drawn is not None
    for lane in drawn.lanes:
        assert sum(span.counts.get(lane.kind, 0) for span in drawn.spans) == lane.total
    (read,) = [lane for lane in drawn.lanes if lane.kind == "read"]
    assert read.peak == 1_000_000 / 64
    assert len(drawn.spans) <= 12
    assert drawn.resumed == [pytest.approx(100 * 118 / 240)]
    assert all(tick.at < 100 for tick in drawn.ticks)
