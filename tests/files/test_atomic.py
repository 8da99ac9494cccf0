"""Atomic writing: a final name always holds a complete file, the old or the new."""

from __future__ import annotations

import io
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from etl.files.atomic import replacing, replacing_folder


def test_a_finished_file_takes_its_name(tmp_path: Path) -> None:
    """The file stands under its name when the block ends, and nothing else is left."""
    with replacing(tmp_path / "rows.csv") as file:
        file.write(b"a\n1\n")

    assert (tmp_path / "rows.csv").read_bytes() == b"a\n1\n"
    assert os.listdir(tmp_path) == ["rows.csv"]


def test_the_file_is_private(tmp_path: Path) -> None:
    """The file can be read and written by its owner only, even over one that was open to all."""
    path = tmp_path / "rows.csv"
    path.touch(mode=0o644)

    with replacing(path):
        pass

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_nothing_stands_under_the_name_before_the_end(tmp_path: Path) -> None:
    """While the block runs the final name does not exist."""
    path = tmp_path / "rows.csv"

    with replacing(path) as file:
        file.write(b"half")
        file.flush()
        assert not path.exists()


def _fail_midway(path: Path, error: BaseException) -> None:
    with replacing(path) as file:
        file.write(b"half")
        raise error


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), OSError(28, "full")])
def test_an_error_leaves_no_trace(tmp_path: Path, error: BaseException) -> None:
    """An error inside the block passes on and leaves an empty folder."""
    with pytest.raises(type(error)):
        _fail_midway(tmp_path / "rows.csv", error)

    assert os.listdir(tmp_path) == []


def test_an_error_keeps_the_old_file(tmp_path: Path) -> None:
    """A file that stood under the name survives an error unchanged."""
    path = tmp_path / "rows.csv"
    path.write_bytes(b"old")

    with pytest.raises(ValueError, match="no"):
        _fail_midway(path, ValueError("no"))

    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["rows.csv"]


def test_a_folder_in_the_way_is_an_error(tmp_path: Path) -> None:
    """When the name cannot be taken, the temporary file goes."""
    (tmp_path / "rows.csv").mkdir()

    with pytest.raises(OSError, match=r"rows\.csv"), replacing(tmp_path / "rows.csv"):
        pass

    assert os.listdir(tmp_path) == ["rows.csv"]


def test_writers_may_close_the_file(tmp_path: Path) -> None:
    """A writer that closes what it was given, as text wrappers do, changes nothing."""
    with replacing(tmp_path / "rows.csv") as file, io.TextIOWrapper(file, "utf-8") as text:
        text.write("é")

    assert (tmp_path / "rows.csv").read_text("utf-8") == "é"


def test_parquet_is_written_through_it(tmp_path: Path) -> None:
    """A Parquet writer takes the open file."""
    table = pa.table({"a": ["1"]})

    with replacing(tmp_path / "rows.parquet") as file:
        pq.write_table(table, file)

    assert pq.read_table(tmp_path / "rows.parquet").equals(table)


def test_a_killed_process_leaves_nothing_under_the_name(tmp_path: Path) -> None:
    """After kill -9 in the middle of writing, the old file stands there whole."""
    path = tmp_path / "rows.csv"
    path.write_bytes(b"old")
    program = (
        "import os, sys, pathlib\n"
        "from etl.files.atomic import replacing\n"
        "with replacing(pathlib.Path(sys.argv[1])) as file:\n"
        "    file.write(b'new' * 100000)\n"
        f"    os.kill(os.getpid(), {int(signal.SIGKILL)})\n"
    )

    ended = subprocess.run([sys.executable, "-c", program, str(path)], check=False)

    assert ended.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"


def test_a_folder_takes_its_name_as_a_whole(tmp_path: Path) -> None:
    """A folder stands under its name when the block ends, and the old one is gone then."""
    path = tmp_path / "people"
    for name in ("one", "two"):
        with replacing_folder(path) as folder:
            (folder / "inside").mkdir()
            (folder / "inside" / name).touch()
            assert not (path / "inside" / name).exists()
        assert os.listdir(path / "inside") == [name]

    assert os.listdir(tmp_path) == ["people"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_an_error_leaves_the_old_folder(tmp_path: Path) -> None:
    """An error inside the block passes on and leaves what was there."""
    path = tmp_path / "people"
    path.mkdir()
    (path / "old").touch()

    with pytest.raises(OSError, match="new"), replacing_folder(path) as folder:
        folder.joinpath("new", "none").touch()
    assert os.listdir(path) == ["old"]
    assert os.listdir(tmp_path) == ["people"]


def test_a_folder_that_cannot_be_moved_away(tmp_path: Path) -> None:
    """Where a file has the name, it stays."""
    (tmp_path / "people").write_text("mine")

    with pytest.raises(OSError, match="people"), replacing_folder(tmp_path / "people"):
        pass
    assert (tmp_path / "people").read_text() == "mine"
    assert os.listdir(tmp_path) == ["people"]


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    """The next file of the same name takes away what was left of it, and nothing of the living."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = tmp_path / f".partial-rows.csv-{ended.pid}-abc"
    living = tmp_path / f".partial-rows.csv-{os.getppid()}-abc"
    other = tmp_path / f".partial-other.csv-{ended.pid}-abc"
    for path in (left, living, other):
        path.touch()

    with replacing(tmp_path / "rows.csv"):
        pass

    assert {path.name for path in tmp_path.iterdir()} == {"rows.csv", living.name, other.name}
