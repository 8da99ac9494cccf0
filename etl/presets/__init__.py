"""What do other systems call the customer fields? One TOML fragment of a config per system."""

from __future__ import annotations

import tomllib
from importlib import resources

from etl.config import Config, parse
from etl.errors import ConfigError


def presets() -> list[str]:
    """Return the names of the systems whose exports are known."""
    folder = resources.files("etl.presets")
    return sorted(
        entry.name.removesuffix(".toml")
        for entry in folder.iterdir()
        if entry.name.endswith(".toml")
    )


def preset(name: str) -> Config:
    """Return what is known of a system, as a config says it."""
    if name not in presets():
        raise ConfigError(f"there is no preset {name!r}; there are {', '.join(presets())}")
    text = resources.files("etl.presets").joinpath(f"{name}.toml").read_text(encoding="utf-8")
    return parse(tomllib.loads(text), f"preset {name}")
