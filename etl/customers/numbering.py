"""Which plainly written phone numbers are certainly valid or not, judged by the column?

The rules are the metadata of ``phonenumbers``. Where its parser would have to decide something
(a prefix to strip, a region among several that claims a number), nothing is decided here: the row
is left to the library. So a yes or a no here is always the library's.
"""

from __future__ import annotations

import re
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.customers import octets
from etl.customers.automaton import BLANK, Automaton, Pattern
from etl.customers.octets import Octets

if TYPE_CHECKING:
    from phonenumbers.phonemetadata import PhoneMetadata, PhoneNumberDesc

# Digits with the punctuation people put between them; a .0 at the end is a spreadsheet's.
_DIGIT = octets.kind(b"0123456789")
_PUNCTUATION = octets.kind(b" ().-")
_NOT_PLAIN = ~(_DIGIT | _PUNCTUATION)
_BEGINS = octets.kind(b"0123456789+(")
_FOLLOWS_PLUS = octets.kind(b"0123456789(")
# Bytes; what is longer is no number, whatever it holds.
_LONGEST_PLAIN = 62
_ZERO = octets.kind(b"0")
_DECIMAL = r"\.0+$"
# Where people write a prefix that the parser does not know, another spelling may be valid.
_RESPELLED = r"^[ (]*0|\( *0 *\)"
# Calling codes have one to three digits, and none begins another.
_CODE_DIGITS = 3
# Of numbers in E.164 with their calling codes.
_FEWEST_DIGITS, _LONGEST = 7, 15
_PLUS = octets.kind(b"+")
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
    held = Octets(column)
    fits = (held.lengths > _FEWEST_DIGITS) & (held.lengths <= 1 + _LONGEST)
    rows = np.flatnonzero(fits & held.beginning(_PLUS))
    size = held.lengths[rows] - 1
    longest = int(size.max(initial=0))
    digits = held.stretch(1, longest, rows) - ord("0")
    ended = np.arange(longest)[:, None] >= size
    numeric = ((digits < 10) | ended).all(axis=0)
    digits[ended] = BLANK
    if not numeric.all():
        rows, digits, size = rows[numeric], digits[:, numeric], size[numeric]
    found = np.full(len(column), _UNDECIDED, "u1")
    if len(rows):
        found[rows] = _judge().verdicts(digits, size)
    return Verdicts(found == _YES, found == _NO)


_UNDECIDED, _NO, _YES, _UNASKED = range(4)
_NOT_READ = -1


class _Judge:
    """Judges columns of digits as ``certainty`` judges each number, which is asked of one alike.

    Two numbers of a calling code are alike when they are as long and have led its automaton into
    one state: then they match the same patterns.
    """

    def __init__(self) -> None:
        self._automaton = Automaton()
        self._starts: dict[int, int | None] = {}
        self._lock = Lock()
        # By state and length.
        self._verdicts = np.full((64, 1 + _LONGEST), _UNASKED, "u1")

    def verdicts(self, digits: np.ndarray, size: np.ndarray) -> np.ndarray:
        """Return the verdicts; each column of digits is a number, ``BLANK`` where it has ended."""
        first, second, third = digits[:_CODE_DIGITS].astype("<i4")
        codes = _code_of_start()[(first * 10 + second) * 10 + third]
        found = np.full(len(size), _UNDECIDED, "u1")
        starts = self._starts_of(codes)[codes]
        rows = np.flatnonzero(starts != _NOT_READ)
        if len(rows) < len(size):
            digits, size, codes, starts = digits[:, rows], size[rows], codes[rows], starts[rows]
        # A code has brought its numbers to their start already.
        of_code = np.arange(_CODE_DIGITS)[:, None] <= np.searchsorted([10, 100], codes, "right")
        behind = np.where(of_code, BLANK, digits[:_CODE_DIGITS])
        state = self._automaton.run(starts, [*behind, *digits[_CODE_DIGITS:]])
        with self._lock:
            found[rows] = self._known(state, size, digits)
        return found

    def _starts_of(self, codes: np.ndarray) -> np.ndarray:
        """Return by code where its national numbers begin, as far as these codes occur."""
        starts = np.full(10**_CODE_DIGITS, _NOT_READ, "<i4")
        for code in np.flatnonzero(np.bincount(codes)).tolist():
            start = self._start(code) if code else None
            starts[code] = _NOT_READ if start is None else start
        return starts

    def _start(self, code: int) -> int | None:
        """Return where the national numbers of a code begin, None where its plan is not read."""
        if code not in self._starts:
            plan = _plan(code)
            # What everything matches keeps the states of this code apart from those of others.
            patterns = [Pattern("", whole=False)]
            patterns += [Pattern(each, whole=False) for each in (plan.begins, plan.unsure) if each]
            for region in plan.regions:
                kinds = (region.general, *region.kinds)
                patterns += [Pattern(each.pattern) for each in kinds]
            try:
                self._starts[code] = self._automaton.start(patterns)
            except ValueError:  # a later release of the library may say what none has said yet
                self._starts[code] = None
        return self._starts[code]

    def _known(self, state: np.ndarray, size: np.ndarray, digits: np.ndarray) -> np.ndarray:
        more = int(state.max(initial=0)) + 1 - len(self._verdicts)
        if more > 0:
            unasked = np.full((more, 1 + _LONGEST), _UNASKED, "u1")
            self._verdicts = np.concatenate((self._verdicts, unasked))
        found: np.ndarray = self._verdicts[state, size]
        new = np.flatnonzero(found == _UNASKED)
        if len(new):
            _, first = np.unique(state[new] * (1 + _LONGEST) + size[new], return_index=True)
            for one in new[first]:
                number = "+" + "".join(map(str, digits[: size[one], one]))
                verdict = certainty(number)
                told = _UNDECIDED if verdict is None else _YES if verdict else _NO
                self._verdicts[state[one], size[one]] = told
            found = self._verdicts[state, size]
        return found


