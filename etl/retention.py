"""What of earlier runs may go? Purging whole runs, and erasing one person from all of them.

Both are for people's data that was kept long enough. A purge leaves the ledger, so that the next
import still knows who is who; an erasure leaves every row in its account.
"""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import orjson

from etl.customers.erased import KEYS, digest
from etl.customers.normalize import email_key, phone_key
from etl.errors import ConfigError, StateError
from etl.files.atomic import replacing, sweep
from etl.journal.erasure import Person
from etl.journal.journal import Journal
from etl.journal.ledger import Ledger
from etl.journal.lock import locked
from etl.journal.state import State
from etl.stages.reconcile import ARTIFACTS, reconcile

_CHUNK = 1 << 20
_KEY_BYTES = 32
# No key is longer: Square's limit of an email is 254 characters.
_LONGEST = 1024


class Purged(NamedTuple):
    """A run, and the bytes that go with it."""

    run_id: str
    command: str
    started_at: str
    bytes: int


def purge(
    state: State,
    now: datetime,
    runs: Sequence[str] = (),
    older_than: timedelta | None = None,
    *,
    unfinished: bool = False,
    dry_run: bool = False,
) -> list[Purged]:
    """Remove runs with all their files: those named, and those begun longer ago than that.

    Runs that could be gone on with stay, unless ``unfinished``. ``dry_run`` only says which would
    go. Raises StateError when a named one is not finished, LockedError while a run is at work.
    """
    state.prepare()
    with locked(state.folder, "purge"):
        named = {state.run_folder(run).name for run in runs}
        going_on = set() if unfinished else {folder.name for folder in state.unfinished()}
        if kept := sorted(named & going_on):
            raise StateError(
                f"run {kept[0]} is not finished: go on with it (square-etl runs resume {kept[0]}), "
                "or say --unfinished, and nobody can"
            )
        found = []
        for folder, journal in state.journals():
            run = journal.run()
            age = now - datetime.fromisoformat(run.started_at)
            old = older_than is not None and age > older_than
            if folder.name in named or (old and folder.name not in going_on):
                size = sum(path.stat().st_size for path in _files(folder))
                found.append(Purged(folder.name, run.command, run.started_at, size))
        for each in found if not dry_run else ():
            state.remove(each.run_id, ARTIFACTS)
        return found


@dataclass(slots=True)
class Erased:
    """What was erased, without saying whom.

    ``runs`` says how many rows of each run, ``ledger`` how many entries, ``copies`` how many copies
    of the directory and collections of exports were removed; ``searched`` how many files were
    looked through afterwards, and ``left`` which of them still hold something.
    """

    at: str
    digests: list[str]
    runs: dict[str, int] = field(default_factory=dict)
    ledger: int = 0
    copies: int = 0
    searched: int = 0
    left: list[str] = field(default_factory=list)
    record: str = ""


def erase(
    state: State, person: Person, now: datetime, chance: random.Random, note: Callable[[str], None]
) -> Erased:
    """Take a person out of all journals, artifacts, the ledger and the copies of the directory.

    Rows keep line, outcome and codes, so that every account still adds up. A keyed digest of each
    of the person's keys stays: rows about them are left out of later imports. What was begun and
    killed is finished by the next erasure. Raises StateError while a run that holds the person is
    not finished, or is a plan; LockedError while a run is at work.
    """
    state.prepare()
    with locked(state.folder, "erase"):
        sweep(state.folder / "sources")
        if begun := _begun(state):
            note("an erasure that was killed is finished first")
            _erase(state, begun, now, chance, note, again=True)
        return _erase(state, person, now, chance, note)


def _erase(
    state: State,
    person: Person,
    now: datetime,
    chance: random.Random,
    note: Callable[[str], None],
    *,
    again: bool = False,
) -> Erased:
    """Erase one person; ``again``, artifacts may still be as they were before their journal was."""
    person = _gather(state, person, note)
    # Ids of one run find rows of another, and are gone from it once it is erased.
    with replacing(state.erasing) as file:
        file.write(orjson.dumps({name: sorted(keys) for name, keys in _sets(person)}))
    at = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    erased = Erased(at, digests(_key(state, chance), person))
    for folder, journal in state.journals():
        rows, _ = journal.erasure.find(person)
        if rows:
            note(f"{folder.name}: {len(rows):,} rows")
            erased.runs[folder.name] = len(rows)
        if found := bool(rows) or journal.erasure.is_candidate(person.customers):
            journal.erasure.erase(rows, person)
        if found or (again and (folder / "report.json").is_file()):
            _write_anew(journal, folder)
    with closing(Ledger(state.ledger, "")) as ledger:
        erased.ledger = ledger.erase(person)
        ledger.bury(erased.digests, chance.randbytes(8).hex())
    erased.copies = _discard_copies(state, person)
    _prove(state, person, erased)
    erased.record = f"erased-{at.replace(':', '')}.json"
    with replacing(state.folder / erased.record) as file:
        file.write(orjson.dumps(erased, option=orjson.OPT_INDENT_2))
    state.erasing.unlink()
    return erased


def person(emails: Iterable[str], phones: Iterable[str], references: Iterable[str]) -> Person:
    """Return whom somebody names; raises ConfigError for what cannot be anybody's."""
    found = Person(
        frozenset(filter(None, map(email_key, emails))),
        # A number with its country code is the same wherever it is read.
        frozenset(phone_key(phone, "US") or "" for phone in phones if phone.startswith("+")),
        frozenset(filter(None, (reference.strip() for reference in references))),
    )
    if not all("@" in email.strip("@") for email in found.emails):
        raise ConfigError("this is no email address: write it whole, as ann@example.com")
    if len(found.phones) != len(set(phones)) or "" in found.phones:
        raise ConfigError("this is no phone number: write it with its country code, as +1415...")
    if not (found.emails or found.phones or found.references):
        raise ConfigError("name the person: --email, --phone or --reference")
    return found


