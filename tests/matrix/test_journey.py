"""Imports for several merchants: own token, own state, own report; none in another's way."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path
from typing import Any

from etl.journal.lock import locked
from etl.sandbox import Request, Response
from tests.matrix.street import Reply, answer, street

SHOPS = ("north", "south", "east", "west", "harbour")


def test_five_merchants(tmp_path: Path) -> None:
    """Each is imported into its own directory, two at a time; a second time nothing is written."""
    with street(tmp_path, *SHOPS) as shops:
        shops.write(*map(shops.entry, SHOPS), at_once=2)
        done = shops.run("--log-json", "log.jsonl")

        assert (done.status, done.report["exit_code"]) == (0, 0), done.said
        assert done.report["statuses"] == {"finished": 5}
        assert done.report["rows"]["created"] == 15
        for name in SHOPS:
            told = done.of(name)
            assert sorted(shops[name].created()) == [f"{name}-{n}" for n in range(3)]
            assert told["merchant_id"] == shops[name].box.merchant_id
            assert told["calls"] == sum("/v2/" in path for _, path in shops[name].calls) - 2
            own = json.loads((tmp_path / told["report"]).read_bytes())
            assert own["run_id"] == told["run_id"]
            assert Path(told["report"]).parts[:3] == ("state", "merchants", name)
            assert f"{name}: finished, exit 0: 3 read, 3 created" in done.said
        log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
        at_work, most = 0, 0
        for line in log:
            if "merchant" in line:
                at_work += {"begin": 1, "end": -1}.get(line["event"], 0)
            most = max(most, at_work)
        assert most == 2
        runs = {line["merchant"]: line["run_id"] for line in log if line["event"] == "stage"}
        assert runs == {name: done.of(name)["run_id"] for name in SHOPS}
        assert (log[-1]["event"], log[-1]["exit_code"]) == ("end", 0)

        before = [shops[name].box.log() for name in SHOPS]
        again = shops.run("--quiet", "--output", "json")
        assert (again.status, again.said) == (0, "")
        assert again.shown == (tmp_path / "state" / "matrix.json").read_text()
        assert again.report["rows"]["unchanged"] == 15
        assert [shops[name].box.log() for name in SHOPS] == before


def test_the_troubles_of_others(tmp_path: Path) -> None:
    """Whatever keeps one merchant from being imported is its own: the rest is done meanwhile.

    Once it is over, the same command does what is left, and for the others nothing.
    """
    names = ("good", "outage", "revoked", "wrong", "closed", "missing", "unset", "config", "dirty")

    def unavailable(request: Request) -> Response | None:
        """Answer nothing but who it is."""
        return None if "merchants" in request.path else answer(503, "SERVICE_UNAVAILABLE")

    def revoked(request: Request) -> Response | None:
        if request.path.endswith("/bulk-create"):
            return answer(401, "ACCESS_TOKEN_REVOKED", "AUTHENTICATION_ERROR")
        return None

    with street(tmp_path, *names) as shops, socket.create_server(("127.0.0.1", 0)) as closed:
        shops["outage"].reply = unavailable
        shops["revoked"].reply = revoked
        port = closed.getsockname()[1]
        closed.close()
        entries: dict[str, dict[str, Any]] = {
            "wrong": {"token_file": "outage.token"},
            "closed": {"base_url": f"http://127.0.0.1:{port}"},
            "missing": {"sources": ["nowhere.csv"]},
            "unset": {"token_file": None, "token_env": "TOKEN_OF_UNSET"},
            "config": {"config": "nowhere.toml"},
        }
        shops.entry("outage")
        with (tmp_path / "dirty.csv").open("a") as file:
            file.write("dirty-3,Bo,Ek,no address\n")
        shops.write(*(shops.entry(name, **entries.get(name, {})) for name in names))
        done = shops.run()

        assert done.codes == {
            "good": 0,
            "outage": 4,
            "revoked": 4,
            "wrong": 2,
            "closed": 4,
            "missing": 2,
            "unset": 2,
            "config": 2,
            "dirty": 3,
        }
        # What the same command helps comes first.
        assert done.status == 4
        assert done.of("closed")["status"] == "not started"
        assert done.of("outage")["status"] == done.of("revoked")["status"] == "incomplete"
        assert done.of("outage")["rows"]["pending"] == 3
        assert "did not accept the access token" in done.of("wrong")["stopped"]
        assert "nowhere.csv" in done.of("missing")["stopped"]
        assert "TOKEN_OF_UNSET is not set" in done.of("unset")["stopped"]
        assert "nowhere.toml" in done.of("config")["stopped"]
        assert sorted(shops["good"].created()) == ["good-0", "good-1", "good-2"]
        assert len(shops["dirty"].created()) == 3
        for name in set(names) - {"good", "dirty"}:
            assert shops[name].created() == []
            command = "square-etl import --matrix merchants.toml --state-dir state"
            assert done.of(name)["next"][0]["command"] == command
            assert f"\n{name}: " in done.shown
        assert "rejects.csv --amends" in done.of("dirty")["next"][0]["command"]

        for name in names:
            shops[name].reply = lambda request: None
        (tmp_path / "dirty.csv").write_text((tmp_path / "dirty.csv").read_text()[:-25])
        # One of those that were not started stands for them all.
        left = ("good", "outage", "revoked", "closed", "missing", "dirty")
        shops.write(*map(shops.entry, left))
        before = shops["good"].box.log()
        mended = shops.run()
        assert mended.codes == dict.fromkeys(left, 0), mended.shown
        assert mended.status == 0
        assert mended.of("outage")["run_id"] == done.of("outage")["run_id"]
        for name in left:
            assert sorted(shops[name].created()) == [f"{name}-{n}" for n in range(3)]
        assert shops["good"].box.log() == before


def test_one_merchant_twice(tmp_path: Path) -> None:
    """Two tokens of one merchant are found out before anything is written, and both are named."""
    with street(tmp_path, "north", "south") as shops:
        (tmp_path / "other.token").write_text(shops["north"].token())
        (tmp_path / "other.token").chmod(0o600)
        twin = {"name": "twin", "token_file": "other.token"}
        shops.write(*map(shops.entry, ("south", "north")), shops.entry("north", **twin))
        done = shops.run()
        assert done.status == 2
        assert f"north and twin have tokens of one merchant, {shops['north'].box.merchant_id}" in (
            done.said
        )
        assert (shops["north"].created(), shops["south"].created()) == ([], [])


def test_a_merchant_with_another_name(tmp_path: Path) -> None:
    """A state stays with its merchant: neither a new name nor another's token parts them."""
    with street(tmp_path, "north", "south") as shops:
        assert shops.run().status == 0
        before = shops["north"].box.log(), shops["south"].box.log()

        shops.people("north", 4)
        shops.write(shops.entry("north", name="nord"), shops.entry("south"))
        renamed = shops.run()
        assert renamed.codes == {"nord": 2, "south": 0}
        assert "was called north so far" in renamed.of("nord")["stopped"]
        assert "rename that folder to nord" in renamed.of("nord")["stopped"]

        shops["south"].reply = somebody_else
        shops.write(shops.entry("south"))
        mixed_up = shops.run()
        assert mixed_up.codes == {"south": 2}
        told = f"that of merchant ELSE, but so far south was {shops['south'].box.merchant_id}"
        assert told in mixed_up.of("south")["stopped"]

        shops.write(shops.entry("north", name="south", sources=["south.csv"]))
        taken = shops.run()
        assert taken.codes == {"south": 2}
        assert shops["south"].box.log() == before[1]

        shops.people("north", 3)
        (tmp_path / "state/merchants/north").rename(tmp_path / "state/merchants/nord")
        shops.write(shops.entry("north", name="nord"))
        moved = shops.run()
        assert moved.codes == {"nord": 0}
        assert moved.report["rows"]["unchanged"] == 3


