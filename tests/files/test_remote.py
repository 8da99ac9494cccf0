"""Sources that lie elsewhere, from real servers on loopback: S3 (moto) and SFTP (asyncssh)."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from etl import config
from etl.errors import ConfigError, SourceError
from etl.files.sources import open_sources
from tests.cli.test_imports import PEOPLE, folder, run

__all__ = ["folder"]

boto = pytest.importorskip("moto.server")
asyncssh = pytest.importorskip("asyncssh")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """An S3 server with a bucket ``shop``."""
    server = boto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def shop(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """The file system of that server, as the environment describes it."""
    fsspec = pytest.importorskip("fsspec")
    for name, value in {
        "AWS_ACCESS_KEY_ID": "made-up",
        "AWS_SECRET_ACCESS_KEY": "canary-secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": endpoint,
    }.items():
        monkeypatch.setenv(name, value)
    system = fsspec.filesystem("s3", skip_instance_cache=True)
    system.mkdir("shop")
    yield system
    system.rm("shop", recursive=True)
    fsspec.get_filesystem_class("s3").clear_instance_cache()


def put(system: object, name: str, text: str) -> None:
    """Write an object."""
    with system.open(name, "wb") as file:  # type: ignore[attr-defined]
        file.write(text.encode())


def opened(url: str, folder: Path) -> list[str]:
    """Open what an address names; return the names of the sources."""
    return [s.name for s in open_sources([url], config.Source(), folder / "spool")]


def test_an_object_is_imported_from_a_copy(shop: object, folder: Path) -> None:
    """It is named by its address in report and ledger; the copy goes once it is read."""
    put(shop, "shop/people.csv", PEOPLE)

    done = run("import", "s3://shop/people.csv", "--output", "json")

    report = json.loads(done.stdout)
    assert (done.exit_code, report["rows"]["created"]) == (0, 2)
    assert report["sources"][0]["path"] == "s3://shop/people.csv"
    ledger = folder / ".square-etl/runs" / report["run_id"] / "rows.csv"
    assert ledger.read_text().splitlines()[1].startswith("s3://shop/people.csv,2,created,")
    assert not [*ledger.parent.glob("sources-*")]
    assert "canary-secret" not in done.output
    again = json.loads(run("import", "s3://shop/people.csv", "--output", "json").stdout)
    assert again["rows"]["unchanged"] == 2


def test_a_pattern_names_several_in_order(shop: object, tmp_path: Path) -> None:
    """As with files; one that names nothing is an error."""
    for name in ("b", "a"):
        put(shop, f"shop/in/{name}.csv", PEOPLE.replace("c-", f"{name}-"))
    assert opened("s3://shop/in/*.csv", tmp_path) == ["s3://shop/in/a.csv", "s3://shop/in/b.csv"]
    with pytest.raises(SourceError, match=r"s3://shop/out/\*.csv: no file has such a name"):
        opened("s3://shop/out/*.csv", tmp_path)


def test_an_export_brings_its_manifest(shop: object, folder: Path) -> None:
    """What masks and escapes an export has is known there as well as here."""
    (folder / "people.csv").write_text(PEOPLE)
    run("import", "people.csv")
    assert run("export", "out.csv", "--mask", "email_address").exit_code == 0
    for name in ("out.csv", "out.csv.manifest.json"):
        put(shop, f"shop/{name}", (folder / name).read_text())

    here, there = run("import", "out.csv"), run("import", "s3://shop/out.csv")

    assert (here.exit_code, there.exit_code) == (2, 2)
    assert "masked" in here.output
    assert there.output.replace("s3://shop/", "") == here.output


def test_what_cannot_be_fetched_is_refused_in_words(shop: object, tmp_path: Path) -> None:
    """Nothing is left of a copy that failed, and no traceback is shown."""
    with pytest.raises(SourceError, match=r"s3://shop/gone\.csv: cannot be read: "):
        opened("s3://shop/gone.csv", tmp_path)
    put(shop, "shop/empty.csv", "")
    with pytest.raises(SourceError, match=r"s3://shop/empty\.csv: is empty"):
        opened("s3://shop/empty.csv", tmp_path)
    put(shop, "shop/a.csv", PEOPLE)
    with pytest.raises(SourceError, match="is the same file as"):
        open_sources(["s3://shop/a.csv"] * 2, config.Source(), tmp_path / "spool")
    done = run("import", "s3://shop/gone.csv")
    assert (done.exit_code, "Traceback" in done.output) == (2, False)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s3://key:secret@shop/a.csv", "would be written down"),
        ("s3://shop/a.csv?X-Amz-Signature=abc", "would be written down"),
        ("https://example.com/a.csv", "pipe it in"),
        ("nothing://a.csv", "no kind of address"),
    ],
)
def test_addresses_that_are_not_taken(url: str, said: str, tmp_path: Path) -> None:
    """Secrets do not belong in an address: it stands in journals and reports."""
    with pytest.raises(ConfigError, match=said) as refused:
        opened(url, tmp_path)
    assert "secret" not in str(refused.value)
    assert "abc" not in str(refused.value)


def test_a_place_that_does_not_answer_is_tried_again_later(
    shop: object, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An outage is exit 4, which schedulers try again: nothing is wrong with the command."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    done = run("import", "s3://elsewhere/people.csv")
    assert done.exit_code == 4, done.output
    assert "nobody answers there" in done.output
    assert "give the same command again" in done.output


# -- SFTP ------------------------------------------------------------------------------------


SERVE = """
import asyncio, asyncssh, sys
async def serve():
    server = await asyncssh.listen(
        "127.0.0.1", 0, server_host_keys=[sys.argv[1]], authorized_client_keys=sys.argv[2],
        sftp_factory=True,
    )
    print(server.get_port(), flush=True)
    await server.wait_closed()
