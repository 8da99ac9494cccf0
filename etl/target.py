"""Which Square is spoken to, and how is it reached?"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from etl import config
from etl.config import Environment
from etl.errors import ConfigError, StateError

TOKEN_VARIABLE = "SQUARE_ACCESS_TOKEN"
# Bytes; what is longer is no token.
_LONGEST = 65536

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
    config: config.Target, base_url: str | None, environ: Mapping[str, str], sandbox: Path
) -> Target:
    """Find the address and the token of a target.

    The token comes from ``token_file`` (which must not be readable by others), from the system's
    ``keyring``, or from ``SQUARE_ACCESS_TOKEN``. The local target is the embedded sandbox kept in
    the file ``sandbox``: no token, no network. Raises ConfigError saying what is missing.
    """
    if config.environment == "local":
        from etl.sandbox import Sandbox, SandboxFileError

        try:
            local = Sandbox(sandbox)
        except SandboxFileError as error:
            raise StateError(f"the local Square cannot be used: {error}") from error
        return Target("local", LOCAL_URL, local.transport(), _Secret(local.token), local.close)
    from etl.square.network import BASE_URLS, IN_FLIGHT, check_base_url, network_transport

    transport = network_transport()
    address = check_base_url(base_url or BASE_URLS[config.environment])
    token = _token(config, environ)
    return Target(config.environment, address, transport, token, transport.close, IN_FLIGHT)


def token_source(config: config.Target) -> str:
    """Say where the token of a target comes from."""
    if config.environment == "local":
        return "the embedded local Square needs none"
    if config.token_file:
        return f"the file {config.token_file}"
    if config.keyring:
        return f"the system's keyring, service {config.keyring!r}, user {config.environment!r}"
    return TOKEN_VARIABLE


def _token(config: config.Target, environ: Mapping[str, str]) -> _Secret:
    if config.token_file:
        return _Secret(_read(config.token_file))
    if config.keyring:
        return _Secret(_recalled(config.keyring, config.environment))
    token = environ.get(TOKEN_VARIABLE, "").strip()
    if not token:
        raise ConfigError(f"no access token: set {TOKEN_VARIABLE} or give --token-file")
    return _Secret(token)


def _read(token_file: Path) -> str:
    try:
        with open(token_file, "rb") as file:
            # Of the very file that is read: the name may lead to another one a moment later.
            if os.fstat(file.fileno()).st_mode & 0o077:
                raise ConfigError(f"others can read {token_file}: run chmod 600 {token_file}")
            token = file.read(_LONGEST).decode("ascii").strip()
    except OSError as error:
        raise ConfigError(f"cannot read the token file {token_file}: {error.strerror}") from error
    except UnicodeDecodeError:
        # The error itself would quote what is in the file.
        raise ConfigError(
            f"the token file {token_file} holds something else than a token"
        ) from None
    if not token:
        raise ConfigError(f"the token file {token_file} is empty")
    return token


def _recalled(service: str, user: str) -> str:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError as error:
        raise ConfigError(
            "[target] keyring needs a library: pip install 'square-etl[keyring]'"
        ) from error
    try:
        token = keyring.get_password(service, user)
    except KeyringError as error:
        raise ConfigError(
            f"the system's keyring cannot be used ({type(error).__name__}): unlock it, or use "
            f"{TOKEN_VARIABLE} or a token file where nobody is logged in"
        ) from error
    if not (token or "").strip():
        raise ConfigError(
            f"the system's keyring has no token: run keyring set {shlex.quote(service)} {user}"
        )
    return str(token).strip()
