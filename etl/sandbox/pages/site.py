"""Which page does a browser ask for, and may it?"""

from __future__ import annotations

import hmac
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode

from etl.sandbox import Sandbox, edge, errors, tokens
from etl.sandbox.assumptions import SINGLE_BODY_LIMIT
from etl.sandbox.calls import Call
from etl.sandbox.errors import Problem, Refusal
from etl.sandbox.messages import Request, Response
from etl.sandbox.pages import about, directory, faults, profile, requests
from etl.sandbox.pages.rendering import render
from etl.sandbox.pages.sessions import LIFETIME, Session, Sessions
from etl.sandbox.pages.visits import ROOT, Moved, Page, Visit, link
from etl.sandbox.routes import match


class Leaf(NamedTuple):
    """One page or form: its method, its path, what makes it."""

    method: str
    path: str
    handler: Callable[..., Page | Moved]
    writes: bool = False


LEAVES = (
    Leaf("GET", "/", directory.show),
    Leaf("GET", f"{ROOT}profiles/{{id}}", profile.show),
    Leaf("GET", f"{ROOT}requests", requests.show),
    Leaf("GET", f"{ROOT}requests/newer", requests.newer),
    Leaf("GET", f"{ROOT}faults", faults.show),
    Leaf("POST", f"{ROOT}faults/on", faults.switch_on),
    Leaf("POST", f"{ROOT}faults/off", faults.switch_off),
    Leaf("POST", f"{ROOT}faults/plan", faults.play),
    Leaf("POST", f"{ROOT}faults/end", faults.end),
    Leaf("GET", f"{ROOT}about", about.show),
    Leaf("POST", f"{ROOT}clock", about.advance_clock, True),
    Leaf("POST", f"{ROOT}settings", about.change_settings, True),
    Leaf("POST", f"{ROOT}seed", about.fill, True),
    Leaf("POST", f"{ROOT}reset", about.reset, True),
)
_LOG_IN, _LOG_OUT = f"{ROOT}log-in", f"{ROOT}log-out"

# Where a log-in may lead: the pages, and nowhere else.
_OWN = re.compile(rf"/(?:{ROOT[1:]}[!-~]*)?(?:\?[!-~]*)?")
_MOST_FIELDS = 50


class Pages:
    """The pages of a sandbox, before its API: what is no page is passed on.

    ``clock`` is what sessions end by; it is not the sandbox's, which can be moved.
    """

    def __init__(self, sandbox: Sandbox, clock: Callable[[], float] = time.time) -> None:
        self._sandbox = sandbox
        self._sessions = Sessions(clock)

    def respond(self, request: Request, sleep: Callable[[float], object] | None = None) -> Response:
        """Answer one request, for a page or to the API."""
        if request.path != "/" and not request.path.startswith(ROOT):
            return self._sandbox.respond(request, sleep)
        session = self._sessions.find(_cookie(request))
        try:
            _check_origin(request)
            if request.path == _LOG_IN:
                return self._log_in(request)
            if request.path == _LOG_OUT:
                return self._log_out(request, session)
            leaf, path_ids = _find(request)
            if session is None:
                return _closed(request)
            form = _form(request, session) if leaf.method == "POST" else {}
            return self._made(leaf, path_ids, request, session, form)
        except Refusal as refusal:
            return _refused(refusal, session)

    def _made(
        self,
        leaf: Leaf,
        path_ids: list[str],
        request: Request,
        session: Session,
        form: Mapping[str, str],
    ) -> Response:
        traffic = self._sandbox.traffic
        name = leaf.path.removeprefix(ROOT)
        with self._sandbox.visited(request, name, write=leaf.writes) as call:
            made = leaf.handler(Visit(call, session, traffic, call.parameters, form), *path_ids)
            frame = _frame(session, call)
        # Others need not wait for the HTML.
        if isinstance(made, Moved):
            return _moved(made.to)
        if not made.part:
            session.notice = ""
        return render(made, frame)

    def _log_in(self, request: Request) -> Response:
        """Let in whoever shows the token that control calls need."""
        if request.method != "POST":
            return _log_in_page(dict(_pairs(request.query)).get("to", ""))
        form = _fields(request)
        to, shown = form.get("to", ""), form.get("token", "").strip()
        with self._sandbox.visited(request, "log-in", write=False) as call:
            try:
                _, token = tokens.authenticate(call.store, f"Bearer {shown}")
            except Refusal:
                return _log_in_page(to, wrong=True)
        if not token.owner:
            return _log_in_page(to, wrong=True)
        cookie = _set_cookie(request, self._sessions.begin(), LIFETIME)
        return _moved(to if _OWN.fullmatch(to) else "/", cookie)

    def _log_out(self, request: Request, session: Session | None) -> Response:
        if request.method != "POST":
            raise errors.wrong_method(request.method, ["POST"])
        if session is not None:
            _form(request, session)
            self._sessions.end(_cookie(request))
        return _moved(_LOG_IN, _set_cookie(request, "", 0))


