"""What did we decide where Square says nothing?

Everything the sandbox does that no source of Square's states is listed here, so that nobody
mistakes it for Square's word. The numbers are used by the code; the table is for people.
"""

from __future__ import annotations

from typing import NamedTuple

MAX_KEY_LENGTH = 45
KEY_LIFETIME = 24 * 3600
CURSOR_LIFETIME = 300
EVENT_LIFETIME = 28 * 24 * 3600
MAX_URL_LENGTH = 2048
# Who is loyal or lapsed, in days: three payments within, the latest not longer ago than.
LOYAL_WITHIN = 180
LAPSED_WITHIN = 365
AWAY_AFTER = 60
# The most money there can be of anything, and the most lines of an order.
MOST_MONEY = 10**11
MOST_LINES = 500
BULK_LIMIT = 100
MAX_DEFINITIONS = 100
MAX_OPTIONS = 100
SINGLE_BODY_LIMIT = 1 << 20
# 100 profiles with every field at its limit, written as \uXXXX escapes, are 6.5 MB.
BULK_BODY_LIMIT = 8 << 20


# What Square has and the sandbox has not.
NOT_SERVED = (
    "webhooks to other machines",
    "taxes, discounts and refunds",
    "payments in several steps",
    "segments but for four that follow from profiles, cards and payments",
    "OAuth, but for the status of a token",
)


class Assumption(NamedTuple):
    """One thing Square does not tell, and what the sandbox does."""

    subject: str
    choice: str


