"""How do planned writes reach Square, each exactly once, whatever breaks?

Each bulk call is in the journal with its exact bytes before it is sent, and noted as sent before
the first byte leaves. Its answer is read entry by entry, by key. What is not answered stays
``unknown`` and is sent again, byte for byte: a create under the same idempotency key answers with
the profile it made, an update is guarded by the version it was computed from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from etl.config import Update
from etl.customers import payload
from etl.customers.problems import Problem
from etl.errors import Fault, Refused, Unauthorized, Unavailable
from etl.journal.journal import Journal, NewWrite, Outcome, Request, RowChange, Run, Write
from etl.square.client import SquareClient
from etl.square.wire import Item
from etl.stages.plan import Packer

# Tries of one write before it is given up: answers that leave it out, or conflicts in a row.
_TRIES = 3

# "version mismatch" is not in the published list of codes, but the concurrency page uses it.
_STALE = frozenset({"CONFLICT", "VERSION_MISMATCH"})
_LATER = frozenset({"API_ERROR", "RATE_LIMIT_ERROR"})

_KEY_FIELDS = ("reference_id", "email_address", "phone_number")


@dataclass(slots=True)
class _Settlement:
    """What the answer to one bulk call comes to."""

    landed: list[tuple[Write, str, int]] = field(default_factory=list)
    rows: list[RowChange] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    again: list[NewWrite] = field(default_factory=list)

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


@dataclass(frozen=True, slots=True)
class Loader:
    """Sends what a journal has planned."""

    journal: Journal
    square: SquareClient
    run: Run
    update: Update

    def load(self, between: Callable[[], None], *, sent_only: bool = False) -> None:
        """Send every open call and settle its answer; ``between`` is called at each boundary.

        ``sent_only`` settles just the calls that an interrupted run left in flight. Raises
        Unavailable or Unauthorized when Square cannot be reached; what was sent then stays
        ``unknown``.
        """
        while request := self.journal.next_request(sent_only=sent_only):
            between()
            with self.journal.transaction():
                self.journal.sending(request)
            between()
            try:
                items = self._send(request)
            except Unauthorized:
                raise
            except Refused as refusal:
                self._split(request, refusal)
            else:
                self._settle(request, items)

    def _send(self, request: Request) -> dict[str, Item]:
        if request.endpoint == "bulk-create":
            return self.square.bulk_create(request.body)
        return self.square.bulk_update(request.body)

    def _split(self, request: Request, refusal: Refused) -> None:
        """Halve a call that Square refuses as a whole, until the row that poisons it is alone."""
        writes = self.journal.writes(request)
        settlement = _Settlement()
        with self.journal.transaction():
            if len(writes) == 1:
                settlement.fail(writes[0], refusal.faults or [Fault("", "BAD_REQUEST")])
            middle = len(writes) // 2
            for half in (writes[:middle], writes[middle:]) if len(writes) > 1 else ():
                self._plan_again([_same(write) for write in half])
            self._write_down(request, settlement)

    def _settle(self, request: Request, items: Mapping[str, Item]) -> None:
        settlement = _Settlement()
        stale, reused = [], []
        for write in self.journal.writes(request):
            item = items.get(write.key)
            if item is None or any(fault.category in _LATER for fault in item.faults):
                settlement.again.append(_same(write, tries=write.tries + 1))
            elif item.customer is not None:
                settlement.land(write, item.customer)
            elif write.action == "update" and _says(item, _STALE | {"NOT_FOUND"}):
                stale.append((write, item))
            elif write.action == "create" and _says(item, {"IDEMPOTENCY_KEY_REUSED"}):
                reused.append((write, item))
            else:
                settlement.fail(write, item.faults)
        self._reread(stale, settlement, resent=request.sends > 0)
        for write, item in reused:
            self._reused(write, item, settlement)
        with self.journal.transaction():
            self._write_down(request, settlement)
        if any(write.tries > _TRIES for write in settlement.again):
            raise Unavailable(
                f"Square's answers to {request.endpoint} keep leaving rows out; "
                "whether they were written is not known yet"
            )

    def _reread(
        self, stale: Sequence[tuple[Write, Item]], settlement: _Settlement, *, resent: bool
    ) -> None:
        """Recompute updates whose profile moved: changed, merged into another, or deleted."""
        profiles = (
            self.square.retrieve_customers([w.customer_id for w, _ in stale]) if stale else {}
        )
        for write, item in stale:
            profile = profiles[write.customer_id]
            if profile is None:
                settlement.fail(write, item.faults)
                continue
            difference = payload.difference(
                write.intent, profile, self.update.policy_for, self.run.country
            )
            version = profile.get("version", 0)
            if difference.changes and write.tries >= _TRIES:
                settlement.fail(write, item.faults)
            elif difference.changes:
                settlement.again.append(_update(write, profile["id"], version, difference.changes))
            elif resent or version == (write.version or 0) + 1:
                # The very change was made by this write: its answer was lost.
                settlement.land(write, profile)
            else:
                settlement.rows.append(RowChange(write.row, "unchanged", profile["id"]))

    def _reused(self, write: Write, item: Item, settlement: _Settlement) -> None:
        """A key that does not answer with its profile was used for one that is deleted by now.

        A key stays used after its profile is deleted (developer forum 8276). Unless the row's keys
        lead to a profile that is alive, the row is created under the key of its next generation.
        """
        alive = {
            profile["id"]: profile
            for field in _KEY_FIELDS
            if write.changes.get(field)
            for page in self.square.search_customers({field: {"exact": write.changes[field]}})
            for profile in page
        }
        if len(alive) > 1 or write.tries >= _TRIES:
            settlement.fail(write, item.faults)
        elif alive:
            ((customer_id, profile),) = alive.items()
            difference = payload.difference(
                write.intent, profile, self.update.policy_for, self.run.country
            )
            if difference.changes:
                version = profile.get("version", 0)
                settlement.again.append(_update(write, customer_id, version, difference.changes))
            else:
                settlement.rows.append(RowChange(write.row, "unchanged", customer_id))
        else:
            settlement.again.append(self._next_generation(write))

    def _next_generation(self, write: Write) -> NewWrite:
        (source_key,) = next(
            self.journal.query("SELECT source_key FROM rows WHERE row = ?", write.row)
        )
        generation = write.generation + 1
        key = payload.idempotency_key(self.run.merchant_id, source_key, write.changes, generation)
        return _same(write, tries=write.tries + 1)._replace(key=key, generation=generation)

    def _write_down(self, request: Request, settlement: _Settlement) -> None:
        for landed in settlement.landed:
            self.journal.landed(*landed)
        self.journal.answered(request)
        self.journal.change_rows(settlement.rows)
        self.journal.add_problems(settlement.problems)
        self._plan_again(settlement.again)

    def _plan_again(self, writes: Sequence[NewWrite]) -> None:
        packer = Packer(self.journal)
        for write in writes:
            packer.add(write)
        packer.finish()


def _says(item: Item, codes: frozenset[str] | set[str]) -> bool:
    return any(fault.code in codes for fault in item.faults)


def _same(write: Write, tries: int | None = None) -> NewWrite:
    return NewWrite(
        write.row,
        write.action,
        write.key,
        write.customer_id,
        write.version,
        write.generation,
        write.intent,
        write.changes,
        write.tries if tries is None else tries,
    )


def _update(
    write: Write, customer_id: str, version: int, changes: dict[str, str | None]
) -> NewWrite:
    return NewWrite(
        write.row,
        "update",
        customer_id,
        customer_id,
        version,
        write.generation,
        write.intent,
        changes,
        write.tries + 1,
    )


def _named(write: Write) -> str:
    return "" if write.action == "create" else ", ".join(sorted(write.changes))