@cache
def _judge() -> _Judge:
    return _Judge()


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
    plain = _plainly(Octets(column))
    decimal = octets.refined(
        column,
        plain & Octets(column).ending(_ZERO),
        lambda some: pc.match_substring_regex(some, _DECIMAL),
    )
    plain &= ~octets.flags(decimal)
    digits = Octets(Octets(column).less(~plain)).without(_PUNCTUATION)
    abroad = Octets(digits).beginning(_PLUS)
    national, stripped = _from_national(Octets(digits).less(abroad), region)
    written = pc.if_else(octets.mask(abroad), digits, national)
    found = certain(written)
    respelled = octets.refined(
        column, found.no, lambda some: pc.match_substring_regex(some, _RESPELLED)
    )
    numbers = pc.if_else(octets.mask(found.yes), written, None)
    return Read(numbers, found.no & ~stripped & ~octets.flags(respelled))


def _plainly(held: Octets) -> np.ndarray:
    """Return which cells hold digits with punctuation, and perhaps a plus before them."""
    size = (held.lengths > 2) & (held.lengths <= _LONGEST_PLAIN)
    plain: np.ndarray = size & held.beginning(_BEGINS) & held.ending(_DIGIT)
    plain &= ~held.holding_inside(_NOT_PLAIN)
    signed = np.flatnonzero(plain & held.beginning(_PLUS))
    # The library has its own opinion of a plus before other punctuation.
    plain[signed] = _FOLLOWS_PLUS[held.nth(1, signed)]
    return plain


def _from_national(digits: pa.Array, region: str) -> tuple[pa.Array, np.ndarray]:
    """Put the calling code before digits the parser would take for a national number.

    Where the digits begin with the trunk prefix, it is stripped, as the parser does if what is left
    is a number of the region; these rows are told, for otherwise it would not.
    """
    found = _metadata(region)
    if found is None:
        return pa.nulls(len(digits), pa.string()), np.zeros(len(digits), dtype=bool)
    code, prefix = str(found.country_code), _prefix(found)
    trunk = prefix if _alone(found) and re.fullmatch("[0-9]+", prefix) else ""
    changed = [code, found.international_prefix, "" if trunk else prefix]
    starts = "|".join(f"(?:{start})" for start in changed if start)
    held = Octets(digits)
    begun = octets.refined(
        digits,
        held.beginning(_first_digits(starts)),
        lambda some: pc.match_substring_regex(some, f"^(?:{starts})"),
    )
    digits = held.less(octets.flags(begun))
    if not trunk:
        return pc.binary_join_element_wise(f"+{code}", digits, ""), np.zeros(len(digits), bool)
    stripped = pc.fill_null(pc.starts_with(digits, trunk), False)
    bare = pc.if_else(stripped, pc.utf8_slice_codeunits(digits, len(trunk)), digits)
    full = pc.binary_join_element_wise(f"+{code}", bare, "")
    return full, octets.flags(stripped)


