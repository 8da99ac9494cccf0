"""What is the canonical form of a value, and what had to change to reach it?

One form (``etl.customers.cells``) for each kind of field; applying it twice changes nothing the
second time. The ``may_change_*`` masks say cheaply, for a whole column, which rows a form has to
look at.

Birthdays and countries have their own modules; what Square refuses is in ``etl.customers.rules``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.customers import mojibake, numbering, octets
from etl.customers.cells import Cell, Finding, all_at_once, any_of, repeated, shown, then
from etl.customers.octets import Octets

# --- every text ---------------------------------------------------------------------------------

# Words that stand for nothing. Compared in lower case, after trimming.
MARKERS = frozenset({"n/a", "#n/a", "null", "none", "-"})
# Null and None are names people have; what no name is stays a marker.
NAME_MARKERS = frozenset({"n/a", "#n/a", "-"})


@dataclass(frozen=True, slots=True)
class Style:
    """How a kind of text is tidied.

    ``markers`` are the words for nothing. In ``identifier`` fields a leading apostrophe is always
    a spreadsheet's; elsewhere (``'t Hooft``, ``'s-Gravenhage``) only before a formula character.
    ``key`` fields may hold no invisible character, ``lines`` allows line breaks and tabs.
    """

    markers: frozenset[str] = MARKERS
    identifier: bool = False
    key: bool = False
    lines: bool = False


TEXT = Style()
LINES = Style(lines=True)
NAME = Style(markers=NAME_MARKERS)
IDENTIFIER = Style(identifier=True)
KEY = Style(identifier=True, key=True)
COUNTRY = Style(markers=frozenset(), identifier=True)

_TRIMMED = Finding("repair", "TRIMMED", "blanks around the value were removed")
_COMPOSED = Finding("repair", "UNICODE_COMPOSED", "the value was brought to Unicode form NFC")
_NUL = Finding("reject", "NUL_CHARACTER", "the cell holds a NUL character")

_WRAPPED = re.compile(r'="((?:[^"]|"")*)"', re.DOTALL)
_GUARD_OF_TEXT = re.compile(r"'(?=[=+\-@])")
# '1234' in quotes and ''1234 are no spreadsheet's doing.
_GUARD_OF_IDENTIFIER = re.compile(r"'(?!')(?!.*'\Z)", re.DOTALL)
_CONTROL = re.compile(r"[\x01-\x1f\x7f]")
_CONTROL_IN_LINES = re.compile(r"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]")

# For RE2: every text `tidy` would change for another reason than blanks or Unicode form, and more.
_MAY_CHANGE = r"""^'|^="|[\x00-\x1f\x7f]|(?i:^(?:#?n/a|null|none|-)$)"""
_WRAPPING = octets.kind(b" '=")
_MARKERS_BEGIN = octets.kind(b"#nN-")
_LONGEST_MARKER = max(map(len, MARKERS))
# Many codes of states have two letters.
_NO_MARKER = 2


def may_change_text(column: pa.Array) -> pa.Array:
    """Return which rows ``text`` could change or object to."""
    (where,) = may_change_texts([column])
    return where


def may_change_texts(columns: Sequence[pa.Array]) -> list[pa.Array]:
    """Return of each column which rows ``text`` could change or object to."""
    return _may_change_texts(columns, list(map(Octets, columns)))


def _may_change_texts(columns: Sequence[pa.Array], held: Sequence[Octets]) -> list[pa.Array]:
    return octets.refined_together(columns, list(map(_untidy, held)), _tidying)


def _untidy(held: Octets) -> np.ndarray:
    """Return which cells are not certainly tidy."""
    short = held.filled & (held.lengths <= _LONGEST_MARKER) & (held.lengths != _NO_MARKER)
    untidy: np.ndarray = (
        held.empty
        | ~held.composed()
        | held.beginning(_WRAPPING)
        | held.ending(_WRAPPING)
        | (short & held.beginning(_MARKERS_BEGIN))
    )
    return untidy


