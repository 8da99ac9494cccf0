"""How is a JSON body taken apart?

Every function reads one member and raises Refusal, in Square's words, if it is of another form.
``inside`` is the path of what holds it, with its dot.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from typing import Any, TypeGuard

from etl.sandbox.errors import Problem, Refusal, expected, missing, unknown_field, unserved

# The members an object may have, and those of each that has some.
Shape = dict[str, Any]


def object_in(holder: Mapping[str, Any], name: str, path: str) -> Mapping[str, Any]:
    """Return the object that is a member of another, an empty one if it is absent."""
    value = holder.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Refusal(expected("object", path))
    return value


def text_in(holder: Mapping[str, Any], name: str, inside: str) -> str | None:
    """Return the text that is a member of an object, None if it is absent."""
    value = holder.get(name)
    if value is not None and not isinstance(value, str):
        raise Refusal(expected("string", inside + name))
    return value


def short_text_in(holder: Mapping[str, Any], name: str, inside: str, most: int) -> str | None:
    """Return a text of at most so many characters, None if it is absent or empty."""
    text = text_in(holder, name, inside)
    if text and len(text) > most:
        detail = f"Expected {inside}{name} to have at most {most} characters"
        raise Refusal(Problem("VALUE_TOO_LONG", detail, inside + name))
    return text or None


def needed_text_in(
    holder: Mapping[str, Any], name: str, inside: str, most: int | None = None
) -> str:
    """Return a text, of at most so many characters, which must be there."""
    if most is None:
        text = text_in(holder, name, inside)
    else:
        text = short_text_in(holder, name, inside, most)
    if not text:
        raise Refusal(missing(inside + name))
    return text


def needed_object_in(holder: Mapping[str, Any], name: str, path: str) -> Mapping[str, Any]:
    """Return the object that is a member of another, which must be there."""
    if holder.get(name) is None:
        raise Refusal(missing(path))
    return object_in(holder, name, path)


def flag_in(parameters: Mapping[str, str], name: str) -> bool:
    """Return a query parameter that is true or false, by default false."""
    flag = parameters.get(name, "false")
    if flag not in ("true", "false"):
        raise Refusal(expected("boolean", name))
    return flag == "true"


def texts_in(values: object, path: str) -> tuple[str, ...]:
    """Return a list of texts, which must not be empty."""
    if values is not None and not isinstance(values, list):
        raise Refusal(expected("array", path))
    if not values:
        raise Refusal(Problem("ARRAY_EMPTY", "Expected at least one value", path))
    if not all(isinstance(value, str) for value in values):
        raise Refusal(expected("string", path))
    return tuple(values)


def only_member(body: Mapping[str, Any], name: str) -> Any:
    """Return the one member that a body has."""
    unknown = [unknown_field(other) for other in body if other != name]
    if unknown:
        raise Refusal(*unknown)
    if body.get(name) is None:
        raise Refusal(missing(name))
    return body[name]


def check_number(number: int, most: int, field: str, none: str, many: str) -> None:
    """Raise Refusal, by one code or the other, for no entries and for too many."""
    if number == 0:
        raise Refusal(Problem(none, "Expected at least one entry.", field))
    if number > most:
        raise Refusal(Problem(many, f"Expected at most {most} entries.", field))


def one_of(value: str, choices: tuple[str, ...], path: str) -> str:
    """Return the value if it is one of the choices."""
    if value not in choices:
        raise Refusal(Problem("INVALID_ENUM_VALUE", f"Expected one of {', '.join(choices)}", path))
    return value


def choice_in(holder: Mapping[str, Any], name: str, choices: tuple[str, ...], inside: str) -> str:
    """Return the choice that is a member of an object, the first there is if it is absent."""
    value = text_in(holder, name, inside)
    return choices[0] if value is None else one_of(value, choices, inside + name)


def recognised(value: Any, shape: Shape | None, inside: str, unknown: list[str]) -> Any:
    """Return what of a value its shape knows; the paths of the rest are added to ``unknown``."""
    if shape is None or not isinstance(value, dict):
        return value
    unknown += [inside + name for name in value if name not in shape]
    return {
        name: recognised(inner, shape[name], f"{inside}{name}.", unknown)
        for name, inner in value.items()
        if name in shape
    }


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence about a name that is not known: what may have been meant."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else "."


def is_number(value: object) -> TypeGuard[int | float]:
    """Tell whether a JSON value is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def check_members(
    value: Mapping[str, Any], shape: Shape, not_served: Collection[str] = (), inside: str = ""
) -> None:
    """Refuse what an object has beside the members of its shape.

    ``not_served`` are the paths of members that Square has and the sandbox has not.
    """
    others: list[str] = []
    recognised(value, shape, "", others)
    problems = [
        unserved(inside + path) if path in not_served else unknown_field(inside + path)
        for path in others
    ]
    if problems:
        raise Refusal(*problems)


def is_integer(text: str) -> bool:
    """Tell whether a query parameter is a whole number."""
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) < 19
