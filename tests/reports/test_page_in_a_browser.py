"""report.html in a real browser: it looks right at any width, in light and dark, and nothing acts.

Set ``SCREENSHOTS`` to a folder to look at what the tests see.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Iterator
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from etl.reports.details import Reason, Sample
from etl.reports.page import page
from tests.browser import PATIENCE, browser
from tests.reports.pages import details, million, night, report
from tests.reports.test_page import evil_pages
from tests.worlds import folder_of, open_world, people, run_import

__all__ = ["browser"]

WIDTHS, SCHEMES = (375, 1280), ("light", "dark")
STYLE = Path(__file__).parents[2] / "etl/reports/templates/report.css"

Look = Callable[..., Page]


@pytest.fixture
def look(browser: Browser, tmp_path: Path) -> Iterator[Look]:
    """Open a page as a file, as people do; whatever goes wrong in it fails the test."""
    wrong: list[str] = []

    def opened(html: bytes | str, width: int = 1280, scheme: Any = "light", **options: Any) -> Page:
        path = tmp_path / f"{len(list(tmp_path.glob('*.html')))}.html"
        path.write_bytes(html if isinstance(html, bytes) else html.encode())
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, **options
        )
        context.set_default_timeout(PATIENCE)
        seen = context.new_page()
        seen.on("console", lambda said: wrong.append(said.text))
        seen.on("pageerror", lambda error: wrong.append(str(error)))
        seen.on("dialog", lambda dialog: wrong.append(dialog.message))
        seen.on(
            "request",
            lambda request: None if request.url == path.as_uri() else wrong.append(request.url),
        )
        seen.goto(path.as_uri())
        return seen

    expect.set_options(timeout=PATIENCE)
    yield opened
    for context in browser.contexts:
        context.close()
    assert wrong == []


def empty() -> bytes:
    """Return the page of a file without a row."""
    return page(report({}), details(names=["people.csv"], flows=[{}]))


def rejected() -> bytes:
    """Return the page of a run that no row got through."""
    reason = Reason("INVALID_EMAIL_ADDRESS", "email_address")
    rows = 4711
    return page(
        report(
            {"rejected": rows},
            reasons={reason.code: {reason.field: rows}},
            exit_code=3,
            sources=[
                {"path": f"/srv/{'very-' * 40}long.csv", "sha256": "f" * 64, "rows": rows}
                | {"notes": [], "unused_columns": ["W" * 300]}
            ],
        ),
        details(
            names=[f"{'very-' * 40}long.csv"],
            flows=[{"rejected": rows}],
            reasons=[(reason, rows)],
            samples={reason: [Sample(f"{'very-' * 40}long.csv:2", "a***@***")] * 3},
            told=night(),
        ),
    )


PAGES: dict[str, Callable[[], bytes]] = {
    "empty": empty,
    "rejected": rejected,
    "million": lambda: page(*million()),
}


@pytest.mark.parametrize("name", PAGES)
def test_it_fits(look: Look, name: str) -> None:
    """On a telephone and on a desk, in light and dark, nothing is wider than the window."""
    html = PAGES[name]()
    for width, scheme in product(WIDTHS, SCHEMES):
        seen = look(html, width, scheme)
        expect(seen.get_by_role("heading", level=1)).to_be_in_viewport()
        for summary in seen.locator("summary").all():
            summary.click()
        assert seen.evaluate("document.documentElement.scrollWidth") == width
        keep(seen, f"{name}-{width}-{scheme}")


def test_a_run_as_it_is(look: Look, tmp_path: Path) -> None:
    """The page of a real run with 429s, a retry and refused rows fits, and reads aloud well."""
    world = open_world(tmp_path)
    busy = {"endpoint": "bulk-create", "nth": 2, "do": "status", "status": 429, "retry_after": 4}
    world.faults(busy)
    rows = [*people(240), *({**one, "email_address": "x"} for one in people(12, first=500))]
    made = run_import(world, rows)
    html = (folder_of(world, made) / "report.html").read_bytes()

    seen = look(html)

    expect(seen.get_by_role("heading", level=1)).to_have_text("Done, but some rows need you")
    sum_ = seen.get_by_role("region", name="The sum")
    expect(sum_.get_by_role("row", name="created")).to_contain_text("240")
    expect(sum_.get_by_role("img", name="All rows by outcome")).to_be_visible()
    expect(seen.get_by_role("img", name="Flow from sources to outcomes")).to_be_visible()
    expect(seen.get_by_role("img", name="429s: asked to slow down over time")).to_be_visible()
    nearly = seen.get_by_role("region", name="What to do next").get_by_role("listitem")
    expect(nearly.first).to_contain_text("Correct the 12 rows that were refused")
    for width, scheme in product(WIDTHS, SCHEMES):
        seen = look(html, width, scheme)
        assert seen.evaluate("document.documentElement.scrollWidth") == width
        keep(seen, f"run-{width}-{scheme}")


def test_headings_and_pictures_are_named(look: Look) -> None:
    """Every picture has a name or is hidden from those who listen; no level of headings is left."""
    seen = look(page(*million()))
    nameless = "svg:not(svg svg):not([aria-hidden=true]):not(:has(> title))"
    assert seen.locator(nameless).count() == 0
    levels = [
        int(tag[1])
        for tag in seen.locator("h1, h2, h3").evaluate_all("all => all.map(h => h.tagName)")
    ]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    ids = seen.locator("[id]").evaluate_all("all => all.map(one => one.id)")
    assert len(ids) == len(set(ids))
    for named in seen.locator("[aria-labelledby]").evaluate_all(
        "all => all.flatMap(one => one.getAttribute('aria-labelledby').split(' '))"
    ):
        assert named in ids


def test_a_command_is_taken_with_one_click(look: Look) -> None:
    """A click marks a whole command, and what is copied is what can be typed."""
    seen = look(page(report({"created": 2}), details()))
    command = seen.locator("pre").first
    command.click()
    marked = seen.evaluate("getSelection().toString()")
    assert marked.strip() == (
        "square-etl runs undo 20260820T020000.000Z-beef --dry-run "
        "--state-dir /srv/nightly/.square-etl"
    )


def test_the_keyboard_reaches_what_scrolls(look: Look) -> None:
    """The first key leads to what to do next; tables that scroll can be reached."""
    seen = look(page(*million()), 375)
    seen.keyboard.press("Tab")
    expect(seen.get_by_role("link", name="Skip to what to do next")).to_be_focused()
    seen.keyboard.press("Enter")
    expect(seen.get_by_role("heading", name="What to do next")).to_be_in_viewport()
    assert seen.locator(".scroll:not([tabindex='0'][role=region][aria-label])").count() == 0


def test_on_paper(look: Look) -> None:
    """Printed it is light, whatever the screen is, and what is folded away is there."""
    # The width of A4 between its margins.
    seen = look(page(*million()), width=688, scheme="dark")
    seen.emulate_media(media="print")
    assert seen.evaluate("document.documentElement.scrollWidth") == 688
    assert seen.evaluate("getComputedStyle(document.querySelector('h2')).color") == (
        "rgb(27, 36, 32)"
    )
    expect(seen.get_by_role("region", name="The flow as a table")).to_be_visible()
    expect(seen.locator("summary").first).to_be_hidden()
    assert len(seen.pdf()) > 10_000


def test_nothing_from_outside_acts(look: Look, tmp_path: Path) -> None:
    """Headers, file names and Square's words that are HTML make no element and run nothing."""
    for html in evil_pages(open_world(tmp_path)):
        for width in WIDTHS:
            seen = look(html, width)
            assert seen.locator("script, img, iframe, object, form, a:not(.skip)").count() == 0
            assert seen.evaluate("document.documentElement.scrollWidth") == width
            expect(seen.locator("body")).to_contain_text("<script>alert(1)</script>")


