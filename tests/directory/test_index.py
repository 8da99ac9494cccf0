"""Tests of the index: who has anything to do with whom, however long the chain."""

from __future__ import annotations

import random
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.directory.index import ROWS, VERDICTS, WRITTEN, Index
from etl.directory.kept import Kept

KEYS = ("reference_id", "email", "phone")
Thing = dict[str, Any]


@contextmanager
def opened() -> Iterator[Index]:
    """An empty index of a US merchant."""
    with tempfile.TemporaryDirectory() as folder:
        index = Index(Path(folder) / "directory.duckdb", "US")
        yield index
        index.close()


def row(number: int, **known: Any) -> Thing:
    """Return a row of the index; what is not said is unknown."""
    nothing: Thing = dict.fromkeys(ROWS.names)
    texts = {"source_key": f"|k|{number}", "known_by": "", "decision": ""}
    return {
        **nothing,
        **texts,
        "row": number,
        "held": False,
        **known,
    }


def add(index: Index, rows: Iterable[Thing], profiles: Iterable[Thing] = ()) -> None:
    """Fill an index."""
    index.add_rows(pa.Table.from_pylist(list(rows), schema=ROWS))
    index.add_profiles(profiles)


def groups(index: Index, keys: Sequence[str] = KEYS) -> set[frozenset[Any]]:
    """Return the components: numbers of rows and ids of profiles that belong together."""
    index.create_strangers(keys)
    together: dict[int, set[Any]] = defaultdict(set)
    strangers = {frozenset({found["row"]}) for found in index.decided()}
    for component in index.components():
        for found in component.rows:
            together[found["label"]].add(found["row"])
        for found in component.profiles:
            together[found["label"]].add(found["id"])
    return strangers | {frozenset(group) for group in together.values()}


def expected(
    rows: Sequence[Thing], profiles: Sequence[Thing], keys: Sequence[str] = KEYS
) -> set[frozenset[Any]]:
    """Return the components by a plain union-find over whatever a row shares."""
    parent: dict[Any, Any] = {}

    def find(thing: Any) -> Any:
        while parent.setdefault(thing, thing) != thing:
            thing = parent[thing]
        return thing

    spelt = {"reference_id": "reference_id", "email": "email_address", "phone": "phone_number"}
    asked = {(key, each[key]) for each in rows for key in keys if each[key]}
    asked |= {("id", each["customer_id"]) for each in rows if each["customer_id"]}
    for each in rows:
        find(each["row"])
        for key in keys:
            if each[key]:
                parent[find((key, each[key]))] = find(each["row"])
        if each["customer_id"]:
            parent[find(("id", each["customer_id"]))] = find(each["row"])
    for profile in profiles:
        shared = [(key, profile.get(spelt[key])) for key in keys]
        for value in [*shared, ("id", profile["id"])]:
            if value in asked:
                parent[find(value)] = find(profile["id"])
    found: dict[Any, set[Any]] = defaultdict(set)
    names = [each["row"] for each in rows] + [each["id"] for each in profiles]
    for name in names:
        if name in parent:
            found[find(name)].add(name)
    return {frozenset(group) for group in found.values()}


def values(letter: str, number: int) -> st.SearchStrategy[str | None]:
    """Return a few values of a kind, or none."""
    return st.sampled_from([None, *(f"{letter}{n}" for n in range(number))])


PHONES = st.sampled_from([None, *(f"+1415555010{n}" for n in range(6))])


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[Thing], list[Thing]]:
    """Draw some rows and profiles that share a few keys."""
    rows = [
        row(
            number,
            reference_id=draw(values("r", 6)),
            email=draw(values("e", 8)),
            phone=draw(PHONES),
            customer_id=draw(values("C", 12)),
        )
        for number in range(draw(st.integers(1, 12)))
    ]
    profiles: list[Thing] = []
    for number in range(draw(st.integers(0, 8))):
        profile = {
            "id": f"C{number}",
            "reference_id": draw(values("r", 6)),
            "email_address": draw(values("e", 8)),
            "phone_number": draw(PHONES),
        }
        profiles.append({name: value for name, value in profile.items() if value is not None})
    return rows, profiles


@settings(derandomize=True, deadline=None, max_examples=15)
@given(worlds(), st.sampled_from([KEYS, ("email",), ("reference_id", "phone")]), st.randoms())
def test_components_are_those_of_a_union_find(
    world: tuple[list[Thing], list[Thing]], keys: tuple[str, ...], chance: random.Random
) -> None:
    """Whatever is shared with a row joins, nothing else does, in whatever order it was added."""
    rows, profiles = world
    shuffled = chance.sample(rows, len(rows)), chance.sample(profiles, len(profiles))

    with opened() as index:
        add(index, *shuffled)
        assert groups(index, keys) == expected(rows, profiles, keys)