def _tidying(column: pa.Array) -> pa.Array:
    return any_of(
        pc.equal(column, ""),
        pc.not_equal(pc.utf8_trim_whitespace(column), column),
        pc.not_equal(pc.utf8_normalize(column, "NFC"), column),
        pc.match_substring_regex(column, _MAY_CHANGE),
        mojibake.may_be_mojibake(column),
    )


def may_change_key(column: pa.Array) -> pa.Array:
    """Return which rows ``tidy`` could change or object to, in any style."""
    held = Octets(column)
    (untidy,) = _may_change_texts([column], [held])
    return pc.or_(untidy, octets.mask(~held.plain()))


def tidy(text: str, style: Style) -> Cell:
    """Trim, compose, take off a spreadsheet's wrapping, and read words for nothing as nothing."""
    found: dict[str, Finding] = {}
    bare = text if text.isascii() else unicodedata.normalize("NFC", text)
    if bare != text:
        found["composed"] = _COMPOSED
    while True:
        trimmed = bare.strip()
        if trimmed != bare:
            found["trimmed"] = _TRIMMED
        bare = _unwrapped(trimmed, style)
        if bare == trimmed:
            break
        found["unwrapped"] = repaired(text, bare)
    if bare.lower() in style.markers:
        found["marker"] = empty_marker(bare)
        return Cell(None, tuple(found.values()))
    if not bare:
        return Cell(None, tuple(found.values()))
    return Cell(bare, (*found.values(), *_forbidden(bare, style)))


def _unwrapped(text: str, style: Style) -> str:
    if wrapped := _WRAPPED.fullmatch(text):
        return wrapped[1].replace('""', '"')
    if not style.identifier:
        return text[1:] if _GUARD_OF_TEXT.match(text) else text
    return text[1:] if len(text) <= _LONGEST and _GUARD_OF_IDENTIFIER.match(text) else text


def _forbidden(text: str, style: Style) -> tuple[Finding, ...]:
    if "\0" in text:
        return (_NUL,)
    if style.key:
        return ()
    control = _CONTROL_IN_LINES if style.lines else _CONTROL
    if found := control.search(text):
        message = f"the value holds the control character U+{ord(found[0]):04X}"
        without = control.sub("", text) if style.lines else " ".join(control.sub(" ", text).split())
        return (Finding("reject", "INVALID_VALUE", message, without),)
    return ()


def empty_marker(text: str) -> Finding:
    """Return the finding for a word that stands for nothing."""
    return Finding("repair", "EMPTY_MARKER", f'"{text}" was read as empty')


def repaired(before: str, after: str) -> Finding:
    """Return the finding for a spreadsheet's trace that was removed without loss."""
    return Finding("repair", "SPREADSHEET_REPAIRED", f"{shown(before)} was read as {shown(after)}")


def text(written: str, style: Style) -> Cell:
    """Return the canonical form of a text for people: tidied, with a note where it looks wrong."""
    return then(tidy(written, style), mojibake.suspicion)


# --- keys ---------------------------------------------------------------------------------------

# Blank or unseen although Unicode counts them as letters, marks or symbols.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_UNSEEN_CATEGORIES = frozenset({"Cc", "Cf", "Zl", "Zp"})


def _invisible(text: str, blanks: bool) -> tuple[Finding, ...]:
    """Find characters one cannot see; ``blanks``: every kind of blank is harmless here."""
    if text.isprintable() and (text.isascii() or not _UNSEEN.search(text)):
        return ()
    unseen = [character for character in text if _is_invisible(character, blanks)]
    if not unseen:
        return ()
    name = unicodedata.name(unseen[0], "a control character")
    message = f"the value holds the invisible character U+{ord(unseen[0]):04X} ({name})"
    visible = "".join(
        " " if character.isspace() else character
        for character in text
        if character.isspace() or character not in unseen
    )
    return (Finding("reject", "INVISIBLE_CHARACTER", message, " ".join(visible.split())),)


