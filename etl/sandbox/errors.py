"""How does Square word its errors?

Literal details are Square's own where a source quotes them (named beside each); the others are
ours, since no source gives them and no client may read them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

INVALID_REQUEST = "INVALID_REQUEST_ERROR"
AUTHENTICATION = "AUTHENTICATION_ERROR"
RATE_LIMIT = "RATE_LIMIT_ERROR"
PAYMENT_METHOD = "PAYMENT_METHOD_ERROR"
API = "API_ERROR"


@dataclass(frozen=True, slots=True)
class Problem:
    """One entry of an ``errors`` list, and the status it has when it leads one."""

    code: str
    detail: str
    field: str = ""
    category: str = INVALID_REQUEST
    status: int = 400

    def as_json(self) -> dict[str, str]:
        """Return the entry with its keys in the order seen on the wire."""
        # The gateway writes category, code, detail; the customer service code, detail, field,
        # category (recorded answers).
        if self.category == AUTHENTICATION:
            return {"category": self.category, "code": self.code, "detail": self.detail}
        field = {"field": self.field} if self.field else {}
        return {"code": self.code, "detail": self.detail, **field, "category": self.category}


class Refusal(Exception):
    """The call as a whole is refused; its status is that of the first problem.

    ``headers`` are those the answer has beside the usual ones.
    """

    def __init__(self, *problems: Problem, headers: Mapping[str, str] | None = None) -> None:
        self.problems = problems
        self.headers = headers or {}
        super().__init__("; ".join(f"{problem.code} {problem.detail}" for problem in problems))


def as_errors(problems: Iterable[Problem]) -> dict[str, list[dict[str, str]]]:
    """Return the envelope of these problems."""
    return {"errors": [problem.as_json() for problem in problems]}


def unauthorized() -> Refusal:
    """No token, or one nobody issued (recorded answer)."""
    return _gateway("UNAUTHORIZED", "This request could not be authorized.")


def malformed_authorization() -> Refusal:
    """Something else than ``Bearer TOKEN``; Square's text begins like this."""
    return _gateway(
        "UNAUTHORIZED",
        "The `Authorization` http header of your request was malformed. The header value is "
        "expected to be of the format `Bearer TOKEN`.",
    )


def token_expired() -> Refusal:
    """The token was good until a moment ago."""
    return _gateway("ACCESS_TOKEN_EXPIRED", "The access token has expired.")


def token_revoked() -> Refusal:
    """The seller, or a control call, took the token back."""
    return _gateway("ACCESS_TOKEN_REVOKED", "The access token has been revoked.")


def insufficient_scopes(missing: Iterable[str]) -> Refusal:
    """The token lacks scopes (text quoted in a developer forum thread)."""
    return _gateway(
        "INSUFFICIENT_SCOPES",
        "The merchant has not given your application sufficient permissions to do that. The "
        "merchant must authorize your application for the following scopes: " + " ".join(missing),
        status=403,
    )


def _gateway(code: str, detail: str, status: int = 401) -> Refusal:
    return Refusal(Problem(code, detail, category=AUTHENTICATION, status=status))


def rate_limited(retry_after: int | None) -> Refusal:
    """Too many calls (text quoted in a developer forum thread)."""
    return _too_many("This request was rate limited. Please retry later.", retry_after)


def paused(retry_after: int | None) -> Refusal:
    """The whole application has to pause (text quoted in a developer forum thread)."""
    return _too_many("Application is rate limited, please try again in a few minutes", retry_after)


def _too_many(detail: str, retry_after: int | None) -> Refusal:
    return Refusal(
        Problem("RATE_LIMITED", detail, category=RATE_LIMIT, status=429),
        headers=None if retry_after is None else {"retry-after": str(retry_after)},
    )


def unavailable(detail: str) -> Refusal:
    """The sandbox's file cannot be used right now: locked too long, or the disk is full."""
    return Refusal(Problem("SERVICE_UNAVAILABLE", detail, category=API, status=503))


def unknown_path(detail: str = "This sandbox serves nothing at this path.") -> Refusal:
    """No endpoint has this path."""
    return Refusal(Problem("NOT_FOUND", detail, status=404))


def wrong_method(method: str, allowed: Iterable[str]) -> Refusal:
    """The path exists, the method does not; HTTP asks for the header (RFC 9110)."""
    methods = ", ".join(allowed)
    return Refusal(
        Problem("METHOD_NOT_ALLOWED", f"{method} is not served here; {methods} is.", status=405),
        headers={"allow": methods},
    )


