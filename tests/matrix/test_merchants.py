"""The file of the merchants: strict, and its errors name the file, the merchant and the key."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from etl.cli import main
from etl.errors import ConfigError
from etl.matrix.merchants import load

ROOT = Path(__file__).parents[2]
NORTH = '[[merchants]]\nname = "north"\nsources = ["a.csv"]\n'


def test_paths_and_defaults(tmp_path: Path) -> None:
    """Paths are relative to the file; what is said for all holds where a merchant says nothing."""
    (tmp_path / "m.toml").write_text(
        'config = "c.toml"\ntarget = "sandbox"\nat_once = 2\n'
        + NORTH
        + '[[merchants]]\nname = "south"\nsources = ["*.csv", "s3://shop/people.csv"]\n'
        'config = "/etc/south.toml"\ntarget = "production"\ntoken_file = "south.token"\n'
    )
    wanted = load(tmp_path / "m.toml")
    north, south = wanted.entries
    assert wanted.at_once == 2
    assert (north.config, north.target) == (tmp_path / "c.toml", "sandbox")
    assert north.sources == (str(tmp_path / "a.csv"),)
    assert (south.config, south.target) == (Path("/etc/south.toml"), "production")
    assert south.sources == (str(tmp_path / "*.csv"), "s3://shop/people.csv")
    assert south.token_file == tmp_path / "south.token"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[merchants\n", "is not valid TOML"),
        ("", "merchants: Field required"),
        ("merchants = []", "merchants: "),
        ("at_once = 0\n" + NORTH, "at_once: "),
        ('conifg = "c.toml"\n' + NORTH, "unknown key conifg (did you mean config?)"),
        (NORTH + 'token_fil = "t"', "merchant north: unknown key token_fil (did you mean token_f"),
        (NORTH + 'target = "live"', "merchant north: target: Input should be 'local', 'sandbox'"),
        (NORTH + 'token = "EAAAcanary"', "a token never stands here: say token_file"),
        (NORTH + 'token_env = "EAAA-canary"', "merchant north: token_env: String should match"),
        (NORTH + f'token_env = "EAAAcanary{"x" * 54}"', "merchant north: token_env: String should"),
        (NORTH + 'token_env = "T"\ntoken_file = "t"', "merchant north: token_file and token_env "),
        (NORTH.replace("a.csv", "-"), "merchant north: sources.0: - is standard input"),
        (NORTH.replace("a.csv", "./-"), "merchant north: sources.0: - is standard input"),
        (NORTH.replace("a.csv", "a\\u0000"), "merchant north: sources.0: no name of a file has a"),
        (NORTH + 'config = "c\\u0000"', "merchant north: config: no name of a file has a NUL"),
        (NORTH + 'token_file = "c\\u0000"', "merchant north: token_file: no name of a file has a"),
        ("x = " + "[" * 3000 + "]" * 3000, "is not valid TOML: it is nested too deeply"),
        (NORTH.replace('"a.csv"', ""), "merchant north: sources: "),
        (NORTH.replace("north", "../north"), "[[merchants]] number 1: name: String should match"),
        (NORTH.replace("north", ".."), "[[merchants]] number 1: name: String should match"),
        ('[[merchants]]\nsources = ["a.csv"]', "[[merchants]] number 1: name: Field required"),
        (NORTH + NORTH, "two merchants are called north"),
        (NORTH + NORTH.replace("north", "North"), "north and North name one folder"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, told: str) -> None:
    """Each mistake is named, with the place; what may be a token is never repeated."""
    (tmp_path / "m.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "m.toml")
    assert str(caught.value).startswith(str(tmp_path / "m.toml"))
    assert told in str(caught.value)
    assert "canary" not in str(caught.value)


def test_no_file(tmp_path: Path) -> None:
    """A file that is not there is told in one sentence, exit 2."""
    done = CliRunner().invoke(main, ["import", "--matrix", str(tmp_path / "m.toml")])
    assert done.exit_code == 2
    assert done.stderr == f"square-etl: cannot read {tmp_path}/m.toml: No such file or directory\n"


@pytest.mark.parametrize(
    ("arguments", "environ", "told"),
    [
        (["people.csv"], {}, "say no SOURCE"),
        (["--target", "sandbox"], {}, "leave out --target"),
        (["--config", "c.toml"], {}, "leave out --config"),
        (["--token-file", "t"], {}, "leave out --token-file"),
        (["--run-dir", "d"], {}, "leave out --run-dir"),
        (["--amends", "r"], {}, "leave out --amends"),
        ([], {"SQUARE_ENVIRONMENT": "sandbox"}, "leave out SQUARE_ENVIRONMENT (as --target)"),
        ([], {"SQUARE_BASE_URL": "https://a"}, "leave out SQUARE_BASE_URL (as --base-url)"),
    ],
)
def test_options_of_one_import(
    tmp_path: Path, arguments: list[str], environ: dict[str, str], told: str
) -> None:
    """What each merchant has of its own is said in the file only, and nothing overrides it."""
    (tmp_path / "m.toml").write_text(NORTH)
    unset = dict.fromkeys(("SQUARE_ENVIRONMENT", "SQUARE_BASE_URL"))
    done = CliRunner().invoke(
        main,
        ["import", "--matrix", str(tmp_path / "m.toml"), *arguments],
        env={**unset, **environ},
    )
    assert done.exit_code == 2
    assert told in done.stderr
    assert not (tmp_path / ".square-etl").exists()


def test_neither_source_nor_matrix() -> None:
    """An import of nothing says what it could be of."""
    done = CliRunner().invoke(main, ["import"])
    assert done.exit_code == 2
    assert "say which SOURCE, or --matrix FILE" in done.stderr


def test_the_example() -> None:
    """The file of the repository is accepted, and its files are there."""
    wanted = load(ROOT / "configs" / "merchants.toml")
    assert len(wanted.entries) > 1
    for entry in wanted.entries:
        assert entry.target in (None, "local")
        assert all(Path(source).is_file() for source in entry.sources)
        assert entry.config
        assert entry.config.is_file()