def _is_invisible(character: str, blanks: bool) -> bool:
    if character.isspace():
        return not blanks and character != " "
    return (
        unicodedata.category(character) in _UNSEEN_CATEGORIES
        or _UNSEEN.match(character) is not None
    )


def key(text: str) -> Cell:
    """Return the canonical form of an email address or a Square id: only tidied."""
    return then(tidy(text, KEY), lambda bare: Cell(bare, _invisible(bare, blanks=False)))


def email_key(text: str | None) -> str | None:
    """Return what two spellings of one email address have in common: ASCII case is ignored."""
    trimmed = (text or "").strip()
    if trimmed.isascii():
        return trimmed.lower() or None
    return "".join(character.lower() if character.isascii() else character for character in trimmed)


def address_key(line: str | None, postal_code: str | None) -> str | None:
    """Return what two spellings of one address have in common, None unless both parts are there."""
    parts = ["".join(filter(str.isalnum, (text or "").casefold())) for text in (line, postal_code)]
    return "|".join(parts) if all(parts) else None


# --- spreadsheet numbers ------------------------------------------------------------------------

# Excel writes 1.4155E+10, in other locales 1,4155E+10; programs write 1.4155e+10.
_EXPONENT = re.compile(r"(\+?)(\d)(?:[.,](\d+))?[eE]\+(\d{2,3})")
# 1,000 is a thousand, so three zeros are no decimals.
_DECIMAL = re.compile(r"(\+?\d+)[.,]0{1,2}")
# What a number holds that one of these, or an error, stands for.
_DAMAGED = re.compile(r"\d[.,eE]|#")
# Excel keeps 15 digits of a number and writes zeros for the others.
_KEPT_DIGITS = 15
# Above 2^53 not every integer survives being read as a number.
_EXACT = 2**53
_MOST_DIGITS = 17
_MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_RETYPED = re.compile(rf"(?:{_MONTHS})-\d{{2}}|\d{{1,2}}-(?:{_MONTHS})")
_RETYPED_POSTAL_CODE = re.compile(r"\d{4}-\d{2}-\d{2}|\d{1,2}/\d{1,2}/\d{2,4}")
_ERROR = re.compile(r"#{3,}|#(?:REF|VALUE|NAME|NUM|NULL|DIV/0|SPILL|CALC)[!?]")

# No number or identifier is longer; a text that is costs no further look.
_LONGEST = 250

_AS_TEXT = "format the column as text in the spreadsheet and export it again"

_MAY_BE_NUMBER = rf"[.,]0+$|[eE]\+\d|^[1-9]\d{{15,}}$|^#|^(?:{_MONTHS})-|-(?:{_MONTHS})$"


def may_change_reference(column: pa.Array) -> pa.Array:
    """Return which rows ``reference`` could change or object to."""
    return pc.or_(may_change_key(column), _may_be_number(column, Octets(column)))


# What every text of _MAY_BE_NUMBER holds, if it is not as long as a number that was rounded.
_NUMBER_SIGNS = octets.kind(b".,+#-")


def _may_be_number(column: pa.Array, held: Octets) -> pa.Array:
    doubtful = held.holding(_NUMBER_SIGNS) | (held.lengths > _KEPT_DIGITS)
    return octets.refined(
        column, doubtful, lambda some: pc.match_substring_regex(some, _MAY_BE_NUMBER)
    )


def reference(text: str) -> Cell:
    """Return the canonical form of a reference id."""
    cell = then(tidy(text, KEY), lambda bare: Cell(bare, _invisible(bare, blanks=False)))
    return then(then(cell, _number), _whole_reference)


