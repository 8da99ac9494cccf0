"""Importing an export writes nothing: whatever people hold, whatever the file is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl.config import Config
from etl.errors import SourceError
from etl.export.names import SYSTEMS
from etl.export.wanted import wanted
from etl.exporting import export_customers
from tests.worlds import World, counts, open_world, run_import, table

PEOPLE: list[dict[str, Any]] = [
    {
        "given_name": "Ada",
        "family_name": "'t Hooft",
        "company_name": "=SUM(A1)",
        "nickname": "-",
        "reference_id": "007",
        "email_address": "Ada@Example.com",
        "phone_number": "(415) 555-0123",
        "birthday": "1985-12-10",
        "note": '=1+1\nsecond, "line"; \\ ',
        "address": {
            "address_line_1": "+1 Main St",
            "address_line_2": "@2",
            "locality": "London",
            "administrative_district_level_1": "California",
            "postal_code": "02134",
            "country": "US",
        },
    },
    {"given_name": "Only a name"},
    {"given_name": "Only a name"},
    {"email_address": "shared@example.com", "birthday": "0000-02-29"},
    {"email_address": "shared@example.com", "given_name": "Null", "note": "n/a"},
    {"phone_number": "+44 20 7946 0123", "family_name": "Österreich-Zoe\u0308"},
    {"company_name": "Brasserie", "address": {"country": "FR", "locality": "Nantes"}},
    {"given_name": " blanks around ", "note": "\ttab"},
]


def export(world: World, name: str, *, manifest: bool = True, **told: Any) -> Path:
    """Export everybody; without the manifest if that is to be lost."""
    config = Config()
    path = world.folder / name
    asked = wanted(str(path), beside=("groups",), **told)
    report = export_customers(asked, config, world.state, world.square(config), world.edges())
    assert report["complete"] is True
    if not manifest:
        Path(report["manifest"]).unlink()
    return path


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A directory of people whose fields are hard to carry."""
    opened = open_world(tmp_path)
    for person in PEOPLE:
        opened.create(**person)
    yield opened
    opened.close()


def files(path: Path) -> list[Path]:
    """Return the files of an export."""
    return sorted(path.rglob("*.parquet")) if path.is_dir() else [path]


@pytest.mark.parametrize("manifest", [True, False])
@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("people.csv", False),
        ("PEOPLE.CSV", False),
        ("raw.csv", True),
        ("people.csv.gz", False),
        ("people.parquet", False),
        ("people", False),
    ],
)
def test_importing_an_export_writes_nothing(
    world: World, name: str, raw: bool, manifest: bool
) -> None:
    """Every profile is found again, and none is touched."""
    # A raw file needs no word: what it says is what it means. Only escaped ones can be doubted.
    escaped = not manifest and not raw and ".csv" in name.lower()
    config = {"source": {"escaped": True}} if escaped else {}
    for path in files(export(world, name, raw=raw, manifest=manifest)):
        report = run_import(world, path, config)
        assert {*counts(report)} == {"unchanged"}
    assert world.written() == []


def test_apostrophes_without_a_manifest(world: World) -> None:
    """Nothing is taken off that somebody may have written: who knows has to say so."""
    with pytest.raises(SourceError, match=r"people.csv line 2: the cell of column 'family_name'"):
        run_import(world, export(world, "people.csv", manifest=False))
    raw = export(world, "raw.csv", raw=True, manifest=False)
    text = raw.read_text(encoding="utf-8")
    assert "'t Hooft" in text
    raw.write_text(text.replace("'t Hooft", "'s Hooft"), encoding="utf-8")
    run_import(world, raw)
    (changed,) = world.written()
    assert world.profile(changed["customer_id"])["family_name"] == "'s Hooft"


@pytest.mark.parametrize("system", SYSTEMS)
def test_importing_another_systems_file_writes_nothing(world: World, system: str) -> None:
    """A file under another system's headers, read with its preset, changes nobody."""
    path = export(world, f"{system}.csv", preset=system)
    config = {"source": {"preset": system}, "clean": {"date_order": "MDY"}}
    report = run_import(world, path, config)

    assert counts(report) == {"unchanged": len(PEOPLE)}
    assert world.written() == []


def test_some_columns(world: World) -> None:
    """A few columns are enough, as long as the manifest tells what the id is."""
    names = ("note", "id", "group_ids", "groups", "birthday_year")
    path = export(world, "people.csv", columns=names)

    assert counts(run_import(world, path)) == {"unchanged": len(PEOPLE)}
    assert world.written() == []


