"""Which rows would Square refuse, and why? Maps, cleans and validates batch by batch."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType
from typing import Literal, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from etl.config import Clean, Config, OnInvalidSection
from etl.customers import belongings, codes, octets, payload, tokens
from etl.customers.cells import NO_PROBLEMS, Finding, by_row, joined, repeated, rows_of
from etl.customers.consent import SUBSCRIBED, subscription
from etl.customers.dates import DateEvidence
from etl.customers.erased import NOBODY, ErasedPeople
from etl.customers.fields import CUSTOMERS
from etl.customers.full_names import FULL_NAME
from etl.customers.problems import Problem, problem_table
from etl.engines import Engine
from etl.errors import ConfigError
from etl.journal.journal import Journal
from etl.journal.records import Batch, Check, Packed, unpacked
from etl.stages.choose import choose
from etl.stages.clean import clean
from etl.stages.mapping import ColumnMapping, ConsentColumn, map_columns, map_field
from etl.stages.read import evidence_of, mapping_of
from etl.stages.validate import Checked, judged, validate

# The column of review.csv in which a person decides.
_DECISION = "decision"
# Longer cells are shown in details by their beginning.
_SHOWN = 80


def check(
    journal: Journal,
    engine: Engine,
    config: Config,
    country: str,
    erased: ErasedPeople,
    between: Callable[[int], None],
) -> None:
    """Check every batch that was not checked yet; ``between`` hears how many rows so far.

    ``country`` is the merchant's; rows about ``erased`` people are left out.
    """
    evidence = [evidence_of(source) for source in journal.sources()]
    task = _Checking(checking(journal, config, country, erased), evidence)
    waiting = (journal.packed(batch) for batch in journal.batches(unchecked=True))
    for batch, done in engine.in_order(task, waiting):
        with journal.transaction():
            keep(journal, batch, done)
        between(batch.first_row + len(batch.lines))


class Done(NamedTuple):
    """What the check of a batch came to, for the journal."""

    check: Check
    decided: dict[str, str]  # by a review file that was fed back
    gone: list[int]  # places of rows about erased people


@dataclass(frozen=True, slots=True)
class Checking:
    """Checks batches of a run; the lists are by source."""

    mappings: list[ColumnMapping]
    ours: list[bool]
    config: Config
    country: str
    constants: dict[str, str]
    today: datetime.date
    erased: ErasedPeople

    def __call__(
        self, source: int, cells: pa.RecordBatch, unreadable: pa.Table, evidence: DateEvidence
    ) -> tuple[Checked, dict[str, str]]:
        """Check a batch of a source, given by its number, and say what it decides."""
        checked = check_batch(
            cells,
            unreadable,
            self.mappings[source],
            evidence,
            self.config,
            self.country,
            self.constants,
            self.today,
            self.erased,
        )
        if not self.ours[source] or _DECISION not in cells.schema.names:
            return checked, {}
        decided, wrong = _decisions(cells, checked.customers, self.config.source.namespace)
        return replace(checked, problems=by_row([checked.problems, problem_table(wrong)])), decided

    def gone(self, found: pa.Table) -> list[int]:
        """Return the places of rows about erased people."""
        if not self.erased.digests:
            return []
        gone = found.filter(pc.equal(found.column("code"), "ERASED"))
        told: list[int] = gone.column("row").to_pylist()
        return told


def checking(journal: Journal, config: Config, country: str, erased: ErasedPeople) -> Checking:
    """Return how the batches of a run are checked."""
    sources = journal.sources()
    return Checking(
        [mapping_of(source) for source in sources],
        [source["facts"]["ours"] for source in sources],
        config.of_rows(),
        country,
        canonical_constants(config, country),
        # Not the day of a resume: a run reads two-digit years the same to its end.
        datetime.datetime.fromisoformat(journal.run().started_at).date(),
        erased if erased.digests else NOBODY,
    )


def keep(journal: Journal, batch: Batch, done: Done) -> None:
    """Keep what the check of a batch came to; the caller holds a transaction."""
    journal.check_batch(batch, done.check)
    if done.gone:
        journal.erasure.forget(batch, done.gone)
    journal.add_decisions(done.decided)


@dataclass(frozen=True, slots=True)
class _Checking:
    """Checks any batch that was read; ``evidence`` is by source."""

    checking: Checking
    evidence: list[DateEvidence]

    def __call__(self, packed: Packed) -> tuple[Batch, Done]:
        source = packed.batch.source
        (cells,) = unpacked(packed.cells).to_batches()
        checked, decided = self.checking(
            source, cells, unpacked(packed.found), self.evidence[source]
        )
        check = Check.of(checked.customers, checked.problems, checked.belongings)
        return packed.batch, Done(check, decided, self.checking.gone(checked.problems))


def check_batch(
    cells: pa.RecordBatch,
    unreadable: pa.Table,
    mapping: ColumnMapping,
    evidence: DateEvidence,
    config: Config,
    country: str,
    constants: Mapping[str, str] = MappingProxyType({}),
    today: datetime.date | None = None,
    erased: ErasedPeople = NOBODY,
) -> Checked:
    """Map, clean and validate one batch; ``constants`` are canonical, ``today`` as in ``clean``.

    Rows that extract could not read, whose problems are given, are left alone: their cells cannot
    be trusted, so nothing more is said about them. Nor is anything about rows of a masked export,
    without consent, or of people who were erased.
    """
    unreadable = by_row([unreadable, *_masked(cells, mapping)])
    mapped = map_columns(cells, mapping)
    chosen = choose(mapped.customers, cells, mapping, config, country, constants)
    region = config.clean.default_region or country
    cleaned = clean(chosen.customers, config.clean, region, evidence, constants, today)
    cleaned = replace(cleaned, customers=_with_note(cleaned.customers, chosen.to_note))
    checked = judged(cleaned, config.on_invalid, country)
    kept = _belongings(cells, mapping, chosen.to_attributes, config.on_invalid.of_belongings)
    unwilling = by_row(
        [
            _without_consent(cells, mapping.consent),
            erased.among(cleaned.customers),
        ]
    )
    cannot, left = rows_of(unreadable, len(cells)), rows_of(unwilling, len(cells))
    said = by_row([unwilling], cannot, unreadable)
    problems = [mapped.problems, chosen.problems, checked.problems, kept.problems]
    out = cannot | left
    refused = out | rows_of(kept.problems, len(cells), "reject")
    return Checked(
        checked.customers,
        pc.and_not(checked.accepted, octets.mask(refused)),
        by_row(problems, out, said) if out.any() else by_row(problems),
        kept.batch,
    )


class _Belongings(NamedTuple):
    batch: pa.RecordBatch | None
    problems: pa.Table


def _belongings(
    cells: pa.RecordBatch,
    mapping: ColumnMapping,
    others: Mapping[str, pa.Array],
    policy: Literal["reject", "drop"],
) -> _Belongings:
    """Return what rows want beside profiles; ``others`` are custom attributes by their key."""
    columns: dict[str, pa.Array] = {}
    problems: list[pa.Table] = []
    if mapping.groups:
        header, separator = mapping.groups
        columns[belongings.GROUPS], found = belongings.names(
            cells.column(header), separator, policy
        )
        problems += found
    if belongings.GIFT_CARD in mapping.fields:
        column, _ = map_field(cells, mapping, belongings.GIFT_CARD)
        columns[belongings.GIFT_CARD], found = belongings.card_numbers(column, policy)
        problems += found
    written = {key: cells.column(header) for header, key in mapping.attributes.items()}
    for key, column in (written | dict(others)).items():
        name = belongings.ATTRIBUTES + key
        columns[name], found = belongings.values(column, key, policy)
        problems += found
    if not columns:
        return _Belongings(None, NO_PROBLEMS)
    return _Belongings(pa.RecordBatch.from_pydict(columns), by_row(problems))


# Somebody whose every cell has to be put in order, for which all there is is loaded.
_ANYBODY = {
    "email_address": "Jo <jo@münchen.example>",
    "phone_number": "(201) 555-0123 ext. 4",
    "birthday": "3 Feb 1990",
    "address.country": "Deutschland",
    "address.administrative_district_level_1": "Hessen",
}


@cache
def load_rules() -> None:
    """Load what checking takes, once: libraries and patterns are a tenth of a second."""
    anybody = pa.RecordBatch.from_pylist([_ANYBODY], schema=CUSTOMERS)
    cleaned = clean(anybody, Clean(), "US", DateEvidence())
    validate(cleaned, OnInvalidSection(), "US")


def canonical_constants(config: Config, country: str) -> dict[str, str]:
    """Return ``[constants]`` as cleaning would write them.

    Raises ConfigError for one that Square would refuse.
    """
    if not config.constants:
        return {}
    given = pa.RecordBatch.from_pylist([dict(config.constants)], schema=CUSTOMERS)
    region = config.clean.default_region or country
    cleaned = clean(given, config.clean, region, DateEvidence())
    checked = validate(cleaned, OnInvalidSection(), country)
    for problem in checked.problems.to_pylist():
        if problem["effect"] == "reject" and problem["field"] in config.constants:
            raise ConfigError(f"[constants] {problem['field']}: {problem['message']}")
    (row,) = checked.customers.to_pylist()
    return {name: row[name] for name in config.constants if row[name] is not None}


def _with_note(customers: pa.RecordBatch, lines: pa.Array) -> pa.RecordBatch:
    if lines.null_count == len(lines):
        return customers
    at = CUSTOMERS.get_field_index("note")
    note = joined([customers.column(at), lines], "\n")
    return customers.set_column(at, CUSTOMERS.field(at), note)


def _masked(cells: pa.RecordBatch, mapping: ColumnMapping) -> Iterator[pa.Table]:
    """Find the cells that hold what an export wrote instead of values."""
    used = [(name, header) for name, group in mapping.fields.items() for header in group]
    used += [(belongings.ATTRIBUTES + key, header) for header, key in mapping.attributes.items()]
    if mapping.groups:
        used.append((belongings.GROUPS, mapping.groups[0]))
    known = codes.BY_NAME["MASKED_VALUE"]
    finding = Finding("reject", known.name, known.meaning, known.remedy)
    for name, header in used:
        shown_as = "given_name" if name == FULL_NAME else name
        yield repeated(tokens.are_tokens(cells.column(header)), shown_as, finding)


def _without_consent(cells: pa.RecordBatch, consent: ConsentColumn | None) -> pa.Table:
    """Find the rows that are left alone because nobody said yes."""
    if consent is None or not consent.require:
        return NO_PROBLEMS
    cell = pc.fill_null(cells.column(consent.column), "")
    unwilling = pc.not_equal(subscription(cell, consent.yes), SUBSCRIBED)
    known = codes.BY_NAME["NO_CONSENT"]
    finding = Finding("skip", known.name, known.meaning, known.remedy)
    said = pc.utf8_slice_codeunits(cell.filter(unwilling), 0, _SHOWN)
    messages = pc.binary_join_element_wise(f"{consent.column}: ", said, "")
    return repeated(unwilling, "", finding, messages)


def _decisions(
    cells: pa.RecordBatch, customers: pa.RecordBatch, namespace: str
) -> tuple[dict[str, str], list[Problem]]:
    """Return what a review file decides, by review key, and the cells that decide nothing."""
    keys = payload.source_keys(customers, namespace).to_pylist()
    under = map(payload.review_key, keys, customers.to_pylist())
    known = codes.BY_NAME["NO_DECISION"]
    decided: dict[str, str] = {}
    wrong: list[Problem] = []
    for row, (cell, key) in enumerate(zip(cells.column(_DECISION).to_pylist(), under, strict=True)):
        decision = (cell or "").strip()
        word = decision.lower()
        if not decision:
            continue
        if word in ("create", "skip"):
            decided[key] = word
        elif decision.isascii() and decision.isalnum():
            decided[key] = decision
        else:
            wrong.append(Problem(row, "reject", known.name, "", known.meaning, known.remedy))
    return decided, wrong
