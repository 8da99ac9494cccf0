"""The names for scripts: what a notebook or a job written in Python uses."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import etl

FRAME = pd.DataFrame(
    {
        "First name": ["Ada", "Lin"],
        "Email": ["ada@example.com", "lin@example.org"],
        "Phone": ["+14155550148", None],
    }
)


def test_a_frame_is_a_source(tmp_path: Path) -> None:
    """The rows of a frame import like those of a file, and leave no copy of it behind."""
    state = tmp_path / "state"
    report = etl.import_customers(FRAME, state_dir=state)
    assert (report["rows"]["created"], report["exit_code"]) == (2, 0)
    assert not list(state.rglob("frame.parquet"))
    again = etl.import_customers(FRAME, state_dir=state)
    assert again["rows"]["unchanged"] == 2


def test_several_merchants(tmp_path: Path) -> None:
    """A script imports for several merchants as the command does, and gets the summary."""
    FRAME.to_csv(tmp_path / "people.csv", index=False)
    tables = "".join(
        f'[[merchants]]\nname = "{name}"\nsources = ["people.csv"]\n' for name in ("north", "south")
    )
    (tmp_path / "merchants.toml").write_text(tables)
    report = etl.import_matrix(tmp_path / "merchants.toml", state_dir=tmp_path / "state", canary=1)
    assert (report["exit_code"], report["rows"]["created"]) == (0, 4)
    for told in report["merchants"]:
        ledger = etl.read_ledger(Path(told["report"]).parent)
        assert ledger["outcome"].tolist() == ["created", "created"]
    with pytest.raises(etl.EtlError, match="cannot read"):
        etl.import_matrix(tmp_path / "nowhere.toml", state_dir=tmp_path / "state")


def test_the_ledger_is_a_frame(tmp_path: Path) -> None:
    """A run's ledger reads as a frame with one line per source row, in order."""
    state = tmp_path / "state"
    report = etl.import_customers(FRAME, state_dir=state)
    ledger = etl.read_ledger(state / "runs" / report["run_id"])
    assert ledger["line"].tolist() == [1, 2]
    assert ledger["outcome"].tolist() == ["created", "created"]
    assert ledger["customer_id"].str.len().tolist() == [26, 26]
    assert ledger["duplicate_of"].tolist() == ["", ""]


def test_plan_and_validate(tmp_path: Path) -> None:
    """Planning and validating take what importing takes, and write nothing to Square."""
    state = tmp_path / "state"
    assert etl.plan_import(FRAME, state_dir=state)["planned"]["creates"] == 2
    bad = FRAME.assign(Email=pd.Series(["nobody", None]))
    report = etl.validate(bad, state_dir=state)
    assert report["reasons"] == {"INVALID_EMAIL_ADDRESS": {"email_address": 1}}
    assert etl.import_customers(FRAME, state_dir=state)["rows"]["created"] == 2


def test_the_engine_is_chosen_as_in_the_command(tmp_path: Path) -> None:
    """What there is and what goes together is the same; the answer is too."""
    state = tmp_path / "state"
    asked: dict[str, Any] = {"state_dir": state, "engine": "processes", "workers": 2}
    plan = etl.plan_import(FRAME, **asked)
    assert etl.validate(FRAME, **asked)["rows"]["pending"] == 2
    assert etl.apply_plan(plan["run_id"], **asked)["rows"]["created"] == 2
    assert etl.import_customers(FRAME, **asked)["rows"]["unchanged"] == 2
    with pytest.raises(etl.EtlError, match="there is no engine 'spark'"):
        etl.validate(FRAME, state_dir=state, engine="spark")


def test_numbers_in_a_text_field_are_refused(tmp_path: Path) -> None:
    """A frame that made a phone column into floats is refused: its digits cannot be trusted."""
    frame = FRAME.assign(Phone=[4155550148.0, float("nan")])
    with pytest.raises(etl.EtlError, match="Phone"):
        etl.import_customers(frame, state_dir=tmp_path / "state")


