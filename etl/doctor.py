"""Would tonight's run be able to start? One line per question, with the remedy.

Nothing is written, neither to Square nor to the state folder; what is asked of Square is only read.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from etl.config import SQUARE_VERSION, Config
from etl.errors import ConfigError, EtlError, Refused, Unauthorized, Unavailable
from etl.journal.state import State
from etl.session import NOBODY, reached
from etl.target import token_source

if TYPE_CHECKING:
    from etl.square.client import SquareClient
    from etl.square.wire import TokenStatus

Verdict = Literal["ok", "warning", "fix"]

# Without these nothing can be read; imports need the last one too.
READING = frozenset({"CUSTOMERS_READ", "MERCHANT_PROFILE_READ"})
WRITING = frozenset({"CUSTOMERS_WRITE"})

# Seconds that an answer is waited for: somebody is looking on.
_PATIENCE = 20.0
# Days that a token had best be good for. Square's live 30 days (reference: OAuth).
_FEW_DAYS = 7
# Seconds by which a clock may be wrong: the ages of keys and tokens are judged by it.
_A_LITTLE, _TOO_MUCH = 30, 600
# Bytes of free space. A journal has about the size of its sources, a copy of the directory 1 kB
# per profile.
_LITTLE_SPACE, _NO_SPACE = 1 << 30, 100 << 20

# SQLite: "all processes using a database must be on the same host computer; WAL does not work over
# a network filesystem" (sqlite.org/wal.html); locks over a network are kept by convention only.
_NETWORK = frozenset(
    [
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ncpfs", "ceph", "glusterfs"),
        *("lustre", "beegfs", "gpfs", "ocfs2", "gfs2", "orangefs", "davfs"),
        *("fuse.sshfs", "fuse.s3fs", "fuse.gcsfuse", "fuse.glusterfs", "fuse.rclone"),
        *("fuse.ceph", "fuse.blobfuse", "fuse.goofys", "fuse.mount-s3", "fuse.juicefs"),
    ]
)
_FLEETING = {
    "tmpfs": "in memory, and gone when the machine stops",
    "ramfs": "in memory, and gone when the machine stops",
    "overlay": "a container's own layer, and gone with the container",
}

_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one question, and what helps."""

    check: str
    verdict: Verdict
    told: str
    remedy: str = ""


