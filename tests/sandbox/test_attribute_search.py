"""Search by custom attributes; every test names the source of what it expects."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.attributes import (
    BULK,
    DEFINITIONS,
    define,
    entry,
    give,
    seeded,
    selection,
    shown,
    values_of,
)
from tests.sandbox.conftest import Opened, Square

SEARCH = "/v2/customers/search"
EARLIER, LATER = "2024-01-01T00:00:00Z", "2024-01-01T00:00:01Z"
PATH = "query.filter.custom_attribute.filters"


def asked(*filters: object, **more: Any) -> dict[str, Any]:
    """The body of a search by custom attributes."""
    return {"query": {"filter": {"custom_attribute": {"filters": list(filters)}, **more}}}


def found(square: Square, *filters: object, **more: Any) -> list[str]:
    """Search; return the given names found, which ``count`` has to agree with."""
    answer = square.ok("POST", SEARCH, {"count": True, **asked(*filters, **more)})
    names = [profile["given_name"] for profile in answer.get("customers", [])]
    assert answer["count"] == len(names)
    return names


def refused(square: Square, *filters: object) -> tuple[int, list[tuple[str, str]]]:
    """Send a search that must fail."""
    return square.refused("POST", SEARCH, asked(*filters))


def by(key: str, **given: object) -> dict[str, Any]:
    """A filter by the value of a key."""
    return {"key": key, "filter": given}


def holders(square: Square, kind: str, values: dict[str, object]) -> None:
    """Define an attribute named as its type, and a customer for each value, by name."""
    define(square, kind, kind)
    for name, value in values.items():
        give(square, square.create(given_name=name)["id"], kind, value)
    square.create(given_name="without")


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"exact": "Steven.Jones@Example.com"}, ["one"]),
        ({"exact": "steven.jones@example.com"}, ["one"]),
        ({"exact": "steven.jones@example"}, []),
        ({"fuzzy": "Steven example"}, ["one", "two"]),
        ({"fuzzy": "stevenjones"}, ["one"]),
        ({"fuzzy": "steven.jones@"}, ["one"]),
        ({"fuzzy": "bakery"}, ["two"]),
        ({"fuzzy": "steven nobody"}, []),
    ],
)
def test_emails(square: Square, given: dict[str, str], names: list[str]) -> None:
    """Case and punctuation aside, every token anywhere in it (API reference)."""
    holders(
        square,
        "Email",
        {"one": "steven.jones@EXAMPLE.com", "two": "myexample@stevensbakery.org", "x": "a@b"},
    )

    assert found(square, by("Email", email=given)) == names


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"exact": "+14151234567"}, ["one"]),
        ({"exact": "+1 (415) 123-4567"}, ["one"]),
        ({"exact": "4151234567"}, []),
        ({"fuzzy": "415 123 45"}, ["one", "two"]),
        ({"fuzzy": "415"}, ["one", "three", "two"]),
        ({"fuzzy": "(415)-1"}, ["one"]),
        ({"fuzzy": "999"}, []),
    ],
)
def test_phones(square: Square, given: dict[str, str], names: list[str]) -> None:
    """Exact in E.164; fuzzy tokens anywhere among the digits (API reference, its example)."""
    holders(
        square,
        "PhoneNumber",
        {"one": "+14151234567", "two": "+12345674158", "three": "+1234156780"},
    )

    assert found(square, by("PhoneNumber", phone=given)) == names


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"exact": "THE quick brown fox jumps over the lazy dog"}, ["fox"]),
        ({"exact": "The quick brown fox"}, []),
        ({"fuzzy": "quick brown"}, ["fox"]),
        ({"fuzzy": "Brown, quick!"}, ["fox"]),
        ({"fuzzy": "quick fox"}, ["fox"]),
        ({"fuzzy": "quick foxes"}, []),
        ({"fuzzy": "qui"}, []),
        ({"fuzzy": "the"}, ["fox", "tea"]),
        ({"fuzzy": "thé"}, ["café"]),
    ],
)
def test_texts(square: Square, given: dict[str, str], names: list[str]) -> None:
    """Case aside; fuzzy are whole words in any order (API reference, its example)."""
    holders(
        square,
        "String",
        {
            "fox": "The quick brown fox jumps over the lazy dog",
            "tea": "the TEA",
            "café": "Thé au café",
            "none": "",
        },
    )

    assert sorted(found(square, by("String", text=given))) == sorted(names)


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"any": ["Red"]}, ["both", "red"]),
        ({"any": ["Red", "Green"]}, ["both", "green", "red"]),
        ({"all": ["Red", "Green"]}, ["both"]),
        ({"any": ["Green"], "all": ["Red"]}, ["both"]),
        ({"any": ["red"]}, []),
        ({"any": ["Red", "Pink"]}, ["both", "red"]),
        ({"all": ["Red", "Pink"]}, []),
        ({"any": ["Blue"]}, []),
    ],
)
def test_selections(square: Square, given: dict[str, list[str]], names: list[str]) -> None:
    """Any and all by display names, case-sensitive (API reference)."""
    red, green, _ = define(square, "colour", "Selection")["schema"]["items"]["enum"]
    for name, value in {"red": [red], "green": [green], "both": [red, green], "none": []}.items():
        give(square, square.create(given_name=name)["id"], "colour", value)

    assert found(square, by("colour", selection=given)) == names


def test_selections_are_sought_by_the_names_of_now(square: Square) -> None:
    """Whoever had an option under its former name is found by the new one (assumption)."""
    red, green, blue = define(square, "colour", "Selection")["schema"]["items"]["enum"]
    give(square, square.create(given_name="red")["id"], "colour", [red])
    schema = selection("Scarlet", "Green", "Red", enum=[red, green, blue])

    square.ok("PUT", f"{DEFINITIONS}/colour", {"custom_attribute_definition": {"schema": schema}})

    assert found(square, by("colour", selection={"any": ["Scarlet"]})) == ["red"]
    assert found(square, by("colour", selection={"any": ["Red"]})) == []


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"start_at": "2024-02-29"}, ["leap", "may"]),
        ({"end_at": "2024-02-29"}, ["leap", "old"]),
        ({"start_at": "2024-02-29", "end_at": "2024-02-29"}, ["leap"]),
        ({"start_at": "2024-03-01", "end_at": "2024-04-30"}, []),
        ({"start_at": "2024-02-29T00:00:00Z", "end_at": "2024-05-01T00:00:00Z"}, ["leap", "may"]),
        ({"start_at": "2024-02-29T23:59:59.5-08:00"}, ["leap", "may"]),
        ({"end_at": "2000-01-01T00:00:00Z"}, ["old"]),
    ],
)
def test_dates(square: Square, given: dict[str, str], names: list[str]) -> None:
    """Both bounds inclusive, days or RFC 3339 (API reference); its day is meant (assumption)."""
    holders(square, "Date", {"leap": "2024-02-29", "may": "2024-05-01", "old": "0000-02-29"})

    assert found(square, by("Date", date=given)) == names


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"start_at": "10.5"}, ["huge", "ten"]),
        ({"end_at": "10.5"}, ["minus", "small", "ten"]),
        ({"start_at": "10.50000", "end_at": "10.5"}, ["ten"]),
        ({"start_at": "0.00001", "end_at": "0.00001"}, ["small"]),
        ({"start_at": "0.00002", "end_at": "10.49999"}, []),
        ({"start_at": "-10", "end_at": "0"}, ["minus"]),
        ({"start_at": "92233720368547"}, ["huge"]),
        ({"end_at": "-92233720368547"}, []),
    ],
)
def test_numbers(square: Square, given: dict[str, str], names: list[str]) -> None:
    """Both bounds inclusive, decimals compared as numbers (API reference)."""
    holders(
        square,
        "Number",
        {"ten": "010.5", "small": ".00001", "minus": "-9.99999", "huge": "9" * 30},
    )

    assert found(square, by("Number", number=given)) == names


def test_booleans(square: Square) -> None:
    """True or false; who has no value is neither (API reference)."""
    holders(square, "Boolean", {"yes": True, "no": False})

    assert found(square, by("Boolean", boolean=True)) == ["yes"]
    assert found(square, by("Boolean", boolean=False)) == ["no"]


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"country": "GB"}, ["leeds", "york"]),
        ({"postal_code": {"exact": "LS1 1AA"}}, ["leeds"]),
        ({"postal_code": {"exact": "ls1 1aa"}, "country": "GB"}, ["leeds"]),
        ({"postal_code": {"exact": "LS1 1AA"}, "country": "FR"}, []),
        ({"postal_code": {"exact": "LS1"}}, []),
    ],
)
def test_addresses(square: Square, given: dict[str, Any], names: list[str]) -> None:
    """By postal code, by country, or both (API reference)."""
    holders(
        square,
        "Address",
        {
            "leeds": {"postal_code": "LS1 1AA", "country": "GB"},
            "york": {"locality": "York", "country": "GB"},
            "nantes": {"postal_code": "44000", "country": "FR"},
        },
    )

    assert found(square, by("Address", address=given)) == names


def test_filters_are_anded(square: Square) -> None:
    """With each other and with those of the profile (API reference)."""
    define(square, "book")
    define(square, "adult", "Boolean")
    for name, book, adult in (("A", "Dune", True), ("B", "Dune", False), ("C", "Emma", True)):
        made = square.create(given_name=name, email_address=f"{name}@example.com")
        give(square, made["id"], "book", book)
        give(square, made["id"], "adult", adult)
    dune, adults = by("book", text={"exact": "dune"}), by("adult", boolean=True)

    assert found(square, dune) == ["A", "B"]
    assert found(square, dune, adults) == ["A"]
    assert found(square, adults, email_address={"fuzzy": "example"}) == ["A", "C"]
    assert found(square, dune, adults, email_address={"exact": "c@example.com"}) == []


def test_when_a_value_was_last_set(square: Square) -> None:
    """``updated_at`` with both bounds inclusive, alone or with a filter (API reference)."""
    define(square, "book")
    for name in "ABC":
        give(square, square.create(given_name=name)["id"], "book", name)
        square.clock.now += 60
    second = "2025-09-01T08:16:30Z"

    def within(**bounds: str) -> list[str]:
        return found(square, {"key": "book", "updated_at": bounds})

    assert within(start_at=second) == ["B", "C"]
    assert within(end_at=second) == ["A", "B"]
    assert within(start_at=second, end_at=second) == ["B"]
    both = {"updated_at": {"start_at": second}, **by("book", text={"exact": "a"})}
    assert found(square, both) == []
    everyone = square.ok("GET", "/v2/customers")["customers"]
    give(square, everyone[0]["id"], "book", "again")
    assert within(start_at="2025-09-01T08:18:30Z") == ["A"]


@pytest.mark.parametrize(
    ("sought", "error"),
    [
        (7, ("EXPECTED_OBJECT", "")),
        ({}, ("MISSING_REQUIRED_PARAMETER", ".key")),
        ({"key": 7}, ("EXPECTED_STRING", ".key")),
        ({"key": "String"}, ("BAD_REQUEST", "")),
        ({"key": "String", "updated_at": {}}, ("BAD_REQUEST", "")),
        ({"key": "String", "colour": 1}, ("BAD_REQUEST", ".colour")),
        ({"key": "String", "filter": []}, ("EXPECTED_OBJECT", ".filter")),
        (by("String"), ("BAD_REQUEST", ".filter")),
        (by("String", word={}), ("BAD_REQUEST", ".filter.word")),
        (by("String", text={"exact": "a"}, boolean=True), ("BAD_REQUEST", ".filter")),
        (by("String", email={"exact": "a"}), ("BAD_REQUEST", ".filter.email")),
        (by("Duration", text={"exact": "P1D"}), ("BAD_REQUEST", ".filter.text")),
        (by("unknown", text={"exact": "a"}), ("BAD_REQUEST", ".key")),
        (by("String", text="a"), ("EXPECTED_OBJECT", ".filter.text")),
        (by("String", text={}), ("VALUE_EMPTY", ".filter.text")),
        (by("String", text={"fuzzy": "!"}), ("VALUE_EMPTY", ".filter.text")),
        (by("String", text={"exact": "a", "fuzzy": "a"}), ("BAD_REQUEST", ".filter.text")),
        (by("Selection", selection={}), ("VALUE_EMPTY", ".filter.selection")),
        (by("Selection", selection={"any": []}), ("ARRAY_EMPTY", ".filter.selection.any")),
        (by("Selection", selection={"all": "Red"}), ("EXPECTED_ARRAY", ".filter.selection.all")),
        (
            by("Selection", selection={"none": ["Red"]}),
            ("BAD_REQUEST", ".filter.selection.none"),
        ),
        (by("Date", date={}), ("VALUE_EMPTY", ".filter.date")),
        (by("Date", date={"start_at": "02-29"}), ("INVALID_TIME", ".filter.date.start_at")),
        (by("Date", date={"end_at": 7}), ("EXPECTED_STRING", ".filter.date.end_at")),
        (
            by("Date", date={"start_at": "2024-01-02", "end_at": "2024-01-01"}),
            ("INVALID_TIME_RANGE", ".filter.date"),
        ),
        (by("Number", number={}), ("VALUE_EMPTY", ".filter.number")),
        (by("Number", number={"start_at": 7}), ("EXPECTED_STRING", ".filter.number.start_at")),
        (by("Number", number={"end_at": "1e5"}), ("INVALID_VALUE", ".filter.number.end_at")),
        (
            by("Number", number={"start_at": "2", "end_at": "1"}),
            ("BAD_REQUEST", ".filter.number"),
        ),
        (
            by("Number", number={"end_at": "92233720368547.00001"}),
            ("VALUE_TOO_HIGH", ".filter.number.end_at"),
        ),
        (
            by("Number", number={"start_at": "-" + "9" * 5000}),
            ("VALUE_TOO_LOW", ".filter.number.start_at"),
        ),
        (by("Boolean", boolean="true"), ("EXPECTED_BOOLEAN", ".filter.boolean")),
        (by("Address", address={}), ("VALUE_EMPTY", ".filter.address")),
        (
            by("Address", address={"country": "UK"}),
            ("INVALID_ENUM_VALUE", ".filter.address.country"),
        ),
        (
            by("Address", address={"postal_code": {"fuzzy": "LS1"}}),
            ("BAD_REQUEST", ".filter.address.postal_code.fuzzy"),
        ),
        (by("Address", address={"locality": "x"}), ("BAD_REQUEST", ".filter.address.locality")),
        (
            {"key": "String", "updated_at": {"start_at": "2024-01-01"}},
            ("INVALID_TIME", ".updated_at.start_at"),
        ),
        (
            {
                "key": "String",
                "updated_at": {
                    "start_at": "2024-01-02T00:00:00Z",
                    "end_at": "2024-01-01T00:00:00Z",
                },
            },
            ("INVALID_TIME_RANGE", ".updated_at"),
        ),
    ],
)
def test_filters_are_checked(square: Square, sought: object, error: tuple[str, str]) -> None:
    """One filter of the definition's type, updated_at, or both (API reference; codes assumed)."""
    for kind in (*("String", "Selection", "Date", "Number", "Boolean", "Address", "Duration"),):
        define(square, kind, kind)

    assert refused(square, sought) == (400, [(error[0], f"{PATH}[0]{error[1]}")])


