"""Files of an export: whole or not at all, private, and what analysts and spreadsheets expect."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.errors import ConfigError
from etl.export.table import TIME, schema, table
from etl.export.wanted import Further, Wanted
from etl.export.write import (
    TEXT,
    Kind,
    Written,
    check_destination,
    manifest_path,
    write,
)
from etl.files.escape import unescape

ADA: dict[str, Any] = {
    "id": "C1",
    "created_at": "2024-01-02T03:04:05.12Z",
    "updated_at": "2024-02-03T04:05:06Z",
    "given_name": 'Ada "the first"',
    "note": "=1+1\nsecond line",
    "phone_number": "+14155550123",
    "birthday": "1815-12-10",
    "preferences": {"email_unsubscribed": False},
    "group_ids": ["G1", "G2"],
    "version": 7,
}
BOB: dict[str, Any] = {"id": "C2", "created_at": "2023-05-06T07:08:09Z", "version": 0}
CARL: dict[str, Any] = {"id": "C3", "created_at": "2024-11-12T13:14:15Z", "given_name": "-"}
PEOPLE = [ADA, BOB, CARL]
GROUPS = Further(
    (pa.field("groups", pa.list_(pa.string())),),
    lambda profiles: [pa.array([["a;b", "c\\d", "e"]] * len(profiles))],
)


def written(
    path: Path | str,
    profiles: Sequence[dict[str, Any]] = PEOPLE,
    *,
    further: Sequence[Further] = (),
    columns: Sequence[str] | None = None,
    size: int = 2,
    **options: Any,
) -> list[Written]:
    """Write profiles as an export does, in batches of so many."""
    kind = check_destination(Wanted(str(path), overwrite=True))
    as_sent = kind in TEXT
    of = schema(further, as_sent=as_sent)
    names = of.names if columns is None else list(columns)
    made = (
        table(profiles[at : at + size], further, as_sent=as_sent).select(names)
        for at in range(0, len(profiles), size)
    )
    options.setdefault("stdout", io.BytesIO())
    chosen = pa.schema([of.field(name) for name in names])
    return write(str(path), kind, made, chosen, **options)


def records(text: str) -> list[dict[str, str]]:
    """Read CSV as Python does."""
    return list(csv.DictReader(io.StringIO(text, newline="")))


def digest(path: Path) -> str:
    """Return the digest of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


# -- what is in the files ------------------------------------------------------------------------


def test_csv(tmp_path: Path) -> None:
    """CSV holds values as Square stores them, with formulas guarded and times as sent."""
    path = tmp_path / "people.csv"
    assert written(path, further=[GROUPS]) == [Written("people.csv", 3, digest(path))]
    ada, bob, carl = records(path.read_text(encoding="utf-8"))

    assert {name: cell for name, cell in ada.items() if cell} == {
        "id": "C1",
        "created_at": "2024-01-02T03:04:05.12Z",
        "updated_at": "2024-02-03T04:05:06Z",
        "given_name": 'Ada "the first"',
        "note": "'=1+1\nsecond line",
        "phone_number": "+14155550123",
        "birthday": "1815-12-10",
        "birthday_year": "1815",
        "birthday_month": "12",
        "birthday_day": "10",
        "preferences.email_unsubscribed": "false",
        "group_ids": "G1;G2",
        "version": "7",
        "groups": "a\\;b;c\\\\d;e",
    }
    assert (bob["version"], bob["note"], carl["given_name"]) == ("0", "", "'-")


def test_raw_csv(tmp_path: Path) -> None:
    """Raw CSV holds the texts themselves."""
    written(tmp_path / "people.csv", raw=True)

    assert records((tmp_path / "people.csv").read_text())[0]["note"] == "=1+1\nsecond line"


def test_the_mark_of_utf_8(tmp_path: Path) -> None:
    """On request CSV begins with the mark by which spreadsheets know UTF-8."""
    written(tmp_path / "people.csv", bom=True)
    written(tmp_path / "plain.csv")

    marked, plain = (tmp_path / name for name in ("people.csv", "plain.csv"))
    assert marked.read_bytes() == b"\xef\xbb\xbf" + plain.read_bytes()


