"""How is every profile that passes a filter read, each once, and how is that proved?

1. *Walk*: the time up to the beginning of the export is cut into windows, several of which are
   paged at a time. A cursor that died is replaced by the window's time.
2. *Settle*: lists and searches may be behind by up to a minute (ListCustomers and SearchCustomers
   reference). When that is over, whoever changed since shortly before the beginning is read again.
3. *Certify*: Square counts each window once more. It is complete if Square counted the same when
   its reading began, and that many were read: nobody came or went meanwhile, or whoever did changed
   the count. Any other window is read again.
4. *Follow*: whoever disappeared meanwhile is asked for by id, which leads to whom they were merged
   into.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from etl.errors import Interrupted, SquareError, Unavailable
from etl.export import paging
from etl.export.collected import Collected
from etl.export.windows import (
    MILLISECOND,
    Window,
    created_at,
    largest,
    microseconds,
    middle,
    rfc3339,
)
from etl.square.client import BATCH, SquareClient
from etl.square.flights import Flights
from etl.square.wire import Page, Profile

# Seconds until a search shows what was written ("up to a minute or longer during incidents"), and
# seconds before the beginning from which changes are read once more.
LAG = 60.0
OVERLAP = 120.0

# Readings of a window that others disturb, each of them shorter than the export.
_READINGS = 6


@dataclass(frozen=True, slots=True)
class Collection:
    """Fills a ``Collected`` with all profiles that pass ``filter``.

    ``now`` is Square's Unix time as far as it told, ``sleep`` waits, ``watch`` hears how many
    profiles of how many are there; both may raise Interrupted. ``lag``: seconds that searches may
    be behind.
    """

    collected: Collected
    square: SquareClient
    filter: Mapping[str, Any]
    in_flight: int
    now: Callable[[], float]
    sleep: Callable[[float], None]
    watch: Callable[[str, int, int], None]
    lag: float = LAG

    def complete(self) -> None:
        """Read what is missing until all of it is proved to be there.

        Goes on where it stopped. Raises SquareError when Square cannot be reached, or others change
        the directory faster than it can be read.
        """
        if self.collected.fact("begun") is None:
            self._begin()
        self._walk()
        self._settle()
        for _ in range(_READINGS):
            if not self._doubtful():
                break
            self._walk()
        else:
            if left := len(self._doubtful()):
                raise Unavailable(
                    f"customers kept being created or deleted in {left} spans of time while these "
                    f"were read {_READINGS} times over: give the same command again when there is "
                    "less to do"
                )
        self._follow()

    def _begin(self) -> None:
        until = int(self.now() * 1000) * 1000
        since = self.collected.seen_until(until)
        first = self.collected.fact("seen") is None
        created = self.filter.get("created_at", {})
        start, end = (
            microseconds(created[bound]) if bound in created else None
            for bound in ("start_at", "end_at")
        )
        with self.collected.transaction():
            if windows := self.collected.windows():
                start = windows[-1].end
                if not self.collected.windows("open"):
                    self.collected.cut(largest(self.collected.size(), self.in_flight))
            end = until if end is None else min(until, end)
            if start is None or start < end:
                self.collected.add_window(start, end)
            self.collected.note(
                begun=rfc3339(until), since=rfc3339(since - int(OVERLAP * 1e6)), stage="walk"
            )
            if first:
                self.collected.note(first="yes")

    # -- walking -----------------------------------------------------------------------------

    def _walk(self) -> None:
        seen = self.collected.size()

        def keep(window: Window, page: Page, others: int) -> list[Window]:
            nonlocal seen
            with self.collected.transaction():
                seen += self.collected.keep(page.rows, window.turn)
                return self._turned(window, page)

        paging.read(
            self.collected.windows("open"),
            self.in_flight,
            self._page,
            keep,
            lambda: self.watch("collect", seen, int(self.collected.fact("total") or 0)),
        )

    def _page(self, window: Window) -> Page:
        filter = {**self.filter, "created_at": created_at(window.begin, window.end)}
        return self.square.search_page(filter, window.cursor, counted=window.fresh)

    def _turned(self, window: Window, page: Page) -> list[Window]:
        if window.fresh:
            if self.collected.fact("total") is None:
                self.collected.note(total=str(page.count))
            total = int(self.collected.fact("total") or 0)
            if page.cursor and (page.count or 0) > largest(total, self.in_flight):
                cut = middle(window, min(_times(page), default=window.end))
                if cut is not None:
                    return self.collected.split(window, cut)
            window = replace(window, count=page.count)
        window = _onward(window, page)
        self.collected.advance(window, "open" if page.cursor else "read")
        return [window] if page.cursor else []

    # -- settling ----------------------------------------------------------------------------

    def _settle(self) -> None:
        """Wait until searches show what was there at the beginning, and read what changed since."""
        if self.collected.fact("stage") != "walk":
            return
        begun = microseconds(self.collected.fact("begun") or "") / 1e6
        while (left := begun + self.lag - self.now()) > 0:
            self.watch("settle", int(self.lag - left), int(self.lag))
            self.sleep(min(left, 1.0))
        self.collected.note(seen=rfc3339(int(self.now() * 1000) * 1000))
        updated = _later(self.filter.get("updated_at"), self.collected.fact("since") or "")
        if updated is not None:
            self._read_changed(updated)
        self.collected.note(stage="certify")

    def _read_changed(self, updated: Mapping[str, str]) -> None:
        windows = self.collected.windows()
        if not windows:
            return
        turn = max(window.turn for window in windows)

        def ask(window: Window) -> Page:
            span = created_at(window.begin, window.end)
            filter = {**self.filter, "created_at": span, "updated_at": updated}
            return self.square.search_page(filter, window.cursor)

        def keep(window: Window, page: Page, others: int) -> list[Window]:
            with self.collected.transaction():
                self.collected.keep(page.rows, turn)
            return [_onward(window, page)] if page.cursor else []

        whole = Window(0, windows[0].start, windows[-1].end, turn)
        paging.read([whole], 1, ask, keep, lambda: self.watch("settle", 0, 0))

    # -- certifying --------------------------------------------------------------------------

    def _doubtful(self) -> list[Window]:
        """Have Square count the windows again; return those that are not proved, to be reread."""
        turn = 1 + max((window.turn for window in self.collected.windows()), default=0)
        read = self.collected.windows("read")
        doubtful = []
        for done, (window, count) in enumerate(self._counted(read)):
            self.watch("certify", done, len(read))
            with self.collected.transaction():
                if window.count in (None, count) and self.collected.is_within(window, count):
                    self.collected.drop_unseen(window)
                    self.collected.advance(window, "certain")
                else:
                    window = replace(window, turn=turn, at=None, count=None)
                    self.collected.advance(window)
                    doubtful.append(window)
        return doubtful

    def _counted(self, windows: Iterable[Window]) -> Iterator[tuple[Window, int]]:
        flights: Flights[Window, int] = Flights(self.in_flight)
        try:
            for window, answer in flights.each(windows, self._count):
                yield window, answer()
        except (Interrupted, SquareError) as stop:
            flights.land_rest(lambda window, answer: None, stop)
            raise

    def _count(self, window: Window) -> int:
        whole = created_at(window.start, window.end)
        return self.square.count_found({**self.filter, "created_at": whole})

    # -- following ---------------------------------------------------------------------------

    def _follow(self) -> None:
        """Ask what became of whoever disappeared; who they were merged into is wanted, too."""
        while ids := self.collected.gone(BATCH):
            found = self.square.retrieve_customers(ids)
            became = {id: str((found[id] or {}).get("id", "")) for id in ids}
            merged = [
                profile
                for id, profile in found.items()
                if profile is not None and became[id] != id and self._passes(profile)
            ]
            with self.collected.transaction():
                self.collected.keep(merged, 0)
                self.collected.resolve(became)

    def _passes(self, profile: Profile) -> bool:
        """Does somebody who was created after the windows end pass the filter?"""
        if not self.filter.keys() - {"created_at"}:
            return True
        made = microseconds(profile["created_at"])
        span = created_at(made - MILLISECOND, made + MILLISECOND)
        pages = self.square.search_customers({**self.filter, "created_at": span})
        return any(profile["id"] == one["id"] for page in pages for one in page)


def _onward(window: Window, page: Page) -> Window:
    """Return a window after a page of it."""
    at = max(_times(page), default=window.at)
    moved = at is not None and (window.at is None or at > window.at)
    return replace(
        window,
        at=at,
        since=window.begin,
        cursor=page.cursor,
        stuck=0 if moved else window.stuck,
    )


def _times(page: Page) -> list[int]:
    return [microseconds(profile["created_at"]) for profile in page.rows]


def _later(span: Mapping[str, str] | None, since: str) -> dict[str, str] | None:
    """Return what of a filter's span of time is not before ``since``, None if nothing is."""
    span = span or {}
    start = max(since, span.get("start_at", since), key=microseconds)
    if "end_at" in span and microseconds(span["end_at"]) < microseconds(start):
        return None
    return {**span, "start_at": start}
