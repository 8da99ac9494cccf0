"""Sources: what each file is, decided before a row is read, and what is refused."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import stat
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from etl import config
from etl.errors import ConfigError, SourceError
from etl.files.sources import Source, open_sources, verify_unchanged

CSV = b"Name,Phone\nZo\xc3\xab,+14155550123\n"


def _open(path: Path, data: bytes, **settings: Any) -> Source:
    path.write_bytes(data)
    [source] = open_sources([str(path)], config.Source(**settings), path.parent / "spool")
    return source


def _refusal(path: Path, data: bytes, **settings: Any) -> str:
    with pytest.raises(SourceError) as caught:
        _open(path, data, **settings)
    assert str(caught.value).startswith(str(path))
    return str(caught.value).removeprefix(str(path))


def test_a_plain_file(tmp_path: Path) -> None:
    """A CSV file in UTF-8 with commas is described, and there is nothing to remark."""
    path = tmp_path / "people.csv"

    assert _open(path, CSV) == Source(
        path=path,
        name=str(path),
        kind="csv",
        compression=None,
        size=len(CSV),
        sha256=hashlib.sha256(CSV).hexdigest(),
        encoding="utf-8",
        delimiter=",",
        columns=("Name", "Phone"),
        ours=False,
        escaped=False,
    )


def test_what_was_decided_is_noted(tmp_path: Path) -> None:
    """Whatever was found out about a file is said."""
    source = _open(tmp_path / "x.csv", "Name;Ort\nZoë;Köln\n".encode("cp1252"))

    assert (source.encoding, source.delimiter) == ("cp1252", ";")
    assert source.notes == (
        "read as cp1252: byte 0xEB at line 2 is not UTF-8",
        "columns are separated by ;",
    )


def test_headers_are_not_touched(tmp_path: Path) -> None:
    """Column names keep blanks, case, quotes and line breaks; a byte order mark is no part."""
    data = '\ufeff First Name ,"He said ""x""","a\nb",É\n'.encode()

    assert _open(tmp_path / "x.csv", data).columns == (" First Name ", 'He said "x"', "a\nb", "É")


@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz", "x.parquet.bak", "x"])
def test_first_bytes_count_more_than_names(tmp_path: Path, name: str) -> None:
    """A file is what its first bytes say, whatever it is called."""
    packed = pa.compress(CSV, codec="zstd", asbytes=True)
    table = io.BytesIO()
    pq.write_table(pa.table({"Name": ["Zoë"], "Phone": ["1"]}), table)

    plain = _open(tmp_path / name, CSV)
    gzipped = _open(tmp_path / name, gzip.compress(CSV))
    zstd = _open(tmp_path / name, packed)
    parquet = _open(tmp_path / name, table.getvalue())

    assert [plain.compression, gzipped.compression, zstd.compression, parquet.compression] == [
        None,
        "gzip",
        "zstd",
        None,
    ]
    assert [s.kind for s in (plain, gzipped, zstd, parquet)] == ["csv", "csv", "csv", "parquet"]
    assert {s.columns for s in (plain, gzipped, zstd, parquet)} == {("Name", "Phone")}
    assert zstd.size == len(packed)
    assert zstd.sha256 == hashlib.sha256(packed).hexdigest()


def test_parquet_columns_that_are_not_text(tmp_path: Path) -> None:
    """A Parquet source names the columns that suit no text field."""
    table = io.BytesIO()
    pq.write_table(pa.table({"Name": ["Zoë"], "Phone": [4155550123.0], "Tags": [["a"]]}), table)
    source = _open(tmp_path / "x.parquet", table.getvalue())

    assert source.not_text == {"Phone": "a column of doubles", "Tags": "a nested column"}
    assert (source.encoding, source.delimiter, source.escaped) == ("", "", False)


def test_skipped_lines_and_own_headers(tmp_path: Path) -> None:
    """Banner lines are left out, and the header line can be replaced."""
    data = b'Customers "2026\n\nName,Phone\nZoe,1\n'

    assert _open(tmp_path / "x.csv", data, skip_lines=1).columns == ("Name", "Phone")
    assert _open(tmp_path / "x.csv", data, skip_lines=2, header=("a", "b")).columns == ("a", "b")


def test_a_replaced_header_mends_blank_and_repeated_names(tmp_path: Path) -> None:
    """Names from the settings are taken where the file's own are refused."""
    source = _open(tmp_path / "x.csv", b"Phone,Phone,\n1,2,\n", header=("Home", "Work", "None"))

    assert source.columns == ("Home", "Work", "None")