def test_even_if_something_got_in_it_would_not_act(browser: Browser, tmp_path: Path) -> None:
    """The page's policy stops a script, a style and a picture that were put into it."""
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setblocking(False)
    added = (
        "<script>document.title = 'owned'</script>"
        f"<img src='http://127.0.0.1:{listening.getsockname()[1]}/'>"
        "<p id=added style='color: rgb(1, 2, 3)'>x</p></main>"
    )
    html = page(report({"created": 1}), details()).decode().replace("</main>", added)
    path = tmp_path / "page.html"
    path.write_text(html)
    context = browser.new_context()
    seen, said = context.new_page(), list[str]()
    seen.on("console", lambda message: said.append(message.text))
    seen.goto(path.as_uri())
    assert seen.title() == "All good: import 20260820T020000.000Z-beef"
    with listening, pytest.raises(BlockingIOError):
        listening.accept()
    assert seen.evaluate("getComputedStyle(added).color") != "rgb(1, 2, 3)"
    assert len([text for text in said if "Content Security Policy" in text]) == 3
    context.close()


def test_contrast() -> None:
    """Text has 4.5 to 1 against all it stands on, the colours of charts 3 to 1, in both themes."""
    light, dark = (dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", half)) for half in _halves())
    assert light.keys() == dark.keys()
    texts = [("ink", on) for on in ("ground", "surface", "sunk")]
    texts += [("soft", on) for on in ("ground", "surface", "sunk")]
    for tone in ("good", "warn", "bad", "quiet"):
        texts += [(tone, f"{tone}-wash"), ("ink", f"{tone}-wash"), ("soft", f"{tone}-wash")]
        texts += [("on", tone)] if tone != "quiet" else []
    texts += [("bad", "surface")]
    shapes = [
        *("created", "updated", "unchanged", "duplicate", "skipped", "review", "rejected"),
        *("failed", "unknown", "pending", "deleted", "plain"),
    ]
    for theme in (light, dark):
        for text, on in texts:
            assert contrast(theme[text], theme[on]) >= 4.5, (text, on, theme[text])
        for shape in shapes:
            assert contrast(theme[shape], theme["surface"]) >= 3, (shape, theme[shape])


def _halves() -> tuple[str, str]:
    light, _, rest = STYLE.read_text(encoding="utf-8").partition("@media screen")
    return light, rest.partition("*, ::before")[0]


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours as WCAG 2.2 defines it."""
    darker, lighter = sorted(map(_luminance, (one, other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def keep(seen: Page, name: str) -> None:
    """Take a screenshot of the whole page, and keep it if somebody wants to look at it."""
    folder = os.environ.get("SCREENSHOTS")
    picture = seen.screenshot(full_page=True)
    assert picture.startswith(b"\x89PNG")
    if folder:
        Path(folder, f"{name}.png").write_bytes(picture)
