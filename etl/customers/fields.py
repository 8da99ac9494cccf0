"""Which fields does a Square customer have?

One table, from which everything else is derived: Arrow schema, header recognition, length
checks, request bodies, export columns, the sandbox's limits and the README's list.

Sources: Customers API overview and its migration notes (limits enforced since Square-Version
2022-10-19, counted here in code points), the Customer and Address objects of the API reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

Kind = Literal[
    "text", "email", "phone", "birthday", "country", "vat", "id", "list", "time", "number", "flag"
]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a customer profile.

    ``name`` is Square's JSON path (``address.locality``); it is also the Arrow column and the
    right-hand side of ``[columns]``. ``max_length`` is in code points, None where Square states
    none. ``synonyms`` are the normalised headers (lower case, single blanks) that name this field,
    separated by commas.
    """

    name: str
    kind: Kind = "text"
    max_length: int | None = None
    writable: bool = True
    identifying: bool = False
    match_key: bool = False
    synonyms: str = ""

    @property
    def path(self) -> tuple[str, ...]:
        """The steps from the customer object to this value."""
        return tuple(self.name.split("."))

    @property
    def arrow(self) -> pa.DataType:
        """The Arrow type of this field's column."""
        types = {"list": pa.list_(pa.string()), "number": pa.int64(), "flag": pa.bool_()}
        return types.get(self.kind, pa.string())


FIELDS: tuple[Field, ...] = (
    Field(
        "id",
        kind="id",
        writable=False,
        synonyms="square customer id",
    ),
    Field(
        "reference_id",
        max_length=100,
        match_key=True,
        synonyms=(
            "reference id, customer id, client id, record id, internal id, id, customer "
            "code, klaviyo id, euid, contact id, external id, user id, kundennummer, kundennr, "
            "numero client, numéro client, numero de cliente, número de cliente, klantnummer"
        ),
    ),
    Field(
        "given_name",
        max_length=300,
        identifying=True,
        synonyms=(
            "given name, first name, firstname, first, fname, prenom, prénom, vorname, "
            "nombre, nome, voornaam"
        ),
    ),
    Field(
        "family_name",
        max_length=300,
        identifying=True,
        synonyms=(
            "family name, last name, lastname, surname, family, last, lname, nom, nachname, "
            "apellidos, cognome, achternaam"
        ),
    ),
    Field(
        "nickname",
        max_length=100,
        synonyms="nickname, nick name, preferred name, goes by",
    ),
    Field(
        "company_name",
        max_length=500,
        identifying=True,
        synonyms=(
            "company, company name, organization, organisation, organization name, "
            "organisation name, business name, account name, firma, societe, société, "
            "empresa"
        ),
    ),
    Field(
        "email_address",
        kind="email",
        max_length=254,
        identifying=True,
        match_key=True,
        synonyms=(
            "email, e mail, email address, e mail address, e mail 1 value, primary email, "
            "courriel, correo electronico, correo electrónico, e mail adresse, adresse e mail"
        ),
    ),
    Field(
        "phone_number",
        kind="phone",
        identifying=True,
        match_key=True,
        synonyms=(
            "phone, phone number, phone 1 value, primary phone, telephone, tel, mobile, "
            "mobile phone, mobile phone number, cell, cell phone, telefon, telefonnummer, handy, "
            "telephone portable, téléphone, téléphone portable, telefono, teléfono, movil, móvil, "
            "cellulare, telefoon"
        ),
    ),
    Field(
        "birthday",
        kind="birthday",
        synonyms=(
            "birthday, birthdate, birth date, date of birth, dob, geburtstag, geburtsdatum, date "
            "de naissance, fecha de nacimiento, data di nascita, geboortedatum"
        ),
    ),
    Field(
        "address.address_line_1",
        max_length=500,
        synonyms=(
            "street address 1, address 1, address1, address line 1, address, street, street "
            "address, streetname, strasse, adresse, rue, direccion, dirección, calle, "
            "indirizzo, straat"
        ),
    ),
    Field(
        "address.address_line_2",
        max_length=500,
        synonyms=(
            "street address 2, address 2, address2, address line 2, street 2, extended address"
        ),
    ),
    Field(
        "address.address_line_3",
        max_length=500,
        synonyms="street address 3, address 3, address3, address line 3, street 3",
    ),
    Field(
        "address.sublocality",
        max_length=200,
        synonyms="suburb, sublocality, district",
    ),
    Field("address.sublocality_2", max_length=200),
    Field("address.sublocality_3", max_length=200),
    Field(
        "address.locality",
        max_length=300,
        synonyms="city, town, locality, ort, stadt, ville, ciudad, citta, città, plaats",
    ),
    Field(
        "address.administrative_district_level_1",
        max_length=200,
        synonyms=(
            "state, province, province code, region, state region, state province, prefecture"
        ),
    ),
    Field("address.administrative_district_level_2", max_length=200),
    Field("address.administrative_district_level_3", max_length=200),
    Field(
        "address.postal_code",
        max_length=12,
        synonyms=(
            "zip, zip code, zipcode, postal code, postcode, postal zip code, plz, postleitzahl, "
            "code postal, codigo postal, código postal"
        ),
    ),
    Field(
        "address.country",
        kind="country",
        synonyms="country, country code, country region, pays, land, pais, país, paese",
    ),
    Field(
        "note",
        synonyms="note, notes, memo, customer note, comments, remarks, notiz, notizen, remarques",
    ),
    Field(
        "tax_ids.eu_vat",
        kind="vat",
        max_length=20,
        synonyms="vat number, vat id, eu vat, tax id, ust id",
    ),
    # Square assigns these; they are read, compared or exported, never sent.
    Field("address.first_name", max_length=300, writable=False),
    Field("address.last_name", max_length=300, writable=False),
    Field("created_at", kind="time", writable=False),
    Field("updated_at", kind="time", writable=False),
    Field("creation_source", writable=False),
    Field("preferences.email_unsubscribed", kind="flag", writable=False),
    Field("group_ids", kind="list", writable=False),
    Field("segment_ids", kind="list", writable=False),
    Field("version", kind="number", writable=False),
)

BY_NAME = {field.name: field for field in FIELDS}
WRITABLE = tuple(field for field in FIELDS if field.writable)
IDENTIFYING = tuple(field for field in FIELDS if field.identifying)

# What a source row may carry: the id of an exported profile, and everything Square lets us write.
IMPORTABLE = (BY_NAME["id"], *WRITABLE)
CUSTOMERS = pa.schema([(field.name, field.arrow) for field in IMPORTABLE])

# What an export has beside a birthday: its parts as numbers.
BIRTHDAY_PARTS = ("birthday_year", "birthday_month", "birthday_day")

# Sellers of these countries may store tax_ids; elsewhere Square answers BAD_REQUEST (Customers API
# overview, "Customer tax IDs").
TAX_ID_COUNTRIES = frozenset({"ES", "FR", "GB", "IE"})

# Digits of a phone number without its + (Customers API overview, "Customer phone numbers").
PHONE_DIGITS = range(9, 17)
