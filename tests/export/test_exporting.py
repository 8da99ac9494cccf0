"""The whole way from the directory to a file that is complete, or is not there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from etl.config import Config
from etl.errors import ConfigError, Interrupted, LockedError, Unauthorized
from etl.export.wanted import wanted
from etl.exporting import export_customers
from etl.pipeline import Progress, Report
from tests.export.test_collect import filled
from tests.worlds import Killed, Sent, World, open_world, people


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Yield a world with 250 customers, an hour apart."""
    world = open_world(tmp_path)
    filled(world, 250)
    yield world
    world.close()


def export(world: World, name: str = "out.csv", **told: Any) -> Report:
    """Export to a file in the world's folder."""
    config = Config()
    destination = str(world.folder / name)
    return export_customers(
        wanted(destination, **told), config, world.state, world.square(config), world.edges()
    )


def rows(world: World, name: str = "out.csv") -> pd.DataFrame:
    """Return the rows of a CSV as text."""
    return pd.read_csv(world.folder / name, dtype=str, keep_default_na=False)


def test_all_of_it(world: World) -> None:
    """Everybody is in the file, and the manifest says how that is proved."""
    report = export(world)
    assert set(rows(world)["id"]) == set(world.alive())
    manifest = json.loads((world.folder / "out.csv.manifest.json").read_bytes())
    assert manifest["complete"] is True
    assert manifest["rows"] == report["rows"] == 250
    assert sum(span["count"] for span in manifest["windows"]) == 250
    searches = manifest["requests"]["POST /v2/customers/search"]["calls"]
    assert searches == len(world.calls("search")) == 5  # three pages, what changed, the count
    assert report["exit_code"] == 0
    assert world.time.waits[-1] > 0  # searches may be behind by a minute


def test_nothing_is_left_behind(world: World) -> None:
    """Once the file is there, the state folder holds no customers."""
    export(world)
    left = [path for path in world.state.folder.rglob("*") if path.is_file()]
    assert not any(b"person7@example.com" in path.read_bytes() for path in left)
    assert {path.name for path in left} <= {"lock", "mask.key"}


@pytest.mark.parametrize("stage", ["collect", "settle", "certify", "write"])
def test_stopped_at_any_stage(world: World, stage: str) -> None:
    """Stopped by a signal there is no file; the same command goes on and asks nothing twice."""

    def watch(progress: Progress) -> None:
        if progress.stage == stage and (stage != "collect" or progress.done):
            raise Interrupted("stopped by SIGTERM")

    world.watch = watch
    stopped = export(world)
    assert (stopped["status"], stopped["exit_code"]) == ("incomplete", 4)
    assert "SIGTERM" in stopped["stopped"]
    assert [path.name for path in world.folder.iterdir()] == ["state"]
    world.watch = lambda progress: None
    report = export(world)
    assert set(rows(world)["id"]) == set(world.alive())
    assert report["exit_code"] == 0
    assert len(world.calls("search")) <= 8


def test_killed_anywhere(tmp_path: Path) -> None:
    """Killed before or after any call, the same command writes the whole file."""
    at, done = 0, False
    while not done:
        (tmp_path / str(at)).mkdir()
        world = open_world(tmp_path / str(at))
        filled(world, 150)
        passed = 0

        def pass_by(sent: Sent, last: int = at) -> None:
            nonlocal passed
            passed += 1
            if passed > last:
                raise Killed

        setattr(world, "before" if at % 2 else "after", pass_by)
        try:
            export(world, beside=("groups",))
            done = True
        except Killed:
            world.before, world.after = lambda sent: None, lambda sent: None
            assert not (world.folder / "out.csv").exists()
            export(world, beside=("groups",))
        assert set(rows(world)["id"]) == set(world.alive())
        world.close()
        at += 1
    assert at > 6


def test_an_outage(world: World) -> None:
    """While Square cannot be reached there is no file; afterwards the same command goes on."""
    asked = 0

    def before(sent: Sent) -> None:
        nonlocal asked
        asked += 1
        if asked == 4:
            world.faults({"endpoint": "search", "rate": 1.0, "do": "status", "status": 503})

    world.before = before
    stopped = export(world)
    assert stopped["exit_code"] == 4
    assert not (world.folder / "out.csv").exists()
    world.faults()
    assert export(world)["rows"] == 250


def test_throttled(world: World) -> None:
    """Being told to wait costs time and nothing else."""
    world.faults(
        {"endpoint": "search", "rate": 0.5, "do": "status", "status": 429, "retry_after": 2}
    )
    report = export(world)
    assert set(rows(world)["id"]) == set(world.alive())
    assert report["requests"]["POST /v2/customers/search"]["rate_limited"] > 0


