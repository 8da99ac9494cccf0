"""Who is told that a run has ended? A webhook, a command, or both.

Whatever comes of it is words only: the run is over, and ends as it ended.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import orjson

from etl.config import Notify
from etl.target import TOKEN_VARIABLE

_ATTEMPTS = 3
# Seconds between two attempts: the first, the second.
_PAUSES = (1.0, 3.0)


def notify(
    settings: Notify,
    told: Mapping[str, Any],
    environ: Mapping[str, str],
    sleep: Callable[[float], None],
) -> Iterator[str]:
    """Tell everybody who is to be told; yield what went wrong."""
    body = orjson.dumps(told)
    if settings.webhook and (failure := _post(settings, settings.webhook, body, environ, sleep)):
        yield failure
    if settings.command and (failure := _run(settings, body, environ)):
        yield failure


def _post(
    settings: Notify,
    url: str,
    body: bytes,
    environ: Mapping[str, str],
    sleep: Callable[[float], None],
) -> str:
    """POST the summary; return what went wrong, in words without the address or the secret."""
    import httpx

    from etl.square.network import network_transport

    host = urlsplit(url).hostname
    headers = {"Content-Type": "application/json", "User-Agent": "square-etl"}
    if settings.secret_env:
        secret = environ.get(settings.secret_env, "")
        if not (secret and secret.isascii() and secret.isprintable()):
            return (
                f"the webhook at {host} was not told: the environment variable "
                f"{settings.secret_env} is not set, or holds what no header can"
            )
        headers[settings.secret_header] = secret
    why = ""
    with httpx.Client(
        transport=network_transport(),
        timeout=settings.timeout,
        follow_redirects=False,
        trust_env=False,
    ) as http:
        for attempt in range(_ATTEMPTS):
            if attempt:
                sleep(_PAUSES[attempt - 1])
            try:
                # The answer is not read beyond its head: it may say back what it was told.
                with http.stream("POST", url, content=body, headers=headers) as answer:
                    status = answer.status_code
            except (httpx.TransportError, httpx.InvalidURL) as error:
                why = f"no answer ({type(error).__name__})"
                continue
            if status < 300:
                return ""
            why = f"it answered {status}"
            if status < 500 and status != 429:
                break
    return f"the webhook at {host} was not told: {why}"


def _run(settings: Notify, body: bytes, environ: Mapping[str, str]) -> str:
    """Run the command; return what went wrong. It is not given Square's token."""
    name = settings.command[0]
    environment = {key: value for key, value in environ.items() if key != TOKEN_VARIABLE}
    try:
        process = subprocess.Popen(
            settings.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        return f"the command {name} could not be run: {error.strerror}"
    try:
        process.communicate(body, timeout=settings.timeout)
    except subprocess.TimeoutExpired:
        # With whatever it started.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return f"the command {name} was stopped: it took longer than {settings.timeout:g} s"
    if process.returncode:
        return f"the command {name} ended with {process.returncode}"
    return ""