def somebody_else(request: Request) -> Response | None:
    """Say of a token that it is another merchant's."""
    if "merchants" not in request.path:
        return None
    merchant = {"id": "ELSE", "country": "US", "currency": "USD", "business_name": "Else"}
    told = json.dumps({"merchant": merchant}).encode()
    return Response(200, told, {"content-type": "application/json"})


def test_states_that_are_one_folder(tmp_path: Path) -> None:
    """A link between the states of two merchants stops everything."""
    with street(tmp_path, "north", "south") as shops:
        (tmp_path / "state/merchants/north").mkdir(parents=True)
        (tmp_path / "state/merchants/south").symlink_to("north")
        done = shops.run()
        assert done.status == 2
        assert "the states of north and south are one folder" in done.said
        assert not shops["north"].created()


def test_the_place_of_the_summary_is_taken(tmp_path: Path) -> None:
    """It is told before anybody is written to."""
    with street(tmp_path, "north") as shops:
        (tmp_path / "state/matrix.json").mkdir(parents=True)
        done = shops.run()
        assert done.status == 2
        assert "matrix.json is a folder" in done.said
        assert not shops["north"].created()


def test_a_state_that_cannot_be_used(tmp_path: Path) -> None:
    """It is told of its own merchant; whoever is known to have another state goes on."""
    with street(tmp_path, "north", "south", "east") as shops:
        shops.write(shops.entry("north"))
        assert shops.run().status == 0
        shops.people("north", 4)
        shops.write(shops.entry("north"), shops.entry("south"))
        merchants = tmp_path / "state/merchants"
        south = merchants / "south"

        def refused() -> None:
            done = shops.run()
            assert done.codes == {"north": 0, "south": 2}, done.said
            assert "merchants/south" in done.of("south")["stopped"]
            assert not shops["south"].created()

        south.write_text("")
        refused()
        south.unlink()
        south.symlink_to("south")
        refused()
        south.unlink()
        (south / "merchant.json").mkdir(parents=True)
        refused()
        (south / "merchant.json").rmdir()
        assert len(shops["north"].created()) == 4

        # Whoever is new might have been kept there so far.
        shops.write(*map(shops.entry, ("north", "south", "east")))
        for damaged in ("{", "[1]", "null"):
            (merchants / "south/merchant.json").write_text(damaged)
            done = shops.run()
            assert done.codes == {"north": 0, "south": 2, "east": 2}, done.said
            for name in ("south", "east"):
                assert "south/merchant.json is damaged" in done.of(name)["stopped"]
                assert not shops[name].created()


