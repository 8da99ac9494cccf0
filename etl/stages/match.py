"""Who of the rows is in the directory already, and what is to be done for each?

The one stage between a checked file and a plan: gathers the rows, reads as much of the directory
as they need, decides, and plans, in one transaction of the journal.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from etl.config import Config
from etl.directory.index import Index
from etl.directory.lookup import KEY_COLUMNS, choose, consult_ledger, read_directory
from etl.errors import Refused, Unauthorized
from etl.journal.journal import Journal, Run
from etl.journal.ledger import Ledger
from etl.square.client import SquareClient
from etl.stages.apply import withdraw_moved
from etl.stages.beside import Beside, look_up
from etl.stages.dedupe import decide, gather
from etl.stages.plan import plan


def match(
    journal: Journal,
    square: SquareClient,
    ledger: Ledger,
    config: Config,
    run: Run,
    path: Path,
    between: Callable[[int], None],
    then: str,
) -> None:
    """Plan the run; afterwards its stage is ``then``. ``path`` is where the index may lie.

    ``between`` hears how many profiles of the directory were read. A lookup that fails raises
    Unavailable, a custom attribute that is not defined ConfigError: nothing was planned then.
    """
    # Before anything else is asked: what is wrong with the settings is told at once.
    directory = look_up(square, config) if config.has_belongings else None
    index = Index(path, run.country)
    try:
        gather(journal, ledger, index, config.source.namespace)
        keys = [KEY_COLUMNS[key] for key in config.dedupe.keys]
        searches = index.count_distinct(keys)
        if searches:
            choice = choose(config.dedupe.lookup, searches, square.count_customers())
            journal.note(lookup=choice.told)
            try:
                read_directory(square, index, choice.way, keys, between)
            except Refused as refusal:
                if choice.way == "snapshot" or isinstance(refusal, Unauthorized):
                    raise
                # One value that cannot be searched for must not stop the others.
                journal.note(lookup="by a snapshot, because Square refused a search")
                read_directory(square, index, "snapshot", keys, between)
        moved = consult_ledger(square, index, ledger, keys)
        decide(index, keys, config.dedupe)
        beside = Beside(journal, square, config, directory, run.country) if directory else None
        with journal.transaction():
            if run.applies:
                withdraw_moved(journal, index)
            plan(journal, index, config, run, beside)
            journal.plan.keep()
            journal.note(stage=then)
        if run.command == "import":
            ledger.forget(moved)
    finally:
        index.close()
        path.unlink()