def test_one_to_ten_filters_with_keys_that_differ(square: Square) -> None:
    """As the reference says (the codes are assumed)."""
    keys = [f"k{i}" for i in range(11)]
    for key in keys:
        define(square, key)
    filters = [by(key, text={"exact": "x"}) for key in keys]

    assert refused(square) == (400, [("ARRAY_EMPTY", PATH)])
    assert refused(square, *filters) == (400, [("ARRAY_LENGTH_TOO_LONG", PATH)])
    assert found(square, *filters[:10]) == []
    twice = refused(square, filters[0], filters[0])
    assert twice == (400, [("BAD_REQUEST", f"{PATH}[1].key")])
    for given, error in (
        ([], ("EXPECTED_OBJECT", PATH.removesuffix(".filters"))),
        ({"filters": {}}, ("EXPECTED_ARRAY", PATH)),
        ({}, ("ARRAY_EMPTY", PATH)),
        ({"filter": []}, ("BAD_REQUEST", PATH.removesuffix("s"))),
    ):
        body: dict[str, Any] = {"query": {"filter": {"custom_attribute": given}}}
        assert square.refused("POST", SEARCH, body) == (400, [error]), given


def test_what_others_made_is_sought_unless_hidden(square: Square) -> None:
    """The attribute must be visible to the application (API reference)."""
    tier = seeded(square)["Loyalty tier"]["key"]
    log = square.sandbox.log()
    golden = {
        entry["customer_id"]
        for entry in log
        if entry["action"] == "upsert-attribute"
        and (entry["changes"]["key"], entry["changes"]["value"]) == (tier, "Gold")
    }
    body = asked(by(tier, text={"exact": "gold"}))

    answer = square.ok("POST", SEARCH, body)

    assert {profile["id"] for profile in answer["customers"]} == golden
    hidden = by(tier.replace("tier", "score"), number={"start_at": "0"})
    assert refused(square, hidden) == (400, [("BAD_REQUEST", f"{PATH}[0].key")])


