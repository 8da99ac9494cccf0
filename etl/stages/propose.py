"""Which field is each column of a profiled file, how sure is that, and why?

A proposal for a person to look over, from what a column is called and what it holds; the import
itself guesses nothing. A preset is proposed where all columns that tell its system apart are there.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from etl.config import parse
from etl.customers import contents, countries, fields
from etl.customers.belongings import GIFT_CARD
from etl.customers.contents import Kind
from etl.customers.full_names import FULL_NAME
from etl.errors import ConfigError, SourceError
from etl.presets import presets
from etl.stages.mapping import normalise_header, resolve, synonyms
from etl.stages.profile import Column, Profile

Confidence = Literal["high", "medium", "low"]
# ``plain``: every date says itself which part is the month.
DateOrder = Literal["DMY", "MDY", "plain", "unproved", "contradictory"]
Holds = Kind | Literal["text", "empty"]

# The headers, normalised, that only this system writes: any one of the sets is enough. Those of
# Clover, Toast, Vagaro and Mindbody are from memory; the others were seen in exports or code.
DISTINCTIVE: dict[str, tuple[frozenset[str], ...]] = {
    "square-dashboard": (frozenset({"square customer id", "memo"}),),
    "shopify": (
        frozenset({"default address province code"}),
        frozenset({"accepts marketing", "province code"}),
    ),
    "hubspot": (
        frozenset({"record id", "lead status"}),
        frozenset({"record id", "lifecycle stage"}),
    ),
    "mailchimp": (frozenset({"member rating", "leid"}),),
    "salesforce": (
        frozenset({"isdeleted", "lastname"}),
        # The labels of a report.
        frozenset({"mailing zip postal code", "account name"}),
    ),
    "google-contacts": (frozenset({"e mail 1 value"}),),
    "outlook": (frozenset({"e mail address", "business street"}),),
    "stripe": (
        frozenset({"created utc", "delinquent"}),
        frozenset({"created utc", "card id"}),
    ),
    "woocommerce": (frozenset({"aov", "sign up"}), frozenset({"billing first name"})),
    "klaviyo": (frozenset({"klaviyo id"}),),
    "lightspeed-x": (frozenset({"customer code", "physical city"}),),
    "clover": (frozenset({"marketing allowed", "customer since"}),),
    "toast": (frozenset({"marketing opt in", "total spend", "last visit"}),),
    "vagaro": (frozenset({"day phone", "night phone"}),),
    "mindbody": (frozenset({"client id", "cell phone", "referral type"}),),
}

# What a column holds, from the share of its values that are so.
_MOSTLY, _CLEARLY = 0.5, 0.8
# Of two kinds with the same share the earlier is told; every whole number is a number too.
_PRECEDENCE: tuple[Kind, ...] = (
    *("email", "phone", "date", "yes/no", "country", "state", "number", "postal code"),
)
_EXPECTED: dict[str, Kind] = {
    "email_address": "email",
    "phone_number": "phone",
    "birthday": "date",
    "address.country": "country",
    "address.postal_code": "postal code",
}
_PLURAL = {
    "email": "email addresses",
    "phone": "valid phones",
    "date": "dates",
    "yes/no": "yes or no",
    "country": "countries",
    "state": "states",
    "postal code": "postal codes",
    "number": "numbers",
}

# Headers begin so where a file holds several addresses or phones of a person; phones in this
# order, for colleagues share the one at work.
_PHONE_ORDER = (
    "mobile",
    "cell",
    "home",
    "",
    "primary",
    "day",
    "night",
    "other",
    "business",
    "work",
)
_PREFIX = re.compile(
    r"(default address|mobile|cell|home|primary|main|day|night|evening|other|business|work|"
    r"billing|mailing|physical|postal|shipping|customer|contact|client|member) (?=.)"
)
_NUMBERED = re.compile(r" [1-9](?= |$)")
_PERSONAL = ("given_name", "family_name")
_SEVERAL = ("email_address", "phone_number")
_WHOLE_NAMES = frozenset(
    ["name", "full name", "customer name", "display name", "contact name", "client name", "file as"]
)
# What consent columns are called where a yes is a yes, those for emails first. A column of those
# who declined is none: the others have not agreed by that.
_CONSENTS = (
    *("accepts email marketing", "email subscription status", "email marketing consent"),
    *("email opt in", "accepts marketing", "marketing allowed", "marketing consent"),
    *("marketing opt in", "newsletter", "subscribed", "opt in", "consent"),
)
_AGREED = frozenset(
    {"yes", "y", "true", "1", "subscribed", "opted in", "opted-in", "ja", "oui", "si", "s\u00ed"}
)
# A column with more different values says something else than yes or no.
_FEW_ANSWERS = 10
# Square's own markets, where national phones are looked for besides the countries of the file.
_MARKETS = ("US", "CA", "GB", "AU", "IE", "FR", "ES", "JP")
_FEWEST_NATIONAL = 3


class Proposal(NamedTuple):
    """What a column is taken for: ``field`` is None where nothing is made of it."""

    field: str | None
    confidence: Confidence | None
    reason: str
    holds: Holds


class Region(NamedTuple):
    """Where phones without their country are valid: the share of those that were tried."""

    code: str
    share: float
    tried: int


class Consent(NamedTuple):
    """Which column says who agreed to marketing, and what its cells say then."""

    column: str
    yes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Proposals:
    """What is proposed for a file; ``columns`` in the order of the file's.

    ``groups`` are the fields that [columns] or [fallbacks] would be given, headers best first.
    """

    preset: str | None
    because: tuple[str, ...]  # the headers that tell the preset apart
    columns: tuple[Proposal, ...]
    groups: dict[str, tuple[str, ...]]
    region: Region | None
    consent: Consent | None = None  # a preset knows its own


def propose(
    found: Profile,
    name: str,
    not_text: Mapping[str, str],
    default_region: str | None,
    system: str | None = None,
) -> Proposals:
    """Propose a preset or a mapping; ``not_text`` columns cannot be the text of any field.

    Somebody may know the ``system`` that wrote the file: a preset, or "" for none of them. Raises
    ConfigError or SourceError when the file is not one of that preset's.
    """
    headers = [column.header for column in found.columns]
    region = _region(found, default_region)
    meaning = synonyms(headers)
    holds = [_holds(column, meaning, region) for column in found.columns]
    preset, because = _preset(headers) if system is None else (system or None, ())
    if preset is not None:
        try:
            mapping = resolve(name, headers, not_text, parse({"source": {"preset": preset}}, name))
        except (ConfigError, SourceError):
            if system:
                raise
            preset, because = None, ()
        else:
            of_preset = {
                header: field for field, group in mapping.fields.items() for header in group
            }
            columns = tuple(
                _by_preset(column, kind, preset, of_preset, region)
                for column, kind in zip(found.columns, holds, strict=True)
            )
            return Proposals(preset, because, columns, dict(mapping.fields), region)
    wanted = [
        _candidate(column, kind, meaning, not_text, region)
        for column, kind in zip(found.columns, holds, strict=True)
    ]
    columns, groups = _settled(found.columns, wanted)
    used = {header for group in groups.values() for header in group}
    consent = _consent([column for column in found.columns if column.header not in used])
    if consent:
        reason = "who agreed to marketing: it becomes [consent]"
        columns = tuple(
            told._replace(field=None, confidence=None, reason=reason)
            if column.header == consent.column
            else told
            for column, told in zip(found.columns, columns, strict=True)
        )
    return Proposals(None, (), columns, groups, region, consent)


def _consent(columns: Sequence[Column]) -> Consent | None:
    """Find the column of those who agreed: called so, and with few answers, one of them a yes."""
    spelled = {normalise_header(column.header): column for column in columns}
    for name in _CONSENTS:
        column = spelled.get(name)
        if column is None or column.distinct is None or column.distinct > _FEW_ANSWERS:
            continue
        said = dict.fromkeys(text.lower() for text, _ in column.top)
        if yes := tuple(text for text in said if text in _AGREED):
            return Consent(column.header, yes)
    return None


# --- what a column holds ------------------------------------------------------------------------


def share(column: Column, kind: Kind, region: Region | None) -> float:
    """Return which part of a column is of a kind; national phones count where they are valid."""
    if kind != "phone" or region is None or not column.looked_at:
        return column.share(kind)
    valid = sum(contents.is_phone_of(text, region.code) for text in column.national)
    part = valid / len(column.national) if column.national else 0.0
    return column.share("phone") + column.share("national") * part


def date_order(column: Column) -> DateOrder:
    """Return what the dates of a column prove about the order of day and month."""
    if column.dates.day_first and column.dates.month_first:
        return "contradictory"
    if column.dates.day_first:
        return "DMY"
    if column.dates.month_first:
        return "MDY"
    return "unproved" if column.kinds["ambiguous date"] else "plain"


def _holds(column: Column, meaning: Mapping[str, str], region: Region | None) -> Holds:
    if not column.filled:
        return "empty"
    shares = {kind: share(column, kind, region) for kind in _PRECEDENCE}
    # Half of all numbers look like a code of some country.
    if _named(column.header, meaning).field == "address.postal_code":
        shares["number"] = 0.0
    else:
        shares["postal code"] = 0.0
    clear = [kind for kind in _PRECEDENCE if shares[kind] >= _CLEARLY]
    best = clear[0] if clear else max(_PRECEDENCE, key=lambda kind: shares[kind])
    return best if shares[best] >= _MOSTLY else "text"


def _region(found: Profile, given: str | None) -> Region | None:
    """Find where the phones that do not say their country are valid."""
    national = [text for column in found.columns for text in column.national]
    likely = [
        column
        for column in found.columns
        if column.share("national") + column.share("phone") >= _MOSTLY
        and column.share("date") < _MOSTLY
        and _called_phone(column.header)
    ]
    if likely:
        national = [text for column in likely for text in column.national]
    if len(national) < (1 if given else _FEWEST_NATIONAL):
        return None
    seen = _countries(found)
    places = [given] if given else list(dict.fromkeys([*seen, *_MARKETS]))
    shares = {
        code: sum(contents.is_phone_of(text, code) for text in national) / len(national)
        for code in places
    }
    best = max(places, key=lambda code: shares[code])
    return Region(best, shares[best], len(national)) if shares[best] else None


def _called_phone(header: str) -> bool:
    return _named(header, synonyms([header])).field == "phone_number"


def _countries(found: Profile) -> list[str]:
    """Return the countries that the file names and its phones belong to, commonest first."""
    import phonenumbers  # heavy: loaded with the first phone

    counted: Counter[str] = Counter()
    for column in found.columns:
        counted.update(column.regions)
        if column.share("country") >= _CLEARLY and column.share("yes/no") < _MOSTLY:
            for text, times in column.top:
                counted[countries.code_of(text) or ""] += times
    return [code for code, _ in counted.most_common(6) if code in phonenumbers.SUPPORTED_REGIONS]


# --- presets ------------------------------------------------------------------------------------


def _preset(headers: Sequence[str]) -> tuple[str | None, tuple[str, ...]]:
    """Return the preset whose distinctive columns are all there, and these columns."""
    spelled = {normalise_header(header): header for header in headers}
    known = set(presets())
    fitting = [
        (len(group), name, group)
        for name, groups in DISTINCTIVE.items()
        for group in groups
        if name in known and group <= spelled.keys()
    ]
    if not fitting:
        return None, ()
    _, name, group = max(fitting, key=lambda one: one[0])
    return name, tuple(spelled[one] for one in sorted(group))


def _by_preset(
    column: Column,
    holds: Holds,
    preset: str,
    of_preset: Mapping[str, str],
    region: Region | None,
) -> Proposal:
    field = of_preset.get(column.header)
    if field is None:
        return Proposal(None, None, f"preset {preset} makes nothing of it", holds)
    agrees, words = _fits(field, column, holds, region)
    confidence: Confidence = "medium" if agrees is False else "high"
    return Proposal(field, confidence, f"preset {preset}; {words}", holds)


# --- names and contents -------------------------------------------------------------------------


class _Named(NamedTuple):
    """What a header alone says: the field, whether it is called just so, and which of several."""

    field: str | None
    exact: bool
    group: str


class _Candidate(NamedTuple):
    proposal: Proposal
    named: _Named


def _named(header: str, meaning: Mapping[str, str]) -> _Named:
    """Read a header; billing, home, work … tell several addresses or phones apart."""
    normal = normalise_header(header)
    found = _PREFIX.match(normal)
    alone = normal if normal in _PHONE_ORDER else ""
    name, group = (normal[found.end() :], found[1]) if found else (normal, alone)
    squashed = {synonym.replace(" ", ""): field for synonym, field in meaning.items()}
    exact = meaning.get(normal) or squashed.get(normal.replace(" ", ""))
    if exact:
        return _Named(exact, True, "" if exact.startswith("address.") else group)
    for spelling in (name, _NUMBERED.sub("", normal), _NUMBERED.sub("", name)):
        if spelling in meaning:
            return _Named(meaning[spelling], False, group)
    return _Named(None, False, group)


def _candidate(
    column: Column,
    holds: Holds,
    meaning: Mapping[str, str],
    not_text: Mapping[str, str],
    region: Region | None,
) -> _Candidate:
    """Judge one column for itself."""
    named = _named(column.header, meaning)
    if column.header.startswith("_"):
        return _Candidate(Proposal(None, None, "written by square-etl", holds), named)
    if column.header in not_text:
        reason = f"it is {not_text[column.header]}, not text"
        return _Candidate(Proposal(None, None, reason, holds), named)
    if named.field is None:
        return _Candidate(_by_content(column, holds), named)
    agrees, words = _fits(named.field, column, holds, region)
    called = f"called {'so' if named.exact else 'much like it'}"
    if agrees is False and not named.exact:
        return _Candidate(_by_content(column, holds), named._replace(field=None))
    if agrees is False:
        return _Candidate(Proposal(named.field, "low", f"{called}, but {words}", holds), named)
    confidence: Confidence = "high" if named.exact and agrees else "medium"
    return _Candidate(Proposal(named.field, confidence, f"{called}, and {words}", holds), named)


def _fits(
    field: str, column: Column, holds: Holds, region: Region | None
) -> tuple[bool | None, str]:
    """Tell whether what a column holds suits a field, None where it is empty; and in words."""
    if holds == "empty":
        return None, "it is empty here"
    if field in ("reference_id", "id", GIFT_CARD):
        if not column.repeated:
            return True, "no value was seen twice"
        if column.distinct is None or column.distinct >= _CLEARLY * column.filled:
            return True, "hardly any value comes twice"
        return False, f"only {column.distinct:,} of {column.filled:,} values differ"
    expected = _EXPECTED.get(field)
    if expected is None:
        odd = holds in ("email", "phone", "date", "yes/no") or (
            holds == "number" and field in _PERSONAL
        )
        return not odd, f"it holds {_PLURAL[holds] if holds != 'text' else 'text'}"
    part = share(column, expected, region)
    words = f"{part:.0%} of its values are {_PLURAL[expected]}"
    if part >= _CLEARLY:
        return True, words
    # Foreign codes have many forms; what is no code at all is something else.
    return (None if part >= _MOSTLY else False), words


def _by_content(column: Column, holds: Holds) -> Proposal:
    """Judge a column by what it holds alone."""
    if holds == "empty":
        return Proposal(None, None, "it is empty, and its name says nothing", holds)
    if holds in ("email", "phone"):
        field = "email_address" if holds == "email" else "phone_number"
        told = f"its name does not say so, but {_PLURAL[holds]} are what it holds"
        if column.distinct is not None and column.distinct < column.filled / 2:
            told += "; few differ, so they may be a colleague's"
            return Proposal(field, "low", told, holds)
        # A number without its country may be anything.
        sure = column.share(holds) >= _CLEARLY
        return Proposal(field, "medium" if sure else "low", told, holds)
    if normalise_header(column.header) in _WHOLE_NAMES:
        if holds == "text" and _several_words(column):
            reason = "whole names, most of several words: they are split where that is safe"
            return Proposal(FULL_NAME, "medium", reason, holds)
        reason = "whole names: Square keeps given and family name apart"
        return Proposal(None, None, reason, holds)
    if holds == "country":
        reason = "its name does not say so, but it holds countries"
        return Proposal("address.country", "low", reason, holds)
    if holds == "date":
        return Proposal(None, None, "dates, but nothing says that they are birthdays", holds)
    return Proposal(None, None, "nothing in a profile is called so", holds)


def _several_words(column: Column) -> bool:
    several = sum(times for text, times in column.top if len(text.split()) > 1)
    return several >= _MOSTLY * sum(times for _, times in column.top)


_RANKS = ("high", "medium", "low")


def _settled(
    columns: Sequence[Column], wanted: Sequence[_Candidate]
) -> tuple[tuple[Proposal, ...], dict[str, tuple[str, ...]]]:
    """Let columns that claim one field stand in line, or give it to the best of them."""
    final = [candidate.proposal for candidate in wanted]
    address = _best_address(columns, wanted)
    groups: dict[str, tuple[str, ...]] = {}
    for field in (*fields.CUSTOMERS.names, FULL_NAME, GIFT_CARD):
        claims = [at for at, one in enumerate(wanted) if one.proposal.field == field]
        claims.sort(key=lambda at: _rank(field, columns[at], wanted[at]))
        if field in _SEVERAL:
            why_not = {at: _no_further(at, claims, columns, wanted) for at in claims}
        else:
            ours = [at for at in claims if _is_of(address, field, wanted[at])]
            why_not = dict.fromkeys(ours[1:], f"another column is taken for {field}")
            why_not |= {
                at: "another address of the file is taken" for at in claims if at not in ours
            }
        if field == FULL_NAME and any(name in groups for name in _PERSONAL):
            why_not = dict.fromkeys(
                claims, "whole names, but their parts have columns of their own"
            )
        for at in claims:
            if reason := why_not.get(at):
                final[at] = Proposal(None, None, reason, final[at].holds)
        taken = [at for at in claims if final[at].confidence in ("high", "medium")]
        if taken:
            groups[field] = tuple(columns[at].header for at in taken)
    return tuple(final), groups


def _no_further(
    at: int, claims: Sequence[int], columns: Sequence[Column], wanted: Sequence[_Candidate]
) -> str:
    """Return why a column of phones or emails does not stand behind the others, or ""."""
    if not columns[at].filled and any(columns[one].filled for one in claims):
        return "it is empty here"
    if wanted[at].named.field is None and any(wanted[one].named.field for one in claims):
        return f"{_PLURAL[_EXPECTED[wanted[at].proposal.field or '']]}, but another is called so"
    return ""


def _is_of(address: str, field: str, claim: _Candidate) -> bool:
    return not field.startswith("address.") or claim.named.group == address


def _rank(field: str, column: Column, claim: _Candidate) -> tuple[object, ...]:
    """Order columns that claim one field; the best comes first."""
    confidence = _RANKS.index(claim.proposal.confidence or "low")
    if field == "phone_number":
        known = claim.named.group in _PHONE_ORDER
        place = _PHONE_ORDER.index(claim.named.group) if known else len(_PHONE_ORDER)
        return (claim.proposal.confidence == "low", place, confidence)
    numbered = _NUMBERED.search(normalise_header(column.header)) is not None
    plain_id = normalise_header(column.header) == "id"
    return (
        not column.filled,
        confidence,
        not claim.named.exact,
        plain_id,
        numbered,
        -column.filled,
    )


def _best_address(columns: Sequence[Column], wanted: Sequence[_Candidate]) -> str:
    """Return which of several addresses is filled best: parts of two would make a third."""
    filled: Counter[str] = Counter()
    for column, claim in zip(columns, wanted, strict=True):
        if (claim.proposal.field or "").startswith("address."):
            filled[claim.named.group] += column.filled
    return filled.most_common(1)[0][0] if filled else ""