def test_a_chain_of_any_length_is_one_component() -> None:
    """A thousand rows, each sharing something with the next alone, belong together."""
    rows = []
    for number in range(1000):
        link = {"email": f"e{number // 2}"}
        if number % 2:
            link["phone"] = f"p{number // 2}"
        elif number:
            link["phone"] = f"p{number // 2 - 1}"
        rows.append(row(number, **link))
    random.Random(3).shuffle(rows)

    with opened() as index:
        add(index, rows)
        assert groups(index) == {frozenset(range(1000))}


def test_components_are_never_cut() -> None:
    """A component larger than a buffer comes in one piece, its profiles with it."""
    big = [row(number, email="all@example.com") for number in range(100, 11_100)]
    small = [row(number, email=f"e{number}@example.com") for number in range(100)]
    profiles = [
        {"id": f"C{number}", "email_address": f"e{number}@example.com"} for number in range(100)
    ] + [{"id": "ALL", "email_address": "ALL@example.com"}]

    with opened() as index:
        add(index, [*big, *small], profiles)
        index.create_strangers(["email"])
        pieces = list(index.components())

    seen = [found["row"] for piece in pieces for found in piece.rows]
    assert sorted(seen) == list(range(11_100))
    for piece in pieces:
        emails = {found["email"] for found in piece.rows}
        assert {found["email"] for found in piece.profiles} == emails
    assert sum("ALL" in {found["id"] for found in piece.profiles} for piece in pieces) == 1


def test_profiles_alone_join_nobody() -> None:
    """A key that only profiles share does not lead from a row to the next profile."""
    profiles = [
        {"id": "A", "email_address": "a@example.com", "phone_number": "+14155550100"},
        {"id": "B", "phone_number": "+14155550100"},
    ]

    with opened() as index:
        add(index, [row(0, email="a@example.com")], profiles)
        assert groups(index) == {frozenset({0, "A"})}


def test_spellings_of_profiles_are_one_key() -> None:
    """Profiles are found by their canonical email and phone."""
    profile = {"id": "A", "email_address": "Ada@Example.COM", "phone_number": "(415) 555-0100"}

    with opened() as index:
        add(index, [row(0, phone="+14155550100"), row(1, email="ada@example.com")], [profile])
        assert groups(index) == {frozenset({0, 1, "A"})}


def test_rows_without_any_key_join_their_twins() -> None:
    """Rows known by a digest alone are together with those of the same digest."""
    keys = ["|digest|a", "|digest|b", "|digest|a"]
    rows = [row(number, source_key=key) for number, key in enumerate(keys)]

    with opened() as index:
        add(index, rows)
        assert groups(index) == {frozenset({0, 2}), frozenset({1})}


def stale(index: Index, keys: Sequence[str]) -> list[str]:
    """Return all ids that have to be read again."""
    return [id for page in index.stale(keys) for id in page]


def writing(id: str, version: int, **keys: str) -> pa.Table:
    """Return what the ledger tells of one customer."""
    return pa.Table.from_pylist([{"customer_id": id, "version": version, **keys}], schema=WRITTEN)


def test_a_later_profile_replaces_the_earlier() -> None:
    """The same id again is the same profile, as it was told last, within a page and across."""
    rows = [row(number, customer_id=id, known_by="id") for number, id in enumerate("ABC")]
    with opened() as index:
        add(index, rows, [{"id": "A", "version": 1}, {"id": "A", "version": 2}])
        index.add_profiles([{"id": "A", "version": 3}, {"id": "B", "version": 0}])
        assert stale(index, KEYS) == ["C"]
        index.drop_profiles(["A"])
        assert stale(index, KEYS) == ["A", "C"]


@pytest.mark.parametrize(("written", "expected"), [(2, []), (3, []), (4, ["A"])])
def test_a_profile_older_than_our_write_is_stale(written: int, expected: list[str]) -> None:
    """A profile that is told in an older version than we wrote has to be read again."""
    with opened() as index:
        add(index, [], [{"id": "A", "version": 3}])
        index.add_written(writing("A", written))
        assert stale(index, KEYS) == expected


def test_what_we_wrote_under_a_key_of_a_row_is_read() -> None:
    """A customer we wrote and the directory does not show is read if a row has one of its keys."""
    with opened() as index:
        add(index, [row(0, email="a@example.com")])
        index.add_written(writing("A", 0, email="a@example.com"))
        index.add_written(writing("B", 0, email="b@example.com"))
        assert stale(index, KEYS) == ["A"]
        assert stale(index, ["phone"]) == []


def test_distinct_values_come_in_order() -> None:
    """Each value of a column once, in order, a thousand at a time; counted over columns."""
    emails = [f"e{number:04}@example.com" for number in range(1500)]
    rows = [row(n, email=email, phone="p") for n, email in enumerate([*emails, *emails[:10]])]

    with opened() as index:
        add(index, rows)
        assert [len(part) for part in index.distinct("email")] == [1000, 500]
        assert [email for part in index.distinct("email") for email in part] == emails
        assert list(index.distinct("reference_id")) == []
        assert index.count_distinct(["email", "phone", "reference_id"]) == 1501


