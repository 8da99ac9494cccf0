"""Who may import whom: the rooms of ``etl`` and the arrows between them."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "etl"

# room -> the rooms it may import. Whatever is not listed is refused.
ARROWS = {
    "errors": set(),
    "addresses": set(),
    "customers": {"errors"},
    "config": {"addresses", "errors", "customers"},
    "presets": {"errors", "config"},
    "files": {"errors", "config", "customers"},
    "square": {"addresses", "errors"},
    "journal": {"errors", "customers"},
    "directory": {"errors", "customers", "journal", "square"},
    # Where batches run, whatever is done to them.
    "engines": {"errors", "files.atomic"},
    "stages": {
        "engines",
        "errors",
        "config",
        "customers",
        "files",
        "square",
        "journal",
        "directory",
        "presets",
        "reports",
    },
    "export": {
        "errors",
        "config",
        "customers",
        "files",
        "square",
        "journal",
        "presets",
    },
    "reports": {"engines", "config", "customers", "files", "journal"},
    # A client and an emulator that share a mistake agree with each other.
    "sandbox": {"customers.fields"},
    "target": {"errors", "config", "sandbox", "square"},
    "begin": {"config", "errors", "files", "journal", "square", "stages"},
    "exporting": {"begin", "config", "errors", "export", "files", "journal", "square"},
    "steps": {"begin", "config", "customers", "engines", "journal", "square", "stages"},
    "pipeline": {
        "begin",
        "config",
        "engines",
        "errors",
        "files",
        "journal",
        "square",
        "stages",
        "steps",
    },
    "matrix": {
        "begin",
        "config",
        "engines",
        "errors",
        "files",
        "journal",
        "reports",
        "session",
        "square",
        "target",
    },
    "retention": {"customers", "directory", "errors", "export", "files", "journal", "stages"},
    "session": {"errors", "config", "journal", "pipeline", "square", "target"},
    "telling": {"begin", "config", "errors", "files", "journal", "square", "target"},
    "doctor": {"config", "errors", "journal", "session", "square", "target", "telling"},
    "api": {
        "config",
        "engines",
        "errors",
        "export",
        "exporting",
        "files",
        "journal",
        "matrix",
        "pipeline",
        "session",
    },
    "cli": {
        "errors",
        "config",
        "customers",
        "doctor",
        "engines",
        "export",
        "exporting",
        "files",
        "journal",
        "matrix",
        "pipeline",
        "presets",
        "reports",
        "retention",
        "sandbox",
        "session",
        "square",
        "stages",
        "telling",
    },
}

MODULES = sorted(
    path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.stem[0] != "_"
)


def imports(path: Path) -> Iterator[str]:
    """Yield every ``etl`` module a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("etl."))
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "etl":
                yield from (f"etl.{alias.name}" for alias in node.names)
            elif node.module.startswith("etl."):
                yield node.module
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(module: str) -> str:
    """Return the room a dotted module name belongs to."""
    return module.split(".")[1]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_arrows(path: Path) -> None:
    """A module imports only from rooms its own room may lean on."""
    own = path.relative_to(PACKAGE).with_suffix("").parts[0]
    allowed = ARROWS[own]
    for module in imports(path):
        if room(module) == own:
            continue
        dotted = module.removeprefix("etl.")
        assert any(dotted == one or dotted.startswith(f"{one}.") for one in allowed) or any(
            one.startswith(f"{dotted}.") for one in allowed
        ), f"{own} must not import {module}"


def test_every_room_is_listed() -> None:
    """A new room has to say whom it leans on."""
    rooms = {path.relative_to(PACKAGE).with_suffix("").parts[0] for path in MODULES}
    assert rooms == set(ARROWS)


def test_help_needs_no_heavy_library() -> None:
    """Asking for help loads none of the libraries that take long to load."""
    heavy = ("pyarrow", "pandas", "duckdb", "phonenumbers", "httpx", "pydantic", "starlette")
    code = f"import sys; import etl.cli; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
