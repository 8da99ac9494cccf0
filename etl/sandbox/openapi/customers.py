"""What do the calls of the Customers API take and give?"""

from __future__ import annotations

from etl.customers.fields import (
    BY_NAME,
    FIELDS,
    IDENTIFYING,
    PHONE_DIGITS,
    TAX_ID_COUNTRIES,
    WRITABLE,
    Field,
)
from etl.sandbox.apis import customers
from etl.sandbox.assumptions import BULK_LIMIT, MAX_KEY_LENGTH
from etl.sandbox.openapi import search
from etl.sandbox.openapi.shapes import (
    CURSOR,
    FLAG,
    MOMENT,
    NOTHING,
    TEXT,
    WHOLE,
    Api,
    Operation,
    Parameter,
    Schema,
    answer,
    array,
    choice,
    either,
    judged_alone,
    limit,
    mapping,
    nullable,
    page,
    record,
    ref,
    texts,
)
from etl.sandbox.rules.customers import DROPPED, countries
from etl.sandbox.search import query


def key(most: int = MAX_KEY_LENGTH) -> Schema:
    """An idempotency key."""
    return {"type": "string", "minLength": 1, "maxLength": most}


KEY = key()

CLEAR_NULL = Parameter(
    "X-Clear-Null", TEXT, "With true, null clears a field; else it changes nothing.", "header"
)


# What a request says of a customer


# What the values of fields that are more than texts have in common; an empty one clears.
_KINDS: dict[str, tuple[str, Schema]] = {
    "email": (
        "EmailAddress",
        {
            "pattern": "^$|@",
            "description": "Valid by email-validator, without DNS.",
            "examples": ["ines.moreau@example.net"],
        },
    ),
    "phone": (
        "PhoneNumber",
        {
            "pattern": rf"^$|^[\s\S]{{{PHONE_DIGITS.start},}}$",
            "description": f"{PHONE_DIGITS.start} to {PHONE_DIGITS.stop - 1} digits, valid by "
            "phonenumbers in the seller's country.",
            "examples": ["+1 206 555 0148"],
        },
    ),
    "birthday": (
        "Birthday",
        {
            "pattern": "^$|^([0-9]{4}-)?[0-9]{2}-[0-9]{2}$",
            "description": "YYYY-MM-DD or MM-DD; year 0000 means that it is unknown.",
            "examples": ["1998-09-21", "04-17"],
        },
    ),
    "country": ("Country", {"enum": ["", *sorted(countries()), None]}),
    "vat": (
        "Vat",
        {
            "pattern": "^[0-9A-Za-z]*$",
            "description": f"Only for sellers in {', '.join(sorted(TAX_ID_COUNTRIES))}.",
        },
    ),
}


def _value(field: Field) -> Schema:
    longest = {} if field.max_length is None else {"maxLength": field.max_length}
    return {**nullable(TEXT), **longest}


def _kinds() -> dict[str, Schema]:
    return {
        _KINDS[field.kind][0]: {**_value(field), **_KINDS[field.kind][1]}
        for field in WRITABLE
        if field.kind in _KINDS
    }


def _writable() -> tuple[dict[str, Schema], dict[str, dict[str, Schema]]]:
    """The writable fields, and those that are parts of an object by its name."""
    members: dict[str, Schema] = {}
    parts: dict[str, dict[str, Schema]] = {}
    for field in (*WRITABLE, *(BY_NAME[name] for name in sorted(DROPPED))):
        name, _, part = field.name.partition(".")
        holder = parts.setdefault(name, {}) if part else members
        holder[part or name] = ref(_KINDS[field.kind][0]) if field.kind in _KINDS else _value(field)
    return members, parts


_MEMBERS, _PARTS = _writable()
_WRITABLE = {
    **_MEMBERS,
    "address": nullable(ref("Address")),
    "tax_ids": nullable(record(_PARTS["tax_ids"])),
}
# A single update ignores what it does not know.
_CHANGEABLE = _MEMBERS | {
    name: nullable(record(parts, more=True)) for name, parts in _PARTS.items()
}
_IDENTIFIED = [
    {"required": [field.name], "properties": {field.name: {"type": "string", "minLength": 1}}}
    for field in IDENTIFYING
]
VERSION = {**nullable(WHOLE), "description": "Must be the stored one."}


# What is answered