asyncio.run(serve())
"""


@pytest.fixture
def sftp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Path]]:
    """An SFTP server of a folder; the host key is in known_hosts, the user's key is known to it."""
    home, served = tmp_path / "home", tmp_path / "served"
    (home / ".ssh").mkdir(parents=True, mode=0o700)
    served.mkdir()
    ours, theirs = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    ours.write_private_key(str(home / ".ssh/id_ed25519"))
    ours.write_public_key(str(tmp_path / "authorized"))
    theirs.write_private_key(str(tmp_path / "host"))
    monkeypatch.setenv("HOME", str(home))
    command = [sys.executable, "-c", SERVE, str(tmp_path / "host"), str(tmp_path / "authorized")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        known = theirs.export_public_key().decode()
        (home / ".ssh/known_hosts").write_text(f"[127.0.0.1]:{port} {known}")
        yield f"sftp://somebody@127.0.0.1:{port}", served
        server.terminate()


def test_sftp_with_a_known_host(sftp: tuple[str, Path], tmp_path: Path) -> None:
    """Files and patterns, by the user's own key."""
    address, served = sftp
    (served / "a.csv").write_text(PEOPLE)
    assert opened(f"{address}{served}/a.csv", tmp_path) == [f"{address}{served}/a.csv"]
    assert opened(f"{address}{served}/*.csv", tmp_path) == [f"{address}{served}/a.csv"]


def test_sftp_with_another_host_key(sftp: tuple[str, Path], tmp_path: Path) -> None:
    """Whoever answers with a key that is not in known_hosts gets nothing and is not believed."""
    address, served = sftp
    (served / "a.csv").write_text(PEOPLE)
    known = tmp_path / "home/.ssh/known_hosts"
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    known.write_text(f"{known.read_text().partition(' ')[0]} {other}")
    with pytest.raises(SourceError, match=r"cannot be read: .*[Hh]ost key"):
        opened(f"{address}{served}/a.csv", tmp_path)
