"""Tests of the state folder: where runs lie, and which of them are unfinished."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from etl.errors import StateError
from etl.journal.journal import Journal
from etl.journal.state import JOURNAL, State
from tests.journal.test_journal import RUN


@pytest.fixture
def state(tmp_path: Path) -> State:
    """A state folder that was just made."""
    state = State(tmp_path / "deep" / "state")
    state.prepare()
    return state


def begin(state: State, run_id: str, **facts: str) -> Path:
    """Begin a run with some other facts."""
    folder = state.begin(run_id, None)
    noted = {name: facts.pop(name) for name in ("stage", "reported") if name in facts}
    run = replace(RUN, run_id=run_id, **facts)  # type: ignore[arg-type]
    journal = Journal.create(folder / JOURNAL, run, [])
    if noted:
        journal.note(**noted)
    journal.close()
    return folder


def test_folders_are_private(state: State) -> None:
    """The state folder and what is in it are their owner's alone, and may be made twice."""
    folder = state.begin("20260820T020000Z-0001", None)
    state.prepare()

    assert {path.stat().st_mode & 0o777 for path in (state.folder, state.runs, folder)} == {0o700}


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """A state folder that cannot be is a StateError with the way out."""
    (tmp_path / "file").write_text("")

    with pytest.raises(StateError, match="--state-dir"):
        State(tmp_path / "file" / "state").prepare()


def test_a_run_may_lie_elsewhere(state: State, tmp_path: Path) -> None:
    """A run kept in a folder of its own is found like the others, once it holds no run yet."""
    elsewhere = tmp_path / "mine"

    folder = state.begin("20260820T020000Z-0001", elsewhere)
    Journal.create(folder / JOURNAL, RUN, []).close()

    assert (elsewhere / JOURNAL).is_file()
    assert state.run_folder("20260820").resolve() == elsewhere.resolve()
    with pytest.raises(StateError, match="holds a run already"):
        state.begin("20260820T020000Z-0002", elsewhere)
    state.discard("20260820T020000Z-0001")
    assert not (elsewhere / JOURNAL).exists()
    assert state.begin("20260820T020000Z-0002", elsewhere).resolve() == elsewhere.resolve()


def test_runs_are_named_by_a_beginning(state: State) -> None:
    """A beginning that only one run has names it; a full name wins over longer ones."""
    for run_id in ("20260820T020000Z-0001", "20260820T020000Z-00012", "20260821T020000Z-0001"):
        state.begin(run_id, None)

    assert state.run_folder("20260821").name == "20260821T020000Z-0001"
    assert state.run_folder("20260820T020000Z-0001").name == "20260820T020000Z-0001"
    with pytest.raises(StateError, match="several runs begin with 2026"):
        state.run_folder("2026")
    with pytest.raises(StateError, match="there is no run 1999"):
        state.run_folder("1999")


def test_unfinished_runs_are_found_newest_first(state: State) -> None:
    """Imports that are not finished and have the facts asked for are found, newest first."""
    older = begin(state, "20260818T020000Z-0001", stage="load")
    begin(state, "20260819T020000Z-0001", stage="done", reported="2026-08-19T02:09:00Z")
    newer = begin(state, "20260820T020000Z-0001", stage="verify")
    begin(state, "20260821T020000Z-0001", command="plan")
    other = begin(state, "20260822T020000Z-0001", merchant_id="OTHER")
    state.begin("20260823T020000Z-0001", None)

    assert list(state.unfinished()) == [other, newer, older]
    assert list(state.unfinished(merchant_id="MERCHANT")) == [newer, older]
    assert list(state.unfinished(merchant_id="NOBODY")) == []


def test_no_runs_yet(tmp_path: Path) -> None:
    """A state folder that does not exist holds no runs."""
    assert list(State(tmp_path / "nowhere").unfinished()) == []
