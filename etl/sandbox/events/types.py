"""Which types of events are there, and in which Square-Versions?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from etl.sandbox.errors import Problem, Refusal
from etl.sandbox.versions import CUSTOM_ATTRIBUTES


class EventType(NamedTuple):
    """A type of event, what it is about, and the Square-Versions that have it."""

    name: str
    about: str
    since: str
    before: str = "9"

    def in_version(self, version: str) -> bool:
        """Tell whether a Square-Version has this type."""
        return self.since <= version < self.before


def _of_attributes(owners: Sequence[str], *versions: str) -> Iterator[EventType]:
    for owner in owners:
        for about, verbs in (
            ("custom_attribute_definition", ("created", "updated", "deleted")),
            ("custom_attribute", ("updated", "deleted")),
        ):
            for verb in verbs:
                yield EventType(f"customer.{about}.{owner}{verb}", about, *versions)


# The API reference names the events, the release notes their first versions. Those of custom
# attributes had other names at first.
_RENAMED = "2022-08-17"
EVENT_TYPES = (
    EventType("customer.created", "customer", "2021-02-26"),
    EventType("customer.updated", "customer", "2021-02-26"),
    EventType("customer.deleted", "customer", "2021-02-26"),
    *_of_attributes(("owned.", "visible."), _RENAMED),
    *_of_attributes(("", "public."), CUSTOM_ATTRIBUTES.since, _RENAMED),
    EventType("gift_card.customer_linked", "gift_card", "2021-06-16"),
    EventType("gift_card.customer_unlinked", "gift_card", "2021-06-16"),
)
BY_NAME = {type.name: type for type in EVENT_TYPES}


def of_version(version: str) -> list[EventType]:
    """Return the types of events a Square-Version has."""
    return [type for type in EVENT_TYPES if type.in_version(version)]


def check_types(names: Iterable[str], version: str, path: str) -> None:
    """Raise Refusal for a type of event that would never come."""
    for name in names:
        if name not in BY_NAME:
            detail = f"This sandbox has no events of the type {name}."
        elif not BY_NAME[name].in_version(version):
            detail = f"Square-Version {version} has no events of the type {name}."
        else:
            continue
        raise Refusal(Problem("INVALID_VALUE", detail, path))
