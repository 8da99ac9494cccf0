"""The pages of the sandbox, read as text: who may look, who may change something, what is told."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.sandbox import Request, Sandbox
from etl.sandbox.pages import Pages
from etl.sandbox.pages.faults import READY
from etl.sandbox.pages.site import LEAVES
from etl.sandbox.rules.attribute_definitions import META
from tests.sandbox.conftest import Stage
from tests.sandbox.site import KEY, ROOT, Site, opened, text

LOG_IN = f"{ROOT}log-in"
WHOLE_PAGES = ("/", f"{ROOT}requests", f"{ROOT}faults", f"{ROOT}about")


@pytest.fixture(params=["in process", "on a socket"])
def closed(request: pytest.FixtureRequest, stage: Stage) -> Iterator[Site]:
    """The pages before anybody has logged in."""
    with opened(stage, on_a_socket=request.param == "on a socket") as site:
        yield site


@pytest.fixture
def site(closed: Site) -> Site:
    """The pages of somebody who has logged in."""
    answer = closed.client.post(LOG_IN, data={"token": closed.sandbox.token})
    assert answer.status_code == 303
    return closed


# Who may look


@pytest.mark.parametrize("path", [*WHOLE_PAGES, f"{ROOT}profiles/X"])
def test_without_a_session_the_token_is_asked_for(closed: Site, path: str) -> None:
    """Every page leads to the log-in, which leads back."""
    answer = closed.client.get(path)

    assert answer.status_code == 303
    assert answer.headers["location"].startswith(LOG_IN)
    form = closed.client.get(answer.headers["location"])
    assert form.status_code == 200
    back = {"to": re.findall(r'name="to" value="([^"]*)"', form.text)[0]}
    logged_in = closed.client.post(LOG_IN, data={"token": closed.sandbox.token, **back})
    assert (logged_in.status_code, logged_in.headers["location"]) == (303, path)


def test_a_bearer_token_opens_no_page(closed: Site) -> None:
    """Pages know sessions only: what a program shows is not looked at."""
    assert closed.api.get("/").status_code == 303


@pytest.mark.parametrize("token", ["", "nonsense", "sandbox-" + "0" * 40, "two words", "ü\0"])
def test_a_wrong_token_is_refused(closed: Site, token: str) -> None:
    """Another token opens nothing, and is not shown again."""
    answer = closed.client.post(LOG_IN, data={"token": token})

    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert "not the sandbox’s token" in text(answer.text)
    assert not token or token not in answer.text
    assert closed.client.get("/").status_code == 303


def test_an_issued_token_is_refused(closed: Site) -> None:
    """As with control calls, only the sandbox's own token opens them."""
    body = {"scopes": ["CUSTOMERS_READ", "CUSTOMERS_WRITE"]}
    token = closed.api.post("/_sandbox/tokens", json=body).json()["token"]

    assert closed.client.post(LOG_IN, data={"token": token}).status_code == 401


def test_the_cookie(closed: Site) -> None:
    """It is random, hidden from scripts and other sites, ends, and is one per port."""
    first, second = (
        closed.client.post(LOG_IN, data={"token": closed.sandbox.token}).headers["set-cookie"]
        for _ in range(2)
    )

    pair, *flags = first.split("; ")
    name, _, value = pair.partition("=")
    assert name == f"square-sandbox-{closed.client.base_url.port}"
    assert flags == ["Path=/", "Max-Age=28800", "HttpOnly", "SameSite=Strict"]
    assert len(value) == 43
    assert value not in second
    assert closed.sandbox.token not in first


def test_sessions_end(site: Site) -> None:
    """After eight hours on this machine's clock the token is asked for again."""
    site.send("clock", number="9", unit="hours")
    site.session_clock.now += 8 * 3600 - 1
    assert site.client.get("/").status_code == 200

    site.session_clock.now += 1

    assert site.client.get("/").status_code == 303
    site.session_clock.now -= 3600
    assert site.client.get("/").status_code == 303


