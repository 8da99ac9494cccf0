"""The official SDK, unmodified, covers the Customers API."""

from __future__ import annotations

import pytest
from square import Square as Sdk
from square.core.api_error import ApiError


def test_the_official_sdk_works_unmodified(sdk: Sdk) -> None:
    """Create, batch-create, list over pages, search, get, update, delete through squareup."""
    made = sdk.customers.create(
        idempotency_key="sdk-1",
        given_name="Ines",
        email_address="Ines@example.net",
        phone_number="(415) 555-0148",
        address={"address_line1": "12 High St", "locality": "Leeds", "country": "GB"},
        birthday="04-17",
    ).customer
    assert made is not None
    assert made.id is not None
    assert made.address is not None
    assert (made.address.address_line1, made.birthday, made.version) == (
        "12 High St",
        "0000-04-17",
        0,
    )

    for batch in range(2):
        entries = {f"sdk-{batch}-{i}": {"given_name": f"G{batch}{i:02}"} for i in range(100)}
        answer = sdk.customers.batch_create(customers=entries)
        assert answer.responses is not None
        assert len(answer.responses) == 100

    everyone = [customer.given_name for customer in sdk.customers.list(sort_field="CREATED_AT")]
    assert len(everyone) == 201
    assert everyone[0] == "Ines"
    for filters in (
        {"email_address": {"exact": "ines@example.net"}},
        {"phone_number": {"exact": "+14155550148"}},
    ):
        found = sdk.customers.search(query={"filter": filters}, count=True)
        assert found.customers is not None
        assert ([customer.id for customer in found.customers], found.count) == ([made.id], 1)

    updated = sdk.customers.update(made.id, nickname="Nes", version=0).customer
    assert updated is not None
    assert (updated.nickname, updated.version) == ("Nes", 1)
    read = sdk.customers.get(made.id).customer
    assert read is not None
    segments = {"segment_ids"}
    assert read.model_dump(exclude=segments) == updated.model_dump(exclude=segments)
    bulk = sdk.customers.bulk_retrieve_customers(customer_ids=[made.id]).responses
    assert bulk is not None
    assert bulk[made.id].customer == read
    with pytest.raises(ApiError) as stale:
        sdk.customers.update(made.id, nickname="N", version=0, request_options={"max_retries": 0})
    assert stale.value.status_code == 409
    assert sdk.customers.delete(made.id).errors is None
    with pytest.raises(ApiError) as gone:
        sdk.customers.get(made.id)
    assert gone.value.status_code == 404
    merchant = sdk.merchants.get("me").merchant
    assert merchant is not None
    assert merchant.country == "US"
