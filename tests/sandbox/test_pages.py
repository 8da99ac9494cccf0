"""The pages of the sandbox in a real browser: Debian's Chromium, headless, without a network."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import PATIENCE, browser
from tests.sandbox.conftest import Stage
from tests.sandbox.site import ROOT, Site, opened

__all__ = ["browser"]


@pytest.fixture
def site(stage: Stage) -> Iterator[Site]:
    """A sandbox with its pages on a port."""
    with opened(stage, on_a_socket=True) as site:
        yield site


@dataclass
class Seen:
    """One window, and all that went wrong in it: none of it is expected unless a test says so."""

    page: Page
    site: Site
    wrong: list[str] = field(default_factory=list)

    def log_in(self) -> Page:
        """Show the token."""
        self.page.goto("/")
        self.page.get_by_label("Token").fill(self.site.sandbox.token)
        self.page.get_by_role("button", name="Log in").click()
        expect(self.page.get_by_role("heading", name="Directory")).to_be_visible()
        return self.page

    def refused(self) -> None:
        """Expect what Chromium logs of a page with status 400 to 499, once."""
        assert len(self.wrong) == 1, self.wrong
        assert re.search(r"responded with a status of 4\d\d", self.wrong.pop())


Open = Callable[..., Seen]


@pytest.fixture
def window(browser: Browser, site: Site, stage: Stage) -> Iterator[Open]:
    """Open windows of any size; whatever goes wrong in one fails the test."""
    opened: list[Seen] = []

    def open_window(**options: Any) -> Seen:
        context = browser.new_context(base_url=stage.address, **options)
        context.set_default_timeout(PATIENCE)
        seen = Seen(context.new_page(), site)
        seen.page.on("console", lambda said: seen.wrong.append(said.text))
        seen.page.on("pageerror", lambda error: seen.wrong.append(str(error)))
        seen.page.on("dialog", lambda dialog: seen.wrong.append(dialog.message))
        seen.page.on("requestfailed", lambda request: seen.wrong.append(f"failed {request.url}"))
        seen.page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((f"{stage.address}/", "data:image/svg+xml,"))
                else seen.wrong.append(f"outside {request.url}")
            ),
        )
        opened.append(seen)
        return seen

    expect.set_options(timeout=PATIENCE)
    yield open_window
    for seen in opened:
        seen.page.context.close()
        assert seen.wrong == []


@pytest.fixture
def seen(window: Open) -> Seen:
    """A window of a common size."""
    return window(viewport={"width": 1280, "height": 800})


def test_logging_in_and_out(seen: Seen) -> None:
    """The form refuses another token, takes the right one, and its address never tells it."""
    page = seen.page
    page.goto("/_sandbox/pages/faults")
    page.get_by_label("Token").fill("nonsense")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("not the sandbox’s token")
    seen.refused()

    page.get_by_label("Token").fill(seen.site.sandbox.token)
    page.get_by_label("Token").press("Enter")

    expect(page.get_by_role("heading", name="Faults")).to_be_visible()
    assert seen.site.sandbox.token not in page.url + page.content()
    assert page.evaluate("document.cookie") == ""
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    page.goto("/")
    expect(page.get_by_label("Token")).to_be_visible()


def test_finding_a_profile(seen: Seen) -> None:
    """Search, sort, turn the page, open a profile and read its history."""
    site = seen.site
    site.sandbox.control("seed", {"profiles": 200, "seed": 7})
    group = site.api.post("/v2/customers/groups", json={"group": {"name": "Regulars"}}).json()
    site.clock.now += 60
    ada = site.create(
        idempotency_key="key-of-ada", given_name="Ada", email_address="ada.lane@example.com"
    )
    site.api.put(f"/v2/customers/{ada}/groups/{group['group']['id']}")
    page = seen.log_in()
    rows = page.locator("tbody tr")

    page.get_by_role("link", name="Next page").click()
    expect(page.locator(".sum")).to_contain_text("page 2")
    page.get_by_role("link", name="Created").click()
    page.get_by_role("link", name="Created").click()
    expect(page.get_by_role("columnheader", name="Created")).to_have_attribute(
        "aria-sort", "descending"
    )
    expect(rows.first.get_by_role("link")).to_have_text("Ada")
    page.get_by_label("Look for").fill("ada.lane")
    page.get_by_label("In", exact=True).select_option("Email")
    page.get_by_role("button", name="Search").click()

    expect(rows).to_have_count(1)
    page.get_by_role("link", name="Ada").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Ada")
    fields = page.get_by_role("region", name="Fields")
    expect(fields.get_by_role("row", name="email_address")).to_contain_text("ada.lane@example.com")
    history = page.get_by_role("region", name="History").locator("tbody tr")
    expect(history).to_have_count(2)
    expect(history.nth(0)).to_contain_text("add-group")
    expect(history.nth(1)).to_contain_text("key-of-ada")
    page.get_by_role("link", name="Regulars").click()
    expect(rows).to_have_count(1)


def test_requests_appear_as_they_come(seen: Seen) -> None:
    """A call to the API is seen without loading the page again."""
    page = seen.log_in()
    page.get_by_role("link", name="Requests").click()
    expect(page.get_by_text("No request yet")).to_be_visible()
    page.evaluate("window.same = true")

    seen.site.api.get("/v2/customers/NOBODY")
    first = page.locator("tbody tr").first
    expect(first).to_contain_text("/v2/customers/NOBODY")
    expect(first).to_contain_text("NOT_FOUND")
    seen.site.create(given_name="Ada")
    expect(first).to_contain_text("create")
    expect(page.locator("tbody tr")).to_have_count(2)
    expect(page.get_by_text("No request yet")).to_be_hidden()
    assert page.evaluate("window.same") is True


def test_live_rows_can_be_paused(seen: Seen) -> None:
    """While paused nothing is asked for; afterwards all is there that came meanwhile."""
    page = seen.log_in()
    page.clock.install()
    asked = list[str]()
    page.on("request", lambda request: asked.append(request.url))
    rows = page.locator("tbody tr")

    def pass_until(done: Callable[[], bool]) -> None:
        # Answers take their own time, whatever the page's clock says.
        for _ in range(200):
            page.clock.run_for(1000)
            if done():
                return
        pytest.fail("200 seconds have passed")

    page.goto(f"{ROOT}requests")
    pass_until(lambda: len(asked) > 3)
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("status")).to_have_text("Paused")
    asked.clear()
    seen.site.create(given_name="Ada")
    page.clock.run_for(10_000)
    assert asked == []
    expect(rows).to_have_count(0)

    page.get_by_role("button", name="Go on").click()
    pass_until(lambda: rows.count() == 1)


def test_live_rows_pass_the_filter(seen: Seen) -> None:
    """What is filtered out does not appear later either."""
    page = seen.log_in()
    page.goto(f"{ROOT}requests")
    page.get_by_label("Endpoint").select_option("create")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_text("that passes the filter")).to_be_visible()

    seen.site.api.get("/v2/customers")
    seen.site.create(given_name="Ada")

    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody tr")).to_contain_text("POST")


def test_a_session_that_ends_stops_the_live_rows(seen: Seen) -> None:
    """The page says so, and asks no more."""
    page = seen.log_in()
    page.goto(f"{ROOT}requests")
    expect(page.get_by_role("status")).to_have_text("Live")

    seen.site.session_clock.now += 8 * 3600

    expect(page.get_by_role("status")).to_contain_text("log in again")
    seen.refused()


def test_faults_on_and_off(seen: Seen) -> None:
    """With a click the API fails, with another it works; a plan by hand is checked first."""
    page, site = seen.log_in(), seen.site
    body = {"customers": {"a": {"given_name": "Ada"}}}

    def status() -> int:
        return site.api.post("/v2/customers/bulk-create", json=body).status_code

    page.get_by_role("link", name="Faults").click()
    limited = page.get_by_role("listitem").filter(has_text="Every bulk-create is rate limited")
    limited.get_by_role("button", name="Switch on").click()
    expect(page.get_by_role("status")).to_contain_text("On: Every bulk-create is rate limited")
    expect(page.get_by_role("link", name="Faults 1 on")).to_be_visible()
    assert status() == 429
    limited.get_by_role("button", name="Switch off").click()
    expect(page.get_by_text("None is on")).to_be_visible()
    assert status() == 200

    plan = page.get_by_label("Plan, as JSON")
    plan.fill('[{"endpoint": "bulk-create", "nth": 1, "do": "status", "status": 999}]')
    page.get_by_role("button", name="Put it in force").click()
    expect(page.get_by_role("alert")).to_contain_text("status lies between 200 and 599")
    seen.refused()
    plan.fill(plan.input_value().replace("999", "502"))
    page.get_by_role("button", name="Put it in force").click()
    expect(page.get_by_role("region", name="In force")).to_contain_text("status 502")
    assert [status(), status()] == [502, 200]
    page.get_by_role("button", name="End all faults").click()
    expect(page.get_by_text("None is on")).to_be_visible()


def test_the_page_about_it(seen: Seen) -> None:
    """The clock moves, people are invented and forgotten."""
    page = seen.log_in()
    page.get_by_role("link", name="fill it with invented people").click()
    page.get_by_label("Profiles", exact=True).fill("25")
    page.get_by_role("button", name="Invent them").click()
    expect(page.get_by_role("status")).to_have_text("Added 25 profiles.")
    page.get_by_label("By", exact=True).fill("2")
    page.get_by_role("button", name="Move it").click()
    expect(page.get_by_role("region", name="At the moment")).to_contain_text("7,200 s ahead")
    page.get_by_label("Forget 25 profiles").check()
    page.get_by_role("button", name="Forget").click()
    expect(page.get_by_role("status")).to_have_text("Forgot 25 profiles.")


HOSTILE: dict[str, Any] = {
    "given_name": "<script>window.hurt = 1; alert(1)</script>",
    "family_name": "\u202e\"><img src=x onerror='window.hurt = 1'>",
    "company_name": "=1+cmd|' /C calc'!A0",
    "nickname": "{{ 7 * 7 }}{% raise %}",
    "reference_id": "javascript:alert(1)",
    "email_address": "'onload=alert'@example.com",
    "note": "</textarea></div><svg onload=alert(1)>" + "שלום עולם مرحبا " * 6000 + "W" * 4000,
    "address": {"locality": "</title><iframe src=https://example.com>\0\u200b"},
}


def test_hostile_data_is_harmless(window: Open) -> None:
    """Markup, formulas, 100 KB, directions and controls are texts like any other."""
    for width in (1280, 375):
        seen = window(viewport={"width": width, "height": 800})
        site = seen.site
        made = site.api.post("/v2/customers", json=HOSTILE)
        assert made.status_code == 200, made.text
        hostile = made.json()["customer"]["id"]
        group = {"group": {"name": "<b onmouseover=alert(1)>" * 3000}}
        group_id = site.api.post("/v2/customers/groups", json=group).json()["group"]["id"]
        site.api.put(f"/v2/customers/{hostile}/groups/{group_id}")
        site.api.get("/v2/<script>alert(1)</script>")
        page = seen.log_in()
        for path in (
            "/",
            "/?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
            f"/?group={group_id}",
            f"{ROOT}profiles/{hostile}",
            f"{ROOT}requests",
        ):
            page.goto(path)
            assert page.evaluate("window.hurt") is None
            assert page.locator("main img, main svg, main iframe, main script, main b").count() == 0
            assert _too_wide(page) == 0, path
        page.goto(f"{ROOT}profiles/{hostile}")
        expect(page.get_by_role("heading", level=1)).to_contain_text(HOSTILE["given_name"])
        expect(page.get_by_role("heading", level=1)).to_contain_text("U+202E")
        note = page.get_by_role("region", name="Long text").filter(has_text="</textarea>")
        assert note.inner_text().endswith("W" * 4000)
        assert 0 < note.evaluate("box => box.clientHeight") <= 320


def test_a_hostile_plan_is_harmless(seen: Seen) -> None:
    """What a plan says is shown as it was written."""
    page = seen.log_in()
    page.goto(f"{ROOT}faults")
    plan = '[{"nth": 1, "do": "status", "body": "</textarea><script>alert(1)</script>\'\\""}]'
    for text in (f"x{plan}", plan):
        page.get_by_label("Plan, as JSON").fill(text)
        page.get_by_role("button", name="Put it in force").click()
    seen.refused()
    expect(page.get_by_label("Plan, as JSON")).to_have_value(re.compile("</textarea><script>"))
    page.get_by_role("button", name="End status on *").click()
    expect(page.get_by_text("None is on")).to_be_visible()


def _filled(site: Site) -> list[str]:
    """Put something on every page; return their addresses."""
    site.sandbox.control("seed", {"profiles": 60, "seed": 7})
    ada = site.create(given_name="Ada", email_address="ada@example.com", note="Tea " * 300)
    group = site.api.post("/v2/customers/groups", json={"group": {"name": "Regulars"}}).json()
    site.api.put(f"/v2/customers/{ada}/groups/{group['group']['id']}")
    payer = site.api.get("/v2/payments?limit=1").json()["payments"][0]["customer_id"]
    plan = [{"endpoint": "list", "rate": 1, "do": "status"}, {"nth": 1, "do": "drop"}]
    site.api.post("/_sandbox/faults", json={"plan": plan})
    for path in ("/v2/customers", "/v2/customers/NOBODY", "/v2/nothing"):
        try:
            site.api.get(path)
        except httpx.RemoteProtocolError:
            continue
    return [
        "/",
        "/?q=nobody&in=email",
        *(f"{ROOT}profiles/{customer}" for customer in (ada, payer, "NOBODY")),
        *(f"{ROOT}{page}" for page in ("requests", "faults", "about")),
    ]


def _too_wide(page: Page) -> int:
    return int(
        page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    )


# Reads every text with its colour and what lies behind it; gives those of too little contrast
# (WCAG 2.2, 1.4.3).
CONTRAST = """() => {
  const channel = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const read = (colour) => {
    const [r, g, b, a = 1] = colour.match(/[\\d.]+/g).map(Number);
    return { a, l: 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b) };
  };
  const behind = (element) => {
    for (; element; element = element.parentElement) {
      const ground = read(getComputedStyle(element).backgroundColor);
      if (ground.a === 1) return ground.l;
    }
    return 1;
  };
  const poor = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = texts.nextNode()); ) {
    const element = node.parentElement;
    if (!node.data.trim() || !element.checkVisibility() || element.closest("script, style, option"))
      continue;
    const style = getComputedStyle(element);
    const [dark, light] = [read(style.color).l, behind(element)].sort((a, b) => a - b);
    const ratio = (light + 0.05) / (dark + 0.05);
    if (ratio < 4.5) poor.push(`${ratio.toFixed(2)} ${node.data.trim().slice(0, 40)}`);
  }
  return poor;
}"""

# What assistive technology needs and a sighted author forgets.
UNNAMED = """() => {
  const unnamed = [];
  for (const field of document.querySelectorAll("input:not([type=hidden]), select, textarea"))
    if (!field.labels.length) unnamed.push(field.outerHTML);
  for (const table of document.querySelectorAll("table")) {
    if (!table.caption) unnamed.push(table.outerHTML.slice(0, 80));
    if (table.querySelector("th:not([scope])")) unnamed.push(`scope of ${table.caption.innerText}`);
  }
  for (const button of document.querySelectorAll("button, a"))
    if (!(button.ariaLabel || button.innerText).trim()) unnamed.push(button.outerHTML);
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  unnamed.push(...ids.filter((id, place) => ids.indexOf(id) !== place).map((id) => `twice ${id}`));
  for (const element of document.querySelectorAll("[aria-labelledby], [aria-describedby]"))
    for (const name of ["aria-labelledby", "aria-describedby"]) {
      const id = element.getAttribute(name);
      if (id && !document.getElementById(id)) unnamed.push(`nothing is ${id}`);
    }
  const levels = [...document.querySelectorAll("h1, h2, h3")].map((h) => Number(h.tagName[1]));
  if (levels.filter((level) => level === 1).length !== 1) unnamed.push(`h1: ${levels}`);
  if (levels.some((level, place) => level > (levels[place - 1] ?? 0) + 1)) unnamed.push(levels);
  if (document.documentElement.lang !== "en") unnamed.push("lang");
  return unnamed;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 820, 1280])
