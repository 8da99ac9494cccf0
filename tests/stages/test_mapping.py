"""Mapping: explicit columns, presets, synonyms; never a guess between two columns."""

from __future__ import annotations

import pyarrow as pa
import pytest

from etl import config
from etl.customers import fields
from etl.errors import ConfigError, SourceError
from etl.presets import presets
from etl.stages.mapping import (
    ColumnMapping,
    ConsentColumn,
    map_columns,
    normalise_header,
    resolve,
)


def resolved(headers: list[str], **settings: object) -> ColumnMapping:
    """Resolve the headers of a file under some settings."""
    return resolve("people.csv", headers, {}, config.parse(settings, "c"))


def test_synonyms_recognise_common_headers() -> None:
    """Without any setting, headers are recognised whatever their case and punctuation."""
    mapping = resolved(["\ufeffFirst-Name", "E-MAIL", "Mobile Phone", "ZIP", "Shoe size"])
    assert mapping.fields == {
        "given_name": ("\ufeffFirst-Name",),
        "email_address": ("E-MAIL",),
        "phone_number": ("Mobile Phone",),
        "address.postal_code": ("ZIP",),
    }
    assert mapping.unused == ("Shoe size",)


@pytest.mark.parametrize("field", fields.IMPORTABLE, ids=lambda field: field.name)
def test_square_names_are_headers(field: fields.Field) -> None:
    """A column that is called what Square calls the field feeds it, as in our own exports."""
    mapping = resolved([field.name, "created_at"])
    assert mapping.fields[field.name] == (field.name,)


def test_id_is_a_reference_unless_the_file_is_our_export() -> None:
    """Elsewhere "id" is that system's key; beside columns Square assigns it is the profile's id."""
    assert resolved(["id", "email"]).fields["reference_id"] == ("id",)
    ours = resolved(["id", "email_address", "version"])
    assert ours.fields["id"] == ("id",)
    assert "reference_id" not in ours.fields


def test_two_columns_for_one_field_are_refused() -> None:
    """Two headers for one field are an error that shows the lines to paste."""
    with pytest.raises(ConfigError) as refused:
        resolved(["Mobile", "Phone"])
    assert '"phone_number" = ["Mobile", "Phone"]' in str(refused.value)
    with pytest.raises(ConfigError, match="phone_number to both"):
        resolved(["a", "b"], columns={"a": "phone_number", "b": "phone_number"})


def test_fallbacks_take_the_first_that_is_filled() -> None:
    """Of the headers of a fallback, the first that is not blank in a row wins."""
    mapping = resolved(["Mobile", "Phone"], fallbacks={"phone_number": ["Mobile", "Phone"]})
    cells = pa.RecordBatch.from_pydict(
        {"Mobile": ["1", " ", "", None], "Phone": ["2", "3", "", "4"]}
    )
    phones = map_columns(cells, mapping).customers.column("phone_number")
    assert phones.to_pylist() == ["1", "3", None, "4"]


def test_explicit_columns_only() -> None:
    """With ``[columns]``, nothing else is recognised."""
    mapping = resolved(["Mail", "First name"], columns={"Mail": "email_address"})
    assert mapping == ColumnMapping({"email_address": ("Mail",)}, ("First name",))


def test_a_misspelt_column_is_refused() -> None:
    """A header that the file lacks is an error with the nearest one it has."""
    with pytest.raises(ConfigError, match="did you mean 'E-Mail'"):
        resolved(["E-Mail", "Name"], columns={"EMail": "email_address"})


def test_columns_win_over_the_preset() -> None:
    """``[columns]`` is added to the preset and wins over it, by header and by field."""
    mapping = resolved(
        ["Email", "Note", "First Name", "Second mail"],
        source={"preset": "shopify"},
        columns={"Second mail": "email_address", "Note": "nickname"},
    )
    assert mapping.fields == {
        "email_address": ("Second mail",),
        "nickname": ("Note",),
        "given_name": ("First Name",),
    }


def test_a_preset_tolerates_missing_columns_but_not_all() -> None:
    """Exports change; a file with none of the preset's columns is another system's."""
    assert "email_address" in resolved(["Email"], source={"preset": "shopify"}).fields
    with pytest.raises(ConfigError, match="none of the columns of preset 'shopify'"):
        resolved(["Courriel"], source={"preset": "shopify"})
    with pytest.raises(ConfigError, match="there is no preset 'shopfy'"):
        resolved(["Email"], source={"preset": "shopfy"})
    assert {"shopify", "square-dashboard"} <= set(presets())


def test_nothing_recognised() -> None:
    """A file of unknown columns is refused with its columns, not imported empty."""
    with pytest.raises(ConfigError, match="none of its columns is known"):
        resolved(["x", "y"])


