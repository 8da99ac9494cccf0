"""Whose are the tokens? Nothing is written before that is known of all of them.

Two imports into one merchant's directory, each with a ledger of its own, would not know what the
other creates. So every token is asked for its merchant first, and each state folder remembers it:
two entries of one merchant, a merchant under another name, and a token that was mixed up are
refused.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import orjson
import pydantic

from etl import config as configuration
from etl.begin import unobserved
from etl.config import Config
from etl.errors import ConfigError, EtlError, Interrupted, StateError
from etl.files.atomic import replacing
from etl.journal.state import State
from etl.matrix.merchants import Entry
from etl.session import NOBODY, reached
from etl.square.wire import Merchant
from etl.target import TOKEN_VARIABLE

# Asked at a time, and for how many seconds: all others wait for the slowest.
_ASKED_AT_ONCE = 8
_PATIENCE = 20.0
# Which merchant a state folder belongs to, by address.
_REMEMBERED = "merchant.json"
_MEMORY = pydantic.TypeAdapter(dict[str, str])
# What an import would take from the environment instead of from the file.
_OVERRIDING = (TOKEN_VARIABLE, "SQUARE_ENVIRONMENT", "SQUARE_BASE_URL", "SQUARE_ETL_STATE")


@dataclass(frozen=True, slots=True)
class Known:
    """An entry whose settings could be read; once its Square was asked, also whose it is."""

    entry: Entry
    state: State
    config: Config
    environ: Mapping[str, str]
    base_url: str = ""
    merchant: Merchant | None = None

    @property
    def environment(self) -> configuration.Environment:
        """Which Square it is."""
        return self.config.target.environment

    @property
    def merchant_id(self) -> str:
        """Whose it is; empty as long as that is not known."""
        return self.merchant.id if self.merchant else ""


def opened(entry: Entry, state: State, environ: Mapping[str, str]) -> Known:
    """Read the settings of an entry; raises ConfigError when these, or its token, are missing."""
    config = configuration.load(entry.config) if entry.config else Config()
    target = config.target
    if entry.target:
        target = target.model_copy(update={"environment": entry.target})
    if entry.token_env and (target.token_file or target.keyring):
        raise ConfigError(
            f"token_env and the [target] of {entry.config} are two places for one token: keep one"
        )
    if entry.token_file:
        target = target.model_copy(update={"token_file": entry.token_file, "keyring": None})
    if target.environment == "local":
        # It needs no token, so it gets none.
        entry = replace(entry, token_env=None)
    elif not (entry.token_env or target.token_file or target.keyring):
        raise ConfigError("no access token: say token_file or token_env")
    elif entry.token_env and not environ.get(entry.token_env, "").strip():
        raise ConfigError(f"the environment variable {entry.token_env} is not set, or empty")
    if target.token_file and target.token_file.exists() and not target.token_file.is_file():
        # Its import would wait for what was taken when it was asked whose token it is.
        raise ConfigError(f"{target.token_file} is no plain file, and a token is read twice")
    return Known(entry, state, config.model_copy(update={"target": target}), environ)


def environ_for(known: Known, tokens: Iterable[str]) -> dict[str, str]:
    """Return the variables of a merchant's import; of those with ``tokens`` only its own."""
    hidden = {*_OVERRIDING, *tokens}
    kept = {name: value for name, value in known.environ.items() if name not in hidden}
    if name := known.entry.token_env:
        kept[TOKEN_VARIABLE] = known.environ[name]
    return kept


def identified(entries: Sequence[Known], sleep: Callable[[float], None]) -> list[Known | EtlError]:
    """Ask each entry's Square whose token it is; those that did not say are an error each.

    ``sleep`` may raise Interrupted, which is raised here.
    """
    with ThreadPoolExecutor(_ASKED_AT_ONCE) as pool:
        asked = [pool.submit(_ask, entry, sleep) for entry in entries]
        try:
            return [answer.result() for answer in asked]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _ask(known: Known, sleep: Callable[[float], None]) -> Known | EtlError:
    limits = known.config.limits
    hasty = limits.model_copy(update={"patience": min(limits.patience, _PATIENCE)})
    config = known.config.model_copy(update={"limits": hasty})
    audience, base_url = replace(NOBODY, sleep=sleep), known.entry.base_url
    try:
        if known.environment == "local":
            known.state.prepare()
        with reached(
            config, base_url, known.state.sandbox, audience, environ_for(known, ())
        ) as square:
            merchant = square.connect(unobserved).merchant()
            return replace(known, base_url=square.base_url, merchant=merchant)
    except Interrupted:
        raise
    except EtlError as error:
        return error


