"""How do planned writes reach Square, each exactly once, whatever breaks?

Each bulk call is in the journal with its exact bytes before it is sent, and noted as sent before
the first byte leaves. Its answer is read entry by entry, by key. What is not answered stays
``unknown`` and is sent again, byte for byte: a create under the same idempotency key answers with
the profile it made, an update is guarded by the version it was computed from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache, partial
from typing import Any

import orjson

from etl.config import Config
from etl.customers import identity, payload
from etl.customers.identity import Verdict
from etl.customers.names import Names
from etl.customers.normalize import email_key, phone_key
from etl.customers.problems import Problem
from etl.errors import BrakeError, Fault, Interrupted, Refused, SquareError, Unavailable
from etl.journal.journal import Journal
from etl.journal.records import Outcome, Request, RowChange, Run, Write
from etl.square.client import SquareClient
from etl.square.flights import Flights
from etl.square.wire import LATER, STALE, Bulk, Item, Profile
from etl.stages.plan import Packer

# Version conflicts of one update in a row before it is given up.
_CONFLICTS = 3
# Answers that put off or leave out the same row in a row; with the waits between them this takes
# about as long as the default patience.
_PUT_OFF = 20
# Profiles of one row that were created and deleted again before it is given up.
_GENERATIONS = 20
# Rows refused one by one, with none taken in between, before something else than a row is to blame.
_REFUSED = 20

# Seconds for which Square is trusted to know an idempotency key. It publishes no lifetime; a day is
# the most that is assumed.
_KEY_LIFETIME = 20 * 3600.0

# Seconds after which a profile that a create answers with is not the one just made.
_FRESH = 60.0

# Statuses that the content of one row can cause; others are about the call.
_OF_ROWS = frozenset({400, 413})

_KEY_FIELDS = ("reference_id", "email_address", "phone_number")


@dataclass(slots=True)
class _Settlement:
    """What the answer to one bulk call comes to."""

    landed: list[tuple[Write, str, int]] = field(default_factory=list)
    rows: list[RowChange] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    again: list[Write] = field(default_factory=list)

    def land(self, write: Write, profile: Mapping[str, Any]) -> None:
        """The write took effect; ``profile`` is what Square holds now."""
        self.landed.append((write, profile["id"], profile.get("version", 0)))
        outcome: Outcome = "created" if write.action == "create" else "updated"
        self.rows.append(RowChange(write.row, outcome, profile["id"], detail=_named(write)))

    def fail(self, write: Write, faults: Sequence[Fault]) -> None:
        """Square refused the write for good."""
        said = "; ".join(fault.detail or fault.code for fault in faults)
        self.rows.append(RowChange(write.row, "failed", write.customer_id, detail=said))
        self.problems.extend(
            Problem(write.row, "reject", fault.code, fault.field, fault.detail or fault.code)
            for fault in faults
        )


@dataclass(slots=True)
class Loader:
    """Sends what a journal has planned."""

    journal: Journal
    square: SquareClient
    run: Run
    config: Config
    now: Callable[[], float]  # Unix time
    in_flight: int = 1  # calls under way at a time
    # What a write still has to change on its profile; without it what the row wants decides.
    lacking: Callable[[Write, Profile], payload.Values] | None = None
    _keys: set[str] = field(default_factory=set, init=False)  # that calls under way write under
    _launched: int = field(default=0, init=False)  # calls so far
    _landed: int = field(default=0, init=False)  # of them, in the order of their launching
    _held: int = field(default=0, init=False)  # of them, launched before the latest hold
    _put_off: int = field(default=0, init=False)  # holds in a row for answers that put rows off
    _refused: int = field(default=0, init=False)  # rows in a row that were refused alone

    def load(self, between: Callable[[int], None], *, sent_only: bool = False) -> None:
        """Send every open call and settle its answer.

        ``between`` is told at each boundary how many calls were settled. ``sent_only`` settles just
        the calls that an interrupted run left in flight. Raises SquareError when Square cannot be
        reached or refuses more than rows; what was sent then stays ``unknown``.
        """
        flights: Flights[Request, Bulk] = Flights(self.in_flight)
        last = settled = 0
        try:
            while True:
                request = self.journal.next_request(last, sent_only=sent_only)
                if request is None and not flights:
                    return
                between(settled)
                if request is None or flights.full or self._under_way(request):
                    self._land(*flights.land())
                    settled += 1
                    continue
                last = request.request
                if self._outlived(request):
                    self._look_up(request)
                    settled += 1
                else:
                    self._launch(request, flights, partial(between, settled))
        except (BrakeError, Interrupted, SquareError) as stop:
            flights.land_rest(self._land, stop)
            raise

    def _under_way(self, request: Request) -> bool:
        """Does a call that is not answered yet write under a key of this one, too?"""
        return not self._keys.isdisjoint(_keys(request.body))

    def _launch(
        self, request: Request, flights: Flights[Request, Bulk], between: Callable[[], None]
    ) -> None:
        now = self.now()
        with self.journal.transaction():
            self.journal.sending(request, now)
        request = request._replace(sent_at=now if request.sent_at is None else request.sent_at)
        between()
        self._keys |= _keys(request.body)
        self._launched += 1
        flights.launch(request, lambda: self._send(request))

    def _land(self, request: Request, answer: Callable[[], Bulk]) -> None:
        """Settle a call; they come in the order of their launching."""
        self._landed += 1
        self._keys -= _keys(request.body)
        try:
            bulk = answer()
        except Refused as refusal:
            if refusal.status not in _OF_ROWS or self._refused >= _REFUSED:
                raise
            self._split(request, refusal)
        else:
            self._settle(request, bulk)

    def _outlived(self, request: Request) -> bool:
        """Were creates sent so long ago that Square may not know their keys any more?"""
        if request.endpoint != "bulk-create" or request.sent_at is None:
            return False
        return self.now() - request.sent_at > _KEY_LIFETIME

    def _look_up(self, request: Request) -> None:
        """Find out by the rows' keys what an old call did; what it did not do is planned again.

        A row without reference, email and phone cannot be looked up and is taken as not written.
        """
        settlement = _Settlement()
        for write in self.journal.writes(request):
            found = self._written(write)
            # Reading it back tells what somebody made of it since.
            if len(found := found or self._made_then(write, request)) == 1:
                settlement.land(write, found[0])
            else:
                settlement.again.append(replace(write, tries=write.tries + 1, uncertain=False))
        with self.journal.transaction():
            self._write_down(request, settlement)

    def _send(self, request: Request) -> Bulk:
        if request.endpoint == "bulk-create":
            return self.square.bulk_create(request.body)
        return self.square.bulk_update(request.body)

    def _split(self, request: Request, refusal: Refused) -> None:
        """Halve a call that Square refuses as a whole, until the row that poisons it is alone.

        If an earlier attempt of the call was not answered, it may have been carried out.
        """
        unanswered = refusal.repeated or request.sends > 0
        writes = [
            replace(write, uncertain=write.uncertain or unanswered)
            for write in self.journal.writes(request)
        ]
        settlement = _Settlement()
        if len(writes) == 1:
            self._refuse(writes[0], request, refusal, settlement)
        with self.journal.transaction():
            self._write_down(request, settlement)
            middle = len(writes) // 2
            for half in (writes[:middle], writes[middle:]) if len(writes) > 1 else ():
                self._plan_again(half, request)

    def _refuse(
        self, write: Write, request: Request, refusal: Refused, settlement: _Settlement
    ) -> None:
        """Settle a row that Square refuses alone, unless it was written before."""
        self._refused += 1
        if write.uncertain:
            found = self._written(write)
            if len(found) == 1:
                settlement.land(write, found[0])
                return
            if write.action == "create" and request.sends == 0:
                raise Unavailable(
                    f"Square refuses {request.endpoint} now, but may have carried it out before, "
                    "and search may not show it yet"
                ) from refusal
        settlement.fail(write, refusal.faults or [Fault("", "BAD_REQUEST")])

    def _settle(self, request: Request, bulk: Bulk) -> None:
        settlement = _Settlement()
        unanswered = bulk.repeated or request.sends > 0
        stale, reused, old = [], [], []
        for write in self.journal.writes(request):
            item = bulk.get(write.key)
            if item is None:
                settlement.again.append(replace(write, uncertain=True))
            elif any(fault.category in LATER for fault in item.faults):
                # An internal error of Square's does not say whether the write was done.
                broken = any(fault.category == "API_ERROR" for fault in item.faults)
                uncertain = write.uncertain or unanswered or broken
                # Being put off is no try: those count against a profile that keeps changing.
                settlement.again.append(replace(write, uncertain=uncertain))
            elif item.customer is not None and write.action == "create" and self._is_old(item):
                old.append((write, item))
            elif item.customer is not None:
                settlement.land(write, item.customer)
            elif write.action == "update" and _says(item, STALE | {"NOT_FOUND"}):
                stale.append(replace(write, uncertain=write.uncertain or unanswered))
            elif write.action == "create" and _says(item, {"IDEMPOTENCY_KEY_REUSED"}):
                reused.append((write, item))
            else:
                settlement.fail(write, item.faults)
        later = len(settlement.again)
        self._reread(stale, settlement)
        self._meet(old, settlement)
        for write, item in reused:
            self._reused(write, item, settlement)
        with self.journal.transaction():
            self._write_down(request, settlement)
        self._wait_for(later, request, progress=len(settlement.rows) > 0)

    def _wait_for(self, later: int, request: Request, *, progress: bool) -> None:
        """Hold back after an answer that put rows off; give up when nothing else comes."""
        if progress:
            self._put_off = self._refused = 0
        # Calls that were under way together are held back for once.
        if later and self._landed > self._held:
            self._held = self._launched
            self._put_off += 1
            self.square.hold_back(self._put_off)
        if self._put_off > _PUT_OFF:
            raise Unavailable(
                f"Square's answers to {request.endpoint} keep putting off or leaving out rows; "
                "whether these were written is not known yet"
            )

    def _reread(self, stale: Sequence[Write], settlement: _Settlement) -> None:
        """Recompute updates whose profile moved: changed, merged into another, or deleted."""
        ids = [write.customer_id for write in stale]
        profiles = self.square.retrieve_customers(ids) if ids else {}
        for write in stale:
            profile = profiles[write.customer_id]
            if profile is None:
                gone = f"Customer with ID `{write.customer_id}` not found."
                settlement.fail(write, [Fault("INVALID_REQUEST_ERROR", "NOT_FOUND", gone)])
                continue
            changes = self._changes(write, profile)
            if changes and write.tries >= _CONFLICTS:
                kept = "The profile kept changing while it was updated."
                settlement.fail(write, [Fault("INVALID_REQUEST_ERROR", "CONFLICT", kept)])
            elif changes:
                settlement.again.append(_updating(write, profile, changes))
            elif write.uncertain:
                # The very change was made by an attempt whose answer was lost.
                settlement.land(write, profile)
            else:
                settlement.rows.append(RowChange(write.row, "unchanged", profile["id"]))

    def _is_old(self, item: Item) -> bool:
        """Does a create answer with a profile that was there before it was asked for?"""
        assert item.customer is not None
        return _created_at(item.customer) < (self.square.told_time or self.now()) - _FRESH

    def _meet(self, old: Sequence[tuple[Write, Item]], settlement: _Settlement) -> None:
        """Settle creates that answered with older profiles: their keys were used before.

        Square answers with what it made then, whatever became of it since. Most are what an earlier
        run made, whose journal is lost; one that was edited since is updated like any other, one
        that is gone by now is created anew.
        """
        ids = [str(item.customer["id"]) for _, item in old if item.customer]
        profiles = self.square.retrieve_customers(ids) if ids else {}
        for (write, item), id in zip(old, ids, strict=True):
            profile = profiles[id]
            if profile is None:
                self._reused(write, item, settlement)
            elif profile["id"] == id and not self._changes(write, profile):
                settlement.land(write, profile)
            else:
                self._bring(write, profile, settlement)

    def _bring(self, write: Write, profile: Profile, settlement: _Settlement) -> None:
        """Bring a profile that turned out to be the row's to what the row says."""
        if changes := self._changes(write, profile):
            settlement.again.append(_updating(write, profile, changes))
        else:
            settlement.rows.append(RowChange(write.row, "unchanged", profile["id"]))

    def _reused(self, write: Write, item: Item, settlement: _Settlement) -> None:
        """A key that does not answer with its profile was used for one that is deleted by now.

        A key stays used after its profile is deleted (developer forum 8276). Unless the row's keys
        lead to a profile that is alive, the row is created under the key of its next generation.
        """
        alive = {profile["id"]: profile for profile in self._alive(write)}
        verdict = self._decide(write, list(alive.values()))
        if verdict.action == "create" and write.generation < _GENERATIONS:
            settlement.again.append(self._next_generation(write))
        elif verdict.customer_id is None:
            settlement.fail(write, item.faults)
        else:
            self._bring(write, alive[verdict.customer_id], settlement)

    def _changes(self, write: Write, profile: Profile) -> payload.Values:
        if self.lacking is not None:
            return self.lacking(write, profile)
        policy = self.config.update.policy_for
        return payload.difference(write.intent, profile, policy, self.run.country)

    def _decide(self, write: Write, profiles: Sequence[Profile]) -> Verdict:
        """Decide who a row is, by the same rules as when it was planned."""
        values, settings = write.changes, self.config.dedupe
        (told,) = next(
            self.journal.query("SELECT matched_by = 'decision' FROM rows WHERE row = ?", write.row)
        )
        row = identity.Row(
            row=write.row,
            customer_id=None,
            known_by="",
            decision="create" if told else "",
            held=False,
            reference_id=values.get("reference_id"),
            email=email_key(values.get("email_address")),
            phone=values.get("phone_number"),
            names=_names(values),
        )
        (verdict,) = identity.decide(
            [row],
            [
                identity.Profile(
                    id=profile["id"],
                    reference_id=profile.get("reference_id"),
                    email=email_key(profile.get("email_address")),
                    phone=phone_key(profile.get("phone_number"), self.run.country),
                    names=_names(profile),
                )
                for profile in profiles
            ],
            keys=settings.keys,
            in_file=settings.in_file,
            shared_phone=settings.shared_phone,
        )
        return verdict

    def _written(self, write: Write) -> list[Profile]:
        """Return the profiles that hold exactly what a write would have made of them."""
        return [
            profile
            for profile in self._alive(write)
            if not payload.mismatches(write.changes, profile, self.run.country)
        ]

    def _made_then(self, write: Write, request: Request) -> list[Profile]:
        """Return the profiles that a create may have made, whatever somebody made of them since.

        They came about while it was being sent, and the row's keys lead to them.
        """
        first = request.sent_at or 0.0
        return [
            profile
            for profile in self._alive(write)
            if -_FRESH <= _created_at(profile) - first <= self.config.limits.patience + _FRESH
        ]

    def _alive(self, write: Write) -> list[Profile]:
        """Return the profiles the row's keys lead to, as they are now."""
        if write.action == "update":
            ids = {write.customer_id}
        else:
            ids = {
                str(profile["id"])
                for field in _KEY_FIELDS
                if write.changes.get(field)
                for page in self.square.search_customers({field: {"exact": write.changes[field]}})
                for profile in page
            }
        # Search may still show what was deleted or merged; an id is answered as it is now.
        found = self.square.retrieve_customers(sorted(ids)).values() if ids else []
        return list({profile["id"]: profile for profile in found if profile}.values())

    def _next_generation(self, write: Write) -> Write:
        (source_key,) = next(
            self.journal.query("SELECT source_key FROM rows WHERE row = ?", write.row)
        )
        generation = write.generation + 1
        key = payload.idempotency_key(self.run.merchant_id, source_key, write.changes, generation)
        return replace(write, key=key, generation=generation, tries=write.tries + 1)

    def _write_down(self, request: Request, settlement: _Settlement) -> None:
        self.journal.landed(settlement.landed)
        self.journal.answered(request)
        self.journal.change_rows(settlement.rows)
        self.journal.add_problems(settlement.problems)
        self._plan_again(settlement.again, request)

    def _plan_again(self, writes: Sequence[Write], request: Request) -> None:
        """Put writes into new calls; those that may have been done count as sent with the old."""
        for uncertain in (False, True):
            packer = Packer(self.journal, sent_at=request.sent_at if uncertain else None)
            for write in writes:
                if write.uncertain == uncertain:
                    packer.add(write)
            packer.finish()
        self.journal.change_rows(
            RowChange(write.row, "pending", write.customer_id, detail="to be sent again")
            for write in writes
            if not write.uncertain
        )