def test_a_token_without_the_scope(world: World) -> None:
    """A token that may not read customers is refused before anything is collected."""
    world.token = world.new_token("MERCHANT_PROFILE_READ")
    with pytest.raises(Unauthorized):
        export(world)
    assert [path.name for path in world.folder.iterdir()] == ["state"]


def test_a_token_that_is_revoked_meanwhile(world: World) -> None:
    """A token that ends on the way stops the export, which goes on with another."""
    world.token = token = world.new_token()
    world.after = lambda sent: world.revoke(token) if len(world.calls("search")) == 1 else None
    stopped = export(world)
    assert stopped["exit_code"] == 4
    assert "did not accept the access token" in stopped["stopped"]
    world.after = lambda sent: None
    world.token = world.new_token()
    assert export(world)["rows"] == 250


def test_two_at_once(world: World) -> None:
    """The same export twice at a time is refused; it would only be asked for twice."""

    def watch(progress: Progress) -> None:
        world.watch = lambda progress: None
        with pytest.raises(LockedError, match="export"):
            export(world)

    world.watch = watch
    assert export(world)["rows"] == 250


def test_what_is_there_stays(world: World) -> None:
    """A file is replaced only where that is asked for, and only by a complete one."""
    (world.folder / "out.csv").write_text("mine")
    with pytest.raises(ConfigError, match="--overwrite"):
        export(world)

    def watch(progress: Progress) -> None:
        if progress.stage == "write":
            raise OSError(28, "No space left on device")

    world.watch = watch
    with pytest.raises(OSError, match="No space"):
        export(world, overwrite=True)
    assert (world.folder / "out.csv").read_text() == "mine"
    world.watch = lambda progress: None
    assert export(world, overwrite=True)["rows"] == 250


def test_shape_is_checked_before_anything_is_collected(world: World) -> None:
    """A misspelt column costs one call, not an hour."""
    with pytest.raises(ConfigError, match="did you mean"):
        export(world, columns=("given_nam",))
    assert not world.calls("search")


def test_increments(world: World) -> None:
    """Night by night: what is new or changed, and who is gone and why."""
    assert export(world, "1.csv", incremental=True)["rows"] == 250
    ids = list(rows(world, "1.csv")["id"])
    world.time.sleep(3600)
    world.update(ids[3], note="new")
    world.delete(ids[4])
    became = world.merge(ids[5], ids[6])
    world.time.sleep(3600)
    report = export(world, "2.csv", incremental=True, beside=())
    assert set(rows(world, "2.csv")["id"]) == {ids[3], became}
    gone = rows(world, "2.csv.deleted.csv").set_index("id")
    assert dict(gone["what"]) == {ids[4]: "deleted", ids[5]: "merged", ids[6]: "merged"}
    assert set(gone["became"]) == {"", became}
    assert report["incremental"]["deleted"]["rows"] == 3

    again = export(world, "3.csv", incremental=True)
    assert (again["rows"], again["incremental"]["deleted"]["rows"]) == (0, 0)
    everything = export(world, "4.csv", incremental=True, full_refresh=True)
    assert everything["rows"] == 248


def test_an_increment_that_was_not_written(world: World) -> None:
    """An increment that stopped moves nothing: the next one holds the same."""
    export(world, "1.csv", incremental=True)
    world.time.sleep(3600)
    world.create(**people(1, first=900)[0])
    world.time.sleep(3600)

    def watch(progress: Progress) -> None:
        if progress.stage == "write":
            raise Interrupted("stopped")

    world.watch = watch
    assert export(world, "2.csv", incremental=True)["exit_code"] == 4
    world.watch = lambda progress: None
    assert export(world, "2.csv", incremental=True)["rows"] == 1


def test_a_full_refresh(world: World) -> None:
    """Everything once more, with who is gone since; stopped, the same command goes on with it."""
    export(world, "1.csv", incremental=True)
    ids = list(rows(world, "1.csv")["id"])
    world.time.sleep(3600)
    world.delete(ids[4])

    def watch(progress: Progress) -> None:
        if progress.stage == "collect" and progress.done:
            raise Interrupted("stopped")

    world.watch = watch
    assert export(world, "2.csv", incremental=True, full_refresh=True)["exit_code"] == 4
    world.watch = lambda progress: None
    report = export(world, "2.csv", incremental=True, full_refresh=True)
    assert (report["rows"], report["incremental"]["deleted"]["rows"]) == (249, 1)
    assert export(world, "3.csv", incremental=True)["rows"] == 0


def test_what_nobody_goes_on_with(world: World) -> None:
    """A day later nothing is left of an export that was stopped and never given again."""

    def watch(progress: Progress) -> None:
        if progress.stage == "certify":
            raise Interrupted("stopped")

    world.watch = watch
    export(world, updated_after="2020-01-01")
    world.watch = lambda progress: None
    world.time.sleep(90_000)
    export(world)
    assert not list(world.state.folder.rglob("collected.sqlite"))
