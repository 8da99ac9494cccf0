"""What arrives of an answer when a fault has struck?"""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import Any

import orjson

from etl.sandbox.errors import API, INVALID_REQUEST, RATE_LIMIT, Problem, as_errors
from etl.sandbox.faults.plan import PAGES, Chosen, Fault
from etl.sandbox.ids import customer_id
from etl.sandbox.messages import Delivery, Response

_CODES = {
    429: ("RATE_LIMITED", RATE_LIMIT),
    500: ("INTERNAL_SERVER_ERROR", API),
    502: ("BAD_GATEWAY", API),
    503: ("SERVICE_UNAVAILABLE", API),
    504: ("GATEWAY_TIMEOUT", API),
}
# An answer with one of these ends with its headers (RFC 9110).
_WITHOUT_BODY = (204, 205, 304)


def spoil(chosen: Chosen, answer: Response) -> Response:
    """Return what arrives of an answer (for a fault before the commit: of an empty one)."""
    fault = chosen.fault
    halfway = fault.when == "body"
    match fault.do:
        case "drop" | "reset":
            return replace(answer, delivery=Delivery(fault.do, halfway=halfway))
        case "truncate":
            return replace(answer, delivery=Delivery("drop", halfway=True))
        case "delay":
            return replace(answer, delivery=Delivery(late=fault.seconds, halfway=halfway))
        case "drip":
            return replace(answer, delivery=Delivery("drip", drip=fault.seconds))
        case "status":
            return _other_status(fault, answer)
        case "garbage":
            return _garbage(fault, answer)
        case "bomb":
            return _bomb(fault, answer)
        case _:
            return _rearranged(chosen, answer)


def _other_status(fault: Fault, answer: Response) -> Response:
    status = 503 if fault.status is None else fault.status
    headers = {**answer.headers, **_retry_after(fault)}
    if status in _WITHOUT_BODY:
        return Response(status, b"", headers)
    if isinstance(fault.body, str):
        return Response(status, fault.body.encode(), headers | {"content-type": "text/html"})
    code, category = _CODES.get(status, ("BAD_REQUEST", INVALID_REQUEST))
    problem = Problem(code, "A scripted fault.", category=category)
    body = as_errors([problem]) if fault.body is None else fault.body
    return Response(status, orjson.dumps(body), headers)


def _garbage(fault: Fault, answer: Response) -> Response:
    status, content_type, body = PAGES[fault.page]
    # Of what an edge sends nothing comes from the API.
    headers = answer.headers if content_type == "application/json" else {}
    return Response(
        fault.status or status or answer.status,
        answer.body[: len(answer.body) // 2] if body is None else body,
        {**headers, "content-type": content_type, **_retry_after(fault)},
    )


def _retry_after(fault: Fault) -> dict[str, str]:
    return {} if fault.retry_after is None else {"retry-after": f"{fault.retry_after:.12g}"}


def _bomb(fault: Fault, answer: Response) -> Response:
    # JSON all the way, with blanks at its end.
    if not fault.compressed:
        return replace(answer, body=answer.body + b" " * fault.size)
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    packed = [packer.compress(answer.body)]
    blanks, rest = divmod(fault.size, 1 << 20)
    packed += [packer.compress(b" " * (1 << 20)) for _ in range(blanks)]
    packed += [packer.compress(b" " * rest), packer.flush()]
    return replace(
        answer, body=b"".join(packed), headers={**answer.headers, "content-encoding": "gzip"}
    )


def _rearranged(chosen: Chosen, answer: Response) -> Response:
    content = orjson.loads(answer.body)
    if answer.status != 200:
        return answer
    # The entries of a bulk call or a list; of an answer about one thing, that thing.
    several = [
        name
        for name, value in content.items()
        if isinstance(value, list) or name in ("responses", "values")
    ]
    for name in several:
        content[name] = _spoiled_entries(chosen, content[name])
    if not several:
        content = _spoiled_entries(chosen, content)
    return replace(answer, body=orjson.dumps(content))


def _spoiled_entries(chosen: Chosen, entries: Any) -> Any:
    fault, chance = chosen.fault, chosen.chance
    pairs: list[tuple[object, Any]] = list(
        entries.items() if isinstance(entries, dict) else enumerate(entries)
    )
    if fault.do == "omit":
        kept = chance.sample(range(len(pairs)), max(0, len(pairs) - fault.count))
        pairs = [pairs[i] for i in sorted(kept)]
    elif fault.do == "reorder":
        chance.shuffle(pairs)
    elif pairs:
        # An answer nobody asked for: somebody's entry under another key, or once more in a list.
        for _ in range(fault.count):
            pairs.append((customer_id(chance), chance.choice(pairs)[1]))
    return dict(pairs) if isinstance(entries, dict) else [value for _, value in pairs]
