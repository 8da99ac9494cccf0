"""Presets: files as other systems write them, with their quirks, become customers."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etl import config
from etl.customers.dates import DateEvidence, date_evidence
from etl.files.sources import Source, open_sources
from etl.presets import presets
from etl.stages.check import check_batch
from etl.stages.extract import extract
from etl.stages.mapping import map_field, resolve
from etl.stages.profile import profile
from etl.stages.propose import propose
from etl.stages.starter import starter


@dataclass
class Read:
    """What came of a file: the values of each row, its codes, and the columns left out."""

    rows: list[dict[str, Any]]
    codes: list[set[str]]
    unused: set[str]
    consent: str | None


def read(folder: Path, preset: str, content: str | bytes, **settings: Any) -> Read:
    """Read a file with a preset as an import would, up to what Square would be sent."""
    path = folder / "export.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    given = config.parse({"source": {"preset": preset}, **settings}, "test")
    (source,) = open_sources([str(path)], given.source, folder / "spool")
    mapping = resolve(source.name, source.columns, source.not_text, given)
    # Whatever stands in the file is mapped, or named as unused.
    used = {header for group in mapping.fields.values() for header in group}
    used |= {mapping.consent.column} if mapping.consent else set()
    assert used | set(mapping.unused) == set(source.columns)
    assert_starts_from(source, preset)
    rows: list[dict[str, Any]] = []
    codes: list[set[str]] = []
    for records in extract(source, given.source):
        birthdays, _ = map_field(records.cells, mapping, "birthday")
        evidence = DateEvidence().combine(date_evidence(birthdays, records.lines, 0))
        checked = check_batch(records.cells, records.problems, mapping, evidence, given, "US")
        found = checked.problems.to_pylist()
        for at, row in enumerate(checked.customers.to_pylist()):
            rows.append({name: value for name, value in row.items() if value is not None})
            codes.append({problem["code"] for problem in found if problem["row"] == at})
    consent = mapping.consent.column if mapping.consent else None
    return Read(rows, codes, set(mapping.unused), consent)


def assert_starts_from(source: Source, preset: str) -> None:
    """Hold that a profile of the file finds its preset, and writes a config that is accepted."""
    found = profile(extract(source, config.Source()), source.columns, lambda rows: None)
    told = propose(found, source.name, source.not_text, None)
    assert told.preset == preset
    written = tomllib.loads(starter(source, found, told, config.Source()))
    accepted = config.parse(written, "starter")
    assert accepted.source.preset == preset
    resolve(source.name, source.columns, source.not_text, accepted)


def test_every_preset_says_how_sure_it_is() -> None:
    """Each preset tells whether its headers were seen or remembered, and what it leaves out."""
    folder = Path(config.__file__).parent / "presets"
    for name in presets():
        text = (folder / f"{name}.toml").read_text(encoding="utf-8")
        about = " ".join(line.lstrip("# ") for line in text.splitlines() if line.startswith("#"))
        assert f'preset = "{name}"' in text
        assert "from memory" in about or "were seen" in about or "real export" in about, name
        assert "unused in the report" in about


def test_shopify(tmp_path: Path) -> None:
    """Apostrophes before IDs, phones and postal codes are taken off."""
    got = read(
        tmp_path,
        "shopify",
        "\ufeffCustomer ID,First Name,Last Name,Email,Accepts Email Marketing,"
        "Default Address Address1,Default Address Province Code,Default Address Country Code,"
        "Default Address Zip,Default Address Phone,Phone,Total Spent,Note,Tags\r\n"
        "'7012345678901,Ana,Ruiz,ana@example.com,yes,1 Main St,MA,US,'02134,'+14155550148,,12.00,"
        'regular,"vip, spring"\r\n',
    )
    assert got.rows == [
        {
            "reference_id": "7012345678901",
            "given_name": "Ana",
            "family_name": "Ruiz",
            "email_address": "ana@example.com",
            "phone_number": "+14155550148",
            "address.address_line_1": "1 Main St",
            "address.administrative_district_level_1": "MA",
            "address.postal_code": "02134",
            "address.country": "US",
            "note": "regular",
        }
    ]
    assert got.codes == [{"SPREADSHEET_REPAIRED"}]
    assert (got.unused, got.consent) == ({"Total Spent", "Tags"}, "Accepts Email Marketing")


def test_square_dashboard(tmp_path: Path) -> None:
    """The seller's own export names its profiles; what Square computes is unused."""
    got = read(
        tmp_path,
        "square-dashboard",
        "Reference ID,First Name,Last Name,Email Address,Phone Number,City,Birthday,Memo,"
        "Square Customer ID,Transaction Count,Email Subscription Status\n"
        "R-1,Bo,Ek,bo@example.com,+14155550199,Reno,04-17,hi,K8Z1,3,Subscribed\n",
    )
    assert got.rows[0]["id"] == "K8Z1"
    assert got.rows[0]["birthday"] == "0000-04-17"
    assert (got.unused, got.consent) == ({"Transaction Count"}, "Email Subscription Status")