def test_packed_csv(tmp_path: Path) -> None:
    """A packed file holds the same CSV, and the same people are the same bytes every time."""
    for name in ("one.csv.gz", "two.csv.gz"):
        (told,) = written(tmp_path / name)
        assert told.sha256 == digest(tmp_path / name)
    written(tmp_path / "people.csv", size=3)

    assert (tmp_path / "one.csv.gz").read_bytes() == (tmp_path / "two.csv.gz").read_bytes()
    assert (
        gzip.decompress((tmp_path / "one.csv.gz").read_bytes())
        == (tmp_path / "people.csv").read_bytes()
    )


def test_json_lines(tmp_path: Path) -> None:
    """Each line is a customer with every column; lists are lists and flags are flags."""
    written(tmp_path / "people.jsonl", further=[GROUPS])
    ada, bob, _ = map(json.loads, (tmp_path / "people.jsonl").read_text().splitlines())

    assert list(ada) == list(bob) == schema([GROUPS]).names
    assert ada["note"] == "=1+1\nsecond line"
    assert ada["created_at"] == "2024-01-02T03:04:05.12Z"
    assert ada["groups"] == ["a;b", "c\\d", "e"]
    assert (ada["version"], ada["preferences.email_unsubscribed"]) == (7, False)
    assert bob["note"] is None


def test_standard_output() -> None:
    """Standard output gets the CSV a file would hold, and stays open."""
    stdout = io.BytesIO()
    (told,) = written("-", stdout=stdout)

    assert told == Written("-", 3, hashlib.sha256(stdout.getvalue()).hexdigest())
    assert len(records(stdout.getvalue().decode())) == 3


@pytest.mark.parametrize("name", ["people.csv", "people.csv.gz", "people.jsonl", "people.parquet"])
def test_nobody(tmp_path: Path, name: str) -> None:
    """An export of nobody is a file like any other."""
    (told,) = written(tmp_path / name, [])

    assert told == Written(name, 0, digest(tmp_path / name))
    if name == "people.csv":
        assert next(csv.reader(io.StringIO((tmp_path / name).read_text()))) == schema().names
    if name == "people.parquet":
        assert pq.read_schema(tmp_path / name).equals(schema())


def test_a_single_column(tmp_path: Path) -> None:
    """Who has no value in the only column still has a line."""
    for column in ("nickname", "version", "group_ids"):
        written(tmp_path / "people.csv", columns=[column])
        assert len(records((tmp_path / "people.csv").read_text())) == 3
        assert len(pd.read_csv(tmp_path / "people.csv")) == 3


def test_headers_are_guarded_too(tmp_path: Path) -> None:
    """The name of a custom attribute may look like a formula."""
    further = Further((pa.field("=size", pa.int64()),), lambda found: [pa.array([-1] * len(found))])
    written(tmp_path / "people.csv", further=[further])

    assert records((tmp_path / "people.csv").read_text())[0]["'=size"] == "-1"


def test_times_beside_profiles(tmp_path: Path) -> None:
    """Times of no field are written in RFC 3339 as well, without idle digits."""
    times = pa.array([0, 1_500_000, 60_000_000], TIME)
    further = Further((pa.field("seen", TIME),), lambda found: [times.slice(0, len(found))])
    written(tmp_path / "people.csv", further=[further], size=3)

    assert [row["seen"] for row in records((tmp_path / "people.csv").read_text())] == [
        "1970-01-01T00:00:00Z",
        "1970-01-01T00:00:01.5Z",
        "1970-01-01T00:01:00Z",
    ]


CELLS = st.one_of(
    st.text(),
    st.text(alphabet="'=+-@\t\r\n\0\",;\\ 1a", max_size=6),
    st.builds(str.__add__, st.sampled_from("'=+-@\t\r\n"), st.text()),
)


@given(st.lists(st.tuples(CELLS, CELLS), max_size=5), st.booleans())
@settings(derandomize=True, deadline=None)
def test_any_text_comes_back(pairs: list[tuple[str, str]], raw: bool) -> None:
    """Whatever people are called, each cell is read back as its text, and never runs."""
    stdout = io.BytesIO()
    people = [{"given_name": one, "note": other} for one, other in pairs]
    written("-", people, columns=["given_name", "note"], stdout=stdout, raw=raw)
    header, *rows = csv.reader(io.StringIO(stdout.getvalue().decode(), newline=""))

    assert header == ["given_name", "note"]
    assert [(back(one, raw), back(other, raw)) for one, other in rows] == pairs
    if not raw:
        for cell in (cell for row in rows for cell in row):
            assert not cell.startswith(("=", "-", "@", "\t", "\r", "\n"))
            assert not cell.startswith("+") or cell[1:].isdecimal()


