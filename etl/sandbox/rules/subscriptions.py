"""What must a webhook subscription be?"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from etl.sandbox.assumptions import MAX_URL_LENGTH
from etl.sandbox.errors import Problem, Refusal, empty, missing, too_long
from etl.sandbox.events.types import check_types
from etl.sandbox.reading import (
    check_members,
    needed_object_in,
    short_text_in,
    text_in,
    texts_in,
    truth_in,
)
from etl.sandbox.store.subscriptions import Subscription
from etl.sandbox.versions import served

MAX_NAME_LENGTH = 64
_WRITABLE = ("name", "enabled", "event_types", "notification_url", "api_version")
# What Square assigns: refused on create, ignored on update, as a subscription may be sent back.
READ_ONLY = ("id", "signature_key", "created_at", "updated_at")
_INSIDE = "subscription."
_VISIBLE = re.compile(r"[!-~]+")


def judge_new(body: Mapping[str, Any], default_version: str) -> Mapping[str, Any]:
    """Return the values of a new subscription by name. Raises Refusal for unusable ones."""
    given = _values(body, ())
    for name in ("event_types", "notification_url"):
        if name not in given:
            raise Refusal(missing(_INSIDE + name))
    values = {"name": None, "enabled": True, "api_version": default_version, **given}
    _check_types(values["event_types"], values["api_version"])
    return values


def judge_change(body: Mapping[str, Any], subscription: Subscription) -> Subscription:
    """Return a subscription with the values of an update. Raises Refusal for unusable ones."""
    changed = subscription._replace(**_values(body, READ_ONLY))
    _check_types(changed.event_types, changed.api_version)
    return changed


def _values(body: Mapping[str, Any], ignored: tuple[str, ...]) -> dict[str, Any]:
    """Return what a request sets; null is as good as absent."""
    data = needed_object_in(body, "subscription", "subscription")
    check_members(body, {"subscription": dict.fromkeys((*_WRITABLE, *ignored))})
    enabled, types = truth_in(data, "enabled", _INSIDE), data.get("event_types")
    url, version = text_in(data, "notification_url", _INSIDE), text_in(data, "api_version", _INSIDE)
    values = {
        "name": _name(data),
        "enabled": enabled,
        "event_types": None if types is None else _types(types),
        "notification_url": None if url is None else _url(url),
        "api_version": None if version is None else served(version, version),
    }
    return {name: value for name, value in values.items() if value is not None}


def _name(data: Mapping[str, Any]) -> str | None:
    if data.get("name") == "":
        raise Refusal(empty(f"{_INSIDE}name"))
    return short_text_in(data, "name", _INSIDE, MAX_NAME_LENGTH)


def _types(values: object) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts_in(values, f"{_INSIDE}event_types")))


def _check_types(names: tuple[str, ...], version: str) -> None:
    check_types(names, version, f"{_INSIDE}event_types")


def _url(url: str) -> str:
    path = f"{_INSIDE}notification_url"
    if len(url) > MAX_URL_LENGTH:
        raise Refusal(too_long(path, MAX_URL_LENGTH))
    if not _is_url(url):
        raise Refusal(
            Problem("INVALID_VALUE", f"Expected {path} to be a URL, http:// or https://", path)
        )
    if not is_loopback(urlsplit(url).hostname or ""):
        raise Refusal(
            Problem(
                "INVALID_VALUE",
                "This sandbox notifies this machine only: the host of "
                f"{path} must be localhost, 127.0.0.1 or [::1].",
                path,
            )
        )
    return url


def _is_url(url: str) -> bool:
    if not _VISIBLE.fullmatch(url):
        return False
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    # With a name, a password, a fragment or a backslash, two programs may read two hosts.
    return (
        parts.scheme in ("http", "https")
        and bool(parts.hostname)
        and port != 0
        and not any(sign in url for sign in "#\\")
        and "@" not in parts.netloc
    )


def is_loopback(host: str) -> bool:
    """Tell whether a host of a URL is this machine, whatever a name server says."""
    if host in ("localhost", "::1"):
        return True
    try:
        return ipaddress.IPv4Address(host).is_loopback
    except ValueError:
        return False
