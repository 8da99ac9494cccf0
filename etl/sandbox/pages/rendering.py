"""How does a page become HTML that is safe to look at?

Everything is escaped by default. What cannot be seen (control and direction characters) is named
instead. Style and script are part of the page; the policy sent with it lets nothing else in.
"""

from __future__ import annotations

import functools
import hashlib
import re
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.sandbox.messages import Response
from etl.sandbox.pages.visits import Page, link

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

_TEMPLATES = Path(__file__).parent / "templates"
# Characters of a value that are shown; a note may have a million.
LONGEST = 1 << 17
# A run of one of them. Without the two joiners: emoji, Persian, the scripts of India need them.
_UNSEEN = re.compile(
    r"([\x00-\x08\x0b-\x1f\x7f-\xa0\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e"
    r"\u2060-\u206f\ufeff])\1*"
)


def render(page: Page, frame: Mapping[str, Any]) -> Response:
    """Return a page inside its frame: what all pages of a session show."""
    environment = _environment()
    html = environment.get_template(page.template).render(**page.values, **frame)
    return Response(page.status, html.encode(), dict(_headers()))


@functools.cache
def _environment() -> Environment:
    # Loading Jinja2 takes longer than starting the server.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"visible": visible, "cut": _cut, "clock": _clock}
    environment.globals |= {
        "link": link,
        "style": Markup(_text("style.css")),
        "script": Markup(_text("live.js")),
    }
    return environment


@functools.cache
def _text(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


@functools.cache
def _headers() -> Mapping[str, str]:
    style, script = _hash("style.css"), _hash("live.js")
    policy = (
        f"default-src 'none'; style-src '{style}'; script-src '{script}'; connect-src 'self'; "
        "img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    return {
        "content-type": "text/html; charset=utf-8",
        "content-security-policy": policy,
        "x-content-type-options": "nosniff",
        # With no-referrer, browsers send forms without their origin.
        "referrer-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "cache-control": "no-store",
    }


def _hash(name: str) -> str:
    return "sha256-" + b64encode(hashlib.sha256(_text(name).encode()).digest()).decode()


def visible(text: object) -> Markup:
    """Return a text as HTML, with what cannot be seen in it named: ``U+202E``."""
    from markupsafe import Markup, escape

    return Markup(_UNSEEN.sub(_named, escape(str(text))))


def _named(run: re.Match[str]) -> str:
    times = f" ×{len(run.group())}" if len(run.group()) > 1 else ""
    return f'<span class="unseen">U+{ord(run.group(1)):04X}{times}</span>'


def _cut(text: object, most: int = LONGEST) -> str:
    whole = str(text)
    if len(whole) <= most:
        return whole
    return f"{whole[:most]}… ({len(whole):,} characters)"


def _clock(seconds: float) -> str:
    """Return the time of day in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M:%S.%f")[:-3]
