"""Tests of the meaning of Square's answers."""

from __future__ import annotations

from typing import Any

import pytest

from etl.errors import Fault
from etl.square import wire
from etl.square.wire import Item, Merchant, Page, Unreadable

GONE = {"category": "INVALID_REQUEST_ERROR", "code": "NOT_FOUND", "detail": "no such customer"}


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b'{"customers": [', b"\xff{}"])
def test_only_objects_are_read(body: bytes) -> None:
    """Edge pages, cut answers and other JSON values are unreadable."""
    with pytest.raises(Unreadable):
        wire.parse(body)


def test_faults_may_lack_members() -> None:
    """Detail and field may be missing, and unknown members do not matter."""
    entries = [{"category": "X", "code": "Y", "new": 1}, {"code": 5}, "text"]

    assert wire.faults(entries) == (Fault("X", "Y"), Fault("", ""))
    assert wire.faults_in(b"<html>upstream connect error</html>") == ()


def test_merchant() -> None:
    """A merchant needs id and country; a business name may be missing."""
    answer: dict[str, Any] = {"merchant": {"id": "M1", "country": "FR"}}

    assert wire.merchant(answer) == Merchant("M1", "FR", "")
    with pytest.raises(Unreadable):
        wire.merchant({"merchant": [answer["merchant"]]})


def test_count() -> None:
    """A count is a number; nothing at all counts nobody; rows without a count are unreadable."""
    assert wire.count({"count": 3, "customers": []}) == 3
    assert wire.count({}) == 0
    for answer in ({"count": True}, {"count": -1}, {"customers": [{"id": "A"}]}):
        with pytest.raises(Unreadable):
            wire.count(answer)


def test_pages() -> None:
    """An empty page has no customers member, the last page no cursor."""
    assert wire.page({}) == Page([], None)
    assert wire.page({"customers": [{"id": "A"}], "cursor": "c"}) == Page([{"id": "A"}], "c")
    assert wire.page({"cursor": ""}).cursor is None


@pytest.mark.parametrize(
    "answer",
    [
        {"customers": {}},
        {"customers": [{}]},
        {"customers": [1]},
        {"cursor": 5},
        {"login": "please"},
    ],
)
def test_foreign_pages_are_not_empty_pages(answer: dict[str, Any]) -> None:
    """Only Square's own shape says that nobody was found."""
    with pytest.raises(Unreadable):
        wire.page(answer)


def test_items_are_found_by_key() -> None:
    """Entries are read by key in any order; foreign keys and empty entries say nothing."""
    answer = {
        "responses": {
            "foreign": {"customer": {"id": "Z"}},
            "k2": {"errors": [GONE]},
            "k1": {"customer": {"id": "A"}},
            "k3": {},
            "k4": {"customer": {"name": "no id"}},
            "k5": None,
        }
    }

    assert wire.items(answer, ["k1", "k2", "k3", "k4", "k5", "k6"]) == {
        "k1": Item({"id": "A"}, ()),
        "k2": Item(None, (Fault("INVALID_REQUEST_ERROR", "NOT_FOUND", "no such customer"),)),
    }


@pytest.mark.parametrize("answer", [{}, {"responses": []}, {"customers": {}}])
def test_bulk_answers_need_responses(answer: dict[str, Any]) -> None:
    """A bulk answer without its map is unreadable."""
    with pytest.raises(Unreadable):
        wire.items(answer, ["k"])


def test_retrieved() -> None:
    """Only NOT_FOUND means that there is no such profile; a merged one has another id."""
    trouble = {"category": "API_ERROR", "code": "INTERNAL_SERVER_ERROR"}
    answer = {
        "responses": {
            "A": {"customer": {"id": "B"}},
            "C": {"errors": [GONE]},
            "D": {"errors": [trouble]},
            "E": {"errors": [GONE, trouble]},
        }
    }

    assert wire.retrieved(answer, "ACDEF") == {"A": {"id": "B"}, "C": None}


def test_errors_beside_responses_are_no_refusal() -> None:
    """Where entries were tried, the entries say what happened."""
    assert wire.is_refusal({"errors": [GONE]})
    assert not wire.is_refusal({"errors": [GONE], "responses": {}})
    assert not wire.is_refusal({"errors": []})


def test_a_bulk_upsert_is_read_by_name() -> None:
    """An entry has its faults or none; what says neither is not known."""
    fault = {"category": "INVALID_REQUEST_ERROR", "code": "NOT_FOUND"}
    answer = {
        "values": {"a": {"custom_attribute": {"key": "k"}}, "b": {"errors": [fault]}, "c": {}},
        "errors": [fault],
    }
    assert not wire.is_refusal(answer)
    found = wire.upserted(answer, ["a", "b", "c", "d"])
    assert {name: [one.code for one in faults] for name, faults in found.items()} == {
        "a": [],
        "b": ["NOT_FOUND"],
    }
    with pytest.raises(Unreadable):
        wire.upserted({"responses": {}}, ["a"])


@pytest.mark.parametrize("answer", [{"groups": {}}, {"groups": [1]}, {"cursor": 3}, {"error": 1}])
def test_what_is_no_listing_is_unreadable(answer: dict[str, object]) -> None:
    """Small talk of something in between is no empty listing."""
    with pytest.raises(Unreadable):
        wire.listing(answer, "groups")
