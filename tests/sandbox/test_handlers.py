"""The Customers API, endpoint by endpoint; every test names the source of what it expects."""

from __future__ import annotations

from typing import Any

import pytest

from etl.sandbox.assumptions import KEY_LIFETIME
from tests.sandbox.conftest import Opened, Square

INES = {
    "given_name": "Ines",
    "family_name": "Moreau",
    "email_address": "Ines.Moreau@example.net",
    "phone_number": "+33 1 99 00 01 42",
    "reference_id": "crm-000042",
    "birthday": "04-17",
    "address": {
        "address_line_1": "12 rue des Lilas",
        "locality": "Nantes",
        "postal_code": "44000",
        "country": "FR",
    },
    "note": "Prefers mornings",
}
MISSING = "0A7K2E5V9XQ4M8TZ1RWC6HNBD8"


def not_found(customer_id: str) -> dict[str, Any]:
    """The literal answer for an unknown id (API reference, recorded answers)."""
    return {
        "errors": [
            {
                "code": "NOT_FOUND",
                "detail": f"Customer with ID `{customer_id}` not found.",
                "category": "INVALID_REQUEST_ERROR",
            }
        ]
    }


# Create


def test_create_answers_the_whole_profile(square: Square) -> None:
    """A new profile comes back as sent, with what Square adds (the reference’s example call)."""
    customer = square.create(**INES)

    assert customer == INES | {
        "id": customer["id"],
        "birthday": "0000-04-17",
        "created_at": "2025-09-01T08:15:30.412Z",
        "updated_at": "2025-09-01T08:15:30Z",
        "preferences": {"email_unsubscribed": False},
        "creation_source": "THIRD_PARTY",
        "version": 0,
    }
    segment_ids = [f"{square.sandbox.merchant_id}.REACHABLE"]
    assert square.get(customer["id"]) == customer | {"segment_ids": segment_ids}


def test_create_leaves_absent_values_out(square: Square) -> None:
    """Null and empty values are as if absent; absent ones are not in answers (API examples)."""
    customer = square.create(
        given_name="Ava", family_name="", nickname=None, address={"locality": ""}, tax_ids=None
    )

    assert set(customer) == {
        *("id", "created_at", "updated_at", "given_name"),
        *("preferences", "creation_source", "version"),
    }


@pytest.mark.parametrize("data", [{}, {"note": "x", "reference_id": "r"}, {"given_name": ""}])
def test_create_needs_an_identity(square: Square, data: dict[str, str]) -> None:
    """Without any of five fields a create is BAD_REQUEST, worded as recorded, without a field."""
    answer = square.send("POST", "/v2/customers", json=data)

    assert answer.status_code == 400
    assert answer.json() == {
        "errors": [
            {
                "code": "BAD_REQUEST",
                "detail": "At least one of `given_name`, `family_name`, `company_name`, "
                "`email_address`, or `phone_number` is required for a customer.",
                "category": "INVALID_REQUEST_ERROR",
            }
        ]
    }


@pytest.mark.parametrize(
    "name", ["id", "created_at", "version", "preferences", "creation_source", "group_ids", "shoe"]
)
def test_create_refuses_unknown_and_read_only_fields(square: Square, name: str) -> None:
    """Fields the request does not have are BAD_REQUEST (migration notes, 2022-03-16)."""
    assert square.refused("POST", "/v2/customers", {"given_name": "Ava", name: "x"}) == (
        400,
        [("BAD_REQUEST", name)],
    )


def test_create_does_not_look_for_duplicates(square: Square) -> None:
    """Two creates of the same person make two profiles (overview: search first)."""
    assert square.create(**INES)["id"] != square.create(**INES)["id"]


# Idempotency


def test_a_repeated_create_answers_the_original(square: Square) -> None:
    """Same key, same data: the first answer, even after an update (Idempotency page)."""
    first = square.create(idempotency_key="k-1", **INES)
    square.ok("PUT", f"/v2/customers/{first['id']}", {"nickname": "Nes"})

    reordered = dict(reversed(INES.items()))
    assert square.create(idempotency_key="k-1", **reordered) == first
    assert [entry["action"] for entry in square.sandbox.log()] == ["create", "update"]