def back(cell: str, raw: bool) -> str:
    """Return the text of a cell."""
    return cell if raw else unescape(cell)


# -- what opens them -----------------------------------------------------------------------------


def assert_types(found: pa.Schema) -> None:
    """Hold that a schema has the types analysts expect."""
    assert found.field("created_at").type == TIME
    assert found.field("version").type == pa.int64()
    assert found.field("preferences.email_unsubscribed").type == pa.bool_()
    assert found.field("group_ids").type.value_type == pa.string()
    assert found.field("birthday").type == pa.string()
    assert found.field("birthday_year").type == pa.int64()


def test_parquet_in_pyarrow(tmp_path: Path) -> None:
    """pyarrow reads the very table."""
    path = tmp_path / "people.parquet"
    (told,) = written(path)

    assert told == Written("people.parquet", 3, digest(path))
    assert pq.read_table(path).equals(table(PEOPLE))
    assert_types(pq.read_schema(path))
    assert pq.ParquetFile(path).num_row_groups == 1


def test_parquet_in_pandas(tmp_path: Path) -> None:
    """pandas reads times with their zone, and numbers."""
    written(tmp_path / "people.parquet")
    frame = pd.read_parquet(tmp_path / "people.parquet")

    assert str(frame["created_at"].dtype) == "datetime64[us, UTC]"
    assert frame.loc[0, "created_at"] == pd.Timestamp("2024-01-02T03:04:05.12Z")
    assert [*map(list, frame["group_ids"][:1])] == [["G1", "G2"]]
    assert frame["version"].sum() == 7


def test_parquet_in_duckdb(tmp_path: Path) -> None:
    """DuckDB reads times with their zone, flags and lists."""
    written(tmp_path / "people.parquet")
    found = duckdb.execute(
        "SELECT typeof(created_at), typeof(version), typeof(group_ids), "
        'typeof("preferences.email_unsubscribed"), typeof(birthday_day) '
        f"FROM '{tmp_path}/people.parquet' LIMIT 1"
    ).fetchall()

    assert found == [("TIMESTAMP WITH TIME ZONE", "BIGINT", "VARCHAR[]", "BOOLEAN", "BIGINT")]


def test_csv_in_pandas_and_duckdb(tmp_path: Path) -> None:
    """A plain reader of CSV sees the same rows."""
    written(tmp_path / "people.csv")
    frame = pd.read_csv(tmp_path / "people.csv")
    asked = f"SELECT count(*), max(version) FROM '{tmp_path}/people.csv'"

    assert list(frame["id"]) == ["C1", "C2", "C3"]
    assert frame.loc[0, "note"] == "'=1+1\nsecond line"
    assert duckdb.execute(asked).fetchall() == [(3, 7)]


# By hand, where LibreOffice is installed: soffice --headless --convert-to csv people.csv
@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not installed")
def test_csv_in_libreoffice(tmp_path: Path) -> None:
    """A spreadsheet shows guarded formulas as text and keeps every row."""
    written(tmp_path / "people.csv", bom=True)
    subprocess.run(
        ["soffice", "--headless", "--convert-to", "csv", "--outdir", "out", "people.csv"],
        cwd=tmp_path,
        check=True,
        timeout=120,
    )
    ada, *others = records((tmp_path / "out" / "people.csv").read_text(encoding="utf-8"))

    assert len(others) == 2
    assert ada["note"].endswith("=1+1\nsecond line")


# -- folders -------------------------------------------------------------------------------------


def test_a_folder(tmp_path: Path) -> None:
    """A folder holds Parquet files by year of creation, a further one where a year comes again."""
    told = written(tmp_path / "people")

    assert [(one.path, one.rows) for one in told] == [
        ("created_year=2024/part-0.parquet", 1),
        ("created_year=2023/part-0.parquet", 1),
        ("created_year=2024/part-1.parquet", 1),
    ]
    assert all(digest(tmp_path / "people" / one.path) == one.sha256 for one in told)
    assert os.listdir(tmp_path) == ["people"]


