"""Settings: strict, explained, and complete without a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from etl import config
from etl.errors import ConfigError


def test_no_file_is_a_config() -> None:
    """Every key has a default, so no settings at all are settings."""
    settings = config.parse({}, "nothing")
    assert settings.target.environment == "local"
    assert settings.update.policy == "overwrite"
    assert settings.dedupe.keys == ("reference_id", "email_address", "phone_number")
    assert settings.on_invalid.policy("birthday") == "reject"


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"sorce": {}}, "unknown key sorce (did you mean source?)"),
        ({"source": {"encodin": "x"}}, "unknown key source.encodin (did you mean encoding?)"),
        ({"columns": {"Mail": "email_adress"}}, "did you mean email_address?"),
        ({"columns": {"Made": "created_at"}}, "'created_at' is not a customer field"),
        ({"on_invalid": {"birthdy": "drop"}}, "did you mean birthday?"),
        ({"on_invalid": {"note": "truncate"}}, "note cannot be truncated"),
        ({"on_invalid": {"reference_id": "truncate"}}, "reference_id cannot be truncated"),
        ({"on_invalid": {"birthday": "ignore"}}, "on_invalid.birthday"),
        ({"update": {"policy": "mirror"}}, "set allow_clear = true"),
        ({"update": {"fields": {"note": "mirror"}}}, "set allow_clear = true"),
        ({"limits": {"tolerate": "many"}}, "neither a count"),
        ({"limits": {"max_created": "101%"}}, "neither a count"),
        ({"limits": {"max_created": "nan"}}, "neither a count"),
        ({"limits": {"max_created": "inf"}}, "neither a count"),
        ({"update": {"allow_clear": "yes"}}, "update.allow_clear"),
        ({"fallbacks": {"phone_number": []}}, "fallbacks.phone_number"),
        ({"columns": {"Name": "full_nam"}}, "'full_nam' is not a customer field"),
        ({"joined": {"note": ["one"]}}, "joined.note"),
        ({"joined": {"full_name": ["a", "b"]}}, "'full_name' is not a customer field"),
        ({"constants": {"phone_number": "+1"}}, "all rows would be one customer"),
        ({"values": {"birthdy": {"x": "y"}}}, "did you mean birthday?"),
        ({"others": {"note": "note"}}, "others.note"),
        ({"others": {"phone_number": "nickname"}}, "others.phone_number"),
        ({"consent": {"yess": ["x"]}}, "unknown key consent.yess (did you mean yes?)"),
        ({"groups": {"ad": ["x"]}}, "unknown key groups.ad (did you mean add?)"),
        ({"groups": {"add": [""]}}, "not the name of a group"),
        ({"groups": {"add": [" VIP"]}}, "not the name of a group"),
        ({"groups": {"separator": ";"}}, "separator needs the column"),
        ({"custom_attributes": {"Drink": "favorite drink"}}, "not the key of a custom attribute"),
        ({"custom_attributes": {"a": "x", "b": "x"}}, "'x' is fed twice"),
        ({"others": {"phone_number": "custom_attributes."}}, "not the key"),
        (
            {
                "custom_attributes": {"a": "x"},
                "others": {"phone_number": "custom_attributes.x"},
            },
            "'x' is fed twice",
        ),
        ({"limits": {"patience": 0}}, "limits.patience"),
        ({"clean": {"default_region": "UK"}}, "'UK' is not a region"),
        ({"target": {"environment": "prod"}}, "target.environment"),
        ({"target": {"square_version": "newest"}}, "target.square_version"),
        ({"dedupe": {"keys": ["email"]}}, "dedupe.keys.0"),
    ],
)
def test_wrong_settings_are_explained(settings: dict[str, object], told: str) -> None:
    """A wrong setting is refused with its place, and the nearest right one where there is one."""
    with pytest.raises(ConfigError) as refused:
        config.parse(settings, "nightly.toml")
    assert told in str(refused.value)
    assert str(refused.value).startswith("nightly.toml: ")


def test_all_mistakes_at_once() -> None:
    """Whoever mends a config sees all of its mistakes, not one per attempt."""
    with pytest.raises(ConfigError) as refused:
        config.parse({"sorce": {}, "limits": {"tolerate": "x"}}, "c.toml")
    assert len(str(refused.value).splitlines()) == 2


@pytest.mark.parametrize("limit", [20, "20", "5%", "0%", "2.5%"])
def test_counts_and_shares(limit: object) -> None:
    """A limit is a count, with or without quotes, or a share."""
    assert config.parse({"limits": {"max_rejected": limit}}, "c").limits.max_rejected == str(limit)


def test_policy_of_a_field_beats_the_policy() -> None:
    """``[update.fields]`` speaks for its field, ``policy`` for the others."""
    update = config.parse({"update": {"policy": "fill", "fields": {"note": "skip"}}}, "c").update
    assert (update.policy_for("note"), update.policy_for("birthday")) == ("skip", "fill")


@pytest.mark.parametrize("content", [b"[source", b"\xff\xfe", b"a = \n"])
def test_unreadable_files(tmp_path: Path, content: bytes) -> None:
    """A file that is not TOML in UTF-8 is refused by name."""
    path = tmp_path / "broken.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"broken\.toml"):
        config.load(path)


def test_missing_file(tmp_path: Path) -> None:
    """A config that is not there is refused by name."""
    with pytest.raises(ConfigError, match=r"nowhere\.toml"):
        config.load(tmp_path / "nowhere.toml")


def test_a_config_survives_its_journal() -> None:
    """A run keeps its config as JSON and resumes with the same one."""
    settings = config.parse(
        {
            "columns": {"Mail": "email_address"},
            "on_invalid": {"birthday": "drop"},
            "limits": {"tolerate": "5%"},
            "target": {"token_file": "token"},
        },
        "c",
    )
    assert config.Config.model_validate_json(settings.model_dump_json()) == settings