def test_before_2022_05_12_the_filter_is_unknown(square: Square) -> None:
    """Refused as any unknown field, before 2022-03-16 not looked at (overview, changelog)."""
    square.create(given_name="Ava")
    body = asked(by("k", text={"exact": "x"}))

    old = {"Square-Version": "2022-04-20"}
    assert square.refused("POST", SEARCH, body, headers=old) == (
        400,
        [("BAD_REQUEST", PATH.removesuffix(".filters"))],
    )
    older = {"Square-Version": "2022-02-16"}
    assert len(square.ok("POST", SEARCH, body, headers=older)["customers"]) == 1


def test_search_lags_behind_values(opened: Opened) -> None:
    """Search shows values with its lag, a read shows them at once (assumption)."""
    square = opened(lag=30)
    define(square, "book")
    customer_id = square.create(given_name="A")["id"]
    square.clock.now += 60
    dune, emma = by("book", text={"fuzzy": "dune"}), by("book", text={"exact": "emma"})

    give(square, customer_id, "book", "Dune")
    assert (found(square, dune), shown(square, customer_id)) == ([], {"book": "Dune"})
    square.clock.now += 30
    assert found(square, dune) == ["A"]
    give(square, customer_id, "book", "Emma")
    assert (found(square, dune), found(square, emma)) == (["A"], [])
    # A new revision of the profile has the values of its customer.
    square.ok("PUT", f"/v2/customers/{customer_id}", {"note": "x"})
    assert (found(square, dune), found(square, emma)) == (["A"], [])
    square.clock.now += 30
    assert (found(square, dune), found(square, emma)) == ([], ["A"])
    square.ok("DELETE", f"{values_of(customer_id)}/book")
    assert found(square, emma) == ["A"]
    square.clock.now += 30
    assert found(square, emma) == []