def test_numbers_are_not_names() -> None:
    """A column whose text is not what a person wrote feeds no text field."""
    with pytest.raises(SourceError, match="a column of doubles"):
        resolve("p.parquet", ["phone"], {"phone": "a column of doubles"}, config.Config())
    assert resolve("p.parquet", ["phone", "x"], {"x": "nested"}, config.Config()).unused == ("x",)


def test_our_own_columns_are_no_data() -> None:
    """The ``_`` columns of a rejects file are neither mapped nor reported as unused."""
    mapping = resolved(["Email", "_line", "_codes"])
    assert mapping == ColumnMapping({"email_address": ("Email",)}, ())


def mapped(cells: dict[str, list[str]], **settings: object) -> tuple[list[dict[str, str]], object]:
    """Map cells; return the values of each row, and row, code and field of what was changed."""
    batch = pa.RecordBatch.from_pydict(cells)
    customers, problems = map_columns(batch, resolved(batch.schema.names, **settings))
    rows = [{k: v for k, v in row.items() if v is not None} for row in customers.to_pylist()]
    return rows, [(p["row"], p["code"], p["field"]) for p in problems.to_pylist()]


def test_joined_columns() -> None:
    """Columns are joined by a blank, in a note by a line break; empty ones leave no gap."""
    rows, changed = mapped(
        {"First": ["Ana ", "", ""], "Middle": ["Maria", "Lee", " "], "A": ["x", "", ""]},
        joined={"given_name": ["First", "Middle"], "note": ["A", "First"]},
    )
    assert rows == [
        {"given_name": "Ana Maria", "note": "x\nAna"},
        {"given_name": "Lee"},
        {},
    ]
    assert changed == [(0, "VALUES_JOINED", "given_name"), (0, "VALUES_JOINED", "note")]


def test_values_mean_what_the_settings_say() -> None:
    """A written value becomes the meant one, blanks around it aside; "" is nothing."""
    rows, changed = mapped(
        {"Country": ["Engl.", " Engl. ", "engl.", "-?-"]},
        columns={"Country": "address.country"},
        values={"address.country": {"Engl.": "GB", "-?-": ""}},
    )
    assert [row.get("address.country") for row in rows] == ["GB", "GB", "engl.", None]
    assert changed == [(at, "VALUE_MAPPED", "address.country") for at in (0, 1, 3)]


def test_full_names_fill_rows_without_names() -> None:
    """A whole name is split where the row has no names of its own; a firm is the company."""
    rows, changed = mapped(
        {
            "Name": ["Ana Ruiz", "Ana Ruiz", "Fern Ltd", "Bo Ek"],
            "First": ["", "Ana", "", "Bob"],
            "Firm": ["", "", "Fern Ltd", ""],
        },
        columns={"Name": "full_name", "First": "given_name", "Firm": "company_name"},
    )
    assert rows == [
        {"given_name": "Ana", "family_name": "Ruiz"},
        {"given_name": "Ana"},
        {"company_name": "Fern Ltd"},
        {"given_name": "Bob"},
    ]
    assert changed == [
        (0, "NAME_SPLIT", "given_name"),
        (1, "OTHER_LEFT_OUT", "given_name"),
        (3, "OTHER_LEFT_OUT", "given_name"),
    ]


def test_what_a_fallback_passes_over_is_recorded() -> None:
    """A row whose second column says something else loses that, and its ledger says so."""
    rows, changed = mapped(
        {"Home": ["Reno", "Reno ", ""], "Work": ["Elko", "Reno", "Elko"]},
        fallbacks={"address.locality": ["Home", "Work"]},
    )
    assert [row["address.locality"] for row in rows] == ["Reno", "Reno ", "Elko"]
    assert changed == [(0, "OTHER_LEFT_OUT", "address.locality")]


def test_one_way_for_a_field() -> None:
    """A field is joined or chosen, not both; a misspelt header is named with its section."""
    with pytest.raises(ConfigError, match=r"in \[joined\] and in \[columns\]"):
        resolved(["a", "b"], columns={"a": "note"}, joined={"note": ["a", "b"]})
    with pytest.raises(ConfigError, match=r"\[joined\] names 'c'"):
        resolved(["a", "b"], joined={"note": ["a", "c"]})
    with pytest.raises(
        ConfigError, match=r"\[consent\] names 'Newsleter'.*did you mean 'Newsletter'"
    ):
        resolved(["email", "Newsletter"], consent={"column": "Newsleter"})
    with pytest.raises(ConfigError, match="needs the column of consent"):
        resolved(["email"], consent={"require": True})


def test_consent_of_a_preset() -> None:
    """A preset knows its consent column; the settings say whether it is required, or another."""
    headers = ["Email", "Accepts Email Marketing", "May we"]
    known = resolved(headers, source={"preset": "shopify"}, consent={"require": True})
    assert known.consent == ConsentColumn("Accepts Email Marketing", ("yes",), True)
    own = resolved(headers, source={"preset": "shopify"}, consent={"column": "May we"})
    assert own.consent == ConsentColumn("May we", ("yes", "true", "subscribed"), False)
    assert own.unused == ("Accepts Email Marketing",)
    assert resolved(["Email"], source={"preset": "shopify"}).consent is None


