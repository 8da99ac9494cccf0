"""What does Square refuse?

Each rule takes a canonical text and returns a ``Cell`` with what is wrong with it; the masks say
for a whole column which rows a rule has to look at. Verdicts on phones and email addresses are
those of ``phonenumbers`` and ``email-validator`` (which asks no name server here).
"""

from __future__ import annotations

import re
from functools import cache

import pyarrow as pa
import pyarrow.compute as pc

from etl.customers import countries, dates, octets
from etl.customers.cells import Cell, Finding, shown
from etl.customers.fields import PHONE_DIGITS, TAX_ID_COUNTRIES, Field
from etl.customers.normalize import NO_REGION, phone_key
from etl.customers.octets import Octets


def _refusal(code: str, message: str, suggestion: str = "") -> Finding:
    return Finding("reject", code, message, suggestion)


# --- the row as a whole -------------------------------------------------------------------------

# Square's words, from a recorded answer.
NO_IDENTITY = _refusal(
    "BAD_REQUEST",
    "At least one of `given_name`, `family_name`, `company_name`, `email_address`, or "
    "`phone_number` is required for a customer.",
)
ONLY_UPDATE = Finding(
    "note",
    "NO_IDENTITY",
    "no name, company, email or phone: the row can only update the customer it names",
)


# --- lengths ------------------------------------------------------------------------------------


def too_long(column: pa.Array, limit: int) -> pa.Array:
    """Return which rows have more code points than the limit; null rows do not."""
    doubtful = Octets(column).lengths > limit
    return octets.refined(column, doubtful, lambda some: pc.greater(pc.utf8_length(some), limit))


def length(text: str, field: Field) -> Cell:
    """Object to a text longer than its field takes."""
    limit = field.max_length
    if limit is None or len(text) <= limit:
        return Cell(text)
    message = f"{field.name} takes {limit} characters, and this has {len(text)}"
    return Cell(text, (_refusal("VALUE_TOO_LONG", message),))


def cut(text: str, field: Field) -> str:
    """Return as much of a text as its field takes, without blanks at its end."""
    return text[: field.max_length].rstrip()


# --- email addresses ----------------------------------------------------------------------------


# Local part, label and domain are never too long in an address of so many bytes.
_SHORT_EMAIL = 64


@cache
def _plain_email() -> str:
    """Return a pattern of short addresses the library certainly accepts, for RE2.

    ASCII atoms; a domain of two or more labels without double hyphens (some are codes of
    international names) whose last label has fewer letters than that of any reserved domain.
    """
    import email_validator  # heavy: loaded with the first address

    names = email_validator.SPECIAL_USE_DOMAIN_NAMES
    most = min(len(name.rpartition(".")[2]) for name in names) - 1
    atom = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
    label = r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*"
    return rf"^{atom}(?:\.{atom})*@(?:{label}\.)+[A-Za-z]{{2,{most}}}$"


def doubtful_emails(column: pa.Array) -> pa.Array:
    """Return which rows ``email`` has to look at; the others are valid."""
    plain = pc.fill_null(pc.match_substring_regex(column, _plain_email()), True)
    return pc.invert(pc.and_(plain, octets.mask(Octets(column).lengths <= _SHORT_EMAIL)))


def email(text: str) -> Cell:
    """Object to what is no email address."""
    if _WITHOUT_AT.fullmatch(text):
        return Cell(text, (_no_email(text, _NO_AT),))
    import email_validator

    try:
        email_validator.validate_email(text, check_deliverability=False)
    except email_validator.EmailNotValidError as error:
        return Cell(text, (_no_email(text, error),))
    return Cell(text)


# The library's words for the commonest mistake; phones, names and half addresses have none.
_WITHOUT_AT = re.compile(r"[A-Za-z0-9.+_ -]+")
_NO_AT = "An email address must have an @-sign."


def _no_email(text: str, reason: object) -> Finding:
    return _refusal("INVALID_EMAIL_ADDRESS", f"{shown(text)}: {reason}")


# --- phones -------------------------------------------------------------------------------------


def doubtful_phones(column: pa.Array, valid: pa.Array) -> pa.Array:
    """Return which rows ``phone`` has to look at; the others are valid.

    ``valid`` tells of some rows that they are valid numbers in E.164.
    """
    digits = pc.subtract(pc.utf8_length(column), 1)
    fits = pc.and_(
        pc.greater_equal(digits, PHONE_DIGITS[0]), pc.less_equal(digits, PHONE_DIGITS[-1])
    )
    return pc.invert(pc.and_(valid, fits))


def no_phone(text: str) -> Cell:
    """Object to what is known to be no valid phone number."""
    more = "" if text.startswith("+") else "; one of another country needs + and its code"
    message = f"{shown(text)} is no valid phone number{more}"
    return Cell(text, (_refusal("INVALID_PHONE_NUMBER", message),))


def phone(text: str) -> Cell:
    """Object to a phone that is no valid number in E.164, or has too few or too many digits."""
    if not text.startswith("+") or phone_key(text, NO_REGION) != text:
        return no_phone(text)
    digits = len(text) - 1
    if digits not in PHONE_DIGITS:
        fewest, most = PHONE_DIGITS[0], PHONE_DIGITS[-1]
        message = f"{shown(text)} has {digits} digits, and Square takes {fewest} to {most}"
        return Cell(text, (_refusal("INVALID_PHONE_NUMBER", message),))
    return Cell(text)


# --- the others ---------------------------------------------------------------------------------


def birthday(text: str) -> Cell:
    """Object to what is no day of the calendar."""
    if dates.is_day(text):
        return Cell(text)
    return Cell(text, (_refusal("INVALID_TIME", f"{shown(text)} is no day of the calendar"),))


def doubtful_countries(column: pa.Array) -> pa.Array:
    """Return which rows ``country`` has to look at; the others are valid."""
    return countries.may_change_country(column)


def country(text: str) -> Cell:
    """Object to what is no country."""
    if text in countries.codes():
        return Cell(text)
    message = f"{shown(text)} is no country of ISO 3166"
    return Cell(text, (_refusal("INVALID_ENUM_VALUE", message),))


_ALPHANUMERIC = re.compile(r"[0-9A-Za-z]+")


def doubtful_vats(column: pa.Array) -> pa.Array:
    """Return which rows ``vat`` has to look at; the others are valid."""
    return pc.invert(pc.match_substring_regex(column, "^[0-9A-Z]+$"))


def vat(text: str) -> Cell:
    """Object to a tax id with anything but letters and digits."""
    if _ALPHANUMERIC.fullmatch(text):
        return Cell(text)
    message = f"{shown(text)}: a tax id has letters and digits only"
    return Cell(text, (_refusal("INVALID_VALUE", message),))


def tax_ids(text: str, merchant: str) -> Cell:
    """Object to a tax id of a seller whose country has none in Square."""
    if merchant in TAX_ID_COUNTRIES:
        return Cell(text)
    allowed = ", ".join(sorted(TAX_ID_COUNTRIES))
    message = f"tax ids are stored for sellers in {allowed} only; this one is in {merchant}"
    remedy = 'leave the column out, or set [on_invalid] "tax_ids.eu_vat" = "drop"'
    return Cell(text, (_refusal("BAD_REQUEST", message, remedy),))
