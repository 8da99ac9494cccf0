"""How is one filter of a search read?

By text, exact or fuzzy, and by a range of time; the filters of profiles and those of custom
attributes have these in common.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from etl.sandbox.errors import Problem, Refusal
from etl.sandbox.reading import Shape, object_in, text_in

# The members of these filters.
TEXT: Shape = {"exact": None, "fuzzy": None}
RANGE: Shape = {"start_at": None, "end_at": None}


class Text(NamedTuple):
    """A filter by text: the exact value as it was given, or the tokens that must all occur."""

    exact: str | None = None
    tokens: tuple[str, ...] = ()


def text_filter(
    holder: Mapping[str, Any], name: str, inside: str, tokens_of: Callable[[str], list[str]]
) -> Text:
    """Read a filter by text; ``tokens_of`` takes a fuzzy query, in lower case, apart."""
    path = inside + name
    asked = object_in(holder, name, path)
    exact = text_in(asked, "exact", f"{path}.")
    fuzzy = text_in(asked, "fuzzy", f"{path}.")
    if holder.get(name) is None:
        return Text()
    if exact is not None and fuzzy is not None:
        raise Refusal(Problem("BAD_REQUEST", "Give either exact or fuzzy, not both.", path))
    if fuzzy is None:
        if not exact:
            raise Refusal(Problem("VALUE_EMPTY", f"Expected {path}.exact to have a value", path))
        return Text(exact)
    tokens = tokens_of(fuzzy.lower())
    if not tokens:
        raise Refusal(Problem("VALUE_EMPTY", f"Expected {path}.fuzzy to have a value", path))
    return Text(tokens=tuple(tokens))


def email_tokens(fuzzy: str) -> list[str]:
    """Take a query for emails apart: punctuation is nothing."""
    return re.sub(r"[._@]", "", fuzzy).split()


def phone_tokens(fuzzy: str) -> list[str]:
    """Take a query for phones apart: punctuation is nothing."""
    return re.sub(r"[^\w\s]", "", fuzzy).split()


def reference_tokens(fuzzy: str) -> list[str]:
    """Take a query for references apart: punctuation separates."""
    return re.findall(r"[^\W_]+", fuzzy)


def plus_form(phone: str) -> str | None:
    """Return the E.164 form of an exact query for phones, None if it can match nothing."""
    # Square converts what is stored, not what is asked for: only a number with + can match.
    if not phone.strip().startswith("+"):
        return None
    return "+" + "".join(digit for digit in phone if digit.isdecimal())
