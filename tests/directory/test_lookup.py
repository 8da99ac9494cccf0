"""Tests of reading the directory: searching and paging find the same, and never too little."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.config import Config, Dedupe
from etl.customers.normalize import email_key
from etl.directory.index import ROWS, Index
from etl.directory.lookup import (
    KEY_COLUMNS,
    Lookup,
    Way,
    choose,
    consult_ledger,
    read_directory,
)
from etl.errors import Unavailable
from etl.journal.ledger import Ledger, Written
from etl.square.client import SquareClient
from etl.stages.dedupe import decide
from tests.worlds import World, open_world

KEYS = tuple(KEY_COLUMNS.values())
Values = dict[str, str]

EMAILS = ("ada@example.com", "Ada@Example.com", "bob@example.com", "CYD@example.com")
PHONES = ("+14155550100", "(415) 555-0100", "415.555.0101", "+14155550102")
people = st.fixed_dictionaries(
    {},
    optional={
        "reference_id": st.sampled_from(["R1", "r1", "R2"]),
        "email_address": st.sampled_from(EMAILS),
        "phone_number": st.sampled_from(PHONES),
        "given_name": st.sampled_from(["Ada", "A.", "Bob"]),
        "family_name": st.sampled_from(["King", "Kíng"]),
    },
)
NATIONAL = {"(415) 555-0100": "+14155550100", "415.555.0101": "+14155550101"}


def client(world: World) -> SquareClient:
    """Return a client of the world's Square."""
    return world.square(Config()).connect(lambda call: None)


def row(number: int, values: Values, **known: Any) -> dict[str, Any]:
    """Return a source row as the index takes it."""
    phone = values.get("phone_number")
    return {
        **dict.fromkeys(ROWS.names),
        "row": number,
        "source_key": f"|k|{number}",
        "known_by": "",
        "decision": "",
        "held": False,
        "reference_id": values.get("reference_id"),
        "email": email_key(values.get("email_address")),
        "phone": NATIONAL.get(phone, phone) if phone else None,
        "given_name": values.get("given_name"),
        "family_name": values.get("family_name"),
        **known,
    }


@contextmanager
def opened(rows: Sequence[dict[str, Any]]) -> Iterator[Index]:
    """An index that holds these rows."""
    with tempfile.TemporaryDirectory() as folder:
        index = Index(Path(folder) / "directory.duckdb", "US")
        index.add_rows(pa.Table.from_pylist(list(rows), schema=ROWS))
        yield index
        index.close()


def read(
    world: World,
    index: Index,
    way: str,
    keys: Sequence[str] = KEYS,
    progress: Callable[[int], None] = lambda profiles: None,
) -> None:
    """Read the world's directory for the rows of an index."""
    kept = world.folder / "kept.duckdb"
    merchant, now, square = world.sandbox.merchant_id, world.time.now, client(world)
    read_directory(
        square,
        index,
        kept,
        "US",
        merchant,
        way,  # type: ignore[arg-type]
        keys,
        now,
        square.count_customers(),
        progress,
    )


def verdicts(world: World, rows: Sequence[Values], way: str, keys: Sequence[str]) -> list[Any]:
    """Return what is decided about the rows when the directory is read this way."""
    with opened([row(number, values) for number, values in enumerate(rows)]) as index:
        read(world, index, way, keys)
        decide(index, keys, Dedupe())
        return [
            {name: value for name, value in verdict.items() if name != "profile"}
            for verdict in index.decided()
        ]


def known_ids(index: Index) -> dict[int, str | None]:
    """Return which profile each row is known to be; rows known as none are strangers."""
    index.create_strangers(KEYS)
    strangers = {verdict["row"]: None for verdict in index.decided()}
    found = (each for component in index.components() for each in component.rows)
    return strangers | {each["row"]: each["customer_id"] for each in found}


@settings(derandomize=True, deadline=None, max_examples=15)
@given(
    st.lists(people.filter(bool), max_size=6),
    st.lists(people, min_size=1, max_size=6),
    st.sampled_from([KEYS, KEYS, ("email",), ("reference_id", "phone")]),
)
def test_searching_and_paging_decide_alike(
    profiles: list[Values], rows: list[Values], keys: tuple[str, ...]
) -> None:
    """Which way the directory was read makes no difference to any verdict."""
    with tempfile.TemporaryDirectory() as folder:
        world = open_world(Path(folder))
        for profile in profiles:
            if profile.keys() != {"reference_id"}:
                world.create(**profile)

        searched = verdicts(world, rows, "search", keys)

        assert searched == verdicts(world, rows, "snapshot", keys)
        assert [verdict["row"] for verdict in searched] == list(range(len(rows)))
        world.close()


