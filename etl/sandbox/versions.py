"""Which Square-Versions are served?

The dates are those of the releases of Square's Python SDK, each of which names the API version
it was made for. Today every one of them is answered with the behaviour of the newest; what an
older version did differently belongs into this module when it is added.
"""

from __future__ import annotations

import logging
import re

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

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_log = logging.getLogger(__name__)


def served(asked: str | None) -> str:
    """Return the version a request is answered with.

    Without a header that is the newest; a date beyond the newest we know is served as the newest.
    Raises Refusal for a date Square never published and for what is no date.
    """
    if asked is None or asked in PUBLISHED:
        return asked or NEWEST
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