def test_logging_out(site: Site) -> None:
    """The session ends for whoever still has its cookie."""
    cookie = httpx.Cookies(site.client.cookies)

    answer = site.send("log-out")

    assert (answer.status_code, answer.headers["location"]) == (303, LOG_IN)
    assert "Max-Age=0" in answer.headers["set-cookie"]
    site.client.cookies = cookie
    assert site.client.get("/").status_code == 303


def test_many_sessions_push_out_the_oldest(site: Site) -> None:
    """Logging in again and again does not fill the memory."""
    cookie = httpx.Cookies(site.client.cookies)
    for _ in range(100):
        site.client.post(LOG_IN, data={"token": site.sandbox.token})

    assert site.client.get("/").status_code == 200
    site.client.cookies = cookie
    assert site.client.get("/").status_code == 303


@pytest.mark.parametrize(
    "to",
    [
        "https://example.com/",
        "//example.com/",
        "/\\example.com",
        "/v2/customers",
        "/\r\nset-cookie: a=b",
        "/_sandbox/pages/\nx",
        "javascript:alert(1)",
    ],
)
def test_a_log_in_leads_to_pages_only(closed: Site, to: str) -> None:
    """Whatever a link to the log-in says, nobody is led elsewhere."""
    answer = closed.client.post(LOG_IN, data={"token": closed.sandbox.token, "to": to})

    assert (answer.status_code, answer.headers["location"]) == (303, "/")


def test_the_token_is_nowhere(site: Site) -> None:
    """No page, address or header of an answer tells the token or the cookie."""
    site.api.get("/v2/customers")
    site.api.delete(f"/_sandbox/tokens/{site.sandbox.token}x")
    cookie = next(iter(site.client.cookies.jar)).value
    assert cookie
    for path in (*WHOLE_PAGES, f"{ROOT}profiles/X", f"{ROOT}nothing"):
        answer = site.client.get(path)
        told = answer.text + str(answer.headers) + str(answer.url)
        assert site.sandbox.token not in told
        assert cookie not in told


def test_strangers_are_not_answered(site: Site) -> None:
    """A page asked for under another name than this machine's own is refused on a port."""
    headers = {"Host": "rebound.example.com"}
    if site.client._transport.__class__ is httpx.HTTPTransport:
        assert site.client.get("/", headers=headers).status_code == 400
    # Elsewhere the cookie has another name.
    assert site.client.get("/", headers=headers).status_code != 200


# What changes something


CASH = {"cash_details": {"buyer_supplied_money": {"amount": 2000, "currency": "USD"}}}
FORMS = [leaf for leaf in LEAVES if leaf.method == "POST"]
FIELDS = {
    "fault": READY[0].name,
    "plan": '[{"nth": 1, "do": "drop"}]',
    "entry": '{"nth":1,"do":"drop"}',
    "number": "1",
    "unit": "days",
    "lag": "5",
    "rate": "5",
    "profiles": "5",
    "seed": "5",
    "sure": "yes",
}


@pytest.mark.parametrize("path", [*(leaf.path for leaf in FORMS), f"{ROOT}log-out"])
@pytest.mark.parametrize("key", [None, "", "x" * 43])
def test_forms_need_the_key_of_their_session(site: Site, path: str, key: str | None) -> None:
    """A form that another page made a browser send changes nothing."""
    site.create(given_name="Ada")
    before = _state(site)
    given = {} if key is None else {"form_key": key}

    answer = site.client.post(path, data=FIELDS | given)

    assert answer.status_code == 403
    assert "another session" in text(answer.text)
    assert _state(site) == before


@pytest.mark.parametrize("path", [leaf.path for leaf in FORMS])
def test_keys_of_other_sessions_are_refused(site: Site, path: str) -> None:
    """Each session has a key of its own."""
    site.create(given_name="Ada")
    found = KEY.search(site.page("faults"))
    assert found is not None
    site.client.post(LOG_IN, data={"token": site.sandbox.token})
    before = _state(site)

    answer = site.client.post(path, data=FIELDS | {"form_key": found.group(1)})

    assert answer.status_code == 403
    assert _state(site) == before


