"""Which Square is spoken to, and how is it reached?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from etl.config import Environment
from etl.errors import ConfigError, StateError

# What the local target answers to; nothing listens there.
LOCAL_URL = "http://127.0.0.1"


@dataclass(frozen=True, slots=True)
class Target:
    """An environment, its address, and how requests get there; the token never shows itself.

    ``in_flight`` is how many of them had best be under way at a time.
    """

    environment: Environment
    base_url: str
    transport: httpx.BaseTransport
    token: _Secret
    close: Callable[[], None]
    in_flight: int = 1


class _Secret(str):
    """A token that does not appear in representations."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


def open_target(
    environment: Environment,
    base_url: str | None,
    token_file: Path | None,
    environ: Mapping[str, str],
    sandbox: Path,
) -> Target:
    """Find the address and the token of a target.

    The token comes from ``token_file`` (which must not be readable by others) or from
    ``SQUARE_ACCESS_TOKEN``. The local target is the embedded sandbox kept in the file ``sandbox``:
    no token, no network. Raises ConfigError saying what is missing.
    """
    if environment == "local":
        from etl.sandbox import Sandbox, SandboxFileError

        try:
            local = Sandbox(sandbox)
        except SandboxFileError as error:
            raise StateError(f"the local Square cannot be used: {error}") from error
        return Target("local", LOCAL_URL, local.transport(), _Secret(local.token), local.close)
    from etl.square.network import BASE_URLS, IN_FLIGHT, check_base_url, network_transport

    transport = network_transport()
    address = check_base_url(base_url or BASE_URLS[environment])
    token = _token(token_file, environ)
    return Target(environment, address, transport, token, transport.close, IN_FLIGHT)


def _token(token_file: Path | None, environ: Mapping[str, str]) -> _Secret:
    if token_file is None:
        token = environ.get("SQUARE_ACCESS_TOKEN", "").strip()
        if not token:
            raise ConfigError("no access token: set SQUARE_ACCESS_TOKEN or give --token-file")
        return _Secret(token)
    try:
        if token_file.stat().st_mode & 0o077:
            raise ConfigError(f"others can read {token_file}: run chmod 600 {token_file}")
        token = token_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the token file {token_file}: {error}") from error
    if not token:
        raise ConfigError(f"the token file {token_file} is empty")
    return _Secret(token)