def test_hubspot(tmp_path: Path) -> None:
    """The mobile goes before the phone, the country is named, the stage is no field."""
    got = read(
        tmp_path,
        "hubspot",
        "Record ID,First Name,Last Name,Email,Phone Number,Mobile Phone Number,Lead Status,"
        "Lifecycle Stage,Marketing contact status,Create Date,Associated Company,Company Name,"
        "Street Address,City,State/Region,Postal Code,Country/Region,Date of birth\n"
        "501,Ana,Ruiz,ana@example.com,(415) 555-0100,415-555-0148,New,customer,"
        "Marketing contact,2024-03-12 09:14,Fern Co,,1 Main St,Reno,NV,89501,United States,"
        "17 April 1990\n",
    )
    row = got.rows[0]
    assert (row["reference_id"], row["phone_number"]) == ("501", "+14155550148")
    assert (row["company_name"], row["address.country"]) == ("Fern Co", "US")
    assert row["birthday"] == "1990-04-17"
    assert "OTHER_LEFT_OUT" in got.codes[0]
    assert got.unused == {
        "Lead Status",
        "Lifecycle Stage",
        "Marketing contact status",
        "Create Date",
    }
    assert got.consent is None


def test_mailchimp(tmp_path: Path) -> None:
    """The address stays one line, the birthday has no year, addresses of machines are left out."""
    got = read(
        tmp_path,
        "mailchimp",
        "Email Address,First Name,Last Name,Address,Phone Number,Birthday,MEMBER_RATING,OPTIN_IP,"
        "CC,"
        "LEID,EUID,NOTES,TAGS\n"
        'ana@example.com,Ana,Ruiz,"1 Main St  Reno  NV  89501  US",(415) 555-0148,04/17,2,'
        '192.0.2.1,us,77,ab12cd,likes tea,"""VIP"",""Spring"""\n',
    )
    row = got.rows[0]
    assert row["address.address_line_1"] == "1 Main St  Reno  NV  89501  US"
    assert (row["birthday"], row["address.country"]) == ("0000-04-17", "US")
    assert (row["reference_id"], row["note"]) == ("ab12cd", "likes tea")
    assert got.unused == {"MEMBER_RATING", "OPTIN_IP", "LEID", "TAGS"}


def test_salesforce_loader(tmp_path: Path) -> None:
    """Headers in capitals, streets with line breaks; ids keep their case."""
    got = read(
        tmp_path,
        "salesforce",
        '"ID","ISDELETED","LASTNAME","FIRSTNAME","MAILINGSTREET","MAILINGCITY","MAILINGCOUNTRY",'
        '"PHONE","MOBILEPHONE","EMAIL","BIRTHDATE","HASOPTEDOUTOFEMAIL"\n'
        '"003A000000AbCdE","false","Ruiz","Ana","1 Main St\nSuite 4","Reno","USA",'
        '"(415) 555-0100","","ana@example.com","1990-11-09","false"\n'
        '"003A000000AbCde","false","Ek","Bo","","","","","415-555-0148","","","true"\n',
    )
    assert [row["reference_id"] for row in got.rows] == ["003A000000AbCdE", "003A000000AbCde"]
    assert got.rows[0]["address.address_line_1"] == "1 Main St\nSuite 4"
    assert got.rows[0]["phone_number"] == "+14155550100"
    assert got.rows[1]["phone_number"] == "+14155550148"
    assert got.unused == {"ISDELETED", "HASOPTEDOUTOFEMAIL"}


def test_salesforce_report(tmp_path: Path) -> None:
    """A report's labels are known too; the lines below its data are rejected, not swallowed."""
    got = read(
        tmp_path,
        "salesforce",
        "First Name,Last Name,Mailing Street,Mailing Zip/Postal Code,Mobile,Email,Account Name\n"
        "Ana,Ruiz,1 Main St,89501,415-555-0148,ana@example.com,Fern Co\n"
        "Contacts of May\n"
        '"Copyright (c) 2000-2026"\n',
    )
    assert (got.rows[0]["company_name"], got.unused) == ("Fern Co", set())
    assert got.codes[1:] == [{"RAGGED_ROW"}, {"RAGGED_ROW"}]