ASSUMPTIONS = (
    Assumption("default Square-Version", "no header: the newest version known (a setting)"),
    Assumption("count, and bulk calls, whose first version is not told", "always there"),
    Assumption(
        "cards of profiles before 2024-12-18",
        "the enabled ones, in the short form of the deprecated calls; not in answers to creates",
    ),
    Assumption("a group's key before 2022-03-16", "makes a new group each time"),
    Assumption("a long email before 2022-03-16", "INVALID_VALUE, once"),
    Assumption("null inside an address before 2022-11-16", "as if absent, so cleared"),
    Assumption("version beyond the newest known", "served as the newest, which is logged"),
    Assumption("order of checks", "path, token, pace, size, version, scopes, JSON, types, values"),
    Assumption("answer without a valid version", "has no Square-Version header"),
    Assumption("status of CONFLICT", "409"),
    Assumption("version above the stored one", "CONFLICT, as any other than the stored one"),
    Assumption("an update that changes nothing", "200; version and updated_at stay"),
    Assumption(
        "idempotency key, length", f"1 to {MAX_KEY_LENGTH} characters; also of bulk-create's keys"
    ),
    Assumption(
        "idempotency key, an unusable one in bulk-create", "refuses the call, nothing is run"
    ),
    Assumption(
        "idempotency key, lifetime",
        f"{KEY_LIFETIME // 3600} hours on the sandbox's clock (a setting)",
    ),
    Assumption("idempotency key, space", "all calls share one"),
    Assumption("idempotency key, length of gift cards and orders", "up to 128 and 192 characters"),
    Assumption("idempotency key, sameness", "the same JSON members, whatever their order"),
    Assumption("idempotency key after a refused create", "not consumed"),
    Assumption("idempotency key after a delete", "stays consumed: IDEMPOTENCY_KEY_REUSED"),
    Assumption("idempotency key after a merge", "answers with the profile as it was created"),
    Assumption(
        "null without X-Clear-Null",
        "changes nothing, but counts as a field that was set; it clears if set so",
    ),
    Assumption("null or an empty string on create", "as if absent"),
    Assumption("clearing the last public field", "BAD_REQUEST"),
    Assumption("unknown and read-only fields", "refused on create, search and in bulk"),
    Assumption("unknown and read-only fields on a single update", "ignored"),
    Assumption("address.first_name, last_name", "over 300 VALUE_TOO_LONG, else dropped"),
    Assumption("wrong JSON type inside a bulk entry", "an error of that entry alone"),
    Assumption("stages of validation", "types and unknown fields, then all values, then identity"),
    Assumption("length of note", "no limit but the body's"),
    Assumption("lengths", "in Unicode code points; nothing is trimmed or normalised"),
    Assumption("characters in phones", "no letters, so neither vanity numbers nor extensions"),
    Assumption("phones", "9 to 16 digits, valid by phonenumbers in the merchant's country"),
    Assumption("emails", "valid by email-validator without DNS; non-ASCII addresses too"),
    Assumption("birthdays", "future ones accepted; 02-29 only with a leap year or none"),
    Assumption("country codes", "upper case ISO 3166 alpha-2, and ZZ"),
    Assumption("tax_ids.eu_vat", "ASCII letters and digits only, else INVALID_VALUE"),
    Assumption(
        "bulk calls with none or too many entries",
        f"1 to {BULK_LIMIT}, else the call is refused: VALUE_EMPTY or TOO_MANY_MAP_ENTRIES for "
        "maps, ARRAY_EMPTY or ARRAY_LENGTH_TOO_LONG for lists",
    ),
    Assumption("repeated ids in bulk-retrieve and bulk-delete", "one answer per distinct id"),
    Assumption("updated_at", "whole seconds, rounded down; created_at has milliseconds"),
    Assumption("created_at and updated_at bounds", "both inclusive, compared as displayed"),
    Assumption("range that ends before it starts", "INVALID_TIME_RANGE"),
    Assumption("DEFAULT sort", "case-insensitive, by code point, names joined without a blank"),
    Assumption("ties of both sorts", "by id, in the same direction"),
    Assumption("exact phone without +", "finds nothing"),
    Assumption("punctuation in fuzzy emails", "only . _ @ are removed, on both sides"),
    Assumption(
        "fuzzy phones", "tokens less their punctuation, inside the digits of the E.164 form"
    ),
    Assumption("fuzzy references", "tokens of letters and digits, of any script"),
    Assumption("empty text or list in a filter", "VALUE_EMPTY, ARRAY_EMPTY"),
    Assumption("empty text where one of some is asked for", "INVALID_ENUM_VALUE, as any other"),
    Assumption(
        "cursor lifetime",
        f"{CURSOR_LIFETIME} s on the sandbox's clock (a setting), else INVALID_CURSOR",
    ),
    Assumption("cursor of another query", "INVALID_CURSOR; limit and count may change"),
    Assumption("limit", "pages are as full as it allows (a setting makes them shorter)"),
    Assumption("unknown query parameters", "ignored"),
    Assumption("retrieve by id", "shows every write at once, whatever the lag"),
    Assumption("lag that is raised", "list and search stand still until they are that far behind"),
    Assumption("update or delete by a merged id", "404 NOT_FOUND"),
    Assumption(
        "conflicting values in a merge", "the first profile named wins, the others fill its gaps"
    ),
    Assumption("created_at of a merge", "the moment of the merge; its version is 0"),
    Assumption("groups of merged profiles", "the new one is in all of them"),
    Assumption("groups of one name", "allowed; names have no limit but the body's"),
    Assumption("order of groups in a list", "the oldest first; list and retrieve never lag"),
    Assumption("joining a group twice, leaving one without being in it", "{}; the version stays"),
    Assumption("deleting a group", "its members leave it, which raises their versions"),
    Assumption("membership by a merged id", "404 NOT_FOUND, as update and delete"),
    Assumption("body of a membership call", "not read"),
    Assumption("REACHABLE", "whoever has an email or a phone"),
    Assumption("CARDS_ON_FILE", "whoever has an enabled card on file; gift cards do not count"),
    Assumption(
        "LOYAL",
        f"three payments in the last {LOYAL_WITHIN} days, one of them in the last {AWAY_AFTER}",
    ),
    Assumption(
        "CHURN_RISK", f"three payments in the last {LAPSED_WITHIN} days, none in {AWAY_AFTER}"
    ),
    Assumption("payments of merged profiles", "count for the segments of the new one"),
    Assumption("segments and the lag", "REACHABLE as the profile that is shown, others never lag"),
    Assumption("segment_ids", "told by reads at once, not by the answers to writes"),
    Assumption("more than three segments in a filter", "ARRAY_LENGTH_TOO_LONG"),
    Assumption(
        "token that expired or was revoked",
        "the sandbox's own still opens its control calls, and anew when the file is opened",
    ),
    Assumption(
        "pause of a whole application",
        "scripted, until its end or another plan; Retry-After tells what is left",
    ),
    Assumption(
        "custom attributes, applications",
        "one, whatever the token; what other applications and the seller made comes with a seed",
    ),
    Assumption("custom attributes, own qualified keys", "not known: own ones have simple keys"),
    Assumption("custom attributes, lag", "only the search by their values lags"),
    Assumption("custom attributes, order of lists", "by key; created_at and updated_at are whole"),
    Assumption(
        "custom attributes, another's that may only be read or not be redefined", "403 FORBIDDEN"
    ),
    Assumption("custom attributes, another's that are hidden", "as if there were none"),
    Assumption(
        "custom attributes, version",
        "an older one is CONFLICT, 409; one beyond the current, which is 0 before the first value, "
        "BAD_REQUEST",
    ),
    Assumption(
        "custom attributes, a write that changes nothing", "200; version and updated_at stay"
    ),
    Assumption("custom attributes, unknown and read-only fields in a write", "refused"),
    Assumption(
        "custom attributes, a repeated idempotency key",
        "the first answer, even if what it wrote was changed or deleted since",
    ),
    Assumption(
        "attribute definitions, number",
        f"{MAX_DEFINITIONS} own ones, as Square tells of those of orders; else BAD_REQUEST",
    ),
    Assumption("attribute definitions, key or name of another", "CONFLICT, 409, on update too"),
    Assumption("attribute definitions, an empty name or description", "as if absent, so cleared"),
    Assumption("attribute definitions, an update that names nothing", "BAD_REQUEST"),
    Assumption(
        "Selection, schema",
        f"all members required; 1 to {MAX_OPTIONS} options with names that differ, maxItems alike",
    ),
    Assumption(
        "Selection, an update of its options",
        "with enum the ids belong to the names in their order, without it to the same names; "
        "values keep ids that are no options any more, and more than maxItems",
    ),
    Assumption("Selection, an empty list as a value", "accepted"),
    Assumption(
        "codes of values that do not fit their schema", "those of like fields of a customer"
    ),
    Assumption("DateTime and Duration", "accepted in definitions; values as in the schema file"),
    Assumption("Number `-.`", "accepted, since the schema file has it; sought as 0"),
    Assumption("null as a value", "as if absent, so refused; an empty text is a value"),
    Assumption(
        "custom attributes of merged profiles",
        "the first profile named wins, the others fill its gaps; versions and times stay; reading "
        "by an old id follows, writing is 404 NOT_FOUND",
    ),
    Assumption("custom attributes, version of their customer", "not raised"),
    Assumption("filter by custom attribute, key that is not visible", "BAD_REQUEST"),
    Assumption("filter by custom attribute, of another type", "BAD_REQUEST; one filter per key"),
    Assumption("filter by text, words", "letters, digits and _ of any script, in a row"),
    Assumption("filter by selection, names that are no options", "find nothing"),
    Assumption("filter by date, a moment as a bound", "is the day it names in its own zone"),
    Assumption("filter by number, bounds", "texts, as values are; at most five decimals"),
    Assumption("filter by address, postal code", "whole, case-insensitive"),
    Assumption("cost of a bulk call against the rate limit", "one call"),
    Assumption(
        "rate limit",
        "a bucket per token and process; it holds one second's worth, at least one call; a 429 "
        "has Retry-After (a setting)",
    ),
    Assumption(
        "body size",
        f"{SINGLE_BODY_LIMIT} bytes, {BULK_BODY_LIMIT} for bulk calls; else 413",
    ),
    Assumption(
        "events nobody can ask for",
        "not kept: those while the Events API was disabled and no subscription wanted them",
    ),
    Assumption(
        "concurrent updates, of which the latest version is notified",
        "writes come one after the other here, so every version has its event",
    ),
    Assumption("events of a merge", "customer.created, then customer.deleted in the order named"),
    Assumption(
        "object of a custom attribute's event",
        "in a member custom_attribute, as the SDK has it, not flat as in examples",
    ),
    Assumption("id of a definition's event", "application:key"),
    Assumption(
        "values that go with their definition or their customer, gift cards in a merge",
        "have no events of their own",
    ),
    Assumption("older names of custom attribute events", "gone from 2022-08-17 on"),
    Assumption("phone of an event", "E.164; as typed where an older version let in no number"),
    Assumption(
        "the application's own calls, subscriptions and events",
        "any other token lacks DEVELOPER_APPLICATION_WEBHOOKS: 403 INSUFFICIENT_SCOPES",
    ),
    Assumption("types of events the sandbox does not have", "INVALID_VALUE, in searches too"),
    Assumption("order of a search for events", "by time, then as they happened; ASC by default"),
    Assumption("api_version of an event's metadata", "the default one; days as the call's version"),
    Assumption("a search for events of a location", "finds nothing: customers have no location"),
    Assumption(
        "subscription, what it needs",
        "event_types and notification_url; by default it is enabled, of the default version",
    ),
    Assumption(
        "subscription, read-only fields", "refused on create, ignored on update, null is absent"
    ),
    Assumption("subscription, where signature_key is told", "by create, retrieve and rotate only"),
    Assumption(
        "notification_url",
        f"http or https to this machine, at most {MAX_URL_LENGTH} characters, else INVALID_VALUE; "
        "no certificate is judged",
    ),
    Assumption("disabling a subscription", "gives up what waits for it"),
    Assumption("emptying the sandbox", "forgets events and what waits; subscriptions stay"),
    Assumption(
        "waits between deliveries",
        "counted from the event, on the sandbox's clock; what was missed is left out",
    ),
    Assumption("order of deliveries", "the oldest due first; a failed one lets the others pass"),
    Assumption(
        "test of a subscription",
        "sent once, also to a disabled one, and not kept; no status_code if nobody answers",
    ),
    Assumption("depth of JSON", "250 levels, which no call needs; else BAD_REQUEST"),
    Assumption("content type of a body", "not looked at; it is read as JSON"),
    Assumption("merchants other than Square's eight countries", "no currency, no language"),
    # Cards
    Assumption("scopes of the Cards API", "PAYMENTS_READ and PAYMENTS_WRITE"),
    Assumption("card behind cnon:card-nonce-ok", "a VISA 5858 that expires in two years"),
    Assumption("postal code with a test value", "94103 or none, else INVALID_CARD_DATA"),
    Assumption("CreateCard from a payment", "refused: the sandbox saves cards from test values"),
    Assumption(
        "CreateCustomerCard with the same nonce",
        "the same card while it is enabled and for the same customer; the rest of the body is "
        "not compared",
    ),
    Assumption("DeleteCustomerCard", "disables the card"),
    Assumption("cards of a deleted profile", "deleted; its gift cards are unlinked"),
    Assumption("cards and gift cards of merged profiles", "go to the new one"),
    Assumption("cards, gift cards, orders and payments and the lag", "they never lag"),
    Assumption("customer_id of a merged or unknown profile in a body", "404 NOT_FOUND"),
    Assumption("order of cards and gift cards in a list", "by creation, ties by id"),
    # Gift cards
    Assumption("linking a gift card twice, unlinking who is not linked", "200, unchanged"),
    Assumption("customers of a gift card", "any number"),
    Assumption("gan of a customer's own", "only with gan_source OTHER; a known one: INVALID_VALUE"),
    Assumption("GetGiftCardFromNonce", "the nonce is cnon: and the account number"),
    Assumption("gift card activities", "ACTIVATE and LOAD by amount_money, others are refused"),
    Assumption("activation without buyer_payment_instrument_ids", "allowed"),
    # Orders and payments
    Assumption("locations", "one; another's id is 404 NOT_FOUND, in paths, bodies and filters"),
    Assumption("location's time zone", "that of the capital, else UTC; no address, no phone"),
    Assumption("orders", "line items of name, whole quantity and price; no taxes, discounts"),
    Assumption("order without line items", "allowed, its total is 0"),
    Assumption("lines of an order", f"at most {MOST_LINES}, else ARRAY_LENGTH_TOO_LONG"),
    Assumption(
        "money", f"at most {MOST_MONEY}, in the merchant's currency; XXX where none is known"
    ),
    Assumption("status of a declined card", "400; no failed payment is kept"),
    Assumption("payments", "completed at once; autocomplete false is refused"),
    Assumption("payment of an order", "all of it at once, else BAD_REQUEST"),
    Assumption("payment without an order", "makes one of a custom amount, without a customer"),
    Assumption("payment without customer_id", "that of its order; no instant profile is made"),
    Assumption("disabled card on file, or another customer's", "404 NOT_FOUND"),
    Assumption("version of an order", "1, 2 once it is paid"),
    Assumption("bounds of ListPayments", "both inclusive; a limit below 1 is VALUE_TOO_LOW"),
    Assumption("date_time_filter of another field than the sort's", "BAD_REQUEST"),
    Assumption("orders sorted by CLOSED_AT", "only those that are closed"),
    Assumption("filters of ListPayments by total, card and offline", "refused"),
)