def test_every_synonym_names_one_field() -> None:
    """No header means two fields, and every synonym is spelt as headers are normalised."""
    seen: dict[str, str] = {}
    for field in fields.FIELDS:
        for synonym in filter(None, field.synonyms.split(", ")):
            assert normalise_header(synonym) == synonym
            assert seen.setdefault(synonym, field.name) == field.name


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"columns": {"Email": "email_address"}},
        {"columns": {"jane@example.org": "email_address"}},
        {"source": {"preset": "shopify"}},
    ],
    ids=str,
)
def test_what_stands_where_a_header_should_is_not_told(settings: dict[str, object]) -> None:
    """The refusal of a file without a header line quotes neither its first email nor phone."""
    with pytest.raises(ConfigError) as refused:
        resolved(["Jane", "jane@example.com", "+1 (415) 555-0100"], **settings)
    assert "jane@example.com" not in str(refused.value)
    assert "555" not in str(refused.value)
    assert "line" in str(refused.value) or "did you mean" in str(refused.value)


def test_groups_and_attributes_are_used_columns() -> None:
    """Their columns are no customer field's and not unused; ``[columns]`` may name one as well."""
    mapping = resolved(
        ["Email", "Note", "Tags", "Drink", "Other"],
        groups={"column": "Tags", "separator": ";"},
        custom_attributes={"Note": "remark", "Drink": "favorite-drink"},
    )
    assert mapping == ColumnMapping(
        {"email_address": ("Email",)},
        ("Other",),
        groups=("Tags", ";"),
        attributes={"Note": "remark", "Drink": "favorite-drink"},
    )
    both = resolved(["Tags"], columns={"Tags": "note"}, groups={"column": "Tags"})
    assert (both.fields, both.groups) == ({"note": ("Tags",)}, ("Tags", ","))


def test_gift_cards_are_a_column_of_their_own() -> None:
    """Headers tell them, or ``[columns]``; two cards of one row stand in no line."""
    found = resolved(["Email", "Gift card GAN"])
    assert found.fields == {"email_address": ("Email",), "gift_card_gan": ("Gift card GAN",)}
    columns = {"Email": "email_address", "Card": "gift_card_gan"}
    assert resolved(["Email", "Card"], columns=columns).fields["gift_card_gan"] == ("Card",)
    with pytest.raises(ConfigError, match="gift_card_gan"):
        resolved(["A", "B"], fallbacks={"gift_card_gan": ["A", "B"]})


def test_a_preset_gives_way_to_an_attribute() -> None:
    """A column that a preset knows goes to the custom attribute of the settings, and only there."""
    mapping = resolved(
        ["First Name", "Email", "Note"],
        source={"preset": "shopify"},
        custom_attributes={"Note": "remark"},
    )
    assert "note" not in mapping.fields


@pytest.mark.parametrize(
    "settings", [{"groups": {"column": "Tgas"}}, {"custom_attributes": {"Tgas": "tags"}}]
)
def test_a_misspelt_column_of_theirs_is_refused(settings: dict[str, object]) -> None:
    """A column that is not there is an error with the nearest one."""
    with pytest.raises(ConfigError, match="did you mean 'Tags'"):
        resolved(["Email", "Tags"], **settings)


def test_a_column_that_is_no_text_is_no_attribute() -> None:
    """A Parquet column of a type without text cannot be the value of an attribute."""
    settings = config.parse({"custom_attributes": {"Blob": "x"}}, "c")
    with pytest.raises(SourceError, match=r"\[custom_attributes\]"):
        resolve("p.parquet", ["Email", "Blob"], {"Blob": "binary"}, settings)


def test_an_export_is_read_by_the_names_of_its_columns() -> None:
    """Only exact names count: an id is the customer's, and what looks like a field is none."""
    headers = ["id", "phone_number", "Phone", "version", "birthday_year", "seen", "group_ids"]
    found = resolve("e.csv", headers, {"group_ids": "nested"}, config.Config(), exported=True)

    assert found.fields == {"id": ("id",), "phone_number": ("phone_number",)}
    assert found.unused == ("Phone", "seen")


def test_settings_go_before_the_names_of_an_export() -> None:
    """Whoever maps the columns of an export has it read so."""
    given = config.parse({"columns": {"note": "nickname"}}, "c")
    found = resolve("e.csv", ["id", "note", "nickname"], {}, given, exported=True)

    assert found.fields == {"nickname": ("note",)}


def test_an_export_without_anything_to_import() -> None:
    """An export of columns that Square alone may write is refused with the way out."""
    with pytest.raises(ConfigError, match="none of its columns is known"):
        resolve("e.csv", ["created_at", "version"], {}, config.Config(), exported=True)