def test_google_contacts(tmp_path: Path) -> None:
    """Several values in a cell are told apart, a yearless birthday is one, names are joined."""
    got = read(
        tmp_path,
        "google-contacts",
        "First Name,Middle Name,Last Name,Name Suffix,Nickname,Organization Name,Birthday,Notes,"
        "Labels,"
        "E-mail 1 - Label,E-mail 1 - Value,Phone 1 - Label,Phone 1 - Value,Phone 2 - Label,"
        "Phone 2 - Value,Address 1 - Formatted,Address 1 - Street,Address 1 - Country\n"
        "Ana,Maria,Ruiz,Jr.,Annie,,--04-17,tea,* myContacts ::: Friends,* ,"
        "ana@example.com ::: ana@example.org,Mobile,12 ::: +1 415-555-0148,Work,(415) 555-0100,"
        '"1 Main St\nReno, NV 89501",,US\n',
        others={"phone_number": "note"},
    )
    assert got.rows == [
        {
            "given_name": "Ana Maria",
            "family_name": "Ruiz Jr.",
            "nickname": "Annie",
            "email_address": "ana@example.com",
            "phone_number": "+14155550148",
            "birthday": "0000-04-17",
            "address.address_line_1": "1 Main St\nReno, NV 89501",
            "address.country": "US",
            "note": "tea\nPhone 1 - Value: 12\nPhone 2 - Value: +14155550100",
        }
    ]
    assert {"VALUES_JOINED", "OTHER_LEFT_OUT", "OTHER_IN_NOTE"} <= got.codes[0]
    assert "MULTIPLE_VALUES" not in got.codes[0]
    labels = {"Labels", "E-mail 1 - Label", "Phone 1 - Label", "Phone 2 - Label"}
    assert got.unused == labels


def test_google_contacts_of_old(tmp_path: Path) -> None:
    """The older form came in UTF-16 with tabs, and called the names differently."""
    text = (
        "Name\tGiven Name\tAdditional Name\tFamily Name\tGroup Membership\tE-mail 1 - Type\t"
        "E-mail 1 - Value\tPhone 1 - Value\n"
        "Zoë Ek\tZoë\t\tEk\t* My Contacts\tHome\tzoe@example.com\t+1 415 555 0148\n"
    )
    got = read(tmp_path, "google-contacts", b"\xff\xfe" + text.encode("utf-16-le"))
    assert got.rows == [
        {
            "given_name": "Zoë",
            "family_name": "Ek",
            "email_address": "zoe@example.com",
            "phone_number": "+14155550148",
        }
    ]
    assert got.unused == {"Name", "Group Membership", "E-mail 1 - Type"}


def test_stripe(tmp_path: Path) -> None:
    """A person's name is split, a firm's is the company; cards are never carried over."""
    got = read(
        tmp_path,
        "stripe",
        "id,Description,Email,Name,Created (UTC),Delinquent,Card ID,Card Last4,Card Name,"
        "Card Address Line1,Card Address Zip,Total Spend,phone (metadata)\n"
        "cus_Na1,Gold,ana@example.com,Ana Ruiz,2024-01-02 10:11,false,card_1,4242,,1 Main St,"
        "94103.0,12.00,415-555-0148\n"
        "cus_Na2,,desk@example.com,Fern Ltd.,2024-01-02 10:11,false,,,,,,,\n"
        "cus_Na3,,bo@example.com,,2024-01-02 10:11,false,,,Bo Ek,,,,\n",
    )
    ana, fern, bo = got.rows
    assert (ana["given_name"], ana["family_name"]) == ("Ana", "Ruiz")
    assert (ana["reference_id"], ana["address.postal_code"]) == ("cus_Na1", "94103")
    assert (fern["company_name"], "given_name" in fern) == ("Fern Ltd.", False)
    assert (bo["given_name"], bo["family_name"]) == ("Bo", "Ek")
    assert [codes & {"NAME_SPLIT", "NAME_IS_COMPANY"} for codes in got.codes] == [
        {"NAME_SPLIT"},
        {"NAME_IS_COMPANY"},
        {"NAME_SPLIT"},
    ]
    assert {"Card ID", "Card Last4", "phone (metadata)", "Created (UTC)"} <= got.unused


