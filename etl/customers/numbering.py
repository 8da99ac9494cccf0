"""Which plainly written phone numbers are certainly valid or not, judged by the column?

The rules are the metadata of ``phonenumbers``. Where its parser would have to decide something
(a prefix to strip, a region among several that claims a number), nothing is decided here: the row
is left to the library. So a yes or a no here is always the library's.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.customers import octets
from etl.customers.octets import Octets

if TYPE_CHECKING:
    from phonenumbers.phonemetadata import PhoneMetadata, PhoneNumberDesc

# Digits with the punctuation people put between them; a .0 at the end is a spreadsheet's.
_PLAIN = r"^[+(]?[0-9(][0-9 ().-]{0,60}[0-9]$"
_PUNCTUATION = octets.kind(b" ().-")
_DECIMAL = r"\.0+$"
# Where people write a prefix that the parser does not know, another spelling may be valid.
_RESPELLED = r"^[ (]*0|\( *0 *\)"
# Calling codes have one to three digits, and none begins another.
_CODE_DIGITS = 3
# The library knows of no longer ones, and numbers in E.164 have fewer.
_MOST_DIGITS = 17
# Numbers of no country, such as +800.
_NOWHERE = "001"


class _Lengths(NamedTuple):
    """Numbers of one kind: how they begin and go on, and how many digits they have."""

    pattern: str
    digits: tuple[int, ...]


class _Region(NamedTuple):
    """The numbers of one region."""

    general: _Lengths
    kinds: tuple[_Lengths, ...]


class _Plan(NamedTuple):
    """The numbers of one calling code, as far as they can be judged here.

    ``begins`` must begin the numbers of the regions. What ``unsure`` begins belongs to a region
    that is not listed, or the parser would change it. Empty: no such pattern.
    """

    regions: tuple[_Region, ...]
    begins: str
    unsure: str


class Verdicts(NamedTuple):
    """Which rows are certainly valid numbers and which certainly are none; of others neither."""

    yes: np.ndarray
    no: np.ndarray


def certain(column: pa.Array) -> Verdicts:
    """Judge phone numbers written in E.164; everything else is undecided."""
    plain = pc.fill_null(pc.match_substring_regex(column, r"^\+[1-9][0-9]{6,14}$"), False)
    rows = np.flatnonzero(plain.to_numpy(zero_copy_only=False))
    codes = _code_of_start()[_starts(Octets(column), rows)]
    found = Verdicts(np.zeros(len(column), dtype=bool), np.zeros(len(column), dtype=bool))
    for code in np.unique(codes[codes > 0]).tolist():
        of_code = rows[codes == code]
        national = pc.utf8_slice_codeunits(column.take(pa.array(of_code)), 1 + len(str(code)))
        found.yes[of_code], found.no[of_code] = _judged(national, _plan(code))
    return found


def _starts(numbers: Octets, rows: np.ndarray) -> np.ndarray:
    """Return the first digits of numbers in E.164 as one number."""
    first, second, third = (
        numbers.nth(place, rows).astype("<i4") - ord("0") for place in range(1, 1 + _CODE_DIGITS)
    )
    starts: np.ndarray = (first * 10 + second) * 10 + third
    return starts


@cache
def _code_of_start() -> np.ndarray:
    """Return the calling code that begins each three digits, 0 for none."""
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

    codes = np.zeros(10**_CODE_DIGITS, "<i4")
    for code in COUNTRY_CODE_TO_REGION_CODE:
        more = _CODE_DIGITS - len(str(code))
        codes[code * 10**more : (code + 1) * 10**more] = code
    return codes


class Read(NamedTuple):
    """Phones in E.164 where they certainly are valid, null elsewhere; and those certainly not."""

    numbers: pa.Array
    invalid: np.ndarray


def international(column: pa.Array, region: str) -> Read:
    """Read plainly written numbers; national ones are those of ``region``."""
    plain = pc.match_substring_regex(column, _PLAIN)
    held = Octets(pc.if_else(plain, column, None))
    punctuated = held.holding(_PUNCTUATION)
    odd = octets.refined(column, punctuated, lambda some: pc.match_substring_regex(some, _DECIMAL))
    digits = pc.if_else(odd, None, held.without(_PUNCTUATION))
    written = pc.if_else(pc.starts_with(digits, "+"), digits, _from_national(digits, region))
    found = certain(written)
    respelled = octets.refined(
        column, found.no, lambda some: pc.match_substring_regex(some, _RESPELLED)
    )
    numbers = pc.if_else(pa.array(found.yes), written, None)
    return Read(numbers, found.no & ~respelled.to_numpy(zero_copy_only=False))


def _from_national(digits: pa.Array, region: str) -> pa.Array:
    """Put the calling code before digits the parser would take for a national number unchanged."""
    found = _metadata(region)
    if found is None:
        return pa.nulls(len(digits), pa.string())
    code = str(found.country_code)
    changed = [code]
    changed += [prefix for prefix in (found.international_prefix, _prefix(found)) if prefix]
    starts = "|".join(f"(?:{start})" for start in changed)
    unchanged = pc.invert(pc.match_substring_regex(digits, f"^(?:{starts})"))
    full = pc.binary_join_element_wise(f"+{code}", digits, "")
    return pc.if_else(unchanged, full, None)


def _judged(national: pa.Array, plan: _Plan) -> Verdicts:
    """Judge the national numbers of one calling code, where the parser leaves them as they are."""
    undecided = np.full(len(national), not plan.regions)
    if plan.unsure:
        undecided |= _matching(national, f"^(?:{plan.unsure})")
    if plan.begins:
        undecided |= ~_matching(national, f"^(?:{plan.begins})")
    lengths = Octets(national).lengths
    valid = np.zeros(len(national), dtype=bool)
    for region in plan.regions:
        open_ = ~(valid | undecided)
        rows = np.flatnonzero(open_)
        kind = np.zeros(len(rows), dtype=bool)
        some = national if open_.all() else national.take(pa.array(rows))
        for each in region.kinds:
            kind |= _described(some, lengths[rows], each)
        valid[rows] = kind & _described(some, lengths[rows], region.general)
    return Verdicts(valid, ~(valid | undecided))


def _described(national: pa.Array, lengths: np.ndarray, described: _Lengths) -> np.ndarray:
    fits = _matching(national, f"^(?:{described.pattern})$")
    if not described.digits:
        return fits
    possible = np.zeros(1 + _MOST_DIGITS, dtype=bool)
    possible[list(described.digits)] = True
    fits &= possible[lengths]
    return fits


def _matching(texts: pa.Array, pattern: str) -> np.ndarray:
    found: np.ndarray = pc.match_substring_regex(texts, pattern).to_numpy(zero_copy_only=False)
    return found


@cache
def _plan(code: int) -> _Plan:
    """Return what the library's metadata says about a calling code.

    It goes through the regions of a code in order: one with leading digits claims the numbers that
    begin with them, one without those that match one of its kinds. The main region comes first.
    """
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

    names = COUNTRY_CODE_TO_REGION_CODE[code]
    found = [data for name in names if (data := _metadata(name)) is not None]
    if not found:
        return _Plan((), "", "")
    main = found[0]
    if main.leading_digits and len(found) > 1:
        return _Plan((_region(main),), main.leading_digits, _prefix(main))
    sure = [data for data in found if not data.leading_digits or data is main]
    claimed = [data.leading_digits for data in found if data not in sure]
    unsure = "|".join(f"(?:{start})" for start in (*claimed, _prefix(main)) if start)
    return _Plan(tuple(_region(data) for data in sure), "", unsure)


def _metadata(region: str) -> PhoneMetadata | None:
    import phonenumbers
    from phonenumbers.phonemetadata import PhoneMetadata

    if region not in phonenumbers.SUPPORTED_REGIONS or region == _NOWHERE:
        return None
    return PhoneMetadata.metadata_for_region(region)


def _prefix(metadata: PhoneMetadata) -> str:
    return metadata.national_prefix_for_parsing or ""


def _region(metadata: PhoneMetadata) -> _Region:
    by_length: dict[tuple[int, ...], list[str]] = {}
    for kind in _kinds(metadata):
        if kind is not None and kind.national_number_pattern:
            by_length.setdefault(tuple(kind.possible_length), []).append(
                f"(?:{kind.national_number_pattern})"
            )
    general = metadata.general_desc
    if general is None or not general.national_number_pattern:
        raise ValueError(f"phonenumbers does not describe the numbers of {metadata.id}")
    return _Region(
        _Lengths(general.national_number_pattern, tuple(general.possible_length)),
        tuple(_Lengths("|".join(patterns), digits) for digits, patterns in by_length.items()),
    )


def _kinds(metadata: PhoneMetadata) -> tuple[PhoneNumberDesc | None, ...]:
    return (
        metadata.premium_rate,
        metadata.toll_free,
        metadata.shared_cost,
        metadata.voip,
        metadata.personal_number,
        metadata.pager,
        metadata.uan,
        metadata.voicemail,
        metadata.fixed_line,
        metadata.mobile,
    )


def certainty(number: str) -> bool | None:
    """Judge one number in E.164 as ``certain`` judges a column; None is undecided."""
    code = _code_of_start()[int(number[1 : 1 + _CODE_DIGITS])]
    national = number[1 + len(str(code)) :]
    plan = _plan(code)
    if not plan.regions or (plan.begins and not _one(plan.begins).match(national)):
        return None
    if plan.unsure and _one(plan.unsure).match(national):
        return None
    return any(
        _fits(national, region.general) and any(_fits(national, kind) for kind in region.kinds)
        for region in plan.regions
    )


def _fits(national: str, described: _Lengths) -> bool:
    if described.digits and len(national) not in described.digits:
        return False
    return _one(described.pattern).fullmatch(national) is not None


@cache
def _one(pattern: str) -> re.Pattern[str]:
    return re.compile(f"(?:{pattern})")