@pytest.mark.parametrize("origin", ["http://127.0.0.1:1", "https://example.com", "null"])
@pytest.mark.parametrize("path", [f"{ROOT}faults/end", LOG_IN])
def test_forms_of_other_origins_are_refused(site: Site, origin: str, path: str) -> None:
    """Another port of this machine is another origin, though browsers send it the cookie."""
    found = KEY.search(site.page("faults"))
    assert found is not None
    answer = site.client.post(
        path,
        data={"form_key": found.group(1), "token": site.sandbox.token},
        headers={"Origin": origin},
    )

    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("path", [leaf.path for leaf in FORMS])
def test_forms_need_a_session(closed: Site, path: str) -> None:
    """Without one the token is asked for, and nothing is done."""
    before = _state(closed)

    answer = closed.client.post(path, data=FIELDS)

    assert (answer.status_code, answer.headers["location"]) == (303, LOG_IN)
    assert _state(closed) == before


@pytest.mark.parametrize("path", [leaf.path for leaf in FORMS])
def test_looking_changes_nothing(site: Site, path: str) -> None:
    """What changes something is not done by a link."""
    before = _state(site)
    assert site.client.get(path).status_code == 405
    assert _state(site) == before


def _state(site: Site) -> object:
    """Return all that a form can change."""
    with site.sandbox.visited(Request("GET", "/"), "test", write=False) as call:
        script = call.script
        return (call.store.log.entries(), call.now, call.settings, script.plan, script.asked)


# What a browser is told


