"""What does a command not load, though a library would?

Imported before anything that imports pyarrow.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec


class _NotNow(MetaPathFinder):
    """Finds no pandas, whoever asks."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: object = None
    ) -> ModuleSpec | None:
        """Raise for pandas; of others nothing is known here."""
        if name == "pandas":
            raise ModuleNotFoundError("pandas takes a quarter of a second to load", name=name)
        return None


def _without_pandas() -> None:
    """Let pyarrow do without pandas, which it looks for when it makes its first array.

    Commands have no frames. Whoever has (``etl.api``) loads pandas first, or later: pyarrow takes
    it as soon as it needs it.
    """
    import pyarrow as pa

    hidden = _NotNow()
    sys.meta_path.insert(0, hidden)
    try:
        pa.array([""])
    finally:
        sys.meta_path.remove(hidden)


if "pandas" not in sys.modules:
    _without_pandas()
