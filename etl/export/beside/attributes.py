"""Which custom attributes do customers have?

They do not come with a profile: to read all of them is a call for each customer. A search finds
whoever has an attribute (it was updated at some time), and, of a Boolean or a Selection, whoever
has which value; so where few have any, only these are asked one by one, or nobody. Square's counts
tell beforehand which takes fewer calls, and afterwards that a search found everybody.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import orjson
import pyarrow as pa

from etl.customers.attributes import Definition, definition
from etl.errors import Interrupted, SquareError
from etl.export.beside import typed, walks
from etl.export.beside.gathering import AMONG, Gathering, ids_of, note, noted
from etl.export.beside.walks import Walk
from etl.export.wanted import Further
from etl.journal.database import transaction
from etl.square.client import BATCH, SquareClient
from etl.square.flights import Flights
from etl.square.wire import Page, Profile

SCHEMA = """
CREATE TABLE IF NOT EXISTS attribute_keys (
    key TEXT PRIMARY KEY, definition TEXT NOT NULL, way TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS attribute_values (
    customer TEXT, key TEXT, value TEXT NOT NULL, PRIMARY KEY (customer, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS attribute_holders (customer TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS attribute_asked (customer TEXT PRIMARY KEY) WITHOUT ROWID;
"""

PREFIX = "custom_attributes."
# The column of what fits no other: values that are not of their definition's type.
_OTHER = pa.field("custom_attributes", pa.string())

# How the values of an attribute are learned: by searching for each value, by asking those whom a
# search for the attribute finds, by asking everybody.
Way = Literal["search", "holders", "everybody"]

# What Square shows of the past is not older than this.
_EPOCH = "1970-01-01T00:00:00Z"

_Held = dict[str, dict[str, Any]] | None


class Plan(NamedTuple):
    """How each attribute is read, and about how many calls all of them take."""

    ways: dict[str, Way]
    calls: int


def choose(definitions: Sequence[Definition], holders: Mapping[str, int], profiles: int) -> Plan:
    """Return the way of the fewest calls, by how many of ``profiles`` have each attribute.

    Whether those of different attributes are the same people is not known; that they are is taken
    to be chance.
    """
    ways: dict[str, Way] = {}
    calls, without = 0, 1.0
    for one in definitions:
        count = holders[one.key]
        pages = max(1, math.ceil(count / BATCH))
        if (values := _values(one)) is not None:
            ways[one.key] = "search"
            calls += pages + len(values) if count else 1
        else:
            ways[one.key] = "holders"
            calls += pages
            without *= 1 - min(1.0, count / profiles) if profiles else 1.0
    calls += math.ceil(profiles * (1 - without))
    if calls < profiles:
        return Plan(ways, calls)
    return Plan(dict.fromkeys(ways, "everybody"), profiles)


def prepare(
    db: sqlite3.Connection, square: SquareClient, filter: Mapping[str, Any], profiles: int
) -> int:
    """Settle how the attributes are read; return about how many calls that will take."""
    if (calls := noted(db, "attributes.calls")) is not None:
        return int(calls)
    told = [one for page in square.attribute_definitions() for one in page]
    definitions = list(map(definition, told))
    plan = Plan({one.key: "everybody" for one in definitions}, profiles if definitions else 0)
    # Counting is a call for each attribute.
    if len(definitions) < profiles:
        holders = {
            one.key: square.count_found(_filter(filter, one.key, _HELD)) for one in definitions
        }
        plan = choose(definitions, holders, profiles)
    with transaction(db):
        db.executemany(
            "INSERT OR REPLACE INTO attribute_keys VALUES (?, ?, ?)",
            ((str(one["key"]), orjson.dumps(one), plan.ways[str(one["key"])]) for one in told),
        )
        note(db, "attributes.calls", str(plan.calls))
    return plan.calls


def gather(gathering: Gathering) -> None:
    """Read the custom attributes of all collected customers."""
    db = gathering.db
    if noted(db, "custom-attributes") is not None:
        return
    prepare(db, gathering.square, gathering.filter, gathering.profiles)
    _search_values(gathering)
    _search_holders(gathering)
    _ask(gathering)
    note(db, "custom-attributes")


def columns(db: sqlite3.Connection) -> Further:
    """Offer a column for each attribute, typed by its definition.

    A value that is not of that type is null there; it stands, with its key, as JSON in a column
    ``custom_attributes``, which there is if there is such a value.
    """
    definitions = {one.key: one for one, _ in _known(db)}
    fields = [pa.field(PREFIX + key, typed.arrow(one)) for key, one in definitions.items()]
    if noted(db, "attributes.other") is not None:
        fields.append(_OTHER)

    def values(profiles: Sequence[Profile]) -> list[pa.Array]:
        places = {profile["id"]: place for place, profile in enumerate(profiles)}
        held: dict[str, list[Any]] = {field.name: [None] * len(profiles) for field in fields}
        others: dict[int, dict[str, Any]] = {}
        for customer, key, text in db.execute(
            f"SELECT customer, key, value FROM attribute_values WHERE customer {AMONG}",
            [ids_of(profiles)],
        ):
            place, value = places[customer], orjson.loads(text)
            fitting = _fitting(definitions, key, value)
            if fitting is None:
                others.setdefault(place, {})[key] = value
            else:
                held[PREFIX + key][place] = fitting
        for place, other in others.items():
            held[_OTHER.name][place] = orjson.dumps(other, option=orjson.OPT_SORT_KEYS).decode()
        return [pa.array(held[field.name], field.type) for field in fields]

    return Further(tuple(fields), values)


# -- searching -------------------------------------------------------------------------------

# Whoever has an attribute, whatever its value.
_HELD: dict[str, Any] = {"updated_at": {"start_at": _EPOCH}}


def _values(definition: Definition) -> dict[str, Any] | None:
    """Return the filters that find each value there can be, None if there is no end of them."""
    if definition.type == "Boolean":
        return {text: {"filter": {"boolean": text == "true"}} for text in ("true", "false")}
    if definition.type == "Selection":
        return {
            id: {"filter": {"selection": {"any": [name]}}}
            for name, id in definition.options.items()
        }
    return None


def _filter(filter: Mapping[str, Any], key: str, sought: Mapping[str, Any]) -> dict[str, Any]:
    """Return the filter of an export, narrowed to those with an attribute."""
    others = [
        one for one in filter.get("custom_attribute", {}).get("filters", []) if one["key"] != key
    ]
    # Square takes ten, one of each attribute.
    return {**filter, "custom_attribute": {"filters": [{"key": key, **sought}, *others][:10]}}


def _search_values(gathering: Gathering) -> None:
    """Find who has which value; whoever a search did not find is asked later."""
    known = {one.key: one for one, way in _known(gathering.db) if way == "search"}

    def begin() -> Iterator[tuple[str, None]]:
        for key, one in known.items():
            for value, sought in (_values(one) or {}).items():
                yield orjson.dumps([key, sought, value]).decode(), None

    def keep(walk: Walk, profiles: Iterable[Profile]) -> None:
        key, _, value = orjson.loads(walk.what)
        for profile in profiles:
            _add(gathering.db, profile["id"], known[key], value)

    _search(gathering, "attributes.search", begin, keep)
    for key in known:
        note_name = f"attributes.search.{key}"
        if noted(gathering.db, note_name) is not None:
            continue
        count = gathering.square.count_found(_filter(gathering.filter, key, _HELD))
        (found,) = gathering.db.execute(
            "SELECT count(*) FROM attribute_values WHERE key = ?", [key]
        ).fetchone()
        with transaction(gathering.db):
            if found != count:
                gathering.db.execute(
                    "UPDATE attribute_keys SET way = 'holders' WHERE key = ?", [key]
                )
            note(gathering.db, note_name)


def _search_holders(gathering: Gathering) -> None:
    """Find who has attributes of which only the customer can be asked."""

    def begin() -> Iterator[tuple[str, None]]:
        for one, way in _known(gathering.db):
            if way == "holders":
                yield orjson.dumps([one.key, _HELD]).decode(), None

    def keep(walk: Walk, profiles: Iterable[Profile]) -> None:
        gathering.db.executemany(
            "INSERT OR IGNORE INTO attribute_holders VALUES (?)",
            ([profile["id"]] for profile in profiles),
        )

    _search(gathering, "attributes.holders", begin, keep)


def _search(
    gathering: Gathering,
    name: str,
    begin: Callable[[], Iterator[tuple[str, None]]],
    keep: Callable[[Walk, list[Profile]], None],
) -> None:
    def ask(walk: Walk) -> Page:
        key, sought, *_ = orjson.loads(walk.what)
        filter = _filter(gathering.filter, key, sought)
        return gathering.square.search_page(filter, walk.cursor)

    walks.complete(gathering, walks.Kind(name, "custom attributes", ask, keep), begin)


def _add(db: sqlite3.Connection, customer: str, definition: Definition, value: str) -> None:
    """Keep a value that was searched for; of a Selection there can be several."""
    kept: Any = value == "true"
    if definition.type == "Selection":
        row = db.execute(
            "SELECT value FROM attribute_values WHERE (customer, key) = (?, ?)",
            (customer, definition.key),
        ).fetchone()
        before = orjson.loads(row[0]) if row else []
        chosen = {*before, value}
        kept = [id for id in definition.options.values() if id in chosen]
    _keep(db, customer, definition.key, kept)


# -- asking ----------------------------------------------------------------------------------


def _ask(gathering: Gathering) -> None:
    """Ask customers one by one, several at a time."""
    db = gathering.db
    ways = {one.key: way for one, way in _known(db)}
    definitions = {one.key: one for one, _ in _known(db)}
    everybody = "everybody" in ways.values()
    if not everybody and "holders" not in ways.values():
        return
    (total,) = db.execute("SELECT count(*) FROM attribute_holders").fetchone()
    (asked,) = db.execute("SELECT count(*) FROM attribute_asked").fetchone()

    def left() -> Iterator[str]:
        also = "" if everybody else "AND value IN (SELECT customer FROM attribute_holders)"
        for ids in gathering.ids():
            rows = db.execute(
                "SELECT value FROM json_each(?) "
                f"WHERE value NOT IN (SELECT customer FROM attribute_asked) {also}",
                [orjson.dumps(list(ids)).decode()],
            )
            yield from [str(id) for (id,) in rows.fetchall()]

    def land(customer: str, answer: Callable[[], _Held]) -> None:
        # Nobody is there any more: then there are no values either.
        held = answer() or {}
        with transaction(db):
            for key, attribute in held.items():
                _keep(db, customer, key, attribute.get("value"))
                if _fitting(definitions, key, attribute.get("value")) is None:
                    note(db, "attributes.other", "there are")
            db.execute("INSERT OR IGNORE INTO attribute_asked VALUES (?)", [customer])

    flights: Flights[str, _Held] = Flights(gathering.in_flight)
    try:
        for customer, answer in flights.each(left(), gathering.square.attributes):
            land(customer, answer)
            asked += 1
            gathering.tell("custom attributes", asked, gathering.profiles if everybody else total)
    except (Interrupted, SquareError) as stop:
        flights.land_rest(land, stop)
        raise


# -- both ------------------------------------------------------------------------------------


def _known(db: sqlite3.Connection) -> list[tuple[Definition, Way]]:
    found = db.execute("SELECT definition, way FROM attribute_keys ORDER BY key").fetchall()
    return [(definition(orjson.loads(told)), way) for told, way in found]


def _keep(db: sqlite3.Connection, customer: str, key: str, value: Any) -> None:
    db.execute(
        "INSERT OR REPLACE INTO attribute_values VALUES (?, ?, ?)",
        (customer, key, orjson.dumps(value).decode()),
    )


def _fitting(definitions: Mapping[str, Definition], key: str, value: Any) -> Any:
    """Return a value as its column holds it, None if it does not fit there."""
    return typed.fitting(definitions[key], value) if key in definitions else None