def _number(text: str) -> Cell:
    """Undo what a spreadsheet did to a number written with digits only, if nothing was lost."""
    if not _DAMAGED.search(text):
        return Cell(text)
    if exponent := _EXPONENT.fullmatch(text):
        sign, first, others, power = exponent.groups(default="")
        digits = first + others
        if len(digits) <= int(power):
            message = (
                f"{shown(text)} shows {len(digits)} of {int(power) + 1} digits; the others are lost"
            )
            begins = f"the number begins with {shown(digits)}: {_AS_TEXT}"
            return Cell(text, (Finding("reject", "SPREADSHEET_NUMBER", message, begins),))
        whole, rest = digits[: int(power) + 1], digits[int(power) + 1 :]
        if rest.strip("0"):
            return Cell(text)
        return Cell(sign + whole, (repaired(text, sign + whole),))
    if decimal := _DECIMAL.fullmatch(text):
        if len(decimal[1]) > _MOST_DIGITS or int(decimal[1]) > _EXACT:
            message = f"{shown(text)} was read as a number, which keeps {_KEPT_DIGITS} digits"
            return Cell(text, (Finding("reject", "SPREADSHEET_NUMBER", message, _AS_TEXT),))
        return Cell(decimal[1], (repaired(text, decimal[1]),))
    if _ERROR.fullmatch(text):
        message = f"{shown(text)} is what a spreadsheet shows instead of a value"
        return Cell(text, (Finding("reject", "SPREADSHEET_NUMBER", message, _AS_TEXT),))
    return Cell(text)


def _whole_reference(text: str) -> Cell:
    kept = text.rstrip("0")
    if text.isdecimal() and len(text) > _KEPT_DIGITS >= len(kept) and len(text) - len(kept) > 2:
        message = f"{shown(text)} looks rounded: a spreadsheet keeps {_KEPT_DIGITS} digits"
        return Cell(text, (Finding("reject", "SPREADSHEET_NUMBER", message, _AS_TEXT),))
    return _not_a_date(text)


def _not_a_date(text: str) -> Cell:
    if not _RETYPED.fullmatch(text):
        return Cell(text)
    message = f"{text} is how a spreadsheet shows a date; the value it came from is lost"
    return Cell(text, (Finding("reject", "SPREADSHEET_DATE", message, _AS_TEXT),))


# --- postal codes and tax ids -------------------------------------------------------------------

_SHORT_US_CODE = re.compile(r"\d{3,4}(?:-\d{4})?")
_MAY_BE_DATED = r"^\d{4}-\d{2}-\d{2}$|/"
_MAY_BE_SHORT = rf"^\d{{3,4}}(?:-\d{{4}})?$|{_MAY_BE_DATED}"
# What every text of _MAY_BE_SHORT holds, if it is not as short as that.
_SHORT_SIGNS = octets.kind(b"-/")
_SHORT_CODE = 4
_ALPHANUMERIC = re.compile(r"[0-9A-Za-z]+")
_VAT_PUNCTUATION = re.compile(r"[\s.\-\u2010-\u2015\u2212]+")


def may_change_postal_code(column: pa.Array, american: pa.Array) -> pa.Array:
    """Return which rows ``postal_code`` could change or object to."""
    held, may_be_short = Octets(column), octets.flags(american)
    signs = held.holding(_SHORT_SIGNS)
    short = (signs | (held.lengths <= _SHORT_CODE)) & may_be_short
    dated = signs & ~may_be_short
    return any_of(
        *_may_change_texts([column], [held]),
        _may_be_number(column, held),
        octets.refined(column, short, lambda some: pc.match_substring_regex(some, _MAY_BE_SHORT)),
        octets.refined(column, dated, lambda some: pc.match_substring_regex(some, _MAY_BE_DATED)),
    )


def postal_code(text: str, american: bool, pad: bool) -> Cell:
    """Return the canonical form of a postal code.

    ``american``: it is, or may be, a code of the US, where a lost leading zero shows; ``pad``: put
    it back.
    """
    cell = then(then(tidy(text, IDENTIFIER), _number), _not_a_dated_postal_code)
    if not american:
        return cell
    return then(cell, _padded if pad else _short)


def _not_a_dated_postal_code(text: str) -> Cell:
    if _RETYPED_POSTAL_CODE.fullmatch(text):
        message = f"{text} is a date, not a postal code"
        return Cell(text, (Finding("reject", "SPREADSHEET_DATE", message, _AS_TEXT),))
    return _not_a_date(text)