def test_blank_and_repeated_names_are_refused(tmp_path: Path) -> None:
    """Columns that cannot be told apart are named by position, with the remedy."""
    assert _refusal(tmp_path / "x.csv", b"Phone,Name,Phone, ,Phone,\n") == (
        ": column 4 has no name; column 6 has no name; columns 1 and 3 and 5 are all called "
        "'Phone'. Correct the header line, or name all columns with [source] header"
    )


def test_a_header_of_another_width_is_refused(tmp_path: Path) -> None:
    """Names that do not fit the file would shift every cell."""
    assert _refusal(tmp_path / "x.csv", b"a,b\n", header=("a",)) == (
        ": [source] header names 1 columns, but the header line has 2: name every column"
    )


@pytest.mark.parametrize(
    "settings", [{"header": ("a", "a")}, {"header": ("a", "")}, {"delimiter": '"'}]
)
def test_unusable_settings_are_settings_errors(tmp_path: Path, settings: dict[str, Any]) -> None:
    """A dialect that no file can have is refused before any file is opened."""
    with pytest.raises(ConfigError, match=r"\[source\]"):
        open_sources(["no such file"], config.Source(**settings), tmp_path / "spool")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (gzip.compress(b""), "is empty once it is unpacked"),
        (b"\n\r\n\n", "has no header line"),
        (b"\xef\xbb\xbf", "has no header line"),
        ("a,b\n".encode("utf-16-le"), 'encoding = "utf-16-le"'),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "save it as CSV UTF-8"),
        (b"\n<HTML><body><table>", "save it as CSV UTF-8"),
        (b"BZh91AY&SY", "is an archive: unpack it"),
        (gzip.compress(gzip.compress(b"a,b\n")), "is an archive: unpack it"),
        (gzip.compress(b"a,b\n1,2\n" * 99)[:-9], "the file ends before its gzip stream does"),
        (gzip.compress(b"PAR1"), "unpack it"),
        (b"PAR1 and no more", "not a Parquet file"),
        (b'a,"b\n1,2\n', "line 1: a quote opens here"),
        (b'a,"b"c\n1,2\n', "line 1: a quote inside a quoted column name"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, data: bytes, said: str) -> None:
    """Each kind of unusable file is refused with what helps."""
    assert said in _refusal(tmp_path / "people", data)


