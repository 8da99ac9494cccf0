"""What do the calls of the Orders API take and give?"""

from __future__ import annotations

from etl.sandbox.apis import orders
from etl.sandbox.assumptions import MOST_LINES
from etl.sandbox.openapi.customers import key
from etl.sandbox.openapi.money import MONEY, money
from etl.sandbox.openapi.search import RANGE
from etl.sandbox.openapi.shapes import (
    FLAG,
    MOMENT,
    SOME_TEXT,
    TEXT,
    WHOLE,
    Api,
    Operation,
    Schema,
    answer,
    array,
    choice,
    nullable,
    page,
    record,
    ref,
    short_text,
)
from etl.sandbox.rules import orders as rules

_ONE = answer({"order": ref("Order")})
_LINE = record(
    {
        "uid": short_text(rules.MAX_UID),
        "name": short_text(rules.MAX_NAME),
        "quantity": {
            "type": "string",
            "pattern": "^0*[1-9][0-9]*$",
            "maxLength": rules.MAX_QUANTITY,
        },
        "note": short_text(rules.MAX_NOTE),
        "base_price_money": money(),
    },
    ["quantity", "base_price_money"],
)
_NEW = record(
    {
        "location_id": ref("LocationId"),
        "reference_id": short_text(rules.MAX_REFERENCE),
        "customer_id": nullable(ref("CustomerId")),
        "source": nullable(record({"name": short_text(rules.MAX_SOURCE)})),
        "state": nullable(choice(["OPEN"])),
        "line_items": nullable(array(_LINE, most=MOST_LINES)),
    },
    ["location_id"],
)
_FILTERS = {
    "state_filter": nullable(record({"states": array(choice(rules.STATES), 1)}, ["states"])),
    "customer_filter": nullable(
        record({"customer_ids": array(ref("CustomerId"), 1, orders.MAX_IDS)}, ["customer_ids"])
    ),
    "date_time_filter": nullable(record(dict.fromkeys(map(str.lower, orders.SORTS), RANGE))),
}
_SEARCH = record(
    {
        "location_ids": array(ref("LocationId"), 1, orders.MAX_IDS),
        "cursor": nullable(TEXT),
        "limit": nullable({"type": "integer", "minimum": 1, "maximum": orders.MAX_PAGE}),
        "return_entries": nullable(FLAG),
        "query": nullable(
            record(
                {
                    "filter": nullable(record(_FILTERS)),
                    "sort": nullable(
                        record(
                            {
                                "sort_field": nullable(choice(orders.SORTS)),
                                "sort_order": nullable(choice(orders.ORDERS)),
                            }
                        )
                    ),
                }
            )
        ),
    },
    ["location_ids"],
)


def _moneys(*names: str) -> dict[str, Schema]:
    return dict.fromkeys((f"{name}_money" for name in names), MONEY)


_SUMS = _moneys("total_tax", "total_discount", "total", "total_service_charge")
_TENDER = answer(
    {
        "id": TEXT,
        "location_id": TEXT,
        "transaction_id": TEXT,
        "created_at": MOMENT,
        "amount_money": MONEY,
        "type": TEXT,
        "payment_id": TEXT,
        "note": SOME_TEXT,
        "tip_money": MONEY,
        "customer_id": TEXT,
        "card_details": answer({"status": TEXT, "card": ref("ChargedCard"), "entry_method": TEXT}),
        "cash_details": answer(_moneys("buyer_tendered", "change_back")),
    },
    optional=["note", "tip_money", "customer_id", "card_details", "cash_details"],
)
_ORDER = answer(
    {
        "id": ref("OrderId"),
        "location_id": TEXT,
        "reference_id": SOME_TEXT,
        "customer_id": TEXT,
        "source": answer({"name": SOME_TEXT}),
        "line_items": array(ref("OrderLineItem"), 1),
        "created_at": MOMENT,
        "updated_at": MOMENT,
        "closed_at": MOMENT,
        "state": choice(rules.STATES),
        "version": WHOLE,
        "tenders": array(ref("Tender"), 1),
        **_SUMS,
        **_moneys("total_tip", "net_amount_due"),
        "net_amounts": answer(_moneys("total", "tax", "discount", "tip", "service_charge")),
    },
    optional=[
        *("reference_id", "customer_id", "source", "line_items", "closed_at", "tenders"),
    ],
)

API = Api(
    "Orders",
    {
        orders.create_order: Operation(
            _ONE,
            record({"idempotency_key": nullable(key(orders.MAX_KEY)), "order": _NEW}, ["order"]),
            misses=True,
        ),
        orders.search_orders: Operation(
            page(orders=array(ref("Order"), 1), order_entries=array(ref("OrderEntry"), 1)),
            _SEARCH,
            misses=True,
        ),
        orders.batch_retrieve: Operation(
            answer({"orders": array(ref("Order"), 1)}, optional=["orders"]),
            record(
                {
                    "order_ids": array(ref("OrderId"), 1, orders.MAX_BATCH),
                    "location_id": nullable(ref("LocationId")),
                },
                ["order_ids"],
            ),
            misses=True,
        ),
        orders.retrieve_order: Operation(_ONE),
    },
    {
        "OrderId": TEXT,
        "Order": _ORDER,
        "OrderEntry": answer({"order_id": TEXT, "version": WHOLE, "location_id": TEXT}),
        "OrderLineItem": answer(
            {
                "uid": SOME_TEXT,
                "name": SOME_TEXT,
                "quantity": TEXT,
                "note": SOME_TEXT,
                "item_type": TEXT,
                **_moneys("base_price", "gross_sales", "variation_total_price"),
                **_SUMS,
            },
            optional=["name", "note"],
        ),
        "Tender": _TENDER,
    },
)