def test_known_profiles_are_resolved() -> None:
    """A merged id becomes the survivor's; a lost one is forgotten, unless it is the row's own."""
    email = "all@example.com"
    rows = [
        row(0, email=email, customer_id="OLD", known_by="crosswalk"),
        row(1, email=email, customer_id="GONE", known_by="crosswalk"),
        row(2, email=email, customer_id="GONE", known_by="id"),
        row(3, email=email, customer_id="GONE", known_by="decision"),
        row(4, email=email, customer_id="SAME", known_by="crosswalk"),
    ]
    with opened() as index:
        add(index, rows)
        index.resolve({"OLD": "NEW", "GONE": None})
        index.create_strangers(KEYS)
        (component,) = index.components()

    names = ("row", "customer_id", "known_by")
    assert [tuple(each[name] for name in names) for each in component.rows] == [
        (0, "NEW", "crosswalk"),
        (1, None, ""),
        (2, None, "id"),
        (3, None, "decision"),
        (4, "SAME", "crosswalk"),
    ]


def test_strangers_are_new() -> None:
    """A row that shares nothing with anybody is created; no other row is decided on here."""
    rows = [
        row(0, email="alone@example.com"),
        row(1, email="both@example.com"),
        row(2, email="both@example.com"),
        row(3, phone="+14155550100"),
        row(4, held=True),
        row(5, known_by="id"),
        row(6, customer_id="A", known_by="crosswalk"),
    ]
    profiles = [{"id": "A"}, {"id": "B", "phone_number": "+14155550100"}]
    with opened() as index:
        add(index, rows, profiles)
        index.create_strangers(KEYS)
        (verdict,) = index.decided()
        others = [found["row"] for piece in index.components() for found in piece.rows]

    told = {name: verdict[name] for name in ("row", "action", "members")}
    assert told == {"row": 0, "action": "create", "members": [0]}
    assert sorted(others) == [1, 2, 3, 4, 5, 6]


def test_verdicts_come_in_row_order_with_their_profile() -> None:
    """Verdicts are told in row order; a match carries its profile, every other none."""
    nothing = dict.fromkeys(VERDICTS.names)
    verdicts = [
        {**nothing, "row": 2, "action": "create"},
        {**nothing, "row": 0, "action": "match", "customer_id": "A"},
        {**nothing, "row": 1, "action": "duplicate", "customer_id": "A"},
    ]
    with opened() as index:
        add(index, [row(n) for n in range(3)], [{"id": "A", "note": "n"}])
        index.add_verdicts(pa.Table.from_pylist(verdicts, schema=VERDICTS))
        found = [(v["row"], v["source_key"], v["profile"]) for v in index.decided()]

    assert found == [
        (0, "|k|0", '{"id":"A","note":"n"}'),
        (1, "|k|1", None),
        (2, "|k|2", None),
    ]


def test_the_file_is_private_and_begins_empty(tmp_path: Path) -> None:
    """The copy is its owner's alone, and what an earlier one left does not count."""
    path = tmp_path / "directory.duckdb"
    path.write_bytes(b"rubbish of a killed run")

    index = Index(path, "US")

    assert path.stat().st_mode & 0o777 == 0o600
    assert index.count_distinct(["email"]) == 0
    index.close()


def test_what_is_put_in_order_may_be_larger_than_memory() -> None:
    """Long notes of many profiles come beside their rows in order, though memory holds fewer."""
    number = 70_000
    note = "x" * 4000
    with opened() as index:
        for start in range(0, number, 10_000):
            ids = range(start, start + 10_000)
            add(
                index,
                (row(i, reference_id=f"R{i}") for i in ids),
                ({"id": f"C{i}", "reference_id": f"R{i}", "note": note} for i in reversed(ids)),
            )
        index.create_strangers(KEYS)
        found = [
            {
                **dict.fromkeys(VERDICTS.names),
                "row": row["row"],
                "action": "match",
                "customer_id": profile["id"],
            }
            for component in index.components()
            for row, profile in zip(component.rows, component.profiles, strict=True)
        ]
        index.add_verdicts(pa.Table.from_pylist(found[::-1], schema=VERDICTS))
        decided = [
            (verdict["row"], verdict["customer_id"], len(verdict["profile"]) > 4000)
            for verdict in index.decided()
        ]

    assert decided == [(i, f"C{i}", True) for i in range(number)]


def test_profiles_found_before_are_taken_once(tmp_path: Path) -> None:
    """A search that was given up half way leaves nobody twice beside the copy."""
    person = {"id": "C1", "version": 1, "email_address": "ada@example.com"}
    kept = tmp_path / "kept.duckdb"
    with Kept.open(kept, "US") as copy:
        copy.fill([person], None)
    with opened() as index:
        add(index, [row(0, email="ada@example.com")], [person])
        index.take_profiles(kept, KEYS)
        assert index.count_profiles() == 1
