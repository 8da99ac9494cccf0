"""Text read in the wrong encoding is suspected, told and left alone."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.customers import mojibake
from etl.customers.cells import Cell

RIGHT = [
    *("José", "Zoë", "Müller", "Straße", "Ægir", "NIÑO", "Łódź", "Škoda", "Ångström", "Ågård"),
    *("Þórður", "ÐÓRÐUR", "Αθήνα Νίκη", "Иван Петров", "São João", "IRMÃO", "L’Été – €5", "☕ 🎉"),
]
NAMES_WITHOUT_DAMAGE = [
    *("Ñandú", "Éclair", "Ünsal", "Ãnderson", "PÂTÉ EN CROÛTE", "«PÂTÉ»", "ESPAÑA", "Côte d’Azur"),
    *("GARÐUR", "Ås", "Åse", "CAFÉ’S", "Spaß”", "10 €", "â la carte", "中村", "Nguyễn Thị"),
]


def misread(text: str) -> str:
    """Return what a program shows that takes UTF-8 for Windows-1252."""
    return "".join(
        bytes([byte]).decode("cp1252" if byte not in b"\x81\x8d\x8f\x90\x9d" else "latin-1")
        for byte in text.encode()
    )


@pytest.mark.parametrize("right", RIGHT)
def test_misread_text_is_suspected_and_suggests_the_right_one(right: str) -> None:
    """Letters of Europe, typographic marks and emoji are recognised; the value stays."""
    wrong = misread(right)
    cell = mojibake.suspicion(wrong)
    assert cell.text == wrong
    (finding,) = cell.findings
    assert (finding.effect, finding.code) == ("note", "MOJIBAKE_SUSPECTED")
    assert finding.suggestion == right


@pytest.mark.parametrize("name", [*RIGHT, *NAMES_WITHOUT_DAMAGE])
def test_proper_text_is_not_suspected(name: str) -> None:
    """The capitals that begin such sequences are letters of real names too."""
    assert mojibake.suspicion(name) == Cell(name)


def test_text_damaged_twice_suggests_nothing() -> None:
    """Where a byte was lost on the way there is no right text to offer."""
    (finding,) = mojibake.suspicion(f"{misread('José')} Иван").findings
    assert finding.suggestion == ""


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.text(st.sampled_from("aÃ©â€™ÐÑ‚Ñ€Å¡ðŸ\u0081 é")))
def test_the_mask_is_the_form(text: str) -> None:
    """The column's answer is the one given for each of its values."""
    (likely,) = mojibake.may_be_mojibake(pa.array([text])).to_pylist()
    assert likely == bool(mojibake.suspicion(text).findings)
