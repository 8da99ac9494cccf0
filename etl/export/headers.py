"""What does a table look like in the file of another system?

Which field stands under a header is what ``etl.presets`` says of reading that file, the first
spelling of each; here is the order of the columns, and how a value is written where that system
writes it another way. What the system computes itself is left empty.

Every file has the customer's id in Square as well, under the Dashboard's own header: whoever has
neither reference nor email nor phone would be created again by importing it. Nobody is said to have
agreed to anything: ``email_unsubscribed`` tells who said no, and of the others nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from etl.customers import countries
from etl.customers.consent import UNKNOWN, UNSUBSCRIBED
from etl.customers.normalize import phone_key
from etl.errors import ConfigError
from etl.export.names import SYSTEMS
from etl.export.table import each_member
from etl.presets import preset

_SQUARE_ID = "Square Customer ID"
# Where a system has one column for the street, what else Square has of it stands in its own.
_LINE_2 = "Square Address Line 2"
_PHONE = "phone_number"
_UNSUBSCRIBED = "preferences.email_unsubscribed"

# Those of the Dashboard and of Shopify are whole, as seen in real files; of the others only the
# columns that Square has values for, in the order of the files that are known in part.
_HEADERS: dict[str, tuple[str, ...]] = {
    "square-dashboard": (
        *("Reference ID", "First Name", "Last Name", "Email Address", "Phone Number", "Nickname"),
        *("Company Name", "Street Address 1", "Street Address 2", "City", "State", "Postal Code"),
        *("Birthday", "Memo", _SQUARE_ID, "Creation Source", "First Visit", "Last Visit"),
        *("Transaction Count", "Lifetime Spend", "Email Subscription Status", "Instant Profile"),
        "Blocked from online booking",
    ),
    "shopify": (
        *("Customer ID", "First Name", "Last Name", "Email", "Accepts Email Marketing"),
        *("Default Address Company", "Default Address Address1", "Default Address Address2"),
        *("Default Address City", "Default Address Province Code"),
        *("Default Address Country Code", "Default Address Zip", "Default Address Phone", "Phone"),
        *("Accepts SMS Marketing", "Total Spent", "Total Orders", "Note", "Tax Exempt", "Tags"),
        _SQUARE_ID,
    ),
    "hubspot": (
        *("Record ID", "First Name", "Last Name", "Email", "Mobile Phone Number", "Company Name"),
        *("Street Address", "City", "State/Region", "Postal Code", "Country/Region"),
        *("Date of birth", "Unsubscribed from all email", _SQUARE_ID, _LINE_2),
    ),
    "mailchimp": (
        *("Email Address", "First Name", "Last Name", "Address", "Phone Number", "Birthday", "CC"),
        *("EUID", "NOTES", "TAGS", _SQUARE_ID, _LINE_2),
    ),
    "salesforce": (
        *("Id", "LastName", "FirstName", "MailingStreet", "MailingCity", "MailingState"),
        *("MailingPostalCode", "MailingCountry", "MobilePhone", "Email", "Birthdate"),
        *("Description", "HasOptedOutOfEmail", "Account Name", _SQUARE_ID, _LINE_2),
    ),
}

# Headers whose column is no field that imports know.
_BESIDE = {
    "Creation Source": "creation_source",
    "Email Subscription Status": _UNSUBSCRIBED,
    "Accepts Email Marketing": _UNSUBSCRIBED,
    "Unsubscribed from all email": _UNSUBSCRIBED,
    "HasOptedOutOfEmail": _UNSUBSCRIBED,
    "Tags": "groups",
    "TAGS": "groups",
}

Convert = Callable[[pa.Array, str], pa.Array]


@dataclass(frozen=True, slots=True)
class Header:
    """A column of another system's file: from which column of ours, None if it stays empty."""

    name: str
    source: str | None


def headers(system: str, columns: Sequence[str]) -> list[Header]:
    """Return the columns of a system's file, made from a table that has these columns."""
    if system not in SYSTEMS:
        raise ConfigError(
            f"--preset: no file is written as {system!r} has it; there are {', '.join(SYSTEMS)}"
        )
    known = preset(system)
    spellings = {field: (header,) for header, field in known.columns.items()}
    sources = dict(_BESIDE)
    for field, group in (spellings | known.fallbacks).items():
        # One column of several that are read: the first that the file has.
        header = next(one for one in group if one in _HEADERS[system])
        sources[header] = field
    found = ((name, sources.get(name)) for name in _HEADERS[system])
    return [Header(name, source if source in columns else None) for name, source in found]


def as_written(system: str, header: Header, column: pa.Array, country: str) -> pa.Array:
    """Return a column's values as text, as the system writes them.

    Phones are in E.164 where they are valid: as people type them, ``+1 305-…`` takes the apostrophe
    of formulas, which other systems do not take off, and ``(305) …`` is of no country there.
    """
    convert = _dialled if header.source == _PHONE else _WRITTEN.get((system, header.name))
    return column if convert is None else convert(column, country)


def _matching(pattern: str, replacement: str, column: pa.Array, country: str) -> pa.Array:
    return pc.replace_substring_regex(column, pattern, replacement)


def _with_a_year(column: pa.Array, country: str) -> pa.Array:
    return pc.if_else(pc.starts_with(column, "0000-"), None, column)


def _said(yes: str, no: str | None, column: pa.Array, country: str) -> pa.Array:
    return pc.if_else(column, yes, pa.scalar(no, pa.string()))


def _called(column: pa.Array, country: str) -> pa.Array:
    """Write countries by name."""
    values = column.dictionary_encode()
    names = [countries.name_of(code) or code for code in values.dictionary.to_pylist()]
    return pa.array(names, pa.string()).take(values.indices)


def _dialled(column: pa.Array, country: str) -> pa.Array:
    """Write phones in E.164; what is no valid number stays."""
    values = column.dictionary_encode()
    numbers = [phone_key(text, country) or text for text in values.dictionary.to_pylist()]
    return pa.array(numbers, pa.string()).take(values.indices)


def _listed(quote: str, separator: str, column: pa.Array, country: str) -> pa.Array:
    return pc.binary_join(each_member(column, partial(_between, quote)), separator)


def _between(quote: str, names: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(quote, pc.fill_null(names, ""), quote, "")


# Square writes 0000 for no year, the Dashboard leaves it out.
_YEARLESS: Convert = partial(_matching, r"\A0000-(\d\d-\d\d)\z", r"\1")
_WRITTEN: dict[tuple[str, str], Convert] = {
    ("square-dashboard", "Birthday"): _YEARLESS,
    ("square-dashboard", "Email Subscription Status"): partial(_said, UNSUBSCRIBED, UNKNOWN),
    ("shopify", "Accepts Email Marketing"): partial(_said, "no", None),
    ("shopify", "Tags"): partial(_listed, "", ", "),
    ("hubspot", "Country/Region"): _called,
    ("hubspot", "Date of birth"): _YEARLESS,
    ("hubspot", "Unsubscribed from all email"): partial(_said, "true", "false"),
    # Month and day, as accounts outside Europe have it.
    ("mailchimp", "Birthday"): partial(_matching, r"\A\d{4}-(\d\d)-(\d\d)\z", r"\1/\2"),
    ("mailchimp", "TAGS"): partial(_listed, '"', ","),
    # A date there has a year.
    ("salesforce", "Birthdate"): _with_a_year,
    ("salesforce", "HasOptedOutOfEmail"): partial(_said, "true", "false"),
}
