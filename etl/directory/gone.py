"""Which profiles of the kept copy are gone?

Its count tells that some are. Square's events tell which, where the token may search for them
(SearchEvents reference); what they leave open is found by reading all that rows could match by id.
Events are hints: they may be missing, late, or there twice, so nobody is gone before reading by id
has shown it, and the count tells whether somebody is left.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from etl.directory.index import Index
from etl.directory.kept import Kept
from etl.errors import Refused, Unauthorized, Unavailable
from etl.square.client import SquareClient

# How far back a search for events goes (SearchEvents reference).
_REACH = timedelta(days=28)

# Profiles read by one call, and events on one page.
_PAGE = 100

# Calls that events may take even where reading all that rows could match takes fewer: they leave
# the copy clean for the next run.
_FEW_CALLS = 4

# Id asked for → id that answered, None where nobody did.
Moved = dict[str, str | None]


class Gone(NamedTuple):
    """Where the profiles that are gone went, and a clause for the operator: how that was found."""

    moved: Moved
    told: str


class _Hints(NamedTuple):
    """Ids that may be gone: ``sure`` ones must be missing from the count by now."""

    sure: list[str]
    young: list[str]
    why_none: str = ""


def drop_gone(
    square: SquareClient, index: Index, copy: Kept, surplus: int, refreshed: str, merchant: str
) -> Gone:
    """Drop from copy and index whatever is gone of what rows could match, and follow merges.

    ``surplus`` profiles are gone, as the count tells; ``refreshed`` is from when on changes were
    missing in the copy before it was brought up to date (RFC 3339).
    """
    hints = _hints(square, index, copy, surplus, refreshed, merchant)
    named = check_ids(square, index, _paged(hints.sure))
    copy.drop(list(named), surplus)
    # The directory may list these still, and counts them then.
    young = check_ids(square, index, _paged(hints.young))
    left = surplus - len(named)
    looked_for: Moved = {}
    if left > 0:
        looked_for = check_ids(square, index, index.profile_ids())
        copy.drop(list(looked_for), left)
    return Gone(named | young | looked_for, _told(surplus, len(named), hints.why_none))


def check_ids(square: SquareClient, index: Index, pages: Iterable[Sequence[str]]) -> Moved:
    """Read profiles again by id; put into the index what is there, and return who is not."""
    moved: Moved = {}
    for ids in pages:
        answers = square.retrieve_customers(ids)
        found = {
            asked: str(profile["id"]) if profile else None for asked, profile in answers.items()
        }
        left = {asked: answered for asked, answered in found.items() if asked != answered}
        index.drop_profiles(list(left))
        index.add_profiles(profile for profile in answers.values() if profile)
        index.resolve(left)
        moved |= left
    return moved


def _hints(
    square: SquareClient, index: Index, copy: Kept, surplus: int, refreshed: str, merchant: str
) -> _Hints:
    """Return which profiles of the copy are gone as events tell, if asking is worth its calls."""
    hints = _Hints([], [])
    pages = surplus // _PAGE + 1
    if 2 * pages > max(_FEW_CALLS, index.count_profiles() // _PAGE + 1):
        return hints
    assert copy.complete_until is not None
    until = _instant(copy.complete_until)
    if _instant(refreshed) < until - _REACH:
        return hints._replace(why_none="the copy is older than Square's events")
    since = max(copy.agreed_until or refreshed, _told_as(until - _REACH))
    try:
        # Who came and went since is told of too, so there may be more than are missing.
        for _, events in zip(range(2 * pages), square.deletions(since, merchant), strict=False):
            for event in events:
                happened, ids = _deletion(event)
                known = copy.known(ids)
                (hints.sure if happened < until else hints.young).extend(known)
    except Unauthorized:
        return hints._replace(why_none="the token may not search for events")
    except (Refused, Unavailable):
        return hints._replace(why_none="Square's events could not be searched")
    return hints


def _deletion(event: Mapping[str, Any]) -> tuple[datetime, list[str]]:
    """Return when profiles were deleted and which; none where an event says it otherwise.

    Each event of a merge names all profiles that it took away.
    """
    try:
        data = event["data"]
        merge = data.get("object", {}).get("event_context", {}).get("merge", {})
        ids = [data["id"], *merge.get("from_customer_ids", ())]
        happened = _instant(event["created_at"])
        if event["type"] == "customer.deleted" and all(isinstance(id, str) for id in ids):
            return happened, ids
    except (AttributeError, KeyError, TypeError, ValueError):
        pass  # It is a hint that is missing then.
    return datetime.max.replace(tzinfo=UTC), []


def _paged(ids: Iterable[str]) -> Iterator[list[str]]:
    distinct = list(dict.fromkeys(ids))
    for start in range(0, len(distinct), _PAGE):
        yield distinct[start : start + _PAGE]


def _instant(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("a time without its zone")
    return found


def _told_as(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _told(surplus: int, named: int, why_none: str) -> str:
    told = [f"{named:,} named by Square's events"] if named else []
    if named < surplus:
        told.append("the rest looked for by id" if named else "looked for by id")
    because = f" ({why_none})" if why_none else ""
    return f"{surplus:,} profiles of it are gone: {', '.join(told)}{because}"