def digests(key: bytes, person: Person) -> list[str]:
    """Return what is remembered of a person's keys."""
    keys = (person.references, person.emails, person.phones)
    named = zip(KEYS, keys, strict=True)
    return sorted(digest(key, name, value) for name, values in named for value in values)


def readmit(state: State, person: Person) -> int:
    """Let rows about somebody who was erased be imported again, whichever of their keys is named.

    Returns how many digests are forgotten.
    """
    state.prepare()
    with locked(state.folder, "erase"), closing(Ledger(state.ledger, "")) as ledger:
        known = state.erased_key.is_file()
        return ledger.unbury(digests(state.erased_key.read_bytes(), person)) if known else 0


def _sets(person: Person) -> list[tuple[str, frozenset[str]]]:
    return [(name, getattr(person, name)) for name in Person.__slots__]


def _begun(state: State) -> Person | None:
    """Return whom an erasure that was killed was about."""
    if not state.erasing.is_file():
        return None
    kept: dict[str, list[str]] = orjson.loads(state.erasing.read_bytes())
    return Person(**{name: frozenset(values) for name, values in kept.items()})


def _gather(state: State, person: Person, note: Callable[[str], None]) -> Person:
    """Return the person with the ids and references under which runs and ledger know them.

    Other emails and phones lead no further: they may be a whole household's.
    """
    while True:
        with closing(Ledger(state.ledger, "")) as ledger:
            known = person | Person(customers=ledger.find(person))
        for folder, journal in state.journals():
            rows, found = journal.erasure.find(known)
            if rows:
                _refuse_open(folder.name, journal, state)
            known |= Person(references=found.references, customers=found.customers)
        if known == person:
            return person
        note("looking for rows about this person")
        person = known


def _refuse_open(run_id: str, journal: Journal, state: State) -> None:
    """Raise StateError for a run that something could still be sent for."""
    if journal.run().command in ("plan", "undo-plan"):
        raise StateError(
            f"the plan {run_id} holds this person and could still be carried out: remove it first, "
            f"square-etl runs purge {run_id}"
        )
    if any(folder.name == run_id for folder in state.unfinished()):
        raise StateError(
            f"run {run_id} holds this person and is not finished: go on with it first, "
            f"square-etl runs resume {run_id}, or give it up, square-etl runs purge {run_id} "
            "--unfinished"
        )


def _key(state: State, chance: random.Random) -> bytes:
    """Return the key of the digests, made on first use; the caller holds the lock."""
    if not state.erased_key.is_file():
        with replacing(state.erased_key) as file:
            file.write(chance.randbytes(_KEY_BYTES))
    return state.erased_key.read_bytes()


def _write_anew(journal: Journal, folder: Path) -> None:
    """Make the artifacts of a run from what is left, without the files it kept beside them."""
    for name in ("directory.duckdb", "directory.duckdb.wal"):
        (folder / name).unlink(missing_ok=True)
    reconcile(journal, folder)


def _discard_copies(state: State, person: Person) -> int:
    """Remove copies of the directory and of collected profiles that hold the person.

    They are read anew when they are needed.
    """
    from etl.directory import kept
    from etl.export import collected

    copies = [path for path in state.directories() if kept.holds(path, person)]
    for path in copies:
        kept.discard(path)
    collections = [path for path in state.collections() if collected.holds(path, person)]
    for path in collections:
        shutil.rmtree(path.parent)
    return len(copies) + len(collections)


def _prove(state: State, person: Person, erased: Erased) -> None:
    """Look through everything again."""
    for folder, journal in state.journals():
        rows, _ = journal.erasure.find(person)
        if rows:
            erased.left.append(folder.name)
    erased.left += [f"runs/{name}, whose folder is not there" for name in state.unreachable()]
    keys = [_whole(key) for key in (*person.emails, *person.phones)]
    ids = [_whole(customer) for customer in person.customers if customer]
    # Ids stay in the memory of increments, so that the next one tells that they are gone.
    remembering = {path.parent for path in state.collections()}
    for path in _files(state.folder):
        # The embedded Square is Square: whoever is erased there is deleted there.
        if path.name.startswith(state.sandbox.name) or path == state.erasing:
            continue
        erased.searched += 1
        if _holds(path, keys if path.parent in remembering else [*keys, *ids]):
            erased.left.append(str(path.relative_to(state.folder)))


def _whole(key: str) -> re.Pattern[bytes]:
    """Return what finds a key where it is no part of another one: joann@ is not ann@."""
    word = re.escape(key.lower().encode())
    return re.compile(rb"(?<![a-z0-9._+-])" + word + rb"(?![a-z0-9-]|\.[a-z0-9])")


def _holds(path: Path, keys: Sequence[re.Pattern[bytes]]) -> bool:
    with open(path, "rb") as file:
        before = b""
        while chunk := file.read(_CHUNK):
            text = before + chunk.lower()
            if any(key.search(text) for key in keys):
                return True
            before = text[-_LONGEST:]
    return False


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder; runs may lie elsewhere, behind a link."""
    for path in folder.iterdir():
        if path.is_dir():
            yield from _files(path)
        elif path.is_file():
            yield path