# Asked of a call when it is its turn, when it is launched and when it lands.
@lru_cache(maxsize=16)
def _keys(body: bytes) -> frozenset[str]:
    return frozenset(orjson.loads(body)["customers"])


def _names(values: Mapping[str, Any]) -> Names:
    return Names(values.get("given_name"), values.get("family_name"), values.get("company_name"))


def _says(item: Item, codes: frozenset[str] | set[str]) -> bool:
    return any(fault.code in codes for fault in item.faults)


def _updating(write: Write, profile: Profile, changes: dict[str, str | None]) -> Write:
    # What an attempt without an answer may have changed already was there before it.
    done = write.before if write.action == "update" and write.uncertain else {}
    return replace(
        write,
        action="update",
        key=profile["id"],
        customer_id=profile["id"],
        version=profile.get("version", 0),
        changes=changes,
        before={**done, **payload.held(profile, changes)},
        tries=write.tries + 1,
        uncertain=False,
    )


def _named(write: Write) -> str:
    return "" if write.action == "create" else ", ".join(sorted(write.changes))


def _created_at(profile: Profile) -> float:
    """Return the Unix time at which a profile came about; long ago where nobody can tell."""
    try:
        return datetime.fromisoformat(str(profile.get("created_at", ""))).timestamp()
    except ValueError:
        return 0.0
