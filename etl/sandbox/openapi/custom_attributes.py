"""What do the calls of the Customer Custom Attributes API take and give?"""

from __future__ import annotations

from etl.sandbox.apis import custom_attribute_definitions as definitions
from etl.sandbox.apis import custom_attributes as values
from etl.sandbox.assumptions import MAX_OPTIONS
from etl.sandbox.openapi.customers import CLEAR_NULL, KEY, VERSION
from etl.sandbox.openapi.shapes import (
    CURSOR,
    FLAG,
    MOMENT,
    NOTHING,
    SOME_TEXT,
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
)
from etl.sandbox.rules import attribute_definitions as rules
from etl.sandbox.rules.custom_attributes import TYPES

_AT_LEAST = Parameter("version", WHOLE, "Of at least this version.")


def _definition(name: str) -> Schema:
    return record(
        {"idempotency_key": nullable(KEY), "custom_attribute_definition": ref(name)},
        ["custom_attribute_definition"],
    )


def _selection(items: dict[str, Schema]) -> Schema:
    members: dict[str, Schema] = {
        "$schema": {"const": rules.META},
        "type": {"const": "array"},
        "uniqueItems": {"const": True},
        "maxItems": {"type": "integer", "minimum": 1, "maximum": MAX_OPTIONS},
        "items": record(items, ["names"]),
    }
    return record(members, members)


_NAMES: Schema = {**array(SOME_TEXT, 1, MAX_OPTIONS), "uniqueItems": True}
_SIMPLE = record(
    {"$ref": choice(rules.COMMON + kind for kind in sorted(TYPES - {"Selection"}))}, ["$ref"]
)
_TOLD_SELECTION = {"names": _NAMES, "enum": array(TEXT, 1)}
_TEXT: Schema = {**nullable(TEXT), "maxLength": rules.MAX_TEXT}
_MEMBERS = {
    "name": _TEXT,
    "description": _TEXT,
    "visibility": nullable(choice(rules.VISIBILITIES)),
}
_VALUE: Schema = {
    "type": ["string", "boolean", "object", "array"],
    "description": "As the schema of its definition says.",
}
_ATTRIBUTE = record({"key": nullable(ref("Key")), "value": _VALUE, "version": VERSION}, ["value"])
_GIVEN = answer({"custom_attribute": ref("CustomAttribute")})
_DEFINED = answer({"custom_attribute_definition": ref("CustomAttributeDefinition")})

API = Api(
    "Customer custom attributes",
    {
        definitions.list_definitions: Operation(
            page(custom_attribute_definitions=array(ref("CustomAttributeDefinition"), 1)),
            parameters=(CURSOR, limit(definitions.MAX_PAGE)),
        ),
        definitions.create_definition: Operation(
            _DEFINED, _definition("NewCustomAttributeDefinition"), conflicts=True
        ),
        definitions.retrieve_definition: Operation(_DEFINED, parameters=(_AT_LEAST,)),
        definitions.update_definition: Operation(
            _DEFINED,
            _definition("CustomAttributeDefinitionChange"),
            parameters=(CLEAR_NULL,),
            conflicts=True,
        ),
        definitions.delete_definition: Operation(NOTHING),
        values.bulk_upsert_attributes: Operation(
            answer(
                {
                    "values": mapping(
                        either(
                            answer(
                                {"customer_id": TEXT, "custom_attribute": ref("CustomAttribute")}
                            ),
                            ref("Errors"),
                        )
                    )
                }
            ),
            record(
                {
                    "values": mapping(
                        judged_alone(ref("BulkUpsertEntry")), least=1, most=values.BULK_LIMIT
                    )
                },
                ["values"],
            ),
        ),
        values.list_attributes: Operation(
            page(custom_attributes=array(ref("CustomAttribute"), 1)),
            parameters=(
                CURSOR,
                limit(values.MAX_PAGE),
                Parameter("with_definitions", FLAG, "Whether each shows its definition."),
            ),
        ),
        values.retrieve_attribute: Operation(
            _GIVEN,
            parameters=(
                _AT_LEAST,
                Parameter("with_definition", FLAG, "Whether it shows its definition."),
            ),
        ),
        values.upsert_attribute: Operation(
            _GIVEN,
            record(
                {"idempotency_key": nullable(KEY), "custom_attribute": _ATTRIBUTE},
                ["custom_attribute"],
            ),
            conflicts=True,
        ),
        values.delete_attribute: Operation(NOTHING),
    },
    {
        "Key": {"type": "string", "description": "The key of a definition."},
        "NewCustomAttributeDefinition": record(
            {
                "key": {
                    "type": "string",
                    "pattern": f"^({rules.KEY.pattern})$",
                    "maxLength": rules.MAX_KEY,
                },
                "schema": either(_SIMPLE, _selection({"names": _NAMES})),
                **_MEMBERS,
            },
            ["key", "schema"],
        ),
        "CustomAttributeDefinitionChange": {
            **record(
                {
                    "key": nullable(ref("Key")),
                    "version": VERSION,
                    "schema": nullable(
                        either(
                            NOTHING,
                            _SIMPLE,
                            _selection({"names": _NAMES, "enum": nullable(array(TEXT, 1))}),
                        )
                    ),
                    **_MEMBERS,
                }
            ),
            "anyOf": [{"required": [name]} for name in ("schema", *_MEMBERS)],
        },
        "CustomAttributeDefinition": answer(
            {
                "key": SOME_TEXT,
                "name": SOME_TEXT,
                "description": SOME_TEXT,
                "version": WHOLE,
                "updated_at": MOMENT,
                "schema": either(_SIMPLE, _selection(_TOLD_SELECTION)),
                "created_at": MOMENT,
                "visibility": choice(rules.VISIBILITIES),
            },
            optional=["name", "description"],
        ),
        "BulkUpsertEntry": record(
            {
                "idempotency_key": nullable(KEY),
                "customer_id": ref("CustomerId"),
                "custom_attribute": {**_ATTRIBUTE, "required": ["key", "value"]},
            },
            ["customer_id", "custom_attribute"],
        ),
        "CustomAttribute": answer(
            {
                "key": SOME_TEXT,
                "version": WHOLE,
                "updated_at": MOMENT,
                "value": _VALUE,
                "definition": ref("CustomAttributeDefinition"),
                "created_at": MOMENT,
                "visibility": choice(rules.VISIBILITIES),
            },
            optional=["definition"],
        ),
    },
)