@pytest.mark.parametrize("path", [*WHOLE_PAGES, LOG_IN, f"{ROOT}profiles/X", f"{ROOT}nothing"])
def test_the_policy(site: Site, path: str) -> None:
    """Nothing but the page's own style and script is let in, each by its digest."""
    answer = site.client.get(path)

    policy = dict(
        part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; ")
    )
    assert policy["default-src"] == "'none'"
    assert policy["base-uri"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["form-action"] == "'self'"
    for tag in ("style", "script"):
        for content in re.findall(rf"<{tag}>(.*?)</{tag}>", answer.text, re.DOTALL):
            digest = b64encode(hashlib.sha256(content.encode()).digest()).decode()
            assert policy[f"{tag}-src"] == f"'sha256-{digest}'"
    assert not re.search(r"<[^>]+ (style|on\w+)=", answer.text)
    assert not re.search(r'(src|href|action)="(https?:)?//', answer.text)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "same-origin"


def test_unknown_pages_and_methods(site: Site) -> None:
    """They are told apart, in words."""
    assert "There is no such page" in text(site.page("nothing/here", 404))
    assert site.client.put(f"{ROOT}faults").status_code == 405
    assert site.client.head("/").status_code == 200


def test_the_api_is_beside_the_pages(site: Site) -> None:
    """What is no page is answered as without pages, and needs its own token."""
    assert site.client.get("/v2/customers").status_code == 401
    assert site.api.get("/v2/customers").json() == {}
    assert site.api.get("/nothing").json()["errors"][0]["code"] == "NOT_FOUND"


def test_pages_have_neither_pace_nor_faults(site: Site) -> None:
    """Who watches is not hindered by what is made to go wrong, and is not counted."""
    site.send("settings", lag="0", rate="1")
    for ready in READY:
        site.send("faults/on", fault=ready.name)
    for path in WHOLE_PAGES * 3:
        site.page(path)

    assert "No request yet" in text(site.page("requests"))
    assert site.api.get("/v2/customers").status_code == 200


# The directory


def names(site: Site, **parameters: str) -> list[str]:
    """Return the names the directory shows."""
    html = site.page(f"/?{urlencode(parameters)}")
    return [text(name).strip() for name in re.findall(r'scope="row">(.*?)</th>', html, re.DOTALL)]


def test_the_directory_is_the_list_of_the_api(site: Site) -> None:
    """The same profiles in the same order, however sorted, page by page."""
    site.send("seed", profiles="120", seed="3")
    for sort, query in (
        ("name", ""),
        ("-name", "?sort_order=DESC"),
        ("created", "?sort_field=CREATED_AT"),
        ("-created", "?sort_field=CREATED_AT&sort_order=DESC"),
    ):
        wanted, address = list[str](), f"/v2/customers{query}"
        answer = site.api.get(address).json()
        wanted = [customer["id"] for customer in answer["customers"]]
        found, path = list[str](), f"/?sort={sort}"
        for _ in range(2):
            html = site.page(path)
            found += re.findall(r'profiles/(\w+)"', html)
            path = re.findall(r'href="([^"]*)" rel="next"', html)[0].replace("&amp;", "&")
        assert found == wanted[:100]


def test_pages_of_the_directory_do_not_expire(site: Site) -> None:
    """A cursor of the API lives five minutes; a person may take longer."""
    site.send("seed", profiles="120", seed="3")
    path = re.findall(r'href="([^"]*)" rel="next"', site.page("/"))[0].replace("&amp;", "&")
    site.send("clock", number="2", unit="hours")

    assert "page 2" in text(site.page(path))


def test_searching(site: Site) -> None:
    """By email, phone, reference and their parts, as the API finds them."""
    site.create(given_name="Ada", email_address="ada.lane@example.com", reference_id="crm-7")
    site.create(given_name="Bob", phone_number="+12025550143", reference_id="crm-8")

    assert names(site, q="LANE@example", **{"in": "email"}) == ["Ada"]
    assert names(site, q="lane", exact="yes", **{"in": "email"}) == []
    assert names(site, q="ada.lane@example.com", exact="yes", **{"in": "email"}) == ["Ada"]
    assert names(site, q="555-0143", **{"in": "phone"}) == ["Bob"]
    assert names(site, q="crm 8", **{"in": "reference"}) == ["Bob"]
    assert names(site, source="IMPORT") == []
    assert names(site, source="THIRD_PARTY", sort="-name") == ["Bob", "Ada"]


def test_a_name_is_a_place_in_the_list(site: Site) -> None:
    """Square's search knows no names: the list is shown from there on, in either direction."""
    for name in ("Ada", "Bea", "bo", "Cleo"):
        site.create(given_name=name)

    assert names(site, q="b") == ["Bea", "bo", "Cleo"]
    assert names(site, q="B", sort="-name") == ["bo", "Bea", "Ada"]
    assert names(site, q="be", sort="created") == ["Bea", "bo", "Cleo"]


def test_groups_of_the_directory(site: Site) -> None:
    """A group shows who is in it."""
    ada = site.create(given_name="Ada")
    site.create(given_name="Bob")
    group = site.api.post("/v2/customers/groups", json={"group": {"name": "Regulars"}}).json()
    group_id = group["group"]["id"]
    site.api.put(f"/v2/customers/{ada}/groups/{group_id}")

    assert names(site, group=group_id) == ["Ada"]
    assert f'<option value="{group_id}" selected>Regulars</option>' in site.page(
        f"/?group={group_id}"
    )


def test_an_id_leads_to_its_profile(site: Site) -> None:
    """Also to one without public data, which no list shows."""
    answer = site.client.get("/", params={"q": " AB/C ", "in": "id"})

    assert (answer.status_code, answer.headers["location"]) == (303, f"{ROOT}profiles/AB%2FC")


def test_refused_searches_say_why(site: Site) -> None:
    """The words are those of the API."""
    for parameters in ({"source": "NOWHERE"}, {"after": "nonsense"}, {"q": "@", "in": "email"}):
        page = site.client.get("/", params=parameters)
        assert page.status_code == 400
        assert "The API would refuse this search" in text(page.text)


def test_the_lag_is_told(site: Site) -> None:
    """The directory is as far behind as lists are, and says so; a profile is not."""
    site.send("settings", lag="30", rate="0")
    ada = site.create(given_name="Ada")

    assert names(site) == []
    assert "30 s behind" in text(site.page("/"))
    assert "Ada" in text(site.page(f"profiles/{ada}"))
    site.clock.now += 31
    assert names(site) == ["Ada"]


# Profiles


def test_a_profile_tells_all(site: Site) -> None:
    """Every field of the API's answer, groups by name, segments, and each write with its key."""
    group = site.api.post("/v2/customers/groups", json={"group": {"name": "Regulars"}}).json()
    ada = site.create(
        idempotency_key="key-of-ada",
        given_name="Ada",
        email_address="ada@example.com",
        address={"locality": "Leeds"},
        birthday="1990-02-28",
    )
    site.api.put(f"/v2/customers/{ada}/groups/{group['group']['id']}")
    site.api.put(f"/v2/customers/{ada}", json={"note": "Likes tea", "birthday": ""})

    said = text(site.page(f"profiles/{ada}"))

    answer = site.api.get(f"/v2/customers/{ada}").json()["customer"]
    for value in ("given_name Ada", "address.locality Leeds", "note Likes tea", "version 2"):
        assert value in said
    for name in ("id", "creation_source"):
        assert answer[name] in said
    assert "Regulars" in said
    assert "Reachable" in said
    assert "Not set: reference_id, family_name" in said
    history = said[said.index("History") : said.index("As the API answers it")]
    assert history.index("version 2") < history.index("version 1") < history.index("version 0")
    assert "key key-of-ada" in history
    assert "birthday cleared" in history
    assert "birthday 1990-02-28" in history


def test_what_belongs_to_a_profile_is_told(site: Site) -> None:
    """Custom attributes by name, cards, gift cards, orders, payments: each where there is one."""
    ada = site.create(given_name="Ada", email_address="ada@example.com")
    assert "Custom attributes" not in text(site.page(f"profiles/{ada}"))
    location = site.api.get("/v2/locations").json()["locations"][0]["id"]
    price = {"amount": 1250, "currency": "USD"}

    def post(path: str, **body: Any) -> Any:
        answer = site.api.post(f"/v2/{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    drinks = {
        "key": "drinks",
        "name": "Favourite drinks",
        "description": "What she orders",
        "visibility": "VISIBILITY_READ_WRITE_VALUES",
        "schema": {
            "$schema": META,
            "type": "array",
            "items": {"names": ["Tea", "Mate"]},
            "maxItems": 2,
            "uniqueItems": True,
        },
    }
    made = post("customers/custom-attribute-definitions", custom_attribute_definition=drinks)
    options = made["custom_attribute_definition"]["schema"]["items"]["enum"]
    post(f"customers/{ada}/custom-attributes/drinks", custom_attribute={"value": options})
    card = {"customer_id": ada, "cardholder_name": "Ada"}
    card = post("cards", idempotency_key="cards", source_id="cnon:card-nonce-ok", card=card)["card"]
    gift = post(
        "gift-cards",
        idempotency_key="gift-cards",
        location_id=location,
        gift_card={"type": "DIGITAL"},
    )["gift_card"]
    post(f"gift-cards/{gift['id']}/link-customer", customer_id=ada)
    line = {"name": "Tea", "quantity": "1", "base_price_money": price}
    order = {"location_id": location, "customer_id": ada, "line_items": [line]}
    order = post("orders", order=order)["order"]
    payment = post(
        "payments",
        idempotency_key="payments",
        source_id="CASH",
        amount_money=price,
        customer_id=ada,
        **CASH,
    )

    said = text(site.page(f"profiles/{ada}"))

    for words in (
        "Favourite drinks Tea, Mate drinks",
        f"{card['card_brand']} {card['last_4']}",
        f"enabled {card['id']}",
        f"{gift['gan']} 0.00 USD PENDING {gift['id']}",
        f"12.50 USD OPEN {order['id']}",
        f"12.50 USD COMPLETED CASH {payment['payment']['id']}",
        "create-payment",
        "Cards on File",
    ):
        assert words in said


def test_histories_have_pages(site: Site) -> None:
    """A hundred writes at a time, the newest first."""
    ada = site.create(given_name="Ada")
    for number in range(150):
        site.api.put(f"/v2/customers/{ada}", json={"note": f"note {number}."})

    newest = site.page(f"profiles/{ada}")
    older = re.findall(r'href="([^"]*)#history"', newest)[0]
    rest = text(site.page(older))

    assert "note 149." in text(newest)
    assert "note 50." in text(newest)
    assert "note note 49." not in text(newest)
    assert "note 49." in rest
    assert "given_name Ada" in rest


def test_deleted_profiles_leave_their_history(site: Site) -> None:
    """The page says that it is gone, and what had been written."""
    ada = site.create(given_name="Ada")
    site.api.delete(f"/v2/customers/{ada}")

    said = text(site.page(f"profiles/{ada}", 404))

    assert "It was deleted" in said
    assert "given_name Ada" in said
    assert "Nothing was ever written" in text(site.page("profiles/NOBODY", 404))


def test_merged_profiles_share_their_history(site: Site) -> None:
    """Both ids lead to the survivor, whose history tells of all."""
    ada, bob = site.create(given_name="Ada"), site.create(given_name="Bob")
    body = {"from": [ada, bob]}
    new = site.api.post("/_sandbox/merge", json=body).json()["customer"]["id"]

    said = text(site.page(f"profiles/{new}"))
    assert "Merged from" in said
    assert "given_name Bob" in said
    assert f"{ada} was merged" in text(site.page(f"profiles/{ada}"))


def test_long_values_are_whole_and_their_history_is_cut(site: Site) -> None:
    """A note of 100 KB can be read; its history says how long it was."""
    note = "".join(f"line {number}\n" for number in range(10_000))
    ada = site.create(given_name="Ada", note=note)

    html = site.page(f"profiles/{ada}")

    assert html.count("line 9999") == 2
    assert f"({len(note):,} characters)" in html


def test_unseen_characters_are_named(site: Site) -> None:
    """Directions, controls and blanks of no width stand there as their numbers."""
    ada = site.create(given_name="gpj\u202eexe\0", family_name="A\u200b\u200b\u200bB", note="👩‍🔬")

    said = text(site.page(f"profiles/{ada}"))

    assert "U+202E exe U+0000" in said
    assert "A U+200B ×3 B" in said
    assert "👩‍🔬" in said


# Requests


def test_requests_are_told(site: Site) -> None:
    """What came, how it was answered and why, the newest first; and what came after a number."""
    site.api.post("/v2/customers", json={"given_name": "Ada"})
    site.api.get("/v2/customers/NOBODY?version=7", headers={"Square-Version": "2024-01-18"})
    refused = {"customers": {"a": {"phone_number": "1"}, "b": {"given_name": "Bo"}}}
    site.api.post("/v2/customers/bulk-create", json=refused)
    site.api.get("/nothing")

    html = site.page("requests")

    rows = [text(row) for row in re.findall(r"<tr role=\"row\" data-number.*?</tr>", html, re.S)]
    assert [re.findall(r"(?:GET|POST) (\S+) (\S+)", row)[0] for row in rows] == [
        ("/nothing", "no"),
        ("/v2/customers/bulk-create", "bulk-create"),
        ("/v2/customers/NOBODY", "retrieve"),
        ("/v2/customers", "create"),
    ]
    assert "404 NOT_FOUND" in rows[2]
    assert "2024-01-18" in rows[2]
    assert "200 INVALID_PHONE_NUMBER" in rows[1]
    assert "version=7" not in html
    newer = site.page("requests/newer?after=2")
    assert re.findall(r'data-number="(\d+)"', newer) == ["4", "3"]


def test_requests_are_filtered(site: Site) -> None:
    """By endpoint, by kind of status, by fault."""
    site.api.get("/v2/customers")
    site.api.get("/v2/customers/NOBODY")
    site.send("faults/plan", plan='[{"endpoint":"list","nth":1,"do":"status"}]')
    site.api.get("/v2/customers")
    site.send("faults/plan", plan='[{"endpoint":"list","nth":1,"do":"drop"}]')
    with pytest.raises(httpx.RemoteProtocolError):
        site.api.get("/v2/customers")

    def numbers(query: str) -> list[str]:
        return re.findall(r'data-number="(\d+)"', site.page(f"requests?{query}"))

    assert numbers("endpoint=list") == ["4", "3", "1"]
    assert numbers("status=2") == ["1"]
    assert numbers("status=4") == ["2"]
    assert numbers("status=5") == ["3"]
    assert numbers("status=none") == ["4"]
    assert numbers("status=fault&endpoint=list") == ["4", "3"]
    assert "fault: drop, before" in text(site.page("requests?status=none"))


def test_a_revoked_token_is_not_told(site: Site) -> None:
    """Its path names it, so the path is not kept."""
    token = site.api.post("/_sandbox/tokens", json={"scopes": []}).json()["token"]
    site.api.delete(f"/_sandbox/tokens/{token}")

    html = site.page("requests")

    assert token not in html
    assert "/_sandbox/tokens/…" in html


def test_a_script_is_told_by_a_status(closed: Site) -> None:
    """It would follow to the log-in and take its form for rows."""
    assert closed.client.get(f"{ROOT}requests/newer?after=0").status_code == 401


# Faults


@pytest.mark.parametrize("ready", READY, ids=lambda ready: ready.name)
def test_ready_made_faults_can_be_played(site: Site, ready: object) -> None:
    """Each is switched on by its name, off by its entry, and leaves the others alone."""
    assert isinstance(ready, type(READY[0]))
    other = '{"endpoint":"delete","nth":9,"do":"reset"}'
    site.send("faults/plan", plan=f'{{"plan": [{other}], "seed": 3}}')

    assert site.send("faults/on", fault=ready.name).status_code == 303
    html = site.page("faults")
    assert "2 on" in text(html)
    entry = re.findall(r'name="entry" value="([^"]*)"', html)[1].replace("&#34;", '"')
    site.send("faults/off", entry=entry)

    assert "1 on" in text(site.page("faults"))
    assert other in site.page("faults").replace("&#34;", '"')


def test_a_plan_by_hand(site: Site) -> None:
    """It counts from when it was put in force, and is the one the API sets."""
    site.api.get("/v2/customers")
    site.send("faults/plan", plan='[{"endpoint": "list", "nth": 2, "do": "status"}]')

    statuses = [site.api.get("/v2/customers").status_code for _ in range(3)]

    assert statuses == [200, 503, 200]
    site.api.post("/_sandbox/faults", json={"plan": [{"rate": 0.5, "do": "drop"}], "seed": 8})
    said = text(site.page("faults"))
    assert "50 % of them" in said
    assert '"seed": 8' in said
    site.send("faults/end")
    assert "None is on" in text(site.page("faults"))


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        ("", "Expected a JSON body"),
        ("{", "unexpected end of JSON input"),
        ('[{"nth": 1,\n"do" = "drop"}]', "(line 2, character 6)"),
        ('[{"nth": 1, "do": "status", "body": ' + "[" * 300 + "]" * 300 + "}]", "too deeply"),
        ("3", "A plan is a list"),
        ("{}", "Expected an array"),
        ('[{"do": "drop"}]', "give nth or rate"),
        ('[{"do": "dorp", "nth": 1}]', "plan[0]"),
        ('[{"endpoint": "crate", "do": "drop", "nth": 1}]', "create"),
        ('{"plan": [], "seed": "x"}', "Expected an integer"),
    ],
)
def test_plans_that_cannot_be_played(site: Site, plan: str, words: str) -> None:
    """The page says what is wrong, keeps what was written, and leaves the old plan in force."""
    site.send("faults/on", fault="limited")

    answer = site.send("faults/plan", plan=plan)

    assert answer.status_code == 400
    assert words in text(answer.text)
    assert " ".join(plan.split()) in text(answer.text)
    assert "1 on" in text(answer.text)


