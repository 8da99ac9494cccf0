"""What do values look like that people, programs and spreadsheets wrote?

Generators of made-up values: plausible ones, damaged ones, and ones made to break a parser.
"""

from __future__ import annotations

import phonenumbers
from hypothesis import strategies as st
from phonenumbers.phonemetadata import PhoneMetadata

BLANKS = ["", " ", "  ", "\t", "\u00a0", "\u2003", "\n"]
UNSEEN = ["\u200b", "\u202a", "\ufeff", "\u00ad", "\u2060", "\ufe0f"]

REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
_KINDS = (
    *("fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost"),
    *("personal_number", "voip", "pager", "uan", "voicemail"),
)


def _examples(region: str) -> list[str]:
    metadata = PhoneMetadata.metadata_for_region(region)
    kinds = (getattr(metadata, kind) for kind in _KINDS)
    return [kind.example_number for kind in kinds if kind and kind.example_number]


@st.composite
def phones(draw: st.DrawFn, regions: list[str] = REGIONS) -> tuple[str, str]:
    """Return a phone, valid or nearly so, in some spelling, and the region it is read in."""
    region = draw(st.sampled_from(regions))
    digits = draw(st.sampled_from(_examples(region)))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(digits)))
        new = draw(st.sampled_from(["", *"0123456789"]))
        digits = digits[:at] + new + digits[at + draw(st.integers(0, 1)) :]
    code = phonenumbers.country_code_for_region(region)
    metadata = PhoneMetadata.metadata_for_region(region)
    trunk = (metadata.national_prefix if metadata else None) or "0"
    prefix = draw(st.sampled_from(["", "+", f"+{code}", f"+{code} ", str(code), trunk]))
    cut = draw(st.integers(1, 5))
    between = draw(st.sampled_from(["", "", " ", "-", ".", ") "]))
    return prefix + digits[:cut] + between + digits[cut:], draw(
        st.sampled_from([region, region, "US"])
    )


dates = st.one_of(
    st.dates().map(str),
    st.tuples(
        st.sampled_from(["/", ".", "-", " "]),
        st.integers(0, 32),
        st.integers(0, 13),
        st.integers(0, 2100),
    ).map(lambda part: part[0].join(str(number) for number in part[1:])),
    st.tuples(st.integers(1, 31), st.integers(1, 12)).map(
        lambda part: f"{part[0]:02}-{part[1]:02}"
    ),
    st.tuples(st.integers(1, 31), st.integers(1, 12)).map(lambda part: f"{part[0]}/{part[1]}"),
    st.tuples(st.integers(1, 31), st.integers(1, 12), st.integers(0, 99)).map(
        lambda part: f"{part[0]}/{part[1]}/{part[2]:02}"
    ),
    st.sampled_from(
        ["0/0/00", "0000-00-00", "32237", "Mar-94", "5-Apr", "April 17", "17. April 1986"]
    ),
    st.sampled_from(["--04-17", "1604-02-29", "1900-02-29", "19860417", "1986-04-17T00:00:00Z"]),
)

damaged_numbers = st.one_of(
    st.from_regex(r"\A[1-9][.,][0-9]{1,14}[eE]\+[0-9]{2}\Z"),
    st.from_regex(r"\A[0-9]{3,18}[.,]0{1,3}\Z"),
    st.from_regex(r"\A[1-9][0-9]{2,6}0{0,15}\Z"),
    st.sampled_from(["####", "#REF!", "Mar-94", "5-Apr", "2134", "02134", "2134-0001", "94103.0"]),
)

words = st.one_of(
    st.sampled_from(["n/a", "N/A", "null", "Null", "NONE", "-", "#N/A", "'t Hooft", "'-x", "'"]),
    st.sampled_from(["UK", "England", "NA", "no", "usa", "Deutschland", "e\u0301", "FR 12.34-5"]),
    st.sampled_from(["California", "calif.", "US-CA", "wa", "N.S.W.", "Qu\u00e9bec", "Victoria"]),
    st.sampled_from(
        ["a@example.com", "Ana.Lee@Example.ORG", "a@b", "a..b@example.com", "m@ex\u00e4mple.net"]
    ),
    st.text(max_size=12),
    st.text(alphabet="'=\"-+@.0n/a \u00a0\u200b\u0301e1", max_size=8),
)


@st.composite
def cells(draw: st.DrawFn) -> str | None:
    """Return a value for any column, with what copying and exporting put around it."""
    value = draw(
        st.one_of(
            words, dates, damaged_numbers, phones(["US", "GB", "DE", "FR"]).map(lambda p: p[0])
        )
    )
    wrapping = draw(st.sampled_from(["{}", "{}", "{}", "'{}", '="{}"', "''{}", "'{}'"]))
    value = wrapping.format(value)
    before, after = draw(st.sampled_from(BLANKS)), draw(st.sampled_from(BLANKS))
    unseen = draw(st.sampled_from(["", "", "", "", *UNSEEN]))
    return draw(st.sampled_from([None, before + value + after, value, value, value + unseen]))