@pytest.mark.parametrize(
    ("member", "said"),
    [("[Content_Types].xml", "is a spreadsheet"), ("subscribed.csv", "unpack it")],
)
def test_zip_files(tmp_path: Path, member: str, said: str) -> None:
    """A workbook is to be saved as CSV, another zip file to be unpacked."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(member, "Name\n")

    assert said in _refusal(tmp_path / "people.csv", archive.getvalue())


def test_parquet_under_its_name_but_without_its_start(tmp_path: Path) -> None:
    """A damaged file called .parquet is not read as text."""
    assert "not a Parquet file" in _refusal(tmp_path / "x.parquet", b"PAR0 Name,Phone\n")


def test_repeated_parquet_columns_are_refused(tmp_path: Path) -> None:
    """Two columns of one name cannot be mapped."""
    table = io.BytesIO()
    pq.write_table(pa.table([pa.array(["1"]), pa.array(["2"])], names=["a", "a"]), table)

    assert "columns 1 and 2 are all called 'a'" in _refusal(tmp_path / "x", table.getvalue())


def test_a_folder_is_refused(tmp_path: Path) -> None:
    """A folder is no file; its files can be named."""
    with pytest.raises(SourceError, match=r"is a folder: .*\*\.csv"):
        open_sources([str(tmp_path)], config.Source(), tmp_path / "spool")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """A file that is not there is named."""
    with pytest.raises(SourceError, match=r"gone\.csv: cannot be opened: No such file"):
        open_sources([str(tmp_path / "gone.csv")], config.Source(), tmp_path / "spool")


@pytest.mark.parametrize("name", ["x" * 300, "x" * 300 + "*", "a\0b", "/dev/null/x.csv"])
def test_impossible_names_are_refused(tmp_path: Path, name: str) -> None:
    """A name no file can have is refused like one no file has."""
    with pytest.raises(SourceError, match=r"cannot be opened|no file has such a name"):
        open_sources([name], config.Source(), tmp_path / "spool")


def test_a_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """A name that is not UTF-8 could stand in no report."""
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.csv"))).write_bytes(CSV)

    with pytest.raises(SourceError, match=r"\\udcff\.csv: this name is not UTF-8: rename the file"):
        open_sources([f"{tmp_path}/*"], config.Source(), tmp_path / "spool")


def test_a_forbidden_file_is_refused(tmp_path: Path) -> None:
    """A file that may not be read is named, and so is the reason."""
    (tmp_path / "x.csv").write_bytes(CSV)
    (tmp_path / "x.csv").chmod(0)
    if os.access(tmp_path / "x.csv", os.R_OK):
        pytest.skip("this user may read everything")

    with pytest.raises(SourceError, match=r"x\.csv: cannot be opened: Permission denied"):
        open_sources([str(tmp_path / "x.csv")], config.Source(), tmp_path / "spool")


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    """What can be read only once is to be sent to standard input."""
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(SourceError, match="send it to standard input"):
        open_sources([str(tmp_path / "pipe")], config.Source(), tmp_path / "spool")


def test_patterns_are_expanded_and_sorted(tmp_path: Path) -> None:
    """A pattern stands for its files in order of name, folders left out."""
    for name in ("b.csv", "a.csv", "c.txt", "[x].csv"):
        (tmp_path / name).write_bytes(CSV)
    (tmp_path / "d.csv").mkdir()

    def names(*arguments: str) -> list[str]:
        found = open_sources(
            [str(tmp_path / argument) for argument in arguments],
            config.Source(),
            tmp_path / "spool",
        )
        return [source.path.name for source in found]

    assert names("*.csv") == ["[x].csv", "a.csv", "b.csv"]
    assert names("c.txt", "[ab].csv") == ["c.txt", "a.csv", "b.csv"]
    assert names("[x].csv") == ["[x].csv"]


def test_a_pattern_without_files_is_refused(tmp_path: Path) -> None:
    """A pattern that finds nothing is a mistake, not an empty import."""
    with pytest.raises(SourceError, match=r"\*\.csv: no file has such a name"):
        open_sources([str(tmp_path / "*.csv")], config.Source(), tmp_path / "spool")


def test_the_same_file_twice_is_refused(tmp_path: Path) -> None:
    """A file that comes twice, under one name or two, would be imported twice."""
    (tmp_path / "a.csv").write_bytes(CSV)
    (tmp_path / "b.csv").symlink_to(tmp_path / "a.csv")
    path = str(tmp_path / "a.csv")

    for other in (path, str(tmp_path / "b.csv"), str(tmp_path / "*.csv")):
        with pytest.raises(SourceError, match=r"is the same file as .*: name it once"):
            open_sources([path, other], config.Source(), tmp_path / "spool")
    with pytest.raises(SourceError, match="-: is the same file as -"):
        open_sources(["-", "-"], config.Source(), tmp_path / "spool", io.BytesIO(CSV))


def test_standard_input_is_spooled(tmp_path: Path) -> None:
    """What comes by standard input is kept in a private file and read from there."""
    packed = gzip.compress(CSV)
    spool = tmp_path / "spool"
    [source] = open_sources(["-"], config.Source(), spool, io.BytesIO(packed))

    assert (source.path, source.name, source.compression) == (spool / "0", "-", "gzip")
    assert source.columns == ("Name", "Phone")
    assert source.path.read_bytes() == packed
    assert source.sha256 == hashlib.sha256(packed).hexdigest()
    assert stat.S_IMODE(source.path.stat().st_mode) == 0o600


def test_the_process_has_a_standard_input(tmp_path: Path) -> None:
    """Without a stream in its place, the process's own standard input is read."""
    program = (
        "import sys, pathlib\n"
        "from etl import config\n"
        "from etl.files.sources import open_sources\n"
        "print(open_sources(['-'], config.Source(), pathlib.Path(sys.argv[1]))[0].columns)\n"
    )

    ended = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "spool")],
        input=CSV,
        capture_output=True,
        check=True,
    )

    assert ended.stdout == b"('Name', 'Phone')\n"


def test_empty_standard_input_is_refused(tmp_path: Path) -> None:
    """Nothing on standard input is no file of customers."""
    with pytest.raises(SourceError, match=r"^-: is empty"):
        open_sources(["-"], config.Source(), tmp_path / "spool", io.BytesIO())