# What else can be done


def test_moving_the_clock(site: Site) -> None:
    """It is the clock of POST /_sandbox/clock."""
    site.send("clock", number="1.5", unit="hours")

    said = text(site.page("about"))
    assert "The clock is 1.5 hours further." in said
    assert "5,400 s ahead" in said
    assert "further" not in text(site.page("about"))


def test_inventing_and_forgetting_people(site: Site) -> None:
    """A seed fills the directory; a box has to be ticked to empty it."""
    site.send("seed", profiles="30", seed="4")
    assert "Added 30 profiles." in text(site.page("about"))
    site.send("seed", profiles="40", seed="4")
    assert "Added 10 profiles; 30 were there already." in text(site.page("about"))

    assert "Tick the box" in text(site.send("reset").text)
    assert [entry["action"] for entry in site.sandbox.log()].count("create") == 40
    site.send("reset", sure="yes")

    assert "Forgot 40 profiles." in text(site.page("about"))
    assert site.sandbox.log() == []


@pytest.mark.parametrize(
    ("form", "fields"),
    [
        ("clock", {"number": "x", "unit": "days"}),
        ("clock", {"number": "-1", "unit": "days"}),
        ("clock", {"number": "1e9", "unit": "days"}),
        ("clock", {"number": "inf", "unit": "days"}),
        ("clock", {"number": "1", "unit": "years"}),
        ("settings", {"lag": "x", "rate": "0"}),
        ("settings", {"lag": "nan", "rate": "0"}),
        ("settings", {"lag": "-1", "rate": "0"}),
        ("settings", {"lag": "0", "rate": "1e-30"}),
        ("seed", {"profiles": "0", "seed": "0"}),
        ("seed", {"profiles": "20001", "seed": "0"}),
        ("seed", {"profiles": "9" * 5000, "seed": "0"}),
        ("seed", {"profiles": "1", "seed": "1e3"}),
        ("seed", {"profiles": "1", "seed": "9" * 16}),
        ("reset", {"sure": "no"}),
    ],
)
def test_wrong_values_are_told(site: Site, form: str, fields: dict[str, str]) -> None:
    """The page says what a field takes, keeps what was written and does nothing."""
    before = _state(site)

    answer = site.send(form, **fields)

    assert answer.status_code == 400
    assert 'role="alert"' in answer.text
    assert all(f'value="{value}"' in answer.text for value in fields.values() if value < "a")
    assert _state(site) == before