def test_an_edited_export_changes_what_was_edited(world: World) -> None:
    """An export corrected in a spreadsheet, its manifest still beside it, is taken for one."""
    path = export(world, "people.csv")
    text = path.read_text(encoding="utf-8").replace('"Nantes"', '"Rennes"')
    path.write_text(text, encoding="utf-8")

    assert counts(run_import(world, path)) == {"unchanged": len(PEOPLE) - 1, "updated": 1}
    (changed,) = world.written()
    assert world.profile(changed["customer_id"])["address"]["locality"] == "Rennes"


def test_json_lines_are_not_imported(world: World) -> None:
    """JSON lines are for other programs; the message says what to export instead."""
    with pytest.raises(SourceError, match="export CSV or Parquet"):
        run_import(world, export(world, "people.jsonl"))


@pytest.mark.parametrize("preset", [None, "shopify"])
@pytest.mark.parametrize("name", ["people.csv", "people.parquet"])
def test_masks_are_not_imported(world: World, name: str, preset: str | None) -> None:
    """The tokens of a masked export never get into Square; the other columns can be imported."""
    path = export(world, name, mask=("name",), preset=preset)
    config = {"source": {"preset": preset}} if preset else {}

    with pytest.raises(SourceError, match="is masked, so it cannot be the text of"):
        run_import(world, path, config)
    if not preset:
        chosen = {"columns": {"id": "id", "note": "note"}}
        assert counts(run_import(world, path, chosen)) == {"unchanged": len(PEOPLE)}
    assert world.written() == []


@pytest.mark.parametrize("preset", [None, *SYSTEMS])
@pytest.mark.parametrize("name", ["people.csv", "people.parquet"])
def test_masks_without_their_manifest(world: World, name: str, preset: str | None) -> None:
    """Where nothing tells of masks, the tokens themselves do: rows that hold one are refused."""
    path = export(world, name, mask=("name", "note", "email"), preset=preset, manifest=False)
    config = {"source": {"preset": preset}} if preset else {}
    config["clean"] = {"date_order": "MDY"}
    report = run_import(world, path, config)

    told = table(world, report, "rows.csv")
    assert sum("MASKED_VALUE" in row["codes"] for row in told) >= 6
    assert counts(report).keys() <= {"rejected", "unchanged"}
    assert world.written() == []


TEXT_OF_ANY_KIND = st.one_of(
    st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\t\n"), max_size=12),
    st.text(alphabet="'=+-@\"; \\1.0eE/n/aul", min_size=1, max_size=8),
    st.sampled_from(["n/a", "None", '="x"', "'=x", "''", "1.5E+05", "94103.0", "Ã©", "Calif."]),
)
PERSON = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(
            ("given_name", "family_name", "company_name", "nickname", "note"), TEXT_OF_ANY_KIND
        ),
        "reference_id": TEXT_OF_ANY_KIND,
        "birthday": st.sampled_from(["1985-02-28", "0000-02-29", "1604-01-01", "2000-12-31"]),
        "phone_number": st.sampled_from(["415 555 0123", "+14155550123", "1-415-555-0199"]),
        "email_address": st.sampled_from(["a@example.com", "A@Example.com", "b+c@example.com"]),
        "address": st.fixed_dictionaries(
            {},
            optional={
                "address_line_1": TEXT_OF_ANY_KIND,
                "locality": TEXT_OF_ANY_KIND,
                "administrative_district_level_1": TEXT_OF_ANY_KIND,
                "postal_code": TEXT_OF_ANY_KIND.map(lambda text: text[:12]),
                "country": st.sampled_from(["US", "FR", "GB", "ZZ"]),
            },
        ),
    },
)


@given(st.lists(PERSON, min_size=1, max_size=5), st.sampled_from(["csv", "raw", "parquet"]))
@settings(
    derandomize=True,
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_whatever_people_hold(
    tmp_path_factory: pytest.TempPathFactory, people: list[dict[str, Any]], form: str
) -> None:
    """Texts that look like formulas, markers, damaged numbers or anything else change nothing."""
    world = open_world(tmp_path_factory.mktemp("world"))
    for person in people:
        world.create(**{"company_name": "Somebody", **person})
    suffix = "parquet" if form == "parquet" else "csv"
    report = run_import(world, export(world, f"people.{suffix}", raw=form == "raw"))

    assert world.written() == []
    assert {*counts(report)} <= {"unchanged", "rejected"}
    world.close()