def _find(request: Request) -> tuple[Leaf, list[str]]:
    steps = request.path.split("/")
    found = [(leaf, ids) for leaf in LEAVES if (ids := match(leaf.path, steps)) is not None]
    for leaf, ids in found:
        if leaf.method == ("GET" if request.method == "HEAD" else request.method):
            return leaf, ids
    if found:
        raise errors.wrong_method(request.method, [leaf.method for leaf, _ in found])
    raise errors.unknown_path("There is no such page.")


# What a browser sends


def _cookie_name(request: Request) -> str:
    # Browsers do not tell the ports of one host apart: two sandboxes would log each other out.
    _, _, port = request.headers.get("host", "").partition(":")
    return f"square-sandbox-{port}" if port.isdigit() else "square-sandbox"


def _cookie(request: Request) -> str:
    for pair in request.headers.get("cookie", "").split(";"):
        name, _, value = pair.strip().partition("=")
        if name == _cookie_name(request):
            return value
    return ""


def _set_cookie(request: Request, value: str, lifetime: int) -> dict[str, str]:
    cookie = f"{_cookie_name(request)}={value}; Path=/; Max-Age={lifetime}"
    return {"set-cookie": f"{cookie}; HttpOnly; SameSite=Strict"}


def _check_origin(request: Request) -> None:
    """Raise Refusal for what another site, or another port, has a browser send."""
    origin = request.headers.get("origin")
    if origin not in (None, f"http://{request.headers.get('host')}"):
        raise _forbidden("This form is not of this sandbox.")


def _form(request: Request, session: Session) -> dict[str, str]:
    form = _fields(request)
    if not hmac.compare_digest(form.get("form_key", "").encode(), session.form_key.encode()):
        raise _forbidden(
            "This form is of another session, so nothing was done. Load its page again."
        )
    return form


def _fields(request: Request) -> dict[str, str]:
    edge.check_size(request.body, SINGLE_BODY_LIMIT)
    return dict(_pairs(request.body.decode("ascii", "replace")))


def _pairs(text: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise Refusal(Problem("BAD_REQUEST", "There are too many fields.")) from None


def _forbidden(detail: str) -> Refusal:
    return Refusal(Problem("FORBIDDEN", detail, status=403))


# What it is answered


def _frame(session: Session | None, call: Call | None = None) -> dict[str, Any]:
    """Return what every page shows around its own."""
    return {
        "form_key": session.form_key if session else None,
        "notice": session.notice if session else "",
        "merchant": call.merchant if call else None,
        "faults": len(call.script.plan) if call else 0,
    }


def _log_in_page(to: str, *, wrong: bool = False) -> Response:
    page = Page("log_in.html", {"to": to, "wrong": wrong}, 401 if wrong else 200)
    return render(page, _frame(None))


def _closed(request: Request) -> Response:
    """Ask for the token; a script is told by a status, since it follows wherever it is sent."""
    if request.path == link("requests", "newer"):
        return Response(401, b"", {"content-type": "text/plain"})
    if request.method != "GET" or (request.path, request.query) == ("/", ""):
        return _moved(_LOG_IN)
    to = f"{request.path}?{request.query}" if request.query else request.path
    return _moved(f"{_LOG_IN}?{urlencode({'to': to})}")


def _moved(to: str, headers: Mapping[str, str] | None = None) -> Response:
    return Response(303, b"", {"location": to, "cache-control": "no-store", **(headers or {})})


def _refused(refusal: Refusal, session: Session | None) -> Response:
    status = refusal.problems[0].status
    page = Page("problem.html", {"problems": refusal.problems, "code": status}, status)
    return render(page, _frame(session))