def test_what_it_does_not_do_is_told(site: Site) -> None:
    """The page about the sandbox lists it, and all assumptions."""
    from etl.sandbox.assumptions import ASSUMPTIONS, NOT_SERVED

    said = text(site.page("about"))

    for words in (*NOT_SERVED, *(assumption.choice for assumption in ASSUMPTIONS)):
        assert words in said


# Whatever comes


@settings(derandomize=True, deadline=None, max_examples=300)
@given(
    path=st.sampled_from([leaf.path.replace("{id}", "X") for leaf in LEAVES]),
    fields=st.dictionaries(
        st.sampled_from(
            [
                *("q", "in", "sort", "source", "group", "after", "page", "exact", "before"),
                *("endpoint", "status", *FIELDS),
            ]
        ),
        st.text(max_size=40) | st.sampled_from(["email", "phone", "name", "-created", "1e400"]),
    ),
)
def test_no_input_makes_a_page_fail(path: str, fields: dict[str, str]) -> None:
    """Every text in every field is answered: a page, a way to another, or a refusal in words."""
    form = "&".join(f"{quote(name)}={quote(value)}" for name, value in fields.items())
    method = next(leaf.method for leaf in LEAVES if leaf.path.replace("{id}", "X") == path)
    body = f"form_key={_KEY}&{form}".encode() if method == "POST" else b""
    query = "" if method == "POST" else form

    answer = _PAGES.respond(Request(method, path, query, {"cookie": _COOKIE}, body))

    assert answer.status in (200, 303, 400, 404)


def _logged_in() -> tuple[Pages, str, str]:
    sandbox = Sandbox()
    pages = Pages(sandbox)
    answer = pages.respond(Request("POST", LOG_IN, body=f"token={sandbox.token}".encode()))
    cookie = answer.headers["set-cookie"].partition(";")[0]
    page = pages.respond(Request("GET", f"{ROOT}faults", headers={"cookie": cookie}))
    found = KEY.search(page.body.decode())
    assert found is not None
    return pages, cookie, found.group(1)


_PAGES, _COOKIE, _KEY = _logged_in()


def test_a_server_starts_without_templates() -> None:
    """Jinja2 is loaded when the first page is looked at: programs do without."""
    code = (
        "import sys; from etl.sandbox import Sandbox; from etl.sandbox.pages import Pages; "
        "import etl.sandbox.server; Pages(Sandbox()); print('jinja2' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