def test_our_own_files_heed_no_dialect(tmp_path: Path) -> None:
    """A rejects file is known by its columns and read as it was written."""
    data = "Name,'=Tag,_line,_codes,_fields\nZoë,x,3,RAGGED_ROW,\n".encode()
    source = _open(
        tmp_path / "rejects.csv",
        data,
        encoding="utf-16-le",
        delimiter=";",
        skip_lines=5,
        header=("a", "b"),
    )

    assert source.columns == ("Name", "=Tag", "_line", "_codes", "_fields")
    assert (source.encoding, source.delimiter) == ("utf-8", ",")
    assert (source.ours, source.escaped) == (True, True)


def test_our_own_files_may_come_back_from_a_spreadsheet(tmp_path: Path) -> None:
    """A rejects file saved again with semicolons in cp1252 is still known and read."""
    source = _open(tmp_path / "r.csv", "_line;_codes;Ort\n3;X;Köln\n".encode("cp1252"))

    assert (source.ours, source.encoding, source.delimiter) == (True, "cp1252", ";")


@pytest.mark.parametrize("header", [b"_line,Name\n", b"_codes,Name\n", b"_line_codes,Name\n"])
def test_other_files_are_not_ours(tmp_path: Path, header: bytes) -> None:
    """One of our columns alone, or a name like ours, does not make a file ours."""
    source = _open(tmp_path / "x.csv", header)

    assert (source.ours, source.escaped) == (False, False)


def _manifest(
    data: bytes, *headers: str, escaped: bool = True, fields: Mapping[str, str] | None = None
) -> str:
    """Return what lies beside an export; ``fields`` are those of another system's headers."""
    return json.dumps(
        {
            "square_etl": {"format": 1, "escaped": escaped},
            "files": [{"path": "x", "rows": 1, "sha256": hashlib.sha256(data).hexdigest()}],
            "schema": [
                {"name": h, "type": "string", "field": (fields or {}).get(h, h)} for h in headers
            ],
        }
    )


EXPORT = b"id,note,created_at,version,creation_source\nC1,'=x,,,\n"


@pytest.mark.parametrize("escaped", [True, False])
def test_the_manifest_says_how_an_export_was_written(tmp_path: Path, escaped: bool) -> None:
    """A manifest with the file's digest tells whether formulas were escaped, and whose it is."""
    (tmp_path / "x.csv.manifest.json").write_text(_manifest(CSV, "Name", "Phone", escaped=escaped))
    source = _open(tmp_path / "x.csv", CSV)

    assert (source.escaped, source.exported) == (escaped, True)
    assert source.notes[0].startswith("exported by square-etl")


def test_another_systems_headers_are_not_ours(tmp_path: Path) -> None:
    """A file written for another system is un-escaped, but read as that system's."""
    fields = {"Name": "given_name", "Phone": "phone_number"}
    said = _manifest(CSV, "Name", "Phone", fields=fields)
    (tmp_path / "x.csv.manifest.json").write_text(said)
    source = _open(tmp_path / "x.csv", CSV)

    assert (source.escaped, source.exported) == (True, False)


def test_an_export_is_known_by_its_columns(tmp_path: Path) -> None:
    """Without its manifest, or from standard input, an export is still one, escaped or not."""
    source = _open(tmp_path / "x.csv", EXPORT)
    [piped] = open_sources(["-"], config.Source(), tmp_path / "spool", io.BytesIO(EXPORT))

    assert (source.escaped, source.exported) == (piped.escaped, piped.exported) == (None, True)
    assert any("no manifest says more" in note for note in source.notes)


def test_an_edited_export_is_still_one(tmp_path: Path) -> None:
    """Saved by a spreadsheet with a column less and semicolons, it is read as it was written."""
    (tmp_path / "x.csv.manifest.json").write_text(
        _manifest(b"as it was", "id", "note", "nickname", "company_name", escaped=False)
    )
    source = _open(tmp_path / "x.csv", b"id;note;nickname\nC1;'=x;\n")

    assert (source.escaped, source.exported) == (False, True)
    assert any("edited since it was exported" in note for note in source.notes)


def test_a_manifest_of_another_file_is_not_heeded(tmp_path: Path) -> None:
    """What another system put in the place of an export is not read as one."""
    (tmp_path / "x.csv.manifest.json").write_text(_manifest(b"", "id", "given_name", "Phone"))
    source = _open(tmp_path / "x.csv", CSV)

    assert (source.escaped, source.exported) == (False, False)
    assert any("is about another file" in note for note in source.notes)


