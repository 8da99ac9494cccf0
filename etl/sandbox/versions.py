"""Which Square-Versions are served, and what does an older one do differently?

The dates are those of the releases of Square's Python SDK, each of which names the API version
it was made for. What changed at which of them is told by the overview's migration notes.
"""

from __future__ import annotations

import logging
import re
from typing import NamedTuple

from etl.sandbox.errors import Problem, Refusal

PUBLISHED = (
    *("2021-07-21", "2021-08-18", "2021-09-15", "2021-10-20", "2021-11-17", "2021-12-15"),
    *("2022-01-20", "2022-02-16", "2022-03-16", "2022-04-20", "2022-05-12", "2022-06-16"),
    *("2022-07-20", "2022-08-17", "2022-08-23", "2022-09-21", "2022-10-19", "2022-11-16"),
    *("2022-12-14", "2023-01-19", "2023-03-15", "2023-04-19", "2023-05-17", "2023-06-08"),
    *("2023-07-20", "2023-08-16", "2023-09-25", "2023-10-18", "2023-11-15", "2023-12-13"),
    *("2024-01-18", "2024-02-22", "2024-03-20", "2024-04-17", "2024-05-15", "2024-06-04"),
    *("2024-07-17", "2024-08-21", "2024-09-19", "2024-10-17", "2024-11-20", "2024-12-18"),
    *("2025-01-23", "2025-02-20", "2025-03-19", "2025-04-16", "2025-05-21", "2025-06-18"),
    *("2025-07-16", "2025-08-20", "2025-09-24", "2025-10-16", "2026-01-22", "2026-05-20"),
    *("2026-07-15", "2026-08-19", "2026-09-16"),
)
NEWEST = PUBLISHED[-1]


class Change(NamedTuple):
    """What a version brought, and what the versions before it do."""

    since: str
    now: str
    before: str

    def holds(self, version: str) -> bool:
        """Tell whether a version has the change."""
        return version >= self.since


EMPTY_UPDATES_REFUSED = Change(
    "2021-10-20", "an update without a field is BAD_REQUEST", "200, the profile unchanged"
)
TAX_IDS_REFUSED = Change(
    "2021-10-20", "tax_ids of sellers in other countries are BAD_REQUEST", "ignored"
)
UNKNOWN_FIELDS_REFUSED = Change(
    "2022-03-16", "unknown fields of customers, searches, groups are BAD_REQUEST", "ignored"
)
CODES_OF_THEIR_OWN = Change(
    "2022-03-16", "INVALID_PHONE_NUMBER and INVALID_EMAIL_ADDRESS", "INVALID_VALUE"
)
GROUP_KEYS = Change(
    "2022-03-16", "a repeated key answers the group it made", "a repeated key makes a new group"
)
CUSTOM_ATTRIBUTES = Change(
    "2022-05-12",
    "custom attributes of customers, and a filter by them",
    "their endpoints are no paths: 404; the filter is an unknown field",
)
NULL_CLEARS = Change(
    "2022-09-21", "null clears with X-Clear-Null: true", "null has no effect; empty texts clear"
)
PHONES_VALIDATED = Change(
    "2022-10-19",
    "phones must be valid, which the first answer tells",
    "any 9 to 16 digits, judged when nothing else is wrong",
)
BIRTHDAYS_ARE_DAYS = Change(
    "2022-10-19",
    "YYYY-MM-DD or MM-DD in, YYYY-MM-DD out",
    "YYYY-MM-DD in, alone or with T00:00:00-00:00, and YYYY-MM-DDT00:00:00-00:00 out",
)
LENGTHS_LIMITED = Change(
    "2022-10-19",
    "all texts but note have a limit: VALUE_TOO_LONG",
    "only emails (INVALID_EMAIL_ADDRESS and INVALID_VALUE), phones and tax ids",
)
ADDRESSES_SPARSE = Change(
    "2022-11-16",
    "an update changes the address parts it names, {} none",
    "an update replaces the whole address, {} clears it",
)
TESTS_ANSWER_FLAT = Change(
    "2026-01-22",
    "a subscription's test answers its result at the root as well, with the URL and the filter",
    "only as subscription_test_result, whose payload is a text",
)
CARDS_RETIRED = Change(
    "2024-12-18", "profiles do not tell their cards", "profiles have cards, those on file"
)
CHANGES = (
    *(EMPTY_UPDATES_REFUSED, TAX_IDS_REFUSED, UNKNOWN_FIELDS_REFUSED, CODES_OF_THEIR_OWN),
    *(GROUP_KEYS, CUSTOM_ATTRIBUTES, NULL_CLEARS, PHONES_VALIDATED, BIRTHDAYS_ARE_DAYS),
    *(LENGTHS_LIMITED, ADDRESSES_SPARSE, CARDS_RETIRED, TESTS_ANSWER_FLAT),
)

_BIRTHDAY = re.compile(rb'"birthday":"(\d{4}-\d\d-\d\d)"')
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_log = logging.getLogger(__name__)


def served(asked: str | None, default: str) -> str:
    """Return the version a request is answered with.

    Without a header that is the default; a date beyond the newest we know is served as the newest.
    Raises Refusal for a date Square never published and for what is no date.
    """
    if asked is None or asked in PUBLISHED:
        return asked or default
    if not _DATE.fullmatch(asked):
        raise Refusal(
            Problem(
                "INVALID_SQUARE_VERSION_FORMAT",
                "The Square-Version header must be a date of the form YYYY-MM-DD.",
            )
        )
    if asked > NEWEST:
        _log.info("Square-Version %s is served as %s, the newest known", asked, NEWEST)
        return NEWEST
    raise Refusal(
        Problem(
            "API_VERSION_INCOMPATIBLE",
            f"{asked} is no published Square-Version from {PUBLISHED[0]} on.",
        )
    )


def worded(answer: bytes, version: str) -> bytes:
    """Return an answer as a version words it; a text inside it cannot look like a member."""
    if BIRTHDAYS_ARE_DAYS.holds(version):
        return answer
    return _BIRTHDAY.sub(rb'"birthday":"\1T00:00:00-00:00"', answer)