def test_search_lags_behind_deletes_and_merges(opened: Opened) -> None:
    """What was there a moment ago is found with what it had (assumption)."""
    square = opened(lag=30)
    define(square, "book")
    ids = {}
    for name in "ABC":
        ids[name] = square.create(given_name=name)["id"]
        give(square, ids[name], "book", "Dune")
    square.clock.now += 60
    dune = by("book", text={"exact": "dune"})

    square.ok("DELETE", f"/v2/customers/{ids['C']}")
    new = square.sandbox.control("merge", {"from": [ids["B"], ids["A"]]})["customer"]

    assert found(square, dune) == ["A", "B", "C"]
    square.clock.now += 30
    assert found(square, dune) == ["B"]
    answer = square.ok("POST", SEARCH, asked(dune))["customers"]
    assert [profile["id"] for profile in answer] == [new["id"]]


@pytest.mark.parametrize("lag", [0, 30])
def test_values_that_many_have(opened: Opened, lag: int) -> None:
    """Beyond 2,000 owners search goes another way; pages, order and count are the same."""
    square = opened(lag=lag)
    define(square, "adult", "Boolean")
    define(square, "word")
    names = [f"G{i:04}" for i in range(2100)]
    ids: list[str] = []
    for start in range(0, len(names), 100):
        batch = {name: {"given_name": name} for name in names[start : start + 100]}
        made = square.ok("POST", "/v2/customers/bulk-create", {"customers": batch})["responses"]
        ids += [made[name]["customer"]["id"] for name in batch]
    values = [
        item
        for i, customer_id in enumerate(ids)
        for item in (
            entry(customer_id, "adult", True),
            *([entry(customer_id, "word", f"x w{i} m{i % 3}")] if i % 2 else []),
        )
    ]
    for start in range(0, len(values), 25):
        part = {str(i): value for i, value in enumerate(values[start : start + 25])}
        square.ok("POST", BULK, {"values": part})
    square.clock.now += 60
    adults, thirds = by("adult", boolean=True), by("word", text={"fuzzy": "m1 x"})
    listed, cursor = list[str](), None
    while True:
        body = {"limit": 100, "count": True, **asked(adults), "cursor": cursor}
        answer = square.ok("POST", SEARCH, body)
        listed += [profile["given_name"] for profile in answer["customers"]]
        assert answer["count"] == 2100
        cursor = answer.get("cursor")
        if cursor is None:
            break
    assert listed == names
    body = {"count": True, "limit": 3, **asked(adults, thirds)}
    answer = square.ok("POST", SEARCH, body)
    assert [profile["given_name"] for profile in answer["customers"]] == ["G0001", "G0007", "G0013"]
    assert answer["count"] == 350
    assert found(square, adults, by("word", text={"fuzzy": "w1999"})) == ["G1999"]
    assert found(square, adults, by("word", text={"fuzzy": "w1998"})) == []
