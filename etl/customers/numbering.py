"""Which plainly written phone numbers are certainly valid, judged a whole column at a time?

The rules are the metadata of ``phonenumbers``. Where its parser would have to decide something
(a prefix to strip, a region among several that claims a number), nothing is decided here: the row
is left to the library. So a yes here is always the library's yes; the rest is not yet a no.
"""

from __future__ import annotations

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
_PLAIN = r"^[+(]?[0-9(][0-9 ().-]*[0-9]$"
_PUNCTUATION = octets.kind(b" ().-")
_DECIMAL = r"\.0+$"
# Calling codes have one to three digits, and none begins another.
_CODE_DIGITS = 3
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

    ``claimed`` begins the numbers of regions that are not listed; ``begins`` must begin those of
    the regions that are; what ``prefix`` begins the parser would change. Empty: no such pattern.
    """

    regions: tuple[_Region, ...]
    begins: str
    claimed: str
    prefix: str


def certain(column: pa.Array) -> pa.Array:
    """Return which rows are certainly valid phone numbers, written in E.164."""
    plain = pc.fill_null(pc.match_substring_regex(column, r"^\+[1-9][0-9]{6,14}$"), False)
    rows = np.flatnonzero(plain.to_numpy(zero_copy_only=False))
    codes = _code_of_start()[_starts(Octets(column), rows)]
    yes = np.zeros(len(column), dtype=bool)
    for code in np.unique(codes[codes > 0]).tolist():
        of_code = rows[codes == code]
        national = pc.utf8_slice_codeunits(column.take(pa.array(of_code)), 1 + len(str(code)))
        yes[of_code] = _valid(national, code).to_numpy(zero_copy_only=False)
    return pa.array(yes)


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


def international(column: pa.Array, region: str) -> pa.Array:
    """Return plainly written numbers as E.164 where that is certain, null elsewhere.

    National numbers are those of ``region``.
    """
    plain = pc.and_(
        pc.match_substring_regex(column, _PLAIN),
        pc.invert(pc.match_substring_regex(column, _DECIMAL)),
    )
    digits = Octets(pc.if_else(plain, column, None)).without(_PUNCTUATION)
    written = pc.if_else(pc.starts_with(digits, "+"), digits, _from_national(digits, region))
    return pc.if_else(certain(written), written, None)


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


def _valid(national: pa.Array, code: int) -> pa.Array:
    """Return which national numbers of a calling code are certainly valid and stay as they are."""
    plan = _plan(code)
    yes = pc.and_(pc.is_valid(national), False)
    for region in plan.regions:
        kind = pc.and_(yes, False)
        for lengths in region.kinds:
            kind = pc.or_(kind, _matches(national, lengths))
        yes = pc.or_(yes, pc.and_(kind, _matches(national, region.general)))
    if plan.begins:
        yes = pc.and_(yes, pc.match_substring_regex(national, f"^(?:{plan.begins})"))
    for unsure in (plan.claimed, plan.prefix):
        if unsure:
            found = pc.match_substring_regex(national, f"^(?:{unsure})")
            yes = pc.and_(yes, pc.invert(found))
    return yes


def _matches(national: pa.Array, lengths: _Lengths) -> pa.Array:
    matching = pc.match_substring_regex(national, f"^(?:{lengths.pattern})$")
    if not lengths.digits:
        return matching
    return pc.and_(matching, pc.is_in(pc.utf8_length(national), pa.array(lengths.digits)))


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
        return _Plan((), "", "", "")
    main = found[0]
    if main.leading_digits and len(found) > 1:
        return _Plan((_region(main),), main.leading_digits, "", _prefix(main))
    sure = [data for data in found if not data.leading_digits or data is main]
    claimed = [data.leading_digits for data in found if data not in sure]
    return _Plan(
        tuple(_region(data) for data in sure),
        "",
        "|".join(f"(?:{digits})" for digits in claimed),
        _prefix(main),
    )


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