def _told() -> tuple[dict[str, Schema], dict[str, Schema]]:
    """All fields of a profile, and the objects that some of them are parts of."""
    kinds = {"flag": FLAG, "number": WHOLE, "time": MOMENT, "list": texts()}
    members: dict[str, Schema] = {}
    parts: dict[str, dict[str, Schema]] = {}
    for field in FIELDS:
        name, _, part = field.name.partition(".")
        holder = parts.setdefault(name, {}) if part else members
        if field.name not in DROPPED:
            holder[part or name] = kinds.get(field.kind, TEXT)
    return members, {name: answer(inner, optional=inner) for name, inner in parts.items()}


_TOLD, _TOLD_OBJECTS = _told()
_ALWAYS = {*("id", "created_at", "updated_at", "preferences", "creation_source", "version")}
# Versions before 2022-10-19 add a time of day.
_BIRTHDAY_TOLD = "^[0-9]{4}-[0-9]{2}-[0-9]{2}(T00:00:00-00:00)?$"
_CUSTOMER = {
    **_TOLD,
    **_TOLD_OBJECTS,
    "address": ref("ToldAddress"),
    "birthday": {"type": "string", "pattern": _BIRTHDAY_TOLD},
    "creation_source": choice(query.CREATION_SOURCES),
    # Versions before 2024-12-18 tell them.
    "cards": array(ref("ShortCard"), 1),
}
_ONE = answer({"customer": ref("Customer")})
_MANY = page(customers=array(ref("Customer"), 1), count=WHOLE)
_EACH = answer({"responses": mapping(either(_ONE, ref("Errors")))})
_EACH_DELETED = answer({"responses": mapping(either(NOTHING, ref("Errors")))})


def _bulk(name: str, entries: Schema) -> Schema:
    return record({name: entries}, [name])


_IDS = array(ref("CustomerId"), 1, BULK_LIMIT)

API = Api(
    "Customers",
    {
        customers.list_customers: Operation(
            _MANY,
            parameters=(
                CURSOR,
                limit(query.MAX_PAGE),
                Parameter("sort_field", choice(query.SORTS), "What the list is sorted by."),
                Parameter("sort_order", choice(query.ORDERS), "In which direction."),
                Parameter("count", FLAG, "Whether all profiles are counted."),
            ),
        ),
        customers.create: Operation(_ONE, ref("NewCustomer")),
        customers.search_customers: Operation(_MANY, ref("CustomerSearch"), body_optional=True),
        customers.bulk_create: Operation(
            _EACH,
            _bulk(
                "customers",
                mapping(judged_alone(ref("BulkCreateCustomerData")), KEY, 1, BULK_LIMIT),
            ),
        ),
        customers.bulk_retrieve: Operation(_EACH, _bulk("customer_ids", _IDS)),
        customers.bulk_update: Operation(
            _EACH,
            _bulk(
                "customers",
                mapping(
                    judged_alone(ref("BulkUpdateCustomerData")), ref("CustomerId"), 1, BULK_LIMIT
                ),
            ),
            parameters=(CLEAR_NULL,),
        ),
        customers.bulk_delete: Operation(_EACH_DELETED, _bulk("customer_ids", _IDS)),
        customers.retrieve: Operation(_ONE),
        customers.update: Operation(
            _ONE, ref("CustomerChange"), parameters=(CLEAR_NULL,), conflicts=True
        ),
        customers.delete: Operation(
            NOTHING,
            parameters=(Parameter("version", WHOLE, "Must be the stored one."),),
            conflicts=True,
        ),
    },
    {
        "CustomerId": TEXT,
        **_kinds(),
        "Address": record(_PARTS["address"]),
        "ToldAddress": _TOLD_OBJECTS["address"],
        "Customer": answer(_CUSTOMER, optional=set(_CUSTOMER) - _ALWAYS),
        "NewCustomer": {
            **record({"idempotency_key": nullable(KEY), **_WRITABLE}),
            "anyOf": _IDENTIFIED,
        },
        "CustomerChange": record({"version": VERSION, **_CHANGEABLE}, more=True),
        "BulkCreateCustomerData": {**record(_WRITABLE), "anyOf": _IDENTIFIED},
        "BulkUpdateCustomerData": record({"version": VERSION, **_WRITABLE}),
        **search.SCHEMAS,
    },
)