def test_every_page_can_be_read(window: Open, width: int, scheme: str) -> None:
    """No scrolling sideways, enough contrast, a name for everything, at any width, day or night."""
    seen = window(viewport={"width": width, "height": 740}, color_scheme=scheme)
    paths = _filled(seen.site)
    seen.page.goto("/")
    assert (_too_wide(seen.page), seen.page.evaluate(CONTRAST)) == (0, [])
    page = seen.log_in()

    for path in paths:
        page.goto(path)
        if path.endswith("NOBODY"):
            seen.refused()
        page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
        assert _too_wide(page) == 0, path
        assert page.evaluate(CONTRAST) == [], path
        assert page.evaluate(UNNAMED) == [], path
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(15, 21, 19)") is (scheme == "dark")


def test_the_keyboard_is_enough(seen: Seen) -> None:
    """Logging in, opening a profile, switching a fault on and off, without a mouse."""
    page, site = seen.page, seen.site
    site.create(given_name="Ada")

    def press_until(name: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            focused = "document.activeElement"
            said = page.evaluate(f"{focused}.ariaLabel || {focused}.innerText || {focused}.id")
            if said.strip().startswith(name):
                width = page.evaluate(f"parseFloat(getComputedStyle({focused}).outlineWidth)")
                assert width >= 2, f"the focus on {name} is not seen"
                page.keyboard.press("Enter")
                return
        pytest.fail(f"Tab never comes to {name}")

    page.goto("/")
    expect(page.get_by_label("Token")).to_be_focused()  # a field focuses itself after the load
    page.keyboard.type(site.sandbox.token)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Directory")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Look for")).to_be_focused()
    press_until("Ada")
    expect(page.get_by_role("heading", name="Ada")).to_be_visible()
    press_until("Faults")
    expect(page.get_by_role("heading", name="Faults")).to_be_visible()
    press_until("Switch on")
    expect(page.get_by_text("1 on").first).to_be_visible()
    press_until("End all faults")
    expect(page.get_by_text("None is on")).to_be_visible()
    press_until("Log out")
    expect(page.get_by_label("Token")).to_be_focused()


def test_it_works_without_script(window: Open) -> None:
    """All but the live rows: these are seen when the page is loaded again."""
    seen = window(java_script_enabled=False, viewport={"width": 1280, "height": 800})
    seen.site.create(given_name="Ada", email_address="ada@example.com")
    page = seen.log_in()
    page.get_by_label("Look for").fill("ada@")
    page.get_by_label("In", exact=True).select_option("Email")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name="Ada").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Ada")
    page.get_by_role("link", name="Faults").click()
    page.get_by_role("button", name="Switch on").first.click()
    expect(page.get_by_role("status")).to_contain_text("On:")
    page.get_by_role("link", name="Requests").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    seen.site.api.get("/v2/customers")
    page.get_by_role("link", name="Reload").click()
    expect(page.locator("tbody tr")).to_have_count(2)
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Token")).to_be_visible()
