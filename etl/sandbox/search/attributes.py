"""Which values of custom attributes are wanted, and how is that said in SQL?

What is sought becomes a condition over profiles, or a statement over the values alone, which
finds the customers that have such a value when they are few.
"""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from etl.sandbox.search.selection import ALWAYS, CURRENT, OPEN, Span, bare_email, within

# The table of values, and which of its revisions are visible.
_VALUES = "attributes v"


@dataclass(frozen=True, slots=True)
class Sought:
    """What the value of one custom attribute has to be. All conditions are ANDed.

    ``tokens`` have to occur in its text, which is an email if ``bare``; ``words`` are among its
    words, ``options`` are terms of which it has at least one, ``days`` its first and last day.
    """

    key: str
    text: str | None = None
    tokens: tuple[str, ...] = ()
    bare: bool = False
    days: tuple[str | None, str | None] = (None, None)
    numbers: Span = ALWAYS
    all_terms: tuple[str, ...] = ()
    any_terms: tuple[str, ...] = ()
    updated: Span = ALWAYS


def condition(sought: Sought, shown: int | None, counting: bool) -> tuple[str, list[object]]:
    """Return the condition over profiles that the customer has such a value at ``shown``."""
    if counting:
        # All profiles are asked: finding all owners once takes a third of the time.
        statement, values = owners(sought, shown)
        return f"id IN ({statement})", values
    where, values = _conditions(sought, shown)
    return (
        f"EXISTS (SELECT 1 FROM {_VALUES} INDEXED BY attributes_by_customer "
        f"WHERE v.customer_id = profiles.id AND {' AND '.join(where)})",
        values,
    )


def owners(sought: Sought, shown: int | None) -> tuple[str, list[object]]:
    """Return the statement that finds the customers with such a value, by an index."""
    where, values = _conditions(sought, shown)
    # Of words that must all occur the longest is the rarest, as a rule.
    first = tuple(sorted(sought.all_terms, key=len)[-1:]) or sought.any_terms
    if first:
        source = (
            "attribute_terms t INDEXED BY attribute_terms_by_term "
            f"CROSS JOIN {_VALUES} ON v.rowid = t.attribute"
        )
        where = ["t.key = ?", "t.term IN (SELECT value FROM json_each(?))", *where]
        values = [sought.key, _json(first), *values]
    elif sought.text is not None or sought.tokens or sought.days != (None, None):
        source = f"{_VALUES} INDEXED BY attributes_by_text"
    elif sought.numbers != ALWAYS:
        source = f"{_VALUES} INDEXED BY attributes_by_number"
    else:
        source = f"{_VALUES} INDEXED BY attributes_by_updated"
    return f"SELECT v.customer_id FROM {source} WHERE {' AND '.join(where)}", values


def of_owners(customer_ids: set[str], shown: int | None) -> tuple[str, list[object]]:
    """Return the condition over profiles that they are those of these customers."""
    ids = orjson.dumps(sorted(customer_ids)).decode()
    chosen = "id IN (SELECT value FROM json_each(?))"
    rows = f"SELECT rowid FROM profiles INDEXED BY profiles_by_id WHERE {chosen} AND {CURRENT}"
    values: list[object] = [ids]
    if shown is not None:
        rows += (
            " UNION ALL SELECT rowid FROM profiles INDEXED BY profiles_closed "
            f"WHERE until > ? AND until < {OPEN} AND {chosen}"
        )
        values += [shown, ids]
    return f"rowid IN ({rows})", values


def _conditions(sought: Sought, shown: int | None) -> tuple[list[str], list[object]]:
    where, values = ["v.key = ?"], list[object]([sought.key])
    if shown is None:
        where.append(f"v.{CURRENT}")
    else:
        where += ["v.since <= ?", "v.until > ?"]
        values += [shown, shown]
    if sought.text is not None:
        where.append("v.text = ?")
        values.append(sought.text)
    if sought.tokens:
        column = bare_email("v.text") if sought.bare else "v.text"
        where.append(
            "v.text IS NOT NULL AND NOT EXISTS "
            f"(SELECT 1 FROM json_each(?) WHERE instr({column}, value) = 0)"
        )
        values.append(_json(sought.tokens))
    within("v.text", sought.days, where, values)
    within("v.number", sought.numbers, where, values)
    within("v.updated", sought.updated, where, values)
    has = "SELECT 1 FROM attribute_terms o WHERE o.attribute = v.rowid AND o.term"
    if sought.all_terms:
        where.append(
            f"NOT EXISTS (SELECT 1 FROM json_each(?) j WHERE NOT EXISTS ({has} = j.value))"
        )
        values.append(_json(sought.all_terms))
    if sought.any_terms:
        where.append(f"EXISTS ({has} IN (SELECT value FROM json_each(?)))")
        values.append(_json(sought.any_terms))
    return where, values


def _json(texts: tuple[str, ...]) -> str:
    return orjson.dumps(texts).decode()
