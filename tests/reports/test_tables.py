"""The tables of a run: what became of every row, in files that import again."""

from __future__ import annotations

from pathlib import Path

import pytest

from etl import pipeline
from etl.config import Config
from tests.worlds import World, open_world, run_import, table

PEOPLE = """\
Customer ID,First name,Last name,Email,Phone,Note
c-1,Ada,Byron,ada@example.com,,"two
lines"
c-2,Lin,Berg,nobody,,=SUM(A1)
c-1,Ada,Byron,,+14155550148,
,Bo,Ek,,+14155550199,
,Io,Asp,,+14155550199,
c-9,Too,many,cells@example.com,,,surplus
"""


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A Square of one's own."""
    return open_world(tmp_path)


def test_ledger(world: World) -> None:
    """Every source row has one line with its physical line, its outcome and its codes."""
    report = run_import(world, PEOPLE)
    ledger = table(world, report, "rows.csv")
    assert [(row["line"], row["outcome"]) for row in ledger] == [
        ("2", "created"),
        ("4", "rejected"),
        ("5", "duplicate"),
        ("6", "review"),
        ("7", "review"),
        ("8", "rejected"),
    ]
    first, wrong, second, shared, _, ragged = ledger
    assert list(first) == [
        "source",
        "line",
        "outcome",
        "customer_id",
        "matched_by",
        "codes",
        "detail",
        "duplicate_of",
    ]
    assert first["customer_id"] in world.alive()
    assert second["customer_id"] == first["customer_id"]
    assert second["duplicate_of"] == f"{first['source']}:2"
    assert second["matched_by"] == "reference_id"
    assert wrong["codes"] == "INVALID_EMAIL_ADDRESS"
    assert shared["codes"] == "SHARED_PHONE"
    assert ragged["codes"] == "RAGGED_ROW"


def test_rejects_keep_the_row_as_it_was(world: World) -> None:
    """A rejected row keeps its columns and text, says what is wrong, and is no formula."""
    rejects = table(world, run_import(world, PEOPLE), "rejects.csv")
    wrong, ragged = rejects
    assert list(wrong)[:6] == ["Customer ID", "First name", "Last name", "Email", "Phone", "Note"]
    assert list(wrong)[6:] == ["_line", "_codes", "_fields", "_messages", "_suggestion"]
    assert wrong["Email"] == "nobody"
    assert wrong["Note"] == "'=SUM(A1)"
    assert (wrong["_line"], wrong["_codes"]) == ("4", "INVALID_EMAIL_ADDRESS")
    assert wrong["_fields"] == "email_address"
    assert "surplus" in ragged["_suggestion"]


def test_corrected_rejects_arrive_unescaped(world: World) -> None:
    """The escape of a formula cell is undone when the corrected file comes back."""
    report = run_import(world, PEOPLE)
    path = world.state.run_folder(report["run_id"]) / "rejects.csv"
    mended = world.folder / "mended.csv"
    lines = path.read_text().replace("nobody", "lin@example.com").splitlines(keepends=True)
    mended.write_text("".join(line for line in lines if "RAGGED_ROW" not in line))
    assert run_import(world, mended)["rows"]["created"] == 1
    assert [p["note"] for p in world.alive().values() if p["given_name"] == "Lin"] == ["=SUM(A1)"]


def test_review_names_who_it_could_be(world: World) -> None:
    """A row in review shows the profiles and rows it could be, and a place to decide."""
    known = world.create(given_name="Una", phone_number="+14155550199")
    review = table(world, run_import(world, PEOPLE), "review.csv")
    assert [row["First name"] for row in review] == ["Bo", "Io"]
    assert {row["_candidates"] for row in review} == {known}
    assert review[0]["_related"].endswith(":7")
    assert review[0]["decision"] == ""


def test_crosswalk(world: World) -> None:
    """Every source key that is a customer now is named with that customer."""
    crosswalk = table(world, run_import(world, PEOPLE), "crosswalk.csv")
    (customer_id,) = world.alive()
    assert {(row["source_key"], row["customer_id"]) for row in crosswalk} == {
        ("|reference_id|c-1", customer_id)
    }


def test_several_sources_name_their_file(world: World) -> None:
    """With several sources, a duplicate in the second file names the row of the first."""
    first = world.file("Email\nada@example.com\n", "a.csv")
    second = world.file("Email\nADA@example.com\nnobody\n", "b.csv")
    report = pipeline.import_customers(
        [str(first), str(second)],
        Config(),
        world.state,
        world.square(Config()),
        world.edges(),
    )
    ledger = table(world, report, "rows.csv")
    assert ledger[1]["duplicate_of"] == f"{first}:2"
    (reject,) = table(world, report, "rejects.csv")
    assert reject["_line"] == f"{second}:3"