def test_a_folder_in_pyarrow_pandas_and_duckdb(tmp_path: Path) -> None:
    """The folder is one table, with the year as a column; the manifest is in nobody's way."""
    folder = tmp_path / "people"
    written(folder, manifest=lambda told: b'{"square_etl": {}}')
    found = pads.dataset(folder, partitioning="hive")
    frame = pd.read_parquet(folder)
    rows = duckdb.execute(
        f"SELECT id, created_year FROM read_parquet('{folder}/**/*.parquet') ORDER BY id"
    ).fetchall()

    assert_types(found.schema)
    assert found.count_rows() == len(frame) == 3
    assert sorted(frame["id"]) == ["C1", "C2", "C3"]
    assert rows == [("C1", 2024), ("C2", 2023), ("C3", 2024)]


def test_a_folder_of_unknown_years(tmp_path: Path) -> None:
    """Whose year is not known, or not to be, is in the folder as well."""
    written(tmp_path / "some", [ADA, {"id": "C9"}])
    written(tmp_path / "none", [])
    written(tmp_path / "hidden", columns=["id", "version"])

    assert pads.dataset(tmp_path / "some", partitioning="hive").count_rows() == 2
    assert os.listdir(tmp_path / "none") == os.listdir(tmp_path / "hidden") == ["part-0.parquet"]
    assert pd.read_parquet(tmp_path / "none").columns.tolist() == schema().names


# -- destinations --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("people.csv", "csv"),
        ("people.2024.CSV", "csv"),
        ("people.csv.gz", "csv.gz"),
        ("people.jsonl", "jsonl"),
        ("people.parquet", "parquet"),
        ("people", "folder"),
        ("people.2024/", "folder"),
        ("-", "-"),
    ],
)
def test_names_say_what_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, kind: Kind
) -> None:
    """The suffix of the destination decides, a name without one is a folder."""
    monkeypatch.chdir(tmp_path)
    assert check_destination(Wanted(name)) == kind


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (Wanted("people.xlsx"), r"what .xlsx is to be; there are .csv, .csv.gz, .jsonl, .parq"),
        (Wanted("nowhere/people.csv"), "nowhere: there is no such folder"),
        (Wanted("old.csv"), "old.csv: is there already: --overwrite"),
        (Wanted("new.csv"), "new.csv.manifest.json: is there already"),
        (Wanted("dir.csv", overwrite=True), "dir.csv: is there and is not a file"),
        (Wanted("pipe.csv", overwrite=True), "pipe.csv: is there and is not a file"),
        (Wanted("old"), "old: is there and is not a folder"),
        (Wanted("photos"), "photos: is there already"),
        (Wanted("photos", overwrite=True), "photos: holds cat.jpg, which no export of ours"),
        (Wanted("mixed", overwrite=True), "mixed: holds year=1/notes.txt, which no export"),
        (Wanted("people.parquet", bom=True), "--bom is for CSV"),
        (Wanted("people.parquet", raw=True), "--raw is for CSV"),
        (Wanted("people", raw=True), "--raw is for CSV"),
        (Wanted("people.jsonl", raw=True), "--raw is for CSV"),
        (Wanted("lost.csv"), "lost.csv: is there already: --overwrite"),
        (Wanted("lost", overwrite=True), "lost: is a link: name the folder itself"),
        (Wanted("to-photos", overwrite=True), "to-photos: is a link: name the folder itself"),
        (Wanted("/"), "is not the name"),
    ],
)
def test_destinations_that_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: Wanted, said: str
) -> None:
    """What would be overwritten unasked, or could not be written, is told before anything is."""
    monkeypatch.chdir(tmp_path)
    for name in ("old.csv", "old", "new.csv.manifest.json"):
        Path(name).touch()
    for name in ("dir.csv", "photos", "mixed/year=1"):
        Path(name).mkdir(parents=True)
    os.mkfifo("pipe.csv")
    for name, target in (("lost.csv", "gone"), ("lost", "gone"), ("to-photos", "photos")):
        Path(name).symlink_to(target)
    Path("photos/cat.jpg").touch()
    Path("mixed/year=1/notes.txt").touch()
    Path("mixed/_manifest.json").write_text('{"square_etl": {"format": 1}, "files": []}')
    before = sorted(map(str, Path().rglob("*")))

    with pytest.raises(ConfigError, match=said):
        check_destination(wanted)
    assert sorted(map(str, Path().rglob("*"))) == before


def our_manifest(told: list[Written]) -> bytes:
    """Return what stands beside an export of ours."""
    files = [one._asdict() for one in told]
    return json.dumps({"square_etl": {"format": 1}, "files": files}).encode()