def of_config(file: Path | None, config: Config, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Judge a config that could be read, and what it names on this machine."""
    if file is None:
        yield Finding("config", "ok", "none given: every setting has its default")
    elif file.stat().st_mode & 0o022:
        yield Finding(
            "config", "fix", f"others can change {file}, and so what is run", f"chmod go-w {file}"
        )
    else:
        yield Finding("config", "ok", f"{file} can be read, and only its owner can change it")
    yield from _of_notify(config, environ)
    if textfile := config.metrics.textfile:
        folder = textfile.parent
        if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
            yield Finding("metrics", "ok", f"{textfile} can be written")
        else:
            told = f"{folder} is no folder that can be written to"
            yield Finding("metrics", "fix", told, "make it, or correct [metrics] textfile")
    if config.traces.enabled:
        from etl.telling.traces import missing

        if told := missing():
            yield Finding("traces", "fix", told, "or set [traces] enabled = false")
        else:
            yield Finding("traces", "ok", "OpenTelemetry is installed")


def _of_notify(config: Config, environ: Mapping[str, str]) -> Iterator[Finding]:
    notify = config.notify
    if notify.secret_env and not environ.get(notify.secret_env):
        told = f"the environment variable {notify.secret_env} is not set, or empty"
        yield Finding("notify", "fix", told, "set it where the job is started")
    elif notify.command and not shutil.which(notify.command[0]):
        told = f"there is no program {notify.command[0]}"
        yield Finding("notify", "fix", told, "install it, or correct [notify] command")
    elif notify.webhook or notify.command:
        who = [
            *(["a webhook"] if notify.webhook else []),
            *(["a command"] if notify.command else []),
        ]
        yield Finding("notify", "ok", f"{' and '.join(who)}, on {', '.join(notify.on)}")


# -- the state folder ------------------------------------------------------------------------


def of_state(state: State, mounts: str) -> Iterator[Finding]:
    """Judge the state folder; ``mounts`` is what /proc/self/mountinfo says, empty elsewhere."""
    folder = state.folder
    there = folder.is_dir()
    place = folder if there else _nearest(folder)
    if folder.exists() and not there:
        yield Finding("state folder", "fix", f"{folder} is no folder", "name another: --state-dir")
        return
    if not os.access(place, os.W_OK | os.X_OK):
        told = f"nothing can be written in {place}"
        yield Finding("state folder", "fix", told, f"make {place} yours, or name another folder")
    elif not there:
        yield Finding("state folder", "ok", f"{folder} will be made by the first run")
    elif folder.stat().st_mode & 0o077:
        told = f"others can look into {folder}"
        yield Finding("state folder", "warning", told, f"chmod 700 {folder} (the next run does it)")
    else:
        yield Finding("state folder", "ok", f"{folder} is yours alone")
    free = shutil.disk_usage(place).free
    told = f"{free / (1 << 30):,.1f} GB free"
    if free < _NO_SPACE:
        yield Finding("space", "fix", told, "make room: runs stop where the disk is full")
    elif free < _LITTLE_SPACE:
        yield Finding("space", "warning", told, "make room, or remove old runs")
    else:
        yield Finding("space", "ok", told)
    yield _filesystem(place, mounts)
    yield _lock(folder)


def _nearest(folder: Path) -> Path:
    """Return the nearest folder above that exists."""
    return next(path for path in folder.absolute().parents if path.is_dir())


def _filesystem(place: Path, mounts: str) -> Finding:
    kind = filesystem(place.resolve(), mounts)
    if kind in _NETWORK:
        told = f"{kind}, a network filesystem: SQLite's log and locks are not safe there"
        remedy = "put the state folder on a disk of this machine (--state-dir)"
        return Finding("filesystem", "fix", told, remedy)
    if kind in _FLEETING:
        remedy = "keep it on a disk or a volume: it remembers which customer each row is"
        return Finding("filesystem", "warning", f"{kind}: {_FLEETING[kind]}", remedy)
    if not kind:
        told = "this system does not tell what kind it is"
        return Finding("filesystem", "warning", told, "make sure that it is a local disk")
    return Finding("filesystem", "ok", f"{kind}, on this machine")


def filesystem(place: Path, mounts: str) -> str:
    """Return the kind of filesystem that a place lies on, empty where that is not known."""
    found, best = "", -1
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) < 5 or not after:
            continue
        # proc(5): blanks, tabs and backslashes in a mount point are octal escapes.
        point = Path(_OCTAL.sub(lambda found: chr(int(found[1], 8)), fields[4]))
        # Of two mounts on one point the later one is seen.
        if place.is_relative_to(point) and len(point.parts) >= best:
            found, best = after.split(" ")[0], len(point.parts)
    return found


def _lock(folder: Path) -> Finding:
    if holder := lock_holder(folder):
        remedy = "wait until it ends, or stop it: its work is not lost"
        return Finding("lock", "warning", f"held by {holder}", remedy)
    return Finding("lock", "ok", "no run is at work")


def lock_holder(folder: Path) -> str:
    """Return who holds a state folder's lock, empty if nobody does."""
    with suppress(FileNotFoundError), open(folder / "lock", encoding="utf-8") as file:
        try:
            # Let go of with the file, a moment later.
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return file.read().strip() or "a process that has not said its name yet"
    return ""


# -- Square ----------------------------------------------------------------------------------


def of_square(
    config: Config, base_url: str | None, state: State, now: Callable[[], datetime]
) -> Iterator[Finding]:
    """Judge the token, and ask Square for a little of everything that is only read."""
    if config.target.environment == "local":
        if not state.sandbox.exists():
            told = "the embedded local Square: made by the first run, without a token"
            yield Finding("square", "ok", told)
            return
        if holder := lock_holder(state.folder):
            yield Finding("square", "ok", f"the embedded local Square, in use by {holder}")
            return
    brief = config.limits.model_copy(update={"patience": min(config.limits.patience, _PATIENCE)})
    try:
        with (
            _untouched(state.sandbox, config) as sandbox,
            reached(
                config.model_copy(update={"limits": brief}), base_url, sandbox, NOBODY
            ) as square,
        ):
            client = square.connect(lambda call: None)
            yield from _asked(client, config, now)
    except ConfigError as error:
        yield Finding("token", "fix", str(error), "see The real Square in the README")
    except Unavailable as error:
        remedy = "look at the network and at issquareup.com; try again later"
        yield Finding("square", "fix", str(error), remedy)
    except EtlError as error:
        yield Finding("square", "fix", str(error))


@contextmanager
def _untouched(sandbox: Path, config: Config) -> Iterator[Path]:
    """Give a copy of the local Square: opening one writes to it."""
    if config.target.environment != "local":
        yield sandbox
        return
    with tempfile.TemporaryDirectory() as folder:
        for suffix in ("", "-wal"):
            with suppress(FileNotFoundError):
                shutil.copyfile(f"{sandbox}{suffix}", Path(folder, f"{sandbox.name}{suffix}"))
        yield Path(folder, sandbox.name)


def _asked(client: SquareClient, config: Config, now: Callable[[], datetime]) -> Iterator[Finding]:
    asked_at = now()
    try:
        status = client.token_status()
    except Unauthorized as error:
        told = f"{token_source(config.target)}: {error}"
        yield Finding("token", "fix", told, "renew the token")
        return
    except Refused as error:
        if any("VERSION" in fault.code for fault in error.faults):
            told = f"Square does not serve Square-Version {config.target.square_version}"
            yield Finding("version", "fix", told, f'square_version = "{SQUARE_VERSION}"')
            return
        raise
    yield from _token(status, config, asked_at)
    yield _clock(client.told_time, asked_at, now())
    yield _version(client.told_version, config)
    try:
        merchant = client.merchant()
        yield _merchant(merchant.id, merchant.country, config)
        profiles = client.count_customers()
        yield Finding("read", "ok", f"{profiles:,} profiles in the directory")
    except Unauthorized as error:
        yield Finding("read", "fix", str(error), "renew the token with the scopes that are missing")


def _token(status: TokenStatus, config: Config, now: datetime) -> Iterator[Finding]:
    source = token_source(config.target)
    needed = READING | WRITING
    if "gift_card_gan" in config.columns.values():
        needed |= {"GIFTCARDS_READ", "GIFTCARDS_WRITE"}
    missing = needed - status.scopes
    if not status.scopes:
        told = f"{source}; Square does not say what it may do"
        yield Finding("token", "ok", told)
    elif missing & READING:
        told = f"{source}: without {_listed(missing)}, so neither imports nor exports work"
        yield Finding("token", "fix", told, f"authorize again with {_listed(needed)}")
    elif missing:
        told = f"{source}: exports work; imports do not, for {_listed(missing)} is missing"
        yield Finding(
            "token", "warning", told, f"to import, authorize again with {_listed(needed)}"
        )
    else:
        yield Finding("token", "ok", f"{source}: may do all that imports and exports need")
    yield _expiry(status.expires_at, now)


def _expiry(expires_at: str, now: datetime) -> Finding:
    if not expires_at:
        return Finding("expiry", "ok", "the token does not expire")
    try:
        end = datetime.fromisoformat(expires_at)
    except ValueError:
        told = "Square tells the end of the token in a form that cannot be read"
        return Finding("expiry", "warning", told, "look into the Developer Console")
    end = end if end.tzinfo else end.replace(tzinfo=UTC)
    days = (end - now).total_seconds() / 86_400
    told = f"the token is good for {days:,.0f} days, until {end:%Y-%m-%d %H:%M} UTC"
    if days < 1:
        told = f"the token ends within a day, at {end:%Y-%m-%d %H:%M} UTC"
        return Finding("expiry", "fix", told, "renew it now")
    if days < _FEW_DAYS:
        return Finding("expiry", "warning", told, "renew it")
    return Finding("expiry", "ok", told)


def _clock(told: float | None, before: datetime, after: datetime) -> Finding:
    if told is None:
        return Finding("clock", "warning", "Square's answer has no Date to compare with")
    # A Date is in whole seconds, rounded down, of some moment between question and answer.
    ahead = before.timestamp() - 1 - told
    behind = told - after.timestamp()
    wrong = max(ahead, behind, 0.0)
    if wrong <= _A_LITTLE:
        return Finding("clock", "ok", f"agrees with Square's within {max(wrong, 1):.0f} s")
    which = "ahead of" if ahead > behind else "behind"
    verdict: Verdict = "warning" if wrong <= _TOO_MUCH else "fix"
    return Finding("clock", verdict, f"{wrong:,.0f} s {which} Square's", "set the clock (NTP)")


def _version(served: str, config: Config) -> Finding:
    asked = config.target.square_version
    if served and served != asked:
        told = f"{asked} is asked for, but Square answers as {served}"
        return Finding("version", "warning", told, "leave [target] square_version out")
    if asked == SQUARE_VERSION:
        return Finding("version", "ok", f"{asked}, the one square-etl was made for")
    which = "newer" if asked > SQUARE_VERSION else "older"
    told = f"{asked} is {which} than {SQUARE_VERSION}, which square-etl was made for"
    return Finding("version", "warning", told, "leave [target] square_version out")


def _merchant(merchant_id: str, country: str, config: Config) -> Finding:
    told = f"{merchant_id}, in {country}"
    region = config.clean.default_region
    if region is None:
        return Finding("merchant", "ok", f"{told}: phones without + are taken to be from there")
    if region == country:
        return Finding("merchant", "ok", f"{told}, as [clean] default_region says")
    told = f"{told}, but phones without + are read as numbers of {region}"
    return Finding(
        "merchant",
        "warning",
        told,
        "right if the file is from there; else leave [clean] default_region out",
    )


def _listed(scopes: frozenset[str]) -> str:
    return " and ".join(sorted(scopes))


def mounts() -> str:
    """Return what this system says of its filesystems, empty where it does not."""
    with suppress(OSError):
        return Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    return ""


def examine(
    file: Path | None, config: Config, base_url: str | None, state: State
) -> Iterator[Finding]:
    """Answer every question about this machine, the config and its Square."""
    yield from of_config(file, config, os.environ)
    yield from of_state(state, mounts())
    yield from of_square(config, base_url, state, lambda: datetime.now(UTC))
