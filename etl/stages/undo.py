"""How is a run taken back, as far as everything still is as it left it?

Like an import it goes in stages over a journal of its own: gather whom the run touched, look at
them and plan, put fields back by the bulk calls of the load, take back the rest call by call, look
again. What is left alone is a conflict of its row (``etl.customers.undone`` says when).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import unquote

import orjson
import pyarrow as pa

from etl.config import Config
from etl.customers import attributes, codes, payload, undone
from etl.customers.belongings import named
from etl.customers.problems import Problem, problem_table
from etl.customers.undone import Added, Conflict, Judgement
from etl.errors import Fault, Interrupted, Refused, SquareError, Unauthorized, Unavailable
from etl.journal.journal import Journal
from etl.journal.ledger import Ledger, Written
from etl.journal.records import Outcome, RowChange, Rows, Run, Write
from etl.journal.undoing import Removal, Result, Subject
from etl.square import commerce
from etl.square.client import SquareClient, pages
from etl.square.flights import Flights
from etl.square.wire import LATER, OF_ONE, STALE, Profile
from etl.stages.load import Loader
from etl.stages.plan import BULK, Packer
from etl.stages.remember import recall

# Calls that are noted as sent together: they take less than the seconds a stopped run has.
_PAGE = 25
# Deletions of one profile that changes under them before it is given up.
_TRIES = 3
# Clocks of Square and of this machine may differ: cards from this long before the run count.
_SKEW = timedelta(hours=1)

# Answers in a row that put off one value.
_PUT_OFF = 20


Values = dict[str, dict[str, Any]]


@dataclass(slots=True)
class _Settlement:
    """What the answers to some calls come to."""

    results: list[tuple[Removal, Result]] = field(default_factory=list)
    rows: list[RowChange] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def settle(self, one: Removal, result: Result) -> None:
        """Square did it, or there was nothing to do any more."""
        self.results.append((one, result))

    def leave(self, one: Removal, conflicts: Iterable[Conflict]) -> None:
        """Somebody did something meanwhile: it stays as it is."""
        self.results.append((one, "needless"))
        self.problems += _problems(one.row, conflicts)

    def fail(self, one: Removal, faults: Sequence[Fault]) -> None:
        """Square refused it for good."""
        self.results.append((one, "failed"))
        faults = faults or [Fault("", "BAD_REQUEST")]
        said = "; ".join(fault.detail or fault.code for fault in faults)
        self.rows.append(RowChange(one.row, "failed", one.customer_id, detail=said))
        self.problems += [
            Problem(one.row, "reject", fault.code, fault.field, fault.detail or fault.code)
            for fault in faults
        ]


def gather(journal: Journal, done: Journal) -> None:
    """Enter whom the run ``done`` touched: a row for each of its rows that wrote, with its line."""
    rows = 0
    cells = pa.record_batch([], schema=pa.schema([]))
    of_source: dict[int, int] = {}
    with journal.transaction():
        for read in done.batches():
            touched = _touched(done, read.first_row, read.first_row + len(read.lines) - 1)
            if not touched:
                continue
            lines = pa.array([line for _, line, _ in touched], pa.int64())
            journal.add_batch(read.source, rows, Rows.of(lines, cells, problem_table([])))
            (number,) = next(journal.query("SELECT max(batch) FROM batches"))
            journal.enter_rows(journal.batch(number), [key for _, _, key in touched])
            journal.undoing.add_subjects(
                _subject(done, was, key, rows + at) for at, (was, _, key) in enumerate(touched)
            )
            rows += len(touched)
            of_source[read.source] = of_source.get(read.source, 0) + len(touched)
        for source, count in of_source.items():
            journal.finish_source(source, count, None)
        journal.note(stage="plan", since=done.run().started_at)


def _touched(done: Journal, first: int, last: int) -> list[tuple[int, int, str]]:
    """Return row, line and source key of the rows for which something took effect."""
    landed = "EXISTS (SELECT 1 FROM {} AS made WHERE made.row = rows.row AND state = 'landed')"
    found = done.query(
        "SELECT row, line, source_key FROM rows WHERE row BETWEEN ? AND ? "
        # Of erased people nothing is known that could be taken back.
        f"AND source_key <> '' AND ({landed.format('writes')} OR {landed.format('additions')}) "
        "ORDER BY row",
        first,
        last,
    )
    return list(found)


def _subject(done: Journal, was: int, key: str, row: int) -> Subject:
    """Return whom a row of the run that is undone wrote to, and what."""
    added = [
        Added(kind, unquote(path.rpartition("/")[2]) if kind == "group" else name, value, before)
        for kind, name, value, before, path in done.query(
            "SELECT additions.kind, name, value, before, path FROM additions "
            "JOIN deliveries USING (delivery) WHERE row = ? AND state = 'landed' ORDER BY number",
            was,
        )
    ]
    wrote = done.query(
        "SELECT action, customer_id, intent, changes, before FROM writes "
        "WHERE row = ? AND state = 'landed' ORDER BY number DESC LIMIT 1",
        was,
    )
    for action, customer_id, *texts in wrote:
        intent, changes, before = map(orjson.loads, texts)
        # What an attempt without an answer changed is in no later changes.
        written = {name: intent.get(name) for name in before} | changes
        created = action == "create"
        review_key = payload.review_key(key, intent) if created else ""
        return Subject(row, customer_id, created, review_key, written, before, added)
    (customer_id,) = next(done.query("SELECT customer_id FROM rows WHERE row = ?", was))
    return Subject(row, customer_id, False, "", {}, {}, added)


@dataclass(slots=True)
class Undoer:
    """Takes back what the subjects of a journal say."""

    journal: Journal
    square: SquareClient
    ledger: Ledger
    run: Run
    config: Config
    now: Callable[[], float]  # Unix time
    in_flight: int = 1  # bulk calls under way at a time
    _cards: Collection[str] | None = field(init=False)  # as they are when this stage begins
    _cards_are_read: bool = field(default=False, init=False)

    def plan(self, between: Callable[[int], None], then: str) -> None:
        """Look at every subject and plan what is to be done; ``between`` hears how many more."""
        undoing = self.journal.undoing
        valued = any(self.square.attribute_definitions())
        while page := undoing.unplanned(BULK):
            seen = self._look(page, valued=valued)
            with self.journal.transaction():
                self._plan_page(seen)
            between(len(page))
        self.journal.note(stage=then)

    def settle(self) -> None:
        """Find out what the calls did that an interrupted run left without an answer."""
        self._loader().load(lambda settled: None, sent_only=True)
        undoing = self.journal.undoing
        while sent := undoing.sent(BULK):
            profiles = self.square.retrieve_customers([one.customer_id for one in sent])
            results = [(one, self._is_done(one, profiles[one.customer_id])) for one in sent]
            with self.journal.transaction():
                for one, is_done in results:
                    undoing.settle(one, "landed" if is_done else "planned")
        self.remember()

    def put_back(self, between: Callable[[int], None]) -> None:
        """Send the bulk calls that put fields back."""
        self._loader().load(between)

    def take_back(self, between: Callable[[int], None]) -> None:
        """Send all other calls: memberships, values, whole profiles."""
        undoing = self.journal.undoing
        while page := undoing.planned(_PAGE):
            between(0)
            with self.journal.transaction():
                undoing.send(page)
            settlement = _Settlement()
            try:
                self._send(page, settlement)
            finally:
                # What has its answer is kept, whatever stops the rest.
                with self.journal.transaction():
                    for one, result in settlement.results:
                        undoing.settle(one, result)
                    self.journal.change_rows(settlement.rows)
                    self.journal.add_problems(settlement.problems)
            between(len(page))

    def verify(self, between: Callable[[int], None]) -> None:
        """Look again at everybody something was sent for, and give every row its outcome."""
        undoing = self.journal.undoing
        for page in undoing.touched(BULK):
            seen = self._look(page, valued=True)
            there = [profile for _, profile, _ in seen if profile is not None]
            recall(self.ledger, there, self.run.country)
            with self.ledger.transaction():
                self.ledger.wrote(_put_back(one, profile) for one, profile, _ in seen if profile)
            with self.journal.transaction():
                for one, profile, now in seen:
                    if one.created and not undoing.is_deleted(one.row):
                        undoing.tell(one.row)  # it was left alone
                        continue
                    self._conclude(one, now, right=profile is None if one.created else now.idle)
            between(len(page))
        self.remember()
        with self.journal.transaction():
            undoing.conclude()

    def remember(self) -> None:
        """Let the ledger know which profiles are no more."""
        with self.ledger.transaction():
            self.ledger.undone(self.journal.undoing.deleted())

    # -- looking -----------------------------------------------------------------------------

    def _with_cards(self) -> Collection[str] | None:
        """Return the customers that got a card since the run began, None if none may be seen.

        A profile that the run created cannot have an older one.
        """
        since = datetime.fromisoformat(self.journal.facts()["since"]) - _SKEW
        found: set[str] = set()
        try:
            newest_first = partial(commerce.cards, self.square, order="DESC")
            for page in pages("GET /v2/cards", newest_first):
                for card in page:
                    made = card.get("created_at")
                    if made and datetime.fromisoformat(str(made)) < since:
                        return found
                    found.add(str(card.get("customer_id")))
        except Unauthorized as refusal:
            if refusal.status != 403:
                raise
            return None
        return found

    def _look(
        self, page: Sequence[Subject], *, valued: bool
    ) -> list[tuple[Subject, Profile | None, Judgement]]:
        """Judge subjects by what Square holds; ``valued``: there are custom attributes at all."""
        if not self._cards_are_read and any(one.created for one in page):
            self._cards, self._cards_are_read = self._with_cards(), True
        profiles = self.square.retrieve_customers([one.customer_id for one in page])
        seen = []
        for one in page:
            profile = profiles[one.customer_id]
            held: Values = {}
            can_have = one.created or any(added.kind == "attribute" for added in one.added)
            if valued and can_have and profile is not None and profile["id"] == one.customer_id:
                held = self.square.attributes(one.customer_id) or {}
            seen.append((one, profile, self._judge(one, profile, held)))
        return seen

    def _judge(self, one: Subject, profile: Profile | None, held: Values) -> Judgement:
        region = self.run.country
        if one.created:
            told = (one.customer_id, one.written, one.added, profile, held, region, self._cards)
            return undone.of_created(*told)
        return undone.of_updated(
            one.customer_id, one.written, one.before, one.added, profile, held, region
        )

    def _plan_page(self, seen: Sequence[tuple[Subject, Profile | None, Judgement]]) -> None:
        packer, rows = Packer(self.journal), []
        for one, profile, now in seen:
            version = int((profile or {}).get("version", 0))
            if now.delete:
                self.journal.undoing.plan([(one.row, "profile", "", one.customer_id, "", version)])
            if now.changes:
                known = (one.customer_id, one.customer_id, version, 0)
                before = {name: one.written[name] for name in now.changes}
                changes = now.changes
                packer.add(Write(one.row, "update", *known, changes, changes, before=before))
            self.journal.undoing.plan(
                (one.row, back.kind, back.name, one.customer_id, back.value, back.version)
                for back in now.taken_back
            )
            self.journal.add_problems(_problems(one.row, now.conflicts))
            outcome: Outcome = "pending"
            if now.idle:
                outcome = "conflict" if now.conflicts else "unchanged"
            detail = now.told if profile is not None or now.conflicts else "is deleted already"
            rows.append(RowChange(one.row, outcome, one.customer_id, detail=detail))
        packer.finish()
        self.journal.change_rows(rows)

    # -- sending -----------------------------------------------------------------------------

    def _loader(self) -> Loader:
        return Loader(
            self.journal,
            self.square,
            self.run,
            self.config,
            self.now,
            lacking=self._still_to_put_back,
            in_flight=self.in_flight,
        )

    def _still_to_put_back(self, write: Write, profile: Profile) -> payload.Values:
        """Look at a profile anew that changed under a write."""
        if profile["id"] != write.customer_id:
            return {}
        one = self.journal.undoing.subject(write.row)
        return undone.differing(one.written, one.before, profile, self.run.country)[0]

    def _send(self, page: Sequence[Removal], settlement: _Settlement) -> None:
        """Make the calls of a page, several at a time, and settle them in order."""
        flights: Flights[Removal, tuple[Fault, ...]] = Flights(self.in_flight)
        try:
            for one, answer in flights.each(page, self._call):
                self._land(settlement, one, answer)
        except (Interrupted, SquareError) as stop:
            flights.land_rest(partial(self._land, settlement), stop)
            raise

    def _call(self, one: Removal) -> tuple[Fault, ...]:
        """Take one thing back; return why Square does not, where it says so inside its answer."""
        if one.kind == "profile":
            self.square.delete_customer(one.customer_id, one.version or 0)
        elif one.kind == "group":
            self.square.remove_from_group(one.customer_id, one.name)
        elif one.value:
            return self._restore_value(one)
        else:
            self.square.delete_attribute(one.customer_id, one.name)
        return ()

    def _land(
        self, settlement: _Settlement, one: Removal, answer: Callable[[], tuple[Fault, ...]]
    ) -> None:
        try:
            if faults := answer():
                self._refused(one, faults, settlement, repeated=False)
            else:
                settlement.settle(one, "landed")
        except Refused as refusal:
            if refusal.status not in OF_ONE:
                raise
            if one.kind == "profile" and _is_stale(refusal):
                self._delete_anew(one, settlement, repeated=refusal.repeated)
            else:
                self._refused(one, refusal.faults, settlement, repeated=refusal.repeated)

    def _delete_anew(self, one: Removal, settlement: _Settlement, *, repeated: bool) -> None:
        """Delete a profile that moved, if it still is nothing but what the run made of it."""
        subject = self.journal.undoing.subject(one.row)
        for _ in range(_TRIES):
            ((_, profile, now),) = self._look([subject], valued=True)
            if not now.delete:
                if now.conflicts:
                    settlement.leave(one, now.conflicts)
                else:
                    settlement.settle(one, "landed" if repeated else "needless")
                return
            assert profile is not None
            try:
                self.square.delete_customer(one.customer_id, int(profile.get("version", 0)))
            except Refused as refusal:
                repeated = repeated or refusal.repeated
                if not _is_stale(refusal) and refusal.status != 404:
                    raise
            else:
                settlement.settle(one, "landed")
                return
        settlement.leave(one, [Conflict("EDITED_SINCE")])

    def _restore_value(self, one: Removal) -> tuple[Fault, ...]:
        """Put the value of an attribute back; return why Square does not take it, if so."""
        guard = {} if one.version is None else {"version": one.version}
        value = {"key": one.name, "value": orjson.loads(one.value), **guard}
        told = {"customer_id": one.customer_id, "custom_attribute": value}
        body = orjson.dumps({"values": {str(one.number): told}})
        for times in range(1, _PUT_OFF):
            faults = self.square.upsert_attributes(body).get(str(one.number))
            if faults is not None and not any(fault.category in LATER for fault in faults):
                return faults
            self.square.hold_back(times)
        raise Unavailable("Square's answers keep putting off or leaving out custom attributes")

    def _refused(
        self, one: Removal, faults: Sequence[Fault], settlement: _Settlement, *, repeated: bool
    ) -> None:
        """See what a refusal is about: an attempt of ours, somebody else's doing, or the call."""
        profile = self.square.retrieve_customers([one.customer_id])[one.customer_id]
        stale = {fault.code for fault in faults} & (STALE | {"BAD_REQUEST"})
        if self._is_done(one, profile):
            settlement.settle(one, "landed" if repeated else "needless")
        elif profile is None:
            settlement.leave(one, [Conflict("DELETED_SINCE")])
        elif profile["id"] != one.customer_id:
            settlement.leave(one, [Conflict("MERGED_SINCE")])
        elif one.kind == "attribute" and one.value and stale:
            settlement.leave(one, [Conflict("EDITED_SINCE", named(one.kind, one.name))])
        else:
            settlement.fail(one, faults)

    def _is_done(self, one: Removal, profile: Profile | None) -> bool:
        """Is something as a call would have made it?"""
        if one.kind == "profile" or profile is None:
            return one.kind == "profile" and profile is None
        if profile["id"] != one.customer_id:
            return False
        if one.kind == "group":
            return one.name not in (profile.get("group_ids") or ())
        there = (self.square.attributes(one.customer_id) or {}).get(one.name)
        if there is None or not one.value:
            return there is None and not one.value
        return attributes.same(orjson.loads(one.value), there.get("value"))

    # -- concluding --------------------------------------------------------------------------

    def _conclude(self, one: Subject, now: Judgement, *, right: bool) -> None:
        """Note what looking again at a customer showed, and say what was done for the row."""
        undoing = self.journal.undoing
        known = {(p.code, p.field) for p in self.journal.problems(one.row, one.row)}
        found = [] if one.created else _problems(one.row, now.conflicts)
        if not right:
            code = codes.BY_NAME["VERIFY_MISMATCH"]
            found.append(Problem(one.row, "note", code.name, "", code.meaning, code.remedy))
        self.journal.add_problems(p for p in found if (p.code, p.field) not in known)
        undoing.verified(one.row, "matched" if right else "mismatched")
        self.journal.timeline.add(read_back=1)
        undoing.tell(one.row)


def _put_back(one: Subject, profile: Profile) -> Written:
    """Return what the ledger is to know of fields that hold again what they held before."""
    digests = {
        name: payload.digest(was)
        for name, was in one.before.items()
        if payload.value_of(profile, name) == was
    }
    told = orjson.dumps(digests).decode()
    return Written(profile["id"], profile.get("version", 0), None, None, None, told)


def _is_stale(refusal: Refused) -> bool:
    return refusal.status == 409 or any(fault.code in STALE for fault in refusal.faults)


def _problems(row: int, conflicts: Iterable[Conflict]) -> list[Problem]:
    known = [(codes.BY_NAME[one.code], one.field) for one in conflicts]
    return [Problem(row, "review", code.name, at, code.meaning, code.remedy) for code, at in known]