def test_the_cheapest_way_is_chosen() -> None:
    """The way with fewest calls is taken and says what each takes in calls and time."""
    snapshot = Way("snapshot", 11, "a snapshot of 1,010 profiles in 11 calls")
    few, many = Way("search", 10, "10 searches"), Way("search", 5000, "5,000 searches")
    kept = Way("index", 2, "the copy kept")

    assert choose("auto", [snapshot, few], 0.1).way == "search"
    assert choose("auto", [snapshot, many], 0.1).way == "snapshot"
    assert choose("auto", [kept, snapshot, few], 0.1).way == "index"
    assert choose("index", [snapshot, few], 0.1).way == "snapshot"
    asked: tuple[Lookup, ...] = ("search", "snapshot", "index")
    for way in asked:
        chosen = choose(way, [kept, snapshot, many], 0.1)
        assert chosen.way == way
        assert "a snapshot of 1,010 profiles in 11 calls, 1.1 s" in chosen.told
        assert "5,000 searches, 500.0 s" in chosen.told
        assert "the copy kept, 0.2 s" in chosen.told


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world whose searches and lists are a minute behind."""
    world = open_world(tmp_path, lag=60)
    world.state.prepare()
    yield world
    world.close()


@pytest.mark.parametrize("way", ["search", "snapshot"])
def test_a_failed_lookup_raises(world: World, way: str) -> None:
    """When any page or search stays without an answer, nothing counts as not found."""
    rows = [row(n, {"email_address": f"e{n}@example.com"}) for n in range(3)]
    endpoint = "search" if way == "search" else "list"
    fault = {"endpoint": endpoint, "rate": 1.0, "do": "status", "status": 500}
    world.faults(fault)

    with opened(rows) as index, pytest.raises(Unavailable):
        read(world, index, way)


def test_progress_counts_profiles(world: World) -> None:
    """Who waits hears of each page how many profiles it held."""
    for number in range(120):
        world.create(given_name=f"P{number}")
    world.time.now += 100
    heard: list[int] = []

    with opened([row(0, {"reference_id": "R1"})]) as index:
        read(world, index, "snapshot", progress=heard.append)

    assert sum(heard) == 120


def test_the_ledger_is_consulted_beside_the_directory(world: World) -> None:
    """What we wrote to a customer is found by each of its keys before search shows it."""
    ids = [world.create(**values) for values in ({"given_name": name} for name in "ABC")]
    with closing(Ledger(world.state.ledger, world.sandbox.merchant_id)) as ledger:
        ledger.wrote(
            [
                Written(ids[0], 0, "R1", None, None),
                Written(ids[1], 0, None, "b@example.com", None),
                Written(ids[2], 0, None, None, "+14155550100"),
            ]
        )
        values = {"reference_id": "R1", "email_address": "b@example.com"}
        with opened([row(0, values), row(1, {"phone_number": "+14155550100"})]) as index:
            consult_ledger(client(world), index, ledger, KEYS, {})
            asked = [json.loads(sent.content)["customer_ids"] for sent in world.sent]
            assert [sorted(each) for each in asked] == [sorted(ids)]
            world.sent.clear()
            consult_ledger(client(world), index, ledger, KEYS, {})

    assert world.sent == []


def test_known_customers_are_followed(world: World) -> None:
    """Known ids are read by id: merged ones become the survivor's, deleted ones are forgotten."""
    stays, merged, other, gone = (world.create(given_name=name) for name in "ABCD")
    survivor = world.merge(merged, other)
    world.delete(gone)
    rows = [
        row(number, {}, customer_id=id, known_by="crosswalk")
        for number, id in enumerate((stays, merged, gone))
    ]
    with closing(Ledger(world.state.ledger, world.sandbox.merchant_id)) as ledger:
        ledger.wrote(Written(id, 0, None, None, None) for id in (stays, merged, gone))
        with opened(rows) as index:
            moved = consult_ledger(client(world), index, ledger, KEYS, {})
            known = known_ids(index)
        ledger.follow(moved)
        kept = {entry.customer_id for page in ledger.written() for entry in page}

    assert known == {0: stays, 1: survivor, 2: None}
    assert kept == {stays}


def test_many_known_customers_are_followed(world: World) -> None:
    """However many ids are asked for, each row's id is settled, page after page."""
    ids = [world.create(given_name=f"P{number}") for number in range(30)]
    survivors = {id: world.merge(id, world.create(given_name="X")) for id in ids}
    unknown = [f"GONE{number:04}" for number in range(1200)]
    everyone = random.Random(5).sample([*ids, *unknown], 1230)
    rows = [
        row(number, {}, customer_id=id, known_by="crosswalk") for number, id in enumerate(everyone)
    ]
    with (
        closing(Ledger(world.state.ledger, world.sandbox.merchant_id)) as ledger,
        opened(rows) as index,
    ):
        consult_ledger(client(world), index, ledger, KEYS, {})
        known = known_ids(index)

    assert known == {number: survivors.get(id) for number, id in enumerate(everyone)}
