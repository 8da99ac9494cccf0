"""Of which pieces is a journal made, and how do batches lie in it?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Self

import numpy as np
import pyarrow as pa

from etl.customers import octets
from etl.customers.problems import told

Stage = Literal["read", "check", "plan", "load", "attach", "detach", "verify", "done"]


Endpoint = Literal["bulk-create", "bulk-update"]


Outcome = Literal[
    "created",
    "updated",
    "unchanged",
    "duplicate",
    "skipped",
    "review",
    "rejected",
    "failed",
    "unknown",
    "pending",
    # Of an undo only.
    "deleted",
    "conflict",
]


OUTCOMES: tuple[Outcome, ...] = Outcome.__args__[:10]  # type: ignore[attr-defined]


# What becomes of the customers that an undo looks at.
UNDONE: tuple[Outcome, ...] = (
    *("updated", "deleted", "unchanged", "conflict", "failed", "unknown", "pending"),
)


@dataclass(frozen=True, slots=True)
class Run:
    """What a run is about: fixed when it begins, all a resume needs but the token.

    ``config`` is the Config as JSON, ``sources`` the arguments as given, ``fingerprint`` tells
    whether the same command would do the same work. ``amends`` is the
    run whose rejects it corrects, ``applies`` the run whose plan it carries out, ``undoes`` the run
    that it takes back. ``state_dir`` is the state folder that it was begun in, from the root on:
    commands that a report names find the run from anywhere.
    """

    run_id: str
    command: Literal["import", "plan", "validate", "undo", "undo-plan", "export"]
    started_at: str
    target: str
    base_url: str
    merchant_id: str
    country: str
    square_version: str
    config: str
    fingerprint: str
    amends: str = ""
    applies: str = ""
    undoes: str = ""
    state_dir: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """A stretch of source rows, each with the physical line it starts on.

    ``first_row`` is the number of its first row in the whole run.
    """

    batch: int
    source: int
    first_row: int
    lines: pa.Array


@dataclass(frozen=True, slots=True)
class Originals:
    """Rows of a batch as they were read, in their original columns.

    ``kept`` are the places of those that are there, in order; None is all of them.
    """

    cells: pa.RecordBatch
    kept: np.ndarray | None

    def at(self, places: Sequence[int] | np.ndarray) -> np.ndarray:
        """Return where in ``cells`` the rows at these places of the batch are.

        Raises KeyError for one that was not kept.
        """
        wanted = np.asarray(places, "<i8")
        if self.kept is None:
            return wanted
        found = np.searchsorted(self.kept, wanted)
        if (np.append(self.kept, -1)[found] != wanted).any():
            raise KeyError(f"rows {sorted(set(wanted.tolist()) - set(self.kept.tolist()))[:3]}")
        return found

    def take(self, places: Sequence[int] | np.ndarray) -> pa.RecordBatch:
        """Return the rows at these places of the batch."""
        return self.cells.take(pa.array(self.at(places)))


class Packed(NamedTuple):
    """A batch with its cells and what was found in it, each as ``unpacked`` takes it."""

    batch: Batch
    cells: pa.Buffer
    kept: bytes | None
    found: pa.Buffer

    def originals(self) -> Originals:
        """Return the rows as they were read."""
        (cells,) = unpacked(self.cells).to_batches()
        return Originals(cells, None if self.kept is None else np.frombuffer(self.kept, "<i8"))


class Rows(NamedTuple):
    """A batch as it was read, as the journal keeps it; ``kept`` as in ``Originals``."""

    rows: int
    lines: bytes
    found: pa.Buffer
    cells: pa.Buffer
    kept: bytes | None

    @classmethod
    def of(
        cls,
        lines: pa.Array,
        cells: pa.RecordBatch,
        found: pa.Table,
        kept: np.ndarray | None = None,
    ) -> Self:
        """Pack cells and the problems (``PROBLEMS``) of unreadable rows; any process can do it.

        ``cells`` are all rows, or those at the places ``kept``.
        """
        places = lines.to_numpy(zero_copy_only=False).astype("<i8").tobytes()
        those = None if kept is None else kept.astype("<i8").tobytes()
        return cls(len(lines), places, packed(found), packed(cells), those)


class Check(NamedTuple):
    """A cleaned batch and all the problems that were found in it, as the journal keeps them."""

    rejected: int
    skipped: int
    found: pa.Buffer
    customers: pa.Buffer | None
    belongings: pa.Buffer | None

    @classmethod
    def of(
        cls,
        customers: pa.RecordBatch | None,
        found: pa.Table,
        belongings: pa.RecordBatch | None = None,
    ) -> Self:
        """Pack customers (``CUSTOMERS``) and problems (``PROBLEMS``); any process can do it.

        ``customers`` are None in a run that goes no further, ``belongings`` (groups, gift cards and
        custom attributes of the rows) also where no column has any.
        """
        return cls(
            len(rejected(found)),
            len(skipped(found)),
            packed(found),
            None if customers is None else packed(customers),
            None if belongings is None else packed(belongings),
        )


@dataclass(frozen=True, slots=True)
class Write:
    """One profile to create or update, as decided for the row that carries the write.

    ``intent`` holds what the row wants (field → value, None is an empty cell), ``changes`` what of
    it is sent (None clears), ``before`` what of an update's changes Square held until then.
    ``key`` names the entry in the bulk call: idempotency key or id. ``tries`` counts how often it
    was computed, anew when its profile had moved; ``uncertain`` says that one of them may have done
    it though no answer said so.
    Number and request are given when it is planned.
    """

    row: int
    action: Literal["create", "update"]
    key: str
    customer_id: str
    version: int | None
    generation: int
    intent: dict[str, str | None]
    changes: dict[str, str | None]
    tries: int = 1
    uncertain: bool = False
    number: int = 0
    request: int = 0
    before: dict[str, str | None] = field(default_factory=dict)


class Landed(NamedTuple):
    """A write that took effect, with the profile it made or changed and the version it has since.

    ``number`` is that of the write, ``changes`` are what was sent.
    """

    number: int
    row: int
    customer_id: str
    version: int
    changes: dict[str, str | None]


class RowChange(NamedTuple):
    """A new outcome of one row; ``version`` is that of the profile it was planned by."""

    row: int
    outcome: Outcome
    customer_id: str = ""
    matched_by: str = ""
    detail: str = ""
    duplicate_of: int | None = None
    version: int | None = None


class Amendment(NamedTuple):
    """What became of a row when it was corrected and imported again, by the run ``run_id``.

    ``line`` is where it stands in that run's file.
    """

    row: int
    run_id: str
    line: int
    outcome: Outcome
    customer_id: str
    matched_by: str
    detail: str
    codes: str
    duplicate_of: int | None


class Review(NamedTuple):
    """Who a row in review could be: profile ids, and rows it belongs or conflicts with.

    ``review_key`` is what the decision is remembered under. A row that is to be created waits for
    none: its ``candidates`` are only near, and ``hints`` say of each what speaks for it.
    """

    row: int
    review_key: str
    candidates: Sequence[str]
    related: Sequence[int]
    hints: Sequence[str] = ()


class Request(NamedTuple):
    """One bulk call, exactly as it is sent.

    ``sends`` counts how often that was begun, ``sent_at`` is the Unix time of the first.
    """

    request: int
    endpoint: Endpoint
    body: bytes
    sends: int
    sent_at: float | None


def rejected(found: pa.Table) -> frozenset[int]:
    """Return the rows of a batch that have a problem (``PROBLEMS``) for which they cannot go on."""
    return frozenset(found.column("row").to_numpy()[told(found, "effect", "reject")].tolist())


def skipped(found: pa.Table) -> dict[int, str]:
    """Return the rows of a batch that a rule of the settings leaves alone, and why."""
    leaving = found.filter(octets.mask(told(found, "effect", "skip")))
    rows, why = leaving.column("row").to_pylist(), leaving.column("message").to_pylist()
    return dict(zip(rows, why, strict=True))


def unpacked(data: pa.Buffer) -> pa.Table:
    """Return what was packed, on the memory that was given where it is not compressed."""
    with pa.ipc.open_stream(data) as reader:
        return reader.read_all()


def packed(data: pa.RecordBatch | pa.Table) -> pa.Buffer:
    """Return columns as the journal keeps them."""
    sink = pa.BufferOutputStream()
    # zstd makes it a third smaller, and takes three times as long.
    options = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
    with pa.ipc.new_stream(sink, data.schema, options=options) as writer:
        writer.write(data)
    return sink.getvalue()
