"""What can be done to the sandbox that cannot be done to Square?

The control calls under ``/_sandbox``: tokens, merges, faults, the log, the clock, settings, seeds,
and the description of all there is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from etl.sandbox import errors, seed, settings, tokens
from etl.sandbox.apis import belongings, shown
from etl.sandbox.calls import Call
from etl.sandbox.errors import Problem, Refusal
from etl.sandbox.reading import is_integer, is_number
from etl.sandbox.rules import customers as rules
from etl.sandbox.settings import TEN_YEARS, milliseconds
from etl.sandbox.store.tokens import TokenRow

EMPTY = b"{}"
# All of a seed is one transaction, for which everybody else waits.
MOST_SEEDED = 1_000_000
SCOPE = re.compile(r"[A-Z][A-Z0-9_]*", re.ASCII)


def issue_token(call: Call) -> bytes:
    """Issue a further token with the scopes asked for, for a while or for ever."""
    body = _body(call, "scopes", "expires_in")
    scopes = body.get("scopes")
    if not isinstance(scopes, list) or not all(isinstance(scope, str) for scope in scopes):
        raise Refusal(errors.expected("array", "scopes"))
    if not all(SCOPE.fullmatch(scope) for scope in scopes):
        raise Refusal(Problem("INVALID_VALUE", "A scope is such as CUSTOMERS_READ.", "scopes"))
    lasting = body.get("expires_in") is None
    expires = None if lasting else call.now + int(_seconds(body, "expires_in") * 1000)
    token = tokens.issue(call.chance)
    call.store.tokens.put(
        tokens.digest(token),
        TokenRow(frozenset(scopes), owner=False, expires=expires, revoked=False),
    )
    return orjson.dumps({"token": token})


def revoke_token(call: Call, token: str) -> bytes:
    """Take a token back."""
    if not call.store.tokens.revoke(tokens.digest(token)):
        raise errors.unknown_path("Nobody was issued this token.")
    return EMPTY


def merge(call: Call) -> bytes:
    """Merge profiles as a seller would: a new one takes their place."""
    asked = _body(call, "from").get("from")
    old_ids = list(dict.fromkeys(map(str, asked))) if isinstance(asked, list) else []
    if len(old_ids) < 2:
        raise Refusal(Problem("BAD_REQUEST", "from: at least two ids of profiles", "from"))
    values: rules.Values = {}
    group_ids: list[str] = []
    merged: list[rules.Customer] = []
    for old_id in old_ids:
        body = call.store.profiles.body(old_id)
        if body is None:
            raise Refusal(errors.customer_not_found(old_id))
        customer = orjson.loads(body)
        values = rules.flat_values(customer) | values
        group_ids += customer.get("group_ids", [])
        merged.append(customer)
        call.store.profiles.remove(old_id, call.now, call.keep)
    group_ids = list(dict.fromkeys(group_ids))
    customer = rules.new_customer(call.new_id(), values, "MERGE", call.now, group_ids)
    profile = rules.as_profile(customer, call.now, call.now, call.merchant.country)
    call.store.profiles.insert(profile, call.now)
    call.store.profiles.merge(old_ids, profile.id)
    carried: dict[str, object] = {"group_ids": group_ids} if group_ids else {}
    attributes = call.store.attributes.merge(old_ids, profile.id, call.now, call.keep)
    if attributes:
        values_by_key = {value.key: orjson.loads(value.body) for value in attributes}
        carried["custom_attributes"] = values_by_key
    carried |= belongings.hand_over(call, old_ids, profile.id)
    call.log("merge", customer, {"from": old_ids, **values, **carried}, merged=merged)
    return b'{"customer":%b}' % shown.profile(call, profile.body)


def set_faults(call: Call) -> bytes:
    """Put a plan in force; its calls are counted from now on. An empty plan ends all faults."""
    call.script.play(call.json(), call.merchant.country)
    return EMPTY


def read_log(call: Call) -> bytes:
    """Return the log of effective writes: all, or those after a ``seq``, up to a limit."""
    after = _whole(call.parameters, "after", 0)
    limit = _whole(call.parameters, "limit", 1)
    # Taking 100,000 changes apart to put them together again costs seconds.
    entries = call.store.log.entries(after or 0, limit or -1, orjson.Fragment)
    return orjson.dumps({"log": entries})


def _whole(parameters: Mapping[str, str], name: str, least: int) -> int | None:
    text = parameters.get(name)
    if text is None:
        return None
    if not is_integer(text):
        raise Refusal(errors.expected("integer", name))
    if int(text) < least:
        raise Refusal(Problem("VALUE_TOO_LOW", f"Expected {name} to be at least {least}", name))
    return int(text)


def advance_clock(call: Call) -> bytes:
    """Move the sandbox's clock forward, for all who use its file."""
    ahead = call.store.setting("ahead", 0) + int(_seconds(_body(call, "advance"), "advance") * 1000)
    if ahead > _FARTHEST:
        raise Refusal(Problem("VALUE_TOO_HIGH", "The clock is centuries ahead.", "advance"))
    call.store.set("ahead", ahead)
    return EMPTY


def read_settings(call: Call) -> bytes:
    """Return the settings in force."""
    return orjson.dumps(call.settings._asdict())


def change_settings(call: Call) -> bytes:
    """Change settings for all who use the file; return those in force then."""
    settings.change(call.store, call.json(), call.now)
    call.settings = settings.in_force(call.store, call.own)
    return read_settings(call)


def fill(call: Call) -> bytes:
    """Fill the directory with plausible profiles and what belongs to them."""
    body = _body(call, "profiles", "seed")
    profiles, number = body.get("profiles"), body.get("seed", 0)
    if type(profiles) is not int or profiles < 0:
        raise Refusal(errors.expected("integer", "profiles"))
    if profiles > MOST_SEEDED:
        problem = f"Expected profiles to be at most {MOST_SEEDED}"
        raise Refusal(Problem("VALUE_TOO_HIGH", problem, "profiles"))
    if type(number) is not int:
        raise Refusal(errors.expected("integer", "seed"))
    return orjson.dumps(seed.fill(call, profiles, number))


def describe() -> bytes:
    """Tell in the words of OpenAPI what the sandbox serves; no token is needed."""
    # Imported late: it describes the routes, one of which leads here.
    from etl.sandbox import openapi

    return openapi.document()


# There are no dates beyond the year 9999.
_FARTHEST = 50 * milliseconds(TEN_YEARS)


def _body(call: Call, *known: str) -> dict[str, Any]:
    body = call.json()
    unknown = [name for name in body if name not in known]
    if unknown:
        # A misspelt wish would be granted half.
        raise Refusal(*map(errors.unknown_field, unknown))
    return body


def _seconds(body: Mapping[str, Any], name: str) -> float:
    value = body.get(name)
    if not is_number(value) or not 0 <= value <= TEN_YEARS:
        raise Refusal(errors.expected("number", name))
    return value
