"""Where tokens come from: a private file, the system's keyring, the environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from etl import config
from etl.cli import session
from etl.errors import ConfigError
from etl.target import Target, open_target, token_source

ROOT = Path(__file__).parent.parent
TOKEN = "EAAAtest-token"


def opened(tmp_path: Path, environ: dict[str, str] | None = None, **settings: str | Path) -> Target:
    """Open Square's sandbox with these settings."""
    target = config.Target.model_validate({"environment": "sandbox", **settings})
    return open_target(target, None, environ or {}, tmp_path / "sandbox.sqlite")


def kept(tmp_path: Path, content: bytes, mode: int = 0o600) -> Path:
    """Return a token file."""
    path = tmp_path / "token"
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_token_file(tmp_path: Path, mode: int) -> None:
    """A private file is read, with or without a line end; it wins over the environment."""
    path = kept(tmp_path, f"{TOKEN}\n".encode(), mode)
    target = opened(tmp_path, {"SQUARE_ACCESS_TOKEN": "other"}, token_file=path)
    assert target.token == TOKEN
    assert TOKEN not in repr(target)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o622, 0o660, 0o601])
def test_a_file_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    """Read, write or run: whoever else may do anything with the file is one too many."""
    path = kept(tmp_path, TOKEN.encode(), mode)
    with pytest.raises(ConfigError, match=f"run chmod 600 {path}"):
        opened(tmp_path, token_file=path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        ("tökén".encode(), "something else than a token"),
        (b"\xff\xfe\x00", "something else than a token"),
    ],
)
def test_files_without_a_token(tmp_path: Path, content: bytes, told: str) -> None:
    """What is no token is refused, and not quoted."""
    path = kept(tmp_path, content)
    with pytest.raises(ConfigError, match=told) as refused:
        opened(tmp_path, token_file=path)
    assert refused.value.__cause__ is None


def test_a_folder_is_no_token_file(tmp_path: Path) -> None:
    """A name that leads to something else is told of."""
    with pytest.raises(ConfigError, match="cannot read the token file"):
        opened(tmp_path, token_file=tmp_path)
    with pytest.raises(ConfigError, match="No such file"):
        opened(tmp_path, token_file=tmp_path / "nowhere")


def test_a_pipe(tmp_path: Path) -> None:
    """What a program of secrets prints needs no file: --token-file <(pass square)."""
    reading, writing = os.pipe()
    os.write(writing, f"{TOKEN}\n".encode())
    os.close(writing)
    try:
        assert opened(tmp_path, token_file=f"/dev/fd/{reading}").token == TOKEN
    finally:
        os.close(reading)


def test_the_environment(tmp_path: Path) -> None:
    """Without a file the variable counts; without either the remedy is told."""
    assert opened(tmp_path, {"SQUARE_ACCESS_TOKEN": f" {TOKEN} "}).token == TOKEN
    with pytest.raises(ConfigError, match="set SQUARE_ACCESS_TOKEN or give --token-file"):
        opened(tmp_path)


def test_two_places_for_one_token() -> None:
    """A config that names a file and a keyring is asked to keep one; an option wins over either."""
    with pytest.raises(ConfigError, match="keep one"):
        config.parse({"target": {"token_file": "t", "keyring": "square-etl"}}, "c.toml")


def test_a_typed_token_file_wins_over_the_keyring(tmp_path: Path) -> None:
    """``--token-file`` says where tonight's token is, whatever the config says."""
    (tmp_path / "c.toml").write_text('[target]\nenvironment = "sandbox"\nkeyring = "square-etl"\n')
    settings = session.configured(tmp_path / "c.toml", None, tmp_path / "token", None)
    assert (settings.target.token_file, settings.target.keyring) == (tmp_path / "token", None)


def test_sources_are_named() -> None:
    """``doctor`` says where the token comes from."""
    said = config.Target.model_validate({"environment": "production", "keyring": "square-etl"})
    assert token_source(said) == "the system's keyring, service 'square-etl', user 'production'"


_BACKEND = f'''
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked


class Backend(KeyringBackend):
    priority = 9

    def get_password(self, service, username):
        if service == "locked":
            raise KeyringLocked("{TOKEN}")
        return {{("square-etl", "sandbox"): "{TOKEN}\\n"}}.get((service, username))

    def set_password(self, service, username, password): ...
    def delete_password(self, service, username): ...
'''


@pytest.mark.parametrize(
    ("service", "environment", "told"),
    [
        ("square-etl", "sandbox", ""),
        ("square-etl", "production", "keyring set square-etl production"),
        ("other one", "sandbox", "keyring set 'other one' sandbox"),
        ("locked", "sandbox", "KeyringLocked"),
    ],
)
def test_a_keyring(tmp_path: Path, service: str, environment: str, told: str) -> None:
    """The system's keyring is asked for the environment's token; what it lacks is told, with the
    command that puts it there."""
    (tmp_path / "backend.py").write_text(_BACKEND)
    code = (
        "import json, pathlib; from etl import config; from etl.errors import ConfigError\n"
        "from etl.target import open_target\n"
        f"target = config.Target(environment={environment!r}, keyring={service!r})\n"
        "try:\n"
        "    told = open_target(target, None, {}, pathlib.Path('x')).token\n"
        "except ConfigError as error:\n"
        "    told = f'refused: {error}'\n"
        "print(json.dumps(told))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={
            "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}",
            "PYTHON_KEYRING_BACKEND": "backend.Backend",
            "HOME": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    said = json.loads(done.stdout)
    if told:
        assert told in said
        assert TOKEN not in said
    else:
        assert said == TOKEN


def test_without_the_library(tmp_path: Path) -> None:
    """Where square-etl[keyring] is not installed, the refusal says how to get it."""
    code = "import sys; sys.modules['keyring'] = None\nfrom etl.cli import main; main()"
    (tmp_path / "c.toml").write_text('[target]\nenvironment = "sandbox"\nkeyring = "square-etl"\n')
    (tmp_path / "p.csv").write_text("Email\na@example.com\n")
    done = subprocess.run(
        [sys.executable, "-c", code, "import", "p.csv", "--config", "c.toml"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "pip install 'square-etl[keyring]'" in done.stderr
