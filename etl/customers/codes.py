"""What does each code in a ledger, a reject or a review file mean, and what helps?

The one table of codes: the README's list is made from it, and a test holds every code the
product can write against it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Code:
    """One code: whose word it is, what it says of a row, and the remedy."""

    name: str
    origin: Literal["Square", "square-etl"]
    meaning: str
    remedy: str


CODES: tuple[Code, ...] = (
    # Square's own codes (error codes of the API reference), found before anything is sent or
    # answered by Square itself.
    Code(
        "VALUE_TOO_LONG",
        "Square",
        "the value has more characters than the field takes",
        'shorten it, or set [on_invalid] FIELD = "truncate"',
    ),
    Code(
        "INVALID_EMAIL_ADDRESS",
        "Square",
        "this is not an email address",
        'correct it, or set [on_invalid] email_address = "drop"',
    ),
    Code(
        "INVALID_PHONE_NUMBER",
        "Square",
        "this is not a valid phone number",
        "add the country code, or set [clean] default_region",
    ),
    Code(
        "INVALID_TIME",
        "Square",
        "this is not a calendar day",
        "write birthdays as YYYY-MM-DD or MM-DD",
    ),
    Code(
        "INVALID_ENUM_VALUE",
        "Square",
        "this is not a country",
        "write the two letters of ISO 3166, such as US",
    ),
    Code(
        "INVALID_VALUE", "Square", "the value has a form the field does not take", "see the message"
    ),
    Code(
        "BAD_REQUEST",
        "Square",
        "Square takes no such profile",
        "give at least a name, a company, an email or a phone; tax ids only in ES, FR, GB, IE",
    ),
    Code(
        "NOT_FOUND",
        "Square",
        "no profile has this id in this account",
        "it was deleted or belongs to another account: leave the id column out of [columns]",
    ),
    Code(
        "CONFLICT",
        "Square",
        "the profile kept changing while it was updated",
        "import the row again later",
    ),
    Code(
        "IDEMPOTENCY_KEY_REUSED",
        "Square",
        "the key of this row was used for other data",
        "import the row again",
    ),
    # Our own, where Square has none.
    Code(
        "RAGGED_ROW",
        "square-etl",
        "the row has more or fewer cells than the header",
        "quote cells that hold the delimiter, or complete the row",
    ),
    Code(
        "NUL_CHARACTER",
        "square-etl",
        "a cell holds a NUL character",
        "remove it; it often means the file was cut or is not text",
    ),
    Code(
        "CELL_TOO_LARGE",
        "square-etl",
        "a cell is larger than 1 MiB",
        "shorten it; Square takes no such value",
    ),
    Code(
        "INVISIBLE_CHARACTER",
        "square-etl",
        "an email, phone or reference holds an invisible or direction character",
        "retype the value: two values that look alike would not match",
    ),
    Code(
        "SPREADSHEET_NUMBER",
        "square-etl",
        "a spreadsheet rounded this number: digits are lost",
        "export the column again as text",
    ),
    Code(
        "SPREADSHEET_DATE",
        "square-etl",
        "a spreadsheet turned this into a date or a serial number",
        "export the column again as text",
    ),
    Code(
        "AMBIGUOUS_DATE",
        "square-etl",
        "day and month cannot be told apart in this column",
        "set [clean] date_order; for a year of two digits, two_digit_years",
    ),
    Code(
        "CONTRADICTORY_DATE",
        "square-etl",
        "the column holds both day-first and month-first dates",
        "correct the file, or set [clean] date_order",
    ),
    Code(
        "MULTIPLE_VALUES",
        "square-etl",
        "the cell holds several values where Square keeps one",
        "keep one of them",
    ),
    Code(
        "GIFT_CARD_UNKNOWN",
        "square-etl",
        "no gift card of this account has this number",
        "copy the number from the card: a spreadsheet may have changed its last digits",
    ),
    Code(
        "GIFT_CARD_TAKEN",
        "square-etl",
        "the gift card is another customer's, in Square or by an earlier row",
        "nobody's card is taken away: correct the number, or unlink the card in Square first",
    ),
    Code(
        "MASKED_VALUE",
        "square-etl",
        "the cell holds a code (email_9f86d081884c7d65) that a masked export has for a value",
        "export without --mask, or leave the column out of [columns]",
    ),
    Code(
        "DUPLICATE_IN_FILE",
        "square-etl",
        "another row of this import is the same customer",
        "merge the rows, or set [dedupe] in_file",
    ),
    Code(
        "NO_DECISION",
        "square-etl",
        "the decision column holds something else than an id, create or skip",
        "write a customer id, create, skip, or leave it empty",
    ),
    # Who is who: why a person has to decide.
    Code(
        "SHARED_PHONE",
        "square-etl",
        "the phone belongs to somebody with another name",
        "decide in review.csv, or set [dedupe] shared_phone",
    ),
    Code(
        "SEVERAL_CANDIDATES",
        "square-etl",
        "several customers could be this one",
        "decide in review.csv, or merge them in the Square Dashboard",
    ),
    Code(
        "NAMES_DISAGREE",
        "square-etl",
        "rows that belong together carry different names",
        "decide in review.csv",
    ),
    Code(
        "REFERENCES_DISAGREE",
        "square-etl",
        "rows that belong together carry different references",
        "decide in review.csv",
    ),
    Code(
        "RELATED_TO_REVIEW",
        "square-etl",
        "the row belongs with a row that is in review",
        "decide that row first",
    ),
    Code(
        "HELD_FOR_REVIEW",
        "square-etl",
        "an earlier import asked for a decision on this row",
        "decide in review.csv",
    ),
    # Left alone because a rule says so.
    Code(
        "NO_CONSENT",
        "square-etl",
        "nobody said yes in the consent column, and [consent] requires it",
        "ask the person, or set [consent] require = false",
    ),
    Code(
        "ERASED",
        "square-etl",
        "this person was erased from the records (runs erase)",
        "take them out of the source, or say square-etl runs erase --readmit",
    ),
    # Mapping: what the settings made of the columns.
    Code("VALUE_MAPPED", "square-etl", "[values] says what the written value means", ""),
    Code("VALUES_JOINED", "square-etl", "several columns became one value", ""),
    Code("CONSTANT_TAKEN", "square-etl", "the row has none, so the constant was taken", ""),
    Code("NAME_SPLIT", "square-etl", "the whole name became given and family name", ""),
    Code("NAME_IS_COMPANY", "square-etl", "the whole name is a firm's: it became the company", ""),
    Code(
        "NAME_NOT_SPLIT",
        "square-etl",
        "the whole name cannot be split safely: it is the given name",
        "give both names in columns of their own",
    ),
    Code("NAME_TITLE_CUT", "square-etl", "the form of address (Mr., Dr.) was left out", ""),
    Code(
        "OTHER_LEFT_OUT",
        "square-etl",
        "another column has another value; Square keeps one",
        'phones and emails: set [others] FIELD = "note"',
    ),
    Code("OTHER_IN_NOTE", "square-etl", "another phone or email went to the note", ""),
    Code(
        "OTHER_IN_ATTRIBUTE",
        "square-etl",
        "another phone or email went to a custom attribute",
        "",
    ),
    # Cleaning: what was changed without loss.
    Code("TRIMMED", "square-etl", "blanks around the value were removed", ""),
    Code("UNICODE_COMPOSED", "square-etl", "the value was brought to Unicode form NFC", ""),
    Code(
        "EMPTY_MARKER",
        "square-etl",
        "a word for nothing (n/a, null, none, -) was read as empty",
        "",
    ),
    Code(
        "SPREADSHEET_REPAIRED",
        "square-etl",
        "a spreadsheet's trace was removed; no digit was lost",
        "",
    ),
    Code("PHONE_FORMATTED", "square-etl", "the phone was written in E.164", ""),
    Code(
        "PHONE_LETTERS",
        "square-etl",
        "letters of the phone (1-800-FLOWERS) were read as the keys of a telephone",
        "",
    ),
    Code(
        "EXTENSION_CUT",
        "square-etl",
        "the phone's extension was left out; Square has no place for it",
        "",
    ),
    Code("DATE_FORMATTED", "square-etl", "the birthday was written as Square stores it", ""),
    Code(
        "CENTURY_SUPPLIED",
        "square-etl",
        "the birthday had a year of two digits, and [clean] two_digit_years says which century",
        "",
    ),
    Code("COUNTRY_CODED", "square-etl", "the country's name became its two-letter code", ""),
    Code("STATE_CODED", "square-etl", "the name of a US, CA or AU state became its code", ""),
    Code(
        "UNKNOWN_STATE",
        "square-etl",
        "the country (US, CA, AU) has no such state or province; the text was kept",
        "correct the state or the country",
    ),
    Code(
        "SHORT_POSTAL_CODE",
        "square-etl",
        "the postal code looks as if a leading zero was lost",
        "set [clean] pad_postal_code = true",
    ),
    Code("POSTAL_CODE_PADDED", "square-etl", "leading zeros were put back", ""),
    Code(
        "GIFT_CARD_FORMATTED",
        "square-etl",
        "blanks and hyphens were removed from the gift card's number",
        "",
    ),
    Code("VAT_FORMATTED", "square-etl", "blanks and punctuation were removed from the tax id", ""),
    Code(
        "MOJIBAKE_SUSPECTED",
        "square-etl",
        "the text looks like UTF-8 that was read as cp1252 (JosÃ© for José)",
        "export it again as UTF-8, or set [source] encoding, where it is wrong",
    ),
    Code(
        "NO_IDENTITY",
        "square-etl",
        "no name, company, email or phone: the row can only update a profile with this reference",
        "",
    ),
    # Applying a plan: why a row was planned anew.
    Code("PROFILE_CHANGED", "square-etl", "the profile changed after the plan was made", ""),
    Code(
        "PROFILE_GONE",
        "square-etl",
        "the profile was merged, deleted or is not this person's any more since the plan",
        "",
    ),
    Code("PROFILE_APPEARED", "square-etl", "the customer to be created is there by now", ""),
    Code("MATCHED_ANEW", "square-etl", "who this row is was decided otherwise than planned", ""),
    # Undo: why something is left as it is.
    Code(
        "GIFT_CARD_STAYS",
        "square-etl",
        "the run that is undone linked a gift card to this customer, and undo does not unlink it",
        "unlink it in Square if it is not this customer's",
    ),
    Code(
        "EDITED_SINCE",
        "square-etl",
        "somebody changed this after the run that is undone wrote it",
        "look at the profile in Square, and correct it there if need be",
    ),
    Code(
        "USED_SINCE",
        "square-etl",
        "deleting the profile would lose groups, attributes or cards that others added",
        "remove them from the profile and undo again, or delete it in the Square Dashboard",
    ),
    Code(
        "MERGED_SINCE",
        "square-etl",
        "the profile was merged into another one",
        "look at that one in Square",
    ),
    Code(
        "DELETED_SINCE",
        "square-etl",
        "the profile was deleted, so nothing can be put back",
        "",
    ),
    Code(
        "CARDS_NOT_SEEN",
        "square-etl",
        "the token may not see cards on file, which deleting the profile could lose",
        "undo again with a token that has PAYMENTS_READ",
    ),
    # In planning.
    Code(
        "CHANGED_IN_SQUARE",
        "square-etl",
        "somebody changed this in Square since it was written, and the file says something else",
        'to keep what Square has, set [update.fields] of this field to "fill"; else nothing',
    ),
    # After the load.
    Code(
        "VERIFY_MISMATCH",
        "square-etl",
        "reading the profile back showed another value",
        "somebody may have edited it meanwhile: look at the profile in Square",
    ),
)

BY_NAME = {code.name: code for code in CODES}