def test_public_names() -> None:
    """Every public name can be had from the package, and importing it alone loads nothing heavy."""
    for name in etl.__all__:
        assert getattr(etl, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        etl.nothing  # noqa: B018
    code = "import etl, sys; print(any(m in sys.modules for m in ('pandas', 'pyarrow')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_directory_is_a_frame(tmp_path: Path) -> None:
    """The directory reads as a typed frame and leaves no copy of it behind."""
    state = tmp_path / "state"
    etl.import_customers(FRAME, state_dir=state)
    people = etl.read_directory(state_dir=state).set_index("given_name")
    assert people.loc["Ada", "phone_number"] == "+14155550148"
    assert people["phone_number"].isna().to_dict() == {"Ada": False, "Lin": True}
    assert str(people["created_at"].dtype) == "datetime64[us, UTC]"
    assert str(people["version"].dtype) == "Int64"
    some = etl.read_directory(state_dir=state, columns=("id",), where="given_name = 'Lin'")
    assert some.shape == (1, 1)
    assert not list(state.rglob("directory.parquet"))


def test_killed_while_a_frame_is_made(tmp_path: Path) -> None:
    """What a killed script left of people's data is gone once the next one is at work."""
    state = tmp_path / "state"
    etl.import_customers(FRAME, state_dir=state)
    script = f"""
import os, signal, threading
from pathlib import Path
import etl

def watch():
    while not list(Path({str(state)!r}).rglob("*.parquet")):
        pass
    os.kill(os.getpid(), signal.SIGKILL)

threading.Thread(target=watch, daemon=True).start()
while True:
    etl.read_directory(state_dir={str(state)!r})
"""
    done = subprocess.run([sys.executable, "-c", script])
    assert done.returncode == -signal.SIGKILL
    assert list(state.rglob("*directory.parquet*"))
    assert len(etl.read_directory(state_dir=state)) == 2
    assert not list(state.rglob("*directory.parquet*"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"attributes": {}}, "attributes takes several: give a list"),
        ({"mask": "email"}, "mask takes several: give a list"),
        ({"sample": "3"}, "sample: Input should be a valid integer"),
        ({"email": b"a@example.com"}, "email: Input should be a valid string"),
        ({"raw": "yes"}, "raw: Input should be a valid boolean"),
        ({"where": "id = '\0'"}, "where holds a NUL"),
        ({"colums": ["id"]}, "there is no option 'colums'"),
    ],
)
def test_options_of_another_type(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    """Options that a script gives are checked before anything is done."""
    with pytest.raises(etl.EtlError, match=said):
        etl.export_customers(tmp_path / "out.csv", state_dir=tmp_path / "state", **options)
    assert not list(tmp_path.iterdir())


def test_a_name_with_a_nul(tmp_path: Path) -> None:
    """No file system has such names; a script is told so."""
    with pytest.raises(etl.EtlError, match="DEST holds a NUL"):
        etl.export_customers(str(tmp_path / "out\0.csv"), state_dir=tmp_path / "state")
    with pytest.raises(etl.EtlError, match="cannot use the state folder"):
        etl.export_customers(tmp_path / "out.csv", state_dir=str(tmp_path / "st\0ate"))


def test_an_export_is_called_as_the_command_is(tmp_path: Path) -> None:
    """Options are those of the command; the manifest says where the file is."""
    state = tmp_path / "state"
    etl.import_customers(FRAME, state_dir=state)
    told = etl.export_customers(tmp_path / "out.csv", state_dir=state, mask=("email",), bom=True)
    assert (told["rows"], told["exit_code"], told["manifest"]) == (
        2,
        0,
        str(tmp_path / "out.csv.manifest.json"),
    )
    assert "ada@example.com" not in (tmp_path / "out.csv").read_text("utf-8-sig")
