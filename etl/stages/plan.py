"""What is to be done for each row: create, update, or nothing?

Turns verdicts into outcomes and writes, in row order, and packs the writes into bulk calls of up
to 100 (BulkCreateCustomers and BulkUpdateCustomers reference). Nothing is sent here.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from etl.config import Config
from etl.customers import codes, fields, payload
from etl.customers.full_names import FULL_NAME
from etl.customers.problems import Problem
from etl.directory.index import Index
from etl.journal.additions import Kind
from etl.journal.journal import Journal
from etl.journal.records import Endpoint, Review, RowChange, Run, Write
from etl.stages.beside import Beside, Missing, Wanted, told

BULK = 100

# A batch has up to 65,536 rows, of about 200 bytes each as Arrow has them.
_BATCHES_AT_HAND = 6
# Rows mostly come one after another; of those that do not, few others are made for nothing.
_STRETCH = 64
_STRETCHES_AT_HAND = 64
# Only rows that differ from Square are looked at again, mostly one after another.
_CELLS_AT_HAND = 2
_ROWS_AT_ONCE = 5000

# Literal answer of CreateCustomer to a profile without any of the five (observed
# in an application's log).
_NO_IDENTITY = (
    "At least one of `given_name`, `family_name`, `company_name`, `email_address`, or "
    "`phone_number` is required for a customer."
)


class RowValues:
    """The cleaned values of any row of a run, with a few batches at hand."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        mappings = [source["mapping"] for source in journal.sources()]
        self._mapped = [_mapped(mapping["fields"]) for mapping in mappings]
        self._headers = [_as_written(mapping) for mapping in mappings]
        found = list(journal.query("SELECT first_row, batch FROM batches ORDER BY first_row"))
        self._first_rows = [first_row for first_row, _ in found]
        self._numbers = [number for _, number in found]
        self._columns = lru_cache(_BATCHES_AT_HAND)(self._load)
        self._stretches = lru_cache(_STRETCHES_AT_HAND)(self._stretch)
        self._cells = lru_cache(_CELLS_AT_HAND)(lambda number: journal.cells(journal.batch(number)))

    def __call__(self, row: int) -> payload.Values:
        """Return the mapped writable fields of a row; None is an empty cell.

        A field that was left out because it is invalid is not there: it says nothing, not even
        that it is empty. Nor does an empty one that no column of the source feeds: it comes from a
        constant, a whole name or another phone, in the rows that have these.
        """
        _, number, offset = self.place(row)
        values = self._stretches(number, offset // _STRETCH)[offset % _STRETCH]
        return {**values}

    def _stretch(self, number: int, stretch: int) -> list[payload.Values]:
        """Return the values of rows of a batch that follow each other."""
        source, columns, dropped = self._columns(number)
        fed, begin = self._mapped[source], stretch * _STRETCH
        found = [
            {name: cell for name, cell in row.items() if cell is not None or name in fed}
            for row in columns.slice(begin, _STRETCH).to_pylist()
        ]
        for offset in range(begin, begin + len(found)):
            for name in dropped.get(offset, ()):
                found[offset - begin].pop(name, None)
        return found

    def written(self, row: int, name: str) -> str | None:
        """Return the cell that a field of a row came from, as the file has it.

        None where several were put together, or a cell means another thing than it says.
        """
        _, number, offset = self.place(row)
        cells = self._cells(number)
        source, _, _ = self._columns(number)
        for header in self._headers[source].get(name, ()):
            text: str | None = cells.column(header)[offset].as_py()
            if text and not text.isspace():
                return text
        return None

    def place(self, row: int) -> tuple[int, int, int]:
        """Return a row with its batch and where it stands there."""
        position = bisect_right(self._first_rows, row) - 1
        return row, self._numbers[position], row - self._first_rows[position]

    def _load(self, number: int) -> tuple[int, pa.RecordBatch, dict[int, list[str]]]:
        batch = self._journal.batch(number)
        customers = self._journal.customers(batch)
        columns = customers.select(
            [
                field.name
                for field in fields.WRITABLE
                if field.name in self._mapped[batch.source]
                or customers.column(field.name).null_count < len(customers)
            ]
        )
        found = self._journal.found(batch)
        left_out = found.filter(pc.equal(found.column("effect"), "drop"))
        dropped: dict[int, list[str]] = {}
        for at, name in zip(
            left_out.column("row").to_pylist(), left_out.column("field").to_pylist(), strict=True
        ):
            dropped.setdefault(at, []).append(name)
        return batch.source, columns, dropped


def _mapped(headers: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """Return the fields that columns of a source feed; a whole name feeds both of its parts."""
    parts = ("given_name", "family_name") if FULL_NAME in headers else ()
    return frozenset((*headers, *parts))


def _as_written(mapping: Mapping[str, Any]) -> dict[str, Sequence[str]]:
    """Return the headers of the fields that have one cell each, which means what it says."""
    other = {*mapping["joined"], *mapping["values"]}
    return {name: headers for name, headers in mapping["fields"].items() if name not in other}


class Packer:
    """Collects writes and plans a bulk call for every hundred of a kind."""

    def __init__(self, journal: Journal, *, sent_at: float | None = None) -> None:
        self._journal = journal
        self._sent_at = sent_at
        self._open: dict[Literal["create", "update"], dict[str, Write]] = {
            "create": {},
            "update": {},
        }

    def add(self, write: Write) -> None:
        """Take one write into the next call of its kind."""
        waiting = self._open[write.action]
        # A call is a map: a second write under the same key waits for the next call.
        if len(waiting) == BULK or write.key in waiting:
            self._flush(write.action)
        self._open[write.action][write.key] = write

    def finish(self) -> None:
        """Plan the calls that are not full."""
        for action in self._open:
            self._flush(action)

    def _flush(self, action: Literal["create", "update"]) -> None:
        writes = self._open[action].values()
        if writes:
            endpoint: Endpoint = "bulk-create" if action == "create" else "bulk-update"
            self._journal.add_request(endpoint, bulk_body(writes), writes, sent_at=self._sent_at)
            self._open[action] = {}


def bulk_body(writes: Iterable[Write]) -> bytes:
    """Return the bytes of a bulk call; the same writes always make the same bytes."""
    return orjson.dumps({"customers": {write.key: _entry(write) for write in writes}})


def _entry(write: Write) -> dict[str, Any]:
    guard = {} if write.version is None else {"version": write.version}
    return payload.body(write.changes) | guard


@dataclass(slots=True)
class _Page:
    """What a stretch of verdicts comes to, before it is written down together."""

    rows: list[RowChange] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    reviews: list[Review] = field(default_factory=list)
    additions: list[tuple[int, Kind, str, str, int | None, str]] = field(default_factory=list)

    def add(self, row: int, missing: Iterable[Missing]) -> None:
        """Plan what a row's customer lacks beside the profile."""
        self.additions += [(row, *one) for one in missing]

    def note_changed(
        self, row: int, intent: payload.Values, profile: Any, digests: str | None, region: str
    ) -> None:
        """Note the fields of a row's profile that somebody changed since they were written."""
        written = orjson.loads(digests) if digests else {}
        told = {name: value for name, value in intent.items() if value is not None}
        known = codes.BY_NAME["CHANGED_IN_SQUARE"]
        self.problems += [
            Problem(row, "note", known.name, name, known.meaning, known.remedy)
            for name in payload.changed_since(told, profile, written, region)
        ]

    def refuse(self, rows: Iterable[int], code: str, message: str = "") -> None:
        known = codes.BY_NAME[code]
        for row in rows:
            self.rows.append(RowChange(row, "rejected"))
            self.problems.append(
                Problem(row, "reject", code, "", message or known.meaning, known.remedy)
            )


def plan(
    journal: Journal, index: Index, config: Config, run: Run, beside: Beside | None = None
) -> None:
    """Decide what each row of ``index`` comes to and plan the calls, all in the journal.

    ``beside`` knows what rows want beside a profile. The caller holds one transaction around it.
    """
    values, packer = RowValues(journal), Packer(journal)
    may_be_applied = run.command == "plan" or run.applies
    for verdicts in in_pages(index.decided()):
        page = _Page()
        standing = _standing(journal, verdicts) if run.applies else ()
        verdicts = [verdict for verdict in verdicts if verdict["row"] not in standing]
        for verdict in verdicts:
            match verdict["action"]:
                case "create":
                    _create(verdict, values, packer, page, config, run, beside)
                case "match":
                    _match(verdict, values, packer, page, config, run, beside)
                case "review":
                    _review(verdict, values, page)
                case "undecided":
                    _undecided(verdict, values, page)
                case action:
                    _leave(action, verdict, page)
        _write_down(journal, page)
        if may_be_applied:
            journal.plan.rest_on((verdict["row"], basis(verdict)) for verdict in verdicts)
    packer.finish()
    journal.follow()


def basis(verdict: dict[str, Any]) -> str:
    """Return a digest of all that the plan of a row rests on; evidence may change without it."""
    told = [
        *(verdict[name] or None for name in ("action", "customer_id", "code", "carrier")),
        *(sorted(verdict[name] or ()) for name in ("candidates", "related", "members")),
        version_of(verdict),
    ]
    return hashlib.blake2b(orjson.dumps(told), digest_size=8).hexdigest()


def version_of(verdict: dict[str, Any]) -> int | None:
    """Return the version of the profile a row is matched with."""
    return orjson.loads(verdict["profile"]).get("version", 0) if verdict["profile"] else None


def _standing(journal: Journal, verdicts: Sequence[dict[str, Any]]) -> Collection[int]:
    """Return which of these rows stay as they were planned."""
    return journal.plan.reconsidered(verdicts[0]["row"], verdicts[-1]["row"])


def _create(
    verdict: dict[str, Any],
    values: RowValues,
    packer: Packer,
    page: _Page,
    config: Config,
    run: Run,
    beside: Beside | None,
) -> None:
    row = verdict["row"]
    intent = _intent(verdict, values, config)
    changes: payload.Values = {n: value for n, value in intent.items() if value is not None}
    if not any(name.name in changes for name in fields.IDENTIFYING):
        page.refuse([row], "BAD_REQUEST", _NO_IDENTITY)
        return
    wanted = _wanted(verdict, values, page, config, beside)
    if wanted and wanted.refused:
        return
    if beside and wanted:
        page.add(row, beside.lacks(wanted, None))
    key = payload.idempotency_key(run.merchant_id, verdict["source_key"], changes, 0)
    packer.add(Write(row, "create", key, "", None, 0, intent, changes))
    if verdict["near"]:
        under = payload.review_key(verdict["source_key"], values(row))
        page.reviews.append(Review(row, under, verdict["near"], [], verdict["evidence"]))
    page.rows.append(RowChange(row, "pending", "", verdict["matched_by"], "to be created"))


def _match(
    verdict: dict[str, Any],
    values: RowValues,
    packer: Packer,
    page: _Page,
    config: Config,
    run: Run,
    beside: Beside | None,
) -> None:
    row, customer_id = verdict["row"], verdict["customer_id"]
    profile = orjson.loads(verdict["profile"])
    intent = _intent(verdict, values, config)
    changes = payload.difference(intent, profile, config.update.policy_for, run.country)
    # Square may hold what cleaning would mend: a cell that says the same asks for nothing.
    rows = _rows(verdict, config)
    for name in [name for name in changes if _says_what_is_held(rows, values, name, profile)]:
        del changes[name], intent[name]
    evidence = verdict["matched_by"]
    version = profile.get("version", 0)
    if config.update.policy == "skip" and not config.update.fields:
        why = "[update] policy = skip"
        page.rows.append(RowChange(row, "skipped", customer_id, evidence, why, None, version))
        return
    page.note_changed(row, intent, profile, verdict["digests"], run.country)
    wanted = _wanted(verdict, values, page, config, beside)
    if wanted and wanted.refused:
        return
    lacking = beside.lacks(wanted, profile) if beside and wanted else []
    page.add(row, lacking)
    if not changes and not lacking:
        page.rows.append(RowChange(row, "unchanged", customer_id, evidence, version=version))
        return
    if changes:
        before = payload.held(profile, changes)
        known = (customer_id, customer_id, version, 0)
        packer.add(Write(row, "update", *known, intent, changes, before=before))
    detail = "to be updated: " + ", ".join([*sorted(changes), *told(lacking)])
    page.rows.append(RowChange(row, "pending", customer_id, evidence, detail, None, version))


def _review(verdict: dict[str, Any], values: RowValues, page: _Page) -> None:
    row, code, detail = verdict["row"], verdict["code"], verdict["detail"]
    page.rows.append(RowChange(row, "review", detail=detail))
    page.problems.append(Problem(row, "review", code, "", detail, codes.BY_NAME[code].remedy))
    key = payload.review_key(verdict["source_key"], values(row))
    page.reviews.append(Review(row, key, verdict["candidates"], verdict["related"]))


def _undecided(verdict: dict[str, Any], values: RowValues, page: _Page) -> None:
    """A decision named a customer that does not exist: the row waits for another one."""
    row = verdict["row"]
    page.refuse([row], "NO_DECISION", "no customer has the id that was decided for this row")
    key = payload.review_key(verdict["source_key"], values(row))
    page.reviews.append(Review(row, key, [], []))


def _leave(action: str, verdict: dict[str, Any], page: _Page) -> None:
    row, code = verdict["row"], verdict["code"]
    match action:
        case "duplicate":
            page.rows.append(
                RowChange(
                    row,
                    "duplicate",
                    verdict["customer_id"] or "",
                    verdict["matched_by"],
                    duplicate_of=verdict["carrier"],
                )
            )
        case "skip":
            page.rows.append(RowChange(row, "skipped", detail=verdict["detail"]))
        case "reject":
            page.refuse([row], code, verdict["detail"] or "")
        case _:
            raise AssertionError(f"no such action: {action}")


def _wanted(
    verdict: dict[str, Any],
    values: RowValues,
    page: _Page,
    config: Config,
    beside: Beside | None,
) -> Wanted | None:
    """Return what a row wants beside its profile; a value that cannot be is told of the row."""
    if beside is None:
        return None
    rows, customer_id = map(values.place, _rows(verdict, config)), verdict["customer_id"] or ""
    wanted = beside.wanted(rows, verdict["row"], customer_id)
    page.problems += wanted.problems
    if wanted.refused:
        page.rows.append(RowChange(verdict["row"], "rejected"))
    return wanted


def _rows(verdict: dict[str, Any], config: Config) -> list[int]:
    """Return the rows whose values a write carries."""
    return verdict["members"] if config.dedupe.in_file == "merge" else [verdict["row"]]


def _intent(verdict: dict[str, Any], values: RowValues, config: Config) -> payload.Values:
    return payload.merged(values(row) for row in _rows(verdict, config))


def _says_what_is_held(
    rows: Sequence[int], values: RowValues, name: str, profile: dict[str, Any]
) -> bool:
    """Is there a cell with the very text the profile has, as in a file that came from Square?

    Of ``rows`` whose values are joined, it is the last one's that says anything.
    """
    held = payload.value_of(profile, name)
    if held is None:
        return False
    telling = [row for row in rows if values(row).get(name) is not None]
    return values.written((telling or rows)[-1], name) == held


def _write_down(journal: Journal, page: _Page) -> None:
    journal.change_rows(page.rows)
    journal.add_problems(page.problems, planned=True)
    journal.add_reviews(page.reviews)
    journal.additions.plan(page.additions)


def in_pages(verdicts: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Yield some thousand verdicts at a time."""
    page: list[dict[str, Any]] = []
    for verdict in verdicts:
        page.append(verdict)
        if len(page) == _ROWS_AT_ONCE:
            yield page
            page = []
    if page:
        yield page