def test_a_token_that_can_be_read_once(tmp_path: Path) -> None:
    """A pipe is refused: its import would wait for ever for what was taken before."""
    with street(tmp_path, "north", "south") as shops:
        os.mkfifo(tmp_path / "pipe", 0o600)
        shops.write(shops.entry("north"), shops.entry("south", token_file="pipe"))
        done = shops.run()
        assert done.codes == {"north": 0, "south": 2}
        assert "is no plain file" in done.of("south")["stopped"]


def test_another_run_is_at_work(tmp_path: Path) -> None:
    """On one merchant's state: that one is left, exit 5. On the whole state: nothing begins."""
    with street(tmp_path, "north", "south") as shops:
        (tmp_path / "state/merchants/north").mkdir(parents=True)
        with locked(tmp_path / "state/merchants/north", "import"):
            done = shops.run()
        assert done.codes == {"north": 5, "south": 0}
        assert (done.status, done.of("north")["status"]) == (5, "locked")
        with locked(tmp_path / "state", "import --matrix"):
            done = shops.run()
        assert done.status == 5
        assert "another run is at work on state: process" in done.said


def test_live_directories_are_confirmed_once(tmp_path: Path) -> None:
    """Production asks once, for all by name; where nobody can answer, --yes has to."""
    with street(tmp_path, "north", "south") as shops:
        shops.write(*(shops.entry(name, target="production") for name in ("north", "south")))
        done = shops.run()
        assert done.status == 2
        for name in ("north", "south"):
            assert f"{name}: Sandbox Trading Company ({shops[name].box.merchant_id})" in done.said
            assert not shops[name].created()
        assert shops.run("--yes").status == 0


