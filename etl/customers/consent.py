"""What does a consent cell say, in the words of a Square Dashboard file?

Square's API cannot set who is subscribed (``preferences.email_unsubscribed`` is read-only); the
import page of the Dashboard can, by a column that takes the three words below.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from etl.customers.normalize import MARKERS

SUBSCRIBED = "Subscribed"
UNSUBSCRIBED = "Unsubscribed"
UNKNOWN = "Unknown"

# Nobody was asked, or has not answered: that is neither a yes nor a no. Klaviyo writes
# NEVER_SUBSCRIBED, Shopify "not subscribed" and "pending", Square itself Unknown.
_UNASKED = (
    *("", "unknown", "never_subscribed", "never subscribed", "not_subscribed", "not subscribed"),
    *("nonsubscribed", "non-subscribed", "pending", *sorted(MARKERS)),
)


def subscription(cells: pa.Array, yes: Sequence[str]) -> pa.Array:
    """Return the subscription status of each cell: subscribed if it is one of ``yes``."""
    said = pc.utf8_lower(pc.utf8_trim_whitespace(pc.fill_null(cells, "")))
    agreed = pc.is_in(said, value_set=pa.array([word.strip().lower() for word in yes], pa.string()))
    unasked = pc.is_in(said, value_set=pa.array(_UNASKED, pa.string()))
    return pc.if_else(agreed, SUBSCRIBED, pc.if_else(unasked, UNKNOWN, UNSUBSCRIBED))