def test_a_key_with_other_data_is_refused(square: Square) -> None:
    """Same key, other data: IDEMPOTENCY_KEY_REUSED, worded as recorded."""
    square.create(idempotency_key="k-1", given_name="Ava")

    answer = square.send(
        "POST", "/v2/customers", json={"idempotency_key": "k-1", "given_name": "Eva"}
    )

    assert answer.status_code == 400
    assert answer.json()["errors"] == [
        {
            "code": "IDEMPOTENCY_KEY_REUSED",
            "detail": "The idempotency key can only be retried with the same request data.",
            "field": "idempotency_key",
            "category": "INVALID_REQUEST_ERROR",
        }
    ]


def test_a_key_outlives_its_profile(square: Square) -> None:
    """Create, delete, create with the same key and data fails (forum thread 8276)."""
    customer = square.create(idempotency_key="k-1", given_name="Ava")
    square.ok("DELETE", f"/v2/customers/{customer['id']}")

    assert square.refused(
        "POST", "/v2/customers", {"idempotency_key": "k-1", "given_name": "Ava"}
    ) == (400, [("IDEMPOTENCY_KEY_REUSED", "idempotency_key")])


def test_a_key_of_a_bulk_entry_outlives_its_profile(square: Square) -> None:
    """In bulk the entry alone is refused, the others are carried out (forum thread 8276)."""
    body = {"customers": {"k-1": {"given_name": "Ava"}, "k-2": {"given_name": "Eva"}}}
    first = square.ok("POST", "/v2/customers/bulk-create", body)["responses"]
    square.ok("DELETE", f"/v2/customers/{first['k-1']['customer']['id']}")

    again = square.ok("POST", "/v2/customers/bulk-create", body)["responses"]

    assert again["k-1"]["errors"][0]["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert again["k-2"] == first["k-2"]


def test_create_and_bulk_create_share_keys(square: Square) -> None:
    """A key used by create means the same profile in bulk-create (assumption)."""
    customer = square.create(idempotency_key="k-1", given_name="Ava")

    answer = square.ok(
        "POST", "/v2/customers/bulk-create", {"customers": {"k-1": {"given_name": "Ava"}}}
    )

    assert answer == {"responses": {"k-1": {"customer": customer}}}


def test_a_refused_create_does_not_consume_its_key(square: Square) -> None:
    """A key may be used again after its create was refused (assumption)."""
    bad = {"idempotency_key": "k-1", "given_name": "Ava", "phone_number": "12"}
    assert square.refused("POST", "/v2/customers", bad)[0] == 400

    assert square.create(idempotency_key="k-1", given_name="Ava")["version"] == 0


def test_keys_are_forgotten_after_their_lifetime(square: Square) -> None:
    """Beyond its lifetime a key makes a new profile; Square publishes none (assumption)."""
    first = square.create(idempotency_key="k-1", given_name="Ava")
    square.clock.now += KEY_LIFETIME
    assert square.create(idempotency_key="k-1", given_name="Ava") == first
    square.clock.now += 1

    assert square.create(idempotency_key="k-1", given_name="Ava")["id"] != first["id"]


@pytest.mark.parametrize(
    ("key", "code"), [("x" * 46, "VALUE_TOO_LONG"), ("", "VALUE_EMPTY"), (7, "EXPECTED_STRING")]
)
def test_keys_have_1_to_45_characters(square: Square, key: object, code: str) -> None:
    """Square's usual bound of 45 holds for customers too (assumption)."""
    body = {"idempotency_key": key, "given_name": "Ava"}

    assert square.refused("POST", "/v2/customers", body) == (400, [(code, "idempotency_key")])


# Update


def test_update_is_sparse(square: Square) -> None:
    """Only what is sent changes, inside the address too (since 2022-11-16); the version rises."""
    customer = square.create(**INES)
    square.clock.now += 60

    updated = square.ok(
        "PUT",
        f"/v2/customers/{customer['id']}",
        {"nickname": "Nes", "address": {"locality": "Rezé"}},
    )["customer"]

    assert updated == customer | {
        "nickname": "Nes",
        "address": customer["address"] | {"locality": "Rezé"},
        "updated_at": "2025-09-01T08:16:30Z",
        "version": 1,
    }


def test_an_empty_text_clears(square: Square) -> None:
    """The empty string clears a text field in all versions (overview, "Keep Customer Records")."""
    customer = square.create(**INES)

    updated = square.ok(
        "PUT",
        f"/v2/customers/{customer['id']}",
        {"note": "", "birthday": "", "address": {"postal_code": ""}},
    )["customer"]

    assert "note" not in updated
    assert "birthday" not in updated
    assert "postal_code" not in updated["address"]


def test_null_clears_with_the_header_only(square: Square) -> None:
    """Null needs X-Clear-Null: true (Clear API Object Fields); without it nothing changes."""
    customer = square.create(**INES)
    path, body = f"/v2/customers/{customer['id']}", {"note": None, "address": {"locality": None}}

    assert square.ok("PUT", path, body)["customer"] == customer
    cleared = square.ok("PUT", path, body, headers={"X-Clear-Null": "true"})["customer"]

    assert cleared["version"] == 1
    assert "note" not in cleared
    assert cleared["address"] == {
        "address_line_1": "12 rue des Lilas",
        "postal_code": "44000",
        "country": "FR",
    }


def test_a_null_address_clears_all_of_it(square: Square) -> None:
    """``"address": null`` with the header clears it; ``{}`` has no effect (since 2022-11-16)."""
    customer = square.create(**INES)
    path = f"/v2/customers/{customer['id']}"

    assert square.ok("PUT", path, {"address": {}})["customer"] == customer
    cleared = square.ok("PUT", path, {"address": None}, headers={"X-Clear-Null": "true"})

    assert "address" not in cleared["customer"]


def test_clearing_the_last_identity_is_refused(square: Square) -> None:
    """A profile keeps at least one of the five identifying fields (assumption)."""
    customer = square.create(given_name="Ava")

    assert square.refused("PUT", f"/v2/customers/{customer['id']}", {"given_name": ""}) == (
        400,
        [("BAD_REQUEST", "")],
    )
    assert square.get(customer["id"]) == customer


@pytest.mark.parametrize("body", [{}, {"version": 0}, {"shoe": "38"}, {"creation_source": "X"}])
def test_an_update_without_a_field_is_refused(square: Square, body: dict[str, Any]) -> None:
    """An update that sets nothing is BAD_REQUEST (migration notes, 2021-10-20; recorded text)."""
    customer = square.create(given_name="Ava")

    answer = square.send("PUT", f"/v2/customers/{customer['id']}", json=body)

    assert answer.status_code == 400
    assert answer.json()["errors"][0] == {
        "code": "BAD_REQUEST",
        "detail": "At least one field must be set to update a customer.",
        "category": "INVALID_REQUEST_ERROR",
    }


def test_a_single_update_ignores_unknown_fields(square: Square) -> None:
    """Only create and search are said to refuse unknown fields (migration notes, 2022-03-16)."""
    customer = square.create(given_name="Ava")

    updated = square.ok(
        "PUT", f"/v2/customers/{customer['id']}", {"nickname": "A", "shoe": 38, "address": {"x": 1}}
    )

    assert updated["customer"]["nickname"] == "A"


@pytest.mark.parametrize("version", [0, 2])
def test_a_version_other_than_the_stored_one_conflicts(square: Square, version: int) -> None:
    """``version`` must equal the stored one (Keep Customer Records), for update and delete."""
    path = f"/v2/customers/{square.create(given_name='Ava')['id']}"
    square.ok("PUT", path, {"nickname": "A", "version": 0})

    stale = {"nickname": "B", "version": version}
    assert square.refused("PUT", path, stale) == (409, [("CONFLICT", "")])
    assert square.refused("DELETE", path, params={"version": version})[0] == 409
    assert square.ok("DELETE", path, params={"version": 1}) == {}


def test_an_update_that_changes_nothing_keeps_the_version(square: Square) -> None:
    """The same values again are 200 and no write (assumption)."""
    customer = square.create(**INES)
    square.clock.now += 60

    assert square.ok("PUT", f"/v2/customers/{customer['id']}", INES)["customer"] == customer
    assert len(square.sandbox.log()) == 1


@pytest.mark.parametrize("version", ["3", True, 1.5])
def test_a_version_is_a_number(square: Square, version: object) -> None:
    """Another JSON type is EXPECTED_INTEGER (API reference, list of codes)."""
    path = f"/v2/customers/{square.create(given_name='Ava')['id']}"

    body = {"nickname": "A", "version": version}
    assert square.refused("PUT", path, body) == (400, [("EXPECTED_INTEGER", "version")])


# Retrieve and delete


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_an_unknown_id_is_not_found(square: Square, method: str) -> None:
    """Get, update and delete word it alike (API reference, recorded answers)."""
    body = {"nickname": "A"} if method == "PUT" else None

    answer = square.send(method, f"/v2/customers/{MISSING}", json=body)

    assert (answer.status_code, answer.json()) == (404, not_found(MISSING))


def test_deleted_is_gone(square: Square) -> None:
    """A delete answers ``{}``; the id is unknown from then on (API reference)."""
    path = f"/v2/customers/{square.create(given_name='Ava')['id']}"

    assert square.ok("DELETE", path) == {}
    assert square.send("GET", path).status_code == 404
    assert square.ok("GET", "/v2/customers") == {}


# Bulk calls


def test_bulk_entries_succeed_and_fail_alone(square: Square) -> None:
    """200 even when entries fail; every entry has its own errors (Handling Errors page)."""
    answer = square.ok(
        "POST",
        "/v2/customers/bulk-create",
        {
            "customers": {
                "a": {"given_name": "Tomas", "phone_number": "+1 415 555 0148"},
                "b": {"family_name": "Okafor", "phone_number": "12"},
                "c": {"given_name": 7},
                "d": {"given_name": "Ava", "version": 0},
                "e": "text",
                "f": {},
            }
        },
    )["responses"]

    assert answer["a"]["customer"]["phone_number"] == "+1 415 555 0148"
    assert answer["b"]["errors"] == [
        {
            "code": "INVALID_PHONE_NUMBER",
            "detail": "Expected phone_number to be a valid phone number",
            "field": "phone_number",
            "category": "INVALID_REQUEST_ERROR",
        }
    ]
    assert {key: answer[key]["errors"][0]["code"] for key in "cdef"} == {
        "c": "EXPECTED_STRING",
        "d": "BAD_REQUEST",
        "e": "EXPECTED_OBJECT",
        "f": "BAD_REQUEST",
    }
    assert len(square.sandbox.log()) == 1


def test_a_repeated_bulk_create_answers_the_originals(square: Square) -> None:
    """The map's keys are idempotency keys: a repeat makes nothing new (API reference)."""
    body = {"customers": {f"k{i}": {"given_name": f"G{i}"} for i in range(100)}}

    first = square.ok("POST", "/v2/customers/bulk-create", body)
    again = square.ok("POST", "/v2/customers/bulk-create", body)

    assert again == first
    assert len(square.sandbox.log()) == 100


def test_bulk_update_judges_each_entry(square: Square) -> None:
    """Each entry has its own version guard; unknown fields are refused in bulk (assumption)."""
    one, two, three = (square.create(given_name=name)["id"] for name in ("A", "B", "C"))

    answer = square.ok(
        "POST",
        "/v2/customers/bulk-update",
        {
            "customers": {
                one: {"nickname": "X", "version": 0},
                two: {"nickname": "X", "version": 4},
                three: {"nickname": "X", "shoe": "38"},
                MISSING: {"nickname": "X"},
            }
        },
    )["responses"]

    assert answer[one]["customer"]["version"] == 1
    assert answer[two]["errors"][0]["code"] == "CONFLICT"
    assert answer[three]["errors"][0]["code"] == "BAD_REQUEST"
    assert answer[MISSING] == not_found(MISSING)


def test_bulk_retrieve_answers_each_distinct_id(square: Square) -> None:
    """The map's keys are the ids asked for; a repeated id is answered once (API reference)."""
    customer = square.create(given_name="Ava")

    answer = square.ok(
        "POST",
        "/v2/customers/bulk-retrieve",
        {"customer_ids": [customer["id"], MISSING, customer["id"]]},
    )

    assert answer == {
        "responses": {customer["id"]: {"customer": customer}, MISSING: not_found(MISSING)}
    }


def test_bulk_delete_answers_each_id(square: Square) -> None:
    """A deleted profile's entry is ``{}``, an unknown one's NOT_FOUND (API reference)."""
    customer = square.create(given_name="Ava")

    answer = square.ok(
        "POST", "/v2/customers/bulk-delete", {"customer_ids": [customer["id"], MISSING]}
    )

    assert answer == {"responses": {customer["id"]: {}, MISSING: not_found(MISSING)}}
    assert square.send("GET", f"/v2/customers/{customer['id']}").status_code == 404


@pytest.mark.parametrize(
    ("endpoint", "name", "none", "code"),
    [
        ("bulk-create", "customers", "VALUE_EMPTY", "TOO_MANY_MAP_ENTRIES"),
        ("bulk-update", "customers", "VALUE_EMPTY", "TOO_MANY_MAP_ENTRIES"),
        ("bulk-retrieve", "customer_ids", "ARRAY_EMPTY", "ARRAY_LENGTH_TOO_LONG"),
        ("bulk-delete", "customer_ids", "ARRAY_EMPTY", "ARRAY_LENGTH_TOO_LONG"),
    ],
)
def test_bulk_calls_take_1_to_100_entries(
    square: Square, endpoint: str, name: str, none: str, code: str
) -> None:
    """More or fewer refuse the call as a whole (Retrieve Customer Profiles; codes assumed)."""

    def call(number: int) -> Any:
        ids = [f"{MISSING}{i}" for i in range(number)]
        entries = {key: {"given_name": "A"} for key in ids} if name == "customers" else ids
        return square.send("POST", f"/v2/customers/{endpoint}", json={name: entries})

    assert call(0).json()["errors"][0]["code"] == none
    assert len(call(100).json()["responses"]) == 100
    before = len(square.sandbox.log())
    answer = call(101)

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, code)
    assert len(square.sandbox.log()) == before