def test_a_folder_called_etl(tmp_path: Path) -> None:
    """What lies where the command is given is no part of the program."""
    with street(tmp_path, "north") as shops:
        for name in ("etl", "click"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "__init__.py").write_text("raise SystemExit(77)")
        assert shops.run().status == 0


def test_nobody_reads_the_words(tmp_path: Path) -> None:
    """Imports go on when whoever read their progress is gone."""
    with street(tmp_path, "north") as shops:
        process = shops.start()
        assert process.stderr is not None
        process.stderr.close()
        process.stderr = None
        assert shops.ended(process).status == 0


def test_figures_of_two_in_one_file(tmp_path: Path) -> None:
    """Imports that would replace each other's metrics are refused."""
    with street(tmp_path, "north", "south") as shops:
        (tmp_path / "c.toml").write_text('[metrics]\ntextfile = "etl.prom"\n')
        done = shops.run()
        assert done.status == 2
        assert "north and south would replace each other's [metrics] textfile" in done.said


def test_options_reach_every_import(tmp_path: Path) -> None:
    """What is said once is said to all: --canary, --tolerate, and --log-level."""
    with street(tmp_path, "north", "south") as shops:
        with (tmp_path / "north.csv").open("a") as file:
            file.write("north-3,Bo,Ek,no address\n")
        done = shops.run("--tolerate", "1", "--canary", "1", "--log-json", "-", "--log-level=debug")
        assert done.codes == {"north": 0, "south": 0}
        log = [json.loads(line) for line in done.said.splitlines()]
        refused = shops.run("--tolerate", "some")
        assert refused.status == 2
        assert "limits.tolerate: 'some' is neither a count" in refused.said
        called = {line["merchant"] for line in log if line["event"] == "call"}
        assert called == {"north", "south"}
        for name in called:
            bulk = [path for _, path in shops[name].calls if path.endswith("bulk-create")]
            assert len(bulk) == 2


def test_each_keeps_its_own_pace(tmp_path: Path) -> None:
    """A merchant's limit is its own: none is slowed by another's, and none exceeds its own."""
    paces = {"slow": 4.0, "quick": 8.0}
    with street(tmp_path, *paces, people=700) as shops:
        for name, pace in paces.items():
            limits = f"[limits]\nrequests_per_second = {pace}\n"
            (tmp_path / f"{name}.toml").write_text(limits)
        shops.write(*(shops.entry(name, config=f"{name}.toml") for name in paces))
        done = shops.run()
        assert done.status == 0, done.shown
        for name, pace in paces.items():
            # The first call asks who it is, before the import begins.
            times = [when for when, _ in shops[name].calls][1:]
            window = 1.0
            busiest = max(sum(begin <= time < begin + window for time in times) for begin in times)
            # Without a limit, all would come within a second.
            assert busiest <= pace * window + 2 < len(times), name
        assert done.of("quick")["seconds"] < done.of("slow")["seconds"]


def test_limits_of_square(tmp_path: Path) -> None:
    """Square's own limit on one merchant slows that one alone, which comes through all the same."""
    refused = list[float]()
    with street(tmp_path, "limited", "free", people=600) as shops:
        shops["limited"].reply = at_most(5, refused)
        (tmp_path / "c.toml").write_text("")
        done = shops.run()
        assert done.status == 0, done.shown
        assert refused
        assert done.of("free")["seconds"] < done.of("limited")["seconds"]


def at_most(rate: int, refused: list[float]) -> Reply:
    """Return who answers 429 to more than so many requests within a second, and notes when."""
    let_pass = list[float]()

    def reply(request: Request) -> Response | None:
        now = time.monotonic()
        if sum(each > now - 1 for each in let_pass) >= rate:
            refused.append(now)
            return answer(429, "RATE_LIMITED", "RATE_LIMIT_ERROR")
        let_pass.append(now)
        return None

    return reply
