"""Is this a valid phone number, and how is it written in E.164?

The verdict is that of ``phonenumbers``, which takes 50 to 150 µs for a number. What it would do
with one that is written plainly follows from its metadata, and is told here at a tenth of that;
every other number goes to the library.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from phonenumbers.phonemetadata import PhoneMetadata, PhoneNumberDesc

# Letters, and the percent sign: with one a number is Square's example of an INVALID_VALUE.
_NOT_IN_PHONES = re.compile(r"[^\W\d_]|%")
# The punctuation people put between digits, none of which means anything to the library.
_PLAIN = re.compile(r"\+?\(?[0-9][0-9 ().-]{6,30}[0-9]")
_PUNCTUATION = str.maketrans("", "", "+ ().-")


class _Region(NamedTuple):
    """The numbers of one region.

    ``claimed`` is how numbers begin that are this region's and no other's; ``prefix`` is what the
    parser strips, unless it ``rewrites`` it; ``abroad`` is what is dialled before a calling code.
    """

    code: str
    claimed: re.Pattern[str] | None
    valid: re.Pattern[str]
    general: re.Pattern[str]
    prefix: re.Pattern[str] | None
    rewrites: bool
    abroad: re.Pattern[str] | None


def is_like_a_phone(value: str) -> bool:
    """Tell whether a text has as many digits as Square takes, and neither letters nor %."""
    return not _NOT_IN_PHONES.search(value) and sum(map(str.isdecimal, value)) in _sizes()


@functools.cache
def _sizes() -> range:
    from etl.customers.fields import PHONE_DIGITS

    return PHONE_DIGITS


@functools.lru_cache(maxsize=1024)
def e164(value: str, country: str) -> str | None:
    """Return a phone number in E.164 as read in ``country``, None if it is not a valid one."""
    return _told_from_metadata(value, country) or _told_by_the_library(value, country)


def _told_by_the_library(value: str, country: str) -> str | None:
    import phonenumbers

    if not is_like_a_phone(value):
        return None
    try:
        number = phonenumbers.parse(value, country)
    except phonenumbers.NumberParseException:
        return None
    # An extension has no place in Square's field.
    if number.extension or not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _told_from_metadata(value: str, country: str) -> str | None:
    """Return a valid number in E.164, None if that takes more than its metadata to tell."""
    if not _PLAIN.fullmatch(value):
        return None
    digits = value.translate(_PUNCTUATION)
    if len(digits) not in _sizes():
        return None
    if value.startswith("+"):
        # No calling code begins another.
        regions = next(filter(None, map(_regions, (digits[:1], digits[:2], digits[:3]))), ())
        national = _without_prefix(digits[len(regions[0].code) :], regions[0]) if regions else None
    else:
        national, regions = _read_at_home(digits, country)
    if national is None:
        return None
    for region in regions:
        if region.claimed is None or len(regions) == 1:
            if region.valid.fullmatch(national):
                return f"+{region.code}{national}"
        elif region.claimed.match(national):
            return f"+{region.code}{national}" if region.valid.fullmatch(national) else None
    return None


def _read_at_home(digits: str, country: str) -> tuple[str | None, tuple[_Region, ...]]:
    """Return digits as a national number of ``country``, and the regions that have its code."""
    home = _region(country)
    if home is None or digits.startswith(home.code):
        return None, ()
    if home.abroad is not None and home.abroad.match(digits):
        return None, ()
    return _without_prefix(digits, home), _regions(home.code)


def _without_prefix(national: str, region: _Region) -> str | None:
    """Strip what is dialled before a national number, as the parser would."""
    found = None if region.prefix is None else region.prefix.match(national)
    if found is None:
        return national
    if region.rewrites and found.groups()[-1] is not None:
        return None
    stripped = national[found.end() :]
    return stripped if region.general.fullmatch(stripped) else None


@functools.cache
def _regions(code: str) -> tuple[_Region, ...]:
    """Return the regions of a calling code in the order the library asks them, the main one first.

    What is no calling code has none, and neither have the numbers of no region, such as +800.
    """
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

    of_code = {str(number): names for number, names in COUNTRY_CODE_TO_REGION_CODE.items()}
    found = map(_region, of_code.get(code, ()))
    return tuple(region for region in found if region is not None)


@functools.cache
def _region(name: str) -> _Region | None:
    import phonenumbers
    from phonenumbers.phonemetadata import PhoneMetadata

    if name not in phonenumbers.SUPPORTED_REGIONS:
        return None
    metadata = PhoneMetadata.metadata_for_region(name)
    assert metadata is not None, "every supported region is described"
    general = _numbers(metadata.general_desc)
    kinds = [numbers for kind in _kinds(metadata) if (numbers := _numbers(kind))]
    prefix, abroad = metadata.national_prefix_for_parsing, metadata.international_prefix
    return _Region(
        code=str(metadata.country_code),
        claimed=re.compile(metadata.leading_digits) if metadata.leading_digits else None,
        valid=re.compile(rf"(?={general}\Z)(?:{'|'.join(kinds)})"),
        general=re.compile(general),
        prefix=re.compile(prefix) if prefix else None,
        rewrites=bool(metadata.national_prefix_transform_rule),
        abroad=re.compile(abroad) if abroad else None,
    )


def _kinds(metadata: PhoneMetadata) -> tuple[PhoneNumberDesc | None, ...]:
    return (
        *(metadata.fixed_line, metadata.mobile, metadata.toll_free, metadata.premium_rate),
        *(metadata.shared_cost, metadata.voip, metadata.personal_number, metadata.pager),
        *(metadata.uan, metadata.voicemail),
    )


def _numbers(kind: PhoneNumberDesc | None) -> str:
    """Return the pattern of all numbers of a kind, an empty one if there are none."""
    if kind is None or not kind.national_number_pattern:
        return ""
    lengths = "|".join(f".{{{digits}}}" for digits in kind.possible_length if digits > 0)
    return rf"(?=(?:{lengths})\Z)(?:{kind.national_number_pattern})" if lengths else ""