def test_a_folder_of_ours_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """With --overwrite the years of the old export are gone; an empty folder is no obstacle."""
    folder = tmp_path / "people"
    folder.mkdir()
    check_destination(Wanted(str(folder)))
    written(folder, manifest=our_manifest)
    check_destination(Wanted(str(folder), overwrite=True))
    written(folder, [BOB], manifest=our_manifest)

    assert sorted(os.listdir(folder)) == ["_manifest.json", "created_year=2023"]
    assert os.listdir(tmp_path) == ["people"]


# -- whole or not at all -------------------------------------------------------------------------

NAMES = ["people.csv", "people.csv.gz", "people.jsonl", "people.parquet", "people"]


def everything(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder with its bytes."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("name", NAMES)
def test_files_are_private(tmp_path: Path, name: str) -> None:
    """Nobody but the owner can read the people, or their manifest."""
    written(tmp_path / name, manifest=our_manifest)

    for path in [*tmp_path.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


@pytest.mark.parametrize("name", NAMES)
def test_the_manifest_lies_beside(tmp_path: Path, name: str) -> None:
    """The manifest is told of the files and stands where it is looked for."""
    kind = check_destination(Wanted(str(tmp_path / name)))
    told = written(tmp_path / name, manifest=our_manifest)
    place = manifest_path(str(tmp_path / name), kind)

    assert place.read_bytes() == our_manifest(told)
    for one in told:
        assert digest(place.parent / one.path) == one.sha256


@pytest.mark.parametrize("at", ["rows", "manifest"])
@pytest.mark.parametrize("name", NAMES)
def test_an_error_leaves_what_was_there(tmp_path: Path, name: str, at: str) -> None:
    """Whatever goes wrong, the old export stands, and nothing half-written beside it."""
    path = tmp_path / name
    written(path, manifest=our_manifest)
    before = everything(tmp_path)
    kind = check_destination(Wanted(str(path), overwrite=True))

    def rows() -> Iterator[pa.Table]:
        yield table([BOB], as_sent=kind in TEXT)
        if at == "rows":
            raise KeyError("rows")

    def manifest(told: list[Written]) -> bytes:
        raise KeyError("manifest")

    with pytest.raises(KeyError, match=at):
        write(
            str(path),
            kind,
            rows(),
            schema(as_sent=kind in TEXT),
            stdout=io.BytesIO(),
            manifest=manifest,
        )
    assert everything(tmp_path) == before


@contextmanager
def little_space(size: int) -> Iterator[None]:
    """Let no file grow beyond so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("name", NAMES)
def test_no_space_left(tmp_path: Path, name: str) -> None:
    """A file that cannot grow any more leaves nothing behind."""
    many = [{**ADA, "id": f"C{at}", "note": os.urandom(99).hex()} for at in range(5000)]

    with little_space(100_000), pytest.raises(OSError, match="large"):
        written(tmp_path / name, many, size=500)
    assert list(tmp_path.iterdir()) == []


def test_a_full_device() -> None:
    """Standard output on a full device is an error, not an end."""
    with open("/dev/full", "wb", buffering=0) as full, pytest.raises(OSError, match="space"):
        written("-", stdout=full)


def test_whoever_has_seen_enough() -> None:
    """A reader who goes away ends the export quietly: nothing whole was written."""
    read, write_ = os.pipe()
    os.close(read)
    with open(write_, "wb", buffering=0) as gone:
        assert written("-", stdout=gone) == []


_KILLED = """
import io, itertools, os, signal, sys
from tests.export.test_write import ADA, TEXT, Wanted, check_destination, schema, table, write

def rows(as_sent):
    for at in itertools.count():
        if at == 40:
            os.kill(os.getpid(), signal.SIGKILL)
        yield table([ADA] * 2000, as_sent=as_sent)

kind = check_destination(Wanted(sys.argv[1], overwrite=True))
as_sent = kind in TEXT
write(sys.argv[1], kind, rows(as_sent), schema(as_sent=as_sent), stdout=io.BytesIO())
"""


@pytest.mark.parametrize("name", NAMES)
def test_killed_midway(tmp_path: Path, name: str) -> None:
    """A process that is killed leaves the old export under its name."""
    path = tmp_path / name
    written(path, manifest=our_manifest)
    before = everything(tmp_path)
    died = subprocess.run([sys.executable, "-c", _KILLED, str(path)], check=False)

    assert died.returncode == -signal.SIGKILL
    assert {k: v for k, v in everything(tmp_path).items() if ".partial-" not in k} == before