@pytest.mark.parametrize("said", ["{}", "[]", '"square_etl"'])
def test_other_manifests_are_no_business_of_ours(tmp_path: Path, said: str) -> None:
    """A manifest that some other program wrote says nothing."""
    (tmp_path / "x.csv.manifest.json").write_text(said)
    (tmp_path / "_manifest.json").write_text(said)

    assert _open(tmp_path / "x.csv", CSV) == replace(_open(tmp_path / "x.csv", CSV), notes=())


def test_a_folder_has_one_manifest(tmp_path: Path) -> None:
    """The files of an exported folder are known by the manifest above them."""
    path = tmp_path / "people" / "created_year=2024" / "part-0.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(pa.table({"id": ["C1"], "group_ids": [["G1"]]}), path)
    (tmp_path / "people" / "_manifest.json").write_text(
        _manifest(path.read_bytes(), "id", "group_ids")
    )
    [source] = open_sources([f"{tmp_path}/people/**/*.parquet"], config.Source(), tmp_path / "s")

    assert (source.exported, source.escaped) == (True, False)


def test_the_setting_wins_over_the_manifest(tmp_path: Path) -> None:
    """The operator's word on the escape comes before the manifest's and our columns'."""
    (tmp_path / "x.csv.manifest.json").write_text(_manifest(CSV, "Name", "Phone"))

    assert _open(tmp_path / "x.csv", CSV, escaped=False).escaped is False
    assert _open(tmp_path / "y.csv", CSV, escaped=True).escaped is True
    assert _open(tmp_path / "z.csv", b"_line,_codes\n", escaped=False).escaped is False
    assert _open(tmp_path / "w.csv", EXPORT, escaped=False).escaped is False


def test_own_headers_say_what_columns_are(tmp_path: Path) -> None:
    """Whoever renames the columns of an export has them read by these names."""
    names = ("a", "b", "c", "d", "e")

    assert _open(tmp_path / "x.csv", EXPORT, header=names).exported is False


@pytest.mark.parametrize(
    "said",
    [
        '{"square_etl": {}}',
        '{"square_etl": 1}',
        '{"square_etl": {"format": 1}, "files": [{}]}',
        '{"square_etl": {"format": 1}, "schema": ["id"]}',
        '{"square_etl": {"format": 2}}',
    ],
)
def test_a_manifest_that_is_not_understood_is_refused(tmp_path: Path, said: str) -> None:
    """A manifest of ours that lacks something, or that a later version wrote, is not guessed at."""
    (tmp_path / "x.csv.manifest.json").write_text(said)

    assert "or set [source] escaped" in _refusal(tmp_path / "x.csv", CSV)


@pytest.mark.parametrize("packed", [False, True])
def test_json_lines_are_refused(tmp_path: Path, packed: bool) -> None:
    """An export as JSON lines cannot be imported, and the message says what can."""
    data = b'{"id":"C1","note":null}\n{"id":"C2"}\n'
    said = _refusal(tmp_path / "x.jsonl", gzip.compress(data) if packed else data)

    assert said == ": holds JSON lines, which are not read: export CSV or Parquet"


def test_a_damaged_manifest_is_refused(tmp_path: Path) -> None:
    """When nobody can tell whether cells are escaped, nothing is guessed."""
    (tmp_path / "x.csv.manifest.json").write_text("{")

    assert r"or set [source] escaped" in _refusal(tmp_path / "x.csv", CSV)
    assert _open(tmp_path / "x.csv", CSV, escaped=True).escaped is True


def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    """A file that is not byte for byte what was opened is refused later."""
    source = _open(tmp_path / "x.csv", CSV)
    verify_unchanged(source)

    for changed in (CSV + b"\n", CSV.replace(b"Name", b"name")):
        source.path.write_bytes(changed)
        with pytest.raises(SourceError, match=r"x\.csv: has changed since the run read it"):
            verify_unchanged(source)

    source.path.unlink()
    with pytest.raises(SourceError, match="No such file"):
        verify_unchanged(source)


def test_files_are_only_read(tmp_path: Path) -> None:
    """Opening a source leaves the folder as it was."""
    _open(tmp_path / "x.csv", CSV)

    assert os.listdir(tmp_path) == ["x.csv"]
    assert (tmp_path / "x.csv").read_bytes() == CSV
