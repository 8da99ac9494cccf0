"""Which customer is each row?

Gathers what the matcher needs of every accepted row (canonical keys, names, what is known of it
from earlier runs and from people), lets ``etl.customers.identity`` decide component by component,
and puts the verdicts beside the rows. What the directory holds is the business of
``etl.directory``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from etl.config import Dedupe
from etl.customers import payload
from etl.customers.identity import Profile, Row, Verdict
from etl.customers.identity import decide as decide_component
from etl.customers.names import Names
from etl.customers.normalize import address_key, email_key
from etl.directory.index import ROWS, VERDICTS, Component, Index
from etl.journal.journal import Journal
from etl.journal.ledger import Ledger

# Rows without any key are known by a digest of their values (``payload.source_keys``).
_DIGEST = "|digest|"
# Several people may have one phone, and it alone does not tell which of them was imported before:
# the directory, with their names, does (rule 4).
_PHONE = "|phone_number|"

# The columns that tell who a row is.
_TELLING = (
    "id",
    "reference_id",
    "email_address",
    "phone_number",
    "given_name",
    "family_name",
    "company_name",
    "address.address_line_1",
    "address.postal_code",
)


def gather(journal: Journal, ledger: Ledger, index: Index, namespace: str) -> None:
    """Put every row that is to be matched into the index, with what is known of it.

    Rows a person decided to leave out get their verdict here.
    """
    _enter(journal, namespace)
    decided = journal.decisions()
    for batch in journal.batches():
        pending = list(
            journal.query(
                "SELECT row, source_key FROM rows WHERE row BETWEEN ? AND ? "
                "AND (planned = 2 OR (planned = 0 AND outcome = 'pending')) ORDER BY row",
                batch.first_row,
                batch.first_row + len(batch.lines) - 1,
            )
        )
        customers = journal.customers(batch)
        wanted = pa.array([row - batch.first_row for row, _ in pending], pa.int64())
        columns = [customers.column(name).take(wanted).to_pylist() for name in _TELLING]
        values = [dict(zip(_TELLING, cells, strict=True)) for cells in zip(*columns, strict=True)]
        under = [
            payload.review_key(key, told) for (_, key), told in zip(pending, values, strict=True)
        ]
        known = ledger.known([key for _, key in pending])
        reviews = {**ledger.reviews(under), **decided}
        rows, skipped = [], []
        for (row, key), told, review_key in zip(pending, values, under, strict=True):
            if reviews.get(review_key) == "skip":
                skipped.append(_skip(row))
            else:
                rows.append(_row(row, key, told, known.get(key), reviews.get(review_key)))
        index.add_rows(pa.Table.from_pylist(rows, schema=ROWS))
        index.add_verdicts(pa.Table.from_pylist(skipped, schema=VERDICTS))


def _enter(journal: Journal, namespace: str) -> None:
    """Give every row an outcome of its own, unless an earlier plan of this run has."""
    if journal.has_rows():
        return
    with journal.transaction():
        for batch in journal.batches():
            keys = payload.source_keys(journal.customers(batch), namespace)
            journal.enter_rows(batch, keys.to_pylist())


def decide(index: Index, keys: Sequence[str], settings: Dedupe) -> None:
    """Decide on every row of the index; ``keys`` are the columns that identify a person."""
    index.create_strangers(keys)
    for component in index.components():
        verdicts = pa.Table.from_pylist(list(_verdicts(component, settings)), schema=VERDICTS)
        index.add_verdicts(verdicts)


def _row(
    row: int, key: str, cells: dict[str, Any], known: str | None, review: str | None
) -> dict[str, Any]:
    customer_id, known_by, decision = None, "", ""
    if cells["id"]:
        customer_id, known_by = cells["id"], "id"
    elif review and review != "create":
        customer_id, known_by = review, "decision"
    elif review == "create":
        decision = "create"
    elif known and review != "" and _PHONE not in key:
        customer_id, known_by = known, "crosswalk"
    return {
        "row": row,
        "source_key": key,
        "customer_id": customer_id,
        "known_by": known_by,
        "decision": decision,
        "held": review == "" and known_by == "",
        "reference_id": cells["reference_id"],
        "email": email_key(cells["email_address"]),
        "phone": cells["phone_number"],
        "given_name": cells["given_name"],
        "family_name": cells["family_name"],
        "company_name": cells["company_name"],
        "address": address_key(cells["address.address_line_1"], cells["address.postal_code"]),
    }


def _skip(row: int) -> dict[str, Any]:
    return {"row": row, "action": "skip", "detail": "skipped by decision"}


def _verdicts(component: Component, settings: Dedupe) -> Iterator[dict[str, Any]]:
    here = []
    for row in component.rows:
        if row["customer_id"] or row["known_by"] == "":
            here.append(row)
        elif row["known_by"] == "id":
            yield {"row": row["row"], "action": "reject", "code": "NOT_FOUND"}
        else:
            yield {"row": row["row"], "action": "undecided"}
    twins = _twins(here, settings)
    verdicts = decide_component(
        [_as_row(row) for row in here if row["row"] not in twins],
        [_as_profile(profile) for profile in component.profiles],
        keys=settings.keys,
        in_file=settings.in_file,
        shared_phone=settings.shared_phone,
    )
    for verdict in _with_twins(verdicts, twins, settings):
        told = {name: getattr(verdict, name) for name in Verdict.__slots__}
        yield told


def _twins(rows: Iterable[dict[str, Any]], settings: Dedupe) -> dict[int, int]:
    """Return rows without any key that say the same as another one → that other one."""
    alike: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        if _DIGEST in row["source_key"] and row["customer_id"] is None:
            alike[row["source_key"]].append(row["row"])
    first = -1 if settings.in_file == "last" else 0
    return {row: group[first] for group in alike.values() for row in group if row != group[first]}


def _with_twins(
    verdicts: Iterable[Verdict], twins: dict[int, int], settings: Dedupe
) -> Iterator[Verdict]:
    followers: dict[int, list[int]] = defaultdict(list)
    for follower, leader in twins.items():
        followers[leader].append(follower)
    for verdict in verdicts:
        group = followers.get(verdict.row, [])
        if group and settings.in_file == "reject" and verdict.action in ("create", "match"):
            verdict = replace(verdict, action="reject", code="DUPLICATE_IN_FILE", members=())
        yield verdict
        for follower in group:
            if verdict.action in ("create", "match"):
                yield replace(
                    verdict, row=follower, action="duplicate", carrier=verdict.row, members=()
                )
            else:
                yield replace(verdict, row=follower)


def _as_row(row: dict[str, Any]) -> Row:
    return Row(
        row=row["row"],
        customer_id=row["customer_id"],
        known_by=row["known_by"],
        decision=row["decision"],
        held=row["held"],
        reference_id=row["reference_id"],
        email=row["email"],
        phone=row["phone"],
        names=_names(row),
    )


def _as_profile(profile: dict[str, Any]) -> Profile:
    return Profile(
        id=profile["id"],
        reference_id=profile["reference_id"],
        email=profile["email"],
        phone=profile["phone"],
        names=_names(profile),
    )


def _names(record: dict[str, Any]) -> Names:
    return Names(record["given_name"], record["family_name"], record["company_name"])