def too_large(limit: int) -> Refusal:
    """The body is over the limit of its endpoint."""
    return Refusal(
        Problem(
            "REQUEST_ENTITY_TOO_LARGE",
            f"The request body is larger than {limit} bytes.",
            status=413,
        )
    )


def not_found(thing: str, thing_id: str) -> Problem:
    """No such thing: of a customer a literal text (API reference, recorded answers), of others
    worded like it.
    """
    return Problem("NOT_FOUND", f"{thing} with ID `{thing_id}` not found.", status=404)


def conflict() -> Problem:
    """The version given is not the stored one."""
    return Problem("CONFLICT", "The customer was changed by someone else.", status=409)


def key_reused() -> Problem:
    """An idempotency key came with other data (recorded answer)."""
    return Problem(
        "IDEMPOTENCY_KEY_REUSED",
        "The idempotency key can only be retried with the same request data.",
        "idempotency_key",
    )


def no_identity() -> Problem:
    """A profile needs one of five fields (recorded answer; it names no field)."""
    return Problem(
        "BAD_REQUEST",
        "At least one of `given_name`, `family_name`, `company_name`, `email_address`, or "
        "`phone_number` is required for a customer.",
    )


def nothing_to_update() -> Problem:
    """An update names no field (recorded answer)."""
    return Problem("BAD_REQUEST", "At least one field must be set to update a customer.")


def missing(field: str) -> Problem:
    """A field that has to be there is not."""
    return Problem("MISSING_REQUIRED_PARAMETER", f"{field} is required.", field)


def empty(field: str) -> Problem:
    """A text that must not be empty is."""
    return Problem("VALUE_EMPTY", f"Expected {field} not to be empty", field)


def too_long(field: str, most: int) -> Problem:
    """A text has more characters than its field takes."""
    return Problem("VALUE_TOO_LONG", f"Expected {field} to have at most {most} characters", field)


def definition_not_found(key: str) -> Problem:
    """No such custom attribute definition, or none that the application may see."""
    detail = f"Custom attribute definition with key `{key}` not found."
    return Problem("NOT_FOUND", detail, status=404)


def definition_taken(field: str, value: str) -> Problem:
    """Another definition has this key or name (recorded answer)."""
    return Problem(
        "CONFLICT",
        f"A custom attribute definition with the specified `{field}` already exists; "
        f"{field}={value}",
        field,
        status=409,
    )


def no_definition() -> Problem:
    """A value for a key that is not defined (recorded answer: neither 404 nor its code)."""
    return Problem("BAD_REQUEST", "No matching definition found for value", "key")


def attribute_not_found(customer_id: str, key: str) -> Problem:
    """The customer has no value of this custom attribute."""
    detail = f"Customer with ID `{customer_id}` has no custom attribute with key `{key}`."
    return Problem("NOT_FOUND", detail, status=404)


def not_yours(detail: str) -> Problem:
    """What another application made may be seen, but not written."""
    return Problem("FORBIDDEN", detail, category=AUTHENTICATION, status=403)


def outdated(field: str) -> Problem:
    """The version given is older than that of the definition or value."""
    detail = "The custom attribute or its definition was changed by someone else."
    return Problem("CONFLICT", detail, field, status=409)


def ahead(field: str) -> Problem:
    """The version given is beyond that of the definition or value."""
    return Problem("BAD_REQUEST", f"{field} is beyond the current version.", field)


def unknown_field(name: str) -> Problem:
    """A field the endpoint does not have."""
    return Problem("BAD_REQUEST", f"The field named '{name}' is not recognized.", name)


def unserved(name: str) -> Problem:
    """A field the endpoint has, and the sandbox has not."""
    return Problem("BAD_REQUEST", f"This sandbox does not serve the field {name}.", name)


def expected(kind: str, field: str) -> Problem:
    """A JSON value of another type than the field's."""
    article = "an" if kind[0] in "aeio" else "a"
    return Problem(f"EXPECTED_{kind.upper()}", f"Expected {article} {kind} value.", field)


def bad_cursor() -> Refusal:
    """A cursor that was not issued, for another query, or too old."""
    return Refusal(
        Problem("INVALID_CURSOR", "The cursor is invalid, expired or of another query.", "cursor")
    )