def test_bulk_create_keys_have_1_to_45_characters(square: Square) -> None:
    """An unusable key refuses the whole call; nothing is created (assumption)."""
    for key, code in (("", "MAP_KEY_LENGTH_TOO_SHORT"), ("k" * 46, "MAP_KEY_LENGTH_TOO_LONG")):
        body = {"customers": {"good": {"given_name": "A"}, key: {"given_name": "B"}}}
        assert square.refused("POST", "/v2/customers/bulk-create", body)[1][0][0] == code
    assert square.sandbox.log() == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "MISSING_REQUIRED_PARAMETER"),
        ({"customers": []}, "EXPECTED_OBJECT"),
        ({"customers": {"a": {}}, "more": 1}, "BAD_REQUEST"),
    ],
)
def test_bulk_bodies_hold_their_one_member(square: Square, body: dict[str, Any], code: str) -> None:
    """A bulk body has one member of the right type (API reference, list of codes)."""
    assert square.refused("POST", "/v2/customers/bulk-create", body)[1][0][0] == code


def test_a_hundred_profiles_at_their_limits_fit_into_one_call(square: Square) -> None:
    """A bulk call may be larger than the 1 MiB of a single one (assumption on body size)."""
    data = {
        "given_name": "é" * 300,
        "family_name": "é" * 300,
        "company_name": "é" * 500,
        "nickname": "é" * 100,
        "reference_id": "é" * 100,
        "note": "é" * 5000,
        "address": {
            **{f"address_line_{i}": "é" * 500 for i in (1, 2, 3)},
            "locality": "é" * 300,
            "sublocality": "é" * 200,
            "administrative_district_level_1": "é" * 200,
        },
    }

    answer = square.ok(
        "POST", "/v2/customers/bulk-create", {"customers": {f"k{i}": data for i in range(100)}}
    )

    assert all("customer" in entry for entry in answer["responses"].values())


# Merchants


def test_the_merchant_is_found_three_ways(opened: Opened) -> None:
    """List uses the key ``merchant``; retrieve takes the id or ``me`` (API reference)."""
    square = opened(country="FR")
    merchant_id = square.sandbox.merchant_id

    (merchant,) = square.ok("GET", "/v2/merchants")["merchant"]

    assert merchant["id"] == merchant_id
    assert (merchant["country"], merchant["currency"]) == ("FR", "EUR")
    assert merchant["status"] == "ACTIVE"
    assert square.ok("GET", "/v2/merchants/me") == {"merchant": merchant}
    assert square.ok("GET", f"/v2/merchants/{merchant_id}") == {"merchant": merchant}
    assert square.refused("GET", "/v2/merchants/ELSE") == (404, [("NOT_FOUND", "")])
