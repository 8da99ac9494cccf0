"""Consent: who is skipped for want of it, and the file that carries it to the Dashboard."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from etl.cli.summary import text
from etl.errors import ConfigError
from etl.journal.journal import Journal
from etl.journal.state import JOURNAL
from etl.stages.reconcile import reconcile
from tests.worlds import World, folder_of, open_world, outcomes, run_import, run_plan, table

PEOPLE = """\
Customer ID,First name,Last name,Email,Phone,Newsletter
c-1,Ada,Byron,ada@example.com,,YES
c-2,=Bo,Ek,bo@example.com,+14155550148,no
c-3,Io,Asp,io@example.com,,
c-4,Ida,Nil,nobody,,no
c-1,Ada,Byron,,+14155550149,no
"""
CONSENT: dict[str, Any] = {"consent": {"column": "Newsletter", "yes": ["yes"]}}
REQUIRED: dict[str, Any] = {"consent": {**CONSENT["consent"], "require": True}}
COLUMNS = [
    "First Name",
    "Last Name",
    "Email Address",
    "Phone Number",
    "Reference ID",
    "Email Subscription Status",
]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A Square of one's own."""
    return open_world(tmp_path)


def test_a_line_for_every_customer(world: World) -> None:
    """Customers that are in Square stand in the file, a no of one row outweighing a yes."""
    report = run_import(world, PEOPLE, CONSENT)
    lines = table(world, report, "consent.csv")
    assert list(lines[0]) == COLUMNS
    assert [list(line.values()) for line in lines] == [
        ["Ada", "Byron", "ada@example.com", "+14155550149", "c-1", "Unsubscribed"],
        ["'=Bo", "Ek", "bo@example.com", "+14155550148", "c-2", "Unsubscribed"],
        ["Io", "Asp", "io@example.com", "", "c-3", "Unknown"],
    ]
    assert report["consent"] == {"subscribed": 0, "unsubscribed": 2, "unknown": 1}
    assert outcomes(world, report) == ["created", "created", "created", "rejected", "duplicate"]


def test_the_file_is_private_and_can_be_made_again(world: World) -> None:
    """Only its owner reads it, and the journal alone gives the same bytes."""
    report = run_import(world, PEOPLE, CONSENT)
    folder = folder_of(world, report)
    path = folder / "consent.csv"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()
    path.unlink()
    journal = Journal.open(folder / JOURNAL)
    reconcile(journal, folder)
    journal.close()
    assert path.read_bytes() == before


def test_the_summary_says_what_to_do(world: World) -> None:
    """The operator reads that the API cannot set it, and what to do with which file."""
    report = run_import(world, PEOPLE, CONSENT)
    told = text(report, Path("F"), Path("S"))
    assert "consent: 0 subscribed, 2 unsubscribed, 1 unknown; the API cannot set it" in told
    assert "next: import F/consent.csv in the Square Dashboard" in told
    assert "crosswalk.csv consent.csv)" in told


def test_without_consent_there_is_no_file(world: World) -> None:
    """A run without a consent column leaves none, and says nothing of it."""
    report = run_import(world, "Email\nada@example.com\n")
    assert report["consent"] is None
    assert not (folder_of(world, report) / "consent.csv").exists()
    assert "consent" not in text(report, Path("F"), Path("S"))


def test_required_consent_skips_rows(world: World) -> None:
    """Rows of people who did not say yes are skipped, whatever else is wrong with them."""
    report = run_import(world, PEOPLE, REQUIRED)
    ledger = table(world, report, "rows.csv")
    assert [row["outcome"] for row in ledger] == ["created", *["skipped"] * 4]
    assert [row["codes"] for row in ledger][1:] == ["NO_CONSENT"] * 4
    assert [row["detail"] for row in ledger][1:3] == ["Newsletter: no", "Newsletter: "]
    assert [p["given_name"] for p in world.alive().values()] == ["Ada"]
    assert table(world, report, "rejects.csv") == []
    assert (report["exit_code"], report["balanced"]) == (0, True)
    assert report["reasons"] == {"NO_CONSENT": {"": 4}}
    assert report["consent"] == {"subscribed": 1, "unsubscribed": 0, "unknown": 0}


def test_nobody_without_consent_is_looked_up(world: World) -> None:
    """Neither email nor phone of a skipped row is sent to Square."""
    world.create(given_name="Una", email_address="una@example.com")
    report = run_import(world, PEOPLE, {**REQUIRED, "dedupe": {"lookup": "search"}})
    assert report["rows"]["skipped"] == 4
    assert world.sent
    assert not [sent for sent in world.sent if b"bo@example.com" in sent.content]


def test_a_plan_skips_too(world: World) -> None:
    """A plan shows who would be skipped, and lists nobody who is not in Square yet."""
    report = run_plan(world, PEOPLE, REQUIRED)
    assert (report["rows"]["skipped"], report["rows"]["pending"]) == (4, 1)
    assert table(world, report, "consent.csv") == []


def test_ragged_rows_are_rejected_not_skipped(world: World) -> None:
    """A row whose cells cannot be told apart says neither yes nor no."""
    report = run_import(world, "Email,Newsletter\nada@example.com,no,x\n", REQUIRED)
    assert outcomes(world, report) == ["rejected"]


def test_constants_are_judged_before_the_run(world: World) -> None:
    """A constant that Square would refuse is an error of the settings, not of every row."""
    with pytest.raises(ConfigError, match=r"\[constants\] address.country"):
        run_import(
            world, "Email\nada@example.com\n", {"constants": {"address.country": "Atlantis"}}
        )
    assert world.written() == []


def test_a_mirror_clears_nothing_the_file_has_no_column_for(world: World) -> None:
    """Constants and names that were split write where they have a value and never clear."""
    world.create(given_name="Ada", company_name="Fern", note="tea", email_address="ada@example.com")
    settings = {
        "columns": {"Name": "full_name", "Email": "email_address"},
        "constants": {"nickname": "New"},
        "update": {"policy": "mirror", "allow_clear": True},
    }
    run_import(world, "Name,Email\nAda Byron,ada@example.com\n", settings)
    (ada,) = world.alive().values()
    assert (ada["family_name"], ada["nickname"]) == ("Byron", "New")
    assert (ada["company_name"], ada["note"]) == ("Fern", "tea")
