"""Would the tests notice? Bugs of the kind importers have are planted, one at a time.

    pytest -m long tests/test_planted_bugs.py

Each is put into a copy of the tree, and the tests that should turn red are run there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]


class Bug(NamedTuple):
    """A change of one file, and the tests that must notice it."""

    name: str
    file: str
    right: str
    wrong: str
    tests: tuple[str, ...]


BUGS = (
    Bug(
        "a new key at each attempt",
        "etl/stages/load.py",
        "        flights.launch(request, lambda: self._send(request))",
        "        salt = b'\"s%d-' % request.sends if request.sends else b'\"se-'\n"
        "        request = request._replace(body=request.body.replace(b'\"se-', salt))\n"
        "        flights.launch(request, lambda: self._send(request))",
        ("tests/stages/test_interrupted.py", "tests/stages/test_any_history.py"),
    ),
    Bug(
        "updates without the version they were computed from",
        "etl/stages/plan.py",
        'guard = {} if write.version is None else {"version": write.version}',
        "guard: dict[str, int] = {}",
        ("tests/stages/test_load.py",),
    ),
    Bug(
        "answers taken by their position",
        "etl/stages/load.py",
        "            item = bulk.get(write.key)\n",
        "            item = dict(zip((w.key for w in self.journal.writes(request)), "
        "bulk.values())).get(write.key)\n",
        ("tests/stages/test_load.py",),
    ),
    Bug(
        "a lookup that failed taken for nobody",
        "etl/directory/lookup.py",
        "                yield from square.search_customers("
        '{_FILTERS[column]: {"exact": value}})\n',
        "                try:\n"
        "                    yield from square.search_customers("
        '{_FILTERS[column]: {"exact": value}})\n'
        "                except Exception:\n"
        "                    continue\n",
        ("tests/directory/test_lookup.py", "tests/stages/test_match.py"),
    ),
    Bug(
        "calls that are sent before the journal knows",
        "etl/stages/load.py",
        "        with self.journal.transaction():\n"
        "            self.journal.sending(request, now)\n",
        "",
        ("tests/stages/test_interrupted.py",),
    ),
    Bug(
        "keys that come from chance",
        "etl/customers/payload.py",
        '    return f"se-{digest[:40]}"',
        '    import uuid\n\n    return f"se-{uuid.uuid4().hex}" + digest[:8]',
        ("tests/stages/test_any_history.py",),
    ),
    Bug(
        "a copy of the directory that forgets the lag",
        "etl/directory/kept.py",
        "_OVERLAP = 600.0",
        "_OVERLAP = -60.0",
        ("tests/directory/test_kept.py",),
    ),
)


@pytest.mark.long
@pytest.mark.parametrize("bug", BUGS, ids=[bug.name for bug in BUGS])
def test_a_planted_bug_is_noticed(bug: Bug, tmp_path: Path) -> None:
    """The suite is green without it (that is what every other test says) and red with it."""
    for name in ("etl", "tests", "configs", "sample_data", "pyproject.toml", "README.md"):
        source, copy = ROOT / name, tmp_path / name
        if source.is_dir():
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy)
    file = tmp_path / bug.file
    text = file.read_text(encoding="utf-8")
    assert text.count(bug.right) == 1
    file.write_text(text.replace(bug.right, bug.wrong), encoding="utf-8")

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", *bug.tests],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1, done.stdout
    assert "failed" in done.stdout
