"""Who of the rows is in the directory already, and what is to be done for each?

The one stage between a checked file and a plan: gathers the rows, reads as much of the directory
as they need, decides, and plans, in one transaction of the journal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import duckdb

from etl.config import Config
from etl.customers.belongings import GIFT_CARD
from etl.directory.gone import Moved
from etl.directory.index import Index
from etl.directory.kept import discard
from etl.directory.lookup import KEY_COLUMNS, choose, consult_ledger, read_directory, weigh
from etl.directory.near import near_matches
from etl.errors import LockedError, Refused, StateError, Unauthorized
from etl.journal.journal import Journal
from etl.journal.ledger import Ledger
from etl.journal.lock import locked
from etl.journal.records import Run
from etl.square.client import SquareClient
from etl.stages.apply import withdraw_moved
from etl.stages.beside import Beside, look_up
from etl.stages.dedupe import decide, gather
from etl.stages.plan import plan
from etl.stages.read import mapping_of


class _Read(NamedTuple):
    """Does the whole directory lie in the kept copy now, and who of it was found to be gone?"""

    whole: bool
    moved: Moved


def match(
    journal: Journal,
    square: SquareClient,
    ledger: Ledger,
    config: Config,
    run: Run,
    path: Path,
    kept: Path,
    clock: Callable[[], float],
    between: Callable[[int], None],
    then: str,
) -> None:
    """Plan the run; afterwards its stage is ``then``. ``path`` is where the index may lie.

    ``kept`` is the copy of the directory that stays between runs; ``clock`` counts seconds;
    ``between`` hears how many profiles of the directory were read. A lookup that fails raises
    Unavailable; a custom attribute that is not defined, or a token without the scopes of a column
    of gift cards, ConfigError: nothing was planned then.
    """
    # Before anything else is asked: what is wrong with the settings is told at once.
    cards = any(GIFT_CARD in mapping_of(source).fields for source in journal.sources())
    directory = look_up(square, config, cards) if cards or config.has_belongings else None
    keys = [KEY_COLUMNS[key] for key in config.dedupe.keys]
    for again in (False, True):
        index = Index(path, run.country)
        try:
            gather(journal, ledger, index, config.source.namespace)
            with _reserved(kept, path) as copy:
                read = _read(journal, square, index, config, run, copy, keys, clock, between)
                moved = consult_ledger(square, index, ledger, keys, read.moved)
                decide(index, keys, config.dedupe)
                if read.whole:
                    index.add_hints(near_matches(index, copy))
            beside = Beside(journal, square, config, directory, run.country) if directory else None
            with journal.transaction():
                if run.applies:
                    withdraw_moved(journal, index)
                plan(journal, index, config, run, beside)
                journal.plan.keep()
                journal.note(stage=then)
            if run.command == "import":
                ledger.follow(moved)
            return
        except duckdb.OutOfMemoryException:
            raise  # which says nothing of the copy
        except duckdb.Error:
            if again or not kept.is_file():
                raise
            # The index is new: it is the copy that is damaged. Nothing was planned yet.
            discard(kept)
        finally:
            index.close()
            path.unlink()


@contextmanager
def _reserved(kept: Path, beside: Path) -> Iterator[Path]:
    """Yield the copy that stays between runs, or while another run reads it one for this run."""
    try:
        kept.parent.mkdir(mode=0o700, exist_ok=True)
        kept.parent.chmod(0o700)
    except OSError as error:
        raise StateError(
            f"cannot keep a copy of the directory in {kept.parent}: {error.strerror}. Move what is "
            "there out of the way."
        ) from error
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(kept.parent, "reading the directory"))
        except LockedError:
            kept = beside.with_name("kept.duckdb")
            stack.callback(kept.unlink, missing_ok=True)
        yield kept


def _read(
    journal: Journal,
    square: SquareClient,
    index: Index,
    config: Config,
    run: Run,
    kept: Path,
    keys: Sequence[str],
    clock: Callable[[], float],
    between: Callable[[int], None],
) -> _Read:
    """Read the directory in the way that the settings name, or that takes fewest calls."""
    lookup, pace = config.dedupe.lookup, config.limits.requests_per_second
    searches = index.count_distinct(keys)
    if not searches:
        return _Read(False, {})
    began = clock()
    profiles = square.count_customers()
    asked_at, took = square.told_time, clock() - began
    ways = weigh(square, kept, run.country, lookup, searches, profiles)
    choice = choose(lookup, ways, max(took, 1 / pace if pace else 0.0))
    journal.note(lookup=choice.told)
    read = partial(read_directory, square, index, kept, run.country, run.merchant_id)
    try:
        gone = read(choice.way, keys, asked_at, profiles, between)
        if gone.told:
            journal.note(lookup=f"{choice.told}; {gone.told}")
        return _Read(choice.way != "search", gone.moved)
    except Refused as refusal:
        if choice.way != "search" or isinstance(refusal, Unauthorized):
            raise
        # One value that cannot be searched for must not stop the others.
        journal.note(lookup="by a snapshot, because Square refused a search")
        read("snapshot", keys, asked_at, profiles, between)
        return _Read(True, {})