def test_woocommerce_analytics(tmp_path: Path) -> None:
    """Analytics has one name and the place, and no street."""
    got = read(
        tmp_path,
        "woocommerce",
        "Name,Username,Last active,Sign up,Email,Orders,Total spend,AOV,Country / Region,City,"
        "Region,"
        "Postal code\n"
        "Ana Ruiz,aruiz,2024-01-02 10:11:12,2023-01-01,ana@example.com,2,10,5,US,Reno,NV,89501\n",
    )
    assert got.rows[0]["family_name"] == "Ruiz"
    assert got.rows[0]["address.administrative_district_level_1"] == "NV"
    assert got.unused == {
        *("Username", "Last active", "Sign up", "Orders", "Total spend", "AOV"),
    }


def test_woocommerce_extension(tmp_path: Path) -> None:
    """Billing names stand in for an account's; guests share no reference."""
    got = read(
        tmp_path,
        "woocommerce",
        "user_id,username,first_name,last_name,billing_first_name,billing_last_name,"
        "billing_company,billing_address_1,billing_state,billing_country,billing_email,"
        "billing_phone,shipping_city\n"
        "0,,,,Ana,Ruiz,Fern Co,1 Main St,CA,US,ana@example.com,415-555-0148,Reno\n"
        "17,bo,Bo,Ek,Bob,Ek,,,,,bo@example.com,,\n",
    )
    assert "reference_id" not in got.rows[0]
    assert "VALUE_MAPPED" in got.codes[0]
    assert (got.rows[0]["given_name"], got.rows[0]["company_name"]) == ("Ana", "Fern Co")
    assert (got.rows[1]["reference_id"], got.rows[1]["given_name"]) == ("17", "Bo")
    assert got.codes[1] == {"OTHER_LEFT_OUT"}
    assert got.unused == {"username", "shipping_city"}


def test_klaviyo(tmp_path: Path) -> None:
    """Consent for email has its column; a country goes by its name."""
    got = read(
        tmp_path,
        "klaviyo",
        "Email,Klaviyo ID,First Name,Last Name,Organization,Phone Number,City,State / Region,"
        "Country,Zip Code,IP Address,Email Marketing Consent,SMS Marketing Consent,Lists\n"
        "ana@example.com,01HX,Ana,Ruiz,Fern Co,+14155550148,Reno,NV,United States,89501,192.0.2.1,"
        "NEVER_SUBSCRIBED,UNSUBSCRIBED,\"['a', 'b']\"\n",
    )
    assert (got.rows[0]["reference_id"], got.rows[0]["address.country"]) == ("01HX", "US")
    assert got.consent == "Email Marketing Consent"
    assert got.unused == {"IP Address", "SMS Marketing Consent", "Lists"}


def test_lightspeed_x(tmp_path: Path) -> None:
    """The place somebody lives goes before the one the mail goes to."""
    got = read(
        tmp_path,
        "lightspeed-x",
        "customer_code,first_name,last_name,email,phone,mobile,date_of_birth,postal_address1,"
        "postal_city,physical_address1,physical_suburb,physical_city,physical_country,"
        "customer_group_name,customer_note,do_not_email,loyalty_balance\n"
        "ANA-1,Ana,Ruiz,ana@example.com,,415-555-0148,1990-04-17,PO Box 1,Reno,1 Main St,North,"
        "Reno,US,vip,tea,0,12.5\n",
    )
    row = got.rows[0]
    assert (row["address.address_line_1"], row["address.sublocality"]) == ("1 Main St", "North")
    assert (row["reference_id"], row["note"]) == ("ANA-1", "tea")
    assert "OTHER_LEFT_OUT" in got.codes[0]
    assert got.unused == {"customer_group_name", "do_not_email", "loyalty_balance"}


def test_clover(tmp_path: Path) -> None:
    """National phones belong to the merchant's country; a phone alone is a customer."""
    got = read(
        tmp_path,
        "clover",
        "Customer ID,First Name,Last Name,Address Line 1,City,State / Province,Postal / Zip Code,"
        "Country,Phone Number,Email Address,Marketing Allowed,Customer Since,Birthday,Note\n"
        "C1,,,,,,,,4155550148,,No,2024-01-02,,\n"
        "C2,Ana,Ruiz,1 Main St,Boston,MA,2134,US,,ana@example.com,Yes,,04/17,tea\n",
    )
    assert got.rows[0] == {"reference_id": "C1", "phone_number": "+14155550148"}
    assert (got.rows[1]["address.postal_code"], got.rows[1]["birthday"]) == ("2134", "0000-04-17")
    assert "SHORT_POSTAL_CODE" in got.codes[1]
    assert (got.unused, got.consent) == ({"Customer Since"}, "Marketing Allowed")


