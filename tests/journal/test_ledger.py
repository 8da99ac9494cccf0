"""Tests of the ledger: what all runs remember, for each merchant alone."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from etl.errors import StateError
from etl.journal.ledger import Ledger, Written

ADA = Written("A", 3, "R1", "ada@example.com", "+14155550100")
BOB = Written("B", 0, None, "bob@example.com", "+14155550100")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """An empty ledger of merchant M."""
    with closing(Ledger(tmp_path / "ledger.sqlite", "M")) as ledger:
        yield ledger


def test_the_crosswalk_keeps_the_last_word(ledger: Ledger) -> None:
    """A source key leads where it went last; unknown keys are left out."""
    ledger.remember([("k1", "A"), ("k2", "")])
    ledger.remember([("k1", "B")])

    assert ledger.known(["k1", "k2", "k3"]) == {"k1": "B", "k2": ""}


def test_what_was_written_is_remembered(ledger: Ledger) -> None:
    """A later write adds to what is known of a customer; a key it lacks stays."""
    ledger.wrote([ADA, BOB])
    ledger.wrote([Written("A", 7, None, "new@example.com", None)])

    assert sorted(itertools.chain(*ledger.written())) == [
        ADA._replace(version=7, email="new@example.com"),
        BOB,
    ]


def test_customers_can_be_forgotten(ledger: Ledger) -> None:
    """What was written to a customer that is gone leads nowhere any more."""
    ledger.wrote([ADA, BOB])
    ledger.follow({"A": None})

    assert list(ledger.written()) == [[BOB]]


def test_source_keys_follow_merges(ledger: Ledger) -> None:
    """Keys of a customer that was merged lead to the survivor; of one that is gone, where they did.

    What was written to either is forgotten.
    """
    ledger.remember([("k1", "A"), ("k2", "A"), ("k3", "B"), ("k4", "C")])
    ledger.wrote([ADA, BOB])
    for _ in range(2):
        ledger.follow({"A": "S", "B": None})

    assert ledger.known(["k1", "k2", "k3", "k4"]) == {"k1": "S", "k2": "S", "k3": "B", "k4": "C"}
    assert list(ledger.written()) == []


def test_a_decision_outlives_a_hold(ledger: Ledger) -> None:
    """Holding a row again does not take back what was decided; deciding again does."""
    ledger.hold(["k1", "k2"])
    ledger.decide([("k1", "create")])
    ledger.hold(["k1"])
    assert ledger.reviews(["k1", "k2", "k3"]) == {"k1": "create", "k2": ""}

    ledger.decide([("k1", "skip")])
    assert ledger.reviews(["k1"]) == {"k1": "skip"}


def test_any_number_of_keys_may_be_asked_for(ledger: Ledger) -> None:
    """More keys than one statement takes are asked for in parts."""
    keys = [f"k{number}" for number in range(1201)]
    with ledger.transaction():
        ledger.remember((key, key) for key in keys)

    assert ledger.known(keys) == {key: key for key in keys}
    assert ledger.known([]) == {}


def test_merchants_do_not_see_each_other(tmp_path: Path) -> None:
    """Two merchants share a file and nothing else."""
    with (
        closing(Ledger(tmp_path / "ledger.sqlite", "M")) as one,
        closing(Ledger(tmp_path / "ledger.sqlite", "N")) as two,
    ):
        one.remember([("k", "A")])
        one.wrote([ADA])
        one.decide([("k", "skip")])

        assert two.known(["k"]) == {}
        assert list(two.written()) == []
        assert two.reviews(["k"]) == {}
        two.follow({"A": None})
        assert list(one.written()) == [[ADA]]


def test_everything_is_there_after_reopening(tmp_path: Path) -> None:
    """The ledger is durable and its owner's alone."""
    path = tmp_path / "ledger.sqlite"
    with closing(Ledger(path, "M")) as ledger, ledger.transaction():
        ledger.remember([("k", "A")])

    with closing(Ledger(path, "M")) as again:
        assert again.known(["k"]) == {"k": "A"}
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_transaction_is_all_or_nothing(ledger: Ledger) -> None:
    """What a broken transaction noted is gone."""

    def broken() -> None:
        with ledger.transaction():
            ledger.hold(["k"])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken()
    assert ledger.reviews(["k"]) == {}


def test_a_damaged_ledger_is_told(tmp_path: Path) -> None:
    """A file that is no ledger is a StateError that names it."""
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"not a database, but long enough to be taken for one" * 50)

    with pytest.raises(StateError, match=r"ledger\.sqlite is not a usable ledger"):
        Ledger(path, "M")


def test_another_version_is_told(tmp_path: Path) -> None:
    """A ledger of another version is refused and left as it is."""
    path = tmp_path / "ledger.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 99")

    with pytest.raises(StateError, match="another version"):
        Ledger(path, "M")


def test_what_was_deleted_again(ledger: Ledger) -> None:
    """Source keys of profiles that are no more lead nowhere; doing it again changes nothing."""
    ledger.remember([("a", "X"), ("b", "X"), ("c", "Y")])
    ledger.wrote([Written("X", 3, None, "a@example.com", None)])
    ledger.hold(["k", "l"])
    ledger.decide([("k", "X"), ("l", "Y")])
    for _ in range(2):
        ledger.undone([("X", "k"), ("Y2", "l")])
    assert ledger.known(["a", "b", "c"]) == {"a": "", "b": "", "c": "Y"}
    assert ledger.reviews(["k", "l"]) == {"k": "create", "l": "Y"}
    (page,) = ledger.written()
    assert page[0].email is None  # nobody's rows lead to it any more
    assert page[0].version > 10**9
    ledger.follow({"X": None})
    assert list(ledger.written()) == [page]


def test_a_ledger_of_the_first_release_is_taken_over(tmp_path: Path) -> None:
    """What it knows stays; of what was written to single fields it knows nothing yet."""
    path = tmp_path / "ledger.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.executescript(
            "CREATE TABLE written (merchant TEXT, customer_id TEXT, version INTEGER NOT NULL, "
            "reference_id TEXT, email TEXT, phone TEXT, PRIMARY KEY (merchant, customer_id)) "
            "WITHOUT ROWID; CREATE TABLE crosswalk (merchant TEXT, source_key TEXT, "
            "customer_id TEXT NOT NULL, generation INTEGER NOT NULL, "
            "PRIMARY KEY (merchant, source_key)) WITHOUT ROWID; "
            "INSERT INTO written VALUES ('M', 'C', 3, 'R', NULL, NULL); "
            "PRAGMA user_version = 1;"
        )
    for _ in range(2):
        with closing(Ledger(path, "M")) as ledger:
            ((old,),) = ledger.written()
    assert old == Written("C", 3, "R", None, None)

    with closing(Ledger(path, "M")) as ledger:
        ledger.wrote([Written("C", 4, None, None, None, '{"note":"a","nickname":"b"}')])
        ledger.wrote([Written("C", 5, None, None, None, '{"note":"c"}')])
        ((new,),) = ledger.written()
    assert new == Written("C", 5, "R", None, None, '{"note":"c","nickname":"b"}')
