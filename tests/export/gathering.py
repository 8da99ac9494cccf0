"""What lies beside the profiles of a world, gathered as an export does."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Any

from etl.config import Config
from etl.export import beside
from etl.export.beside import Gathering
from etl.export.collected import Collected
from etl.square.client import SquareClient
from tests.worlds import World

Row = dict[str, Any]


def gather(
    world: World,
    *names: str,
    only: Collection[str] | None = None,
    in_flight: int = 1,
    batch: int = 64,
    filter: Row | None = None,
    square: SquareClient | None = None,
    tell: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> dict[str, Row]:
    """Gather for all customers, or some; return each customer's columns.

    What was gathered before in this world is not gathered again.
    """
    with Collected.open(world.folder / "export" / "collected.sqlite") as collected:
        if not collected.size():
            alive = world.alive()
            ids = alive.keys() if only is None else only
            collected.keep([alive[id] for id in ids], 1)
        gathering = Gathering(
            db=collected.db,
            square=square or world.square(Config()).connect(lambda call: None),
            in_flight=in_flight,
            until=datetime.fromtimestamp(world.time.now, UTC).isoformat().replace("+00:00", "Z"),
            filter=filter or {},
            profiles=collected.size(),
            ids=lambda: collected.ids(batch),
            tell=tell,
        )
        beside.gather(names, gathering)
        offered = beside.columns(names, collected.db)
        rows: dict[str, Row] = {}
        for profiles in collected.batches(batch):
            for profile in profiles:
                rows[profile["id"]] = {}
            for further in offered:
                columns = further.values(profiles)
                assert [column.type for column in columns] == [f.type for f in further.fields]
                for field, column in zip(further.fields, columns, strict=True):
                    for profile, value in zip(profiles, column.to_pylist(), strict=True):
                        rows[profile["id"]][field.name] = value
    return rows


def time(text: str) -> datetime:
    """Return a time as a column of timestamps has it."""
    return datetime.fromisoformat(text)
