"""Tests of hints: who in the directory is nearly somebody a row would create?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from etl.customers.normalize import address_key, email_key
from etl.directory.index import ROWS, Index
from etl.directory.kept import Kept
from etl.directory.near import near_matches

HOME = {"address_line_1": "1 Main St.", "postal_code": "94103"}


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    """An index of a US merchant."""
    index = Index(tmp_path / "index.duckdb", "US")
    yield index
    index.close()


def hints(
    index: Index, tmp_path: Path, row: dict[str, Any], *profiles: dict[str, Any]
) -> dict[str, str]:
    """Return who a new row is nearly, by id, and what speaks for it."""
    address = row.get("address", {})
    nothing: dict[str, Any] = dict.fromkeys(ROWS.names)
    told = {
        **nothing,
        "row": 7,
        "source_key": "|k|7",
        "known_by": "",
        "decision": "",
        "held": False,
        "email": email_key(row.get("email_address")),
        "given_name": row.get("given_name"),
        "family_name": row.get("family_name"),
        "company_name": row.get("company_name"),
        "address": address_key(address.get("address_line_1"), address.get("postal_code")),
    }
    index.add_rows(pa.Table.from_pylist([told], schema=ROWS))
    index.create_strangers(["email"])
    kept = tmp_path / "kept.duckdb"
    with Kept.open(kept, "US") as copy:
        copy.fill(({"id": f"C{n}", **profile} for n, profile in enumerate(profiles)), 0.0)
    found = list(near_matches(index, kept))
    assert {near.row for near in found} <= {7}
    return {near.customer_id: near.evidence for near in found}


ADA = {"given_name": "Ada", "family_name": "King"}


@pytest.mark.parametrize(
    ("row", "profile", "evidence"),
    [
        (
            {**ADA, "email_address": "ada@exmaple.com"},
            {**ADA, "email_address": "Ada@example.com"},
            "the email differs by a typo, the names agree",
        ),
        (
            {**ADA, "email_address": "ada.kign@example.com"},
            {"given_name": "A.", "family_name": "King", "email_address": "ada.king@example.com"},
            "the email differs by a typo, the names agree",
        ),
        (
            {"email_address": "ada@exmple.com"},
            {**ADA, "email_address": "ada@example.com"},
            "the email differs by a typo",
        ),
        (
            {"given_name": "Jon", "family_name": "Smith", "address": HOME},
            {
                "given_name": "John",
                "family_name": "Smith",
                "address": {"address_line_1": "1 MAIN ST", "postal_code": "94103"},
            },
            "same address, nearly the same name",
        ),
        (
            {**ADA, "address": HOME},
            {"given_name": "Bob", "family_name": "Hill", "address": HOME},
            None,
        ),
        (
            {**ADA, "email_address": "info@exampla.com"},
            {"given_name": "Bob", "family_name": "Hill", "email_address": "info@example.com"},
            None,
        ),
        (
            {**ADA, "email_address": "ada@example.com"},
            {**ADA, "email_address": "ada@example.net"},
            None,
        ),
    ],
)
def test_what_speaks_for_one_person(
    index: Index,
    tmp_path: Path,
    row: dict[str, Any],
    profile: dict[str, Any],
    evidence: str | None,
) -> None:
    """A typo or an address counts, unless the names are those of two people."""
    found = hints(index, tmp_path, row, profile, {"given_name": "Somebody", "family_name": "Else"})

    assert found == ({"C0": evidence} if evidence else {})


def test_what_many_share_says_nothing(index: Index, tmp_path: Path) -> None:
    """An address of a mailing house is no hint, however alike the names are."""
    crowd = [{**ADA, "address": HOME} for _ in range(6)]

    assert hints(index, tmp_path, {**ADA, "address": HOME}, *crowd) == {}
