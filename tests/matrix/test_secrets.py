"""Canaries: each import knows its own token, nobody sees any, and no person is shown."""

from __future__ import annotations

import json
from pathlib import Path

from etl.sandbox import Request, Response
from tests.matrix.street import HEADER, Street, street

PEOPLE = (
    "{0}-1,Zyzzogeton,Quackenbush,zq.canary@{0}.example.com\n"
    "{0}-2,Zyzzogeton,Quackenbush,zq.canary at example.com\n"
)
PERSON = ("zyzzogeton", "quackenbush", "zq.canary")
SHOPS = ("north", "south", "east")


def echo(request: Request) -> Response | None:
    """Say back all of a write, wherever an error can say something."""
    if not request.path.endswith("/bulk-create"):
        return None
    said = f"{request.headers.get('authorization')} {request.body.decode()}"
    fault = {"category": "INVALID_REQUEST_ERROR", "code": said, "detail": said, "field": said}
    headers = {"content-type": "application/json", "x-said": said.strip()}
    return Response(400, json.dumps({"errors": [fault]}).encode(), headers)


def of_process(pid: int, kind: str) -> str:
    """Return what the system tells of a process, to its owner or to everybody."""
    return Path(f"/proc/{pid}/{kind}").read_text(errors="replace")


def test_tokens_and_people(tmp_path: Path) -> None:
    """A token is in the environment of its own import at most: in no argument, file or log."""
    with street(tmp_path, *SHOPS) as shops:
        tokens = {name: shops[name].token() for name in SHOPS}
        for name in SHOPS:
            (tmp_path / f"{name}.csv").write_text(HEADER + PEOPLE.format(name))
            shops[name].reply = echo
        (tmp_path / "east.token").write_text(tokens["east"])
        (tmp_path / "east.token").chmod(0o600)
        (tmp_path / "c.toml").write_text("[limits]\nrequests_per_second = 2\n")
        shops.write(
            shops.entry("north", token_file=None, token_env="TOKEN_OF_NORTH"),
            shops.entry("south", token_file=None, token_env="SQUARE_ACCESS_TOKEN"),
            shops.entry("east"),
        )
        process = shops.start(
            "--log-json=log.jsonl",
            "--log-level=debug",
            TOKEN_OF_NORTH=tokens["north"],
            SQUARE_ACCESS_TOKEN=tokens["south"],
        )
        environments, seen = watched(shops, process.pid, tokens)
        done = shops.ended(process)

        assert done.codes == dict.fromkeys(SHOPS, 3), done.said
        assert seen.count("--engine=local") == len(SHOPS)
        assert environments == {"north": {"north"}, "south": {"south"}, "east": set()}
        log = (tmp_path / "log.jsonl").read_text()
        assert '"call"' in log
        for words in (seen, done.shown, done.said, log):
            assert not any(token in words for token in tokens.values())
            assert not any(part in words.lower() for part in PERSON)
        (tmp_path / "east.token").unlink()
        for path in tmp_path.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                assert not any(token.encode() in content for token in tokens.values()), path
        # The canaries are alive: where people belong, they are.
        (rejects,) = tmp_path.glob("state/merchants/north/runs/*/rejects.csv")
        assert "Quackenbush" in rejects.read_text()
        # The commands that are proposed find the token where it is.
        command = done.of("north")["next"][0]["command"]
        assert command.startswith('SQUARE_ACCESS_TOKEN="$TOKEN_OF_NORTH" square-etl import ')


def watched(shops: Street, parent: int, tokens: dict[str, str]) -> tuple[dict[str, set[str]], str]:
    """Return whose tokens are in the environment of each import, and all command lines."""
    found, lines = dict[str, set[str]](), {"": of_process(parent, "cmdline")}
    while found.keys() != tokens.keys():
        for name, pid in shops.children(parent).items():
            lines[name] = of_process(pid, "cmdline")
            environ = of_process(pid, "environ")
            found[name] = {whose for whose, token in tokens.items() if token in environ}
    return found, "\n".join(lines.values())