def test_toast(tmp_path: Path) -> None:
    """Ten digits are a phone; visits are no field."""
    got = read(
        tmp_path,
        "toast",
        "First Name,Last Name,Email,Phone,Birthday,Tags,Notes,Marketing opt-in,Visits,"
        "Total spend,Last visit\n"
        "Ana,Ruiz,ana@example.com,4155550148,04/17/1990,vip,window seat,yes,3,90.00,05/01/2026\n",
    )
    assert (got.rows[0]["phone_number"], got.rows[0]["birthday"]) == ("+14155550148", "1990-04-17")
    assert got.rows[0]["note"] == "window seat"
    assert (got.unused, got.consent) == (
        {"Tags", "Visits", "Total spend", "Last visit"},
        "Marketing opt-in",
    )


def test_vagaro(tmp_path: Path) -> None:
    """A birthday in three columns is put together; notes stay out, for they may be about health."""
    got = read(
        tmp_path,
        "vagaro",
        "First Name,Last Name,Email,Mobile,Day Phone,Night Phone,Birth Month,Birth Day,Birth Year,"
        "Street,City,State,Zip,Tags,Notes\n"
        "Ana,Ruiz,ana@example.com,,415-555-0148,415-555-0148,4,17,1990,1 Main St,Reno,NV,89501,,x\n"
        "Bo,Ek,,,,415-555-0199,5,4,,,,,,,\n",
    )
    assert [row["birthday"] for row in got.rows] == ["1990-04-17", "0000-05-04"]
    assert [row["phone_number"] for row in got.rows] == ["+14155550148", "+14155550199"]
    assert "OTHER_LEFT_OUT" not in got.codes[0]
    assert got.unused == {"Tags", "Notes"}


def test_mindbody(tmp_path: Path) -> None:
    """The cell phone goes before home and work."""
    got = read(
        tmp_path,
        "mindbody",
        "Client ID,Last Name,First Name,Address,Address 2,City,State,Postal Code,Country,"
        "Home Phone,"
        "Work Phone,Cell Phone,Email,Birthday,Gender,Status,Referral Type\n"
        "100000012,Ruiz,Ana,1 Main St,Apt 2,Reno,NV,89501,US,415-555-0100,415-555-0101,"
        "415-555-0148,ana@example.com,04/17/1990,F,Active,Friend\n",
        others={"phone_number": "note"},
    )
    row = got.rows[0]
    assert (row["reference_id"], row["phone_number"]) == ("100000012", "+14155550148")
    assert row["note"] == "Home Phone: +14155550100\nWork Phone: +14155550101"
    assert got.unused == {"Gender", "Status", "Referral Type"}


def test_outlook(tmp_path: Path) -> None:
    """cp1252 with semicolons, ``0/0/00`` for no birthday, an address of the office's directory."""
    text = (
        "First Name;Middle Name;Last Name;Suffix;Company;Business Street;Business City;Home Street;"
        "Home City;Home Country/Region;Business Phone;Mobile Phone;Birthday;Categories;"
        "E-mail Address;E-mail Type;E-mail 2 Address;Notes\r\n"
        "Jürgen;;Müller;;Fern GmbH;Weg 2;Bonn;Straße 1;Köln;Germany;0228 555 0;0151 23456789;"
        "0/0/00;"
        'Kunden;/o=Fern/cn=mueller;EX;juergen@example.com;"zwei\r\nZeilen"\r\n'
    )
    got = read(tmp_path, "outlook", text.encode("cp1252"), clean={"default_region": "DE"})
    assert got.rows == [
        {
            "given_name": "Jürgen",
            "family_name": "Müller",
            "company_name": "Fern GmbH",
            "email_address": "juergen@example.com",
            "phone_number": "+4915123456789",
            "address.address_line_1": "Straße 1",
            "address.locality": "Köln",
            "address.country": "DE",
            "note": "zwei\r\nZeilen",
        }
    ]
    assert {"EMPTY_MARKER", "OTHER_LEFT_OUT"} <= got.codes[0]
    assert got.unused == {"Categories", "E-mail Type"}