def _with_zeros(text: str) -> str:
    code, dash, more = text.partition("-")
    return code.zfill(5) + dash + more


def _padded(text: str) -> Cell:
    if not _SHORT_US_CODE.fullmatch(text):
        return Cell(text)
    full = _with_zeros(text)
    return Cell(full, (Finding("repair", "POSTAL_CODE_PADDED", f"{text} became {full}"),))


def _short(text: str) -> Cell:
    if not _SHORT_US_CODE.fullmatch(text):
        return Cell(text)
    message = f"{text} is short for a postal code of the US"
    return Cell(text, (Finding("note", "SHORT_POSTAL_CODE", message, _with_zeros(text)),))


def may_change_vat(column: pa.Array) -> pa.Array:
    """Return which rows ``vat`` could change or object to."""
    return any_of(
        pc.invert(pc.match_substring_regex(column, "^[0-9A-Z]+$")), may_change_text(column)
    )


def vat(text: str) -> Cell:
    """Return the canonical form of a tax id: capitals and digits without punctuation."""
    return then(tidy(text, IDENTIFIER), _vat)


def _vat(text: str) -> Cell:
    plain = _VAT_PUNCTUATION.sub("", text)
    bare = plain.upper()
    # What is no tax id even so is left for the rules; nor does N.ONE become a word for nothing.
    if bare == text or not _ALPHANUMERIC.fullmatch(plain) or bare.lower() in MARKERS:
        return Cell(text)
    return Cell(bare, (Finding("repair", "VAT_FORMATTED", f"{shown(text)} became {bare}"),))


# --- phones -------------------------------------------------------------------------------------

# What people write between two numbers; a plus sign after a digit begins the next one.
_BETWEEN_NUMBERS = re.compile(
    r":::|[;,|\n\r/\\&]|\b(?:or|and|oder|und|ou|et|o|y|e)\b|(?<=\d)\s*(?=\+)", re.I
)
# Nothing of this is between two numbers.
_ALONE = re.compile(r"[+(]?[0-9 ().-]*")
_INTERNATIONAL_PREFIX = re.compile(r"[\s(]*(?:011|00)(?=[\s)(./-]*[1-9])")
_LETTER = re.compile(r"[^\W\d_]")
_TRUNK_ZERO = re.compile(r"\(\s*0\s*\)")
# Parts shorter than this are extensions, or pieces of one number (030/1234567).
_FEWEST_DIGITS = 7


_FORMATTED = Finding("repair", "PHONE_FORMATTED", "the phone was written in E.164")
# No region: a number in E.164 needs none.
NO_REGION = "ZZ"


class _Phone(NamedTuple):
    number: str
    extension: str


def phone(text: str, region: str) -> Cell:
    """Return a phone number as E.164; national ones are read in ``region``.

    What is no valid number is left as it is: ``etl.customers.rules`` judges it.
    """
    return then(_bare_phone(text), lambda bare: _phone(bare, region))


def _bare_phone(text: str) -> Cell:
    cell = then(tidy(text, KEY), lambda bare: Cell(bare, _invisible(bare, blanks=True)))
    return then(cell, _number)


class Phones(NamedTuple):
    """A column of phones in canonical form, what was found, and what is certain of each row."""

    column: pa.Array
    problems: list[pa.Table]
    valid: pa.Array
    invalid: pa.Array


def phones(column: pa.Array, field: str, region: str, where: pa.Array) -> Phones:
    """Apply ``phone`` to a column where the mask is true, plainly written numbers at column speed.

    ``field`` is named in the problems.
    """
    read = numbering.international(column, region)
    written = pc.if_else(where, read.numbers, None)
    invalid = pc.and_(where, octets.mask(read.invalid))
    plain = pc.is_valid(written)
    changed = pc.fill_null(pc.not_equal(written, column), False)
    problems = repeated(changed, field, _FORMATTED)
    column = pc.if_else(plain, written, column)
    decided = pc.or_(pc.or_(plain, invalid), column.is_null())
    others = pc.and_(where, pc.invert(decided))
    column, found = all_at_once(column, field, partial(_decorated, region=region), others)
    read_now = octets.refined(column, octets.flags(others), _certainly)
    return Phones(column, [problems, found], pc.or_(plain, read_now), invalid)


