"""How do customers get into their groups, and custom attributes and gift cards to them?

After the profiles: groups and definitions that are missing are created first, then every membership
and every gift card is a call of its own, and values go 25 to a call. All of them say how something
is to be, not what is to be done, so what was not answered is sent again as it was. Values are
guarded by their versions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote

import orjson

from etl.config import Config
from etl.customers import attributes, codes
from etl.customers.belongings import named
from etl.customers.problems import Problem
from etl.errors import ConfigError, Fault, Refused, Unavailable
from etl.journal.additions import Addition, Delivery, Made, Result
from etl.journal.journal import Journal
from etl.journal.records import Run
from etl.square.client import SquareClient
from etl.square.wire import LATER, OF_ONE, STALE
from etl.stages.beside import spelled

# BulkUpsertCustomerCustomAttributes takes 1 to 25 entries.
_VALUES = 25
# Additions that are noted as sent, and as answered, together.
_PAGE = 100
# Groups of one name that were created and deleted again before it is given up.
_GENERATIONS = 20
# Calls that one addition is put in: after conflicts or merges, and after answers that put it off.
_TRIES, _PUT_OFF = 3, 20


@dataclass(slots=True)
class _Settlement:
    """What the answers to some calls come to."""

    deliveries: list[Delivery] = field(default_factory=list)
    results: list[tuple[Addition, Result]] = field(default_factory=list)
    again: list[tuple[Addition, int | None, str | None]] = field(default_factory=list)
    moved: list[tuple[str, str]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    put_off: int = 0

    def fail(self, addition: Addition, faults: Sequence[Fault]) -> None:
        """Square refused an addition for good."""
        self.results.append((addition, "failed"))
        field = named(addition.kind, addition.name)
        self.problems.extend(
            Problem(addition.row, "reject", fault.code, field, fault.detail or fault.code)
            for fault in faults or [Fault("", "BAD_REQUEST")]
        )


@dataclass(slots=True)
class Attacher:
    """Sends the additions of a journal."""

    journal: Journal
    square: SquareClient
    run: Run
    config: Config
    _groups: dict[str, str] = field(default_factory=dict, init=False)
    _refused: dict[str, tuple[Fault, ...]] = field(default_factory=dict, init=False)

    def prepare(self) -> None:
        """Create what is missing of definitions and groups, definitions first.

        Raises ConfigError for a definition that Square refuses.
        """
        self._define()
        self._group()

    def attach(self, between: Callable[[int], None]) -> None:
        """Send every open addition and settle its answer; ``between`` hears how many more."""
        self.prepare()
        self._deliver()
        while page := self.journal.additions.planned(_PAGE):
            with self.journal.transaction():
                self._send(page)
            self._deliver()
            between(len(page))

    def settle(self) -> None:
        """Send again, as they were, the calls that have no answer, and nothing else."""
        self._deliver()

    # -- groups and definitions --------------------------------------------------------------

    def _define(self) -> None:
        keys = self.journal.additions.attribute_keys()
        made = self.journal.additions.made("definition")
        if not keys or not self.config.definitions.create_missing:
            return
        known = {one["key"] for page in self.square.attribute_definitions() for one in page}
        for key in keys:
            if key in known or (key in made and made[key].id):
                continue
            headers = self.config.attribute_headers
            told = {
                "key": key,
                "name": headers[key],
                "description": "made by square-etl",
                "visibility": "VISIBILITY_READ_WRITE_VALUES",
                "schema": {"$ref": f"{attributes.COMMON}String"},
            }
            try:
                self._make(
                    "definition",
                    key,
                    {"custom_attribute_definition": told},
                    lambda body: str(self.square.create_attribute_definition(body)["key"]),
                    self.square.has_attribute_definition,
                )
            except Refused as refusal:
                if refusal.status not in OF_ONE:
                    raise
                said = "; ".join(fault.detail or fault.code for fault in refusal.faults)
                raise ConfigError(
                    f"[custom_attributes] Square does not take a definition of {key!r}: {said}"
                ) from refusal

    def _group(self) -> None:
        names = self.journal.additions.group_names()
        if not names:
            return
        for page in self.square.groups():
            for group in page:
                # Of two groups of one name the older one.
                self._groups.setdefault(spelled(str(group.get("name", ""))), str(group["id"]))
        for name in names:
            if name in self._groups:
                continue
            try:
                self._groups[name] = self._make(
                    "group",
                    name,
                    {"group": {"name": name}},
                    self.square.create_group,
                    self.square.has_group,
                )
            except Refused as refusal:
                if refusal.status not in OF_ONE:
                    raise
                # Its members fail with these words when it is their turn.
                self._refused[name] = refusal.faults

    def _make(
        self,
        kind: Literal["group", "definition"],
        name: str,
        told: dict[str, Any],
        create: Callable[[bytes], str],
        is_there: Callable[[str], bool],
    ) -> str:
        """Create something under a key that is made from what it is.

        A key stays used by what was deleted since, and may go on answering with it: then the next
        generation is made.
        """
        additions = self.journal.additions
        before = additions.made(kind).get(name)
        for generation in range(before.generation if before else 0, _GENERATIONS):
            key = _key(self.run.merchant_id, kind, told, generation)
            body = orjson.dumps({"idempotency_key": key, **told})
            additions.make(kind, Made(name, body, generation, ""))
            try:
                id = create(body)
            except Refused as refusal:
                if any(fault.code == "IDEMPOTENCY_KEY_REUSED" for fault in refusal.faults):
                    continue
                raise
            if is_there(id):
                additions.make(kind, Made(name, body, generation, id), created=True)
                return id
        raise Unavailable(f"Square says it made the {kind}, but there is none, again and again")

    # -- memberships, gift cards and values --------------------------------------------------

    def _send(self, page: Sequence[Addition]) -> None:
        """Put additions into calls; the caller holds a transaction."""
        values = [one for one in page if one.kind == "attribute"]
        for start in range(0, len(values), _VALUES):
            self._send_values(values[start : start + _VALUES])
        settlement = _Settlement()
        for one in page:
            if one.kind == "attribute":
                continue
            if one.kind == "gift_card":
                path = f"/v2/gift-cards/{quote(orjson.loads(one.value), safe='')}/link-customer"
                body = orjson.dumps({"customer_id": one.customer_id})
                self.journal.additions.send("gift_card", path, body, [one])
                continue
            group = self._groups.get(one.name)
            if group is None:
                settlement.fail(one, self._refused.get(one.name, ()))
                continue
            path = f"/v2/customers/{quote(one.customer_id, safe='')}/groups/{quote(group, safe='')}"
            self.journal.additions.send("group", path, b"", [one])
        self._write_down(settlement)

    def _send_values(self, values: Sequence[Addition]) -> None:
        body = orjson.dumps({"values": {self._name(one): self._entry(one) for one in values}})
        path = "/v2/customers/custom-attributes/bulk-upsert"
        self.journal.additions.send("attribute", path, body, values)

    def _name(self, one: Addition) -> str:
        """Return what an entry is called, and its idempotency key.

        It is this run's: a value that was taken back since, and is written anew by another run,
        must not be answered from what Square remembers of the first time.
        """
        told = (one.customer_id, one.name, one.value, one.version)
        return _key(self.run.merchant_id, self.run.run_id, *told)

    def _entry(self, one: Addition) -> dict[str, Any]:
        guard = {} if one.version is None else {"version": one.version}
        value = {"key": one.name, "value": orjson.loads(one.value), **guard}
        return {
            "customer_id": one.customer_id,
            "custom_attribute": value,
            "idempotency_key": self._name(one),
        }

    def _deliver(self) -> None:
        """Send the calls that have no answer, and settle what they come to together."""
        while waiting := self.journal.additions.unanswered():
            settlement = _Settlement()
            for delivery in waiting:
                settlement.deliveries.append(delivery)
                carried = self.journal.additions.carried(delivery)
                if delivery.kind != "attribute":
                    self._join(delivery, carried, settlement)
                elif not self._upsert(delivery, carried, settlement):
                    settlement.deliveries.pop()
                    with self.journal.transaction():
                        self.journal.additions.answered(delivery)
                        for one in carried:
                            self._send_values([one])
            with self.journal.transaction():
                self._write_down(settlement)
            if settlement.put_off:
                self.square.hold_back(settlement.put_off)

    def _join(
        self, delivery: Delivery, carried: Sequence[Addition], settlement: _Settlement
    ) -> None:
        """Put a customer into a group, or link a gift card; a second time neither has an effect."""
        try:
            if delivery.kind == "group":
                self.square.add_to_group(delivery.path)
            else:
                self.square.link_gift_card(delivery.path, delivery.body)
        except Refused as refusal:
            if refusal.status not in OF_ONE:
                raise
            for one in carried:
                self._lost(one, refusal.faults, settlement)
        else:
            settlement.results += [(one, "landed") for one in carried]

    def _upsert(
        self, delivery: Delivery, carried: Sequence[Addition], settlement: _Settlement
    ) -> bool:
        """Send values and read the answer entry by entry; False if they are to go one by one."""
        try:
            answer = self.square.upsert_attributes(delivery.body)
        except Refused as refusal:
            if refusal.status not in OF_ONE:
                raise
            if len(carried) > 1:
                return False
            for one in carried:
                settlement.fail(one, refusal.faults)
            return True
        for one in carried:
            faults = answer.get(self._name(one))
            said = {fault.code for fault in faults or ()}
            if faults is None or any(fault.category in LATER for fault in faults):
                self._later(one, settlement)
            elif not faults:
                settlement.results.append((one, "landed"))
            elif said & STALE or (one.version is not None and said == {"BAD_REQUEST"}):
                self._reread(one, faults, settlement)
            else:
                self._lost(one, faults, settlement)
        return True

    def _later(self, one: Addition, settlement: _Settlement) -> None:
        if one.tries > _PUT_OFF:
            raise Unavailable("Square's answers keep putting off or leaving out custom attributes")
        settlement.put_off = max(settlement.put_off, one.tries)
        settlement.again.append((one, one.version, None))

    def _reread(self, one: Addition, faults: Sequence[Fault], settlement: _Settlement) -> None:
        """Somebody changed the value since it was read, or an attempt of ours did."""
        there = (self.square.attributes(one.customer_id) or {}).get(one.name)
        if there and attributes.same(orjson.loads(one.value), there.get("value")):
            settlement.results.append((one, "landed"))
        elif there and self.config.update.policy == "fill":
            settlement.results.append((one, "needless"))
        elif one.tries >= _TRIES:
            settlement.fail(one, faults)
        else:
            held = orjson.dumps(there.get("value")).decode() if there else ""
            settlement.again.append((one, int(there["version"]) if there else None, held))

    def _lost(self, one: Addition, faults: Sequence[Fault], settlement: _Settlement) -> None:
        """Follow a customer that was merged into another; any other refusal stands."""
        profile = self.square.retrieve_customers([one.customer_id])[one.customer_id]
        if profile is None or profile["id"] == one.customer_id or one.tries >= _TRIES:
            settlement.fail(one, faults)
            return
        settlement.moved.append((one.customer_id, profile["id"]))
        settlement.again.append((one, None, None))

    def _write_down(self, settlement: _Settlement) -> None:
        additions = self.journal.additions
        for delivery in settlement.deliveries:
            additions.answered(delivery)
        for one, result in settlement.results:
            additions.settle(one, result)
        for one, version, before in settlement.again:
            additions.again(one, version, before)
        for customer_id, survivor in settlement.moved:
            additions.move(customer_id, survivor)
        self.journal.add_problems(settlement.problems)
        additions.conclude(one.row for one, _ in settlement.results)


def verify_additions(
    journal: Journal, square: SquareClient, remember: Callable[[Any], None]
) -> None:
    """Read back what was added; ``remember`` hears of every profile that was read."""
    groups: dict[str, set[str]] = {}
    pages = square.groups() if journal.additions.counts()["groups"]["added"] else iter(())
    for group in (group for page in pages for group in page):
        groups.setdefault(spelled(str(group.get("name", ""))), set()).add(str(group["id"]))
    code = codes.BY_NAME["VERIFY_MISMATCH"]
    for page in journal.additions.unverified(_PAGE):
        profiles = square.retrieve_customers([one.customer_id for one in page])
        valued = {one.customer_id for one in page if one.kind == "attribute"}
        values = {id: square.attributes(id) or {} for id in sorted(valued)}
        linked = {one.number: _linked(square, one) for one in page if one.kind == "gift_card"}
        remember([profile for profile in profiles.values() if profile])
        with journal.transaction():
            for one in page:
                profile = profiles[one.customer_id] or {}
                match one.kind:
                    case "group":
                        held = profile.get("group_ids", ())
                        right = not groups.get(one.name, set()).isdisjoint(held)
                    case "attribute":
                        told = values[one.customer_id].get(one.name, {})
                        right = attributes.same(orjson.loads(one.value), told.get("value"))
                    case "gift_card":
                        # A card may name a customer that was merged by either id.
                        right = not linked[one.number].isdisjoint(
                            {one.customer_id, profile.get("id")}
                        )
                journal.additions.verified(one, "matched" if right else "mismatched")
                if not right:
                    field = named(one.kind, one.name)
                    problem = Problem(one.row, "note", code.name, field, code.meaning, code.remedy)
                    journal.add_problems([problem])


def _linked(square: SquareClient, card: Addition) -> set[str]:
    """Return the customers a gift card is linked to."""
    there = square.gift_card(orjson.loads(card.value))
    return set(there.customer_ids) if there else set()


def _key(*written: Any) -> str:
    digest = hashlib.sha256(orjson.dumps(written, option=orjson.OPT_SORT_KEYS)).hexdigest()
    return f"se-{digest[:40]}"