def refuse_one_merchant_twice(known: Sequence[Known]) -> None:
    """Raise ConfigError when two entries hold tokens of one merchant."""
    seen: dict[str, str] = {}
    for each in filter(_is_elsewhere, known):
        if before := seen.get(each.merchant_id):
            raise ConfigError(
                f"{before} and {each.entry.name} have tokens of one merchant, {each.merchant_id}: "
                "neither import would know what the other creates. Name all sources in one of them"
            )
        seen[each.merchant_id] = each.entry.name


def refuse_one_file_of_figures(known: Sequence[Known]) -> None:
    """Raise ConfigError when two entries would replace each other's ``[metrics] textfile``."""
    seen: dict[Path, str] = {}
    for each in known:
        if (textfile := each.config.metrics.textfile) is None:
            continue
        if before := seen.get(textfile.absolute()):
            raise ConfigError(
                f"{before} and {each.entry.name} would replace each other's [metrics] textfile "
                f"{textfile}: give each a config of its own"
            )
        seen[textfile.absolute()] = each.entry.name


class Homes(NamedTuple):
    """The folder of each merchant's state, by the address of its Square and its id.

    ``unreadable`` is what is wrong with a folder that cannot say whose it is.
    """

    folders: Mapping[tuple[str, str], Path]
    unreadable: StateError | None


def homes(states: State) -> Homes:
    """Return where every merchant was kept so far."""
    found, unreadable = dict[tuple[str, str], Path](), None
    for folder in sorted(states.merchants.iterdir()) if states.merchants.is_dir() else []:
        try:
            found |= dict.fromkeys(_remembered(State(folder)).items(), folder)
        except StateError as error:
            unreadable = error
    return Homes(found, unreadable)


def refuse_stranger(known: Known, homes: Homes) -> None:
    """Raise ConfigError when a merchant is not the one of this name so far, or has another name.

    Raises StateError when that cannot be known.
    """
    if not _is_elsewhere(known):
        return
    name, merchant_id = known.entry.name, known.merchant_id
    so_far = _remembered(known.state).get(known.base_url)
    if so_far is None and homes.unreadable:
        # It may have been kept there.
        raise homes.unreadable
    if so_far not in (None, merchant_id):
        raise ConfigError(
            f"the token is that of merchant {merchant_id}, but so far {name} was {so_far}. Give it "
            "the token of that merchant again; another merchant needs a name of its own"
        )
    home = homes.folders.get((known.base_url, merchant_id))
    if home is not None and home.name != name:
        raise ConfigError(
            f"merchant {merchant_id} was called {home.name} so far, and what is known of it is "
            f"kept in {home}. Keep that name, or rename that folder to {name}"
        )


def remember(known: Known) -> None:
    """Note in the state folder of an entry whose it is; raises StateError when it cannot be."""
    if not _is_elsewhere(known):
        return
    known.state.prepare()
    path, told = known.state.folder / _REMEMBERED, _remembered(known.state)
    if told.get(known.base_url) == known.merchant_id:
        return
    told[known.base_url] = known.merchant_id
    try:
        with replacing(path) as file:
            file.write(orjson.dumps(told, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise StateError(f"cannot write {path}: {error.strerror}") from error


def _remembered(state: State) -> dict[str, str]:
    path = state.folder / _REMEMBERED
    try:
        return dict(_MEMORY.validate_json(path.read_bytes()))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise StateError(f"cannot read {path}: {error.strerror}") from error
    except ValueError:
        raise StateError(f"{path} is damaged: restore it from a copy, or remove it") from None


def _is_elsewhere(known: Known) -> bool:
    """Tell whether it is a Square that others may reach too; the local one is in its own state."""
    return known.environment != "local"