def _certainly(column: pa.Array) -> pa.Array:
    return octets.mask(numbering.certain(column).yes)


def _decorated(texts: list[str], region: str) -> list[Cell]:
    """Apply ``phone`` to texts that may be plainly written once they are tidied."""
    cells = [_bare_phone(text) for text in texts]
    bare = pa.array([cell.text for cell in cells], pa.string())
    written = numbering.international(bare, region).numbers
    return [
        then(cell, partial(_phone, region=region, known=number))
        for cell, number in zip(cells, written.to_pylist(), strict=True)
    ]


def _phone(text: str, region: str, known: str | None = None) -> Cell:
    """Write a tidied phone in E.164; ``known`` is that form where it was read already."""
    if known:
        return Cell(known) if known == text else Cell(known, (_FORMATTED,))
    if len(text) > _LONGEST:
        return Cell(text)
    several = _numbers(text, region)
    if len(several) > 1:
        message = f"the cell holds {len(several)} phone numbers"
        return Cell(text, (Finding("reject", "MULTIPLE_VALUES", message, several[0]),))
    read = _read(text, region)
    if read is None or read.number == text:
        return Cell(text)
    findings = [_FORMATTED]
    if _has_letters(text):
        message = f"the letters of {shown(text)} were read as the keys of a telephone"
        findings.append(Finding("repair", "PHONE_LETTERS", message))
    if read.extension:
        message = f"the extension {read.extension} was left out"
        findings.append(Finding("repair", "EXTENSION_CUT", message))
    return Cell(read.number, tuple(findings))


def _has_letters(text: str) -> bool:
    """Tell whether the library reads letters of the number itself, as in 1-800-FLOWERS."""
    if not _LETTER.search(text):
        return False
    import phonenumbers

    return phonenumbers.is_alpha_number(text)


def phone_key(text: str | None, region: str) -> str | None:
    """Return a phone number as E.164, or None where the text is no valid number."""
    read = _read((text or "").strip(), region)
    return read.number if read else None


def _numbers(text: str, region: str) -> list[str]:
    """Return the valid numbers of a cell that lists several; at most one means it does not."""
    if _ALONE.fullmatch(text) or len(parts := _BETWEEN_NUMBERS.split(text)) == 1:
        return []
    long = [part for part in parts if sum(map(str.isdigit, part)) >= _FEWEST_DIGITS]
    return [read.number for part in long if (read := _read(part.strip(), region))]


# Each of several numbers in a cell is read to count them, and then for what it is.
@lru_cache(maxsize=1 << 13)
def _read(text: str, region: str) -> _Phone | None:
    """Read one number as the region does, else with the prefixes people and programs write."""
    if not text or len(text) > _LONGEST:
        return None
    spellings = [text]
    if prefix := _INTERNATIONAL_PREFIX.match(text):
        spellings.append("+" + text[prefix.end() :])
    spellings += [bare for s in spellings if (bare := _TRUNK_ZERO.sub("", s)) != s]
    for spelling in spellings:
        if certain := numbering.spelled(spelling, region):
            return _Phone(*certain)
        read = _parse(spelling, region)
        # What is sent is read again, by Square and by the next import: it has to mean the same.
        if read and (read.number == text or _means_itself(read.number)):
            return read
    return None


def _means_itself(number: str) -> bool:
    return bool(numbering.certainty(number)) or _parse(number, NO_REGION) == (number, "")


def _parse(text: str, region: str) -> _Phone | None:
    import phonenumbers  # heavy: loaded with the first phone

    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    sure = numbering.certainty(written)
    if not (phonenumbers.is_valid_number(number) if sure is None else sure):
        return None
    return _Phone(written, number.extension or "")