@cache
def _first_digits(pattern: str) -> octets.Kind:
    """Return the digits that may begin what a pattern matches."""
    automaton = Automaton()
    try:
        start = automaton.start([Pattern(pattern, whole=False)])
    except ValueError:  # a later release of the library may say what none has said yet
        return _DIGIT
    return octets.kind(digit + ord("0") for digit in automaton.first_digits(start))


def _alone(metadata: PhoneMetadata) -> bool:
    """Tell whether a certain number of this region's calling code is one of this region."""
    code = metadata.country_code
    return code is not None and _is_main(metadata) and len(_plan(code).regions) == 1


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
    # By identity: the library compares its metadata by writing them out.
    sure = [data for data in found if not data.leading_digits or data is main]
    claimed = [data.leading_digits for data in found if data.leading_digits and data is not main]
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
    code = int(_code_of_start()[int(number[1 : 1 + _CODE_DIGITS])])
    if not code:
        return None
    national = number[1 + len(str(code)) :]
    plan = _plan(code)
    if not plan.regions or (plan.begins and not _one(plan.begins).match(national)):
        return None
    if plan.unsure and _one(plan.unsure).match(national):
        return None
    for region in plan.regions:
        if _fits(national, region.general):
            for kind in region.kinds:
                if _fits(national, kind):
                    return True
    return False


def _fits(national: str, described: _Lengths) -> bool:
    if described.digits and len(national) not in described.digits:
        return False
    return _one(described.pattern).fullmatch(national) is not None


@cache
def _one(pattern: str) -> re.Pattern[str]:
    return re.compile(f"(?:{pattern})")


# --- one number, in more spellings --------------------------------------------------------------

_ONE = re.compile(r"[+(]?[0-9(][0-9 ().-]{0,60}[0-9]")
_ONE_DECIMAL = re.compile(r".*\.0+")
_WITHOUT_PUNCTUATION = str.maketrans("", "", " ().-")
# As people write it; the library knows more labels, and digits by the dozen.
_EXTENDED = re.compile(r"(.*[0-9]) ?(?:x|ext\.?) ?([0-9]{1,7})")
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_DIGITS = re.compile(r"[0-9]*")


def spelled(text: str, region: str) -> tuple[str, str] | None:
    """Read one number as the library does, where it certainly is valid: E.164 and extension.

    Beside what ``international`` reads: an extension, the region's prefix of numbers abroad, a
    calling code without its plus, and a trunk prefix behind a calling code.
    """
    extension = ""
    if extended := _EXTENDED.fullmatch(text):
        text, extension = extended.groups()
    if not _ONE.fullmatch(text) or _ONE_DECIMAL.fullmatch(text):
        return None
    digits = text.translate(_WITHOUT_PUNCTUATION)
    full = digits if digits[0] == "+" else _dialled(digits, region)
    if full is None or not _E164.fullmatch(full):
        return None
    sure = certainty(full)
    if sure is None and (full := _without_trunk(full)) is not None:
        sure = certainty(full)
    return (full, extension) if sure and full else None


def _dialled(digits: str, region: str) -> str | None:
    """Put a plus and the calling code before digits as they are dialled in a region."""
    found = _metadata(region)
    if found is None:
        return None
    code, abroad, prefix = str(found.country_code), found.international_prefix, _prefix(found)
    if abroad and _one(abroad).match(digits):
        return f"+{digits[len(abroad) :]}" if _DIGITS.fullmatch(abroad) else None
    if digits.startswith(code):
        # The library takes off the code of a number that is too long for the region with it.
        general = found.general_desc
        most = max(general.possible_length, default=0) if general else 0
        return f"+{digits}" if _is_main(found) and most and len(digits) > most else None
    if prefix and _one(prefix).match(digits):
        return None
    return f"+{code}{digits}"


def _without_trunk(full: str) -> str | None:
    """Take off the trunk prefix behind a calling code, where the library would."""
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

    code = int(_code_of_start()[int(full[1 : 1 + _CODE_DIGITS])])
    main = _metadata(COUNTRY_CODE_TO_REGION_CODE[code][0]) if code else None
    if main is None or not (prefix := _prefix(main)) or _one(prefix).groups:
        return None
    national = full[1 + len(str(code)) :]
    trunk = _one(prefix).match(national)
    bare = national[trunk.end() :] if trunk else ""
    return f"+{code}{bare}" if bare and _fits(bare, _plan(code).regions[0].general) else None


def _is_main(metadata: PhoneMetadata) -> bool:
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

    code = metadata.country_code
    return code is not None and COUNTRY_CODE_TO_REGION_CODE[code][0] == metadata.id
